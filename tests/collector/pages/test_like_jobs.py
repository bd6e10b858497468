from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from wattline_collector.access import Role, Viewer
from wattline_collector.pages.like_jobs import BINS, LEAST_OWNERS, MOST_OF_ONE, compared, window


def table(owners: int, each: int, **of_it: Any) -> pl.DataFrame:
    """Jobs of others, and job `it` of anna."""
    base = {"system": "s", "kind": "training", "devices": 4, "gpu_hours": 40.0, "start_ms": 0,
            "working": 0.8, "tokens_per_joule": 5.0, "parameters": 8_000_000_000}  # fmt: skip
    others = [
        {**base, "job": f"{owner}-{n}", "user": f"u{owner}", "working": 0.5 + 0.01 * n}
        for owner in range(owners)
        for n in range(each)
    ]
    return pl.DataFrame([{**base, "job": "it", "user": "anna", "working": 0.9, **of_it}, *others])


def test_a_job_is_set_among_others_of_its_kind() -> None:
    found = compared(table(LEAST_OWNERS, 4), "s", "it")["metrics"]["working"]
    assert (found["n"], found["own"], found["below"]) == (20, 0.9, 1.0)
    assert sum(found["counts"]) == 20 and len(found["counts"]) == BINS


@pytest.mark.parametrize(("owners", "each"), [(LEAST_OWNERS - 1, 10), (LEAST_OWNERS, 1), (0, 0)])
def test_too_few_jobs_or_owners_leave_no_trace_of_them(owners: int, each: int) -> None:
    found = compared(table(owners, each), "s", "it")["metrics"]["working"]
    assert set(found) == {"withheld", "own"}
    assert found["own"] == 0.9


def test_nobody_is_the_distribution() -> None:
    jobs = pl.concat([table(LEAST_OWNERS, 2), table(1, 500).filter(pl.col("user") == "u0")])
    found = compared(jobs, "s", "it")["metrics"]["working"]
    assert found["n"] == (LEAST_OWNERS - 1) * 2 + MOST_OF_ONE


@pytest.mark.parametrize(
    "unlike",
    [{"kind": "inference"}, {"devices": 64}, {"system": "t"}, {"gpu_hours": 0.1},
     {"user": "anna"}, {"user": None}],
)  # fmt: skip
def test_what_is_not_like_it_does_not_count(unlike: dict[str, Any]) -> None:
    jobs = table(LEAST_OWNERS, 4)
    other = jobs.filter(pl.col("job") == "0-0").with_columns(
        pl.lit("odd").alias("job"),
        *(pl.lit(value, jobs.schema[name]).alias(name) for name, value in unlike.items()),
    )
    found = compared(pl.concat([jobs, other]), "s", "it")["metrics"]["working"]
    assert found["n"] == 20


def test_tokens_per_joule_are_compared_for_models_of_like_size_alone() -> None:
    jobs = table(LEAST_OWNERS, 4)
    small = compared(jobs, "s", "it")["metrics"]["tokens_per_joule"]
    assert small["n"] == 20
    large = table(LEAST_OWNERS, 4, parameters=70_000_000_000)
    assert compared(large, "s", "it")["metrics"]["tokens_per_joule"]["withheld"]
    unknown = table(LEAST_OWNERS, 4, parameters=None)
    assert "model" in compared(unknown, "s", "it")["metrics"]["tokens_per_joule"]["withheld"]


def test_neither_the_largest_nor_the_exact_middle_value_is_told() -> None:
    jobs = table(LEAST_OWNERS, 3).with_columns(
        (pl.int_range(pl.len()) * 0.123456 + 3).alias("tokens_per_joule")
    )
    told = json.dumps(compared(jobs, "s", "it"))
    own = jobs.filter(pl.col("job") == "it")["tokens_per_joule"].item()
    others = set(jobs["tokens_per_joule"]) - {own}
    assert not any(repr(value) in told for value in others)


def test_weeks_begin_on_mondays_so_that_many_jobs_share_them() -> None:
    at = datetime(2025, 1, 16, 13, tzinfo=UTC)
    period = window(round(at.timestamp() * 1000))
    assert (period.start, period.end) == (
        datetime(2024, 12, 23, tzinfo=UTC), datetime(2025, 1, 20, tzinfo=UTC)
    )  # fmt: skip
    assert window(round(datetime(2025, 1, 13, tzinfo=UTC).timestamp() * 1000)) == period


def test_a_planted_job_is_compared_without_naming_anybody(ask_planted: Any) -> None:
    owner = Viewer("works-2", roles=frozenset({Role.JOB_OWNER}))
    found = ask_planted("/v1/job/like", [("job", "100002")], owner)
    assert found["metrics"]["working"]["own"] == pytest.approx(1.0)
    jobs = ask_planted("/v1/my-jobs", [("rows", "5000")])["rows"]
    told = json.dumps(found)
    assert not any(f'"{row[name]}"' in told for row in jobs for name in ("user", "job", "name"))
