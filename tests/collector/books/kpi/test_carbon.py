from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi.carbon import (
    FACTORS,
    Instrument,
    Way,
    location_annual,
    location_hourly,
    market,
    side_by_side,
)

KWH = 3.6e6
START = round(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


def factor(value: float, **said: Any) -> dict[str, Any]:
    return {
        "value": value, "zone": "FI", "year": 2026, "hour_ms": None, "source": "a table",
        "method": "consumption", "lifecycle": True, "licence": "CC-BY-4.0",
    } | said  # fmt: skip


def factors(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=FACTORS)


def energy(*kwh: float | None) -> pl.DataFrame:
    """One hour each, from June 2026 on."""
    return pl.DataFrame(
        {
            "hour_ms": [START + i * HOUR for i in range(len(kwh))],
            "joules": [None if value is None else value * KWH for value in kwh],
        },
        schema={"hour_ms": pl.Int64, "joules": pl.Float64},
    )


def hourly(*values: float) -> list[dict[str, Any]]:
    return [
        factor(value, year=None, hour_ms=START + i * HOUR, source="hours")
        for i, value in enumerate(values)
    ]


def test_the_three_ways_stand_side_by_side() -> None:
    known = factors(factor(0.070), factor(0.400, method="residual", source="mix"),
                    *hourly(0.050, 0.100))  # fmt: skip
    annual, by_hour, bought = side_by_side(
        energy(100.0, 50.0), known, "FI", [Instrument("GOO", 120 * KWH, 0.0, 2026)]
    )
    assert [one.way for one in (annual, by_hour, bought)] == list(Way)
    assert annual.kg == pytest.approx(150 * 0.070)
    assert by_hour.kg == pytest.approx(100 * 0.050 + 50 * 0.100)
    assert bought.kg == pytest.approx(30 * 0.400)
    assert annual.kg_per_kwh == pytest.approx(0.070)
    assert annual.coverage == 1.0
    assert (bought.sources, by_hour.sources) == (("GOO", "mix"), ("hours",))


def test_hours_without_a_factor_are_in_no_figure_and_lower_the_coverage() -> None:
    found = location_hourly(energy(100.0, 300.0), factors(*hourly(0.050)), "FI")
    assert found.kg == pytest.approx(5.0)
    assert found.joules == 100 * KWH
    assert found.coverage == pytest.approx(0.25)
    nothing = location_hourly(energy(100.0), factors(factor(0.1)), "FI")
    assert (nothing.kg, nothing.coverage, nothing.kg_per_kwh) == (None, 0.0, None)


def test_energy_that_is_not_known_is_no_energy() -> None:
    found = location_annual(energy(None, 10.0), factors(factor(0.1)), "FI")
    assert found.kg == pytest.approx(1.0)
    assert found.coverage == 1.0
    assert location_annual(energy(None), factors(factor(0.1)), "FI").coverage is None


def test_each_year_has_its_own_factor_and_other_zones_none() -> None:
    later = energy(10.0).vstack(energy(10.0).with_columns(pl.col("hour_ms") + 366 * 24 * HOUR))
    found = location_annual(
        later, factors(factor(0.1), factor(0.3, year=2027), factor(9.0, zone="PL")), "FI"
    )
    assert found.kg == pytest.approx(1.0 + 3.0)


def test_consumption_goes_before_production() -> None:
    both = factors(factor(0.163), factor(0.103, method="production"))
    found = location_annual(energy(10.0), both, "FI")
    assert found.kg == pytest.approx(1.63)
    assert found.methods == ("consumption",)


def test_two_factors_of_one_time_are_a_question_for_people() -> None:
    both = factors(factor(0.163), factor(0.103, source="another"))
    with pytest.raises(ValueError, match=r"2026 differ.*a table, another"):
        location_annual(energy(10.0), both, "FI")
    twice = factors(factor(0.163), factor(0.163))
    assert location_annual(energy(10.0), twice, "FI").kg == pytest.approx(1.63)


def test_contracts_cannot_lower_the_location_based_figure() -> None:
    known = factors(factor(0.070), factor(0.400, method="residual"))
    clean = [Instrument("PPA", 1e15, 0.0, 2026)]
    assert side_by_side(energy(100.0), known, "FI", clean)[0].kg == pytest.approx(7.0)


def test_certificates_beyond_use_do_not_make_it_negative() -> None:
    found = market(
        energy(100.0), factors(), "FI",
        [Instrument("GOO", 90 * KWH, 0.0, 2026), Instrument("PPA", 60 * KWH, 0.030, 2026)],
    )  # fmt: skip
    assert found.kg == pytest.approx(60 * 0.030)
    assert (found.coverage, found.notes) == (1.0, ("GOO of 2026 is for more than was used",))


@pytest.mark.parametrize(
    ("instrument", "note"),
    [
        (Instrument("GOO", 100 * KWH, 0.0, 2026, is_retired=False), "not retired"),
        (Instrument("GOO", 100 * KWH, 0.0, 2024), "is of 2024"),
    ],
)
def test_an_instrument_that_proves_nothing_counts_for_nothing(
    instrument: Instrument, note: str
) -> None:
    found = market(energy(100.0), factors(factor(0.4, method="residual")), "FI", [instrument])
    assert found.kg == pytest.approx(40.0)
    assert note in found.notes[0]


def test_without_a_residual_mix_the_rest_is_not_known() -> None:
    found = market(energy(100.0), factors(), "FI", [Instrument("PPA", 40 * KWH, 0.02, 2026)])
    assert found.kg == pytest.approx(0.8)
    assert found.coverage == pytest.approx(0.4)
    assert "no residual mix of FI for 2026" in found.notes[0]
