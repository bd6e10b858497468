"""Telling the restarts of one job id apart.

A requeued job keeps its id and gets a new time of submission. Its runs are jobs of their own: the
first has the id as its key, the Nth restart `ID.N`. Newer versions of Slurm say N; otherwise it is
counted by the times of submission.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

KNOWN = pl.Schema({"id": pl.String(), "submit_ms": pl.Int64(), "restarts": pl.Int64()})
"""One run of a job id: the key without `.N`, when it was submitted, and its number."""


LINES = pl.Schema({"id": pl.String(), "count": pl.Int64()})
"""How many lines of a table had an id so far; an id may stand there several times."""


def known_of(rows: pl.DataFrame) -> pl.DataFrame:
    """The runs that rows of table `accounting` are about.

    Args:
        rows: `job`, `submit_unix_ms` and `restarts`.

    Returns:
        `KNOWN`.
    """
    return (
        rows.filter(pl.col("submit_unix_ms").is_not_null())
        .select(
            pl.when(pl.col("restarts") > 0)
            .then(pl.col("job").str.replace(r"\.[0-9]+\z", ""))
            .otherwise("job")
            .alias("id"),
            pl.col("submit_unix_ms").alias("submit_ms"),
            pl.col("restarts").fill_null(0).cast(pl.Int64),
        )
        .unique(["id", "submit_ms"], keep="last", maintain_order=True)
    )


def numbered(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Give every row the key and number of its run.

    Args:
        rows: Columns of `accounting` whose `job` is the id alone.
        known: `KNOWN`: runs that have their number already and keep it.

    Returns:
        The rows with `job` and `restarts`. A run whose number nobody says comes after those that
        are known; where several are new, in the order of their submission.
    """
    if rows.is_empty():
        return rows
    mine = known.join(rows.select(pl.col("job").alias("id")).unique(), on="id", how="semi")
    runs = rows.select(pl.col("job").alias("id"), pl.col("submit_unix_ms").alias("submit_ms"),
                       pl.col("restarts").alias("said")).unique(maintain_order=True)  # fmt: skip
    several = pl.concat([mine.select("id", "submit_ms"), runs.select("id", "submit_ms")]).unique()
    crowded = several.group_by("id").len().filter(pl.col("len") > 1).select("id")
    # Nearly every id has one run. The few others are gone through one by one.
    numbers = _count(
        runs.join(crowded, on="id", how="semi").iter_rows(),
        mine.join(crowded, on="id", how="semi").iter_rows(),
    )
    table = pl.DataFrame(
        numbers, {"job": pl.String, "submit_unix_ms": pl.Int64, "number": pl.Int64}, orient="row"
    )
    alone = mine.select(
        pl.col("id").alias("job"), pl.col("submit_ms").alias("submit_unix_ms"),
        pl.col("restarts").alias("known"),
    )  # fmt: skip
    key = ["job", "submit_unix_ms"]
    number = pl.coalesce("number", "restarts", "known", pl.lit(0, pl.Int64))
    return (
        rows.join(table, on=key, how="left", nulls_equal=True, maintain_order="left")
        .join(alone, on=key, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(number.alias("restarts"))
        .with_columns(
            pl.when(pl.col("restarts") > 0)
            .then(pl.format("{}.{}", "job", "restarts"))
            .otherwise("job")
            .alias("job")
        )
        .drop("number", "known")
    )


def each_line(rows: pl.DataFrame, before: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Give every row a key of its own, where one id stands for all tasks of an array.

    Args:
        rows: Columns of `accounting` whose `job` is the id alone.
        before: `LINES`: those that came before.

    Returns:
        The rows, of which the Nth further one of an id has the key `ID_N`; `before` with them; and
        how many are further ones.
    """
    ids = rows.group_by(pl.col("job").alias("id")).agg(pl.len().cast(pl.Int64).alias("count"))
    base = before.join(ids, on="id", how="semi").group_by("id").agg(pl.col("count").sum())
    place = pl.int_range(pl.len()).over("job") + pl.col("count").fill_null(0)
    numbered = rows.join(
        base, left_on="job", right_on="id", how="left", maintain_order="left"
    ).with_columns(place.alias("place"))
    again = pl.col("place") > 0
    keyed = numbered.with_columns(
        pl.when(again).then(pl.format("{}_{}", "job", "place")).otherwise("job").alias("job"),
        pl.when(again).then("job").otherwise("array_job").alias("array_job"),
        pl.col("restarts").fill_null(0),
    )
    count = int(keyed.select(again.sum()).item())
    return keyed.drop("place", "count"), pl.concat([before, ids]), count


def _count(
    runs: Iterable[tuple[str, int | None, int | None]],
    known: Iterable[tuple[str, int | None, int]],
) -> list[tuple[str, int | None, int]]:
    """Numbers of the runs of ids that have several: id, time of submission, number."""
    taken: dict[str, dict[int | None, int]] = {}
    for job, submit, number in known:
        taken.setdefault(job, {})[submit] = number
    numbers: dict[tuple[str, int | None], int] = {}
    ordered = sorted(runs, key=lambda run: (run[0], run[2] is None, run[1] or 0))
    for job, submit, stated in ordered:
        mine = taken.setdefault(job, {})
        if submit not in mine:
            free = max(mine.values(), default=-1) + 1
            mine[submit] = free if stated is None else stated
        numbers[job, submit] = mine[submit]
    return [(job, submit, number) for (job, submit), number in numbers.items()]
