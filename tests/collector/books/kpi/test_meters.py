from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi.meters import by_hour, mean_of, metered
from wattline_collector.registers.schema import METERS

QUANTITY = {"E_DC": "energy", "E_IT": "energy", "W_IN": "water", "T_WH": "temperature"}
KWH = 3.6e6


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def reading(code: str, start: str | None, end: str, value: float, **said: Any) -> dict[str, Any]:
    return {
        "system": None, "meter": code.lower(), "quantity": QUANTITY[code], "eed": code,
        "boundary": "ups_output" if code == "E_IT" else None,
        "reading": "counter" if start is None else "amount",
        "start_ms": None if start is None else at(start), "end_ms": at(end), "value": value,
    } | said  # fmt: skip


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=METERS.schema)


JANUARY: dict[str, Any] = {"start_ms": at("2026-01-01"), "end_ms": at("2026-02-01")}


def test_amounts_of_a_month_are_added_up() -> None:
    found = metered(
        frame(
            reading("E_IT", "2026-01-01", "2026-01-16", 100.0),
            reading("E_IT", "2026-01-16", "2026-02-01", 60.0),
            reading("E_IT", "2026-01-01", "2026-02-01", 40.0, meter="ups-b"),
        ),
        ["E_IT"], **JANUARY,
    )  # fmt: skip
    assert found.values["E_IT"] == pytest.approx(200.0)
    assert (found.coverage, found.meters["E_IT"], found.category) == (1.0, 2, 1)


def test_a_counter_that_was_exchanged_leaves_a_hole() -> None:
    found = metered(
        frame(
            reading("E_IT", None, "2026-01-01", 1000.0),
            reading("E_IT", None, "2026-01-11", 1010.0),
            reading("E_IT", None, "2026-01-21", 3.0),
            reading("E_IT", None, "2026-02-01", 14.0),
        ),
        ["E_IT"], **JANUARY,
    )  # fmt: skip
    assert found.values["E_IT"] == pytest.approx(10 + 11)
    assert found.coverage == pytest.approx(21 / 31)


def test_only_the_time_that_all_meters_share_counts() -> None:
    found = metered(
        frame(
            reading("E_DC", "2026-01-01", "2026-02-01", 310.0),
            reading("E_IT", "2026-01-01", "2026-01-11", 80.0),
            reading("E_IT", "2026-01-21", "2026-02-01", 88.0),
        ),
        ["E_DC", "E_IT"], **JANUARY,
    )  # fmt: skip
    assert found.values["E_DC"] == pytest.approx(210.0)
    assert found.values["E_IT"] == pytest.approx(168.0)
    assert found.coverage == pytest.approx(21 / 31)


def test_readings_that_reach_beyond_the_period_are_cut() -> None:
    found = metered(frame(reading("E_IT", "2025-12-01", "2026-03-01", 900.0)), ["E_IT"], **JANUARY)
    assert found.values["E_IT"] == pytest.approx(900 * 31 / 90)


def test_an_amount_that_is_told_twice_counts_once_and_the_finer_one_first() -> None:
    found = metered(
        frame(
            reading("E_IT", "2026-01-01", "2026-02-01", 310.0),
            reading("E_IT", "2026-01-01", "2026-01-11", 200.0),
            reading("E_IT", "2026-01-01", "2026-02-01", 310.0),
        ),
        ["E_IT"], **JANUARY,
    )  # fmt: skip
    assert found.values["E_IT"] == pytest.approx(200 + 210)


def test_boundaries_are_never_added_up() -> None:
    rows = frame(
        reading("E_IT", "2026-01-01", "2026-02-01", 90.0, boundary="pdu_output", meter="pdu"),
        reading("E_IT", "2026-01-01", "2026-02-01", 100.0),
    )
    assert metered(rows, ["E_IT"], **JANUARY).values["E_IT"] == pytest.approx(100.0)
    other = metered(rows, ["E_IT"], **JANUARY, boundaries={"E_IT": "pdu_output"})
    assert other.values["E_IT"] == pytest.approx(90.0)
    assert other.category == 2


def test_meters_of_systems_are_added_up_unless_the_site_has_its_own() -> None:
    systems = [
        reading("E_IT", "2026-01-01", "2026-02-01", 60.0, system="a"),
        reading("E_IT", "2026-01-01", "2026-02-01", 50.0, system="b"),
    ]
    site = reading("E_IT", "2026-01-01", "2026-02-01", 120.0)
    assert metered(frame(*systems), ["E_IT"], **JANUARY).values["E_IT"] == pytest.approx(110.0)
    assert metered(frame(*systems, site), ["E_IT"], **JANUARY).values["E_IT"] == pytest.approx(120)
    one = metered(frame(*systems, site), ["E_IT"], **JANUARY, system="b")
    assert one.values["E_IT"] == pytest.approx(50.0)


