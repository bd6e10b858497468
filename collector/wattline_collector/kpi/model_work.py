"""Model operations and what they are of the devices' peak (P04, E01, E02).

The same sums as `wattline job` shows of one job: operations of a token by `efficiency.token_work`,
peaks by `profile.peaks`, and the device time that the job should have had. What a job made, and
the devices it had, are put together job by job and then added up.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_agents.job.model import hardware_flops_per_token
from wattline_collector.efficiency.peaks import Unknown
from wattline_collector.efficiency.token_work import per_token_of
from wattline_collector.kpi import lacking
from wattline_collector.kpi.declare import TIME
from wattline_collector.kpi.sums import grouped, ratio, shaped, total
from wattline_collector.kpi.times import with_times
from wattline_collector.kpi.view import View, made_once
from wattline_collector.ledger.accounts import ASSIGNED
from wattline_collector.ledger.job import TOKENS
from wattline_collector.ledger.records import MODELS
from wattline_collector.profile.peaks import peak_of

KEY = ["system", "job"]
TRAINING, INFERENCE = "training", "inference"
COUNTED = "as the job counted"
_NO_MODEL = "the model's size is not known: the job library or the engine can say it"
_NO_TIME = "no device time is booked to it"
_NO_JOB = (
    "no job of this period counts tokens or operations: docs/training.md says how training jobs "
    "can, docs/serving.md which engines do"
)


def model_flops(view: View, by: list[str]) -> pl.DataFrame:
    """P04: operations that the models of all jobs needed; covers the jobs' running time."""
    jobs = work_of_jobs(view, by).filter("makes")
    if jobs.is_empty() and not by:
        return lacking.unknown(by, _NO_JOB)
    known = pl.col("made").is_not_null()
    found = grouped(
        jobs,
        by,
        numerator=total("made"),
        n=pl.struct(KEY).filter(known).n_unique(),
        coverage=ratio(
            pl.col("counted_ms").filter(known).sum(),
            pl.col("running_ms").sum(),
        ),
        method=_joined(pl.col("formula").filter(known)),
    )
    silent = jobs.filter(~known)
    note = None if by else _told(silent.with_columns(pl.lit(_NO_MODEL).alias("why")))
    return shaped(found.with_columns(pl.lit(note, dtype=pl.String).alias("note")), by)


def mfu(view: View, by: list[str]) -> pl.DataFrame:
    """E01: operations that models needed over what the devices can in the time jobs had them."""
    jobs = able_jobs(view, by)
    if jobs.is_empty() and not by:
        return lacking.unknown([*by, "kind"], _NO_JOB)
    return _of_peak(jobs, by, pl.col("made"), split=["kind"])


def hfu(view: View, by: list[str]) -> pl.DataFrame:
    """E02: the same with what training computes again, where somebody says how much that is."""
    jobs = able_jobs(view, by).filter(pl.col("kind") == TRAINING)
    if jobs.is_empty():
        return lacking.unknown(by, "no training job of this period counts what it makes")
    told = _recomputed(view, jobs)
    one, all_of_it = (hardware_flops_per_token(1.0, part) for part in (0.0, 1.0))
    executed = pl.col("made") * (one + (all_of_it - one) * pl.col("recomputed"))
    found = _of_peak(
        told.with_columns(
            pl.coalesce("why", pl.when(pl.col("recomputed").is_null()).then(pl.lit(_UNTOLD)))
        ),
        by,
        executed,
    )
    if by or told["recomputed"].null_count() < told.height:
        return found
    good = told.filter(pl.col("made").is_not_null() & (pl.col("able") > 0))
    least = None
    if good.height:
        made, able = good.select(pl.col("made", "able").sum()).row(0)
        least = made / able
    note = _UNTOLD + _HOW
    if least is not None:
        note += f"; it lies between {100 * least:.3g} and {100 * least * all_of_it:.3g} %"
    return found.with_columns(pl.lit(note).alias("note"))


_UNTOLD = "nobody says how much of the forward pass is computed again"
_HOW = (
    ": a row of kind `recomputed` in the register of results does, from 0 (nothing) to 1 (all of "
    "it), for a model or a run"
)


