"""What people of a planted factory filed: its registers and its profile."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from wattline_collector.profile import kept as profiles
from wattline_collector.registers import csv_file, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import REGISTERS
from wattline_collector.simulated.year import meters
from wattline_collector.simulated.year.grants import COMMERCIAL, GRANTS
from wattline_collector.simulated.year.plan import COMMERCIAL_SHARE, Plan
from wattline_collector.simulated.year.planted import What
from wattline_collector.simulated.year.truth import Happened

Row = Mapping[str, object]

ZONE = "FI"
GRAMS_PER_KWH, RESIDUAL_GRAMS_PER_KWH = 72.0, 410.0
EURO_PER_KWH = 0.145
OPERATING_EURO_PER_GPU_HOUR = 0.9
GRANTED_OVER_USED = 1.25
HOLIDAYS = ((1, 1), (1, 6), (5, 1), (6, 19), (12, 6), (12, 24), (12, 25), (12, 26))

ACTIVITIES: Sequence[Row] = (
    {"id": "course-1", "kind": "training", "participants": 24, "days": 3, "title": "Many GPUs"},
    {"id": "course-2", "kind": "training", "participants": 40, "days": 2, "title": "Fine-tuning"},
    {"id": "help-1", "kind": "support", "count": 200, "in_target": 180, "hours": 5},
    {"id": "help-2", "kind": "support", "count": 100, "in_target": 96, "hours": 5},
    {"id": "survey-1", "kind": "survey", "rating": 8.5, "answers": 40, "invited": 100},
    {"id": "stay-1", "kind": "staff_exchange", "participants": 2, "days": 10,
     "counterpart": "IT4LIA AI Factory"},
    {"id": "joint-1", "kind": "joint_project", "counterpart": "BSC AI Factory"},
    {"id": "shared-1", "kind": "asset_shared", "counterpart": "LUMI AI Factory", "count": 3},
    {"id": "send-1", "kind": "referral", "network": "edih", "count": 5},
    {"id": "paper-1", "kind": "publication", "count": 4},
    {"id": "model-1", "kind": "model", "count": 2},
    {"id": "call-1", "kind": "call", "submitted": 40, "awarded": 26,
     "access_mode": "ai_for_science", "gpu_hours_requested": 900000,
     "gpu_hours_offered": 600000},
)  # fmt: skip


def file(store: Path, found: Happened, now: datetime) -> None:
    """File everything: registers by their importers' own reader, and the profile.

    Args:
        store: Its directory, which exists.
        found: The year.
        now: When it is filed.

    Raises:
        ValueError: A row was set aside: the plan made one that is not right.
    """
    now_ms = round(now.timestamp() * 1000)
    for name, rows in (
        ("projects", projects(found.plan)),
        ("outages", outages(found.plan)),
        ("activities", activities(found.plan)),
        ("meters", readings(found)),
        ("factors", factors(found.plan)),
    ):
        data = _csv(rows)
        taken = csv_file.taken(
            enumerate(data.encode().splitlines(keepends=True), 1), Path(f"{name}.csv"),
            REGISTERS[name], Setting(UTC, None),
        )  # fmt: skip
        if taken.damaged:
            raise ValueError(str(taken.error(taken.damaged[0])))
        kept.update(
            store, REGISTERS[name], taken.frame, origin="csv", source="planted", now_ms=now_ms
        )
    draft = store / "planted-profile.toml"
    draft.write_text(profile(found))
    profiles.use(draft, store, now)
    draft.unlink()


def projects(plan: Plan) -> list[Row]:
    """The register of projects: everybody is granted a quarter more than they use."""
    used: dict[str, float] = defaultdict(float)
    for charged in plan.charged:
        used[charged.grant.project] += charged.job.gpu_hours
    start, end = _day(plan.extent.start_ms), _day(plan.extent.end_ms) - timedelta(days=1)
    return [
        {
            "project": grant.project, "access_mode": grant.access_mode,
            "user_category": grant.user_category, "state": grant.state, "sector": grant.sector,
            "share": grant.share, "commercial": "yes" if grant is COMMERCIAL else "no",
            "organisation": grant.organisation,
            "gpu_hours_requested": round(used[grant.project] * GRANTED_OVER_USED * 1.5, 3),
            "gpu_hours_granted": round(used[grant.project] * GRANTED_OVER_USED, 3),
            "submitted": start, "access": start + timedelta(days=grant.access_days),
            "valid_from": start, "valid_until": end,
        }
        for grant in (*GRANTS, COMMERCIAL)
    ]  # fmt: skip


def outages(plan: Plan) -> list[Row]:
    """The register of outages; what only the scheduler says of nodes is not in it."""
    return [
        {
            "system": plan.extent.system, "scope": event.scope, "name": event.name,
            "start": _time(event.start_ms), "end": _time(event.end_ms),
            "scheduled": "yes" if event.what is What.SCHEDULED else "no",
            "cause": "preventive" if event.what is What.SCHEDULED else "power",
        }
        for event in plan.planted.events
        if event.what in (What.SCHEDULED, What.UNSCHEDULED)
    ]  # fmt: skip


def activities(plan: Plan) -> list[Row]:
    """The register of activities, spread over the year."""
    start = _day(plan.extent.start_ms)
    step = max(1, plan.extent.days // (len(ACTIVITIES) + 1))
    dated = [
        {**row, "start": start + timedelta(days=place * step)}
        for place, row in enumerate(ACTIVITIES, 1)
    ]
    due = start + timedelta(days=30)
    report: Row = {"id": "report-1", "kind": "report", "due": due, "start": due - timedelta(days=6)}
    return [*dated, report]


def readings(found: Happened) -> list[Row]:
    """The register of meters, week by week."""
    return [
        {
            "meter": meter, "quantity": quantity, "eed": eed, "boundary": boundary,
            "reading": "amount", "start": _time(week.start_ms), "end": _time(week.end_ms),
            "value": repr(week.amounts[meter] / (meters.JOULES_PER_KWH if unit == "kWh" else 1)),
            "unit": unit,
        }
        for week in meters.weeks(found)
        for meter, (quantity, eed, boundary, unit) in meters.METERS.items()
        if week.is_read or meter != "ups-a"
    ]  # fmt: skip


def factors(plan: Plan) -> list[Row]:
    """Carbon of the grid, one figure a year and one of what no contract claimed."""
    years = range(_day(plan.extent.start_ms).year, _day(plan.extent.end_ms).year + 1)
    return [
        {
            "zone": ZONE, "year": year, "value": grams, "unit": "g/kWh", "method": method,
            "scope": "lifecycle", "publisher": "Planted", "licence": "CC0",
        }
        for year in years
        for method, grams in (
            ("consumption", GRAMS_PER_KWH), ("residual", RESIDUAL_GRAMS_PER_KWH),
        )
    ]  # fmt: skip


def union_share(found: Happened) -> float:
    """The Union's share of the system, such that commercial use is the planted part of it."""
    sold = sum(c.job.gpu_hours for c in found.plan.charged if c.grant is COMMERCIAL)
    return sold / COMMERCIAL_SHARE / offered_hours(found)


