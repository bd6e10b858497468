"""I05: how many people, project leads and projects had a job that ran."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi import times
from wattline_collector.kpi.access_time import tags
from wattline_collector.kpi.dimensions import labelled
from wattline_collector.kpi.sums import grouped, shaped
from wattline_collector.kpi.view import View

_JOB = ["system", "job"]
_WHO = {"users": "user", "leads": "lead", "projects": "project_id"}


def active(view: View, by: list[str]) -> pl.DataFrame:
    """I05: distinct users, leads of projects and projects of the jobs that ran in the period.

    Only counts leave here, no name and nothing made of one. Counts of parts do not add up to that
    of the whole: who is in two of them is one.
    """
    keys = [*by, "who"]
    ran = labelled(view, times.cut(_ran(view), by, view.zone), [n for n in by if n != "job"])
    ran = ran.join(_owners(view), on=_JOB, how="left")
    found = []
    for who, column in _WHO.items():
        nobody = pl.struct(_JOB).filter(pl.col(column).is_null()).n_unique()
        named = pl.col(column).drop_nulls().n_unique()
        found.append(
            grouped(
                ran.with_columns(pl.lit(who).alias("who")),
                keys,
                # Where no job tells, that there was nobody is not known.
                numerator=pl.when(pl.col(column).is_not_null().any()).then(named),
                n=pl.struct(_JOB).n_unique(),
                note=pl.when(nobody > 0).then(pl.format("jobs that tell of none: {}", nobody)),
            )
        )
    rows = pl.concat(found).with_columns(pl.lit("jobs that ran").alias("method"))
    if rows.is_empty():
        rows = pl.DataFrame(
            {**dict.fromkeys(by, "unknown"), "who": list(_WHO), "n": 0,
             "note": "no job ran in this period"}
        )  # fmt: skip
    return shaped(rows, keys)


def _ran(view: View) -> pl.DataFrame:
    """`system`, `job`, `start`, `end`: when jobs ran, seen or accounted for."""
    low, high = view.bounds_ms
    end = pl.coalesce("end_ms", pl.max_horizontal("stated_ms", "start_ms"))
    told = (
        view.accounted.lazy()
        .filter(pl.col("start_ms") < high, end > low)
        .select(
            *_JOB,
            pl.max_horizontal("start_ms", pl.lit(low)).alias("start"),
            pl.min_horizontal(end, pl.lit(high)).alias("end"),
        )
        .join(view.running.lazy().select(_JOB), on=_JOB, how="anti")
        .collect()
    )
    both = pl.concat([view.running.select(told.columns), told])
    return both.filter(pl.col("end") > pl.col("start"))


def _owners(view: View) -> pl.DataFrame:
    """`system`, `job`, and as far as they are known `user`, `project_id` and `lead`."""
    users = view.jobs.select(*_JOB, "user").join(
        view.accounted.select(*_JOB, pl.col("user").alias("_said")),
        on=_JOB, how="full", coalesce=True,
    ).select(*_JOB, pl.coalesce("_said", "user").alias("user"))  # fmt: skip
    owners = users.join(tags(view).select(*_JOB, "project_id"), on=_JOB, how="left")
    if view.projects is None:
        return owners.with_columns(pl.lit(None, pl.String).alias("lead"))
    lead = pl.col("lead").str.to_lowercase().str.strip_chars()
    leads = view.projects.group_by("project").agg(lead.drop_nulls().last())
    return owners.join(leads, left_on="project_id", right_on="project", how="left")
