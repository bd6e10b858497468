"""S07: how complete the report of the energy efficiency directive is, field by field.

The fields are those of Delegated Regulation (EU) 2024/1364, Annex I and II, under their codes. What
a meter counts is there if its readings cover the time; what nobody counts stands in the profile. A
kind of energy that a site has none of is a reading of 0, not a missing one: who reads the report
must be able to tell the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from wattline_collector.kpi import facility, lacking, meters
from wattline_collector.kpi.sums import shaped
from wattline_collector.kpi.view import View
from wattline_collector.profile import law
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.facility import DataCentre, Redundancy, Year

COVERED = 0.99
"""Coverage from which a metered field is valid: a lost day of a year is not a missing meter."""

SITE = (
    ("name", "name"), ("owner", "owner"), ("operator", "operator"), ("contact", "contact"),
    ("LAU", "lau_code"), ("ownership", "ownership"), ("structure", "structure"),
    ("in operation since", "in_operation"), ("PD_IT", "rated_it_power_watts"),
    ("S_DC", "floor_area_square_metres"), ("S_CR", "computer_room_area_square_metres"),
    ("refrigerants", "refrigerants"),
)  # fmt: skip
"""Fields of the data centre, by the key of `[data_centre]`."""
REDUNDANCIES = (
    "electrical_high_voltage", "electrical_low_voltage", "electrical_rack", "cooling_room",
    "cooling_rack",
)  # fmt: skip
YEARLY = (
    ("C_SERV", "server_capacity_sert"), ("C_SERV floor share", "server_capacity_share"),
    ("C_STOR", "storage_capacity_bytes"), ("B_IN", "bandwidth_in_bytes_per_second"),
    ("B_OUT", "bandwidth_out_bytes_per_second"), ("T_IN traffic", "traffic_in_bytes"),
    ("T_OUT traffic", "traffic_out_bytes"), ("T_IN air", "intake_setpoint_celsius"),
    ("CDD", "cooling_degree_days"), ("C_BtG", "battery_to_grid_watts"),
    ("peak shifting", "is_peak_shifting"), ("frequency reserve", "is_frequency_reserve"),
)  # fmt: skip
"""Fields of a year that no meter counts, by the key of `[data_centre.year.YEAR]`."""
METERED = (
    "E_DC", "E_DC-BG", "E_IT", "W_IN", "W_IN-POT", "E_REUSE", "T_WH", "E_RES-GOO", "E_RES-PPA",
    "E_RES-OS",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the report.

    Attributes:
        code: Its code in the regulation, or its name.
        is_valid: Whether it is there, and good for a report.
        missing: What to provide; empty where it is valid.
    """

    code: str
    is_valid: bool
    missing: str = ""


def fields(
    profile: FactoryProfile, readings: pl.DataFrame, year: int, start_ms: int, end_ms: int
) -> list[Field]:
    """Every field of the report, valid or not.

    Args:
        profile: What the factory says of itself.
        readings: The meters, as `facility.readings` gives them.
        year: Which calendar year's statements count.
        start_ms: Start of the time that meters must cover.
        end_ms: Its end.
    """
    centre = profile.data_centre
    return [
        *_keys(centre, SITE, "data_centre"),
        *_keys(
            None if centre is None else centre.redundancy,
            tuple((f"redundancy {name.replace('_', ' ')}", name) for name in REDUNDANCIES),
            "data_centre.redundancy",
        ),
        *_metered(readings, start_ms, end_ms),
        *_keys(
            None if centre is None else centre.years.get(str(year)), YEARLY,
            f"data_centre.year.{year}",
        ),
    ]  # fmt: skip


def completeness(view: View, by: list[str]) -> pl.DataFrame:
    """S07: valid fields over required ones; the note names those that are missing.

    Statements count of the year that the middle of the period is in, meters over the period.

    Args:
        view: The period.
        by: Nothing: the report is of a data centre and a year.
    """
    profile = view.profile
    if profile is None:
        return lacking.unknown(by, "no profile: `wattline profile template` prints one to fill in")
    start_ms, end_ms = view.bounds_ms
    middle = datetime.fromtimestamp((start_ms + end_ms) / 2000, UTC)
    year = middle.astimezone(ZoneInfo(profile.time_zone)).year
    found = fields(profile, facility.readings(view), year, start_ms, end_ms)
    missing = [field.missing for field in found if not field.is_valid]
    notes = [f"missing: {', '.join(missing)}"] if missing else []
    if law.must_report_energy(profile) is False:
        notes.insert(0, "under 500 kW of rated IT power: not obliged to report")
    row = {
        "numerator": float(len(found) - len(missing)),
        "denominator": float(len(found)),
        "n": len(found),
        "method": "fields of Regulation (EU) 2024/1364, Annex I and II",
        "note": "; ".join(notes) or None,
    }
    return shaped(pl.DataFrame([row], schema_overrides={"note": pl.String}), by)


def _keys(
    table: DataCentre | Redundancy | Year | None, keys: tuple[tuple[str, str], ...], place: str
) -> Iterator[Field]:
    for code, key in keys:
        is_valid = table is not None and getattr(table, key) is not None
        yield Field(code, is_valid, "" if is_valid else f"{code} ({place}.{key})")


def _metered(readings: pl.DataFrame, start_ms: int, end_ms: int) -> Iterator[Field]:
    for code in METERED:
        found = meters.metered(readings, [code], start_ms=start_ms, end_ms=end_ms)
        if not found.meters[code]:
            yield Field(code, False, f"{code} (no meter; a reading of 0 says that there is none)")
        elif found.coverage < COVERED:
            yield Field(code, False, f"{code} (readings cover {found.coverage:.1%})")
        else:
            yield Field(code, True)