def test_an_indicator_without_a_meter_is_not_known() -> None:
    found = metered(
        frame(reading("E_DC", "2026-01-01", "2026-02-01", 1.0)), ["E_DC", "E_IT"], **JANUARY
    )
    assert dict(found.values) == {"E_DC": None, "E_IT": None}
    assert (found.coverage, found.meters["E_IT"]) == (0.0, 0)
    assert metered(frame(), ["E_IT"], **JANUARY).values["E_IT"] is None


def test_meters_without_a_common_time_tell_nothing() -> None:
    found = metered(
        frame(
            reading("E_DC", "2026-01-01", "2026-01-11", 1.0),
            reading("E_IT", "2026-01-11", "2026-02-01", 1.0),
        ),
        ["E_DC", "E_IT"], **JANUARY,
    )  # fmt: skip
    assert (found.values["E_DC"], found.coverage) == (None, 0.0)


def test_a_lonely_standing_of_a_counter_is_no_amount() -> None:
    found = metered(frame(reading("E_IT", None, "2026-01-11", 5.0)), ["E_IT"], **JANUARY)
    assert (found.values["E_IT"], found.meters["E_IT"]) == (None, 1)


def test_a_temperature_is_the_mean_over_its_points_and_its_time() -> None:
    rows = frame(
        reading("T_WH", "2026-01-01", "2026-01-11", 30.0),
        reading("T_WH", "2026-01-11", "2026-02-01", 40.0),
        reading("T_WH", "2026-01-01", "2026-02-01", 50.0, meter="second"),
    )
    value, coverage = mean_of(rows, "T_WH", **JANUARY)
    assert value == pytest.approx(((30 * 10 + 40 * 21) / 31 + 50) / 2)
    assert coverage == 1.0
    assert mean_of(frame(), "T_WH", **JANUARY) == (None, 0.0)


def test_700_watts_for_an_hour_by_a_counter_are_0_7_kwh() -> None:
    start = at("2026-01-01")
    # One reading a minute of a counter that 700 W drive.
    rows = frame(
        *(
            reading("E_IT", None, "2026-01-01", 5e9 + 700.0 * 60 * m)
            | {"end_ms": start + m * 60_000}
            for m in range(61)
        )
    )
    found = metered(rows, ["E_IT"], start_ms=start, end_ms=start + 3_600_000)
    assert found.values["E_IT"] is not None
    assert found.values["E_IT"] / KWH == pytest.approx(0.700, rel=1e-9)


def test_quarters_add_up_to_their_year() -> None:
    edges = ["2026-01-01", "2026-04-01", "2026-07-01", "2026-10-01", "2027-01-01"]
    rows = frame(
        *(reading("E_IT", None, f"2026-{m:02}-17", 100.0 * m**2) for m in range(1, 13)),
        reading("E_IT", "2025-11-20", "2027-03-05", 7777.0, meter="ups-b"),
    )
    parts = [
        metered(rows, ["E_IT"], start_ms=at(low), end_ms=at(high))
        for low, high in itertools.pairwise(edges)
    ]
    whole = metered(rows, ["E_IT"], start_ms=at(edges[0]), end_ms=at(edges[-1]))
    assert sum(part.covered_ms for part in parts) == whole.covered_ms
    assert sum(part.values["E_IT"] or 0 for part in parts) == pytest.approx(whole.values["E_IT"])


def test_meters_need_a_period() -> None:
    with pytest.raises(ValueError, match="period"):
        metered(frame(), ["E_IT"], start_ms=5, end_ms=5)


def test_hours_add_up_to_the_month_and_to_what_all_meters_share() -> None:
    rows = frame(
        reading("E_DC", "2026-01-01", "2026-02-01", 310.0),
        reading("E_IT", "2026-01-01", "2026-01-11T00:30", 80.0),
        reading("E_IT", "2026-01-01", "2026-02-01", 31.0, meter="ups-b"),
    )
    hours = by_hour(rows, ["E_DC", "E_IT"], **JANUARY)
    whole = metered(rows, ["E_DC", "E_IT"], **JANUARY)
    assert hours["E_DC"].sum() == pytest.approx(whole.values["E_DC"])
    assert hours["E_IT"].sum() == pytest.approx(whole.values["E_IT"])
    assert hours["covered_ms"].sum() == whole.covered_ms
    assert hours.height == 10 * 24 + 1
    assert hours["covered_ms"][-1] == 1_800_000


def test_hours_of_an_indicator_without_a_meter_are_none() -> None:
    rows = frame(reading("E_DC", "2026-01-01", "2026-02-01", 310.0))
    assert by_hour(rows, ["E_DC", "E_IT"], **JANUARY).is_empty()


def test_a_counter_of_another_thing_says_nothing_of_what_lies_between() -> None:
    found = metered(
        frame(
            reading("E_IT", None, "2026-01-01", 0.0, device="old"),
            reading("E_IT", None, "2026-01-11", 100.0, device="old"),
            reading("E_IT", None, "2026-01-12", 5000.0, device="new"),
            reading("E_IT", None, "2026-02-01", 5200.0, device="new"),
        ),
        ["E_IT"], **JANUARY,
    )  # fmt: skip
    assert found.values["E_IT"] == pytest.approx(300.0)
    assert found.coverage == pytest.approx(30 / 31)
