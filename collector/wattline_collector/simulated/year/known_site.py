"""True values of figures that people declare or log: access, grants, outages, activities."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from wattline_collector.simulated.year import factory, meters, papers
from wattline_collector.simulated.year.expected import Expected
from wattline_collector.simulated.year.extent import Extent
from wattline_collector.simulated.year.grants import COMMERCIAL, GRANTS
from wattline_collector.simulated.year.plan import COMMERCIAL_SHARE, Charged
from wattline_collector.simulated.year.planted import Event, Hole, What
from wattline_collector.simulated.year.truth import Happened

_FIELDS = 39
"""What Delegated Regulation (EU) 2024/1364 asks for: 12 fields of the data centre and 5 of its
redundancy (Annex I), 10 that meters count and 12 of the year (Annex II)."""
_PARTS = {"p50": 0.5, "p95": 0.95}
_LIMITS = {"playground": 2, "fast_lane": 4, "large_scale": 10, "ai_for_science": 30}
"""Days from application or cut-off to access, by the calls of the access modes; working days, but
for the last."""
_BY_CALENDAR = "ai_for_science"


def of_outages(found: Happened) -> Iterator[Expected]:
    """Availability, from what the register has of outages."""
    extent, events = found.plan.extent, found.plan.planted.events
    nodes, hours = extent.nodes, extent.hours

    def out(what: What) -> float:
        return sum(len(e.nodes) * _hours(e) for e in events if e.what is what) / nodes

    def whole(what: What) -> int:
        return sum(e.what is what and e.scope == "system" for e in events)

    scheduled, unscheduled = out(What.SCHEDULED), out(What.UNSCHEDULED)
    up = hours - scheduled - unscheduled
    yield Expected("A01", 100 * up / (hours - scheduled), why="planned outages")
    yield Expected("A02", 100 * up / hours, why="planned outages")
    times = whole(What.SCHEDULED) + whole(What.UNSCHEDULED)
    yield Expected("A03", up / (times + 1), dims={"figure": "mtti"}, why="planned outages")
    mttf = (hours - unscheduled) / (whole(What.UNSCHEDULED) + 1)
    yield Expected("A03", mttf, dims={"figure": "mttf"}, why="planned outages")
    lasted = [_hours(event) for event in events if event.what is What.UNSCHEDULED]
    yield Expected("A05", sum(lasted) / len(lasted), dims={"figure": "mean"},
                   why="planned outages")  # fmt: skip
    yield Expected("A05", max(lasted), dims={"figure": "p95"}, why="planned outages")
    kept = [_kept(found, *month) for month in _months(extent)]
    yield Expected("A08", 100 * sum(kept) / len(kept) if kept else None,
                   why="planned outages of whole months against what is agreed")  # fmt: skip


def _months(extent: Extent) -> list[tuple[int, int]]:
    """Calendar months that lie in the year whole."""
    start, end = factory.day(extent.start_ms), factory.day(extent.end_ms)
    firsts = [
        date(year, month, 1)
        for year in range(start.year, end.year + 1)
        for month in range(1, 13)
        if start <= date(year, month, 1) <= end
    ]
    moments = [
        round(datetime(one.year, one.month, 1, tzinfo=UTC).timestamp() * 1000) for one in firsts
    ]
    return list(pairwise(moments))


def _kept(found: Happened, start_ms: int, end_ms: int) -> bool:
    """Whether the system was as available in a time as agreed."""

    def out(what: What) -> float:
        return sum(
            len(event.nodes) * max(0, min(event.end_ms, end_ms) - max(event.start_ms, start_ms))
            for event in found.plan.planted.events
            if event.what is what
        ) / found.plan.extent.nodes  # fmt: skip

    planned = end_ms - start_ms - out(What.SCHEDULED)
    return 100 * (planned - out(What.UNSCHEDULED)) >= factory.AGREED_PERCENT * planned


def of_access(found: Happened) -> Iterator[Expected]:
    """Whose time it was."""
    union = sum(c.job.gpu_hours for c in found.plan.charged if c.grant.share == "union")
    entitled = factory.gpu_hours_per_year(found) * found.plan.extent.days / 365
    share = factory.union_share(found)
    yield Expected("I04", 100 * COMMERCIAL_SHARE, relative=0.005,
                   why="planted; over the Union's part of what was offered")  # fmt: skip
    yield Expected("U04", 100 * union / (entitled * share), relative=0.005,
                   why="hours of the Union's projects over what it is entitled to")  # fmt: skip
    modes = _by(found, lambda c: c.grant.access_mode)
    categories = _by(found, lambda c: c.grant.user_category)
    sectors = _by(found, lambda c: c.grant.sector)
    whole = sum(modes.values())
    states = _by(found, lambda c: c.grant.state)
    used = [
        *(("I01", {"access_mode": name}, hours) for name, hours in modes.items()),
        *(("I02", {"tag": "user_category", "word": n}, hours) for n, hours in categories.items()),
        *(("I02", {"tag": "sector", "word": n}, hours) for n, hours in sectors.items()),
        ("I02", {"tag": "field", "word": "unknown"}, whole),
        *(("I03", {"participating_state": name}, hours) for name, hours in states.items()),
    ]
    for id, dims, hours in used:
        yield Expected(id, hours, dims=dims, side="numerator", why="hours of planned jobs")
        yield Expected(id, 100 / papers.GRANTED_OVER_USED, dims=dims, why="granted by the plan")
    yield Expected("U05", 1 / papers.GRANTED_OVER_USED, why="granted by the plan")
    small = {g.organisation for g in GRANTS if g.user_category in ("start_up", "sme")}
    for which in ("served", "new"):
        yield Expected("I06", len(small), dims={"which": which},
                       why="organisations of the plan, which all began with the year")  # fmt: skip


def of_waits_for_access(found: Happened) -> Iterator[Expected]:
    """How long projects waited for access, by the clocks of their modes."""
    start, end = factory.day(found.plan.extent.start_ms), factory.day(found.plan.extent.end_ms)
    waits: dict[str, list[int]] = defaultdict(list)
    for grant in (*GRANTS, COMMERCIAL):
        access = start + timedelta(days=grant.access_days)
        if access >= end:
            continue
        days = [start + timedelta(days=n) for n in range(1, grant.access_days + 1)]
        if grant.access_mode != _BY_CALENDAR:
            days = [
                day
                for day in days
                if day.weekday() < 5 and (day.month, day.day) not in factory.HOLIDAYS
            ]
        waits[grant.access_mode].append(len(days))
    for mode, waited in sorted(waits.items()):
        waited.sort()
        figures = {name: waited[math.ceil(part * len(waited)) - 1] for name, part in _PARTS.items()}
        for name, days_waited in figures.items():
            yield Expected("I07", days_waited, dims={"access_mode": mode, "figure": name},
                           why="planned days from application or cut-off")  # fmt: skip
        if mode in _LIMITS:
            within = sum(days_waited <= _LIMITS[mode] for days_waited in waited)
            yield Expected("I07", 100 * within / len(waited),
                           dims={"access_mode": mode, "figure": "in_time"},
                           why="the same against the mode's limit")  # fmt: skip


def of_activities(found: Happened) -> Iterator[Expected]:
    """What the register of activities has."""
    yield Expected("U08", 900_000 / 600_000, why="the call that was declared")
    yield Expected("I08", 100 * 26 / 40, why="the call that was declared")
    yield Expected("I09", 24 * 3 + 40 * 2, dims={"figure": "person_days"}, why="two courses")
    yield Expected("I10", 4, dims={"kind": "publication"}, why="declared")
    yield Expected("I10", 2, dims={"kind": "model"}, why="declared")
    yield Expected("I11", 20, dims={"kind": "staff_exchange"}, why="two people for ten days")
    yield Expected("I11", 5, dims={"kind": "referral", "network": "edih"}, why="declared")
    yield Expected("I11", 1, dims={"kind": "joint_project"}, why="declared")
    yield Expected("I11", 3, dims={"kind": "asset_shared"}, why="declared")
    for report, due in papers.reports(found.plan.extent):
        yield Expected("Q04", papers.HANDED_IN_EARLY[report],
                       dims={"report": f"{report}-{due:%Y}", "due": f"{due}"},
                       why="handed in that many days early")  # fmt: skip
    yield Expected("Q01", 100 * 276 / 300, dims={"figure": "in_time"}, why="declared support")
    yield Expected("Q01", 5, dims={"figure": "hours_to_solve"}, why="declared support")
    yield Expected("Q01", 8.5, dims={"figure": "rating"}, why="declared survey")
    yield Expected("Q01", 100 * 40 / 100, dims={"figure": "response_rate"}, why="declared survey")
    moved, seconds = (90_000 + 20_000) * 1e9, (4 + 1.5) * 3600
    yield Expected("Q02", 100 * moved / (seconds * factory.LINK_BYTES_PER_SECOND),
                   why="declared transfers over what the link moves in their time")  # fmt: skip


def of_energy_report(found: Happened) -> Iterator[Expected]:
    """How complete the report on energy is: what was not forgotten, by the fields there are."""
    centre = {**factory.DATA_CENTRE, "rated_it_power": "stated"}
    stated = sum(
        value is not None
        for table in (centre, factory.REDUNDANCY, factory.YEARLY)
        for value in table.values()
    )
    metered = {code for _, code, _, _ in meters.METERS.values() if code is not None}
    has_gap = any(missing.hole is Hole.NO_METER for missing in found.plan.planted.missing)
    yield Expected("S07", 100 * (stated + len(metered) - has_gap) / _FIELDS,
                   why="fields that the plan states and meters; one whose meter was not read for"
                   " weeks does not count")  # fmt: skip


def _by(found: Happened, of: Callable[[Charged], str]) -> dict[str, float]:
    hours: dict[str, float] = defaultdict(float)
    for charged in found.plan.charged:
        hours[of(charged)] += charged.job.gpu_hours
    return hours


def _hours(event: Event) -> float:
    return (event.end_ms - event.start_ms) / 3_600_000
