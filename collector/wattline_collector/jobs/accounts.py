"""A scheduler's records, still text, to rows of table `accounting`.

Every reader (`sacct`'s lines, its JSON, other programs' columns) hands over the same frame of text,
named by `RAW`; what the text means is decided here, once, column by column.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_agents.catalogue import ACCOUNTING
from wattline_collector.jobs import states, tres
from wattline_collector.jobs.text import amount, count, said, shown, whole
from wattline_collector.jobs.times import minutes, moment, seconds, told
from wattline_collector.receive.check import AHEAD_MS, EARLIEST_MS

RAW = (
    "job_raw",  # 1234, of a step 1234.0
    "job_id",  # 1234, 12_5, 12+1
    "cluster", "partition", "qos", "account", "user", "name",
    "state", "reason", "exit",
    "submit", "eligible", "start", "end",
    "elapsed", "suspended", "limit",  # D-HH:MM:SS or seconds
    "limit_minutes",
    "nodes", "node_list", "cpus", "memory", "gpus", "gpu_type",
    "tres_allocated", "tres_requested",
    "energy_raw",  # whole joules
    "energy",  # joules with a unit letter
    "rss",  # most memory of one task of a step
    "usage",  # TRESUsageInTot
    "restarts",
)  # fmt: skip
"""Columns of a frame of records. All are text, any may be missing or null; `line` (a number) is
where each record stood."""

_ID = r"\A[A-Za-z0-9][A-Za-z0-9._:@+-]{0,99}\z"
"""What a key may be made of, with room for `.N` behind it."""
_STEP = r"\A[0-9][^.]*\.[A-Za-z0-9_+.]+\z"
_NO_ENERGY = (4_294_967_294, 4_294_967_295, 18_446_744_073_709_551_614, 18_446_744_073_709_551_615)
"""Slurm's NO_VAL and INFINITE, which some versions print as if they were joules."""
_COLUMNS = [name for name in ACCOUNTING.columns if name != "time_unix_ms"]