@made_once
def work_of_jobs(view: View, by: Sequence[str]) -> pl.DataFrame:
    """What the models of jobs needed, job by job.

    Prompt tokens that a cache answered needed nothing. Where the operations of a token are not
    known, what the job counted itself stands.

    Returns:
        `system`, `job`, the columns of `by`; `kind`, `model`, `dtype`, `each` (FLOP of a token),
        `formula`, `made` (FLOP; null: not known), `running_ms`, `counted_ms` (of which it counted),
        `tokens_trained`, `tokens_replayed` and `makes` (whether it should make anything).
    """
    keys = _keys(by)
    models = MODELS.to_frame() if view.inputs is None else view.inputs.models
    mine = view.job.select(KEY).unique()
    models = models.join(mine, on=KEY, how="semi")
    worked = per_token_of(models, view.jobs.select(*KEY, "kind"))
    tokens = pl.any_horizontal(pl.col(TOKENS).is_not_null())
    by_tokens = pl.col("each").is_not_null() & tokens.any().over(KEY)
    computed = pl.sum_horizontal(TOKENS) - pl.col("tokens_prompt_cached").fill_null(0)
    entries = (
        view.job.join(worked, on=KEY, how="left")
        .with_columns(by_tokens.alias("by_tokens"), tokens.alias("counts_tokens"))
        .with_columns(
            pl.when("by_tokens")
            .then(pl.when("counts_tokens").then(pl.col("each") * computed))
            .otherwise("flops")
            .alias("made")
        )
    )
    counts = pl.when("by_tokens").then("counts_tokens").otherwise(pl.col("flops").is_not_null())
    kind = pl.col("kind").fill_null("other")
    told = tokens.any() | pl.col("flops").is_not_null().any()
    return entries.group_by(keys).agg(
        kind.first().alias("kind"),
        pl.col("model", "dtype", "each").first(),
        pl.when(pl.col("by_tokens").any())
        .then(pl.col("formula").first())
        .otherwise(pl.lit(COUNTED))
        .alias("formula"),
        total("made").alias("made"),
        pl.col("running_ms").sum(),
        pl.col("running_ms").filter(counts).sum().alias("counted_ms"),
        total("tokens_trained").alias("tokens_trained"),
        total("tokens_replayed").alias("tokens_replayed"),
        (told | kind.first().is_in([TRAINING, INFERENCE])).alias("makes"),
    )


@made_once
def able_jobs(view: View, by: Sequence[str]) -> pl.DataFrame:
    """`work_of_jobs` of those that make anything, with what their devices can do.

    Returns:
        Also `able` (FLOP at the peak in the device time that each job had, or should have had;
        null: not known), `able_ms` (that device time), `peak` (in words) and `why` (why it, or what
        was made, is not known).
    """
    jobs = work_of_jobs(view, by).filter("makes")
    times = [name for name in TIME if name in by]
    devices = _held_when(view, times) if times else view.totals
    booked = (
        devices.filter(pl.col("job").is_not_null())
        .group_by(*KEY, *times)
        .agg(pl.col("duration_ms").sum().alias("booked_ms"))
    )
    should = pl.col("gpus") * pl.col("running_ms")
    joined = (
        jobs.join(booked, on=[*KEY, *times], how="left")
        .join(_rates(view.whole), on=KEY, how="left")
        .join(_sizes(view), on=KEY, how="left")
    )
    # A device whose node fell silent is missing from the books; what a share of one is, is not.
    had = pl.when("is_shared").then("booked_ms").otherwise(pl.max_horizontal("booked_ms", should))
    return joined.with_columns(had.fill_null(0).alias("able_ms")).with_columns(
        (pl.col("rate") * pl.col("able_ms") / 1000).alias("able"),
        pl.when(pl.col("made").is_null())
        .then(pl.lit(_NO_MODEL))
        .when(pl.col("rate").is_null())
        .then(pl.col("unknown").fill_null(_NO_TIME))
        .alias("why"),
    )


