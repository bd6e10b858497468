"""The cubes of a store's period, before anything of them is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi.access_time import access_time, tags
from wattline_collector.kpi.declared import COORDINATION
from wattline_collector.kpi.energy_flow import boundaries
from wattline_collector.kpi.entitled import COMMERCIAL, whose
from wattline_collector.kpi.grants import grants
from wattline_collector.kpi.view import JOULES_PER_KWH, MS_PER_HOUR, View
from wattline_collector.kpi.waiting import size_class
from wattline_collector.profile.factories import Factory, load_factories
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
        .sort(_JOB)  # so that the first of several words is always the same
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


def exchanges(view: View, known: Sequence[Factory] | None = None) -> dict[Key, Row | None] | None:
    """What was done with other factories and antennas, by kind and counterpart; None: not declared.

    A counterpart is told by its id, if the register names one of the list by its id or its name;
    else it is `UNKNOWN`. What was done with others than factories and antennas is not in it.

    Args:
        view: The period.
        known: The factories and antennas there are; the shipped list if None.
    """
    kept = None if view.inputs is None else view.inputs.activities
    if kept is None or kept.is_empty():
        return None
    low, high = view.bounds_ms
    ids = _ids(load_factories() if known is None else known)
    names = kept["counterpart"].drop_nulls().unique().to_list()
    found = {name: ids[_plain(name)] for name in names if _plain(name) in ids}
    named = pl.col("counterpart").replace_strict(found, default=None, return_dtype=pl.String)
    in_days = pl.col("kind") == "staff_exchange"
    days = pl.when(in_days).then(pl.col("participants") * pl.col("days"))
    rows = (
        kept.filter(
            pl.col("kind").is_in(COORDINATION), pl.col("start_ms") >= low, pl.col("start_ms") < high
        )
        .with_columns(named.alias("with"))
        .filter(pl.col("with").is_not_null() | pl.col("network").is_in(["ai_factory", "antenna"]))
        .group_by("kind", pl.col("with").fill_null(UNKNOWN))
        .agg(
            pl.when(in_days).then(1).otherwise(pl.col("count").fill_null(1)).sum().alias("count"),
            days.sum().alias("days"),
        )
    )
    return {
        (row["kind"], row["with"]): (
            float(row["count"]),
            float(row["days"]) if row["kind"] == "staff_exchange" else None,
        )
        for row in rows.iter_rows(named=True)
    }


def _ids(known: Sequence[Factory]) -> dict[str, str]:
    """Ids by what people write for them: the id and the name, with and without `AI Factory`."""
    return {_plain(text): one.id for one in known for text in (one.id, one.name) if text}


def _plain(name: str) -> str:
    """A name as it is compared: letters and digits, without what every factory is called."""
    text = name.lower().replace("+", "plus")
    letters = "".join(letter for letter in text if letter.isalnum())
    for word in ("aifactory", "aif"):
        if letters.endswith(word) and letters != word:
            return letters.removesuffix(word)
    return letters


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
