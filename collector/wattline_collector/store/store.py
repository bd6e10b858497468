"""The store: a directory that takes batches in, keeps them, and gives rows back.

    append ──► memory (window) ──► commit ──► log/N.log ──► seal ──► raw/TABLE/DAY/N.parquet
                                                              └────► manifest.jsonl (commit point)

Threads. Appends come from one thread (the service's writer, or an importer), seals and reads from
others. Three locks, always taken in this order:

- `_sealing`: one seal or merge at a time; held for as long as it takes, and nothing else waits for
  it.
- `_file`: the log file: a write with its fsync, or the change to the next log.
- `_state`: what is in memory: windows, segments, what was seen, what is dirty. Held for a few
  dictionary operations, never across I/O, so an append never waits for a disk.

A reader copies the lists of segments and chunks under `_state` and works on the copies: chunks and
files never change once they are there. A merge removes files a reader may still have listed; the
reader then lists again.

What survives a kill at any moment. A batch is answered only after `commit`, which returns when the
log's fsync did. Sealing goes to the next log first, writes the files of the old one under names
made from its number, then one manifest line, then removes the old log. Killed before the line, the
log is still there and the files are orphans, replaced by the next try; killed after it, the log is
known to be sealed and is removed at the next start. Either way each batch is there once.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from wattline_agents.catalogue import TABLES, Table
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import InputError, UsageError, WireError
from wattline_agents.wire import Header, checked_name, table_named
from wattline_collector.receive import decode
from wattline_collector.store import filenames, hours, log, manifest, segments
from wattline_collector.store.refused import Refused
from wattline_collector.store.window import Chunk, Gathered, Nodes, Window, labelled

Watcher = Callable[[str, Chunk], None]
"""Is given every table's new rows."""

_CLOCK = SystemClock()
_MERGE = 16
"""Segments of one day and table that are merged: a query opens fewer files than this per day."""
_MANIFEST_BYTES = 4 * 1024 * 1024
"""A longer manifest is written anew when the store is opened: a month of a small system."""
_REPLAY_BATCHES = 1024
"""Batches typed at once when a log is read back."""


