"""What device time was for, over the life of models: P09.

A job's own kind says whether it serves (`inference`); what a training job trains, and what a job of
another kind does, its project's row in the register says (`life_cycle`). What nobody says has a row
of its own, so that the shares add up to the whole.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.model_work import INFERENCE, KEY, TRAINING
from wattline_collector.kpi.sums import grouped, ratio, shaped
from wattline_collector.kpi.view import MS_PER_HOUR, View
from wattline_collector.ledger.accounts import ASSIGNED
from wattline_collector.registers.tagging import tag_jobs
from wattline_collector.registers.words import LIFE_CYCLE

UNTOLD_TRAINING = "training"
"""Of a training job of which nobody says whether it trains from nothing or goes on from a model."""
OTHER = "other"
STAGES = (*LIFE_CYCLE[:-1], UNTOLD_TRAINING, OTHER)
MOST_INFERENCE = 0.10
"""Of a grant of AI for Science that may go into inference (EuroHPC's terms of reference)."""
_SCIENCE = "ai_for_science"
_NAMED = 5


def mix(view: View, by: list[str]) -> pl.DataFrame:
    """P09: GPU-hours by what they were for, over all that jobs held."""
    parts = [*by, "stage"]
    assigned = _assigned(view)
    if assigned.is_empty():
        none = "no device time of this period was held by a job"
        return lacking.unknown(parts, none) if not by else lacking.unknown(parts, "").clear()
    stages = _stages(view, assigned)
    keys = list(dict.fromkeys([*KEY, *by]))
    held = (
        assigned.group_by(keys)
        .agg((pl.col("duration_ms").sum() / MS_PER_HOUR).alias("hours"))
        .join(stages, on=KEY, how="left")
        .with_columns(pl.col("stage").fill_null(OTHER), pl.col("is_told").fill_null(False))
    )
    whole = grouped(
        held,
        by,
        denominator=pl.col("hours").sum(),
        coverage=ratio(pl.col("hours").filter("is_told").sum(), pl.col("hours").sum()),
    )
    of_stage = grouped(held, parts, numerator=pl.col("hours").sum(), n=pl.struct(KEY).n_unique())
    joined = (
        of_stage.join(whole, on=by, nulls_equal=True) if by else of_stage.join(whole, how="cross")
    )
    place = pl.col("stage").replace_strict({name: i for i, name in enumerate(STAGES)})
    note = pl.when(pl.col("stage") == INFERENCE).then(pl.lit(_over_grant(view, held)))
    untold = pl.when(pl.col("stage") == UNTOLD_TRAINING).then(
        pl.lit("from nothing or from a model: nobody says; `life_cycle` of its project would")
    )
    return shaped(
        joined.with_columns(
            pl.lit("ledger; kinds of jobs, register of projects").alias("method"),
            pl.coalesce(note, untold).alias("note"),
        ).sort(*by, place),
        parts,
    )


def _assigned(view: View) -> pl.DataFrame:
    """Assigned time by job: a year by day has a tenth of the rows that it has by device as well."""
    return view.job_hours.filter(pl.col("account").is_in([a.value for a in ASSIGNED]))


def _stages(view: View, assigned: pl.DataFrame) -> pl.DataFrame:
    """`system`, `job`, `stage`, `is_told`, `project_id`, `access_mode`, `gpu_hours_granted`."""
    mine = assigned.select(KEY).unique()
    jobs = (
        mine.join(view.jobs.select(*KEY, "kind", "start_ms", "project"), on=KEY, how="left")
        .join(
            view.accounted.select(*KEY, "account", "submit_ms").unique(KEY, keep="last"),
            on=KEY, how="left",
        )
    )  # fmt: skip
    named = ("life_cycle", "project_id", "access_mode", "gpu_hours_granted")
    if view.projects is None:
        tagged = jobs.with_columns(
            *(pl.lit(None, pl.String).alias(name) for name in named[:-1]),
            pl.lit(None, pl.Float64).alias(named[-1]),
        )
    else:
        tagged = tag_jobs(jobs, view.projects)
    kind, says = pl.col("kind"), pl.col("life_cycle")
    stage = (
        pl.when(kind == INFERENCE)
        .then(pl.lit(INFERENCE))
        # A project that serves trains too, now and then: its word is not of these jobs.
        .when(kind == TRAINING)
        .then(
            pl.when(says.is_in(["pretrain", "finetune"]))
            .then(says)
            .otherwise(pl.lit(UNTOLD_TRAINING))
        )
        .otherwise(says.fill_null(OTHER))
    )
    told = (kind == INFERENCE) | (stage != UNTOLD_TRAINING) & (
        (kind == TRAINING) | says.is_not_null()
    )
    return tagged.select(
        *KEY, stage.alias("stage"), told.fill_null(False).alias("is_told"), *named[1:]
    )


def _over_grant(view: View, held: pl.DataFrame) -> str | None:
    """Grants of AI for Science of which more went into inference than may; None without any."""
    science = held.filter((pl.col("access_mode") == _SCIENCE) & (pl.col("gpu_hours_granted") > 0))
    if science.is_empty():
        return None
    served = pl.col("hours").filter(pl.col("stage") == INFERENCE).sum()
    shares = (
        science.group_by("project_id")
        .agg((served / pl.col("gpu_hours_granted").first()).alias("share"))
        .sort("share", "project_id", descending=[True, False])
    )
    over = shares.filter(pl.col("share") > MOST_INFERENCE)
    if over.is_empty():
        return (
            f"{shares.height} grant{'' if shares.height == 1 else 's'} of AI for Science: none put "
            f"more than {MOST_INFERENCE:.0%} of itself into inference in this period"
        )
    named = [f"{project} {share:.1%}" for project, share in over.head(_NAMED).iter_rows()]
    more = f" and {over.height - _NAMED} more" if over.height > _NAMED else ""
    return (
        f"more than {MOST_INFERENCE:.0%} of a grant of AI for Science went into inference in this "
        f"period: {', '.join(named)}{more}"
    )
