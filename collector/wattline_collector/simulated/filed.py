"""What people of a simulated factory filed: its registers and its profile, as those of a real one.

Projects are those that its jobs ran under, meters count what the books have of its nodes plus what
a building adds, and the profile states what the shape says. So the pages for management have
something to show. What nobody could know of a simulation, such as who caused an outage, is not
made up.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import load, utc
from wattline_collector.profile import kept as profiles
from wattline_collector.registers import csv_file, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import REGISTERS
from wattline_collector.simulated.schedule import Schedule
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, Shape
from wattline_collector.simulated.year.papers import ACTIVITIES, Row, as_csv, grams_per_kwh

COOLING = 0.09
"""Of the IT's energy, what cooling and losses of the building take: a PUE of 1.09."""
REUSED = 0.3
"""Of the IT's energy, the heat that a district takes."""
WATER_PER_KWH = 0.00002
"""Cubic metres of water for a kWh of the IT: cooling is dry most of the year."""
GRANTED_OVER_USED = 1.3
UNION_SHARE = 0.5
EURO_PER_GPU_HOUR = 0.9
"""Of operation."""
ZONE, HOURS_TABLE = "FI", "simulated-hours"

_MODES = {
    "AIF-2026PG01": "playground",
    "AIF-2026FA02": "fast_lane",
    "AIF-2026LS01": "large_scale",
    "DEV-2026D04": "development",
}
"""Access modes by the call in a project's id."""
_STATES = ("FI", "DE", "EE", "SE", "IT", "FR", "PL", "ES")
_CATEGORIES = ("start_up", "sme", "academia", "sme", "large_industry", "academia")
_SECTORS = ("information_technology", "manufacturing", "health", "energy", "agriculture")
_JOULES_PER_KWH = 3.6e6


def file(store: Path, schedule: Schedule, now: datetime) -> None:
    """File everything.

    Args:
        store: Its directory; its books have the history.
        schedule: What happened.
        now: When it is filed.

    Raises:
        ValueError: A row was set aside: one is not right.
    """
    shape, now_ms = schedule.shape, round(now.timestamp() * 1000)
    registers = {
        "projects": projects(schedule),
        "activities": activities(shape),
        "meters": readings(store, shape),
        "factors-hourly": factors(shape),
    }
    for name, rows in registers.items():
        lines = as_csv(rows).encode().splitlines(keepends=True)
        taken = csv_file.taken(
            enumerate(lines, 1), Path(f"{name}.csv"), REGISTERS[name], Setting(UTC, None)
        )
        if taken.damaged:
            raise ValueError(str(taken.error(taken.damaged[0])))
        kept.update(
            store, REGISTERS[name], taken.frame, origin="csv", source="simulated", now_ms=now_ms
        )
    draft = store / "simulated-profile.toml"
    draft.write_text(profile(schedule))
    profiles.use(draft, store, now)
    draft.unlink()


def projects(schedule: Schedule) -> list[Row]:
    """The register of projects: everybody is granted a little more than they use, day by day."""
    used: dict[str, float] = defaultdict(float)
    present = schedule.shape.present_ms
    for job in schedule.jobs:
        ran_ms = max(0, min(job.end_ms, present) - job.start_ms)
        used[job.project] += ran_ms / HOUR_MS * len(job.devices)
    start, end = _span(schedule.shape)
    lasts = ((end - start).days + 1) * DAY_MS / max(DAY_MS, present - schedule.shape.start_ms)
    return [
        _project(place, name, hours * lasts, start, end)
        for place, (name, hours) in enumerate(sorted(used.items()))
    ]


def _project(place: int, name: str, hours: float, start: date, end: date) -> Row:
    mode = _MODES[name.removeprefix("EHPC-").rpartition("-")[0]]
    granted = round(max(hours, 1.0) * GRANTED_OVER_USED, 3)
    is_sold = place % 7 == 6
    return {
        "project": name, "access_mode": mode,
        "user_category": _CATEGORIES[place % len(_CATEGORIES)],
        "state": _STATES[place % len(_STATES)], "sector": _SECTORS[place % len(_SECTORS)],
        "share": "union" if place % 3 else "national", "commercial": "yes" if is_sold else "no",
        "organisation": f"sim-organisation-{place:02d}",
        "gpu_hours_requested": round(granted * 1.6, 3), "gpu_hours_granted": granted,
        "submitted": start - timedelta(days=4), "access": start - timedelta(days=2),
        "valid_from": start, "valid_until": end,
    }  # fmt: skip


