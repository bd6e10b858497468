from __future__ import annotations

import polars as pl
import pytest

from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.jobs.cross_check import CROSS_CHECK, cross_check
from wattline_collector.ledger.schema import NODE

HOUR_MS = 3_600_000


def accounted(joules: float | None, nodes: int = 2) -> pl.DataFrame:
    row = {"system": "a", "job": "1", "start_ms": 0, "end_ms": HOUR_MS, "nodes": nodes,
           "energy_joules": joules}  # fmt: skip
    return pl.concat([ACCOUNTED.to_frame(), pl.DataFrame([row])], how="diagonal_relaxed")


def booked(joules: float | None, hours: float = 2.0, covered: float = 1.0) -> pl.DataFrame:
    row = {"system": "a", "job": "1", "duration_ms": hours * HOUR_MS, "energy_joules": joules,
           "energy_ms": hours * HOUR_MS * covered}  # fmt: skip
    other = {**row, "job": None, "energy_joules": 1e9}
    return pl.concat([NODE.to_frame(), pl.DataFrame([row, other])], how="diagonal_relaxed")


@pytest.mark.parametrize(
    ("told", "ours", "verdict", "apart"),
    [
        (1030.0, booked(1000.0), "agrees", 0.03),
        (1200.0, booked(1000.0), "apart", 0.2),
        (1000.0, booked(500.0, hours=1.0), "shared", None),
        (1000.0, booked(500.0, covered=0.5), "not_covered", None),
        (1000.0, booked(None), "not_covered", None),
        (1000.0, NODE.to_frame(), "not_covered", None),
    ],
)
def test_only_what_can_be_compared_is(
    told: float, ours: pl.DataFrame, verdict: str, apart: float | None
) -> None:
    found = cross_check(accounted(told), ours)
    assert found.schema == CROSS_CHECK
    [row] = found.to_dicts()
    assert row["verdict"] == verdict
    assert row["apart_ratio"] == (None if apart is None else pytest.approx(apart))
    assert row["scheduler_joules"] == told


def test_a_job_whose_energy_nobody_tells_is_not_looked_at() -> None:
    assert cross_check(accounted(None), booked(1000.0)).is_empty()
