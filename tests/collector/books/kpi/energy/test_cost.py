from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.access import STAFF
from wattline_collector.efficiency.answer import judged
from wattline_collector.efficiency.gather import Question
from wattline_collector.kpi.cost import energy_cost, facility_cost
from wattline_collector.store.store import Store

TARIFF = (
    "[tariff.2026]\nuntil = 2026-12-31\neuro_per_kwh = 0.30\n"
    "[tariff.2026.window.night]\neuro_per_kwh = 0.10\nbegins = 22:00:00\nends = {}\n"
)
"""Helsinki is two hours before UTC in November: the books begin there at two in the night."""


def test_energy_costs_what_the_hours_it_was_used_in_cost(site: Any) -> None:
    site.book(6)
    site.profile(TARIFF.format("06:00:00"))  # four cheap hours, then two dear ones
    (row,) = energy_cost(site.view(), []).iter_rows(named=True)
    assert row["numerator"] == pytest.approx(0.7 * (4 * 0.10 + 2 * 0.30))
    assert row["coverage"] == pytest.approx(1.0)
    assert row["method"] == "booked energy (gpu boundary) by tariffs"


def test_an_hour_in_which_the_price_changes_costs_the_mean_of_its_quarters(site: Any) -> None:
    site.book(1)
    site.profile(TARIFF.format("02:15:00"))
    (row,) = energy_cost(site.view(), []).iter_rows(named=True)
    assert row["numerator"] == pytest.approx(0.7 * (0.10 + 3 * 0.30) / 4)


def test_cost_is_split_by_job_and_adds_up(site: Any) -> None:
    site.book(6, job_hours=(0, 4))
    site.profile(TARIFF.format("06:00:00"))
    found = energy_cost(site.view(), ["job"])
    euro = dict(found.select("job", "numerator").iter_rows())
    assert euro["j"] == pytest.approx(0.7 * 4 * 0.10)
    assert sum(euro.values()) == pytest.approx(0.7 * (4 * 0.10 + 2 * 0.30))


def test_time_without_a_tariff_lowers_the_coverage(site: Any) -> None:
    site.book(4)
    site.profile("[tariff.late]\nsince = 2026-11-02\neuro_per_kwh = 0.2\n")
    (row,) = energy_cost(site.view(), []).iter_rows(named=True)
    assert (row["numerator"], row["coverage"]) == (None, 0.0)


def test_without_tariffs_the_cost_is_unknown_and_says_why(site: Any) -> None:
    site.book()
    (row,) = energy_cost(site.view(), []).iter_rows(named=True)
    assert row["numerator"] is None
    assert row["note"].startswith("no tariff")


def test_the_site_pays_for_the_energy_of_the_data_centre(site: Any) -> None:
    site.book(24)
    site.meter("E_DC", 48.0, "2026-11-01", "2026-11-01")
    site.profile("[tariff.all]\neuro_per_kwh = 0.25\n")
    (row,) = facility_cost(site.view(), []).iter_rows(named=True)
    assert row["numerator"] == pytest.approx(12.0)
    assert row["method"] == "E_DC by tariffs"


@pytest.mark.parametrize("node_watts", [None, 1000.0])
def test_a_job_costs_the_same_among_the_kpis_as_in_its_own_report(
    site: Any, node_watts: float | None
) -> None:
    site.book(6, node_watts=node_watts, job_hours=(1, 5))
    site.profile(TARIFF.format("06:00:00"))
    site.factor(2025, 80.0)
    Store.open(site.path, write=True).close()
    report, _ = judged(
        site.path, Question(id="j", viewer=STAFF, now_ms=site.start_ms + 6 * 3_600_000)
    )
    costs = energy_cost(site.view(), ["job"])
    euro = dict(costs.select("job", "numerator").iter_rows())
    assert report.figures.value("energy_euro") == pytest.approx(euro["j"])
    (carbon,) = [
        f for f in site.figures("S13", ["job"])
        if (f.dims["job"], f.dims["way"]) == ("j", "location_annual")
    ]  # fmt: skip
    assert report.figures.value("energy_co2") == pytest.approx(1000 * (carbon.value or 0))
    assert "operator (consumption, lifecycle, CC BY 4.0), zone FI" in (
        report.figures["energy_co2"].method
    )
