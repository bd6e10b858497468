"""What people of a planted factory filed: its registers and its profile."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from wattline_collector.profile import kept as profiles
from wattline_collector.registers import csv_file, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import REGISTERS
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS
from wattline_collector.simulated.year import logs, meters, trials
from wattline_collector.simulated.year.extent import Extent
from wattline_collector.simulated.year.factory import (
    GRAMS_PER_KWH,
    HOURS_TABLE,
    RESIDUAL_GRAMS_PER_KWH,
    ZONE,
    day,
    profile,
    years,
)
from wattline_collector.simulated.year.grants import COMMERCIAL, GRANTS
from wattline_collector.simulated.year.plan import Plan
from wattline_collector.simulated.year.planted import What
from wattline_collector.simulated.year.truth import Happened

Row = Mapping[str, object]
DAYS_A_YEAR = 365.25

GRANTED_OVER_USED = 1.25
HANDED_IN_EARLY = {"access-time": 6, "energy": -2, "own": 0}
"""Days before the last one on which each report was handed in; less than 0: late."""

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
    {"id": "move-1", "kind": "data_transfer", "gigabytes": 90_000, "hours": 4},
    {"id": "move-2", "kind": "data_transfer", "gigabytes": 20_000, "hours": 1.5},
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
        ("factors-hourly", factors_hourly(found.plan)),
        ("results", trials.results(found.plan)),
    ):
        data = as_csv(rows)
        taken = csv_file.taken(
            enumerate(data.encode().splitlines(keepends=True), 1), Path(f"{name}.csv"),
            REGISTERS[name], Setting(UTC, None),
        )  # fmt: skip
        if taken.damaged:
            raise ValueError(str(taken.error(taken.damaged[0])))
        kept.update(
            store, REGISTERS[name], taken.frame, origin="csv", source="planted", now_ms=now_ms
        )
    logs.keep(store, found.plan.extent, now_ms)
    draft = store / "planted-profile.toml"
    draft.write_text(profile(found))
    profiles.use(draft, store, now)
    draft.unlink()


def projects(plan: Plan) -> list[Row]:
    """The register of projects: everybody is granted a quarter more than they use."""
    used: dict[str, float] = defaultdict(float)
    for charged in plan.charged:
        used[charged.grant.project] += charged.job.gpu_hours
    start, end = day(plan.extent.start_ms), day(plan.extent.end_ms) - timedelta(days=1)
    return [
        {
            "project": grant.project, "access_mode": grant.access_mode,
            "user_category": grant.user_category, "state": grant.state, "sector": grant.sector,
            "share": grant.share, "commercial": "yes" if grant is COMMERCIAL else "no",
            "organisation": grant.organisation,
            "gpu_hours_requested": round(used[grant.project] * GRANTED_OVER_USED * 1.5, 6),
            "gpu_hours_granted": round(used[grant.project] * GRANTED_OVER_USED, 6),
            # A call's clock starts at its cut-off, however long before that somebody applied.
            "submitted": start - timedelta(days=20) if grant.has_cut_off else start,
            "call_cut_off": start if grant.has_cut_off else "",
            "access": start + timedelta(days=grant.access_days), "lead": grant.lead,
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
    start = day(plan.extent.start_ms)
    step = max(1, plan.extent.days // (len(ACTIVITIES) + 1))
    dated = [
        {**row, "start": start + timedelta(days=place * step)}
        for place, row in enumerate(ACTIVITIES, 1)
    ]
    handed_in: list[Row] = [
        {"id": f"{report}-{due:%Y}", "kind": "report", "due": due,
         "start": due - timedelta(days=HANDED_IN_EARLY[report])}
        for report, due in reports(plan.extent)
    ]  # fmt: skip
    return [*dated, *handed_in]


def reports(extent: Extent) -> list[tuple[str, date]]:
    """Reports due in the year: those that the law wants, and one of the factory's own."""
    middle = day(extent.start_ms) + timedelta(days=extent.days // 2)
    due = [("own", middle)]
    for year in years(extent):
        due += [("access-time", date(year, 1, 31)), ("energy", date(year, 5, 15))]
    last = day(extent.end_ms - 1)
    return [(report, by) for report, by in due if day(extent.start_ms) <= by <= last]


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
    return [
        {
            "zone": ZONE, "year": year, "value": grams, "unit": "g/kWh", "method": method,
            "scope": "lifecycle", "publisher": "Planted", "licence": "CC0",
        }
        for year in years(plan.extent)
        for method, grams in (
            ("consumption", GRAMS_PER_KWH), ("residual", RESIDUAL_GRAMS_PER_KWH),
        )
    ]  # fmt: skip


def factors_hourly(plan: Plan) -> list[Row]:
    """The grid's carbon by the hour: more in the evening and in winter."""
    extent = plan.extent
    return [
        {
            "table": HOURS_TABLE, "zone": ZONE, "hour": _time(hour_ms),
            "value": grams_per_kwh(hour_ms), "unit": "g/kWh", "method": "consumption",
            "scope": "lifecycle", "publisher": "Planted", "licence": "CC0",
        }
        for hour_ms in range(extent.start_ms, extent.end_ms, HOUR_MS)
    ]  # fmt: skip


def grams_per_kwh(hour_ms: int) -> float:
    """The grid's carbon in the hour that begins then."""
    hour, of_year = hour_ms / HOUR_MS % 24, hour_ms / DAY_MS % DAYS_A_YEAR / DAYS_A_YEAR
    evening = 0.3 * math.cos(2 * math.pi * (hour - 18) / 24)
    winter = 0.1 * math.cos(2 * math.pi * of_year)
    return round(GRAMS_PER_KWH * (1 + evening + winter), 3)


def as_csv(rows: Iterable[Row]) -> str:
    """Rows as an importer reads them; what a row does not say is empty."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
