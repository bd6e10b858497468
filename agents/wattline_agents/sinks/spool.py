"""Where batches wait until the collector has them: bounded, in order, and honest about losses.

One directory, one file per batch; `ls` shows what waits:

    0000000000000017.batch      the oldest goes first
    0000000000000018.1.batch    the second half of a batch that was too large
    refused/                    the newest of what the collector would not take, with its reason
    lock                        held while an agent uses the directory

A batch that was appended survives the agent and its restart; it keeps the boot and sequence it was
made with, so that the collector knows it if it had it already. Files are not flushed to the disk
one by one: a power cut costs the last seconds, as it does without a spool.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import UsageError, WireError
from wattline_agents.sinks.batch import Batch
from wattline_agents.sinks.disk import DiskTrouble
from wattline_agents.sinks.journal import LOSS, FileJournal, Journal, NoJournal

_SUFFIX = ".batch"
_MOST_FILES = 100_000
"""A bound on directory entries, for spools of many tiny batches."""
_MOST_REFUSED = 64
"""Enough to see what is wrong; the count goes on."""


class Spool(Protocol):
    """Batches in order, oldest first; `dropped` and `refused` only ever grow.

    Attributes:
        dropped: Batches that are lost.
        refused: Batches that were set aside for good.
        journal: Where the batches that still fill up are written down.
    """

    dropped: int
    refused: int
    journal: Journal

    @property
    def size_bytes(self) -> int:
        """Bytes waiting."""
        ...

    def __len__(self) -> int:
        """Batches waiting."""
        ...

    def append(self, batch: Batch) -> None:
        """Add one at the end; while there is no room, the oldest is dropped and counted."""
        ...

    def first(self) -> Batch | None:
        """The oldest, which stays until `remove_first`."""
        ...

    def remove_first(self) -> None:
        """The oldest was delivered."""
        ...

    def replace_first(self, halves: tuple[Batch, Batch]) -> None:
        """Put two in the place of the oldest."""
        ...

    def refuse_first(self, reason: str) -> None:
        """Set the oldest aside for good; it is never sent again."""
        ...

    def close(self) -> None:
        """Leave what waits for the next run, where that is possible."""
        ...


class MemorySpool:
    """A spool that lasts as long as the process, for agents without a directory of their own."""

    def __init__(self, most_bytes: int) -> None:
        """Make it empty."""
        self.dropped = 0
        self.refused = 0
        self.journal: Journal = NoJournal()
        self._most_bytes = most_bytes
        self._batches: deque[Batch] = deque()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """Bytes waiting."""
        return self._bytes

    def __len__(self) -> int:
        """Batches waiting."""
        return len(self._batches)

    def append(self, batch: Batch) -> None:
        """Add one at the end; while there is no room, the oldest is dropped and counted."""
        while self._batches and self._bytes + batch.size > self._most_bytes:
            self.remove_first()
            self.dropped += 1
        if batch.size > self._most_bytes:
            self.dropped += 1
            return
        self._batches.append(batch)
        self._bytes += batch.size

    def first(self) -> Batch | None:
        """The oldest, which stays until `remove_first`."""
        return self._batches[0] if self._batches else None

    def remove_first(self) -> None:
        """The oldest was delivered."""
        self._bytes -= self._batches.popleft().size

    def replace_first(self, halves: tuple[Batch, Batch]) -> None:
        """Put two in the place of the oldest."""
        self.remove_first()
        self._batches.extendleft(reversed(halves))
        self._bytes += sum(half.size for half in halves)

    def refuse_first(self, reason: str) -> None:
        """Forget the oldest, and count it."""
        self.remove_first()
        self.refused += 1

    def close(self) -> None:
        """What still waits is lost with the process, and counts as dropped."""
        self.dropped += len(self._batches)
        self._batches.clear()
        self._bytes = 0


class DirectorySpool:
    """A spool on disk."""

    def __init__(
        self,
        path: Path,
        most_bytes: int,
        say: Callable[[str], None] = lambda message: None,
        clock: Clock | None = None,
    ) -> None:
        """Open a directory, made if it is not there, with whatever still waits in it.

        Args:
            path: The directory.
            most_bytes: How much may wait in it.
            say: Takes the few lines meant for a person.
            clock: Where time comes from.

        Raises:
            UsageError: It cannot be used, or another agent uses it.
        """
        self._trouble = DiskTrouble(f"spool {path}", clock or SystemClock(), say)
        self._unwritten = 0
        self.journal: Journal = FileJournal(path / "journal", self._trouble)
        self._path, self._most_bytes = path, most_bytes
        self._refused_path = path / "refused"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refused_path.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(path / "lock")
            self._counts = os.open(path / "counts", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.dropped, self.refused, was_killed = _parsed_counts(os.pread(self._counts, 200, 0))
            self._waiting = self._found()
        except OSError as error:
            raise UsageError(f"spool {path}: {error.strerror or error}") from error
        self._bytes = sum(size for _, size in self._waiting)
        last = self._waiting[-1][0] if self._waiting else (0,)
        self._next = last[0] + 1
        self._count(dropped=int(was_killed))

    @property
    def size_bytes(self) -> int:
        """Bytes waiting."""
        return self._bytes

    def __len__(self) -> int:
        """Batches waiting."""
        return len(self._waiting)

    def append(self, batch: Batch) -> None:
        """Add one at the end; while there is no room, the oldest is dropped and counted.

        A disk that takes nothing counts as no room.
        """
        content = batch.to_file()
        while self._waiting and (
            self._bytes + len(content) > self._most_bytes or len(self._waiting) >= _MOST_FILES
        ):
            # Counted first: killed in between, we count one too many rather than one too few.
            self._count(dropped=1)
            self.remove_first()
        number = (self._next,)
        self._next += 1
        if len(content) > self._most_bytes or not self._write(number, content):
            self._count(dropped=1)
            return
        self._waiting.append((number, len(content)))
        self._bytes += len(content)

    def first(self) -> Batch | None:
        """The oldest that can be read, which stays until `remove_first`."""
        while self._waiting:
            path = self._file(self._waiting[0][0])
            try:
                return Batch.from_file(path.read_bytes())
            except WireError as error:
                self.refuse_first(str(error))
            except OSError:
                # Someone took the file away; what was in it can no longer be sent.
                self._count(dropped=1)
                self.remove_first()
        return None

    def remove_first(self) -> None:
        """The oldest was delivered."""
        number, size = self._waiting.popleft()
        self._bytes -= size
        self._file(number).unlink(missing_ok=True)

    def replace_first(self, halves: tuple[Batch, Batch]) -> None:
        """Put two in the place of the oldest."""
        number, _ = self._waiting[0]
        written = []
        for place, half in enumerate(halves):
            content = half.to_file()
            if self._write((*number, place), content):
                written.append(((*number, place), len(content)))
            else:
                self._count(dropped=1)
        self.remove_first()
        self._waiting.extendleft(reversed(written))
        self._bytes += sum(size for _, size in written)

    def refuse_first(self, reason: str) -> None:
        """Set the oldest aside for good; only the newest few are kept to be looked at."""
        self._count(refused=1)
        number, size = self._waiting.popleft()
        self._bytes -= size
        path = self._file(number)
        try:
            kept = sorted(self._refused_path.glob(f"*{_SUFFIX}"), key=lambda file: file.name)
            for old in kept[: max(0, len(kept) - _MOST_REFUSED + 1)]:
                old.unlink(missing_ok=True)
                old.with_suffix(".reason").unlink(missing_ok=True)
            path.rename(self._refused_path / path.name)
            note = json.dumps({"reason": reason[:500]}) + "\n"
            (self._refused_path / path.name).with_suffix(".reason").write_text(note)
        except OSError:
            path.unlink(missing_ok=True)  # keeping it is a courtesy; sending it again is not wanted

    def close(self) -> None:
        """Leave what waits for the next run."""
        self._count(is_open=False)
        os.close(self._counts)
        self._lock.close()

    def _count(self, dropped: int = 0, refused: int = 0, *, is_open: bool = True) -> None:
        self.dropped += dropped
        self.refused += refused
        with suppress(OSError):  # a disk that is full; what is in memory still counts
            os.pwrite(self._counts, _counts(self.dropped, self.refused, is_open), 0)

    def _found(self) -> deque[tuple[tuple[int, ...], int]]:
        waiting = []
        for entry in os.scandir(self._path):
            if entry.name.endswith(".tmp"):
                os.unlink(entry.path)  # was being written when the agent before this one ended
            elif (number := _number(entry.name)) is not None:
                waiting.append((number, entry.stat().st_size))
        return deque(sorted(waiting))

    def _file(self, number: tuple[int, ...]) -> Path:
        first, *rest = number
        return self._path / (".".join([f"{first:016d}", *map(str, rest)]) + _SUFFIX)

    def _write(self, number: tuple[int, ...], content: bytes) -> bool:
        path = self._file(number)
        temporary = path.with_suffix(".tmp")
        try:
            temporary.write_bytes(content)
            temporary.rename(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            self._unwritten += 1
            self._trouble.failed(error.strerror or str(error), LOSS)
            return False
        self._trouble.worked(f"{self._unwritten} batches were dropped since the start")
        return True


def _counts(dropped: int, refused: int, is_open: bool) -> bytes:
    """One line of fixed length, so that it is replaced in one write."""
    return b"%020d dropped %020d refused %d open\n" % (dropped, refused, is_open)


def _parsed_counts(line: bytes) -> tuple[int, int, bool]:
    """Dropped, refused, and whether the agent that wrote it never closed its spool."""
    words = line.split()
    if len(words) != 6 or not (words[0].isdigit() and words[2].isdigit()):
        return 0, 0, False
    return int(words[0]), int(words[2]), words[4] == b"1"


def _number(name: str) -> tuple[int, ...] | None:
    if not name.endswith(_SUFFIX):
        return None
    parts = name.removesuffix(_SUFFIX).split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else None


def _locked(path: Path) -> IO[str]:
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(20).strip()
        file.close()
        raise UsageError(
            f"spool {path.parent}: in use by process {holder or '?'}; "
            "end it, or choose another directory with --spool"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
