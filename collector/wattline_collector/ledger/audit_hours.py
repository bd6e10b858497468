"""Is what is written of an hour what was booked?

Each file of entries has the digest that the hour's control names, and control itself balances. Of
a day this is looked at together, which tells whether anything is wrong; only of an hour of which
something is, each row is then traced to its device.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from wattline_collector.ledger import control as evidence
from wattline_collector.ledger.balance import COLUMNS, off_balance, unbalanced
from wattline_collector.ledger.books import Books, Hour, conformed, read_once, sha256
from wattline_collector.ledger.finding import Finding, named
from wattline_collector.ledger.schema import CONTROL, ENTRIES

_DIGEST = "file_sha256"


def examined(books: Books, hours: Sequence[Hour]) -> list[Finding]:
    """What is wrong with hours.

    Args:
        books: Whose.
        hours: Neighbouring hours, such as a day's.
    """
    wrong = _suspects(books, hours)
    return [finding for hour in hours if hour in wrong for finding in _hour(books, hour)]


def readable(path: Path, table: str | None = None) -> tuple[pl.DataFrame | None, str]:
    """A Parquet file, as entries of a table if one is named, or what is wrong with it."""
    if not path.exists():
        return None, f"segment {path.name} is missing"
    try:
        frame = read_once(path)
        return (frame if table is None else conformed(frame, ENTRIES[table])), ""
    except (pl.exceptions.PolarsError, OSError) as error:
        return None, f"segment {path.name} cannot be read: {str(error).splitlines()[0][:120]}"


def _suspects(books: Books, hours: Sequence[Hour]) -> set[Hour]:
    """Hours that something may be wrong with; all, if they cannot be told apart."""
    places = {books.place("control", hour): hour for hour in hours}
    try:
        stated = (
            pl.scan_parquet(
                list(places), schema=CONTROL, missing_columns="insert", extra_columns="ignore",
                glob=False, include_file_paths="place",
            )
            .select("place", pl.col("kind").cast(pl.String), _DIGEST, *COLUMNS)
            .group_by("place", "kind")
            .agg(off_balance().any().alias("is_off"), pl.col(_DIGEST).max())
            .collect(engine="streaming")
        )  # fmt: skip
    except (pl.exceptions.PolarsError, OSError):
        return set(hours)
    wrong: set[Hour] = set()
    digests: dict[tuple[Hour, str], str | None] = {}
    for place, kind, is_off, digest in stated.iter_rows():
        digests[places[place], kind] = digest
        if is_off:
            wrong.add(places[place])
    for hour in hours:
        if hour not in wrong and not all(
            _is_as_booked(books.place(table, hour), (hour, table) in digests,
                          digests.get((hour, table)))
            for table in ENTRIES
        ):  # fmt: skip
            wrong.add(hour)
    return wrong


def _is_as_booked(path: Path | str, has_rows: bool, digest: str | None) -> bool:
    try:
        return sha256(path) == digest
    except FileNotFoundError:
        return not has_rows
    except OSError:
        return False


def _hour(books: Books, hour: Hour) -> list[Finding]:
    control, problem = readable(books.path("control", hour))
    if control is None:
        return [Finding(str(hour), "every device", f"control: {problem}")]
    findings = unbalanced(control)
    for table in ENTRIES:
        mine = control.filter(pl.col("kind").cast(pl.String) == table)
        path = books.path(table, hour)
        if not mine.height and not path.exists():
            continue
        stated = mine[_DIGEST].max() if mine.height else None
        if isinstance(stated, str) and _is_as_booked(path, True, stated):
            continue
        entries, problem = readable(path)
        if entries is None:
            if mine.height:
                findings.append(
                    Finding(str(hour), named(table, mine["key"].to_list()), f"entries: {problem}")
                )
            continue
        if mine.height or entries.height:
            findings += _altered(table, hour, mine, entries)
    return findings


def _altered(table: str, hour: Hour, control: pl.DataFrame, entries: pl.DataFrame) -> list[Finding]:
    """Rows of a file whose digest is wrong, traced to their devices."""
    schema = ENTRIES[table]
    try:
        # Another program may have written the same columns with types of its own, and an earlier
        # one without the newest of them: the checksum is that of the columns there are.
        there = entries.select(name for name in schema if name in entries.columns)
        there = there.cast({name: schema[name] for name in there.columns})
        if there.columns != schema.names()[: there.width]:
            raise pl.exceptions.ColumnNotFoundError
        now = evidence.booked(table, there).select(
            "key",
            pl.col("checksum").alias("is"),
            pl.col("duration_ms").alias("is_ms"),
            pl.col("energy_joules").alias("is_joules"),
        )
    except pl.exceptions.PolarsError:
        return [Finding(str(hour), f"every {table}", "its columns were altered")]
    compared = control.join(now, on="key", how="full", coalesce=True).filter(
        pl.col("checksum").ne_missing(pl.col("is"))
    )
    findings = []
    for row in compared.sort("key").iter_rows(named=True):
        changes = []
        if row["is"] is None:
            changes.append("all its entries are gone")
        elif row["checksum"] is None:
            changes.append("entries that were never booked")
        else:
            if row["is_ms"] != row["duration_ms"]:
                changes.append(
                    f"{row['duration_ms'] / 1000:,.3f} s booked, {row['is_ms'] / 1000:,.3f} s found"
                )
            joules, found = row["energy_joules"] or 0, row["is_joules"] or 0
            if joules != found:
                changes.append(f"{joules:,.1f} J booked, {found:,.1f} J found")
        what = "; ".join(changes) or "the sums are the same"
        findings.append(
            Finding(str(hour), f"{table} {row['key']}", f"an entry was altered: {what}")
        )
    return findings or [
        Finding(str(hour), f"every {table}", "the file was rewritten, with the same entries")
    ]