@dataclass(frozen=True, slots=True)
class Damage:
    """A record that cannot be used, by the line it begins at and the field that is wrong."""

    line: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What became of records.

    Attributes:
        rows: Columns of table `accounting` (`job` is the raw id: restarts are not told apart yet,
            and `restarts` null where the scheduler does not say), and `line`.
        damaged: Records set aside.
        steps: How many were steps, which are folded into their jobs.
        lone_steps: How many of those had no job among these records.
    """

    rows: pl.DataFrame
    damaged: list[Damage]
    steps: int
    lone_steps: int


def accounts(records: pl.DataFrame, zone: str, now_ms: int, *, steps: bool = True) -> Typed:
    """Give records their types.

    Args:
        records: `RAW`, and `line`.
        zone: Of times that name none.
        now_ms: What lies more than a day after is no time.
        steps: Whether what stands behind a dot of an id is a step of the job.
    """
    missing = [pl.lit(None, pl.String).alias(name) for name in RAW if name not in records.columns]
    named = records.with_columns(missing).with_columns(
        pl.coalesce(said("job_raw"), said("job_id")).alias("id"), said("job_id").alias("job_id")
    )
    # The step may stand in either id: 12_5.batch, 12+1.0, 14.extern.
    dotted = pl.any_horizontal(
        pl.col(name).str.contains(_STEP).fill_null(False) for name in ("id", "job_id")
    )
    is_step = dotted & pl.lit(steps)
    typed = _typed(named.filter(~is_step), zone).with_columns(*_wrong(now_ms))
    good = typed.filter(pl.col("field").is_null())
    bad = typed.filter(pl.col("field").is_not_null()).select("line", "field", "why")
    folded, lone = _folded(good, named.filter(is_step))
    return Typed(
        folded.select("time_unix_ms", *_COLUMNS, "line"),
        [Damage(*row) for row in bad.iter_rows()],
        int(named.select(is_step.sum()).item()),
        lone,
    )


def _typed(jobs: pl.DataFrame, zone: str) -> pl.DataFrame:
    state = states.state("state")
    # A job that was cancelled while it waited has a start in some versions, and never any node.
    none_assigned = pl.col("node_list").str.contains(r"(?i)\A\s*none assigned").fill_null(False)
    waits = (state == "pending").fill_null(False)
    goes_on = state.is_in(["pending", "running", "suspended"]).fill_null(False)
    timed = jobs.with_columns(
        state.alias("state"),
        *(moment(name, zone).alias(f"{name}_ms") for name in ("submit", "eligible")),
        *(
            moment(name, zone, which).alias(f"{name}_{which}")
            for name in ("start", "end")
            for which in ("earliest", "latest")
        ),
        seconds("elapsed").alias("elapsed_s"),
        seconds("suspended").alias("suspended_seconds"),
        (waits | none_assigned).alias("never_started"),
        goes_on.alias("goes_on"),
    ).with_columns(*_twice())
    started = pl.col("start_ms").is_not_null()

    def got(value: pl.Expr) -> pl.Expr:
        # Before it starts these are what it asked for.
        return pl.when(started).then(value)

    allocated, requested = said("tres_allocated"), said("tres_requested")
    listed = tres.gpus(allocated)
    return (
        timed.with_columns(
            pl.when(~pl.col("never_started")).then("start_ms").alias("start_ms"),
            # Of a job that runs, what some answers call its end is when its time limit will end it.
            pl.when(~pl.col("goes_on")).then("end_ms").alias("end_ms"),
        )
        .with_columns(
            pl.col("id").alias("job"),
            pl.lit("slurm").alias("scheduler"),
            shown(pl.coalesce("job_id", "id")).alias("job_id"),
            pl.col("job_id").str.extract(r"\A([0-9]+)_").alias("array_job"),
            count(pl.col("job_id").str.extract(r"\A[0-9]+_([0-9]+)\z")).alias("array_task"),
            pl.col("job_id").str.extract(r"\A([0-9]+)\+").alias("het_job"),
            count(said("restarts")).alias("restarts"),
            shown(pl.col("name")).alias("name"),
            *(shown(said(name)).alias(name) for name in ("user", "account", "partition", "qos")),
            shown(said("reason")).alias("reason"),
            *(
                # Until it has ended, a job's code is a nought that stands for nothing.
                pl.when(~pl.col("goes_on"))
                .then(count(pl.col("exit").str.extract(part)))
                .alias(name)
                for name, part in (
                    ("exit_code", r"\A([0-9]+)"),
                    ("exit_signal", r":([0-9]+)\z"),
                )
            ),
            pl.col("submit_ms").alias("submit_unix_ms"),
            pl.col("eligible_ms").alias("eligible_unix_ms"),
            pl.col("start_ms").alias("start_unix_ms"),
            pl.col("end_ms").alias("end_unix_ms"),
            pl.coalesce(seconds("limit"), minutes("limit_minutes")).alias("time_limit_seconds"),
            got(pl.coalesce(_rounded("nodes"), tres.one(allocated, "node"))).alias("nodes"),
            got(whole(said("node_list"))).alias("node_list"),
            got(pl.coalesce(_rounded("cpus"), tres.one(allocated, "cpu"))).alias("cpus"),
            got(
                pl.coalesce(
                    tres.memory_bytes(allocated), amount(said("memory"), 1024).cast(pl.Int64)
                )
            ).alias("memory_bytes"),
            got(pl.coalesce(_rounded("gpus"), listed)).alias("gpus"),
            got(shown(pl.coalesce(said("gpu_type"), tres.gpu_type(allocated)))).alias("gpu_type"),
            whole(requested).alias("tres_requested"),
            got(whole(allocated)).alias("tres_allocated"),
            _joules().alias("energy_joules"),
            _peak().alias("memory_peak_bytes"),
        )
        .with_columns(
            # When this was so, as far as the record itself tells.
            pl.coalesce(
                "end_unix_ms",
                pl.col("start_unix_ms") + (pl.col("elapsed_s").fill_null(0) * 1000).cast(pl.Int64),
                "submit_unix_ms",
            ).alias("time_unix_ms")
        )
    )


def _twice() -> tuple[pl.Expr, pl.Expr]:
    """Start and end, each of which may lie in the hour that comes twice when summer ends.

    The first of the two hours is meant, unless only the second agrees with the time elapsed.
    """
    suspended = pl.col("suspended_seconds").fill_null(0)
    wanted = ((pl.col("elapsed_s") + suspended) * 1000).cast(pl.Int64)

    def fits(start: str, end: str) -> pl.Expr:
        return ((pl.col(end) - pl.col(start)) - wanted).abs() < 2000

    plain = fits("start_earliest", "end_earliest").fill_null(True)
    late_end = ~plain & fits("start_earliest", "end_latest").fill_null(False)
    late_start = ~plain & ~late_end & fits("start_latest", "end_earliest").fill_null(False)
    return (
        pl.when(late_start).then("start_latest").otherwise("start_earliest").alias("start_ms"),
        pl.when(late_end).then("end_latest").otherwise("end_earliest").alias("end_ms"),
    )


def _rounded(column: str) -> pl.Expr:
    """A count that another program may have written as `12.0`."""
    return count(said(column).str.replace(r"\.0+\z", ""))


def _joules() -> pl.Expr:
    raw = count(said("energy_raw"))
    value = pl.coalesce(
        pl.when(~raw.is_in(_NO_ENERGY)).then(raw.cast(pl.Float64)), amount(said("energy"), 1000)
    )
    # A node without a meter reports 0 joules, for want of a word for "not known".
    return pl.when((value > 0) & (value < 1e18)).then(value)


def _peak() -> pl.Expr:
    one_task = amount(said("rss"), 1024)
    value = pl.coalesce(
        tres.usage_memory_bytes(said("usage")),
        pl.when(one_task < 1e18).then(one_task.round().cast(pl.Int64)),
    )
    return pl.when(value > 0).then(value)


def _wrong(now_ms: int) -> tuple[pl.Expr, pl.Expr]:
    """Field and reason of what makes a record useless; both null where nothing does."""
    field: pl.Expr = pl.lit(None, pl.String)
    why: pl.Expr = pl.lit(None, pl.String)

    def found(condition: pl.Expr, name: str, reason: pl.Expr) -> None:
        nonlocal field, why
        holds = condition.fill_null(False)
        field = pl.when(holds).then(pl.lit(name)).otherwise(field)
        why = pl.when(holds).then(reason).otherwise(why)

    def value(name: str) -> pl.Expr:
        return shown(pl.col(name).fill_null("").str.slice(0, 40))

    # The last one that holds is told, so what matters most stands last.
    found(pl.col("time_unix_ms").is_null(), "submit", pl.lit("no time of it is known"))
    found(
        pl.col("end_unix_ms") < pl.col("start_unix_ms"), "end",
        pl.format("{} is before its start", value("end")),
    )  # fmt: skip
    for name in ("end", "start", "submit"):
        when = pl.col(f"{name}_unix_ms")
        beyond = (when < EARLIEST_MS) | (when > now_ms + AHEAD_MS)
        found(
            beyond, name,
            pl.format("{} is not a time from 2000 to a day from now", value(name)),
        )  # fmt: skip
        used = told(name) & ~pl.col("never_started") if name != "submit" else told(name)
        read = pl.col("submit_ms" if name == "submit" else f"{name}_earliest")
        found(used & read.is_null(), name, pl.format("{} is no time", value(name)))
    found(~pl.col("id").str.contains(_ID), "job_raw", pl.format("{} is no job id", value("id")))
    found(pl.col("id").is_null(), "job_raw", pl.lit("there is no job id"))
    return field.alias("field"), why.alias("why")


def _folded(jobs: pl.DataFrame, steps: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Add what steps used to their jobs; returns those and the number of steps without a job.

    A step belongs to the record of its job before it, as `sacct` lists them, or else to the one
    after it. Memory is the most one step used. Energy is the job's own figure if it has one. Steps
    are metered by whole nodes, so those that ran at once count the same joules: the batch step
    spans the job on its first node and the extern step on all, so the largest of them and the
    numbered steps' sum is taken.
    """
    eligible_ok = pl.col("eligible_unix_ms").is_between(EARLIEST_MS, pl.col("time_unix_ms"))
    kept = jobs.with_columns(
        pl.when(eligible_ok).then("eligible_unix_ms").alias("eligible_unix_ms")
    )
    if steps.is_empty():
        return kept, 0
    used = (
        steps.select(
            pl.col("id").str.extract(r"\A([^.]+)").alias("job"),
            pl.col("id").str.extract(r"\.(.+)\z").alias("step"),
            "line",
            _joules().alias("joules"),
            _peak().alias("peak"),
        )
        .filter(pl.col("job").is_not_null())
        .unique(["job", "step", "line"])
        .sort("line")
    )
    records = kept.select("job", "line", pl.col("line").alias("of")).sort("line")
    before = used.join_asof(
        records, on="line", by="job", strategy="backward", check_sortedness=False
    )
    after = used.join_asof(records, on="line", by="job", strategy="forward", check_sortedness=False)
    owned = before.with_columns(pl.coalesce("of", after["of"]))
    numbered = pl.col("step").str.contains(r"\A[0-9]")
    sums = (
        owned.filter(pl.col("of").is_not_null())
        .unique(["of", "step"], keep="last", maintain_order=True)
        .group_by("of")
        .agg(
            pl.max_horizontal(
                pl.col("joules").filter(pl.col("step") == "extern").max(),
                pl.col("joules").filter(pl.col("step") == "batch").max(),
                pl.when(pl.col("joules").filter(numbered).count() > 0).then(
                    pl.col("joules").filter(numbered).sum()
                ),
            ).alias("step_joules"),
            pl.col("peak").max().alias("step_peak"),
        )
    )
    return (
        kept.join(sums, left_on="line", right_on="of", how="left").with_columns(
            pl.coalesce("energy_joules", "step_joules").alias("energy_joules"),
            pl.max_horizontal("memory_peak_bytes", "step_peak").alias("memory_peak_bytes"),
        ),
        owned["of"].null_count(),
    )
