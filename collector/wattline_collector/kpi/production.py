"""Production: tokens made, and how fast (P01, P02, P03).

Model operations are in `model_work`, latency in `request_latency`, runs and quality in `results`,
and what device time was for in `life_cycle`.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.sums import grouped, ratio, shaped, total
from wattline_collector.kpi.view import View, running_seconds

_SERVED = ("tokens_prompt", "tokens_generated")
_METHOD = "job counters"
_KEY = ["system", "job"]


def training_tokens(view: View, by: list[str]) -> pl.DataFrame:
    """P01: tokens in committed steps; covers the running time of training jobs that count them."""
    return _tokens(view, by, "training", ("tokens_trained",))


def inference_tokens(view: View, by: list[str]) -> pl.DataFrame:
    """P03: prompt and generated tokens; covers the running time of services that count them."""
    return _tokens(view, by, "inference", _SERVED)


def _tokens(view: View, by: list[str], kind: str, columns: tuple[str, ...]) -> pl.DataFrame:
    counted = pl.any_horizontal(pl.col(column).is_not_null() for column in columns)
    tokens = pl.when(counted).then(pl.sum_horizontal(columns))
    jobs = view.job.with_columns(tokens.alias("tokens"), counts=_counts_at_all(counted))
    of_kind = pl.col("kind") == kind
    running = pl.col("running_ms")
    found = grouped(
        jobs,
        by,
        numerator=total("tokens"),
        n=pl.struct("system", "job").filter(pl.col("counts")).n_unique(),
        coverage=ratio(
            running.filter(of_kind & pl.col("counts")).sum(), running.filter(of_kind).sum()
        ),
    ).with_columns(pl.lit(_METHOD).alias("method"))
    if by:
        found = found.filter(pl.col("n") > 0)
    silent = jobs.filter(of_kind & ~pl.col("counts")).select("system", "job").unique().height
    told = [f"{silent} {kind} jobs count no tokens"] if silent else []
    told += _split(jobs, columns)
    note = "; ".join(told) if told and not by else None
    return shaped(found.with_columns(pl.lit(note, dtype=pl.String).alias("note")), by)


def _split(jobs: pl.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """What kinds of tokens they are, where there are several."""
    if len(columns) < 2:
        return []
    words = {"tokens_prompt": "prompt", "tokens_generated": "generated",
             "tokens_prompt_cached": "of the prompt tokens from a cache"}  # fmt: skip
    sums = jobs.select(total(name).alias(name) for name in words).row(0)
    told = [f"{n:,} {word}" for n, word in zip(sums, words.values(), strict=True) if n is not None]
    return [", ".join(told)] if told else []


def _counts_at_all(counted: pl.Expr) -> pl.Expr:
    """Whether the job ever counts this, however the minute at hand stands."""
    return counted.any().over("system", "job")


def all_tokens() -> pl.Expr:
    """Trained, prompt and generated tokens of an entry; null where the job counts none."""
    columns = ("tokens_trained", *_SERVED)
    known = pl.any_horizontal(pl.col(column).is_not_null() for column in columns)
    return pl.when(known).then(pl.sum_horizontal(columns))


def counting_jobs(view: View) -> pl.DataFrame:
    """`system`, `job` of those that count any tokens in the period."""
    counting = view.job.with_columns(all_tokens().alias("tokens"))
    return counting.filter(pl.col("tokens").is_not_null()).select("system", "job").unique()


def throughput_per_device(view: View, by: list[str]) -> pl.DataFrame:
    """P02 by device: all tokens over the device time of the jobs that count them."""
    counting = counting_jobs(view)
    made = grouped(
        view.job.with_columns(all_tokens().alias("tokens")).join(counting, on=_KEY, how="semi"),
        by,
        numerator=total("tokens"),
        n=pl.struct(_KEY).n_unique(),
    )
    duration = pl.col("duration_ms")
    held = grouped(
        view.assigned.join(counting, on=_KEY, how="semi"),
        by,
        denominator=pl.when(duration.sum() > 0).then(duration.sum() / 1000),
    )
    joined = made.join(held, on=by, how="left") if by else pl.concat([made, held], how="horizontal")
    return shaped(joined.with_columns(pl.lit(_METHOD + ", ledger").alias("method")), by)


def throughput(view: View, by: list[str]) -> pl.DataFrame:
    """P02: all tokens over the time in which at least one job that counts tokens ran."""
    counting = counting_jobs(view)
    made = grouped(
        view.job.with_columns(all_tokens().alias("tokens")).join(
            counting, on=["system", "job"], how="semi"
        ),
        by,
        numerator=total("tokens"),
        n=pl.struct("system", "job").n_unique(),
    )
    running = view.running.join(counting, on=["system", "job"], how="semi")
    seconds = running_seconds(running, by).rename({"seconds": "denominator"})
    joined = (
        made.join(seconds, on=by, how="left")
        if by
        else pl.concat([made, seconds if seconds.height else _nothing()], how="horizontal")
    )
    return shaped(joined.with_columns(pl.lit(_METHOD).alias("method")), by)


def _nothing() -> pl.DataFrame:
    return pl.DataFrame({"denominator": [None]}, schema={"denominator": pl.Float64})
