from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi.waiting import parity, size_class, waits

HOUR = 3_600_000
DAY = 24 * HOUR


def jobs(*rows: dict[str, Any]) -> pl.DataFrame:
    """Jobs of 8 devices that were submitted at 0; `wait` and `run` in hours."""
    made = []
    for i, row in enumerate(rows):
        rest = dict(row)
        wait, run = rest.pop("wait", 0), rest.pop("run", 1)
        start = None if wait is None else round(wait * HOUR)
        made.append(
            {"system": "s", "job": str(i), "gpus": 8, "submit_ms": 0, "eligible_ms": 0,
             "start_ms": start, "partition": "gpu",
             "end_ms": None if start is None or run is None else start + round(run * HOUR)} | rest
        )  # fmt: skip
    return pl.DataFrame(made, schema=ACCOUNTED)


def test_waits_of_jobs_that_started() -> None:
    found = waits(
        jobs(*({"wait": i} for i in range(1, 21)), {"wait": None}), start_ms=0, end_ms=DAY
    ).row(0, named=True)
    assert (found["jobs"], found["mean_hours"], found["median_hours"]) == (20, 10.5, 10.5)
    assert found["p95_hours"] == 19


def test_expansion_is_weighted_by_gpu_hours() -> None:
    # 8 GPU-h with a factor of 3, 80 GPU-h with 1.2.
    found = waits(
        jobs({"wait": 2, "run": 1}, {"wait": 2, "run": 10}, {"wait": 5, "run": 0},
             {"wait": 1, "run": None}, {"wait": 1, "gpus": 0}),
        start_ms=0, end_ms=DAY,
    ).row(0, named=True)  # fmt: skip
    assert found["expansion"] == pytest.approx((8 * 3 + 80 * 1.2) / 88)
    assert (found["expansion_jobs"], found["jobs"]) == (2, 5)


def test_waits_by_size_and_partition() -> None:
    found = waits(
        jobs({"wait": 1, "gpus": 1}, {"wait": 3, "gpus": 1}, {"wait": 9, "gpus": 600}).with_columns(
            size_class().alias("size")
        ),
        start_ms=0, end_ms=DAY, by=["partition", "size"],
    )  # fmt: skip
    assert found.select("size", "jobs", "median_hours").rows() == [
        ("1", 2, 2.0),
        ("513-2048", 1, 9),
    ]


@pytest.mark.parametrize(
    ("gpus", "label"),
    [(0, "0"), (1, "1"), (2, "2-4"), (4, "2-4"), (5, "5-8"), (33, "33-128"), (2048, "513-2048"),
     (2049, ">2048"), (None, None)],
)  # fmt: skip
def test_classes_of_size_have_names(gpus: int | None, label: str | None) -> None:
    assert jobs({"gpus": gpus}).select(size_class()).item() == label


def test_no_job_has_no_wait() -> None:
    found = waits(jobs(), start_ms=0, end_ms=DAY).row(0, named=True)
    assert found["jobs"] == 0
    assert {found[name] for name in ("mean_hours", "median_hours", "p95_hours", "expansion")} == {
        None
    }


def test_a_job_counts_where_it_started_and_where_it_ended() -> None:
    ran = jobs({"wait": 1, "run": 48})
    first = waits(ran, start_ms=0, end_ms=DAY).row(0, named=True)
    third = waits(ran, start_ms=2 * DAY, end_ms=3 * DAY).row(0, named=True)
    assert (first["jobs"], first["expansion"]) == (1, None)
    assert (third["jobs"], third["expansion"]) == (0, pytest.approx(49 / 48))


def grouped(**groups: list[float]) -> pl.DataFrame:
    rows = [(group, wait) for group, found in groups.items() for wait in found]
    return jobs(*({"wait": wait} for _, wait in rows)).with_columns(
        pl.Series("group", [group for group, _ in rows], dtype=pl.String),
        pl.lit("sme").alias("category"),
    )


def test_parity_is_the_longest_median_over_the_shortest() -> None:
    (found,) = parity(
        grouped(a=[1, 2, 3, 4, 5], b=[2, 4, 6, 8, 10], few=[20.0] * 4), start_ms=0, end_ms=DAY
    )
    assert (found.category, found.value, found.longest, found.shortest) == ("sme", 2.0, "b", "a")
    assert (found.groups, found.left_out) == (2, 1)


@pytest.mark.parametrize("groups", [{"a": [1.0] * 5}, {"a": [0.0] * 5, "b": [1.0] * 5}])
def test_one_group_or_no_wait_at_all_has_no_parity(groups: dict[str, list[float]]) -> None:
    (found,) = parity(grouped(**groups), start_ms=0, end_ms=DAY)
    assert found.value is None


def test_jobs_that_nobody_can_place_are_in_no_group() -> None:
    placed = grouped(a=[1.0] * 5).with_columns(pl.lit(None, dtype=pl.String).alias("category"))
    assert parity(placed, start_ms=0, end_ms=DAY) == []
