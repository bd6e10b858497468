"""The ledger on disk.

    ledger/inventory.parquet                    what was installed, when, and who it is
    ledger/jobs.parquet                         the jobs: names, owners, states
    ledger/assignments.parquet                  who said that a job holds a device
    ledger/accounting.parquet                   jobs as their schedulers account for them
    ledger/node_states.parquet                  states that schedulers put nodes in
    ledger/outages.parquet                      the outages that the books know of
    ledger/models.parquet                       the models that jobs train or serve
    ledger/undone.parquet                       jobs that went back to an earlier step
    ledger/due.parquet                          hours that are to be booked again
    ledger/holes.parquet                        readings on both sides of long silences
    ledger/minutes/<table>/<system>/<day>/<hour>.parquet    entries per minute
    ledger/control/<system>/<day>/<hour>.parquet            what the meters say of that hour
    ledger/hours/<table>/<system>/<day>.parquet             the same entries, added up per hour
    ledger/cuts/<table>/<system>/<day>.parquet              hours lost in part, added up in parts
    ledger/latency/<system>/<day>/<hour>.parquet            histograms of how long requests took
    ledger/chain/<system>.jsonl                             what was booked when, chained by digests
    ledger/superseded/                                      what the books said before

Every file but the chain is replaced whole and atomically. An hour's control is written last: an
hour without control is not booked. Books of an earlier program are read as they are: a column that
it did not know is null. They are not made again, as the telemetry beneath may be gone.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.ledger import scanned
from wattline_collector.ledger.records import HOLES, INVENTORY, JOBS, MODELS
from wattline_collector.ledger.scanned import Scanned
from wattline_collector.ledger.schema import CONTROL, CUTS, ENTRIES, HOUR_MS, LATENCY, TIME
from wattline_collector.ledger.sums import Entries

_BEGUN = "begun"
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True, order=True)
class Hour:
    """One hour of one system."""

    system: str
    start_ms: int

    @property
    def day(self) -> str:
        """Its UTC day, `2026-11-01`."""
        return _day(self.start_ms)

    @property
    def time(self) -> datetime:
        """Its start."""
        return datetime.fromtimestamp(self.start_ms / 1000, UTC)

    def __str__(self) -> str:
        """For people: `2026-11-01T05Z (sim)`."""
        return f"{self.time:%Y-%m-%dT%HZ} ({self.system})"


@dataclass(frozen=True, slots=True)
class Staged:
    """An hour that is written down and not yet in its place.

    Attributes:
        hour: Which.
        control: SHA-256 of its control.
        latency: SHA-256 of its latencies; None where it has none.
        drafts: Each file as it is written, and where it goes; the control is the last.
        latencies: Where its latencies would stand.
    """

    hour: Hour
    control: str
    latency: str | None
    drafts: tuple[tuple[Path, Path], ...]
    latencies: Path

    def commit(self) -> None:
        """Put it in place of the hour there was: its entries first, its control last."""
        if self.latency is None:
            self.latencies.unlink(missing_ok=True)
        for draft, place in self.drafts:
            draft.replace(place)


class Books:
    """The ledger directory of a store."""

    def __init__(self, store: Path) -> None:
        """Open the books of the store in that directory; nothing is made until it is written."""
        self.root = store / "ledger"
        self._root = str(self.root)

    def path(self, table: str, hour: Hour) -> Path:
        """Where an hour's entries, its control or its latencies stand."""
        return Path(self.place(table, hour))

    def place(self, table: str, hour: Hour) -> str:
        """The same as text: of the hours of a year, paths take longer to make than to look up."""
        part = table if table in ("control", "latency") else f"minutes/{table}"
        of_day = hour.start_ms // HOUR_MS % 24
        return f"{self._root}/{part}/{hour.system}/{hour.day}/{of_day:02d}.parquet"

    def day_path(self, table: str, system: str, day: str) -> Path:
        """Where a day's hourly sums stand."""
        return self.root / "hours" / table / system / f"{day}.parquet"

    def cuts_path(self, table: str, system: str, day: str) -> Path:
        """Where the parts of a day's hours stand that were lost in part; see `cuts`."""
        return self.root / "cuts" / table / system / f"{day}.parquet"

    def as_of(self, when: datetime) -> Books:
        """The books as they stood at a moment: for reading only.

        Raises:
            UsageError: How they stood then is not known.
            InputError: What is kept of then cannot be read.
        """
        from wattline_collector.ledger.as_of import BooksAsOf

        return BooksAsOf(self.root.parent, when)

    # Reading

    def frame(self, name: str, schema: pl.Schema) -> pl.DataFrame:
        """A whole file at the root (`inventory`, `jobs`, `holes`), empty where there is none.

        Columns that an earlier program did not know are null.
        """
        path = self.root / f"{name}.parquet"
        return load(path, schema) if path.exists() else schema.to_frame()

    @property
    def inventory(self) -> pl.DataFrame:
        """What was installed, when."""
        return self.frame("inventory", INVENTORY)

    @property
    def jobs(self) -> pl.DataFrame:
        """The jobs."""
        return self.frame("jobs", JOBS)

    @property
    def models(self) -> pl.DataFrame:
        """The models of jobs."""
        return self.frame("models", MODELS)

    @property
    def holes(self) -> pl.DataFrame:
        """Readings on both sides of long silences."""
        return self.frame("holes", HOLES)

    def hours(self) -> list[Hour]:
        """Every booked hour, in order."""
        return _hours(self.root / "control")

    def ends(self, before_ms: int) -> dict[str, int]:
        """The end (ms) of each system's newest hour that left any file or any sum.

        Up to there every hour of what is installed should have a control.

        Args:
            before_ms: What is later is not told apart.
        """
        ends: dict[str, int] = {}
        named = [_hours(self.root / "minutes" / table) for table in ENTRIES]
        for hour in chain(self.hours(), *named):
            ends[hour.system] = max(ends.get(hour.system, 0), hour.start_ms + HOUR_MS)
        for path in (self.root / "hours").glob("*/*/*.parquet"):
            system, day_ms = path.parent.name, _hour_ms(path.stem, "0")
            if day_ms >= before_ms:
                ends[system] = max(ends.get(system, 0), day_ms)
            elif ends.get(system, 0) < day_ms + 24 * HOUR_MS:
                try:
                    last = pl.scan_parquet(path).select(pl.col("minute").max()).collect().item()
                except pl.exceptions.PolarsError:
                    continue  # the audit names a file that cannot be read
                if last is not None:
                    end_ms = round(last.timestamp() * 1000) + HOUR_MS
                    ends[system] = max(ends.get(system, 0), end_ms)
        return ends

    def read(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Entries that begin in the period, from the coarsest grain that answers.

        Whole hours come from the hourly sums (their `minute` is the hour's start), the edges from
        minutes.

        Args:
            table: `device`, `node` or `job`.
            start_ms: First moment, on a minute.
            end_ms: First moment no longer asked for, on a minute.
        """
        first_hour, last_hour = _whole_hours(start_ms, end_ms)
        return pl.concat(
            [
                ENTRIES[table].to_frame(),
                *self._minutes(table, start_ms, first_hour),
                *self._hourly(table, first_hour, last_hour),
                *self._minutes(table, last_hour, end_ms),
            ]
        )

    def scan(self, table: str, start_ms: int, end_ms: int) -> Scanned:
        """The same entries as `read`, of which nothing is read before somebody asks.

        A year of a large system is more than memory has room for, and a figure asks for little of
        it. A short period is read at once: then all that is made of it is of one moment, however
        the books go on meanwhile.

        Raises:
            InputError: A file cannot be read.
        """
        first_hour, last_hour = _whole_hours(start_ms, end_ms)
        paths = self._of_days("hours", table, first_hour, last_hour)
        size = sum(path.stat().st_size for path in paths)
        if not self._can_scan or size <= scanned.AT_ONCE_BYTES:
            return Scanned.of(self.read(table, start_ms, end_ms))
        schema = ENTRIES[table]
        # Of days that lie in the period whole, no hour is looked at; there is one file of a day.
        whole = {_day(ms) for ms in range(_midnight(first_hour), last_hour - _DAY_MS + 1, _DAY_MS)}
        # The newest is put in place anew by every booking, also between two looks at it.
        newest = max((path.stem for path in paths), default="")
        inside = {
            path
            for path in paths
            if path.stem in whole and path.stem != newest and _has(path, schema)
        }
        # Those of an earlier program lack columns: they are made whole first.
        others = (load(path, schema) for path in paths if path not in inside)
        rest = [
            schema.to_frame(),
            *(between(other, first_hour, last_hour) for other in others),
            *self._minutes(table, start_ms, first_hour),
            *self._minutes(table, last_hour, end_ms),
        ]
        parts = [
            pl.scan_parquet(list(part), schema=schema, glob=False)
            for part in scanned.parted(sorted(inside))
        ]

        def check() -> None:
            for path in sorted(inside):
                load(path, schema)

        entries = Scanned(tuple(parts or [schema.to_frame().lazy()]), check=check)
        return entries.with_more(pl.concat(rest))

    def _minutes(self, table: str, start_ms: int, end_ms: int) -> Iterator[pl.DataFrame]:
        if start_ms >= end_ms:
            return
        for hour in self.hours():
            if hour.start_ms < end_ms and hour.start_ms + HOUR_MS > start_ms:
                entries = self.minutes(table, hour)
                if entries is not None:
                    yield between(entries, start_ms, end_ms)

    @property
    def _can_scan(self) -> bool:
        """Whether hourly sums are what their files hold."""
        return True

    def _hourly(self, table: str, start_ms: int, end_ms: int) -> Iterator[pl.DataFrame]:
        if start_ms >= end_ms:
            return
        paths = self._of_days("hours", table, start_ms, end_ms)
        yield between(load_all(paths, ENTRIES[table]), start_ms, end_ms)

    def _of_days(self, kind: str, table: str, start_ms: int, end_ms: int) -> list[Path]:
        """Files of the days of a period."""
        if start_ms >= end_ms:
            return []
        first, last = _day(start_ms), _day(end_ms - 1)
        paths = sorted((self.root / kind / table).glob("*/*.parquet"))
        return [path for path in paths if first <= path.stem <= last]

    @property
    def has_cuts(self) -> bool:
        """Whether the cuts of all hours were kept at some time: an earlier program kept none."""
        return (self.root / "cuts" / _BEGUN).exists()

    def cuts(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Hours of a period that were lost in part, in their parts, as far as they are kept.

        Args:
            table: `device` or `node`.
            start_ms: First moment, on an hour.
            end_ms: First moment no longer asked for, on an hour.
        """
        paths = self._of_days("cuts", table, start_ms, end_ms)
        try:
            kept = load_all(paths, CUTS[table])
        except InputError:
            # The audit names the file; until it is made anew, the minutes are there.
            return CUTS[table].to_frame()
        return between(kept, start_ms, end_ms)

    def latency(self, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Histograms of the hours that begin in the period, as `schema.LATENCY`."""
        hours = _hours(self.root / "latency")
        paths = [self.path("latency", h) for h in hours if start_ms <= h.start_ms < end_ms]
        return load_all(paths, LATENCY)

    def minutes(self, table: str, hour: Hour) -> pl.DataFrame | None:
        """An hour's entries per minute; None where the file is not there."""
        path = self.path(table, hour)
        return load(path, ENTRIES[table]) if path.exists() else None

    def minutes_of(self, table: str, hours: Iterable[Hour], jobs: pl.Series) -> pl.DataFrame:
        """Entries per minute of some jobs in some hours, without a look at the others' values.

        Args:
            table: `device` or `node`.
            hours: Of these; those whose file is not there have none.
            jobs: Keys of jobs, of whatever system.
        """
        return load_all(self._minute_places(table, hours), ENTRIES[table],
                        pl.col("job").is_in(jobs.unique().implode()))  # fmt: skip

    def _minute_places(self, table: str, hours: Iterable[Hour]) -> list[Path]:
        """Where the entries of hours stand that have any."""
        return [path for hour in hours if (path := self.path(table, hour)).exists()]

    def control(self, hour: Hour) -> pl.DataFrame | None:
        """An hour's control; None where it is not booked."""
        path = self.path("control", hour)
        return load(path, CONTROL) if path.exists() else None

    def controls(
        self, start_ms: int, end_ms: int, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """The control of every booked hour in the period, or some columns of it."""
        inside = [h for h in self.hours() if start_ms <= h.start_ms < end_ms]
        return self.controls_of(inside, pl.lit(True), columns)

    def controls_of(
        self, hours: Sequence[Hour], wanted: pl.Expr, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """The control of booked hours, without a look at other rows and columns than those asked.

        Args:
            hours: Which.
            wanted: Of which rows.
            columns: Which; all if None.
        """
        return load_all(self._control_places(hours), CONTROL, wanted, columns)

    def _control_places(self, hours: Iterable[Hour]) -> Sequence[Path | str]:
        """Where the controls of booked hours stand."""
        return [self.place("control", hour) for hour in hours]

    def span(self) -> tuple[int, int] | None:
        """From when anything was installed up to where the books go; None for empty books.

        Raises:
            InputError: Hours are booked of a system that the inventory does not know.
        """
        inventory, hours = self.inventory, self.hours()
        newest = {hour.system: hour for hour in hours}
        ends = []
        for system, hour in newest.items():
            control = self.control(hour)
            if control is None or control.is_empty():
                continue
            booked = control.select(pl.col("booked_until").dt.epoch("ms").max()).item()
            mine = inventory.filter(pl.col("system") == system)["until_ms"]
            if mine.is_empty():
                raise InputError(
                    f"says nothing of {system}, of which hours are booked; `wattline audit` says "
                    "what else is damaged",
                    path=self.root / "inventory.parquet",
                )
            # Nothing is booked of a time after the last of a system's things was taken away.
            ends.append(booked if mine.null_count() else min(booked, max(mine)))
        if inventory.is_empty() or not ends:
            return None
        return min(inventory["from_ms"]), max(ends)

    # Writing

    def put(self, name: str, frame: pl.DataFrame) -> None:
        """Replace a file at the root."""
        write_parquet(self.root / f"{name}.parquet", frame)

    def stage_hour(
        self,
        hour: Hour,
        entries: dict[str, pl.DataFrame],
        control: pl.DataFrame,
        latency: pl.DataFrame,
    ) -> Staged:
        """Write an hour beside the one there is, durably; `Staged.commit` puts it in its place."""
        drafts, digests = [], {}
        for table, frame in entries.items():
            draft, digests[table] = _drafted(self.path(table, hour), frame)
            drafts.append((draft, self.path(table, hour)))
        of_latency = None
        if latency.height:
            draft, of_latency = _drafted(self.path("latency", hour), latency)
            drafts.append((draft, self.path("latency", hour)))
        stamped = control.with_columns(
            pl.col("kind").cast(pl.String).replace_strict(digests, default="").alias("file_sha256")
        )
        # The same evidence gives the same file: the chain tells by its digest that nothing changed.
        path = self.path("control", hour)
        draft, of_control = _drafted(path, stamped.cast(CONTROL).sort("kind", "key"))
        drafts.append((draft, path))
        return Staged(hour, of_control, of_latency, tuple(drafts), self.path("latency", hour))

    def put_day(self, table: str, hours: Sequence[Hour], hourly: pl.DataFrame) -> None:
        """Put hourly sums of hours of one system and day in place of those there were.

        An hour may have no entries any more: a job turned out to have ended before it.
        """
        system, day = hours[0].system, hours[0].day
        path = self.day_path(table, system, day)
        kept = [hourly]
        if path.exists():
            old = load(path, ENTRIES[table])
            again = pl.Series([hour.time for hour in hours], dtype=TIME)
            kept.insert(0, old.filter(~pl.col("minute").is_in(again.implode())))
        write_parquet(path, pl.concat(kept).sort("minute", maintain_order=True))

    def begin_cuts(self) -> None:
        """Say that those of all hours are kept."""
        (self.root / "cuts").mkdir(parents=True, exist_ok=True)
        (self.root / "cuts" / _BEGUN).touch()

    def put_cuts(
        self, table: str, system: str, day: str, gone: pl.DataFrame, made: pl.DataFrame
    ) -> None:
        """Put cuts of hours of one system and day in place of those there were.

        Args:
            table: `device` or `node`.
            system: Whose.
            day: Of which UTC day.
            gone: `hour`, and as far as not all of the hour is meant, `system` and `job`: of what
                nothing stays.
            made: `schema.CUTS` of the table.
        """
        path = self.cuts_path(table, system, day)
        kept = [made]
        if path.exists():
            old = load(path, CUTS[table]).with_columns(
                pl.col("minute").dt.truncate("1h").alias("hour")
            )
            still = old.join(gone, on=gone.columns, how="anti", maintain_order="left")
            if made.is_empty() and still.height == old.height:
                return
            kept.insert(0, still.drop("hour"))
        elif made.is_empty():
            return
        write_parquet(path, pl.concat(kept).sort("minute", maintain_order=True))


def conformed(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """A frame with the columns of a schema, as it may have been written without some of them.

    Raises:
        PolarsError: One of its columns is of another kind.
    """
    if frame.schema == schema:
        return frame
    missing = [pl.lit(None, dtype=t).alias(c) for c, t in schema.items() if c not in frame.columns]
    return frame.with_columns(missing).select(schema.names()).cast(schema)


def write_parquet(path: Path, frame: pl.DataFrame) -> str:
    """Replace a Parquet file atomically and durably; returns its SHA-256."""
    draft, digest = _drafted(path, frame)
    draft.replace(path)
    return digest


def _drafted(path: Path, frame: pl.DataFrame) -> tuple[Path, str]:
    """Write a Parquet file beside its place, durably; returns where, and its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    frame.write_parquet(draft, compression="zstd", compression_level=1, statistics=True)
    with draft.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return draft, digest


class _Room(threading.local):
    """Where files are read to be digested: to make room for each costs more than its digest."""

    def __init__(self) -> None:
        self.bytes = memoryview(bytearray(1 << 20))


_ROOM = _Room()


def sha256(path: Path | str) -> str:
    """A file's SHA-256."""
    made, room = hashlib.sha256(), _ROOM.bytes
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(room):
            made.update(room[:size])
    return made.hexdigest()


def hours_between(system: str, start_ms: int, end_ms: int) -> Iterable[Hour]:
    """Every hour that the period touches."""
    first = start_ms // HOUR_MS * HOUR_MS
    return (Hour(system, start) for start in range(first, end_ms, HOUR_MS))


def hours_of(system: str, day: str) -> Iterable[Hour]:
    """The 24 hours of a UTC day, `2026-11-01`."""
    start_ms = _hour_ms(day, "0")
    return hours_between(system, start_ms, start_ms + _DAY_MS)


def load(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """A file of the ledger; columns that an earlier program did not know are null.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return conformed(read_once(path), schema)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error


def read_once(path: Path) -> pl.DataFrame:
    """A Parquet file as it is at one moment.

    By its path Polars opens it twice, for what is in it and for the values; meanwhile a booking may
    have put another in its place.
    """
    return pl.read_parquet(io.BytesIO(path.read_bytes()))


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0][:120]
    return InputError(
        f"cannot be read ({reason}); `wattline audit` says what else is damaged", path=path
    )


def load_all(
    paths: Sequence[Path | str],
    schema: pl.Schema,
    wanted: pl.Expr | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Files of the ledger, one after another: a year of hours is thousands of them.

    Args:
        paths: The files.
        schema: Of all of them; columns that an earlier program did not know are null.
        wanted: Which of their rows; all if None.
        columns: Which of their columns; all if None.

    Raises:
        InputError: One cannot be read; it is named.
    """
    rows = pl.lit(True) if wanted is None else wanted
    names = schema.names() if columns is None else list(columns)
    if not paths:
        return schema.to_frame().select(names)
    try:
        # All at once, which takes a tenth of the time; a path may hold what looks like a pattern.
        # Files of an hour are so small that their statistics take longer than what they spare.
        files = pl.scan_parquet(
            [str(path) for path in paths], schema=schema, missing_columns="insert",
            extra_columns="ignore", glob=False, use_statistics=False,
        )  # fmt: skip
        return files.filter(rows).select(names).collect()
    except (pl.exceptions.PolarsError, OSError):
        # One is damaged or of an earlier kind, and by itself it is read or named.
        parts = (load(Path(path), schema).filter(rows).select(names) for path in paths)
        return pl.concat([schema.to_frame().select(names), *parts])


def _has(path: Path, schema: pl.Schema) -> bool:
    """Whether a file has just these columns.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return pl.read_parquet_schema(path) == schema
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error


def _whole_hours(start_ms: int, end_ms: int) -> tuple[int, int]:
    """From where to where a period has whole hours; of one that has none, its end twice."""
    first, last = -(-start_ms // HOUR_MS) * HOUR_MS, end_ms // HOUR_MS * HOUR_MS
    return (first, last) if first < last else (end_ms, end_ms)


def _hours(folder: Path) -> list[Hour]:
    """Hours in order, by the names of their files, `SYSTEM/DAY/HOUR.parquet`."""
    return [
        Hour(system, _hour_ms(day, hour.removesuffix(".parquet")))
        for system in _names(folder)
        for day in _names(folder / system)
        for hour in _names(folder / system / day)
        if hour.endswith(".parquet") and not hour.startswith(".")
    ]


def _names(folder: Path) -> list[str]:
    """What is in a folder, in order; nothing where there is none."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def between(frame: Entries, start_ms: int, end_ms: int) -> Entries:
    """Entries that begin in the period."""
    bounds = [pl.lit(ms).cast(TIME) for ms in (start_ms, end_ms)]
    return frame.filter((pl.col("minute") >= bounds[0]) & (pl.col("minute") < bounds[1]))


# A year is thousands of hours, and their names are asked for again and again.


@lru_cache(maxsize=4096)
def _day_named(number: int) -> str:
    return date.fromordinal(_EPOCH + number).isoformat()


@lru_cache(maxsize=4096)
def _day_number(name: str) -> int:
    return date.fromisoformat(name).toordinal() - _EPOCH


def _day(ms: int) -> str:
    return _day_named(ms // (24 * HOUR_MS))


def _midnight(ms: int) -> int:
    """The first one of UTC that is not before a moment."""
    return -(-ms // _DAY_MS) * _DAY_MS


def _hour_ms(day: str, hour: str) -> int:
    return (_day_number(day) * 24 + int(hour)) * HOUR_MS