class Store:
    """A store that is open. `Store.open` makes one."""

    def __init__(self, path: Path, *, writable: bool, clock: Clock) -> None:
        """Used by `open`."""
        self.path = path
        self.writable = writable
        self.clock = clock
        self.problems: list[str] = []
        """What recovery found damaged, one line each."""
        self.watchers: list[Watcher] = []
        self._sealing = threading.Lock()
        self._file = threading.RLock()
        self._state = threading.RLock()
        self._lock_file: int | None = None
        self._log: log.LogFile | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._unsealed_bytes = 0
        self._windows: list[Window] = []
        self._dirty: set[tuple[str, int]] = set()
        self._taken: set[tuple[str, int]] = set()
        self._contents = manifest.Contents()
        self._seen = self._contents.seen
        """Of all batches, sealed or not; each window knows its own for its line in the manifest."""
        self._refused = Refused(path / filenames.REFUSED_DIR)

    # Opening and closing

    @classmethod
    def open(cls, path: Path, *, write: bool, clock: Clock = _CLOCK) -> Store:
        """Open the store in a directory.

        Args:
            path: The directory; made if missing and `write`.
            write: Take batches in. One process at a time may; readers need no permission from it.
            clock: For what counts as the future.

        Raises:
            UsageError: There is no store and `write` is false, another process writes to it, or it
                was made by a newer program.
            InputError: The manifest is damaged.
        """
        if not write and not (path / filenames.FORMAT).exists():
            raise UsageError(f"{path} holds no store; `wattline import` or `wattline up` makes one")
        store = cls(path, writable=write, clock=clock)
        if write:
            try:
                log.make_directory(path)
            except OSError as error:
                raise UsageError(f"{path}: cannot be made: {error.strerror}") from error
            store._take_lock()
        try:
            store._recover()
        except BaseException:  # however opening ended, the lock must not outlive it
            store._release_lock()
            raise
        return store

    def close(self) -> None:
        """Commit what is appended and let go; nothing is sealed."""
        if self.writable and self._log is not None:
            self.commit()
            with self._file:
                self._log.close()
                self._log = None
            self._release_lock()

    def __enter__(self) -> Store:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _take_lock(self) -> None:
        try:
            file = os.open(self.path / filenames.LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be written: {error.strerror}") from error
        try:
            # flock and not lockf: a lockf lock goes when any descriptor of the file is closed.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise UsageError(
                f"{self.path} is being written by process {pid}; "
                "end it first, or send batches to it over HTTP"
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._lock_file = file

    def _release_lock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    # Recovery

    def _recover(self) -> None:
        self._check_format()
        log_dir = self.path / filenames.LOG_DIR
        if self.writable:
            log.make_directory(log_dir)
        # Logs are read before the manifest: a log that the writer seals in between is then
        # either still in our hands or named by the manifest, never neither.
        logs = _logs(log_dir)
        self._contents = manifest.load(self._manifest, repair=self.writable)
        self._seen = self._contents.seen
        for number in sorted(logs):
            if number in self._contents.sealed:
                if self.writable:
                    (log_dir / filenames.log_name(number)).unlink()
                continue
            self._replay(number, logs[number])
        if not self.writable:
            return
        self._dirty |= self._contents.unbooked
        self._remove_orphans()
        if self._manifest.stat().st_size > _MANIFEST_BYTES:
            manifest.rewrite(self._manifest, self._contents)
        newest = max([*logs, *self._contents.sealed, 0])
        self._start_log(newest + 1)

    def _check_format(self) -> None:
        path = self.path / filenames.FORMAT
        if self.writable and not path.exists():
            unfinished = path.with_suffix(filenames.UNFINISHED_SUFFIX)
            unfinished.write_text(filenames.FORMAT_LINE)
            unfinished.replace(path)
            self._manifest.touch()
            log.sync_directory(self.path)
            return
        line = path.read_text(errors="replace")
        if line != filenames.FORMAT_LINE:
            raise UsageError(
                f"{path}: {line.strip()[:60]!r}, and this program knows only "
                f"{filenames.FORMAT_LINE.strip()!r}; use the program that made the store"
            )

    @property
    def _manifest(self) -> Path:
        return self.path / filenames.MANIFEST

    def _replay(self, number: int, data: bytes) -> None:
        path = self.path / filenames.LOG_DIR / filenames.log_name(number)
        window = Window(number)
        groups: dict[decode.Shape, list[tuple[log.Record, decode.Decoded]]] = {}
        for found in log.scan(data):
            if isinstance(found, int):
                if found < len(data) and self.writable:
                    log.truncate(path, found)
                window.bytes = found
                self._unsealed_bytes += found
            elif isinstance(found, log.Damage):
                self._set_aside(number, found)
            elif found.header not in self._seen:
                try:
                    decoded = decode.decode(table_named(found.table), found.body)
                except WireError as error:
                    # It was accepted once, so this program knows less than the one that did.
                    self._set_aside(number, log.Damage(found.offset, found.body), str(error))
                    continue
                window.seen.add(found.header)
                self._seen.add(found.header)
                group = groups.setdefault(decoded.shape, [])
                group.append((found, decoded))
                if len(group) == _REPLAY_BATCHES:
                    self._replay_group(window, group)
                    group.clear()
        for group in groups.values():
            if group:
                self._replay_group(window, group)
        if window.spans:
            self._windows.append(window)
        elif self.writable:
            path.unlink()

    def _replay_group(
        self, window: Window, group: Sequence[tuple[log.Record, decode.Decoded]]
    ) -> None:
        shape = group[0][1].shape
        rows = decode.typed(shape, [batch for _, decoded in group for batch in decoded.batches])
        senders = [(record.header, decoded.rows) for record, decoded in group]
        self._take_in(window, shape.table, Chunk.of(senders, decode.without_nan(rows)))

    def _set_aside(self, number: int, damage: log.Damage, why: str = "failed its checksum") -> None:
        name = f"{number:08d}-{damage.offset}"
        self.problems.append(
            f"log {number}: {len(damage.data)} bytes at {damage.offset}: {why}; "
            f"kept as {filenames.CORRUPT_DIR}/{name}"
        )
        if self.writable:
            path = self.path / filenames.CORRUPT_DIR
            path.mkdir(exist_ok=True)
            (path / name).write_bytes(damage.data)

    def _remove_orphans(self) -> None:
        known = {segment.file for segment in self._contents.segments}
        raw = self.path / filenames.RAW_DIR
        for path in raw.glob("*/*/*"):
            if path.relative_to(self.path).as_posix() not in known:
                path.unlink()

    def _start_log(self, number: int) -> None:
        path = self.path / filenames.LOG_DIR / filenames.log_name(number)
        try:
            started = log.LogFile(path)
        except OSError as error:
            raise log.NotDurable(f"{path}: cannot be made: {error.strerror}") from error
        if self._log is not None:
            self._log.close()
        self._log = started
        with self._state:
            self._windows.append(Window(number))

    # Taking batches in

    def seen(self, header: Header) -> bool:
        """Whether a batch of this name is in already."""
        with self._state:
            return header in self._seen

    def append(self, header: Header, table: str, body: bytes, rows: pa.RecordBatch) -> bool:
        """Take one batch in; `commit` makes it durable.

        Args:
            header: Who sends it.
            table: Its table.
            body: As it came; this is what the log keeps.
            rows: The same, typed and checked.

        Returns:
            False if a batch of this name is in already; then nothing changes.
        """
        return self.append_many(table, [header], [body], [rows.num_rows], rows)[0]

    def append_many(
        self,
        table: str,
        headers: Sequence[Header],
        bodies: Sequence[bytes],
        counts: Sequence[int],
        rows: pa.RecordBatch,
    ) -> list[bool]:
        """Take batches of one table in together; one thread at a time may.

        Args:
            table: The table.
            headers: Who sends each.
            bodies: Each as it came.
            counts: Rows of each.
            rows: The rows of all, one batch under the other.

        Returns:
            For each, whether it was new.

        Raises:
            UsageError: The store was opened to read.
            WireError: A name in a header is none.
        """
        if not self.writable:
            raise UsageError(f"{self.path} was opened to read")
        records = [log.encode(table, h, b) for h, b in zip(headers, bodies, strict=True)]
        chunk = Chunk.of(zip(headers, counts, strict=True), rows)
        with self._state:
            new = self._new(headers)
            if not any(new):
                return new
            if not all(new):
                chunk = chunk.only(new)
                records = [record for record, is_new in zip(records, new, strict=True) if is_new]
            window = self._windows[-1]
            for header, _ in chunk.senders:
                window.seen.add(header)
                self._seen.add(header)
            self._pending += records
            size = sum(map(len, records))
            self._pending_bytes += size
            self._unsealed_bytes += size
            window.bytes += size
            self._take_in(window, table, chunk)
            waiting = window.waiting(table)
        if waiting:
            # Outside the lock: only appends change these lists, and they come from this thread.
            gathered = Gathered.of(waiting)
            with self._state:
                window.gathered(table, waiting, gathered)
        for watcher in self.watchers:
            watcher(table, chunk)
        return new

    def _new(self, headers: Sequence[Header]) -> list[bool]:
        new: list[bool] = []
        among: set[tuple[str, str, str, int]] = set()
        for header in headers:
            if not self._seen.knows(header):
                for name in (header.system, header.node, header.boot):
                    checked_name(name, "header")
            named = (header.system, header.node, header.boot, header.sequence)
            new.append(named not in among and header not in self._seen)
            among.add(named)
        return new

    def _take_in(self, window: Window, table: str, chunk: Chunk) -> None:
        window.add(table, chunk)
        touched = hours.touched(table, chunk)
        window.hours |= touched
        self._dirty |= touched

    def commit(self) -> None:
        """Make everything appended so far durable.

        Raises:
            NotDurable: The disk did not take it. Nothing is lost: it is tried again by the next
                commit, and until one succeeds nobody may be told that it is stored.
        """
        with self._file:
            with self._state:
                records, self._pending = self._pending, []
                self._pending_bytes = 0
            if not records:
                return
            if self._log is None:
                raise UsageError(f"{self.path} is closed")
            try:
                self._log.write(records)
            except log.NotDurable:
                with self._state:
                    self._pending = records + self._pending
                    self._pending_bytes = sum(map(len, self._pending))
                raise

    @property
    def uncommitted_bytes(self) -> int:
        """Bytes appended and not yet durable."""
        return self._pending_bytes

    @property
    def unsealed_bytes(self) -> int:
        """Bytes of log not yet sealed."""
        return self._unsealed_bytes

    def quarantine(self, header_text: str, body: bytes, reason: str) -> None:
        """Keep a refused batch for people to look at; only the latest few are kept, all counted."""
        self._refused.keep(header_text, body, reason)

    @property
    def refused_total(self) -> int:
        """Batches refused since the store was opened."""
        return self._refused.total

    # Sealing

    def seal(self) -> None:
        """Turn what is in the log into segments. Appends go on meanwhile, into the next log.

        Raises:
            NotDurable: The disk did not take it; the log stays, and the next seal tries again.
        """
        with self._sealing:
            with self._file:
                self.commit()
                if self._windows[-1].spans:
                    # What is appended just here is in this window and in the next log. That is
                    # well: it is answered once that log is committed, and whichever of segment and
                    # log there is after a kill, the other's copy is known by its name.
                    self._start_log(self._windows[-1].log + 1)
                with self._state:
                    full = self._windows[:-1]
            for window in full:
                self._seal(window)

    def _seal(self, window: Window) -> None:
        made: list[manifest.Segment] = []
        try:
            for name in window.tables:
                table = TABLES[name]
                with self._state:
                    parts = window.parts(name)
                rows = pl.concat(map(pl.DataFrame, _tables(*parts)), how="diagonal")
                made += segments.write(self.path, table, segments.whole(table, rows), window.log)
        except OSError as error:
            raise log.NotDurable(f"{self.path}: cannot be written: {error.strerror}") from error
        with self._state:
            touched = (window.hours & (self._dirty | self._taken)) - self._contents.unbooked
        manifest.append(
            self._manifest,
            manifest.seal_line(window.log, made, window.seen.entries(), touched),
        )
        with self._state:
            self._contents.segments += made
            self._contents.sealed.add(window.log)
            self._contents.unbooked |= touched
            self._windows.remove(window)
            self._unsealed_bytes -= window.bytes
        (self.path / filenames.LOG_DIR / filenames.log_name(window.log)).unlink()

    def merge(self, least: int = _MERGE) -> None:
        """Write small neighbouring segments of a table and day as one, where there are many.

        Args:
            least: How many there must be.

        Raises:
            NotDurable: The disk did not take it; the segments stay as they were.
        """
        with self._sealing:
            days: dict[tuple[str, str], list[manifest.Segment]] = {}
            for segment in self._contents.segments:
                days.setdefault((segment.table, segment.day), []).append(segment)
            for (table, _), many in days.items():
                for run in segments.mergeable(many):
                    if len(run) >= least:
                        self._merge(TABLES[table], run)

    def _merge(self, table: Table, many: list[manifest.Segment]) -> None:
        # Named by the newest log among them, which is merged with older ones but once.
        part = f"-{len(many)}"
        try:
            rows = pl.concat(segments.read(self.path, table, many, 0, 2**62))
            made = segments.write(self.path, table, rows, many[-1].order, part)
        except OSError as error:
            raise log.NotDurable(f"{self.path}: cannot be written: {error.strerror}") from error
        manifest.append(self._manifest, manifest.merge_line(made, many))
        gone = {segment.file for segment in many}
        with self._state:
            kept = [s for s in self._contents.segments if s.file not in gone]
            self._contents.segments = kept + made
        for file in gone:
            (self.path / file).unlink()

    # Reading

    def read(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Rows of a table in a time, sealed and unsealed together.

        Args:
            table: Its name.
            start_ms: First time included.
            end_ms: First time after.

        Returns:
            `system`, `node`, `period_ms` and the table's columns, sorted by system, node, the
            table's key and time; one row for each of these, the first that came.
        """
        declared = table_named(table)
        frames = self._parts(declared, start_ms, end_ms, None)
        if not frames:
            return pl.DataFrame(schema=segments.schema(declared))
        return segments.in_order(declared, pl.concat(frames))

    def rows(
        self,
        table: str,
        start_ms: int,
        end_ms: int,
        columns: Collection[str],
        only: pl.Expr | None = None,
        sent_by: Nodes | None = None,
    ) -> pl.DataFrame:
        """Some columns of a table's rows in a time, in the order they came.

        For who sorts by other means than the names of things, which takes most of the time that
        `read` does. A row that was sent twice stands there twice, the first one first.

        Args:
            table: Its name.
            start_ms: First time included.
            end_ms: First time after.
            columns: Which.
            only: Of these rows alone, by `system`, `node` and the table's key.
            sent_by: Which nodes can have sent such rows; None: any. What others sent, and is not
                sealed yet, is then not looked at: of a large system it is millions of rows.
        """
        declared = table_named(table)
        frames = self._parts(declared, start_ms, end_ms, columns, only, sent_by)
        if not frames:
            return segments.whole(declared, pl.DataFrame(schema=segments.schema(declared)), columns)
        return pl.concat(frames)

    def _parts(
        self,
        declared: Table,
        start_ms: int,
        end_ms: int,
        columns: Collection[str] | None,
        only: pl.Expr | None = None,
        sent_by: Nodes | None = None,
    ) -> list[pl.DataFrame]:
        table = declared.name
        for attempt in range(3):
            listed, waiting = self._listed(table, start_ms, end_ms)
            try:
                frames = segments.read(self.path, declared, listed, start_ms, end_ms, columns, only)
                break
            except FileNotFoundError as error:
                # A merge took the file away after it was listed.
                if attempt == 2:
                    raise InputError(
                        "the manifest lists a segment that is missing; restore it from a copy",
                        path=self._manifest,
                    ) from error
                self._list_again()
        time = pl.col("time_unix_ms")
        needed = None if columns is None else {*segments.order(declared), *columns}
        for unsealed in (one for parts in waiting for one in _tables(*parts, sent_by)):
            if needed is not None:
                # To make a frame of text copies it, wanted or not.
                unsealed = unsealed.select([n for n in unsealed.column_names if n in needed])
            part = pl.DataFrame(unsealed).filter(time.is_between(start_ms, end_ms, closed="left"))
            if only is not None:
                part = part.filter(only)
            frames.append(segments.whole(declared, part, columns))
        return frames

    def _listed(
        self, table: str, start_ms: int, end_ms: int
    ) -> tuple[list[manifest.Segment], list[tuple[list[Gathered], list[Chunk]]]]:
        with self._state:
            listed = [
                segment
                for segment in self._contents.segments
                if segment.table == table
                and segment.first_ms < end_ms
                and start_ms <= segment.last_ms
            ]
            waiting = [
                window.parts(table)
                for window in self._windows
                if table in window.spans
                and window.spans[table][0] < end_ms
                and start_ms <= window.spans[table][1]
            ]
        return sorted(listed, key=lambda segment: segment.order), waiting

    def _list_again(self) -> None:
        if not self.writable:
            self._contents = manifest.load(self._manifest, repair=False)

    def segments(self) -> tuple[manifest.Segment, ...]:
        """All that is sealed, as it is listed now; a merge may take a file away at any time."""
        with self._state:
            return tuple(self._contents.segments)

    def span(self, table: str) -> tuple[int, int] | None:
        """First and last `time_unix_ms` of a table's rows; None if it has none."""
        table_named(table)
        with self._state:
            spans = [(s.first_ms, s.last_ms) for s in self._contents.segments if s.table == table]
            spans += [w.spans[table] for w in self._windows if table in w.spans]
        if not spans:
            return None
        return min(first for first, _ in spans), max(last for _, last in spans)

    # What must be booked

    def take_dirty(self) -> set[tuple[str, int]]:
        """(system, start of the hour) of the hours touched since the last call.

        They count as waiting until `confirm_booked`: a process that dies in between finds them
        again when it opens the store.
        """
        with self._state:
            taken, self._dirty = self._dirty, set()
            self._taken |= taken
            return taken

    def give_back_dirty(self) -> None:
        """Say that booking failed: the hours taken are dirty again."""
        with self._state:
            self._dirty |= self._taken
            self._taken = set()

    def confirm_booked(self) -> None:
        """Say that all hours taken so far are booked, durably."""
        with self._sealing:
            with self._state:
                done, self._taken = self._taken, set()
                # An hour touched again since it was taken still waits, sealed or not.
                booked = self._contents.unbooked & (done - self._dirty)
                if not self.writable or not booked:
                    return
            manifest.append(self._manifest, manifest.booked_line(booked))
            with self._state:
                self._contents.unbooked -= booked


def _logs(path: Path) -> dict[int, bytes]:
    if not path.exists():
        return {}
    found: dict[int, bytes] = {}
    for name in sorted(os.listdir(path)):
        number = filenames.log_number(name)
        if number is None:
            continue
        try:
            found[number] = (path / name).read_bytes()
        except FileNotFoundError:
            continue  # sealed and removed since the listing; the manifest names its segments
    return found


def _tables(
    gathered: Sequence[Gathered], chunks: Sequence[Chunk], sent_by: Nodes | None = None
) -> list[pa.Table]:
    """What is not sealed; of some nodes alone, it is one table at most."""
    if sent_by is None:
        return [*(one.rows for one in gathered), *([labelled(chunks)] if chunks else ())]
    theirs = [one for chunk in chunks if (one := chunk.sent_by(sent_by)) is not None]
    found = [one for of in gathered if (one := of.sent_by(sent_by)).num_rows]
    found += [labelled(theirs)] if theirs else []
    return [pa.concat_tables(found, promote_options="default").combine_chunks()] if found else []
