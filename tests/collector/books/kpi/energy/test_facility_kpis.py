"""S01-S06 and S09 against what a hand computes."""

from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.figure import Status
from wattline_collector.registers.schema import METERS

YEAR = ("2026-01-01T00:00+00:00", "2027-01-01T00:00+00:00")
KWH = 3.6e6


@pytest.fixture
def metered(site: Any) -> Any:
    """The check vector: E_DC 26.28 GWh, E_IT 21.9 GWh, 8,760 m3, 5.256 GWh reused."""
    site.book()
    for code, amount in (
        ("E_DC", 26_280_000.0), ("E_IT", 21_900_000.0), ("W_IN", 8_760.0),
        ("E_REUSE", 5_256_000.0), ("E_RES-GOO", 20_000_000.0), ("E_RES-OS", 500_000.0),
    ):  # fmt: skip
        site.meter(code, amount, "2026-01-01", "2026-12-31")
    return site


@pytest.mark.parametrize(
    ("id", "value"), [("S03", 1.2), ("S04", 0.4), ("S05", 0.2), ("S02", 21_900_000.0)]
)
def test_the_formulas_of_annex_iii_hold_to_nine_digits(metered: Any, id: str, value: float) -> None:
    figure = metered.figure(id, *YEAR)
    assert figure.value == pytest.approx(value, rel=1e-9)
    assert (figure.coverage, figure.status) == (pytest.approx(1.0), Status.OK)
    assert "interim" not in figure.note


def test_renewables_are_told_whole_and_by_their_kinds(metered: Any) -> None:
    whole = metered.part("S06", "all", *YEAR)
    assert whole.value == pytest.approx(20.5 / 26.28, rel=1e-9)
    assert whole.note == "E_RES-PPA: none registered, none counted"
    owned = metered.part("S06", "guarantees_of_origin", *YEAR)
    assert owned.value == pytest.approx(20 / 26.28, rel=1e-9)
    absent = metered.part("S06", "purchase_agreements", *YEAR)
    assert (absent.value, absent.note) == (None, "E_RES-PPA: none registered")


def test_generators_stand_beside_the_energy_of_the_data_centre(metered: Any) -> None:
    metered.meter("E_DC-BG", 12_000.0, "2026-01-01", "2026-12-31")
    assert metered.part("S01", "E_DC", *YEAR).value == pytest.approx(26_280_000.0)
    assert metered.part("S01", "E_DC-BG", *YEAR).value == pytest.approx(12_000.0)
    assert metered.figure("S03", *YEAR).value == pytest.approx(1.2)


def test_the_category_of_it_energy_is_told(metered: Any) -> None:
    assert metered.figure("S03", *YEAR).method == (
        "facility meters, E_IT at category 1 (UPS output)"
    )


def test_a_month_of_a_year_is_interim(metered: Any) -> None:
    months = metered.figures("S03", ["month"], *YEAR)
    assert len(months) == 12
    for figure in months:
        assert figure.value == pytest.approx(1.2, rel=1e-9)
        assert figure.note.startswith("interim PUE")


def test_parts_of_a_year_add_up_to_it(metered: Any) -> None:
    days = [f for f in metered.figures("S01", ["day"], *YEAR) if f.dims["indicator"] == "E_DC"]
    assert sum(figure.value or 0 for figure in days) == pytest.approx(26_280_000.0, rel=1e-9)


def test_a_day_on_which_clocks_change_is_as_long_as_it_is(metered: Any) -> None:
    metered.profile()  # in Helsinki: 29 March has 23 hours, 25 October 25
    per_hour = 26_280_000.0 / 8760
    days = {
        figure.dims["day"]: figure.value
        for figure in metered.figures("S01", ["day"], *YEAR)
        if figure.dims["indicator"] == "E_DC"
    }
    assert days["2026-03-29"] == pytest.approx(23 * per_hour)
    assert days["2026-10-25"] == pytest.approx(25 * per_hour)
    assert days["2026-06-01"] == pytest.approx(24 * per_hour)


def test_a_hole_in_one_meter_lowers_the_coverage_and_moves_no_ratio(site: Any) -> None:
    site.book()
    # A better ratio in the last five months, if anybody knew: the IT meter is missing for them.
    site.meter("E_DC", 140.0, "2026-01-01", "2026-07-31")
    site.meter("E_DC", 60.0, "2026-08-01", "2026-12-31")
    site.meter("E_IT", 100.0, "2026-01-01", "2026-07-31")
    figure = site.figure("S03", *YEAR)
    assert figure.value == pytest.approx(1.4, rel=1e-9)
    assert figure.coverage == pytest.approx(212 / 365)
    assert figure.status is Status.PARTIAL
    assert figure.note.startswith("interim PUE")
    rest = site.figure("S03", "2026-08-01T00:00+00:00", YEAR[1])
    assert (rest.value, rest.status) == (None, Status.UNKNOWN)


