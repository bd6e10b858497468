from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi.sustainability import (
    annex_iii,
    cer,
    cooling,
    cue,
    energy,
    erf,
    merged,
    published_average,
    pue,
    ref,
    wue,
    year_of,
)
from wattline_collector.registers.schema import METERS

KWH = 3.6e6
MWH = 3.6e9
QUANTITY = {"W_IN": "water", "E_REUSE": "heat"}
YEAR = year_of(2026)


def at(month: int) -> int:
    year, month = divmod(month - 1, 12)
    return round(datetime(2026 + year, month + 1, 1, tzinfo=UTC).timestamp() * 1000)


def amount(code: str | None, value: float, month: int | None = None, **said: Any) -> dict[str, Any]:
    """Of the whole year, or of one month."""
    start, end = (at(1), at(13)) if month is None else (at(month), at(month + 1))
    return {
        "system": None, "meter": str(code).lower(), "quantity": QUANTITY.get(code or "", "energy"),
        "eed": code, "boundary": "ups_output" if code == "E_IT" else None, "reading": "amount",
        "start_ms": start, "end_ms": end, "value": value,
    } | said  # fmt: skip


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=METERS.schema)


def year(rows: pl.DataFrame) -> dict[str, Any]:
    return dict(annex_iii(rows, start_ms=YEAR[0], end_ms=YEAR[1]))


def test_the_formulas_of_annex_iii() -> None:
    e_dc, e_it = 26_280_000 * KWH, 21_900_000 * KWH
    assert pue(e_dc, e_it) == pytest.approx(1.2, rel=1e-9)
    assert wue(8_760.0, e_it) == pytest.approx(0.4, rel=1e-9)  # m3/MWh
    assert erf(5_256_000 * KWH, e_dc) == pytest.approx(0.2, rel=1e-9)
    assert ref(20e6 * KWH, 3e6 * KWH, 0.5e6 * KWH, e_dc) == pytest.approx(23.5 / 26.28, rel=1e-9)
    assert cue(4_380_000.0, e_it) == pytest.approx(0.2, rel=1e-9)
    assert cer(7.0, 2.0) == 3.5


def test_what_is_not_known_has_no_ratio() -> None:
    assert pue(None, 1.0) is None
    assert pue(1.0, None) is None
    assert pue(1.0, 0.0) is None
    assert wue(1.0, None) is None
    assert cue(None, 1.0) is None
    assert ref(None, None, None, 1.0) is None
    assert ref(None, 2.0, None, 4.0) == 0.5


def test_a_year_of_meters_reproduces_the_formulas_to_nine_digits() -> None:
    e_dc = [2_100_000.25, 1_900_000.5, 2_000_000.125, *([2_222_222.375] * 9)]
    e_it = [1_700_000.5, 1_600_000.25, 1_650_000.75, *([1_800_000.0625] * 9)]
    water = [610.5, 580.25, *([777.125] * 10)]
    rows = [amount("E_DC", v * KWH, m, meter="grid") for m, v in enumerate(e_dc, 1)]
    rows += [amount("E_IT", v * KWH / 2, m, meter="ups-a") for m, v in enumerate(e_it, 1)]
    rows += [amount("E_IT", v * KWH / 2, m, meter="ups-b") for m, v in enumerate(e_it, 1)]
    rows += [amount("W_IN", v, m) for m, v in enumerate(water, 1)]
    rows += [amount("E_REUSE", 1_234_567.5 * KWH, boundary="heat_handover")]
    rows += [amount("E_RES-GOO", 9e6 * KWH), amount("E_RES-OS", 0.75e6 * KWH)]
    rows += [amount("E_DC-BG", 12_000 * KWH)]
    found = year(frame(*rows))
    assert found["PUE"].value == pytest.approx(sum(e_dc) / sum(e_it), rel=1e-9)
    assert found["WUE"].value == pytest.approx(sum(water) / (sum(e_it) / 1000), rel=1e-9)
    assert found["ERF"].value == pytest.approx(1_234_567.5 / sum(e_dc), rel=1e-9)
    assert found["REF"].value == pytest.approx(9.75e6 / sum(e_dc), rel=1e-9)
    assert found["REF"].note == "E_RES-PPA: none registered, none counted"
    assert (found["PUE"].label, found["PUE"].category, found["PUE"].coverage) == ("PUE", 1, 1.0)


def test_generators_are_told_apart_and_added_to_nothing() -> None:
    rows = frame(amount("E_DC", 120.0), amount("E_IT", 100.0), amount("E_DC-BG", 7.0))
    generators = energy(rows, "E_DC-BG", start_ms=YEAR[0], end_ms=YEAR[1])
    assert generators.value == pytest.approx(7.0)
    assert energy(rows, "E_DC", start_ms=YEAR[0], end_ms=YEAR[1]).value == pytest.approx(120.0)
    assert year(rows)["PUE"].value == pytest.approx(1.2)


def test_less_than_a_year_or_a_year_with_holes_is_interim() -> None:
    rows = [amount("E_DC", 12.0, m) for m in range(1, 13)]
    rows += [amount("E_IT", 10.0, m) for m in range(1, 12)]
    holes = year(frame(*rows))["PUE"]
    assert holes.value == pytest.approx(1.2)
    assert holes.label == "interim PUE"
    assert holes.coverage == pytest.approx(334 / 365)
    month = annex_iii(frame(*rows), start_ms=at(3), end_ms=at(4))["PUE"]
    assert (month.label, month.coverage) == ("interim PUE", 1.0)


def test_a_missing_meter_is_named_and_gives_no_value() -> None:
    found = year(frame(amount("E_DC", 12.0)))
    assert (found["PUE"].value, found["PUE"].note) == (None, "no meter of E_IT")
    assert (found["REF"].value, found["REF"].coverage) == (None, 1.0)
    assert "no certificate" in found["REF"].note


def test_cooling_is_judged_by_the_meters_at_it() -> None:
    rows = frame(
        amount(None, 700.0, boundary="cooling", meter="heat", quantity="heat"),
        amount(None, 200.0, boundary="cooling", meter="chiller"),
    )
    found = cooling(rows, start_ms=YEAR[0], end_ms=YEAR[1])
    assert found.value == pytest.approx(3.5)
    assert found.label == "CER"
    assert cooling(frame(), start_ms=YEAR[0], end_ms=YEAR[1]).value is None


def test_merging_is_sum_over_sum_and_publishing_is_weighted_by_total_energy() -> None:
    centres = [(1200.0, 1000.0), (150.0, 100.0), (220.0, 200.0)]
    assert merged(centres) == pytest.approx(1570 / 1300)
    ratios = [(above / below, above) for above, below in centres]
    by_hand = (1.2 * 1200 + 1.5 * 150 + 1.1 * 220) / 1570
    assert published_average(ratios) == pytest.approx(by_hand)
    assert published_average(ratios[:2]) is None
    assert published_average([*ratios[:2], (None, 5.0)]) is None
    assert merged([(1.0, None), (None, 2.0)]) is None
    assert merged([(1.0, None), (3.0, 2.0)]) == 1.5