def activities(shape: Shape) -> list[Row]:
    """The register of activities, spread over the history."""
    start, _ = _span(shape)
    step = max(DAY_MS, shape.present_ms - shape.start_ms) / (len(ACTIVITIES) + 1) / DAY_MS
    return [
        {**row, "start": start + timedelta(days=int(place * step))}
        for place, row in enumerate(ACTIVITIES, 1)
    ]


def readings(store: Path, shape: Shape) -> list[Row]:
    """The register of meters, day by day: what the books have of the nodes, and the building's."""
    if shape.present_ms <= shape.start_ms:
        return []
    view = load(store, Period(utc(shape.start_ms), utc(shape.present_ms)))
    days = (
        view.node.group_by(pl.col("minute").dt.epoch("ms") // DAY_MS * DAY_MS)
        .agg(pl.col("energy_joules").sum() / _JOULES_PER_KWH)
        .sort("minute")
    )
    rows: list[Row] = []
    for start_ms, kwh in days.iter_rows():
        ends = {
            "start": _time(max(start_ms, shape.start_ms)),
            "end": _time(min(start_ms + DAY_MS, shape.present_ms)),
        }
        for meter, quantity, eed, boundary, amount, unit in (
            ("grid", "energy", "E_DC", "data_centre_input", kwh * (1 + COOLING), "kWh"),
            ("ups", "energy", "E_IT", "ups_output", kwh, "kWh"),
            ("water", "water", "W_IN", "site_input", kwh * WATER_PER_KWH, "m3"),
            ("district", "heat", "E_REUSE", "heat_handover", kwh * REUSED, "kWh"),
        ):
            rows.append(
                {"meter": meter, "quantity": quantity, "eed": eed, "boundary": boundary,
                 "reading": "amount", **ends, "value": f"{amount:.6f}", "unit": unit}
            )  # fmt: skip
    return rows


def factors(shape: Shape) -> list[Row]:
    """The grid's carbon by the hour, some way beyond the present."""
    first = shape.start_ms // HOUR_MS * HOUR_MS
    return [
        {
            "table": HOURS_TABLE, "zone": ZONE, "hour": _time(hour_ms),
            "value": grams_per_kwh(hour_ms), "unit": "g/kWh", "method": "consumption",
            "scope": "lifecycle", "publisher": "Simulated", "licence": "CC0",
        }
        for hour_ms in range(first, shape.end_ms, HOUR_MS)
    ]  # fmt: skip


def profile(schedule: Schedule) -> str:
    """The factory's profile, as TOML."""
    shape = schedule.shape
    start, _ = _span(shape)
    devices = shape.nodes * shape.devices
    year, euro = utc(shape.present_ms).year, devices * 8760 * EURO_PER_GPU_HOUR
    return f"""\
id = "simulated-aif"
name = "Simulated AI Factory"
country = "FI"
time_zone = "UTC"
track = 3
holds_since = {start}

[system.{shape.system}]
name = "Simulated"
kind = "ai_optimised"
in_service = {start}

[system.{shape.system}.device.main]
model = "{shape.profile.model}"
count = {devices}
peaks.bf16 = "{shape.profile.peak_flops / 1e12:g} TFLOP/s"
peak_source = "simulated"

[system.{shape.system}.entitlement]
gpu_hours_per_year = {devices * 8760}
union_share = {UNION_SHARE}
national = {{ FI = 0.30, EE = 0.20 }}

[sla.A06]
direction = "up"
threshold = 95
target = 99

[target.U01]
direction = "up"
value = 85
by = {year}-12-31

[target.S03]
direction = "down"
value = 1.10
by = {year}-12-31

[tariff.all]
euro_per_kwh = 0.145

[finance.{year}]
operating_euro = {euro:.2f}
operating_eligible_euro = {euro * 0.9:.2f}
operating_union_euro = {euro * 0.4:.2f}

[carbon]
location = ["grid"]
location_hourly = ["hours"]
residual = ["rest"]

[factor.grid]
grams_co2e_per_kwh = 72
zone = "{ZONE}"
year = {year}
source = "simulated"
method = "consumption"
scope = "lifecycle"
licence = "CC0"

[factor.hours]
hours_table = "{HOURS_TABLE}"
zone = "{ZONE}"
source = "simulated"
method = "consumption"
scope = "lifecycle"
licence = "CC0"

[factor.rest]
grams_co2e_per_kwh = 410
zone = "{ZONE}"
year = {year}
source = "simulated"
method = "production"
scope = "lifecycle"
licence = "CC0"
"""


def _span(shape: Shape) -> tuple[date, date]:
    """The day of its start, and the last day of what it was granted for."""
    return utc(shape.start_ms).date(), utc(shape.present_ms).date() + timedelta(days=60)


def _time(ms: int) -> str:
    return utc(ms).isoformat()
