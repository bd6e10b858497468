"""Whose the machine's time is: U04 the Union's share used, and I04 what of it is commercial.

Council Regulation (EU) 2021/1173: the Union's share of the access time of a supercomputer follows
its contribution (Article 17), and commercial use may take a fifth of the Union's *total* access
time (Article 18(3)): of all it is entitled to, used or not. The total is what the profile has as
agreed for a year, by the part of the year that the period is; where nothing is agreed, what the
system offered in the period, by the ledger.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from wattline_collector.capability.commercial_guard import union_hours
from wattline_collector.kpi import lacking
from wattline_collector.kpi.access_time import access_time, book, covered, tags, told_part
from wattline_collector.kpi.buckets import buckets, midnight_ms, years
from wattline_collector.kpi.declare import TIME
from wattline_collector.kpi.sums import grouped, shaped
from wattline_collector.kpi.view import MS_PER_HOUR, View, account_ms
from wattline_collector.ledger.accounts import OFFERED
from wattline_collector.profile.law import commercial_share_most
from wattline_collector.profile.schema.system import System

UNION = "union"
COMMERCIAL = "commercial"
_EXACT = 1 + 1e-12
_UNTOLD = "nobody told of any job of this time"


def union_share_used(view: View, by: list[str]) -> pl.DataFrame:
    """U04: GPU-hours out of the Union's time, over all the Union is entitled to.

    Commercial time is the Union's too: it is taken from its share.
    """
    return _of_union(view, by, pl.col("_whose").is_in([UNION, COMMERCIAL]), guards=False)


def commercial_share(view: View, by: list[str]) -> pl.DataFrame:
    """I04: GPU-hours of commercial use of the Union's time, over all of it."""
    return _of_union(view, by, pl.col("_whose") == COMMERCIAL, guards=True)


def whose() -> pl.Expr:
    """Out of whose time a job's is: `union`, `commercial` (out of the Union's), `other`, or null.

    By the columns of `access_time.tags`. What pays for its time, or was called commercial, is
    commercial, unless it is out of a national or the host's own share: of those the law says
    nothing. What was granted under an id of EuroHPC is the Union's, as nobody else grants those.
    """
    share, commercial = pl.col("share"), pl.col("commercial").fill_null(False)
    sold = commercial | (pl.col("access_mode") == "commercial").fill_null(False)
    return (
        pl.when(share == "commercial")
        .then(pl.lit(COMMERCIAL))
        .when(share.is_in(["national", "consortium", "own"]))
        .then(pl.lit("other"))
        .when(sold)
        .then(pl.lit(COMMERCIAL))
        .when((share == "union") | pl.col("call").is_not_null())
        .then(pl.lit(UNION))
    )


def _of_union(view: View, by: list[str], counted: pl.Expr, *, guards: bool) -> pl.DataFrame:
    keys = list(dict.fromkeys([*by, "system"]))
    lack = lacking.register(view.projects, "projects")
    if lack is not None:
        return lacking.unknown(keys, lack)
    entitled = _entitled(view, by)
    if entitled.is_empty():
        return lacking.unknown(keys, lacking.profile("system.NAME.entitlement.union_share"))
    time_keys = [name for name in by if name in TIME]
    jobs = access_time(view, ["system", *time_keys]).join(
        tags(view), on=["system", "job"], how="left"
    )
    hours = pl.col("gpu_hours")
    used = grouped(
        jobs.with_columns(whose().alias("_whose")),
        ["system", *time_keys],
        numerator=hours.filter(counted).sum(),
        unknown=hours.filter(pl.col("_whose").is_null()).sum(),
        n=pl.col("project_id").filter(counted).n_unique(),
        book=book(),
    )
    both = entitled.join(used, on=["system", *time_keys], how="left", maintain_order="left")
    # That nothing was used is known of a time of which anybody told.
    is_told = pl.col("told").is_null() | (pl.col("told") > 0)
    rows = covered(both, view, keys).with_columns(
        pl.when(is_told).then(pl.col("numerator").fill_null(0.0)),
        pl.col("unknown").fill_null(0.0),
        pl.col("n").fill_null(0),
        pl.format("{}; {}", pl.col("book").fill_null("ledger"), pl.col("of")).alias("method"),
    )
    notes = [_note(row, guards) for row in rows.iter_rows(named=True)]
    return shaped(rows.with_columns(pl.Series("note", notes, dtype=pl.String)), keys)


