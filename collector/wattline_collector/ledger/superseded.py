"""What the books said before: hours that were booked again, and rows about jobs that changed.

    ledger/superseded/hours/SYSTEM/DAY/HOUR.N/TABLE.parquet    the hour as record N has it
    ledger/superseded/facts/NAME/DAY.parquet                   rows of NAME.parquet that changed

An hour's files are kept by their names alone: files of the ledger are replaced and never written
into, so that keeping one costs nothing until another takes its place. Of jobs and nodes only the
rows are kept that a change took away, with when it did. What was there at any moment is then what
is there now, with those changes undone that came later.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.jobs.condense import ACCOUNTED, NODE_STATES
from wattline_collector.ledger.records import INVENTORY, JOBS, MODELS
from wattline_collector.ledger.schema import ENTRIES
from wattline_collector.ledger.undone import UNDONE

if TYPE_CHECKING:
    from wattline_collector.ledger.books import Books, Hour

MOST_VERSIONS = 32
"""Kept of one hour. Of more, that one is given up which held for the shortest time."""

TABLES = (*ENTRIES, "control", "latency")

_RUNNING = (
    "seen_ms", "stated_ms", "accounted_ms", "counted_ms", "step_highest", "step_last", "stepped_ms",
    "step_saved", "saved_ms",
)  # fmt: skip
"""What moves on while a job runs, and bears on no figure before it has ended."""

FACTS: dict[str, tuple[pl.Schema, tuple[str, ...], tuple[str, ...]]] = {
    "inventory": (INVENTORY, ("system", "kind", "key"), ("stated_ms",)),
    "jobs": (JOBS, ("system", "job"), ()),
    "accounting": (ACCOUNTED, ("system", "job"), ("stated_ms",)),
    "node_states": (NODE_STATES, ("system", "host", "start_ms", "state"), ("stated_ms",)),
    "models": (MODELS, ("system", "job"), ("stated_ms",)),
    "undone": (UNDONE, ("system", "job", "step_from", "until_ms"), ()),
}
"""Files at the root that figures are read with: their columns, their key, and what is no news."""

_UNTIL, _WAS = "_until_ms", "_was_there"


# Hours


def version_path(root: Path, hour: Hour, number: int) -> Path:
    """Where an hour stands as a record of its chain has it."""
    return root / "superseded" / "hours" / hour.system / hour.day / f"{hour.time:%H}.{number}"


def versions(root: Path, hour: Hour) -> list[int]:
    """The records of which an hour's files are kept."""
    found = (root / "superseded" / "hours" / hour.system / hour.day).glob(f"{hour.time:%H}.*")
    numbers = (path.suffix[1:] for path in found)
    return sorted(int(number) for number in numbers if number.isdecimal())