def _held_when(view: View, times: Sequence[str]) -> pl.DataFrame:
    """`system`, `job`, `duration_ms` and those dimensions of time: how long jobs held devices.

    Jobs hold many devices for many hours; job by job and hour by hour a year is few rows.
    """
    whole = view.whole
    minute = "minute"
    hours = whole.labels(
        "hours of jobs",
        lambda: (
            whole.job_hours.filter(pl.col("job").is_not_null())
            .group_by(*KEY, minute)
            .agg(pl.col("duration_ms").sum())
        ),
    )
    return with_times(hours, minute, times, view.zone)


def sizes_of_jobs(view: View) -> pl.DataFrame:
    """How much each job had: as its scheduler says, else as was seen.

    Returns:
        `system`, `job`, `nodes`, `devices`, as `goodput.of_jobs` wants them.
    """
    return _sizes(view).select(*KEY, "nodes", pl.col("gpus").alias("devices"))


def _sizes(view: View) -> pl.DataFrame:
    whole = view.whole
    return whole.labels("sizes of jobs", lambda: _sizes_made(whole))


def _sizes_made(view: View) -> pl.DataFrame:
    held = view.totals.filter(pl.col("job").is_not_null())
    seen = held.group_by(KEY).agg(
        pl.col("device").n_unique().alias("_gpus"),
        pl.col("node").n_unique().alias("_nodes"),
        (pl.col("shared_ms").fill_null(0) > 0).any().alias("is_shared"),
    )
    accounted = view.accounted.select(*KEY, "gpus", "nodes").unique(KEY, keep="last")
    return (
        view.job.select(KEY)
        .unique()
        .join(seen, on=KEY, how="left")
        .join(accounted, on=KEY, how="left")
        .select(
            *KEY,
            pl.coalesce("gpus", "_gpus").cast(pl.Float64).alias("gpus"),
            pl.coalesce("nodes", "_nodes").cast(pl.Float64).alias("nodes"),
            pl.col("is_shared").fill_null(False),
        )
    )


def _rates(view: View) -> pl.DataFrame:
    """FLOP/s at the peak of one device of each job that makes anything, by how long it had which.

    Returns:
        `system`, `job`, `rate` (null: a peak is not known), `peak`, `unknown` (why).
    """
    return view.labels("rates of jobs", lambda: _rates_made(view))


def _rates_made(view: View) -> pl.DataFrame:
    devices = view.totals.filter(pl.col("job").is_not_null())
    dtypes = work_of_jobs(view, []).filter("makes").select(*KEY, "dtype")
    models = view.inventory.filter(pl.col("kind") == "device").select(
        "system", pl.col("key").alias("device"), pl.col("model").alias("device_is")
    )
    assigned = pl.col("account").is_in([account.value for account in ASSIGNED])
    held = (
        devices.group_by(*KEY, "device")
        .agg(
            pl.col("duration_ms").sum(),
            pl.col("duration_ms").filter(assigned).sum().alias("assigned_ms"),
        )
        .join(dtypes, on=KEY)
        .join(models.unique(["system", "device"], keep="last"), on=["system", "device"], how="left")
    )
    asked = held.select("device_is", "dtype").unique()
    found = [peak_of(view.profile, model, dtype) for model, dtype in asked.iter_rows()]
    peaks = asked.with_columns(
        pl.Series("flops", [None if isinstance(p, Unknown) else p.flops for p in found],
                  dtype=pl.Float64),
        pl.Series("unknown", [str(p) if isinstance(p, Unknown) else None for p in found],
                  dtype=pl.String),
        pl.Series(
            "peak",
            [None if isinstance(p, Unknown) else f"{p.flops / 1e12:g} TFLOP/s {p.device} {p.dtype}"
             for p in found],
            dtype=pl.String,
        ),
    )  # fmt: skip
    on = ["device_is", "dtype"]
    known = held.join(peaks, on=on, how="left", nulls_equal=True).filter(pl.col("assigned_ms") > 0)
    able = (pl.col("flops") * pl.col("assigned_ms")).sum() / pl.col("duration_ms").sum()
    whole = held.group_by(KEY).agg(pl.col("duration_ms").sum().alias("whole_ms"))
    return (
        known.group_by(KEY)
        .agg(
            pl.when(pl.col("flops").is_not_null().all())
            .then(able * pl.col("duration_ms").sum())
            .alias("able"),
            _joined(pl.col("peak")).alias("peak"),
            pl.col("unknown").min(),
        )
        .join(whole, on=KEY)
        .select(*KEY, (pl.col("able") / pl.col("whole_ms")).alias("rate"), "peak", "unknown")
    )


