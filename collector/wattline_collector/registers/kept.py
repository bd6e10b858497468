"""Registers on disk.

    registers/projects.parquet  outages.parquet  activities.parquet  meters.parquet
    registers/factors.parquet   factors-hourly.parquet   results.parquet
    registers/lock              held while one of them is replaced

A file is replaced whole and atomically, and readable by its owner alone: registers may name people.
They are no part of what the collector's own lock guards, so an import works beside a running one,
and a reader sees the register before or after, never in between.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from wattline_agents.errors import InputError, UsageError
from wattline_collector.registers.declare import Register
from wattline_collector.registers.merge import Merged, kept_schema, merge
from wattline_collector.registers.schema import (
    ACTIVITIES,
    FACTORS,
    FACTORS_HOURLY,
    METERS,
    OUTAGES,
    PROJECTS,
    RESULTS,
)
from wattline_collector.store import filenames
from wattline_collector.store.log import sync_directory

MOST_KEPT = 2_000_000
"""Rows of one register, replaced ones included; more is a loop, not a site."""


def path_of(store: Path, register: Register) -> Path:
    """Where a register is kept."""
    return store / filenames.REGISTERS_DIR / f"{register.name}.parquet"


def history(store: Path, register: Register) -> pl.DataFrame:
    """All rows a register ever had; `replaced_ms` is null where a row holds.

    Raises:
        InputError: The file cannot be read.
    """
    schema = kept_schema(register)
    path = path_of(store, register)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return schema.to_frame()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    try:
        found = pl.read_parquet(io.BytesIO(data))
        # A column that an earlier program did not know is null.
        return pl.concat([schema.to_frame(), found], how="diagonal").select(list(schema))
    except pl.exceptions.PolarsError as error:
        raise InputError(
            "damaged; move it away and import the register again", path=path
        ) from error


def readable(read: Callable[[], pl.DataFrame]) -> pl.DataFrame | None:
    """What a register holds; None where whoever asks has no right to read it.

    A register may name people and is its owner's to read. One that is damaged is another matter.

    Raises:
        InputError: It is damaged, or cannot be read for another reason than that.
    """
    try:
        return read()
    except InputError as error:
        if isinstance(error.__cause__, PermissionError):
            return None
        raise


def current(store: Path, register: Register, as_of_ms: int | None = None) -> pl.DataFrame:
    """The rows that hold; none where nothing was imported.

    Args:
        store: The store's directory.
        register: Which.
        as_of_ms: The rows that held at that moment instead.

    Returns:
        The register's columns, times in milliseconds since 1970 as `<name>_ms`, with `origin`,
        `source` and `imported_ms`.

    Raises:
        InputError: The file cannot be read.
    """
    replaced = pl.col("replaced_ms")
    holds = replaced.is_null()
    if as_of_ms is not None:
        holds = (pl.col("imported_ms") <= as_of_ms) & (holds | (replaced > as_of_ms))
    return history(store, register).filter(holds).drop("replaced_ms")


def projects(store: Path, as_of_ms: int | None = None) -> pl.DataFrame:
    """The projects that hold; see `schema.projects` for the columns."""
    return current(store, PROJECTS, as_of_ms)


def outages(store: Path, as_of_ms: int | None = None) -> pl.DataFrame:
    """The outages that hold; see `schema.outages` for the columns."""
    return current(store, OUTAGES, as_of_ms)


def activities(store: Path, as_of_ms: int | None = None) -> pl.DataFrame:
    """The activities that hold; see `schema.activities` for the columns."""
    return current(store, ACTIVITIES, as_of_ms)


def meters(store: Path, as_of_ms: int | None = None) -> pl.DataFrame:
    """The meters' readings that hold, in J, m3, Cel and W; see `schema.meters`."""
    return current(store, METERS, as_of_ms)


def results(store: Path, as_of_ms: int | None = None) -> pl.DataFrame:
    """The results that hold, in FLOP/s, s and J; see `schema.results` for the columns."""
    return current(store, RESULTS, as_of_ms)


def factors(store: Path, as_of_ms: int | None = None) -> pl.DataFrame:
    """The yearly factors of carbon that hold, in kg/kWh; see `schema.factors`."""
    return current(store, FACTORS, as_of_ms)


def hourly_factors(store: Path, as_of_ms: int | None = None) -> pl.DataFrame:
    """The hourly factors of carbon that hold, in kg/kWh; see `schema.factors`."""
    return current(store, FACTORS_HOURLY, as_of_ms)


def update(
    store: Path,
    register: Register,
    rows: pl.DataFrame,
    *,
    origin: str,
    source: str,
    now_ms: int,
    is_whole: bool = False,
) -> Merged:
    """Merge rows into a register and keep it; see `merge.merge`.

    Raises:
        UsageError: It cannot be written, or would grow beyond reason.
        InputError: What is kept cannot be read.
    """
    try:
        with _locked(store):
            kept = history(store, register)
            merged = merge(
                kept, rows, register, origin=origin, source=source, now_ms=now_ms,
                is_whole=is_whole,
            )  # fmt: skip
            if merged.frame.height > MOST_KEPT:
                raise UsageError(f"{register.name}: would hold more than {MOST_KEPT:,} rows")
            if merged.changes_anything:
                data = io.BytesIO()
                merged.frame.write_parquet(data)
                write_private(path_of(store, register), data.getvalue(), like=store)
            return merged
    except OSError as error:
        raise UsageError(
            f"{error.filename or store}: cannot be written: {error.strerror}"
        ) from error


def write_private(path: Path, data: bytes, like: Path | None = None) -> None:
    """Replace a file atomically and durably, readable by its owner alone.

    Args:
        path: The file.
        data: What it is to hold.
        like: Whose owner it gets; only the superuser can give files away.

    Raises:
        OSError: It cannot be written; what was there is still there.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{filenames.UNFINISHED_SUFFIX}")
    with suppress(FileNotFoundError):
        unfinished.unlink()
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if like is not None:
                _give(descriptor, like)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def made(store: Path) -> None:
    """Make sure that there is a store; an existing one is not opened, as others may write to it.

    Raises:
        UsageError: It cannot be made, or the directory holds something else.
    """
    if (store / filenames.FORMAT).exists():
        return
    from wattline_collector.store.store import Store

    if store.is_dir() and any(store.iterdir()):
        raise UsageError(f"{store} holds something that is no store; choose another directory")
    Store.open(store, write=True).close()


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    directory = store / filenames.REGISTERS_DIR
    directory.mkdir(mode=0o700, exist_ok=True)
    _give(directory, store)
    descriptor = os.open(directory / filenames.LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        _give(descriptor, store)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _give(what: int | Path, like: Path) -> None:
    """Let the store's owner have what the superuser made for them: the collector must read it."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(what, owner.st_uid, owner.st_gid)
