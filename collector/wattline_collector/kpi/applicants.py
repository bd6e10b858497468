"""Who asked for time and got it, by the register of projects: I06 newcomers, I07 time to access."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from wattline_collector.kpi import lacking, times
from wattline_collector.kpi.buckets import stated_day
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.kpi.quantiles import exact
from wattline_collector.kpi.sums import grouped, shaped
from wattline_collector.kpi.view import View
from wattline_collector.profile.law import access_mode
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.service import AccessMode
from wattline_collector.profile.working_days import CalendarUnknown, working_days_of
from wattline_collector.registers.tagging import with_ids

SMALL = ("start_up", "sme")
"""Whom the regulation means by start-ups and SMEs (Article 16(2a))."""

_METHOD = "register of projects"
_TAGS = ("user_category", "access_mode", "participating_state", "sector")


def small_firms(view: View, by: list[str]) -> pl.DataFrame:
    """I06: start-ups and SMEs with a grant in the period, and those of them with their first ever.

    An organisation is the same where its name is, whatever its case. It is new where the first of
    all its grants in the register begins.
    """
    keys = [*by, "which"]
    lack = lacking.register(view.projects, "projects")
    if lack is not None or view.projects is None:
        return lacking.unknown(keys, lack or "")
    low, high = view.bounds_ms
    begins = pl.coalesce("valid_from_ms", "access_ms", "submitted_ms")
    mine = with_ids(view.projects).with_columns(
        pl.col("organisation").str.to_lowercase().str.strip_chars().alias("who"),
        begins.alias("begins"),
    )
    first = pl.col("begins").min().over("who")
    mine = mine.with_columns(first.alias("first")).rename({"state": "participating_state"})
    small = mine.filter(
        pl.col("user_category").is_in(SMALL),
        pl.col("begins") < high,
        pl.coalesce("valid_until_ms", pl.lit(high)) > low,
    ).with_columns(pl.col(*_TAGS, "project", "system").fill_null(UNKNOWN))
    nameless = small.filter(pl.col("who").is_null())["project"].n_unique()
    named = small.filter(pl.col("who").is_not_null()).with_columns(
        pl.max_horizontal("begins", pl.lit(low)).alias("start"),
        pl.min_horizontal(pl.coalesce("valid_until_ms", pl.lit(high)), pl.lit(high)).alias("end"),
    )
    served = times.cut(named, by, view.zone)
    new = times.with_times(
        named.filter(pl.col("begins") == pl.col("first"), pl.col("first") >= low),
        "first", by, view.zone,
    )  # fmt: skip
    note = f"{nameless} of their projects name no organisation" if nameless else None
    found = [
        grouped(
            frame.with_columns(pl.lit(which).alias("which")), keys,
            numerator=pl.col("who").n_unique(), n=pl.col("project").n_unique(),
        )
        for which, frame in (("served", served), ("new", new))
    ]  # fmt: skip
    rows = pl.concat(found)
    if not by:
        # The register tells of all grants, so that there was no newcomer is known.
        rows = pl.DataFrame({"which": ["served", "new"]}).join(rows, on="which", how="left")
        rows = rows.with_columns(pl.col("numerator", "n").fill_null(0))
    return shaped(
        rows.with_columns(pl.lit(_METHOD).alias("method"), pl.lit(note, pl.String).alias("note")),
        keys,
    )


def time_to_access(view: View, by: list[str]) -> pl.DataFrame:
    """I07: days from application, or cut-off, to the first log-in, by access mode.

    p50, p95, and the part that was let in within the time that their mode has for it.
    """
    keys = list(dict.fromkeys([*by, "access_mode", "figure"]))
    lack = lacking.register(view.projects, "projects")
    if lack is not None or view.projects is None:
        return lacking.unknown(keys, lack or "")
    low, high = view.bounds_ms
    let_in = with_ids(view.projects).filter(
        pl.col("access_ms") >= low, pl.col("access_ms") < high, pl.col("access_mode").is_not_null()
    )
    # Several accounts of a project are let in once.
    let_in = let_in.unique(
        ["system", "project", "access_ms"], keep="first", maintain_order=True
    ).rename({"state": "participating_state"})
    if let_in.is_empty():
        return lacking.unknown(
            keys, "no project of the register was let in in this period (column access)"
        )
    clocks = {mode: access_mode(view.profile, mode) for mode in let_in["access_mode"].unique()}
    waited = [
        _waited(view.profile, clocks[mode], view.zone, submitted, cut_off, access)
        for mode, submitted, cut_off, access in let_in.select(
            "access_mode", "submitted_ms", "call_cut_off_ms", "access_ms"
        ).iter_rows()
    ]
    rows = let_in.with_columns(
        pl.Series("days", [one.days for one in waited], dtype=pl.Int64),
        pl.Series("why", [one.why for one in waited], dtype=pl.String),
        pl.Series("most", [one.most for one in waited], dtype=pl.Int64),
        pl.Series("unit_of", [one.unit for one in waited], dtype=pl.String),
        pl.col("user_category", "participating_state", "sector", "project", "system")
        .fill_null(UNKNOWN),
    )  # fmt: skip
    rows = times.with_times(rows, "access_ms", by, view.zone)
    groups = list(dict.fromkeys([*by, "access_mode"]))
    found: list[dict[str, object]] = []
    for values, some in rows.group_by(groups, maintain_order=True):
        found += _figures(dict(zip(groups, values, strict=True)), some)
    return shaped(pl.DataFrame(found, infer_schema_length=None).sort(groups), keys)


@dataclass(frozen=True, slots=True)
class _Waited:
    """How long one project waited: `days`, or `why` that is not known; and the mode's limit."""

    days: int | None
    why: str | None
    most: int | None
    unit: str


