"""The factory of a planted year: what is agreed and stated of it, as its profile says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

from wattline_agents.sources.simulated.physics import HOST_WATTS_PER_DEVICE_WATT
from wattline_collector.simulated.year.extent import Extent
from wattline_collector.simulated.year.grants import COMMERCIAL
from wattline_collector.simulated.year.plan import COMMERCIAL_SHARE
from wattline_collector.simulated.year.truth import Happened

ZONE = "FI"
GRAMS_PER_KWH, RESIDUAL_GRAMS_PER_KWH = 72.0, 410.0
HOURS_TABLE = "planted-hours"
EURO_PER_KWH = 0.145
OPERATING_EURO_PER_GPU_HOUR = 0.9
ELIGIBLE, OF_THE_UNION = 0.9, 0.4
"""Parts of the costs of operation: what is eligible, and what the Union pays."""
HOLIDAYS = ((1, 1), (1, 6), (5, 1), (6, 19), (12, 6), (12, 24), (12, 25), (12, 26))
AGREED_PERCENT = 99.5
"""Of every month, by scheduled availability: five hours without the system break it."""
LINK_GIGABITS = 100
LINK_BYTES_PER_SECOND = LINK_GIGABITS * 1e9 / 8

DATA_CENTRE: Mapping[str, str | None] = {
    "name": '"Planted Data Centre"',
    "owner": '"Planted Municipality"',
    "operator": '"Planted Computing Centre"',
    "contact": None,
    "lau_code": '"FI_205"',
    "ownership": '"enterprise"',
    "structure": '"structure"',
    "in_operation": '"2021-09"',
    "floor_area": '"2500 m2"',
    "computer_room_area": '"900 m2"',
    "refrigerants": '["R-1234ze"]',
}
"""What the profile states of the data centre beside its rated power; None: it is forgotten."""
REDUNDANCY: Mapping[str, str | None] = {
    "electrical_high_voltage": '"N+1"',
    "electrical_low_voltage": '"N+1"',
    "electrical_rack": '"2N"',
    "cooling_room": '"N+1"',
    "cooling_rack": None,
}
YEARLY: Mapping[str, str | None] = {
    "server_capacity_sert": "182000",
    "server_capacity_share": "0.80",
    "storage_capacity": '"40 PB"',
    "bandwidth_in": '"100 Gbit/s"',
    "bandwidth_out": '"100 Gbit/s"',
    "traffic_in": '"0.2 EB"',
    "traffic_out": '"0.1 EB"',
    "intake_setpoint": '"27 Cel"',
    "cooling_degree_days": None,
    "battery_to_grid": '"0 kW"',
    "is_peak_shifting": "false",
    "is_frequency_reserve": "false",
}
"""The same of each calendar year."""


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


def rated_watts(extent: Extent) -> float:
    """What all nodes take at most."""
    profile = extent.profile
    of_devices = extent.devices * profile.peak_watts * (1 + HOST_WATTS_PER_DEVICE_WATT)
    return extent.nodes * (of_devices + profile.host_watts)


def years(extent: Extent) -> range:
    """The calendar years that it touches."""
    return range(day(extent.start_ms).year, day(extent.end_ms - 1).year + 1)


def day(ms: int) -> date:
    """The UTC day of a moment."""
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def profile(found: Happened) -> str:
    """The factory's profile, as TOML."""
    extent = found.plan.extent
    start = day(extent.start_ms)
    days = [date(year, month, of) for year in years(extent) for month, of in HOLIDAYS]
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
threshold = {AGREED_PERCENT}
target = 99.9

[tariff.all]
euro_per_kwh = {EURO_PER_KWH}

{_finance(found)}
[calendar.site]
holidays = [{", ".join(map(str, days))}]

{_data_centre(extent)}
[carbon]
location = ["grid"]
location_hourly = ["hours"]
residual = ["rest"]

[factor.grid]
grams_co2e_per_kwh = {GRAMS_PER_KWH}
zone = "{ZONE}"
year = {start.year}
source = "planted"
method = "consumption"
scope = "lifecycle"
licence = "CC0"

[factor.hours]
hours_table = "{HOURS_TABLE}"
zone = "{ZONE}"
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


def _finance(found: Happened) -> str:
    euro = operating_euro(found)
    return "".join(
        f"[finance.{year}]\n"
        f"operating_euro = {euro:.2f}\n"
        f"operating_eligible_euro = {euro * ELIGIBLE:.2f}\n"
        f"operating_union_euro = {euro * OF_THE_UNION:.2f}\n\n"
        for year in years(found.plan.extent)
    )


def _data_centre(extent: Extent) -> str:
    stated = {
        **DATA_CENTRE,
        "rated_it_power": f'"{rated_watts(extent) / 1000:.3f} kW"',
        "wan_link": f'"{LINK_GIGABITS} Gbit/s"',
    }
    tables = {"data_centre": stated, "data_centre.redundancy": REDUNDANCY} | {
        f"data_centre.year.{year}": YEARLY for year in years(extent)
    }
    return "".join(
        f"[{name}]\n"
        + "".join(f"{key} = {value}\n" for key, value in table.items() if value)
        + "\n"
        for name, table in tables.items()
    )
