"""Do the books balance, and where not?

Five proofs, each naming hour and device:

1. What is written is what was booked: every hour since something was installed has its files, each
   file has the digest its control recorded, and an altered row is traced to its device.
2. The invariants (design 9): seconds booked = seconds installed, exactly; joules booked = what the
   meter counted, within 1 J; tokens booked = what the jobs' counters grew by.
3. The hourly sums that figures are taken from are the sums of the minutes, and so are the parts of
   hours that were lost in part.
4. The audit trail holds, and the books are what it says (`chain_audit`).
5. The sealed telemetry the books were made from is there, unaltered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError, UsageError
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.ledger import control as evidence
from wattline_collector.ledger import cuts
from wattline_collector.ledger.books import (
    Books,
    Hour,
    conformed,
    hours_between,
    load,
    sha256,
)
from wattline_collector.ledger.chain_audit import audit_chains
from wattline_collector.ledger.finding import Finding
from wattline_collector.ledger.schema import CONTROL, CUTS, ENTRIES, HOUR_MS
from wattline_collector.ledger.sums import hourly
from wattline_collector.store import filenames, manifest

JOULES = 1.0
"""Joules that may be missing per device and hour: more than rounding, less than any sample."""

SHARE = 1e-9
"""Part of large sums that floating point may lose."""

MOST_NAMED = 8
"""Devices named of an hour that is missing whole."""


def audit(
    store: Path,
    progress: Callable[[int, int], None] | None = None,
    published: Mapping[str, tuple[int, str]] | None = None,
) -> list[Finding]:
    """Examine a store's books.

    Args:
        store: The store's directory.
        progress: Told hours done and hours there are.
        published: By system, the number and digest of a record of its audit trail that was
            published: the trail must still have it.

    Returns:
        What was found, by hour; empty if the books balance.

    Raises:
        UsageError: The directory holds no books.
    """
    books = Books(store)
    hours = books.hours()
    if not hours and not books.traces():
        if books.frame("accounting", ACCOUNTED).height:
            return []  # an archive of jobs, with nothing installed that any time could be booked of
        raise UsageError(
            f"{store} holds no booked hours: `wattline import` brings in a recording, "
            "`wattline up` measures this machine"
        )
    findings = _telemetry(store, books) + _inventory(books, hours) + _missing(books, hours)
    for done, hour in enumerate(hours, 1):
        findings += _hour(books, hour)
        if progress is not None:
            progress(done, len(hours))
    sums = _sums(books, hours)
    findings += sums
    # What is not the sum of its minutes is named; that it is not what was booked says no more.
    wrong = frozenset(finding.hour for finding in sums)
    return findings + audit_chains(store, published, wrong)


def unbalanced(control: pl.DataFrame) -> list[Finding]:
    """The invariants, from control alone: seconds, joules and tokens.

    Args:
        control: `schema.CONTROL`.
    """
    lacking = control.filter(off_balance()).with_columns(
        _MS.alias("ms"), _J.alias("j"), _T.alias("t")
    )
    findings = []
    for row in lacking.sort("hour", "key").iter_rows(named=True):
        problems = []
        if abs(row["ms"]) >= 0.5:
            problems.append(
                f"{row['duration_ms'] / 1000:,.3f} s booked, {row['expected_ms'] / 1000:,.3f} s "
                "installed"
            )
        if abs(row["j"]) > JOULES:
            problems.append(
                f"{row['energy_joules'] or 0:,.1f} J booked, {row['metered_joules'] or 0:,.1f} J "
                "metered"
            )
        if row["t"]:
            problems.append(f"{row['t']:+,d} tokens against the counters")
        findings.append(
            Finding(
                _text(row["hour"], row["system"]),
                f"{row['kind']} {row['key']}",
                "; ".join(problems),
            )
        )
    return findings


_MS = pl.col("duration_ms") - pl.col("expected_ms")
_J = pl.col("energy_joules").fill_null(0) - pl.col("metered_joules").fill_null(0)
_T = pl.col("tokens").fill_null(0) - pl.col("metered_tokens").fill_null(0)


def off_balance() -> pl.Expr:
    """Whether a row of `schema.CONTROL` says that something does not balance."""
    # A node's time is shared over its devices in fractions; a device's is whole.
    seconds = _MS.abs() >= 0.5
    joules = _J.abs() > pl.max_horizontal(
        pl.lit(JOULES), SHARE * pl.col("metered_joules").fill_null(0).abs()
    )
    return seconds | joules | (_T != 0)


def _text(hour: datetime, system: str) -> str:
    return str(Hour(system, int(hour.timestamp() * 1000)))


def _telemetry(store: Path, books: Books) -> list[Finding]:
    """Sealed telemetry that is missing or altered, by the hours and devices it stood for."""
    findings = []
    for segment in manifest.load(store / filenames.MANIFEST, repair=False).segments:
        path = store / segment.file
        if not path.exists():
            problem = "is missing"
        elif sha256(path) != segment.sha256:
            problem = "was altered"
        else:
            continue
        since = pl.col("from_ms") <= segment.last_ms
        until = pl.col("until_ms").is_null() | (pl.col("until_ms") > segment.first_ms)
        first, last = (Hour("", ms).time for ms in (segment.first_ms, segment.last_ms))
        findings.append(
            Finding(
                f"{first:%Y-%m-%dT%HZ} to {last:%Y-%m-%dT%HZ}",
                _named_things(books.inventory.filter(since & until)),
                f"telemetry segment {segment.file} {problem}",
            )
        )
    return findings


def _inventory(books: Books, hours: list[Hour]) -> list[Finding]:
    """Systems with booked hours that the inventory knows nothing of."""
    known = set(books.inventory["system"])
    findings = []
    for system in sorted({hour.system for hour in hours} - known):
        mine = [hour for hour in hours if hour.system == system]
        control = books.control(mine[0])
        control = CONTROL.to_frame() if control is None else control
        keys = control.filter(pl.col("kind").cast(pl.String) == "device")["key"]
        when = f"{mine[0].time:%Y-%m-%dT%HZ} to {mine[-1].time:%Y-%m-%dT%HZ} ({system})"
        findings.append(Finding(when, _named("device", keys.to_list()), "not in the inventory"))
    return findings


def _missing(books: Books, hours: list[Hour]) -> list[Finding]:
    """Hours of installed devices that have no control."""
    there = set(hours)
    findings = []
    newest = {hour.system: hour.start_ms + HOUR_MS for hour in books.traces()}
    inventory = books.inventory
    for system, end_ms in newest.items():
        mine = inventory.filter(pl.col("system") == system)
        if mine.is_empty():
            continue
        first = mine["from_ms"].min()
        for hour in hours_between(system, int(first), end_ms):  # type: ignore[arg-type]
            if hour in there:
                continue
            installed = mine.filter(
                (pl.col("from_ms") < hour.start_ms + HOUR_MS)
                & (pl.col("until_ms").is_null() | (pl.col("until_ms") > hour.start_ms))
            )
            if installed.height:
                findings.append(
                    Finding(str(hour), _named_things(installed), "the hour is not in the books")
                )
    return findings


def _named_things(inventory: pl.DataFrame) -> str:
    devices = inventory.filter(pl.col("kind") == "device")["key"].to_list()
    return _named("device", devices) if devices else _named("node", inventory["key"].to_list())


def _named(kind: str, keys: list[str]) -> str:
    shown = ", ".join(sorted(keys)[:MOST_NAMED])
    more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
    return f"{kind}{'s' if len(keys) != 1 else ''} {shown}{more}"


def _hour(books: Books, hour: Hour) -> list[Finding]:
    control, problem = _readable(books.path("control", hour))
    if control is None:
        return [Finding(str(hour), "every device", f"control: {problem}")]
    findings = unbalanced(control)
    for table in ENTRIES:
        mine = control.filter(pl.col("kind").cast(pl.String) == table)
        path = books.path(table, hour)
        if not mine.height and not path.exists():
            continue
        stated = mine["file_sha256"].max() if mine.height else None
        if path.exists() and stated is not None and sha256(path) == stated:
            continue
        entries, problem = _readable(path)
        if entries is None:
            if mine.height:
                findings.append(
                    Finding(str(hour), _named(table, mine["key"].to_list()), f"entries: {problem}")
                )
            continue
        if mine.height or entries.height:
            findings += _altered(table, hour, mine, entries)
    return findings


def _readable(path: Path, table: str | None = None) -> tuple[pl.DataFrame | None, str]:
    """A Parquet file, as entries of a table if one is named, or what is wrong with it."""
    if not path.exists():
        return None, f"segment {path.name} is missing"
    try:
        frame = pl.read_parquet(path)
        return (frame if table is None else conformed(frame, ENTRIES[table])), ""
    except (pl.exceptions.PolarsError, OSError) as error:
        return None, f"segment {path.name} cannot be read: {str(error).splitlines()[0][:120]}"


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


def _sums(books: Books, hours: list[Hour]) -> list[Finding]:
    """Hourly sums that are not the sums of their minutes."""
    findings = []
    days = sorted({(hour.system, hour.day) for hour in hours})
    for system, day in days:
        mine = [hour for hour in hours if hour.system == system and hour.day == day]
        for table, key in evidence.KEY.items():
            frames = []
            for hour in mine:
                entries, _ = _readable(books.path(table, hour), table)
                if entries is not None:
                    frames.append(entries)
            kept, problem = _readable(books.day_path(table, system, day), table)
            if kept is None:
                keys = books.controls(mine[0].start_ms, mine[-1].start_ms + HOUR_MS).filter(
                    (pl.col("system") == system) & (pl.col("kind").cast(pl.String) == table)
                )["key"]
                when = f"{mine[0].time:%Y-%m-%dT%HZ} to {mine[-1].time:%Y-%m-%dT%HZ} ({system})"
                who = _named(table, keys.unique().to_list())
                findings.append(Finding(when, who, f"hourly sums: {problem}"))
                continue
            if not frames:
                continue
            made = hourly(table, pl.concat(frames))
            dims = [c for c in ("minute", "node", "device", "job", "account") if c in made.columns]
            values = [c for c, t in made.schema.items() if t.is_numeric() and c not in dims]
            both = made.join(
                kept, on=dims, how="full", nulls_equal=True, suffix="_kept", coalesce=True
            )
            differ = pl.any_horizontal(
                (
                    (pl.col(c).fill_null(-1.0) - pl.col(f"{c}_kept").fill_null(-1.0)).abs()
                    > 1e-6 * pl.col(c).fill_null(0).abs() + 1e-3
                )
                for c in values
            )
            if table in CUTS:
                findings += _cuts(books, table, system, day, pl.concat(frames))
            whole = [hour.time for hour in mine if books.path(table, hour).exists()]
            wrong = both.filter(differ & pl.col("minute").is_in(whole))
            for row in wrong.select("minute", key).unique().sort("minute", key).iter_rows():
                findings.append(
                    Finding(
                        _text(row[0], system),
                        f"{table} {row[1]}",
                        "the hour's sum is not the sum of its minutes",
                    )
                )
    return findings


def _cuts(books: Books, table: str, system: str, day: str, minutes: pl.DataFrame) -> list[Finding]:
    """Parts of hours that are not the sums of their minutes."""
    path = books.cuts_path(table, system, day)
    if not path.exists():
        return []
    try:
        kept = load(path, CUTS[table])
    except InputError as error:
        return [Finding(f"{day} ({system})", f"every {table}", f"hours lost in part: {error}")]
    return [
        Finding(
            _text(hour, system), f"job {job}", f"its {table} parts are not the sum of the minutes"
        )
        for hour, job in cuts.unlike(table, kept, minutes).iter_rows()
    ]