def keep_hour(books: Books, hour: Hour, number: int, times: Sequence[tuple[int, int]]) -> None:
    """Keep an hour's files as they are, before others take their places.

    Args:
        books: Whose.
        hour: Which.
        number: The record that they are of.
        times: (number, when) of every record of the hour, and last what ends the newest: the
            longest held are kept.

    Raises:
        OSError: The disk did not take it.
    """
    place = version_path(books.root, hour, number)
    if place.exists():
        return
    draft = place.with_name(f".{place.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for table in TABLES:
        path = books.path(table, hour)
        if path.exists():
            _same_file(path, draft / path.with_stem(table).name)
    draft.replace(place)
    kept = versions(books.root, hour)
    if len(kept) > MOST_VERSIONS:
        begins = dict(times)
        ends = {one: end for (one, _), (_, end) in pairwise(times)}
        briefest = min(
            (one for one in kept if one in ends),
            key=lambda one: ends[one] - begins[one],
            default=kept[0],
        )
        shutil.rmtree(version_path(books.root, hour, briefest), ignore_errors=True)


def _same_file(path: Path, name: Path) -> None:
    try:
        os.link(path, name)
    except OSError:  # a file system without links
        shutil.copyfile(path, name)


# Facts


def keep_facts(
    books: Books, name: str, before: pl.DataFrame, after: pl.DataFrame, at_ms: int
) -> None:
    """Keep the rows that a change takes away, before it is written down.

    Args:
        books: Whose.
        name: One of `FACTS`.
        before: The rows as they are written down.
        after: As they are going to be.
        at_ms: When.

    Raises:
        InputError: What was kept before cannot be read.
        OSError: The disk did not take it.
    """
    gone = changed_rows(name, before, after, at_ms)
    if gone.is_empty():
        return
    path = _facts_path(books.root, name, at_ms)
    if path.exists():
        gone = pl.concat([_read(path, name), gone])
    from wattline_collector.ledger.books import write_parquet

    write_parquet(path, gone)


def changed_rows(name: str, before: pl.DataFrame, after: pl.DataFrame, at_ms: int) -> pl.DataFrame:
    """The rows as they were of those that change, go or come.

    Returns:
        The file's columns, until when the row held, and whether there was one.
    """
    schema, key, _ = FACTS[name]
    before, after = before.select(schema.names()), after.select(schema.names())
    was, now = _marks(name, before), _marks(name, after)
    old = before.filter(~was.is_in(now.implode()))
    # Rows that differ, and of them those that no row was there of.
    new = after.filter(~now.is_in(was.implode())).select(key)
    come = new.join(before.select(key), on=key, how="anti", nulls_equal=True)
    stamp = pl.lit(at_ms, pl.Int64()).alias(_UNTIL)
    return pl.concat(
        [
            schema_of(name).to_frame(),
            old.with_columns(stamp, pl.lit(True).alias(_WAS)),
            come.with_columns(stamp, pl.lit(False).alias(_WAS)),
        ],
        how="diagonal",
    )


def facts_at(root: Path, name: str, current: pl.DataFrame, when_ms: int) -> pl.DataFrame:
    """The rows of a file as they were.

    Args:
        root: The ledger's.
        name: One of `FACTS`.
        current: The rows as they are.
        when_ms: At which moment.

    Raises:
        InputError: What was kept cannot be read.
    """
    schema, key, _ = FACTS[name]
    first = f"{_day(when_ms)}.parquet"
    paths = sorted((root / "superseded" / "facts" / name).glob("*.parquet"))
    later = [_read(path, name) for path in paths if path.name >= first]
    # The first change after the moment tells what was there before it.
    undone = (
        pl.concat([schema_of(name).to_frame(), *later])
        .filter(pl.col(_UNTIL) > when_ms)
        .sort(_UNTIL, maintain_order=True)
        .unique(key, keep="first", maintain_order=True)
    )
    still = current.join(undone.select(key), on=key, how="anti", nulls_equal=True)
    return pl.concat([still, undone.filter(_WAS).select(schema.names())]).sort(key)


def schema_of(name: str) -> pl.Schema:
    """The columns in which rows of a file are kept."""
    return pl.Schema({**FACTS[name][0], _UNTIL: pl.Int64(), _WAS: pl.Boolean()})


def _marks(name: str, frame: pl.DataFrame) -> pl.Series:
    """A number for each row that any of its values changes that bears on a figure."""
    schema, _, idle = FACTS[name]
    columns: list[pl.Expr | str] = [c for c in schema.names() if c not in idle]
    if name == "jobs":
        ended = pl.col("end_ms").is_not_null()
        columns = [
            pl.when(ended).then(c).alias(c) if c in _RUNNING else pl.col(c) for c in schema.names()
        ]
        # Whether anything but accounting knows of it decides which jobs there are.
        columns.append(pl.col("seen_ms").is_not_null().alias("is_seen"))
    return frame.select(columns).hash_rows()


def _facts_path(root: Path, name: str, at_ms: int) -> Path:
    return root / "superseded" / "facts" / name / f"{_day(at_ms)}.parquet"


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"


def _read(path: Path, name: str) -> pl.DataFrame:
    from wattline_collector.ledger.books import conformed

    try:
        return conformed(pl.read_parquet(path), schema_of(name))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            "cannot be read; move it away, and what the books said before it is not known",
            path=path,
        ) from error
