from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.eed import METERED, REDUNDANCIES, SITE, YEARLY
from wattline_collector.kpi.figure import Status
from wattline_collector.registers.schema import METERS

FIELDS = len(SITE) + len(REDUNDANCIES) + len(METERED) + len(YEARLY)
CENTRE = """\
[data_centre]
name = "C"
owner = "O"
operator = "P"
contact = "dc@example.org"
lau_code = "FI_205"
ownership = "enterprise"
structure = "structure"
in_operation = "2021-09"
rated_it_power = "2.5 MW"
floor_area = "2500 m2"
computer_room_area = "900 m2"
refrigerants = []
[data_centre.redundancy]
electrical_high_voltage = "N+1"
electrical_low_voltage = "N+1"
electrical_rack = "2N"
cooling_room = "N+1"
cooling_rack = "N"
[data_centre.year.2026]
server_capacity_sert = 182000
server_capacity_share = 0.8
storage_capacity = "40 PB"
bandwidth_in = "100 Gbit/s"
bandwidth_out = "100 Gbit/s"
traffic_in = "0.2 EB"
traffic_out = "0.1 EB"
intake_setpoint = "27 Cel"
cooling_degree_days = 38
battery_to_grid = "0 kW"
is_peak_shifting = false
is_frequency_reserve = false
"""
YEAR = ("2026-01-01T00:00+00:00", "2027-01-01T00:00+00:00")


def meters(site: Any, end: str = "2026-12-31") -> None:
    for code in METERED:
        if code != "T_WH":
            site.meter(code, 0.0 if code.startswith("E_RES") else 10.0, "2026-01-01", end)
    site.bring(
        METERS,
        {"meter": "heat", "quantity": "temperature", "eed": "T_WH", "reading": "amount",
         "start": "2026-01-01", "end": end, "value": "41.5", "unit": "Cel"},
    )  # fmt: skip


def test_a_report_that_lacks_nothing_is_complete(site: Any) -> None:
    site.book()
    site.profile(CENTRE)
    meters(site)
    figure = site.figure("S07", *YEAR)
    assert (figure.numerator, figure.denominator) == (FIELDS, FIELDS)
    assert (figure.value, figure.note, figure.level) == (100.0, "", "declared")


def test_every_field_that_is_missing_is_named(site: Any) -> None:
    site.book()
    site.profile(
        CENTRE.replace('lau_code = "FI_205"\n', "").replace("is_peak_shifting = false", "")
    )
    meters(site)
    figure = site.figure("S07", *YEAR)
    assert figure.value == pytest.approx(100 * (FIELDS - 2) / FIELDS)
    assert figure.note == (
        "missing: LAU (data_centre.lau_code), peak shifting"
        " (data_centre.year.2026.is_peak_shifting)"
    )


def test_a_meter_with_holes_is_no_valid_field(site: Any) -> None:
    site.book()
    site.profile(CENTRE)
    meters(site, "2026-11-30")
    figure = site.figure("S07", *YEAR)
    assert figure.numerator == FIELDS - len(METERED)
    assert "E_DC (readings cover 91.5%)" in figure.note


def test_statements_are_of_their_year_alone(site: Any) -> None:
    site.book()
    site.profile(CENTRE.replace("year.2026", "year.2025"))
    meters(site)
    figure = site.figure("S07", *YEAR)
    assert figure.numerator == FIELDS - len(YEARLY)
    assert "C_SERV (data_centre.year.2026.server_capacity_sert)" in figure.note


def test_a_small_data_centre_need_not_report(site: Any) -> None:
    site.book()
    site.profile(CENTRE.replace("2.5 MW", "499 kW"))
    note = site.figure("S07", *YEAR).note
    assert note.startswith("under 500 kW of rated IT power: not obliged to report; missing: E_DC")


def test_without_a_profile_nothing_is_known_of_the_report(site: Any) -> None:
    site.book()
    figure = site.figure("S07")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)
    assert "wattline profile template" in figure.note
