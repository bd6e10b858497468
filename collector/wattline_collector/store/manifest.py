"""What is sealed: one JSON line per step, and the line is the step's commit point.

A file that no line names does not exist for a reader, and is removed by the next writer. A last
line without its newline was never finished and counts as not written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from wattline_agents.errors import InputError
from wattline_collector.store import filenames
from wattline_collector.store.log import NotDurable, sync_directory, truncate
from wattline_collector.store.seen import Entry, Seen


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed file: rows of one table and one UTC day.

    Attributes:
        file: Relative to the store.
        table: Its table.
        day: As in its path.
        rows: How many.
        bytes: Its size.
        first_ms: The least `time_unix_ms`.
        last_ms: The greatest.
        sha256: Of the file.
        order: The log its oldest row came by; of two rows with one key the lower order is kept.
    """

    file: str
    table: str
    day: str
    rows: int
    bytes: int
    first_ms: int
    last_ms: int
    sha256: str
    order: int


@dataclass(slots=True)
class Contents:
    """All the manifest says."""

    segments: list[Segment] = field(default_factory=list)
    sealed: set[int] = field(default_factory=set)
    seen: Seen = field(default_factory=Seen)
    unbooked: set[tuple[str, int]] = field(default_factory=set)


Line = Mapping[str, object]


def seal_line(
    log: int, segments: Iterable[Segment], seen: list[Entry], touched: Iterable[tuple[str, int]]
) -> Line:
    """A log became these segments, and these hours wait to be booked, beside those that do."""
    return {
        "seal": log,
        "segments": [asdict(segment) for segment in segments],
        "seen": seen,
        "touched": sorted(touched),
    }


def merge_line(segments: Iterable[Segment], instead_of: Iterable[Segment]) -> Line:
    """Segments were written together as others."""
    return {
        "merge": [segment.file for segment in instead_of],
        "segments": [asdict(segment) for segment in segments],
    }


def booked_line(booked: Iterable[tuple[str, int]]) -> Line:
    """These hours wait no longer."""
    return {"booked": sorted(booked)}


def append(path: Path, line: Line) -> None:
    """Write a line durably.

    Raises:
        NotDurable: The disk did not take it; the line counts as not written.
    """
    data = (json.dumps(line, separators=(",", ":")) + "\n").encode()
    try:
        with path.open("r+b") as file:
            # What a try before left unfinished, on a disk that was full, is written over.
            before = _whole(file)
            file.truncate(before)
            file.seek(before)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise NotDurable(f"{path}: cannot be written: {error.strerror}") from error


def _whole(file: BinaryIO) -> int:
    """Where the last finished line ends."""
    size = file.seek(0, os.SEEK_END)
    back = min(size, 1)
    file.seek(size - back)
    if file.read(back) in (b"", b"\n"):
        return size
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def rewrite(path: Path, contents: Contents) -> None:
    """Say the same in one line; for a store without sealed logs left on disk."""
    newest = max(contents.sealed, default=0)
    line = seal_line(newest, contents.segments, contents.seen.entries(), contents.unbooked)
    unfinished = path.with_suffix(filenames.UNFINISHED_SUFFIX)
    unfinished.touch()
    append(unfinished, line)
    unfinished.replace(path)
    sync_directory(path.parent)
    contents.sealed = {newest}


def load(path: Path, *, repair: bool) -> Contents:
    """Read it all.

    Args:
        path: The file; a missing one is an empty store's.
        repair: Cut an unfinished last line off.

    Raises:
        InputError: A line other than an unfinished last one cannot be read.
    """
    contents = Contents()
    if not path.exists():
        return contents
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data) and repair:
        truncate(path, whole)
    for number, text in enumerate(data[:whole].splitlines(), 1):
        try:
            _apply(contents, json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                "damaged; restore it from a copy, or move the store away and start a new one",
                path=path,
                line=number,
            ) from error
    return contents


def _apply(contents: Contents, line: dict[str, object]) -> None:
    if "merge" in line:
        gone = set(_list(line["merge"]))
        contents.segments = [s for s in contents.segments if s.file not in gone]
    contents.segments += [Segment(**segment) for segment in _list(line.get("segments", []))]
    if "seal" in line:
        contents.sealed.add(int(str(line["seal"])))
        contents.seen.merge(_list(line["seen"]))
    if "unbooked" in line:
        # An earlier program said with every line again what waits.
        contents.unbooked = _hours(line["unbooked"])
    contents.unbooked |= _hours(line.get("touched", []))
    contents.unbooked -= _hours(line.get("booked", []))


def _hours(value: object) -> set[tuple[str, int]]:
    return {(system, hour) for system, hour in _list(value)}


def _list(value: object) -> list:  # type: ignore[type-arg]  # of whatever JSON holds there
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value
