"""S08 and S13: three ways side by side, against what a hand computes."""

from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

CONTRACT = (
    "[contract.wind]\nkind = 'purchase_agreement'\nsince = 2026-01-01\ngrams_co2e_per_kwh = 10\n"
    "is_renewable = true\nis_retired = true\n"
    "criteria = ['tracked', 'no_double_count', 'actual_rate', 'market_boundary', 'vintage']\n"
)


@pytest.fixture
def three(site: Any) -> Any:
    """0.7 kWh in each of two hours; 100 g/kWh in the year, 50 and 200 in the hours."""
    site.book(2)
    site.factor(2026, 100.0)
    site.factor(2026, 400.0, method="residual")
    site.hours("2026-11-01T00:00+00:00", 50.0, 200.0)
    return site


def test_a_job_has_carbon_by_each_of_the_three_ways(three: Any) -> None:
    three.profile(CONTRACT + "share = 0.5\n")
    annual, hourly, market = (
        three.part("S13", way) for way in ("location_annual", "location_hourly", "market")
    )
    assert annual.value == pytest.approx(1.4 * 0.100)
    assert hourly.value == pytest.approx(0.7 * 0.050 + 0.7 * 0.200)
    assert market.value == pytest.approx(1.4 * (0.5 * 0.010 + 0.5 * 0.400))
    assert annual.method == (
        "location-based, annual factors: operator (consumption, lifecycle, CC BY 4.0), zone FI"
    )
    assert {figure.status for figure in (annual, hourly, market)} == {Status.OK}
    assert {figure.level for figure in (annual, hourly, market)} == {"derived"}


def test_carbon_is_split_by_job_and_by_hour(three: Any) -> None:
    found = three.figures("S13", ["hour"])
    hourly = [f.value for f in found if f.dims["way"] == "location_hourly"]
    assert hourly == [pytest.approx(0.035), pytest.approx(0.140)]
    jobs = {f.dims["way"]: f.value for f in three.figures("S13", ["job"]) if f.dims["job"] == "j"}
    assert jobs["location_hourly"] == pytest.approx(0.175)


def test_an_hour_without_a_factor_lowers_the_coverage_and_is_in_no_figure(site: Any) -> None:
    site.book(4)
    site.hours("2026-11-01T00:00+00:00", 50.0, None, 200.0, 100.0)
    figure = site.part("S13", "location_hourly")
    assert figure.value == pytest.approx(0.7 * (0.050 + 0.200 + 0.100))
    assert (figure.coverage, figure.status) == (pytest.approx(0.75), Status.PARTIAL)
    assert "1 hours have no factor of FI: import a table of hours" in figure.note


def test_an_hour_without_a_factor_moves_no_ratio(site: Any) -> None:
    """CUE is E_DC's carbon over the E_IT of the same hours: 1.5 times 50 and 150 g on average."""
    site.book(4)
    for code, kwh in (("E_DC", 36.0), ("E_IT", 24.0)):
        site.meter(code, kwh, "2026-11-01", "2026-11-01")
    site.hours("2026-11-01T00:00+00:00", 50.0, None, 150.0)
    figure = site.part("S08", "location_hourly")
    assert figure.value == pytest.approx(1.5 * 0.100)
    assert figure.coverage == pytest.approx(0.5)
    site.factor(2026, 80.0)
    assert site.part("S08", "location_annual").value == pytest.approx(1.5 * 0.080)


def test_the_market_based_figure_needs_a_residual_mix_for_what_no_contract_covers(
    site: Any,
) -> None:
    site.book()
    site.factor(2026, 100.0)
    site.profile(CONTRACT + "share = 0.6\n")
    figure = site.part("S13", "market")
    assert figure.value == pytest.approx(0.7 * 0.6 * 0.010)
    assert figure.coverage == pytest.approx(0.6)
    assert "no residual mix of FI for 2026" in figure.note


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("is_retired = true", "is_retired = false"), "not said to be owned and retired"),
        (("'tracked', ", ""), "not said to meet all five quality criteria"),
    ],
)
def test_a_contract_that_claims_too_much_lowers_nothing(
    three: Any, change: tuple[str, str], why: str
) -> None:
    three.profile(CONTRACT.replace(*change))
    figure = three.part("S13", "market")
    assert figure.value == pytest.approx(1.4 * 0.400)
    assert f"contract wind is {why}: not counted" in figure.note


def test_a_contract_for_an_amount_counts_for_its_part_of_what_was_used(three: Any) -> None:
    """876 MWh a year is 2.4 MWh a day; the site used 9.6 MWh that day: a quarter."""
    three.profile(CONTRACT + "energy_per_year = '876 MWh'\n")
    assert "no meter of E_DC says of how much" in three.part("S13", "market").note
    three.meter("E_DC", 9600.0, "2026-11-01", "2026-11-01")
    figure = three.part("S13", "market")
    assert figure.value == pytest.approx(1.4 * (0.25 * 0.010 + 0.75 * 0.400))


