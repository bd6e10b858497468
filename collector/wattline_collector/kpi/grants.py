"""Grants and their use: I01 by access mode, I02 by category, sector and field, I03 by State.

What was granted counts by the part of the grant's time that lies in the period, so that the months
of a grant add up to it. What was used is access time of its jobs, in the period.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi import lacking, times
from wattline_collector.kpi.access_time import access_time, book, covered, tags, told_times
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.kpi.sums import grouped, ratio, shaped
from wattline_collector.kpi.view import View
from wattline_collector.registers.tagging import UNTAGGED, with_ids

LEAD_PART = 0.3
"""Of a project's hours, to the State of its lead; the rest in equal parts to those of its partners:
PRACE's rule. Without partners, the lead's State has all."""

_TAGS = ("project", "user_category", "access_mode", "participating_state", "sector", "field")
_UNTAGGED = "ran outside every project of the register"
_NOTHING = "nothing was granted for this period, and no job ran in it"


def by_mode(view: View, by: list[str]) -> pl.DataFrame:
    """I01: GPU-hours used over granted, by access mode."""
    lack = lacking.register(view.projects, "projects")
    keys = list(dict.fromkeys([*by, "access_mode"]))
    if lack is not None:
        return lacking.unknown(keys, lack)
    granted, used = _granted(view, by), _used(view, by)
    if granted.is_empty() and used.is_empty():
        return lacking.unknown(keys, _NOTHING)
    return _over(view, granted, used, keys)


def by_tag(view: View, by: list[str]) -> pl.DataFrame:
    """I02: the same by user category, by sector of the economy and by field of research."""
    lack = lacking.register(view.projects, "projects")
    keys = [*by, "tag", "word"]
    if lack is not None:
        return lacking.unknown(keys, lack)
    granted, used = _granted(view, by), _used(view, by)
    if granted.is_empty() and used.is_empty():
        return lacking.unknown(keys, _NOTHING)
    found = []
    for tag in ("user_category", "sector", "field"):
        tagged = [pl.lit(tag).alias("tag"), pl.col(tag).alias("word")]
        found.append(_over(view, granted.with_columns(tagged), used.with_columns(tagged), keys))
    return pl.concat(found)


def by_state(view: View, by: list[str]) -> pl.DataFrame:
    """I03: the same by Participating State, by the rule of 30 and 70 parts."""
    lack = lacking.register(view.projects, "projects")
    keys = list(dict.fromkeys([*by, "participating_state"]))
    if lack is not None:
        return lacking.unknown(keys, lack)
    granted = _spread(_granted(view, by), "granted")
    used = _spread(_used(view, by), "gpu_hours")
    if granted.is_empty() and used.is_empty():
        return lacking.unknown(keys, _NOTHING)
    found = _over(view, granted, used, keys)
    rule = "; 30 % to the State of the lead, 70 % in equal parts to those of its partners"
    return found.with_columns(pl.col("method") + rule)


def _over(
    view: View, granted: pl.DataFrame, used: pl.DataFrame, keys: Sequence[str]
) -> pl.DataFrame:
    above = grouped(
        used, keys, numerator=pl.col("gpu_hours").sum(), method=book(),
        used_by=pl.col("project").unique(), untagged=(pl.col("tag_") == UNTAGGED).all(),
    )  # fmt: skip
    dated = pl.col("granted").is_not_null()
    below = grouped(
        granted, keys, denominator=pl.when(dated.any()).then(pl.col("granted").sum()),
        granted_to=pl.col("project").unique(), undated=(~dated).sum(),
        told=ratio(pl.col("told").sum(), pl.col("granted").sum()),
    )  # fmt: skip
    both = above.join(below, on=keys, how="full", coalesce=True).sort(keys)
    projects = pl.concat_list(
        pl.col(name).fill_null(pl.lit([], pl.List(pl.String))) for name in ("used_by", "granted_to")
    )
    undated = pl.col("undated").fill_null(0)
    untold = pl.format("grants without hours or dates, in no sum of what was granted: {}", undated)
    rows = covered(both, view, keys).with_columns(
        # No job of a grant in a time of which anybody told is none of its hours.
        pl.when(pl.col("told").is_null() | (pl.col("told") > 0))
        .then(pl.col("numerator").fill_null(0.0))
        .otherwise("numerator"),
        projects.list.unique().list.set_difference([UNKNOWN]).list.len().alias("n"),
        pl.col("method").fill_null("ledger"),
        pl.when(pl.col("untagged").fill_null(False))
        .then(pl.lit(_UNTAGGED))
        .when(undated > 0)
        .then(untold)
        .when(pl.col("denominator").is_null())
        .then(pl.lit("nothing was granted for this period"))
        .when((pl.col("told") == 0) & pl.col("numerator").is_null())
        .then(pl.lit("nobody told of any job of this time"))
        .alias("note"),
    )
    return shaped(rows, keys)


def _used(view: View, by: Sequence[str]) -> pl.DataFrame:
    """Access time with the tags of its project, and what the rule of States needs."""
    beside = sorted({*by} - {*_TAGS})

    def make() -> pl.DataFrame:
        known = tags(view).select(
            "system", "job", pl.col("tag").alias("tag_"), pl.col("project_id").alias("project"),
            *_TAGS[1:], "partner_states",
        )  # fmt: skip
        return (
            access_time(view, beside)
            .join(known, on=["system", "job"], how="left")
            .with_columns(pl.col(_TAGS).fill_null(UNKNOWN), pl.col("tag_").fill_null(UNTAGGED))
        )

    return view.labels(f"use by {beside}", make)


def granted_hours() -> pl.Expr:
    """The hours of a grant by its rows, as an aggregation; null where none tells them.

    Rows that say the same size say it of one grant; rows that say others are parts of it.
    """
    told = pl.col("gpu_hours_granted").drop_nulls()
    return pl.when(told.len() > 0).then(told.unique().sum())


def grants(projects: pl.DataFrame) -> pl.DataFrame:
    """One row per grant: several accounts of one project over one time share it.

    Args:
        projects: As `registers.projects` gives them.

    Returns:
        `system` (null: all), `project`, the other tags, `partner_states`, `share`, `call`,
        `start_ms`, `end_ms` and `granted`, each null where it is not told.
    """
    return (
        with_ids(projects)
        .rename({"state": "participating_state", "valid_from_ms": "start_ms",
                 "valid_until_ms": "end_ms"})
        .group_by("system", "project", "start_ms", "end_ms", maintain_order=True)
        .agg(
            granted_hours().alias("granted"),
            *(pl.col(name).drop_nulls().first()
              for name in (*_TAGS[1:], "partner_states", "share", "call")),
        )
    )  # fmt: skip


def _granted(view: View, by: Sequence[str]) -> pl.DataFrame:
    """Grants of the period with `granted`: the hours that fall into each piece of it."""
    low, high = view.bounds_ms
    assert view.projects is not None, "a KPI says first that there is no register"
    start, end = pl.col("start_ms"), pl.col("end_ms")
    touching = grants(view.projects).filter(
        start.is_null() | (start < high), end.is_null() | (end > low)
    )
    pieces = times.cut(
        touching.with_columns(
            pl.max_horizontal(start, pl.lit(low)).alias("start"),
            pl.min_horizontal(end, pl.lit(high)).alias("end"),
        ),
        by,
        view.zone,
    )
    part = (pl.col("end") - pl.col("start")) / (end - start)
    systems = view.inventory["system"].unique().to_list()
    only = systems[0] if len(systems) == 1 else UNKNOWN
    begins, ends = pl.max_horizontal("start", "told_from"), pl.min_horizontal("end", "told_until")
    known = (ends - begins).clip(lower_bound=0) / (end - start)
    return (
        pieces.join(told_times(view), on="system", how="left", nulls_equal=True)
        .with_columns(
            (pl.col("granted") * part).alias("granted"),
            # Of it, what is granted for a time of which anybody told.
            pl.when(pl.col("told_from").is_not_null())
            .then(pl.col("granted") * known)
            .otherwise(pl.col("granted") * 0)
            .alias("told"),
            pl.col("system").fill_null(only),
            pl.col(_TAGS).fill_null(UNKNOWN),
        )
        .drop("told_from", "told_until")
    )


def _spread(frame: pl.DataFrame, hours: str) -> pl.DataFrame:
    """Rows by State: one for the lead's and one for each partner's, with its part of the hours."""
    partners = pl.col("partner_states").str.split(" ").list.drop_nulls()
    several = pl.col("partner_states").is_not_null() & (pl.col("partner_states") != "")
    names = [name for name in (hours, "told") if name in frame.columns]
    lead = frame.with_columns(
        pl.when(several).then(pl.col(name) * LEAD_PART).otherwise(name).alias(name)
        for name in names
    )
    rest = (
        frame.filter(several)
        .with_columns(
            (pl.col(names) * (1 - LEAD_PART) / partners.list.len()),
            partners.alias("participating_state"),
        )
        .explode("participating_state")
    )
    return pl.concat([lead, rest])
