"""Are the parts of hours that were lost in part the sums of their minutes?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.ledger import cuts
from wattline_collector.ledger.books import Books, Hour, between, load
from wattline_collector.ledger.finding import Finding
from wattline_collector.ledger.schema import CUTS, ENTRIES

_HOUR = pl.col("minute").dt.truncate("1h").alias("hour")
_JOB = ["system", "job", "hour"]


def examined(books: Books, hours: Sequence[Hour], bounds: tuple[int, int]) -> list[Finding]:
    """Parts of hours that are not what they should be.

    Args:
        books: Whose.
        hours: Booked hours of one system, of some days.
        bounds: From when to when hours are looked at, in ms.
    """
    findings: list[Finding] = []
    system = hours[0].system
    for table in CUTS:
        parts = []
        for day in sorted({hour.day for hour in hours}):
            path = books.cuts_path(table, system, day)
            if path.exists():
                try:
                    parts.append(load(path, CUTS[table]))
                except InputError as error:
                    findings.append(
                        Finding(
                            f"{day} ({system})", f"every {table}", f"hours lost in part: {error}"
                        )
                    )
        kept = between(pl.concat(parts), *bounds) if parts else CUTS[table].to_frame()
        if kept.height:
            minutes = _minutes(books, table, hours, kept)
            findings += [
                Finding(
                    str(Hour(system, round(hour.timestamp() * 1000))),
                    f"job {job}",
                    f"its {table} parts are not the sum of the minutes",
                )
                for hour, job in cuts.unlike(table, kept, minutes).iter_rows()
            ]
    return findings


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
        list(places), schema=schema, missing_columns="insert", extra_columns="ignore", glob=False
    )
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