def test_a_contract_for_more_than_was_used_counts_for_what_was_used(three: Any) -> None:
    three.meter("E_DC", 1.0, "2026-11-01", "2026-11-01")
    three.profile(CONTRACT + "energy_per_year = '876 MWh'\n")
    figure = three.part("S13", "market")
    assert figure.value == pytest.approx(1.4 * 0.010)
    assert "is for more than was used" in figure.note


def test_the_newest_factor_stands_in_for_a_year_that_has_none_yet(site: Any) -> None:
    site.book()
    site.factor(2022, 500.0)
    assert site.part("S13", "location_annual").value is None  # too long ago
    site.factor(2024, 90.0)
    site.factor(2025, 80.0)
    figure = site.part("S13", "location_annual")
    assert figure.value == pytest.approx(0.7 * 0.080)
    assert figure.note == "no factor of FI for 2026 yet: that of 2025 stands in"


def test_without_factors_each_way_says_what_to_import(site: Any) -> None:
    site.book()
    found = site.figures("S13")
    assert [figure.dims["way"] for figure in found] == [
        "location_annual", "location_hourly", "market",
    ]  # fmt: skip
    for figure in found:
        assert (figure.value, figure.status) == (None, Status.UNKNOWN)
        assert "wattline import factors-csv" in figure.note


def test_of_two_zones_the_profiles_country_is_taken_and_without_it_none(site: Any) -> None:
    site.book()
    site.factor(2026, 100.0)
    site.factor(2026, 20.0, zone="SE")
    figure = site.part("S13", "location_annual")
    assert figure.value is None
    assert figure.note.startswith("factors of FI, SE are imported, and nothing says which zone")
    site.profile()
    assert site.part("S13", "location_annual").value == pytest.approx(0.070)


def test_what_is_imported_goes_before_what_the_profile_states(site: Any) -> None:
    stated = (
        "[factor.mine]\ngrams_co2e_per_kwh = 300\nzone = 'FI'\nyear = {}\nsource = 's'\n"
        "method = 'production'\nscope = 'direct'\nlicence = 'CC0'\n[carbon]\nlocation = ['mine']\n"
    )
    site.book()
    site.profile(stated.format(2026))
    assert site.part("S13", "location_annual").value == pytest.approx(0.210)
    site.factor(2026, 100.0)
    assert site.part("S13", "location_annual").value == pytest.approx(0.070)


def test_the_profile_chooses_among_tables_of_hours(site: Any) -> None:
    site.book()
    site.hours("2026-11-01T00:00+00:00", 50.0, table="one")
    site.hours("2026-11-01T00:00+00:00", 90.0, table="two")
    figure = site.part("S13", "location_hourly")
    assert figure.value is None
    assert "differ: keep those of one source" in figure.note
    site.profile(
        "[factor.hours]\nhours_table = 'two'\nzone = 'FI'\nsource = 's'\nmethod = 'consumption'\n"
        "scope = 'direct'\nlicence = 'CC0'\n[carbon]\nlocation_hourly = ['hours']\n"
    )
    assert site.part("S13", "location_hourly").value == pytest.approx(0.7 * 0.090)


def test_a_systems_own_factors_go_before_those_of_the_site(site: Any) -> None:
    site.book()
    site.factor(2026, 100.0)
    site.factor(2026, 30.0, system="test")
    assert site.part("S13", "location_annual").value == pytest.approx(0.7 * 0.030)


def test_a_factor_that_was_corrected_replaces_the_one_before(site: Any) -> None:
    site.book()
    site.factor(2026, 100.0)
    site.factor(2026, 110.0)
    assert site.part("S13", "location_annual").value == pytest.approx(0.7 * 0.110)


def test_carbon_is_as_uncertain_as_its_energy(site: Any) -> None:
    site.book()
    site.factor(2026, 100.0)
    figure = site.part("S13", "location_annual")
    assert figure.low == pytest.approx(0.070 * 0.94)
    assert figure.high == pytest.approx(0.070 * 1.06)


def test_a_contract_on_coal_counts_for_what_was_metered_of_it(three: Any) -> None:
    three.meter("E_DC", 100.0, "2026-11-01", "2026-11-01")
    three.meter("E_RES-PPA", 25.0, "2026-11-01", "2026-11-01", meter="wind")
    coal = (("is_renewable = true", "is_renewable = false"), ("kwh = 10", "kwh = 900"))
    contract = CONTRACT
    for change in coal:
        contract = contract.replace(*change)
    three.profile(contract)
    assert three.part("S13", "market").value == pytest.approx(1.4 * (0.25 * 0.9 + 0.75 * 0.4))
    assert three.part("S06", "all").value is None