def _of_peak(
    jobs: pl.DataFrame, by: list[str], made: pl.Expr, split: Sequence[str] = ()
) -> pl.DataFrame:
    """Operations over those of the peak; of jobs of which both are known, that cover the rest."""
    parts = [*by, *split]
    good = made.is_not_null() & (pl.col("able") > 0)
    weight = pl.max_horizontal("able_ms", pl.col("gpus").fill_null(1) * pl.col("running_ms"))
    counted = pl.col("counted_ms") / pl.col("running_ms")
    found = grouped(
        jobs.with_columns(weight.alias("weight")),
        parts,
        numerator=pl.when(good.any()).then(made.filter(good).sum()),
        denominator=pl.when(good.any()).then(pl.col("able").filter(good).sum()),
        n=pl.struct(KEY).filter(good).n_unique(),
        coverage=ratio(
            (pl.col("weight") * counted).filter(good & (pl.col("running_ms") > 0)).sum(),
            pl.col("weight").sum(),
        ),
        method=pl.when(good.any()).then(
            pl.concat_str(
                _joined(pl.col("formula").filter(good)),
                _joined(pl.col("peak").filter(good)),
                separator="; ",
            )
        ),
    )  # fmt: skip
    if by:
        nothing = pl.when(pl.col("numerator").is_null()).then(pl.lit(_NO_MODEL))
        # Of several the first by name: jobs come in any order.
        reasons = jobs.group_by(parts).agg(pl.col("why").min())
        found = found.join(reasons, on=parts, how="left", nulls_equal=True)
        return shaped(found.with_columns(pl.coalesce("why", nothing).alias("note")), parts)
    if not split:
        note = pl.lit(_told(jobs), dtype=pl.String)
        return shaped(found.with_columns(note.alias("note")), parts)
    notes = [_told(jobs.filter(pl.col(split[0]) == part)) for part in found[split[0]].to_list()]
    return shaped(
        found.with_columns(pl.Series("note", notes, dtype=pl.String)).sort(split, descending=True),
        parts,
    )


def _recomputed(view: View, jobs: pl.DataFrame) -> pl.DataFrame:
    """The jobs with the part of the forward pass that is done again, by their run or model."""
    results = None if view.inputs is None else view.inputs.results
    names = jobs.join(view.jobs.select(*KEY, "run"), on=KEY, how="left")
    if results is None or results.is_empty():
        return names.with_columns(pl.lit(None, pl.Float64).alias("recomputed"))
    said = results.filter(pl.col("kind") == "recomputed").sort("when_ms")
    found = names
    for name in ("run", "model"):
        newest = said.drop_nulls(name).group_by(name).agg(pl.col("value").last().alias(f"_{name}"))
        found = found.join(newest, on=name, how="left")
    return found.with_columns(pl.coalesce("_run", "_model").alias("recomputed"))


def _told(jobs: pl.DataFrame) -> str | None:
    """How many jobs are left out, and why; None where none is."""
    why = (
        jobs.drop_nulls("why")
        .group_by("why")
        .agg(pl.struct(KEY).n_unique().alias("n"))
        .sort("n", "why", descending=[True, False])
        .head(3)
    )
    told = [f"{n:,} job{'' if n == 1 else 's'} left out: {text}" for text, n in why.iter_rows()]
    return "; ".join(told) or None


def _joined(words: pl.Expr) -> pl.Expr:
    return words.drop_nulls().unique().sort().head(3).str.join(", ")


def _keys(by: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*KEY, *by]))