def offered_hours(found: Happened) -> float:
    """GPU-hours that were offered: neither in maintenance nor down, seen or not."""
    return found.hours() - found.hours("maintenance", "down")


def gpu_hours_per_year(found: Happened) -> float:
    """The access time of a year that the entitlement speaks of, at the pace of the plan."""
    return offered_hours(found) * 365 / found.plan.extent.days


def operating_euro(found: Happened) -> float:
    """What a year of operation costs, at the pace of the plan."""
    return OPERATING_EURO_PER_GPU_HOUR * found.hours() * 365 / found.plan.extent.days


def profile(found: Happened) -> str:
    """The factory's profile, as TOML."""
    extent = found.plan.extent
    start, end = _day(extent.start_ms), _day(extent.end_ms)
    days = [
        date(year, month, day)
        for year in range(start.year, end.year + 1)
        for month, day in HOLIDAYS
    ]
    operating = operating_euro(found)
    return f"""\
id = "planted-aif"
name = "Planted AI Factory"
country = "FI"
time_zone = "UTC"
track = 3
holds_since = {start}

[system.{extent.system}]
name = "Planted"
kind = "ai_optimised"
in_service = {start}

[system.{extent.system}.partition.gpu]
nodes = {extent.nodes}
device = "main"
devices_per_node = {extent.devices}

[system.{extent.system}.device.main]
model = "{extent.profile.model}"
count = {extent.nodes * extent.devices}
peaks.bf16 = "{extent.profile.peak_flops / 1e12:g} TFLOP/s"
peak_source = "planted"

[system.{extent.system}.entitlement]
gpu_hours_per_year = {gpu_hours_per_year(found)!r}
union_share = {union_share(found)!r}

[sla.A01]
direction = "up"
threshold = 90
target = 95

[tariff.all]
euro_per_kwh = {EURO_PER_KWH}

[finance.{start.year}]
operating_euro = {operating:.2f}
operating_eligible_euro = {operating * 0.9:.2f}
operating_union_euro = {operating * 0.4:.2f}

[calendar.site]
holidays = [{", ".join(map(str, days))}]

[carbon]
location = ["grid"]
residual = ["rest"]

[factor.grid]
grams_co2e_per_kwh = {GRAMS_PER_KWH}
zone = "{ZONE}"
year = {start.year}
source = "planted"
method = "consumption"
scope = "lifecycle"
licence = "CC0"

[factor.rest]
grams_co2e_per_kwh = {RESIDUAL_GRAMS_PER_KWH}
zone = "{ZONE}"
year = {start.year}
source = "planted"
method = "production"
scope = "lifecycle"
licence = "CC0"
"""


def _csv(rows: Iterable[Row]) -> str:
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()
