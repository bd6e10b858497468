"""Are the sums that figures are read from the sums of the minutes?

Where the audit trail names what an hour's sums are, and they are that, they are what was added up
when the hour was booked. All others are added up again from the minutes, a few hours at a time: a
day of 1,000 devices has more than a million. Entries of one device and job stand together, so they
are added up where they stand first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import randbits

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.ledger import control as evidence
from wattline_collector.ledger.audit_hours import readable
from wattline_collector.ledger.books import Books, Hour, load, load_all
from wattline_collector.ledger.finding import Finding, named
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS, TIME

_AT_ONCE = 4
"""Hours read at once: more take more memory and no less time."""

_DIMS = ("minute", "node", "device", "job", "account")
_HOUR = pl.col("minute").dt.truncate("1h")


def _key(dims: Sequence[str]) -> pl.Expr:
    """One number for the hour, device, job and account of an entry.

    Drawn anew whenever the program starts, so that nobody can choose names that look alike.
    """
    seeds = [randbits(64) for _ in range(len(_DIMS))]
    number = (pl.col("minute").to_physical() // HOUR_MS).hash(seeds[0])
    for place, name in enumerate(dims):
        number ^= pl.col(name).hash(seeds[place + 1])
    return number.alias("key")


_KEYS = {table: _key([n for n in _DIMS[1:] if n in schema]) for table, schema in ENTRIES.items()}
_MAXIMA = ("power_max_watts", "temperature_max_celsius")


@dataclass(frozen=True, slots=True)
class Kept:
    """A day's hourly sums as they are kept.

    Attributes:
        frames: By table; one that cannot be read is not there.
        problems: By table, why.
    """

    frames: Mapping[str, pl.DataFrame]
    problems: Mapping[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether the sums of all tables can be read."""
        return not self.problems


def kept_sums(books: Books, system: str, day: str) -> Kept:
    """Read the sums of a day."""
    frames, problems = {}, {}
    for table in ENTRIES:
        frame, problem = readable(books.day_path(table, system, day), table)
        if frame is None:
            problems[table] = problem
        else:
            frames[table] = frame
    return Kept(frames, problems)


def examined(
    books: Books, hours: Sequence[Hour], kept: Kept, proved: Collection[Hour]
) -> list[Finding]:
    """Hourly sums that are not the sums of their minutes.

    Args:
        books: Whose.
        hours: Booked hours of one system and day.
        kept: The sums of that day.
        proved: Hours whose sums are those that the audit trail names; they are not added up again.
    """
    findings = []
    again = [hour for hour in hours if hour not in proved]
    for table in ENTRIES:
        sums = kept.frames.get(table)
        if sums is None:
            findings.append(_unreadable(books, table, hours, kept.problems[table]))
            continue
        findings += _strays(table, hours[0], sums)
        if again:
            findings += _unlike(books, table, again, sums)
    return findings


def _strays(table: str, one: Hour, kept: pl.DataFrame) -> Iterator[Finding]:
    """Sums of other days: whoever reads those would count them twice."""
    for start_ms in kept["minute"].dt.epoch("ms").unique().sort():
        hour = Hour(one.system, start_ms // HOUR_MS * HOUR_MS)
        if hour.day != one.day:
            yield Finding(str(hour), f"every {table}", f"sums of it stand in the file of {one.day}")


def _unreadable(books: Books, table: str, hours: Sequence[Hour], problem: str) -> Finding:
    first, last = hours[0], hours[-1]
    keys = books.controls(first.start_ms, last.start_ms + HOUR_MS).filter(
        (pl.col("system") == first.system) & (pl.col("kind").cast(pl.String) == table)
    )["key"]
    return Finding(
        f"{first.time:%Y-%m-%dT%HZ} to {last.time:%Y-%m-%dT%HZ} ({first.system})",
        named(table, keys.unique().to_list()),
        f"hourly sums: {problem}",
    )


def _unlike(
    books: Books, table: str, hours: Sequence[Hour], kept: pl.DataFrame
) -> Iterator[Finding]:
    there = {hour: path for hour in hours if (path := books.path(table, hour)).exists()}
    made = _made(table, list(there.values()))
    if made is None:
        return
    whole = pl.Series([hour.time for hour in there], dtype=TIME).implode()
    mine = kept.filter(pl.col("minute").is_in(whole)).with_columns(_KEYS[table])
    both = made.join(mine, on="key", how="full", suffix="_kept", coalesce=True)
    values = [name for name, kind in ENTRIES[table].items() if kind.is_numeric()]
    differ = pl.any_horizontal(
        (pl.col(name).fill_null(-1.0) - pl.col(f"{name}_kept").fill_null(-1.0)).abs()
        > 1e-6 * pl.col(name).fill_null(0).abs() + 1e-3
        for name in values
    )
    subject = evidence.KEY[table]
    wrong = (
        both.filter(differ)
        .select(pl.coalesce(name, f"{name}_kept") for name in ("minute", subject))
        .filter(pl.col("minute").is_in(whole))
        .unique()
    )
    for time, name in wrong.sort("minute", subject).iter_rows():
        yield Finding(
            str(Hour(hours[0].system, round(time.timestamp() * 1000))),
            f"{table} {name}",
            "the hour's sum is not the sum of its minutes",
        )


def _made(table: str, places: Sequence[Path]) -> pl.DataFrame | None:
    """The sums of files of minutes by hour; None if none can be read: those are named elsewhere."""
    schema = ENTRIES[table]
    dims = [name for name in _DIMS if name in schema]
    values = [name for name, kind in schema.items() if kind.is_numeric()]
    parts = []
    for first in range(0, len(places), _AT_ONCE):
        entries = _read(places[first : first + _AT_ONCE], schema, [*dims, *values])
        if entries is not None:
            runs = entries.with_columns(_KEYS[table]).with_columns(
                pl.col("key").rle_id().alias("run")
            )
            parts.append(_added(runs, "run", [*dims, "key"], values).drop("run"))
    if not parts:
        return None
    return _added(pl.concat(parts), "key", dims, values).with_columns(_HOUR)


def _read(places: Sequence[Path], schema: pl.Schema, columns: Sequence[str]) -> pl.DataFrame | None:
    """What can be read of some files; None if nothing can."""
    try:
        return load_all(places, schema, columns=columns)
    except InputError:
        frames = []
        for place in places:
            try:
                frames.append(load(place, schema).select(columns))
            except InputError:
                continue
        return pl.concat(frames) if frames else None


def _added(
    entries: pl.DataFrame, key: str, same: Sequence[str], values: Sequence[str]
) -> pl.DataFrame:
    """Sums and maxima by a key, with the first of what is the same in all of it."""
    gaps = [name for name in values if name not in _MAXIMA and entries[name].null_count()]
    return (
        entries.lazy()
        .group_by(key, maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in same),
            *(pl.col(n).max() if n in _MAXIMA else pl.col(n).sum() for n in values),
            *(pl.col(name).count().alias(f"{name}_known") for name in gaps),
        )
        # A sum of nothing but unknowns is unknown, not zero.
        .with_columns(pl.when(pl.col(f"{name}_known") > 0).then(name).alias(name) for name in gaps)
        .drop(f"{name}_known" for name in gaps)
        .collect()
    )
