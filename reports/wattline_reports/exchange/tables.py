"""The cubes of a store's period, before anything of them is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi.access_time import access_time, tags
from wattline_collector.kpi.energy_flow import boundaries
from wattline_collector.kpi.entitled import COMMERCIAL, whose
from wattline_collector.kpi.grants import grants
from wattline_collector.kpi.view import JOULES_PER_KWH, MS_PER_HOUR, View
from wattline_collector.kpi.waiting import size_class
from wattline_reports.exchange.cubes import UNKNOWN, Row
from wattline_reports.exchange.disclosure.table import TOTAL, Key, Part, rounded

OUTSIDE = "outside every project"
"""Stands for the project of jobs that have none: one contributor, whoever they are."""

_JOB = ["system", "job"]
_OWN = ("participating_state", "user_category", "access_mode", "sector", "commercial")


def of_projects(view: View, dimensions: Sequence[str]) -> list[Part]:
    """GPU-hours granted and used in the period, of every project.

    Args:
        view: The period.
        dimensions: Any of `participating_state`, `user_category`, `access_mode`, `sector` and
            `commercial`, in the order of the cube's.

    Returns:
        Parts with granted and used GPU-hours.
    """
    used = (
        access_time(view, [])
        .join(_tagged(view), on=_JOB, how="left")
        .with_columns(pl.col("project_id").fill_null(OUTSIDE).alias("project"))
        .group_by("project")
        .agg(pl.col("gpu_hours").sum().alias("used"), *_first((*_OWN, "organisation")))
    )
    both = (
        _granted(view)
        .join(used, on="project", how="full", coalesce=True, suffix="_used")
        .with_columns(
            pl.col("granted", "used").fill_null(0.0),
            # The register's word comes before a job's: a project that used nothing has only that.
            *(pl.coalesce(name, f"{name}_used").alias(name) for name in (*_OWN, "organisation")),
        )
        .sort("project")
    )
    return [
        Part(
            row["project"],
            row["organisation"],
            tuple(row[name] or UNKNOWN for name in dimensions),
            (row["granted"], row["used"]),
        )
        for row in both.iter_rows(named=True)
    ]


def waiting(view: View) -> list[Part]:
    """Jobs that started in the period, and the hours they had waited, of every project."""
    low, high = view.bounds_ms
    waited = (
        view.accounted.filter(
            pl.col("submit_ms").is_not_null(),
            pl.col("start_ms").is_between(low, high, closed="left"),
            pl.col("gpus") > 0,
        )
        .join(_tagged(view), on=_JOB, how="left")
        .with_columns(
            size_class().alias("size"), pl.col("project_id").fill_null(OUTSIDE).alias("project")
        )
        .group_by("project", "organisation", "size", "access_mode")
        .agg(
            pl.len().alias("jobs"),
            ((pl.col("start_ms") - pl.col("submit_ms")).clip(0).sum() / MS_PER_HOUR).alias("hours"),
        )
        .sort("project", "size", "access_mode")
    )
    return [
        Part(
            row["project"],
            row["organisation"],
            (row["size"] or UNKNOWN, row["access_mode"] or UNKNOWN),
            (float(row["jobs"]), row["hours"]),
        )
        for row in waited.iter_rows(named=True)
    ]


def incidents(view: View, digits: int) -> dict[Key, Row | None]:
    """Outages that touched the period, and the hours of them that lie in it, with totals."""
    low, high = view.bounds_ms
    outages = None if view.inputs is None else view.inputs.outages
    if outages is None or outages.is_empty():
        return {}
    inside = outages.filter(
        pl.col("start_ms") < high, pl.coalesce("end_ms", pl.lit(high)) > low
    ).select(
        pl.col("cause").fill_null(UNKNOWN).replace("unknown", UNKNOWN),
        pl.when(pl.col("scheduled")).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("scheduled"),
        (
            pl.min_horizontal(pl.coalesce("end_ms", pl.lit(high)), pl.lit(high))
            - pl.max_horizontal("start_ms", pl.lit(low))
        ).alias("ms"),
    )
    found: dict[Key, Row | None] = {}
    for keys in (["cause", "scheduled"], ["scheduled"]):
        for row in inside.group_by(keys).agg(pl.len(), pl.col("ms").sum()).iter_rows(named=True):
            key = (row.get("cause", TOTAL), row["scheduled"])
            found[key] = (float(row["len"]), rounded(row["ms"] / MS_PER_HOUR, digits))
    return found


def energy(month: str, view: View, digits: int) -> dict[Key, Row | None]:
    """Energy of a month by boundary; boundaries lie in one another and are never added up.

    Args:
        month: `2026-11`.
        view: Of that month, or of the part of it that is in the period.
        digits: Significant digits to keep.
    """
    by_boundary = (
        boundaries(view)
        .group_by("boundary")
        .agg(pl.col("joules").sum(), pl.col("coverage").sum())
        .sort("boundary")
    )
    return {
        (month, row["boundary"]): (
            rounded(row["joules"] / JOULES_PER_KWH, digits),
            round(min(row["coverage"], 1.0), 4),
        )
        for row in by_boundary.iter_rows(named=True)
    }


def _tagged(view: View) -> pl.DataFrame:
    return tags(view).select(
        *_JOB, "project_id", "organisation", *_OWN[:-1], _commercial(whose() == COMMERCIAL)
    )


def _granted(view: View) -> pl.DataFrame:
    """Projects with the part of their grants that falls into the period."""
    low, high = view.bounds_ms
    if view.projects is None:
        raise ValueError("a bundle needs the register of projects")
    inside = (
        pl.min_horizontal("end_ms", pl.lit(high)) - pl.max_horizontal("start_ms", pl.lit(low))
    ).clip(0)
    told = grants(view.projects).with_columns(
        (pl.col("granted") * inside / (pl.col("end_ms") - pl.col("start_ms"))).alias("granted"),
    )
    known = view.projects.group_by("project").agg(
        pl.col("organisation").drop_nulls().first(),
        pl.col("commercial").drop_nulls().first().alias("sold"),
        pl.col("share").drop_nulls().first().alias("whose"),
    )
    sold = (pl.col("whose") == "commercial") | (
        pl.col("sold") & ~pl.col("whose").is_in(["national", "consortium", "own"])
    )
    return (
        told.group_by("project")
        .agg(pl.col("granted").sum(), *_first(_OWN[:-1]))
        .filter(pl.col("granted") > 0)
        .join(known, on="project", how="left")
        .with_columns(_commercial(sold))
        .drop("sold", "whose")
    )


def _commercial(sold: pl.Expr) -> pl.Expr:
    word = pl.when(sold.fill_null(False)).then(pl.lit("yes")).otherwise(pl.lit("no"))
    return word.alias("commercial")


def _first(names: Sequence[str]) -> list[pl.Expr]:
    return [pl.col(name).drop_nulls().first() for name in names]
