from __future__ import annotations

import pytest

from wattline_collector.efficiency.writing import clock, duration, moment, quantity, scale
from wattline_collector.palette import THIN_SPACE


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0421, "42.1 ms"),
        (0.9996, "1.00 s"),
        (42.34, "42.3 s"),
        (59.94, "59.9 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86_399, "24 h"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_duration_is_written_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds).replace(THIN_SPACE, " ") == text


@pytest.mark.parametrize(
    ("value", "unit", "id", "text"),
    [
        (None, "W", "", "\u2013"),
        (0.5, "1", "", "50.0 %"),
        (1.4, "1", "step_spread", "1.40 times"),
        (4.0, "{gpu}", "", "4"),
        (2.5, "{core}", "", "2.50"),
        (8.03e9, "{parameter}", "", "8.03 B"),
        (512.0, "EUR", "", "512 €"),
        (12_500.0, "gCO2e", "", "12.5 kg CO₂e"),
        (61.4, "Cel", "", "61 °C"),
        (0.125, "J/tok", "", "0.125 J/token"),
        (1.5e9, "tok", "", "1.50 Gtok"),
        (2.0, "kWh", "", "2.00 kWh"),
    ],
)
def test_a_figure_is_written_in_its_unit(
    value: float | None, unit: str, id: str, text: str
) -> None:
    assert quantity(value, unit, id).replace(THIN_SPACE, " ") == text


def test_a_small_model_is_written_as_a_count() -> None:
    assert scale(12_345) == f"12{THIN_SPACE}345"


def test_a_time_has_its_day_only_where_that_changes(start_ms: int) -> None:
    assert moment(start_ms) == "2026-11-01 00:00"
    assert moment(None) == "\u2013"
    assert clock(start_ms + 3_600_000, start_ms) == "01:00"
    assert clock(start_ms + 86_400_000, start_ms) == "11-02 00:00"
