"""How a job compares with jobs like it: a distribution of which nobody can be told apart.

Like a job are those of its system and kind with half to twice its devices, in the four weeks that
its end lies in. Of one owner at most ten count, so that nobody is the distribution; and where fewer
than five others own them, or there are fewer than ten, there is none. What leaves the collector is
how many lie in each of twenty bins: no job of anybody else's, no name, no least and no largest.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from wattline_collector.access import Sight
from wattline_collector.efficiency.find import NotThere, Several, concerned, find, known_jobs
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi.figure import Period
from wattline_collector.ledger.books import Books
from wattline_collector.pages.job import WHICH, which
from wattline_collector.pages.job_table import job_table
from wattline_collector.pages.kept import Kept
from wattline_collector.pages.period import scope
from wattline_collector.pages.read import House, Json, Missing, Question, Read

LEAST_OWNERS = 5
"""Owners beside the job's own: k of k-anonymity."""
LEAST_JOBS = 10
MOST_OF_ONE = 10
BINS = 20
WEEKS = 4
LEAST_HOURS = 1 / 6
"""Time it ran: of a shorter one it cannot be said how well it worked."""
LIKE_SIZE = 2.0

_DAY_MS = 86_400_000
_METRICS = {"working": (0.0, 1.0), "tokens_per_joule": None}
"""What is compared, and between which ends it lies; null: as its values say."""

_tables: Kept[pl.DataFrame] = Kept(600.0, 3)


def answer(house: House, question: Question) -> Json:
    """`GET /v1/job/like?job=ID`: two distributions, or why there are none.

    Raises:
        UsageError: No job is named.
        Missing: There is no such job, or it is not theirs.
    """
    asked = which(house, question)
    books = Books(house.store.path)
    near = concerned(books.jobs, books.frame("accounting", ACCOUNTED), asked.id)
    try:
        found = find(known_jobs(*near), asked.id, asked.viewer, asked.system)
    except (NotThere, Several) as error:
        raise Missing(str(error)) from error
    span = books.span()
    ran = near[0].filter((pl.col("system") == found.system) & (pl.col("job") == found.job))
    over = None if ran.is_empty() else ran["end_ms"].item()
    if span is None:
        return _withheld("nothing is booked yet")
    period = window(min(span[1], over or span[1]))

    def make() -> pl.DataFrame:
        table = job_table(scope(house, replace(question, period=period, query={})).view)
        return table.join(_models(books), on=["system", "job"], how="left")

    table = _tables.get(house.store, period, make)
    return {
        "period": period.to_json(),
        **compared(table, found.system, found.job),
    }


def window(at_ms: int) -> Period:
    """Four whole weeks, the last of them the one that a moment lies in: few for all jobs."""
    day = datetime.fromtimestamp(at_ms / 1000, UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    monday = day - timedelta(days=day.weekday())
    return Period(monday - timedelta(weeks=WEEKS - 1), monday + timedelta(weeks=1))


def compared(table: pl.DataFrame, system: str, job: str) -> Json:
    """The job among those like it.

    Args:
        table: `job_table`, with `parameters` of the model.
        system: Where it ran.
        job: Its key.
    """
    is_it = (pl.col("system") == system) & (pl.col("job") == job)
    own = table.filter(is_it)
    if own.is_empty():
        return _withheld("it did not run in the weeks that are compared")
    it = own.row(0, named=True)
    if it["kind"] is None or not it["devices"]:
        return _withheld("what kind of job it is, or how many devices it had, is not known")
    size = pl.col("devices").is_between(it["devices"] / LIKE_SIZE, it["devices"] * LIKE_SIZE)
    like = table.filter(
        ~is_it,
        pl.col("system") == system,
        pl.col("kind") == it["kind"],
        size,
        pl.col("gpu_hours") / pl.col("devices") >= LEAST_HOURS,
        pl.col("user").is_not_null(),
        # Another job of the same owner is no stranger to hide, and none to compare with.
        pl.col("user").ne_missing(pl.lit(it["user"], pl.String)),
    )
    parts = {"working": like, "tokens_per_joule": _of_model(like, it["parameters"])}
    return {
        "withheld": None,
        "kind": it["kind"],
        "devices": [math.ceil(it["devices"] / LIKE_SIZE), int(it["devices"] * LIKE_SIZE)],
        "metrics": {
            name: distribution(part, name, it[name], _METRICS[name]) for name, part in parts.items()
        },
    }


def distribution(
    like: pl.DataFrame | None, name: str, own: float | None, ends: tuple[float, float] | None
) -> Json:
    """How many of the jobs lie where; withheld where it would tell of too few people.

    Args:
        like: Jobs of others; null: there is nothing to tell which are like it.
        name: The column.
        own: The job's own value.
        ends: Between which ends; null: as the values say, rounded outwards.
    """
    if like is None:
        return _withheld("what model it works on is not known") | {"own": own}
    known = (
        like.drop_nulls(name)
        .sort("start_ms", descending=True, nulls_last=True)
        .group_by("user", maintain_order=True)
        .head(MOST_OF_ONE)
    )
    if known.height < LEAST_JOBS or known["user"].n_unique() < LEAST_OWNERS:
        return _withheld(
            f"there are fewer than {LEAST_JOBS} of them, or fewer than {LEAST_OWNERS} others "
            "own them"
        ) | {"own": own}
    values = known[name]
    low, high = ends or _ends(values)
    width = (high - low) / BINS
    bins = ((values - low) / width).floor().cast(pl.Int64).clip(0, BINS - 1)
    counted: dict[int, int] = dict(bins.value_counts().iter_rows())
    return {
        "withheld": None,
        "own": own,
        "n": known.height,
        "start": low,
        "width": width,
        "counts": [counted.get(place, 0) for place in range(BINS)],
        "median": _rounded(values.median()),
        "below": None if own is None else int((values < own).sum()) / known.height,
    }


def _ends(values: pl.Series) -> tuple[float, float]:
    """From nought to a round number above the largest, so that nobody's own value is told."""
    largest = max(values.to_list(), default=0.0)
    if largest <= 0:
        return 0.0, 1.0
    step = 10.0 ** math.floor(math.log10(largest)) / 2
    return 0.0, (math.floor(largest / step) + 1) * step


def _rounded(value: object) -> float | None:
    """To two digits: the median of an odd number is somebody's."""
    return float(f"{value:.2g}") if isinstance(value, int | float) else None


def _of_model(like: pl.DataFrame, parameters: int | None) -> pl.DataFrame | None:
    """Those whose model has half to twice the parameters: tokens cost in proportion."""
    if not parameters:
        return None
    return like.filter(pl.col("parameters").is_between(parameters / 2, parameters * 2))


def _models(books: Books) -> pl.DataFrame:
    active = pl.coalesce("parameters_active", "parameters").alias("parameters")
    return books.models.select("system", "job", active)


def _withheld(why: str) -> dict[str, object]:
    return {"withheld": why}


READS = (
    Read(
        "/v1/job/like", (Sight.OWN, Sight.JOBS), answer, takes=WHICH, keep_seconds=300.0,
        by_viewer=True,
    ),
)  # fmt: skip
