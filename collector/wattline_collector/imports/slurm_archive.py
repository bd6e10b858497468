"""Archives of what schedulers accounted: read in pieces, stored as rows, summed from the store.

An archive has no devices, so nothing of it is booked to any; its jobs stand in the store beside
those that are followed live. It is read twice: once for its digest, by which importing it again is
known, and once for its rows. Neither holds more of it than some ten thousand records.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import polars as pl

from wattline_agents.catalogue import ACCOUNTING, TABLES
from wattline_agents.errors import InputError, UsageError
from wattline_collector.imports import files
from wattline_collector.imports.recording import Batch
from wattline_collector.imports.summary import counted
from wattline_collector.jobs.accounts import Damage, accounts
from wattline_collector.jobs.encode import bodies
from wattline_collector.jobs.restarts import KNOWN, LINES, each_line, known_of, numbered
from wattline_collector.store.store import Store

NODE = "slurm"
"""The sender of what schedulers say; no node has such rows."""
_SHOWN = 5
"""Damaged records that are named one by one."""
_READ_BYTES = 1 << 20

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of a file.

    Attributes:
        records: `accounts.RAW` and `line`.
        nodes: Rows of table `node_state`, if the file has any.
    """

    records: pl.DataFrame
    nodes: pl.DataFrame | None = None


class Source(Protocol):
    """One file of an archive."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    @property
    def has_steps(self) -> bool:
        """Whether what stands behind a dot of an id is a step."""
        ...

    def field(self, raw: str) -> str:
        """What this file calls one of `accounts.RAW`."""
        ...

    def pieces(self, set_aside: Callable[[Damage, str], None]) -> Iterator[Piece]:
        """All of it, in order; what is no record is set aside."""
        ...


@dataclass(slots=True)
class SetAside:
    """Records that could not be used.

    Attributes:
        stream: Where they are written for people to mend; None: they are only counted.
        count: How many.
        shown: The first of them, as `FILE:LINE: FIELD: REASON`.
    """

    stream: IO[str] | None = None
    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, source: Source, damage: Damage, text: str) -> None:
        """One more."""
        name = source.field(damage.field) if damage.field else None
        message = str(InputError(damage.reason, path=source.path, line=damage.line, field=name))
        self.count += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(message)
        if self.stream is not None:
            self.stream.write(f"# {message}\n{text}\n" if text else f"# {message}\n")


@dataclass(slots=True)
class Counts:
    """What was found."""

    records: int = 0
    steps: int = 0
    lone_steps: int = 0
    node_states: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    states: Counter[str] = field(default_factory=Counter)
    gpu_jobs: int = 0
    never_started: int = 0
    again: int = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Some jobs more."""
        self.records += rows.height
        if rows.is_empty():
            return
        for state, count in rows["state"].fill_null("unknown").value_counts().iter_rows():
            self.states[state] += count
        self.gpu_jobs += int((rows["gpus"] > 0).sum())
        self.never_started += rows["start_unix_ms"].null_count()
        first, last = rows.select(
            pl.col("time_unix_ms").min(), pl.col("time_unix_ms").max().alias("last")
        ).row(0)
        self.first_ms = first if self.first_ms is None else min(first, self.first_ms)
        self.last_ms = last if self.last_ms is None else max(last, self.last_ms)


