"""The audit trail: one line for every time an hour was put into the books, chained by digests.

    ledger/chain/SYSTEM.jsonl

Each line names the SHA-256 of the line before it, so that none can be altered, left out or put in
between without every later one telling. It names the digest of the hour's control, which in turn
names those of the hour's entries, and those of its hourly sums and of the parts of it that were
lost, which figures are read from; and it holds the hour's totals, so that a restatement shows what
changed. Lines are only ever appended; an hour that is booked again is one more line. A day whose
hours have all settled is proved, and gets a line with one digest of all its files: it stands until
a line of one of its hours follows. The digest of the last line stands for all of them: a site that
publishes it can no longer rewrite its past.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from wattline_agents.errors import InputError
from wattline_collector.store.log import NotDurable, make_directory, sync_directory

RULES = 1
"""Raised when the same evidence is booked otherwise than by the program before."""

PROOF = 1
"""Raised when more of a day is proved than by the program before: then days are proved again."""

FORMAT = 1
"""Of the lines; the first of them says it."""

NOTHING = "0" * 64
"""What stands in the first line for the digest of the line before."""

SETTLED_MS = 3_600_000
"""An hour enters the chain this long after its end: before, rows that are on their way, ends of
jobs and neighbouring hours still change it as a matter of course."""

_TAIL_BYTES = 64 * 1024
"""Read from the end to find the last line, which is a hundredth of it."""

_NUMBERS = frozenset({int, float, type(None)})
"""Kinds of what a sum may be."""

Sums = Mapping[str, Mapping[str, Sequence[float | None]]]
"""Of an hour: `device` and `node` by account, [ms, J], and `tokens` by kind, [tokens]."""


class Why(StrEnum):
    """Why an hour was put into the books, or again."""

    BOOKED = "booked"
    ADOPTED = "adopted"
    LATE = "late-data"
    OUTAGES = "outages-changed"
    SCHEDULER = "scheduler-statement-changed"
    ASSIGNMENT = "assignment-changed"
    JOB = "job-changed"
    RULES = "rules-changed"
    MISSING = "files-missing"
    ASKED = "asked-for"
    AGAIN = "booked-again"


MEANING = {
    Why.BOOKED: "booked for the first time",
    Why.ADOPTED: "booked before there was a chain",
    Why.LATE: "late data",
    Why.OUTAGES: "the register of outages changed",
    Why.SCHEDULER: "the scheduler's statement changed",
    Why.ASSIGNMENT: "who held a device became known or changed",
    Why.JOB: "what is known of a job changed",
    Why.RULES: "the program's rules changed",
    Why.MISSING: "its files were gone",
    Why.ASKED: "asked for",
    Why.AGAIN: "booked again",
}
"""For people."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be written down of one hour.

    Attributes:
        hour_ms: Its start.
        control: SHA-256 of its control.
        latency: SHA-256 of its latencies; None where it has none.
        why: Why it was booked.
        sums: Its sums.
        hourly: Digest of its hourly sums, `day_digest`; None in a record of an earlier program.
        cuts: Digest of the parts of it that were lost in part, as far as they were known then;
            None where there were none.
    """

    hour_ms: int
    control: str
    latency: str | None
    why: tuple[str, ...]
    sums: Sums
    hourly: str | None = None
    cuts: str | None = None


@dataclass(frozen=True, slots=True)
class DaySeal:
    """What was found of a day whose hours have all settled.

    Attributes:
        day: Which day of UTC, `2026-11-01`.
        files: One digest of all files that the books had of it (`day_seal`), but for cuts, where
            all of them were proved to hold; None where they were not.
        cuts: The same of its cuts.
        proof: The `PROOF` by which that was found out.
    """

    day: str
    files: str | None
    cuts: str | None
    proof: int = PROOF


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a chain.

    Attributes:
        number: Its place, from 0.
        at_ms: When it was written.
        previous: Digest of the line before.
        digest: Of its own line.
        entry: The hour; None for the first line, and for one of a day.
        seal: The day; None for any other line.
        upto_ms: The newest hour that the chain had by then; None for the first line.
        rules: The program's rules by which the hour was booked.
        run_ms: When the booking began that it is of: one booking may come to an hour twice.
        adopted: Of the first line, how many hours were booked before there was a chain.
        cut: Bytes of an unfinished line that were cut off before it was written.
    """

    number: int
    at_ms: int
    previous: str
    digest: str
    entry: Entry | None
    seal: DaySeal | None
    upto_ms: int | None
    rules: int
    run_ms: int
    adopted: int
    cut: int

    @property
    def is_first(self) -> bool:
        """Whether it is the line that a chain begins with."""
        return self.entry is None and self.seal is None


