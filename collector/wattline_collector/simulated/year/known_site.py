"""True values of figures that people declare or log: access, grants, outages, activities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from wattline_collector.simulated.year import papers
from wattline_collector.simulated.year.expected import Expected
from wattline_collector.simulated.year.grants import GRANTS
from wattline_collector.simulated.year.plan import COMMERCIAL_SHARE, Charged
from wattline_collector.simulated.year.planted import Event, What
from wattline_collector.simulated.year.truth import Happened


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


def of_access(found: Happened) -> Iterator[Expected]:
    """Whose time it was."""
    union = sum(c.job.gpu_hours for c in found.plan.charged if c.grant.share == "union")
    entitled = papers.gpu_hours_per_year(found) * found.plan.extent.days / 365
    share = papers.union_share(found)
    yield Expected("I04", 100 * COMMERCIAL_SHARE, relative=0.005,
                   why="planted; over the Union's part of what was offered")  # fmt: skip
    yield Expected("U04", 100 * union / (entitled * share), relative=0.005,
                   why="hours of the Union's projects over what it is entitled to")  # fmt: skip
    modes = _by(found, lambda c: c.grant.access_mode)
    categories = _by(found, lambda c: c.grant.user_category)
    states = _by(found, lambda c: c.grant.state)
    used = [
        *(("I01", {"access_mode": name}, hours) for name, hours in modes.items()),
        *(("I02", {"tag": "user_category", "word": n}, hours) for n, hours in categories.items()),
        *(("I03", {"participating_state": name}, hours) for name, hours in states.items()),
    ]
    for id, dims, hours in used:
        yield Expected(id, hours, dims=dims, side="numerator", why="hours of planned jobs")
        yield Expected(id, 100 / papers.GRANTED_OVER_USED, dims=dims, why="granted by the plan")
    yield Expected("U05", 1 / papers.GRANTED_OVER_USED, relative=1e-4, why="granted by the plan")
    small = {g.organisation for g in GRANTS if g.user_category in ("start_up", "sme")}
    yield Expected("I06", len(small), dims={"which": "served"}, why="organisations of the plan")


def of_activities(found: Happened) -> Iterator[Expected]:
    """What the register of activities has."""
    yield Expected("U08", 900_000 / 600_000, why="the call that was declared")
    yield Expected("I08", 100 * 26 / 40, why="the call that was declared")
    yield Expected("I09", 24 * 3 + 40 * 2, dims={"figure": "person_days"}, why="two courses")
    yield Expected("I10", 4, dims={"kind": "publication"}, why="declared")
    yield Expected("I11", 20, dims={"kind": "staff_exchange"}, why="two people for ten days")
    yield Expected("Q04", 6, dims={"report": "report-1"}, why="delivered six days early")
    yield Expected("Q01", 100 * 276 / 300, dims={"figure": "in_time"}, why="declared support")


def _by(found: Happened, of: Callable[[Charged], str]) -> dict[str, float]:
    hours: dict[str, float] = defaultdict(float)
    for charged in found.plan.charged:
        hours[of(charged)] += charged.job.gpu_hours
    return hours


def _hours(event: Event) -> float:
    return (event.end_ms - event.start_ms) / 3_600_000
