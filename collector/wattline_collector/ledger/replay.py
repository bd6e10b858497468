"""Steps that were done before: recognised by their numbers, and not counted twice.

A training run goes on from its newest checkpoint. The steps after that one, which an earlier job of
the run (or the same job, before it went back) had committed already, are done again. The tokens and
steps counted meanwhile stand apart, so that what a run made is what it committed once.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger.job import MADE, REPLAYED
from wattline_collector.ledger.overlay import joined

_APART = "\x1f"
"""Stands in no name: control characters are refused where names come in."""


def run_of() -> pl.Expr:
    """The run a job is part of: what it says, else its id without the count of restarts.

    Of one system and owner: what another calls a run is another. Needs `system`, `job`, `run`,
    `user`.
    """
    named = pl.when(pl.col("run").is_not_null()).then(pl.lit("run")).otherwise(pl.lit("job"))
    user = pl.col("user").fill_null("")
    parts = ("system", user, named, run_name())
    return pl.concat_str(*parts, separator=_APART).alias("run_of")


def run_name() -> pl.Expr:
    """The name of a job's run: what it says, else its id without the count of restarts."""
    return pl.coalesce("run", pl.col("job").str.replace(r"\.[0-9]+$", ""))


def committed_before(jobs: pl.DataFrame) -> pl.DataFrame:
    """The highest step that earlier jobs of a run had committed when each job began.

    Earlier is what had counted for the last time before the job started: jobs of one run follow
    one another. Those that run side by side under one name share no steps.

    Args:
        jobs: `records.JOBS`.

    Returns:
        `system`, `job`, `before` (null: none).
    """
    stepping = jobs.filter(pl.col("step_highest").is_not_null()).with_columns(run_of())
    over = (
        stepping.sort("counted_ms", "job")
        .with_columns(pl.col("step_highest").cum_max().over("run_of").alias("before"))
        .select("run_of", pl.col("counted_ms").alias("over_ms"), "before")
    )
    return (
        stepping.filter(pl.col("start_ms").is_not_null())
        .select("system", "job", "run_of", "start_ms")
        .sort("start_ms")
        .join_asof(
            over.sort("over_ms"),
            left_on="start_ms",
            right_on="over_ms",
            by="run_of",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .select("system", "job", "before")
    )


def steps_of(rows: pl.DataFrame) -> pl.DataFrame:
    """The course of each job's steps, as the first node that tells it does.

    All ranks may tell the number of the step, some a little later than others; between nodes that
    would look like going back. A job that goes on from a checkpoint and does not say from which
    says 0; the steps it counted say better.

    Args:
        rows: `job`, `node`, `time`, `step`, `step_resumed`, `step_saved`, `steps_total`.

    Returns:
        `job`, `time`, `step`, `step_resumed`, `step_saved`, sorted by job and time.
    """
    telling = rows.filter(pl.col("step").is_not_null())
    began = pl.col("step") - pl.col("steps_total")
    resumed = pl.when(pl.col("step_resumed").is_not_null()).then(
        pl.max_horizontal("step_resumed", began)
    )
    return (
        telling.filter(pl.col("node") == pl.col("node").min().over("job"))
        .select("job", "time", "step", resumed.alias("step_resumed"), "step_saved")
        .sort("job", "time")
    )


def replays(course: pl.DataFrame, before: pl.DataFrame, starts: pl.DataFrame) -> pl.DataFrame:
    """When jobs did steps again.

    Steps are taken to follow one another evenly between two rows.

    Args:
        course: What `steps_of` returned.
        before: `job`, `before`: the highest step committed before the course begins.
        starts: `job`, `start`: when each job started, where known.

    Returns:
        `job`, `start`, `end` (fractions of a millisecond): apart, sorted.
    """
    job = pl.col("job")
    first = (job != job.shift(1)).fill_null(True)
    step = pl.col("step")
    known = course.join(before, on="job", how="left", maintain_order="left").join(
        starts, on="job", how="left", maintain_order="left"
    )
    mark = pl.max_horizontal(
        pl.col("before").fill_null(-1),
        pl.when(~first).then(step.cum_max().over("job").shift(1)).otherwise(-1),
    )
    resumed = pl.when(pl.col("step_resumed") <= step).then("step_resumed").otherwise(step)
    last = step.shift(1)
    low = pl.when(first | (last > step)).then(resumed).otherwise(last)
    began = pl.min_horizontal(pl.coalesce("start", "time"), "time")
    since = pl.when(first).then(began).otherwise(pl.col("time").shift(1))
    part = (
        pl.when(step > pl.col("low"))
        .then((pl.min_horizontal("step", "mark") - pl.col("low")) / (step - pl.col("low")))
        # No step was committed meanwhile: it is work on the next, which may have been done before.
        .otherwise((step < pl.col("mark")).cast(pl.Float64))
        .clip(0, 1)
    )
    found = (
        known.with_columns(mark.alias("mark"), low.alias("low"), since.alias("since"))
        .with_columns(part.alias("part"))
        .filter((pl.col("part") > 0) & (pl.col("time") > pl.col("since")))
    )
    return joined(
        found.select(
            "job",
            pl.col("since").cast(pl.Float64).alias("start"),
            (pl.col("since") + pl.col("part") * (pl.col("time") - pl.col("since"))).alias("end"),
        ),
        "job",
    )


def set_apart(grown: pl.DataFrame, course: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """Book what was made in steps that had been done before apart from the rest.

    Args:
        grown: What `job.increments` returned.
        course: What `steps_of` returned: jobs in it tell their steps, and replay none or some.
        again: What `replays` returned.

    Returns:
        The same increments; those of replaying jobs in two or three rows each.
    """
    if course.is_empty():
        return grown
    telling = course["job"].unique()
    none = [
        pl.when(pl.col("job").is_in(telling.implode()) & pl.col(made).is_not_null())
        # Large models count billions of tokens between two rows.
        .then(pl.lit(0, dtype=pl.Int64))
        .alias(name)
        for made, name in REPLAYED.items()
    ]
    grown = grown.with_columns(none)
    if again.is_empty():
        return grown
    numbered = grown.with_row_index("row")
    replaying = numbered.join(again.select("job").unique(), on="job", how="semi")
    overlap = pl.min_horizontal("end", "until") - pl.max_horizontal("start", "since")
    parts = (
        replaying.select("row", "job", "start", "end")
        .join(again.rename({"start": "since", "end": "until"}), on="job")
        .with_columns((overlap / (pl.col("end") - pl.col("start"))).alias("part"))
        .filter(pl.col("part") > 0)
        .group_by("row")
        .agg(pl.col("part").sum().clip(upper_bound=1.0))
    )
    cut = numbered.join(parts, on="row", how="inner", maintain_order="left")
    whole = numbered.join(parts, on="row", how="anti", maintain_order="left")
    names = grown.columns
    return pl.concat(
        [whole.select(names), *(piece.select(names).cast(grown.schema) for piece in _pieces(cut))]
    )


def _pieces(cut: pl.DataFrame) -> list[pl.DataFrame]:
    """Each increment as what was done again, what was new, and what is the same for both."""
    middle = (pl.col("start") + pl.col("part") * (pl.col("end") - pl.col("start"))).round()
    # Neither part may be without time to spread it over.
    middle = middle.cast(pl.Int64).clip(pl.col("start") + 1, pl.col("end"))
    again = {made: (pl.col(made) * pl.col("part")).round() for made in REPLAYED}
    unknown = {name: pl.lit(None).alias(name) for name in MADE}
    replayed = cut.with_columns(
        middle.alias("end"),
        *(
            unknown | {REPLAYED[made]: value.alias(REPLAYED[made]) for made, value in again.items()}
        ).values(),
    )
    new = cut.with_columns(
        pl.min_horizontal(middle, pl.col("end") - 1).alias("start"),
        *(
            unknown | {made: (pl.col(made) - value).alias(made) for made, value in again.items()}
        ).values(),
    )
    rest = cut.with_columns(unknown[name] for name in (*REPLAYED, *REPLAYED.values()))
    return [replayed, new, rest]