class Chain:
    """The chain of one system. One process writes at a time; any number may read."""

    def __init__(self, path: Path) -> None:
        """A chain in that file; nothing is made until it is begun."""
        self.path = path

    @property
    def system(self) -> str:
        """Whose it is."""
        return self.path.stem

    def exists(self) -> bool:
        """Whether it was begun."""
        return self.path.exists()

    def lines(self) -> Iterator[bytes]:
        """Its finished lines, without their ends.

        Raises:
            InputError: It cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield line[:-1]
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path=self.path) from error

    def records(self) -> Iterator[Record]:
        """Its records in order, but for lines that are none: the audit names those.

        Raises:
            InputError: It cannot be read.
        """
        for line in self.lines():
            record = decode(line)
            if record is not None:
                yield record

    def last(self) -> Record | None:
        """The record of the newest line; None for an empty chain or one whose end is damaged.

        Raises:
            InputError: It cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                line = _last_line(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path=self.path) from error
        return None if line is None else decode(line)

    def unfinished(self) -> int:
        """Bytes behind the last finished line: of an append that was cut short."""
        try:
            with self.path.open("rb") as file:
                return file.seek(0, os.SEEK_END) - _whole(file)
        except FileNotFoundError:
            return 0

    def begin(self, at_ms: int, adopted: int = 0) -> None:
        """Write the first line.

        Args:
            at_ms: When.
            adopted: Hours that were booked before there was a chain.

        Raises:
            NotDurable: The disk did not take it.
        """
        made = not self.path.parent.is_dir()
        make_directory(self.path.parent)
        begin = {"format": FORMAT, "system": self.system, "adopted": adopted}
        self._write([{"n": 0, "at_ms": at_ms, "begin": begin}])
        sync_directory(self.path.parent)
        if made:
            sync_directory(self.path.parent.parent)

    def days(self) -> set[str]:
        """The days that it has a line of, by the rules of now; other lines are not taken apart.

        Raises:
            InputError: It cannot be read.
        """
        found = (decode(line) for line in self.lines() if b'"day":' in line)
        seals = (record.seal for record in found if record is not None)
        return {seal.day for seal in seals if seal is not None and seal.proof == PROOF}

    def append(
        self, entries: Sequence[Entry | DaySeal], at_ms: int, run_ms: int | None = None
    ) -> list[Record]:
        """Write down hours or days, durably, all or (after a crash) the first of them.

        Args:
            entries: The hours or days.
            at_ms: When; never before the line before.
            run_ms: When the booking began that they are of; just then if None.

        Returns:
            The records as they were written.

        Raises:
            NotDurable: The disk did not take them; they count as not written.
            InputError: The chain cannot be read.
        """
        last = self.last()
        if last is None:
            # A damaged end is the audit's to name; what comes after it must be told apart.
            number, upto, newest = sum(1 for _ in self.lines()), None, at_ms
            for known in self.records():
                upto, newest = _later(upto, known.upto_ms), max(newest, known.at_ms)
        else:
            number, upto, newest = last.number + 1, last.upto_ms, max(at_ms, last.at_ms)
        lines: list[dict[str, object]] = []
        for entry in entries:
            if isinstance(entry, Entry):
                upto = _later(upto, entry.hour_ms)
            lines.append(
                {
                    "n": number + len(lines), "at_ms": newest,
                    "run_ms": at_ms if run_ms is None else run_ms, "upto_ms": upto, **_said(entry),
                }
            )  # fmt: skip
        return self._write(lines)

    def _write(self, lines: Sequence[dict[str, object]]) -> list[Record]:
        """Append lines, each with the digest of the one before, in one write."""
        try:
            with self.path.open("a+b") as file:
                whole = _whole(file)
                cut = file.seek(0, os.SEEK_END) - whole
                if cut:
                    file.truncate(whole)
                before = _last_line(file)
                previous = NOTHING if before is None else digest(before)
                written = []
                for number, line in enumerate(lines):
                    said = {"cut": cut} if cut and not number else {}
                    written.append(_encode({**line, **said, "prev": previous}))
                    previous = digest(written[-1])
                try:
                    file.write(b"".join(line + b"\n" for line in written))
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    with suppress(OSError):
                        file.truncate(whole)
                    raise
        except OSError as error:
            raise NotDurable(f"{self.path}: cannot be written: {error.strerror}") from error
        return [record for line in written if (record := decode(line)) is not None]