@dataclass(slots=True)
class Archive:
    """What is imported: files of one kind, as one source.

    Attributes:
        system: The system they are stored as.
        source: Names them by their content and how they are read.
        sources: The files.
        zone: Of times that name none.
        now_ms: What lies more than a day after is no time.
        known: `restarts.KNOWN`: runs of job ids that the system has already.
        progress: Is told how far it is.
        counts: What was found so far.
        set_aside: What could not be used.
        notes: What a person must know; whole when all batches were given.
    """

    system: str
    source: str
    sources: Sequence[Source]
    zone: str
    now_ms: int
    known: pl.DataFrame
    progress: Progress
    set_aside: SetAside
    counts: Counts = field(default_factory=Counts)
    notes: list[str] = field(default_factory=list)
    _lines: pl.DataFrame = field(default_factory=LINES.to_frame)
    _top: int = field(init=False)

    def __post_init__(self) -> None:
        """Look up the highest id that is known."""
        numbers = self.known["id"].cast(pl.Int64, strict=False)
        self._top = int(numbers.max() or 0)  # type: ignore[arg-type]

    def batches(self) -> Iterator[Batch]:
        """The jobs, and states of nodes where a file has them.

        Raises:
            InputError: No record of any file could be read.
        """
        for source in self.sources:
            for piece in source.pieces(partial(self.set_aside.add, source)):
                yield from self._of(source, piece)
        found = self.counts
        if self.set_aside.count and not (found.records or found.steps or found.node_states):
            raise InputError(f"no record can be used; the first: {self.set_aside.shown[0]}")
        self._note()

    def _of(self, source: Source, piece: Piece) -> Iterator[Batch]:
        typed = accounts(piece.records, self.zone, self.now_ms, steps=source.has_steps)
        if typed.damaged:
            texts = _texts(piece.records, [damage.line for damage in typed.damaged])
            for damage in typed.damaged:
                self.set_aside.add(source, damage, texts.get(damage.line, ""))
        self.counts.steps += typed.steps
        self.counts.lone_steps += typed.lone_steps
        if source.has_steps:
            rows = numbered(typed.rows, self._known_among(typed.rows))
            self.known = pl.concat([self.known, known_of(rows)])
        else:
            rows, self._lines, again = each_line(typed.rows, self._lines)
            self.counts.again += again
        self.counts.add(rows)
        self.progress(f"{source.path.name}: {self.counts.records:,} jobs")
        yield from self._batches("accounting", rows)
        if piece.nodes is not None:
            self.counts.node_states += piece.nodes.height
            yield from self._batches("node_state", piece.nodes)

    def _known_among(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What is known of ids that may have come before: Slurm counts them up, as files do.

        Looking every id up among millions would take longer than all the rest.
        """
        numbers = rows["job"].cast(pl.Int64, strict=False)
        top, self._top = self._top, max(self._top, int(numbers.max() or 0))  # type: ignore[arg-type]
        old = rows.filter((numbers <= top).fill_null(True)).select(pl.col("job").alias("id"))
        return self.known.clear() if old.is_empty() else self.known.join(old, on="id", how="semi")

    def _batches(self, table: str, rows: pl.DataFrame) -> Iterator[Batch]:
        for count, body in bodies(TABLES[table], rows):
            yield Batch(NODE, table, 0, count, body)

    def _note(self) -> None:
        aside, found = self.set_aside, self.counts
        if aside.count:
            more = aside.count - len(aside.shown)
            self.notes.append(f"set aside: {counted(aside.count, 'damaged record')}")
            self.notes += [f"  {line}" for line in aside.shown]
            self.notes += [f"  and {more:,} more; --set-aside FILE writes them all"] * (more > 0)
        if found.lone_steps:
            steps = counted(found.lone_steps, "step")
            self.notes.append(f"left out: {steps} of jobs that are not in the file")
        if found.again:
            lines = counted(found.again, "line")
            self.notes.append(f"{lines} with the id of an earlier one, each a job of its own")
        if unknown := found.states["unknown"]:
            self.notes.append(f"in a state this program does not know: {counted(unknown, 'job')}")
        if found.records > found.never_started and not found.gpu_jobs:
            self.notes.append(
                "no job names a device; Slurm lists them only where AccountingStorageTRES in "
                "slurm.conf has gres/gpu"
            )

    def close(self) -> None:
        """Let go of what was set aside."""
        if self.set_aside.stream is not None:
            self.set_aside.stream.close()


def _texts(records: pl.DataFrame, lines: Sequence[int]) -> dict[int, str]:
    """What can be shown of records by their line: their fields, between bars."""
    named = records.filter(pl.col("line").is_in(list(lines)))
    columns = [name for name in named.columns if name != "line"]
    joined = pl.concat_str([pl.col(name).fill_null("") for name in columns], separator="|")
    return dict(named.select("line", joined.str.replace_all(r"[\r\n]", " ")).iter_rows())


def digest(format: str, paths: Sequence[Path], read_as: object, progress: Progress) -> str:
    """A name for files by their content and how they are read."""
    found = hashlib.sha256(repr(read_as).encode())
    for path in paths:
        with files.opened(path) as stream:
            while block := stream.read(_READ_BYTES):
                found.update(block)
                progress(f"reading {path.name}")
        found.update(b"\0")
    return f"{format}-{found.hexdigest()[:16]}"


def known_runs(path: Path, system: str) -> pl.DataFrame:
    """The runs of job ids that a system has already, so that restarts go on being told apart.

    Returns:
        `restarts.KNOWN`; empty where there is no store yet.
    """
    try:
        store = Store.open(path, write=False)
    except UsageError:
        return KNOWN.to_frame()
    with store:
        columns = ("system", "job", "submit_unix_ms", "restarts")
        rows = store.rows(ACCOUNTING.name, 0, 2**62, columns)
    return pl.concat([KNOWN.to_frame(), known_of(rows.filter(pl.col("system") == system))])


def opened_to_write(path: Path | None) -> IO[str] | None:
    """The file that damaged records are written to.

    Raises:
        UsageError: It is there already, or cannot be made.
    """
    if path is None:
        return None
    try:
        return path.open("x", encoding="utf-8", errors="backslashreplace")
    except FileExistsError:
        raise UsageError(f"--set-aside: {path} is there already; choose another name") from None
    except OSError as error:
        raise UsageError(f"--set-aside: {path}: {error.strerror}") from error