def test_what_was_exchanged_under_one_name_counts_up_to_and_from_its_exchange(site: Any) -> None:
    site.book()
    readings = [
        ("2026-01-01T00:00", "0", "old"),
        ("2026-07-01T00:00", "181000", "old"),
        ("2026-07-01T01:00", "900000", "used before elsewhere"),
        ("2027-01-01T00:00", "1083959", "used before elsewhere"),
    ]
    site.bring(
        METERS,
        *(
            {"meter": "main", "quantity": "energy", "eed": "E_DC", "reading": "counter",
             "end": end, "value": value, "unit": "kWh", "device": device}
            for end, value, device in readings
        ),
    )  # fmt: skip
    figure = site.part("S01", "E_DC", *YEAR)
    # 181,000 kWh to the exchange and 183,959 kWh after it; the hour between is not known.
    assert figure.value == pytest.approx(181_000 + 183_959)
    assert figure.coverage == pytest.approx(8759 / 8760)


def test_a_missing_meter_is_named_with_what_to_do(site: Any) -> None:
    site.book()
    site.meter("E_DC", 100.0, "2026-11-01", "2026-11-01")
    figure = site.figure("S03")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)
    assert figure.note.startswith("no meter of E_IT: `wattline import --template meters`")


def test_without_any_meter_every_indicator_is_unknown_and_says_why(site: Any) -> None:
    site.book()
    for id in ("S01", "S02", "S03", "S04", "S05", "S06", "S09"):
        for figure in site.figures(id):
            assert (figure.value, figure.status) == (None, Status.UNKNOWN)
            assert "wattline import --template meters" in figure.note or "none registered" in (
                figure.note
            )


def test_cooling_is_judged_by_the_meters_at_it(site: Any) -> None:
    site.book()
    for name, quantity, value in (("loop", "heat", "70"), ("pumps", "energy", "20")):
        site.bring(
            METERS,
            {"meter": name, "quantity": quantity, "boundary": "cooling", "reading": "amount",
             "start": "2026-11-01", "end": "2026-11-01", "value": value, "unit": "kWh"},
        )  # fmt: skip
    assert site.figure("S09").value == pytest.approx(3.5)


def test_meters_of_single_systems_are_told_by_system(site: Any) -> None:
    site.book()
    for system, it in (("one", 100.0), ("two", 50.0)):
        site.meter("E_DC", 120.0, "2026-11-01", "2026-11-01", system=system, meter=f"in-{system}")
        site.meter("E_IT", it, "2026-11-01", "2026-11-01", system=system, meter=f"it-{system}")
    found = {figure.dims["system"]: figure.value for figure in site.figures("S03", ["system"])}
    assert found == {"one": pytest.approx(1.2), "two": pytest.approx(2.4)}
    assert site.figure("S03").value == pytest.approx(240 / 150)


def test_what_the_profile_says_of_a_meter_is_believed(site: Any) -> None:
    """A transformer of 100 to 1, and heat that went back into the own cooling."""
    site.book()
    site.meter("E_DC", 1.2, "2026-11-01", "2026-11-01", eed="", meter="main")
    site.meter("E_IT", 100.0, "2026-11-01", "2026-11-01")
    site.meter("E_REUSE", 60.0, "2026-11-01", "2026-11-01", meter="out")
    site.meter("E_REUSE", 12.0, "2026-11-01", "2026-11-01", meter="back")
    site.profile(
        "[meter.main]\nquantity = 'energy'\need = 'E_DC'\nfactor = 100\n"
        "[meter.back]\nquantity = 'heat'\need = 'E_REUSE'\ncounts = 'subtracts'\n"
    )
    assert site.figure("S03").value == pytest.approx(1.2)
    assert site.figure("S05").value == pytest.approx(48 / 120)


def test_energy_of_a_contract_that_is_not_owned_is_not_renewable(site: Any) -> None:
    site.book()
    site.meter("E_DC", 100.0, "2026-11-01", "2026-11-01")
    site.meter("E_RES-PPA", 60.0, "2026-11-01", "2026-11-01", meter="wind")
    contract = (
        "[contract.wind]\nkind = 'purchase_agreement'\nsince = 2026-01-01\n"
        "grams_co2e_per_kwh = 0\nis_renewable = true\nis_retired = {}\n"
    )
    site.profile(contract.format("true"))
    assert site.part("S06", "all").value == pytest.approx(0.6)
    site.profile(contract.format("false"))
    assert site.part("S06", "all").value is None