def _waited(
    profile: FactoryProfile | None, mode: AccessMode, zone: str,
    submitted_ms: int | None, cut_off_ms: int | None, access_ms: int,
) -> _Waited:  # fmt: skip
    of_cut_off = mode.counts_from == "cut_off"
    from_ms = cut_off_ms if of_cut_off else submitted_ms
    if from_ms is None:
        column = "call_cut_off" if of_cut_off else "submitted"
        return _Waited(None, f"without {column} in the register", mode.working_days, "")
    first = stated_day(from_ms, zone, closes=of_cut_off)
    last = stated_day(access_ms, zone)
    if mode.days is not None:
        return _Waited((last - first).days, None, mode.days, "calendar days")
    calendar = None if profile is None else working_days_of(profile, mode.calendar)
    if calendar is None:
        return _Waited(None, "without a calendar in the profile", mode.working_days, "")
    try:
        calendar.must_know(min(first, last), max(first, last))
    except CalendarUnknown as error:
        return _Waited(None, f"as {error}", mode.working_days, "")
    return _Waited(calendar.between(first, last), None, mode.working_days, "working days")


def _figures(names: Mapping[str, object], some: pl.DataFrame) -> list[dict[str, object]]:
    known = some.filter(pl.col("days").is_not_null())
    days = known["days"].to_list()
    reasons = some["why"].drop_nulls().value_counts(sort=True).iter_rows()
    notes = [f"{count} left out {why}" for why, count in reasons]
    most: int | None = next(iter(some["most"].drop_nulls().to_list()), None)
    unit: str | None = next(iter(known["unit_of"].to_list()), None)
    method = _METHOD if unit is None else f"{_METHOD}, {unit}"
    row = {**names, "n": len(days), "method": method, "note": "; ".join(notes)}
    found: list[dict[str, object]] = [
        row | {"figure": name, "value": exact(days, q)} for name, q in (("p50", 0.5), ("p95", 0.95))
    ]
    if most is not None:
        within = sum(day <= most for day in days)
        found.append(
            row | {"figure": "in_time", "numerator": float(within), "unit": "%",
                   "denominator": float(len(days)),
                   "value": 100 * within / len(days) if days else None,
                   "method": f"{method}, at most {most}"}
        )  # fmt: skip
    return found