def _note(row: dict[str, Any], guards: bool) -> str | None:
    notes = [] if row["numerator"] is not None else [_UNTOLD]
    limit = None if row["denominator"] is None else row["most"] * row["denominator"]
    used = row["numerator"] or 0.0
    if guards and limit is not None and used > limit * _EXACT:
        notes.append(f"over the {row['most']:.0%} allowed")
    if row["unknown"] > 0:
        notes.append(
            f"{row['unknown']:,.1f} GPU-h are in no sum: nobody told out of whose time they are"
        )
    return "; ".join(notes) or None


def _entitled(view: View, by: list[str]) -> pl.DataFrame:
    """`system`, the dimensions of time, `denominator` (the Union's hours), `most` and `of`."""
    time_keys = [name for name in by if name in TIME]
    systems = {} if view.profile is None else view.profile.systems
    present = set(view.inventory["system"])
    rows = []
    for name, system in systems.items():
        terms = system.entitlement
        if terms is None or terms.union_share is None or name not in present:
            continue
        offered = {
            tuple(row[:-1]): row[-1]
            for row in grouped(
                view.totals.filter(pl.col("system") == name),
                time_keys,
                hours=account_ms(*OFFERED) / MS_PER_HOUR,
            ).iter_rows()
        }
        for bucket in buckets(by, *view.bounds_ms, view.zone):
            start, end = _in_service(system, bucket.start_ms, bucket.end_ms, view.zone)
            if terms.gpu_hours_per_year is None:
                # What the ledger does not tell of is not below the line either.
                told = None
                of = "the Union's share of what the system offered"
            else:
                told = told_part(view, start, end, name)
                of = "the Union's share of the access time agreed for the year, by its days"
            offers = offered.get(tuple(bucket.names[key] for key in time_keys))
            hours = total_hours(system, bucket.start_ms, bucket.end_ms, view.zone, offers)
            rows.append(
                {"system": name, **bucket.names, "of": of, "told": told,
                 "denominator": union_hours(hours, terms.union_share),
                 "most": commercial_share_most(terms)}
            )  # fmt: skip
    schema = dict.fromkeys(["system", *time_keys, "of"], pl.String()) | dict.fromkeys(
        ["told", "denominator", "most"], pl.Float64()
    )
    return pl.DataFrame(rows, schema=schema)


def total_hours(
    system: System, start_ms: int, end_ms: int, zone: str, offered: float | None
) -> float | None:
    """A system's total access time: what is agreed for the year, by its days; else what it offered.

    Args:
        system: What the profile tells of it.
        start_ms: First moment of the time that is meant.
        end_ms: The first one after it.
        zone: The time zone whose years are meant.
        offered: GPU-hours that it offered in that time, by the ledger; None if not known.
    """
    terms = system.entitlement
    if terms is None or terms.gpu_hours_per_year is None:
        return offered
    return terms.gpu_hours_per_year * years(*_in_service(system, start_ms, end_ms, zone), zone)


def _in_service(system: System, start_ms: int, end_ms: int, zone: str) -> tuple[int, int]:
    """What of a time a system serves in; ends before it starts where it does not."""
    if system.in_service is not None:
        start_ms = max(start_ms, midnight_ms(system.in_service, zone))
    if system.until is not None:
        end_ms = min(end_ms, midnight_ms(system.until + timedelta(days=1), zone))
    return start_ms, end_ms