def test_the_class_of_meters_bounds_what_they_say(site: Any) -> None:
    """Both at the wrong end at once: 1.2 x 0.99 / 1.005 to 1.2 x 1.01 / 0.995."""
    site.book()
    for code, value in (("E_DC", 120.0), ("E_IT", 100.0)):
        site.meter(code, value, "2026-11-01", "2026-11-01")
    site.profile(
        "[point.in]\nboundary = 'data_centre_input'\n[point.ups]\nboundary = 'ups_output'\n"
        "[measuring_device.a]\npoint = 'in'\nmake = 'A'\naccuracy = 'class 1, EN 62053-21'\n"
        "[measuring_device.b]\npoint = 'ups'\nmake = 'B'\naccuracy = 'class 0.5S'\n"
        "[meter.e_dc]\nquantity = 'energy'\need = 'E_DC'\npoint = 'in'\n"
        "[meter.e_it]\nquantity = 'energy'\need = 'E_IT'\npoint = 'ups'\n"
    )
    figure = site.figure("S03")
    assert figure.low == pytest.approx(1.2 * 0.99 / 1.005)
    assert figure.high == pytest.approx(1.2 * 1.01 / 0.995)
    energy = site.figure("S02")
    assert (energy.low, energy.high) == (
        pytest.approx(energy.value * 0.995), pytest.approx(energy.value * 1.005),
    )  # fmt: skip


def test_a_meter_that_tells_power_too_has_none_of_it_in_its_energy(site: Any) -> None:
    site.book()
    site.meter("E_DC", 1000.0, "2026-03-01", "2026-03-01")
    for quantity, value, unit in (("energy", "800", "kWh"), ("power", "33.3", "kW")):
        site.meter("E_IT", 0.0, "2026-03-01", "2026-03-01", meter="ups", eed="",
                   quantity=quantity, value=value, unit=unit)  # fmt: skip
    site.profile('[meter.ups]\nquantity = "energy"\need = "E_IT"\n')
    day = ("2026-03-01T00:00+00:00", "2026-03-02T00:00+00:00")
    assert site.figure("S02", *day).value == pytest.approx(800)
    assert site.figure("S03", *day).value == pytest.approx(1.25)


def test_energy_of_a_contract_on_coal_is_not_renewable(site: Any) -> None:
    site.book()
    site.meter("E_DC", 100.0, "2026-03-01", "2026-03-01")
    site.meter("E_RES-PPA", 60.0, "2026-03-01", "2026-03-01", meter="coal")
    site.profile(
        "[contract.coal]\nkind = 'purchase_agreement'\nsince = 2026-01-01\n"
        "grams_co2e_per_kwh = 900\nis_renewable = false\nis_retired = true\n"
    )
    figure = site.part("S06", "all", "2026-03-01T00:00+00:00", "2026-03-02T00:00+00:00")
    assert (figure.value, figure.numerator) == (None, None)


def test_a_day_without_readings_has_no_renewable_energy_rather_than_none_of_it(
    metered: Any,
) -> None:
    days = metered.figures("S06", ("day",), "2026-12-31T12:00+00:00", "2027-01-02T00:00+00:00")
    told = {f.dims["day"]: f.numerator for f in days if f.dims["kind"] == "all"}
    # The readings end with the year.
    assert told["2026-12-31"] is not None
    assert told["2027-01-01"] is None


def test_every_meter_that_a_figure_is_made_of_counts(metered: Any) -> None:
    assert metered.figure("S03", *YEAR).n == 2
    assert metered.part("S06", "all", *YEAR).n == 3
    metered.meter("E_IT", 1.0, "2026-01-01", "2026-12-31", meter="east", system="east")
    metered.meter("E_DC", 1.2, "2026-01-01", "2026-12-31", meter="east-in", system="east")
    (east,) = metered.figures("S03", ("system",), *YEAR)
    assert (east.dims, east.n) == ({"system": "east"}, 2)
    for quantity in ("heat", "energy"):
        metered.meter("E_DC", 10.0, "2026-01-01", "2026-12-31", meter=f"cool-{quantity}", eed="",
                      boundary="cooling", quantity=quantity)  # fmt: skip
    assert metered.figure("S09", *YEAR).n == 2


def test_a_meter_that_is_taken_off_leaves_no_bound(site: Any) -> None:
    site.book()
    site.meter("E_DC", 100.0, "2026-03-01", "2026-03-01", meter="in")
    site.meter("E_DC", 90.0, "2026-03-01", "2026-03-01", meter="office")
    site.profile(
        "".join(
            f"[point.{name}]\nboundary = 'data_centre_input'\n"
            f"[measuring_device.{name}]\npoint = '{name}'\nmake = 'm'\naccuracy = 'class 1'\n"
            f"[meter.{name}]\nquantity = 'energy'\need = 'E_DC'\npoint = '{name}'\n"
            f"counts = '{counts}'\n"
            for name, counts in (("in", "adds"), ("office", "subtracts"))
        )
    )
    figure = site.part("S01", "E_DC", "2026-03-01T00:00+00:00", "2026-03-02T00:00+00:00")
    assert figure.value == pytest.approx(10)
    assert (figure.low, figure.high) == (None, None)
