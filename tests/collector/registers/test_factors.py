from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from wattline_collector.registers import cells
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Malformed, Register, Values
from wattline_collector.registers.schema import FACTORS, FACTORS_HOURLY

YEAR = {
    "zone": "FI", "year": "2025", "value": "72", "unit": "g/kWh", "method": "consumption",
    "scope": "lifecycle", "publisher": "operator", "licence": "CC BY 4.0",
}  # fmt: skip
HOUR = {key: value for key, value in YEAR.items() if key != "year"} | {"hour": "2026-03-01T05:00Z"}


def row(register: Register, texts: dict[str, str], zone: str = "UTC") -> Values:
    return cells.row(register, texts, Setting(ZoneInfo(zone)))


@pytest.mark.parametrize(
    ("value", "unit"),
    [("72", "g/kWh"), ("0.072", "kg/kWh"), ("72", "kg/MWh"), ("0.072", "t/MWh"),
     ("72", "gCO2e/kWh")],
)  # fmt: skip
def test_a_factor_is_kept_in_kilograms_per_kilowatt_hour(value: str, unit: str) -> None:
    kept = row(FACTORS, YEAR | {"value": value, "unit": unit})
    assert kept["value"] == pytest.approx(0.072)
    assert kept["unit"] == "kg/kWh"


def test_a_factor_that_no_plant_reaches_has_the_wrong_unit() -> None:
    with pytest.raises(Malformed) as caught:
        row(FACTORS, YEAR | {"unit": "kg/kWh"})
    assert caught.value.field == "value"
    assert "72 kg/kWh is more than any plant emits" in caught.value.reason


@pytest.mark.parametrize("column", ["publisher", "licence", "method", "scope", "year"])
def test_a_factor_says_whose_it_is_and_how_it_may_be_used(column: str) -> None:
    with pytest.raises(Malformed) as caught:
        row(FACTORS, {key: value for key, value in YEAR.items() if key != column})
    assert (caught.value.field, caught.value.reason) == (column, "missing")


def test_an_hour_is_a_whole_one() -> None:
    with pytest.raises(Malformed, match="whole hour of UTC"):
        row(FACTORS_HOURLY, HOUR | {"hour": "2026-03-01T05:30Z"})


def test_hours_have_no_residual_mix() -> None:
    with pytest.raises(Malformed) as caught:
        row(FACTORS_HOURLY, HOUR | {"method": "residual"})
    assert caught.value.field == "method"


def test_the_hour_that_comes_twice_needs_its_offset() -> None:
    zone = "Europe/Helsinki"
    with pytest.raises(Malformed, match="comes twice or never"):
        row(FACTORS_HOURLY, HOUR | {"hour": "2026-10-25T03:00"}, zone)
    hours = [
        row(FACTORS_HOURLY, HOUR | {"hour": f"2026-10-25T03:00{offset}"}, zone)["hour_ms"]
        for offset in ("+03:00", "+02:00")
    ]
    moments = [datetime.fromtimestamp(int(str(ms)) / 1000, UTC) for ms in hours]
    assert [moment.hour for moment in moments] == [0, 1]