def chain_path(root: Path, system: str) -> Path:
    """Where a system's chain stands, below the ledger's root."""
    return root / "chain" / f"{system}.jsonl"


def chains(root: Path) -> list[Chain]:
    """Every chain of a ledger, by system."""
    return [Chain(path) for path in sorted((root / "chain").glob("*.jsonl"))]


def digest(line: bytes) -> str:
    """The SHA-256 of a line, without its end."""
    return hashlib.sha256(line).hexdigest()


def _said(entry: Entry | DaySeal) -> dict[str, object]:
    """What a line says of an hour or a day."""
    if isinstance(entry, DaySeal):
        return {
            "day": entry.day, "proof": entry.proof, "files": entry.files, "cuts": entry.cuts,
        }  # fmt: skip
    return {
        "hour_ms": entry.hour_ms, "control": entry.control, "latency": entry.latency,
        "why": list(entry.why), "rules": RULES, "sums": entry.sums,
        **({} if entry.hourly is None else {"hourly": entry.hourly}),
        **({} if entry.cuts is None else {"cuts": entry.cuts}),
    }  # fmt: skip


def decode(line: bytes) -> Record | None:
    """A line as a record; None if it is none."""
    try:
        said = json.loads(line)
        begin = said.get("begin")
        entry = seal = None
        if "day" in said:
            seal = DaySeal(
                day=date.fromisoformat(said["day"]).isoformat(),
                files=None if said["files"] is None else str(said["files"]),
                cuts=None if said["cuts"] is None else str(said["cuts"]),
                proof=_whole_number(said["proof"]),
            )
        elif begin is None:
            entry = Entry(
                hour_ms=_whole_number(said["hour_ms"]),
                control=str(said["control"]),
                latency=None if said["latency"] is None else str(said["latency"]),
                why=tuple(str(why) for why in said["why"]),
                sums=_sums(said["sums"]),
                hourly=None if said.get("hourly") is None else str(said["hourly"]),
                cuts=None if said.get("cuts") is None else str(said["cuts"]),
            )
        return Record(
            number=_whole_number(said["n"]),
            at_ms=_whole_number(said["at_ms"]),
            previous=str(said["prev"]),
            digest=digest(line),
            entry=entry,
            seal=seal,
            upto_ms=None if begin is not None else _whole_number(said["upto_ms"]),
            rules=_whole_number(said.get("rules", 0)),
            run_ms=_whole_number(said.get("run_ms", said["at_ms"])),
            adopted=0 if begin is None else _whole_number(begin["adopted"]),
            cut=_whole_number(said.get("cut", 0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _sums(said: object) -> Sums:
    if not isinstance(said, dict) or not all(type(part) is dict for part in said.values()):
        raise TypeError("no sums")
    for part in said.values():
        for values in part.values():
            if type(values) is not list or not _NUMBERS.issuperset(map(type, values)):
                raise TypeError("no sums")
    return said


def _whole_number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("no whole number")
    return value


def _encode(line: Mapping[str, object]) -> bytes:
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode()


def _whole(file: BinaryIO) -> int:
    """Where the last finished line ends."""
    size = file.seek(0, os.SEEK_END)
    back = min(size, 1)
    file.seek(size - back)
    if file.read(back) in (b"", b"\n"):
        return size
    step = _TAIL_BYTES
    while True:
        start = max(0, size - step)
        file.seek(start)
        found = file.read(size - start).rfind(b"\n")
        if found >= 0 or start == 0:
            return start + found + 1 if found >= 0 else 0
        step *= 16


def _last_line(file: BinaryIO) -> bytes | None:
    """The last finished line, without its end."""
    whole = _whole(file)
    if not whole:
        return None
    step = _TAIL_BYTES
    while True:
        start = max(0, whole - step)
        file.seek(start)
        data = file.read(whole - 1 - start)
        found = data.rfind(b"\n")
        if found >= 0 or start == 0:
            return data[found + 1 :]
        step *= 16


def _later(one: int | None, other: int | None) -> int | None:
    told = [each for each in (one, other) if each is not None]
    return max(told, default=None)
