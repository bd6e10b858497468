"""What a certificate is of: a project's jobs, or some jobs; and KPIs of these together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.kpi import registry
from wattline_collector.kpi.declare import Kpi
from wattline_collector.kpi.dimensions import with_dimensions
from wattline_collector.kpi.labels import UNKNOWN
from wattline_reports import seen
from wattline_reports.asked import Asked
from wattline_reports.project.book import of_project
from wattline_reports.quoted import Quoted, stated
from wattline_reports.words import count_of, shown

MOST_JOBS = 200
"""Jobs that one certificate may name."""

_KEY = ["system", "job"]
_OF_EVERY_JOB = frozenset({"E04", "E06", "S12", "S13"})
"""What every job with devices has; a job without it is a hole."""


@dataclass(frozen=True)
class Chosen:
    """Which jobs.

    Attributes:
        asked: The store and the period.
        project: The project's id; None where jobs were named.
        title: What it is called.
        jobs: Their rows of `job_table`.
        share: GPU-hours of the jobs over those of all jobs of their projects; None of a project.
    """

    asked: Asked
    project: str | None
    title: str
    jobs: pl.DataFrame = field(repr=False)
    share: Quoted | None

    def figures(self, id: str) -> list[Quoted]:
        """A KPI of the jobs: of a project as `wattline kpi` has it, else added up over them."""
        if self.project is not None:
            return of_project(self.asked, id, self.project)
        return added(self.asked, id, self.jobs)


def chosen(asked: Asked) -> Chosen:
    """The jobs that a certificate is asked for.

    Raises:
        UsageError: Neither a project nor jobs are named, or both; or as `seen` has it.
    """
    named = tuple(dict.fromkeys(
        one.strip() for one in asked.options.get("jobs", "").split(",") if one.strip()
    ))  # fmt: skip
    if bool(named) == bool(asked.of):
        raise UsageError(
            "a certificate is of one project or of jobs: `wattline report certificate PROJECT` or "
            "`--jobs 4711,4712`"
        )
    if asked.of:
        project = seen.project(asked, asked.of[0])
        if project.jobs.is_empty():
            raise UsageError(
                f"project {shown(project.name)} had no job in the period: there is nothing to "
                "certify"
            )
        title = f"Project {shown(project.title or project.name)}"
        return Chosen(asked, project.name, title, project.jobs, None)
    if len(named) > MOST_JOBS:
        raise UsageError(f"--jobs: at most {MOST_JOBS}; a certificate of a project has all of it")
    jobs = seen.jobs(asked, named)
    title = f"Job {shown(named[0])}" if len(named) == 1 else count_of(len(named), "job")
    return Chosen(asked, None, title, jobs, _share(asked, jobs))


def _share(asked: Asked, jobs: pl.DataFrame) -> Quoted:
    """What part of their projects the jobs are: whoever chose them may have left out the bad."""
    every = seen.jobs_of(asked.view)
    named = jobs.filter(pl.col("project_id") != UNKNOWN)["project_id"]
    projects = named.unique()
    among = every.filter(pl.col("project_id").is_in(projects.implode()))
    mine, whole = hours_of(jobs), hours_of(among)
    known = named.len() == jobs.height and whole > 0
    return stated(
        "chosen.share", "part of the GPU-hours of their projects", "1",
        mine / whole if known else None, period=asked.period, n=jobs.height,
        method="GPU-hours of these jobs over those of all jobs of their projects", level="derived",
        note="" if known else "a job is of no project that is known",
    )  # fmt: skip


def added(asked: Asked, id: str, jobs: pl.DataFrame, prefix: str = "jobs") -> list[Quoted]:
    """A KPI of each job, added up: sums over sums, as the KPI itself is one.

    Args:
        asked: The store and the period.
        id: Of a KPI that can be split by job.
        jobs: Rows of `job_table`.
        prefix: Of the figures' ids.

    Returns:
        One figure, or one for each of the KPI's parts.
    """
    kpi = registry.find(id)
    rows = kpi.compute(with_dimensions(asked.view, _KEY), _KEY)
    hours = jobs.select(*_KEY, pl.col("gpu_hours").fill_null(0.0))
    mine = rows.join(hours, on=_KEY, how="inner").with_columns(
        pl.col("numerator", "denominator", "coverage").cast(pl.Float64)
    )
    sums = (
        _sum("numerator"), _sum("denominator"), pl.col("n").sum(),
        _covered(hours_of(jobs) if id in _OF_EVERY_JOB else None),
        pl.col("method").drop_nulls().first(), pl.col("note").drop_nulls().first(),
    )  # fmt: skip
    parts = list(kpi.parts)
    groups = mine.group_by(parts).agg(*sums).sort(parts) if parts else mine.select(*sums)
    return [_figure(asked, kpi, row, prefix) for row in groups.iter_rows(named=True)]


def hours_of(jobs: pl.DataFrame) -> float:
    """GPU-hours of jobs together."""
    return float(jobs.select(pl.col("gpu_hours").sum().cast(pl.Float64)).item() or 0.0)


def _sum(name: str) -> pl.Expr:
    known = pl.col(name).is_not_null()
    return pl.when(known.any()).then(pl.col(name).sum()).alias(name)


def _covered(whole: float | None) -> pl.Expr:
    """Coverage of each job by its GPU-hours; of what every job has, a job without it has none."""
    known = pl.col("numerator").is_not_null()
    seen_hours = (pl.col("coverage").fill_null(1.0) * pl.col("gpu_hours")).filter(known).sum()
    of = pl.col("gpu_hours").sum() if whole is None else pl.lit(whole)
    return pl.when(of > 0).then((seen_hours / of).clip(0.0, 1.0)).alias("coverage")


def _figure(asked: Asked, kpi: Kpi, row: dict[str, object], prefix: str) -> Quoted:
    above = None if row["numerator"] is None else float(str(row["numerator"]))
    below = None if row["denominator"] is None else float(str(row["denominator"]))
    value = None
    if above is not None:
        value = above * kpi.scale if not kpi.denominator else (
            above / below * kpi.scale if below else None)  # fmt: skip
    coverage = None if row["coverage"] is None else float(str(row["coverage"]))
    note = str(row["note"] or "")
    return stated(
        f"{prefix}.{kpi.id}", kpi.name, kpi.unit, value, period=asked.period,
        method=f"KPI {kpi.id} of each job, added up; {row['method'] or 'ledger'}",
        note=note if value is None and note else "" if value is not None else
        "no job has to do with it",
        n=int(str(row["n"] or 0)), coverage=coverage if above is not None else None,
        dims={name: str(row[name]) for name in kpi.parts}, level=kpi.level.value, floor=kpi.floor,
    )  # fmt: skip


def models(asked: Asked, jobs: pl.DataFrame) -> Sequence[tuple[str, int | None]]:
    """The models that the jobs trained or served, with their parameters, by name."""
    if asked.view.inputs is None:
        return ()
    known = asked.view.inputs.books.models.join(jobs.select(_KEY), on=_KEY, how="semi")
    named = known.drop_nulls("model").group_by("model").agg(pl.col("parameters").max())
    return tuple(named.sort("model").iter_rows())
