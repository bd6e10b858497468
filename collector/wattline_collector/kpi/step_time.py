"""Where the time of training went: goodput, waiting, checkpoints, scaling (E03, E05, E07, E08).

From the phases that jobs tell, by `ledger.goodput`, which `wattline job` asks too. Times are wall
times of a job, however many processes told them.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.advice.read import advisor_of
from wattline_collector.capability.checkpoints import best_interval, interrupted, node_mtti
from wattline_collector.capability.scaling import Point, scaling
from wattline_collector.efficiency.site import Site
from wattline_collector.kpi import lacking, times
from wattline_collector.kpi.dimensions import labelled
from wattline_collector.kpi.model_work import KEY, TRAINING, sizes_of_jobs, work_of_jobs
from wattline_collector.kpi.sums import grouped, ratio, shaped
from wattline_collector.kpi.view import View, made_once
from wattline_collector.ledger import goodput

_PHASES = "phases of training jobs"
_TELLS_NONE = "no training job of this period tells its phases: docs/training.md says how they can"
_STEPPING = pl.col("productive_ms") + pl.col("wasted_ms")
_NO_PROFILER = (
    "how much communication is not hidden behind computing only a profiler tells, and no job sends "
    "one's figures"
)


def effective_training_time(view: View, by: list[str]) -> pl.DataFrame:
    """E03: productive step time over wall time; time between a run's jobs counts below the line.

    Split by job there is no such time: it belongs to none.
    """
    jobs = spent_of_jobs(view, by)
    waits = _recovery(view, by)
    if "job" in by:
        waits = waits.clear()
    if jobs["goodput"].null_count() == jobs.height and waits.is_empty():
        return lacking.unknown(by, _TELLS_NONE) if not by else _none(by)
    found = _covered(jobs, by, productive=pl.col("productive_ms").sum())
    waited = grouped(
        waits,
        by,
        recovery=(pl.col("end") - pl.col("start")).sum().cast(pl.Float64),
        went_on=pl.struct(KEY).n_unique(),
    )
    # A run may wait through all of an hour in which none of its jobs ran.
    both = (
        found.join(waited, on=by, how="full", coalesce=True, nulls_equal=True)
        if by
        else pl.concat([found, waited], how="horizontal")
    ).with_columns(pl.col("elapsed", "productive", "recovery", "n", "went_on").fill_null(0))
    return shaped(
        both.filter((pl.col("n") > 0) | (pl.col("recovery") > 0)).with_columns(
            (pl.col("productive") / 1000).alias("numerator"),
            ((pl.col("elapsed") + pl.col("recovery")) / 1000).alias("denominator"),
            pl.max_horizontal("n", "went_on").alias("n"),
            pl.lit(_PHASES).alias("method"),
        ),
        by,
    )


def step_losses(view: View, by: list[str]) -> pl.DataFrame:
    """E05: waiting for data over the time of steps, waiting and all."""
    parts = [*by, "loss"]
    jobs = spent_of_jobs(view, by)
    told = jobs.filter(pl.col("goodput").is_not_null())
    if told.is_empty():
        return lacking.unknown(parts, _TELLS_NONE) if not by else _none(parts)
    waiting = _covered(
        jobs,
        by,
        waited=pl.col("data_wait_ms").sum(),
        steps=(_STEPPING + pl.col("data_wait_ms")).sum(),
    ).filter(pl.col("n") > 0)
    rows = shaped(
        waiting.with_columns(
            (pl.col("waited") / 1000).alias("numerator"),
            (pl.col("steps") / 1000).alias("denominator"),
            pl.lit("data_wait").alias("loss"),
            pl.lit(_PHASES).alias("method"),
        ),
        parts,
    )
    if by:
        return rows
    unknown = lacking.unknown(parts, _NO_PROFILER).with_columns(
        pl.lit("exposed_communication").alias("loss")
    )
    return pl.concat([rows, unknown], how="diagonal_relaxed")


def checkpoint_cost(view: View, by: list[str]) -> pl.DataFrame:
    """E08: what saving takes of the time, and the interval chosen over the best one."""
    parts = [*by, "of"]
    # Of the job as a whole: an hour of it without a checkpoint is a part of its interval.
    written = (
        view.job.group_by(_keys(by))
        .agg(pl.col("checkpoints").sum())
        .filter(pl.col("checkpoints").sum().over(KEY) > 0)
    )
    told = spent_of_jobs(view, by).filter(pl.col("goodput").is_not_null())
    jobs = told.join(written, on=_keys(by), nulls_equal=True)
    if jobs.is_empty():
        none = "no training job of this period tells its phases and writes a checkpoint"
        return lacking.unknown(parts, none) if not by else _none(parts)
    save, count = (pl.col(name).sum().over(KEY) for name in ("checkpoint_save_ms", "checkpoints"))
    best = best_interval(save / count, pl.col("node_mtti_ms") / pl.col("nodes"))
    timed = (
        jobs.join(_mtti(view), on="system", how="left")
        .with_columns(best.alias("best"))
        .with_columns((pl.col("checkpoints") * pl.col("best")).alias("best_ms"))
    )
    # Where saving takes no time there is no best interval to be far from.
    has_best = (pl.col("best") > 0).fill_null(False)
    frames = []
    for of, above, below, counts in (
        ("overhead", "checkpoint_save_ms", "elapsed_ms", pl.lit(True)),
        ("interval_over_best", "elapsed_ms", "best_ms", has_best),
    ):
        any_counts = counts.any()
        frame = grouped(
            timed,
            by,
            numerator=pl.when(any_counts).then(pl.col(above).filter(counts).sum() / 1000),
            denominator=pl.when(any_counts).then(pl.col(below).filter(counts).sum() / 1000),
            n=pl.struct(KEY).filter(counts).n_unique(),
            coverage=ratio(
                (pl.col("coverage") * pl.col("elapsed_ms")).sum(), pl.col("elapsed_ms").sum()
            ),
            mtti_by=pl.col("mtti_by").drop_nulls().unique().sort().str.join(", "),
        )
        note = pl.when(pl.col("numerator").is_null()).then(pl.lit(_NO_MTTI))
        method = pl.lit(_PHASES) if of == "overhead" else pl.format(
            "Young 1974, Daly 2006; interruptions: {}", pl.col("mtti_by"))  # fmt: skip
        frames.append(
            shaped(
                frame.with_columns(
                    pl.lit(of).alias("of"), method.alias("method"), note.alias("note")
                ),
                parts,
            )
        )
    return pl.concat(frames)


_NO_MTTI = (
    "how long nodes run between interruptions is not known: three jobs that a node ended, or "
    "node_mtti_hours in rules.toml, tell it"
)


def scaling_efficiency(view: View, by: list[str]) -> pl.DataFrame:
    """E07: tokens a second on n devices over those of the fewest, taken n/n0 times.

    A family is one model, number format and device; what its jobs of one size made is added up, and
    so is the time they spent in steps and waiting for data.
    """
    parts = [*by, "family", "devices"]
    made = work_of_jobs(view, by).filter(pl.col("kind") == TRAINING)
    told = spent_of_jobs(view, by).filter(pl.col("goodput").is_not_null())
    seconds = (_STEPPING + pl.col("data_wait_ms")) / 1000
    spent = (seconds.alias("seconds"), "devices", "elapsed_ms", "coverage")
    tokens = pl.col("tokens_trained") + pl.col("tokens_replayed").fill_null(0)
    covered = (pl.col("coverage") * pl.col("elapsed_ms")).sum()
    on = _keys(by)
    sized = (
        made.filter(pl.col("tokens_trained") > 0)
        .join(told.select(*on, *spent), on=on, nulls_equal=True)
        .join(_device_models(view), on=KEY)
        .filter((pl.col("seconds") > 0) & (pl.col("devices") >= 1))
        .with_columns(tokens.alias("tokens"), _family().alias("family"))
        .drop_nulls("family")
        .group_by(*by, "family", "devices")
        .agg(
            pl.col("tokens").sum(),
            pl.col("seconds").sum(),
            ratio(covered, pl.col("elapsed_ms").sum()).alias("coverage"),
            pl.struct(KEY).n_unique().alias("n"),
        )
        # Most models are trained on one number of devices: only what can be compared is looked at.
        .filter(pl.len().over(*by, "family") > 1)
    )
    rows = []
    for family in sized.partition_by(*by, "family", as_dict=False) if sized.height else []:
        each = {round(row["devices"]): row for row in family.iter_rows(named=True)}
        points = [Point(n, row["tokens"] / row["seconds"]) for n, row in each.items()]
        rows += [
            each[one.devices]
            | {
                "devices": str(one.devices),
                "numerator": one.tokens_per_second,
                "denominator": one.linear_tokens_per_second,
                "method": f"against {one.base} device{'' if one.base == 1 else 's'}",
            }
            for one in scaling(points)
            if one.efficiency is not None and one.devices > one.base
        ]
    if not rows:
        note = "no model was trained on two numbers of devices by jobs that tell their phases"
        return lacking.unknown(parts, note) if not by else _none(parts)
    order = [*by, "family", pl.col("devices").cast(pl.Int64)]
    return shaped(pl.DataFrame(rows, infer_schema_length=None).sort(order), parts)


@made_once
def spent_of_jobs(view: View, by: Sequence[str]) -> pl.DataFrame:
    """Where the time of training jobs, and of all that tell their phases, went.

    Returns:
        What `goodput.of_jobs` returns, over the time in which each is booked as running, with
        `nodes` and `devices`.
    """
    keys = _keys(by)
    tells = pl.col("phase_step_ms").is_not_null().any().over(KEY)
    entries = view.job.filter((pl.col("kind") == TRAINING).fill_null(False) | tells)
    running = (
        entries.group_by(keys)
        .agg(pl.col("running_ms").sum().alias("end"))
        .with_columns(pl.lit(0, pl.Int64).alias("start"))
    )
    sizes = sizes_of_jobs(view)
    split = [name for name in keys if name not in KEY]
    return goodput.of_jobs(entries, running, sizes, split).join(sizes, on=KEY, how="left")


def _covered(jobs: pl.DataFrame, by: list[str], **sums: pl.Expr) -> pl.DataFrame:
    """Sums of the jobs that tell, with how much of all of them that is."""
    told = pl.col("goodput").is_not_null()
    names = {name: expression for name, expression in sums.items()}
    known = grouped(
        jobs.filter(told),
        by,
        **names,
        elapsed=pl.col("elapsed_ms").sum().cast(pl.Float64),
        n=pl.struct(KEY).n_unique(),
        covered=(pl.col("coverage") * pl.col("elapsed_ms")).sum(),
    )
    everything = grouped(jobs, by, of_all=pl.col("elapsed_ms").sum().cast(pl.Float64))
    both = (
        known.join(everything, on=by, how="left", nulls_equal=True)
        if by
        else pl.concat([known, everything], how="horizontal")
    )
    return both.with_columns(ratio(pl.col("covered"), pl.col("of_all")).alias("coverage"))


def _recovery(view: View, by: Sequence[str]) -> pl.DataFrame:
    """When runs waited to go on, in this period, with the job that then went on."""
    start_ms, end_ms = view.bounds_ms
    stepping = pl.col("step_highest").is_not_null() & (pl.col("kind") == TRAINING)
    gaps = goodput.gaps(view.jobs.filter(stepping), end_ms).with_columns(
        pl.col("start").clip(lower_bound=start_ms), pl.col("end").clip(upper_bound=end_ms)
    )
    inside = labelled(view, gaps.filter(pl.col("start") < pl.col("end")), by)
    return times.cut(inside, by, view.zone)


def _mtti(view: View) -> pl.DataFrame:
    """`system`, `node_mtti_ms`, `mtti_by`: how long a node runs between interruptions."""
    site = _site(view)
    _, end_ms = view.bounds_ms
    began = view.accounted.filter(pl.col("start_ms") < end_ms)
    past = (pl.col("end_ms") <= end_ms).fill_null(False)
    sums = interrupted(
        began.with_columns(
            pl.when(past).then("end_ms").alias("end_ms"), pl.when(past).then("state").alias("state")
        ),
        end_ms,
    )
    known = {system: (count, ms) for system, count, ms in sums.iter_rows()}
    rows = []
    for system in view.job["system"].unique().sort():
        count, ms = known.get(system, (0, 0))
        found = node_mtti(site.node_mtti_hours, ms / 1000, count)
        if found is not None:
            rows.append((system, found.of_job(1) * 1000, found.method))
    schema = {"system": pl.String, "node_mtti_ms": pl.Float64, "mtti_by": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _site(view: View) -> Site:
    try:
        return Site() if view.inputs is None else advisor_of(view.inputs.store).site
    except InputError:
        return Site()  # `wattline job` names what is wrong with rules.toml; figures do without it


def _device_models(view: View) -> pl.DataFrame:
    """`system`, `job`, `device_is`: the model of a job's devices; null where they differ."""
    models = view.inventory.filter(pl.col("kind") == "device").select(
        "system", pl.col("key").alias("device"), pl.col("model").alias("device_is")
    )
    held = view.totals.filter(pl.col("job").is_not_null()).select(*KEY, "device").unique()
    one = pl.col("device_is").drop_nulls()
    return (
        held.join(models.unique(["system", "device"], keep="last"), on=["system", "device"])
        .group_by(KEY)
        .agg(pl.when(one.n_unique() == 1).then(one.first()).alias("device_is"))
        .drop_nulls("device_is")
    )


def _family() -> pl.Expr:
    """What makes jobs comparable; null where neither the model's name nor its size is told."""
    size = pl.format("{} GFLOP/token", (pl.col("each") / 1e9).round(3))
    name = pl.coalesce("model", size)
    told = pl.concat_str(name, "dtype", "device_is", separator=", ", ignore_nulls=True)
    return pl.when(name.is_not_null()).then(told)


def _none(columns: list[str]) -> pl.DataFrame:
    return lacking.unknown(columns, "").clear()


def _keys(by: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*KEY, *by]))
