"""Are the parts of hours that were lost in part the sums of their minutes?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.ledger import cuts
from wattline_collector.ledger.books import Books, Hour, between, load
from wattline_collector.ledger.chain_audit import Followed
from wattline_collector.ledger.day_digest import digests
from wattline_collector.ledger.finding import Finding
from wattline_collector.ledger.schema import CUTS, ENTRIES, TIME

_HOUR_OF = pl.col("minute").dt.truncate("1h")
_HOUR = _HOUR_OF.alias("hour")
_JOB = ["system", "job", "hour"]


def examined(
    books: Books,
    hours: Sequence[Hour],
    bounds: tuple[int, int],
    trail: Followed | None = None,
) -> list[Finding]:
    """Parts of hours that are not what they should be.

    Args:
        books: Whose.
        hours: Booked hours of one system, of some days.
        bounds: From when to when hours are looked at, in ms.
        trail: Parts that it names and that are those still need not be added up again.
    """
    kept, findings = _kept(books, hours)
    if trail is not None:
        named = [ms for ms, digest in digests(kept).items() if trail.names_cuts_of(ms) == digest]
        others = ~_HOUR_OF.is_in(pl.Series(named, dtype=pl.Int64).cast(TIME).implode())
        kept = {table: parts.filter(others) for table, parts in kept.items()}
    for table, parts in kept.items():
        findings += _unlike(books, table, hours, between(parts, *bounds))
    return findings


def proofs(books: Books, hours: Sequence[Hour]) -> dict[int, str]:
    """Digests of parts that are the sums of their minutes, which is not taken on trust here.

    Args:
        books: Whose.
        hours: Booked hours of one system and day.

    Returns:
        By the hour's start in ms, of those hours that have parts; none of a day of which some
        cannot be read.
    """
    kept, findings = _kept(books, hours)
    if findings:
        return {}
    times = pl.Series([hour.time for hour in hours], dtype=TIME).implode()
    mine = {table: parts.filter(_HOUR_OF.is_in(times)) for table, parts in kept.items()}
    wrong = {
        finding.hour
        for table, parts in mine.items()
        for finding in _unlike(books, table, hours, parts)
    }
    return {
        start_ms: digest
        for start_ms, digest in digests(mine).items()
        if str(Hour(hours[0].system, start_ms)) not in wrong
    }


def _kept(books: Books, hours: Sequence[Hour]) -> tuple[dict[str, pl.DataFrame], list[Finding]]:
    """The parts of some days by table, and of which days they cannot be read."""
    system = hours[0].system
    kept: dict[str, pl.DataFrame] = {}
    findings = []
    for table, schema in CUTS.items():
        parts = [schema.to_frame()]
        for day in sorted({hour.day for hour in hours}):
            path = books.cuts_path(table, system, day)
            if path.exists():
                try:
                    parts.append(load(path, schema))
                except InputError as error:
                    problem = f"hours lost in part: {error}"
                    findings.append(Finding(f"{day} ({system})", f"every {table}", problem))
        kept[table] = pl.concat(parts)
    return kept, findings


def _unlike(
    books: Books, table: str, hours: Sequence[Hour], kept: pl.DataFrame
) -> Iterator[Finding]:
    if kept.is_empty():
        return
    minutes = _minutes(books, table, hours, kept)
    for hour, job in cuts.unlike(table, kept, minutes).iter_rows():
        yield Finding(
            str(Hour(hours[0].system, round(hour.timestamp() * 1000))),
            f"job {job}",
            f"its {table} parts are not the sum of the minutes",
        )


def _minutes(books: Books, table: str, hours: Sequence[Hour], kept: pl.DataFrame) -> pl.DataFrame:
    """The minutes of the jobs' hours that were cut, as far as they can be read."""
    wanted = kept.select("system", "job", _HOUR).unique()
    of_parts = set(wanted["hour"].dt.epoch("ms"))
    places = [
        path
        for hour in hours
        if hour.start_ms in of_parts and (path := books.path(table, hour)).exists()
    ]
    schema = ENTRIES[table]
    if not places:
        return schema.to_frame()
    try:
        return _of_jobs(places, schema, wanted)
    except (pl.exceptions.PolarsError, OSError):
        # One cannot be read, which is named elsewhere.
        found = [schema.to_frame()]
        for place in places:
            try:
                found.append(_only(load(place, schema).lazy(), wanted))
            except InputError:
                continue
        return pl.concat(found)


def _of_jobs(places: Sequence[Path], schema: pl.Schema, wanted: pl.DataFrame) -> pl.DataFrame:
    scanned = pl.scan_parquet(
        list(places), schema=schema, missing_columns="insert", extra_columns="ignore",
        glob=False, use_statistics=False,
    )  # fmt: skip
    return _only(scanned, wanted)


def _only(entries: pl.LazyFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    names = entries.collect_schema().names()
    return (
        entries.filter(pl.col("job").is_in(wanted["job"].unique().implode()))
        .with_columns(_HOUR)
        .join(wanted.lazy(), on=_JOB, how="semi", maintain_order="left")
        .select(names)
        .collect(engine="streaming")
    )
