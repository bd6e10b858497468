"""Every job of a period with its efficiency, a row each: what lists of jobs are cut from.

Figures are those of the KPI registry, computed for all jobs at once; nothing here goes job by job.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.access import Viewer, may_see_job
from wattline_collector.efficiency.find import known_jobs
from wattline_collector.kpi.access_time import access_time
from wattline_collector.kpi.dimensions import labels_of_jobs, with_dimensions
from wattline_collector.kpi.registry import REGISTRY
from wattline_collector.kpi.sums import ratio
from wattline_collector.kpi.view import MS_PER_HOUR, View
from wattline_collector.ledger.accounts import WORKING, Account
from wattline_collector.ledger.inventory import OPEN_FOR_MS

KEY = ["system", "job"]
UNFINISHED = ("pending", "running", "suspended")

MOST_CHARACTERS = 400
"""Of a name: what others chose may be long, and a page shows some 80 of it."""

_TEXTS = ("job_id", "name", "user", "project", "kind", "state", "partition")


def job_table(view: View) -> pl.DataFrame:
    """All jobs that had to do with a period.

    Returns:
        A row per job, unordered:

        `system`, `job`; `job_id`, `name`, `user`, `project` (as its scheduler says, else as it
        says itself), `kind`, `state`, `partition`, each cut to `MOST_CHARACTERS`;
        `project_id` (by the register); `submit_ms`, `start_ms`, `end_ms`; `devices`;
        `gpu_hours` in the period; `working_hours` (busy and slowed), `assigned_hours` and
        `measured_hours` of its devices; `working` (0-1, null where nothing was measured) and its
        `coverage`; `wasted_gpu_hours` (E06); `energy_joules` (S12) and its `energy_coverage`;
        `tokens` (P01 and P03); `tokens_per_joule` (S10) with `priced_tokens` and `priced_joules`,
        the sums it is made of.
    """
    found = _jobs(view)
    for part in (
        _hours(view),
        _spent(view),
        _valued(view, "E06", "wasted_gpu_hours"),
        _energy(view),
        _tokens(view),
        _per_joule(view),
        labels_of_jobs(view).select(*KEY, pl.col("project").alias("project_id")),
    ):
        found = found.join(part, on=KEY, how="left")
    return found.with_columns(pl.coalesce("gpus", "seen_devices").alias("devices")).drop(
        "gpus", "seen_devices"
    )


def seen_by(table: pl.DataFrame, viewer: Viewer) -> pl.DataFrame:
    """The jobs somebody may see, by the one check on every path to a job.

    Args:
        table: Has `user` and `project`; as many checks are made as there are pairs of them.
        viewer: Who looks.
    """
    pairs = table.select("user", "project").unique()
    may = [may_see_job(viewer, user, project) for user, project in pairs.iter_rows()]
    theirs = pairs.filter(pl.Series(may, dtype=pl.Boolean))
    return table.join(theirs, on=["user", "project"], how="semi", nulls_equal=True)


def _jobs(view: View) -> pl.DataFrame:
    low, high = view.bounds_ms
    said = view.accounted.select(
        *KEY, "submit_ms", "gpus", "partition", pl.col("end_ms").alias("end_said")
    )
    known = (
        known_jobs(view.jobs, view.accounted)
        .join(said, on=KEY, how="left")
        .join(view.jobs.select(*KEY, "kind", "end_ms", "seen_ms"), on=KEY, how="left")
    )
    open_ended = pl.col("state").is_in(UNFINISHED) | pl.col("seen_ms").is_null()
    # Nobody says any more that it runs, and nobody said that it ended.
    silent = pl.when(~open_ended.fill_null(False)).then(pl.col("seen_ms") + OPEN_FOR_MS)
    return (
        known.with_columns(pl.coalesce("end_ms", "end_said", silent).alias("end_ms"))
        .filter(
            pl.coalesce("start_ms", "submit_ms", pl.lit(low)) < high,
            pl.coalesce("end_ms", pl.lit(high)) >= low,
        )
        .with_columns(pl.col("job_id").fill_null(pl.col("job")))
        .select(
            *KEY,
            *(pl.col(name).str.slice(0, MOST_CHARACTERS) for name in _TEXTS),
            "submit_ms", "start_ms", "end_ms", "gpus",
        )
    )  # fmt: skip


def _hours(view: View) -> pl.DataFrame:
    return access_time(view, KEY).group_by(KEY).agg(pl.col("gpu_hours").sum())


def _spent(view: View) -> pl.DataFrame:
    def hours(*accounts: Account) -> pl.Expr:
        names = [account.value for account in accounts]
        return pl.col("duration_ms").filter(pl.col("account").is_in(names)).sum() / MS_PER_HOUR

    duration = pl.col("duration_ms").sum() / MS_PER_HOUR
    sums = (
        view.assigned.lazy()
        .filter(pl.col("job").is_not_null())
        .group_by(KEY)
        .agg(
            pl.col("device").n_unique().cast(pl.Int64).alias("seen_devices"),
            hours(*WORKING).alias("working_hours"),
            duration.alias("assigned_hours"),
            (duration - hours(Account.UNMEASURED)).alias("measured_hours"),
        )
        .collect()
    )
    return sums.with_columns(working(), ratio(pl.col("measured_hours"), pl.col("assigned_hours"))
                             .alias("coverage"))  # fmt: skip


def working() -> pl.Expr:
    """`working` of rows, or of sums of rows: busy and slowed of all assigned device time."""
    share = ratio(pl.col("working_hours"), pl.col("assigned_hours"))
    return pl.when(pl.col("measured_hours") > 0).then(share).alias("working")


def _energy(view: View) -> pl.DataFrame:
    found = _valued(view, "S12", "energy", "energy_coverage")
    known = pl.col("energy").is_not_null()
    return found.select(
        *KEY, pl.when(known).then("above").alias("energy_joules"), "energy_coverage"
    )


def _per_joule(view: View) -> pl.DataFrame:
    found = _valued(view, "S10", "tokens_per_joule")
    known = pl.col("tokens_per_joule").is_not_null()
    return found.select(
        *KEY,
        "tokens_per_joule",
        pl.when(known).then("above").alias("priced_tokens"),
        pl.when(known).then("below").alias("priced_joules"),
    )


def _tokens(view: View) -> pl.DataFrame:
    both = [
        _valued(view, id, name).select(*KEY, name)
        for id, name in (("P01", "trained"), ("P03", "served"))
    ]
    joined = both[0].join(both[1], on=KEY, how="full", coalesce=True)
    return joined.select(*KEY, pl.sum_horizontal("trained", "served").alias("tokens"))


def _valued(view: View, id: str, name: str, coverage: str = "") -> pl.DataFrame:
    """A KPI of every job: as `registry.evaluate` has it, without an object for each.

    Returns:
        `system`, `job`, the value under `name` (null where it is withheld or unknown), the sums
        it is made of (`above`, `below`), and its coverage where that has a name.
    """
    kpi = REGISTRY[id]
    rows = kpi.compute(with_dimensions(view, KEY), KEY)
    above = pl.col("numerator").cast(pl.Float64)
    made = ratio(above, pl.col("denominator")) if kpi.denominator else above
    covered = pl.col("coverage").fill_null(1.0) >= kpi.floor
    values = [
        pl.when(covered).then(made * kpi.scale).alias(name),
        above.alias("above"),
        pl.col("denominator").cast(pl.Float64).alias("below"),
    ]
    more = [pl.col("coverage").cast(pl.Float64).alias(coverage)] if coverage else []
    named = rows.filter(pl.col("job").is_not_null()).select(*KEY, *values, *more)
    return named if coverage or id == "S10" else named.select(*KEY, name)
