"""The shelf: made reports, each in a folder of its own with what must be known of it.

SHELF/
  lock                                       held while something is put there
  20261201T061004123Z.review.2026-11.4f3a9b1c/
    made.json                                what it is, why it was made, digests of its files
    review_2026-11_public.html ...           the files themselves

A folder is written beside, made durable and then renamed, so that a reader sees it whole or not at
all. Of what was asked for alike (kind, of what, options, period, as of when) the newest `KEEP` stay
and the newest always does. A report whose figures are those of the newest is not kept twice: it is
written down that it was checked again.

Standard library alone: whoever lists a shelf needs no books.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from wattline_agents.errors import InputError, UsageError
from wattline_reports import made_file
from wattline_reports.kinds import FORMATS
from wattline_reports.made_file import File, Key, Made

DIRECTORY = "reports"
"""The shelf of a store, in the store's directory."""
KEEP = 12
"""Of what was asked for alike: a report of every month of a year, where it changed each time."""
MOST = 5_000
"""Folders on one shelf, some 5 GB. A full shelf takes nothing new; it never empties itself."""
MOST_FILE_BYTES = 256 * 1024 * 1024

_LOCK = "lock"
_MADE = "made.json"
_ID = re.compile(r"([0-9]{8}T[0-9]{9}Z)\.([a-z0-9-]{1,40}\.[A-Za-z0-9_-]{1,60}\.[0-9a-f]{8})")


def of_store(store: Path) -> Path:
    """Where a store's shelf is."""
    return store / DIRECTORY


@dataclass(frozen=True, slots=True)
class New:
    """A report that was just made.

    Attributes:
        key: What was asked for.
        title: What kind of report it is, in words.
        name: Stem of its files' names.
        code: Its verification code.
        why: What had it made, of `made_file.WHYS`.
        by: In which role somebody had it made; a role word, or empty.
        good: Whether the books under it hold.
        seconds: How long making it took.
        files: Its forms.
    """

    key: Key
    title: str
    name: str
    code: str
    why: str
    by: str
    good: bool
    seconds: float
    files: Mapping[str, bytes]


class Shelf:
    """A folder of made reports; several processes may use it at once."""

    def __init__(self, directory: Path, keep: int = KEEP, most: int = MOST) -> None:
        """Use `directory`, which need not be there yet.

        Args:
            directory: Where.
            keep: How many stay of what was asked for alike.
            most: How many folders there may be.
        """
        self.directory, self._keep, self._most = directory, max(1, keep), most

    def ids(self) -> list[str]:
        """The ids of all that is there, the newest first."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path=self.directory) from error
        return sorted((name for name in names if _ID.fullmatch(name)), reverse=True)

    def find(self, id: str) -> Made | None:
        """What is known of one; None where there is no such, or none that can be read."""
        if _ID.fullmatch(id) is None:
            return None
        try:
            return made_file.read(self.directory / id / _MADE, id)
        except (FileNotFoundError, InputError):
            return None

    def newest(self, key: Key) -> Made | None:
        """The newest that was asked for just so; None where there is none."""
        ending = f".{_ending(key)}"
        for id in self.ids():
            if id.endswith(ending):
                found = self.find(id)
                if found is not None and found.key == key:
                    return found
        return None

    def content(self, made: Made, form: str) -> bytes:
        """A form of a report, as it was made.

        Raises:
            UsageError: It does not have that form.
            InputError: The file cannot be read, or is not the one that was made.
        """
        file = made.file(form)
        if file is None:
            there = ", ".join(one.form for one in made.files)
            raise UsageError(f"{made.id}: not made as {form[:20]!r}; there are {there}")
        path = self.directory / made.id / file.name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, "rb") as opened:
                found = opened.read(file.bytes + 1)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path=path) from error
        if len(found) != file.bytes or hashlib.sha256(found).hexdigest() != file.sha256:
            raise InputError("not the file that was made; make the report again", path=path)
        return found

    def paths(self, made: Made) -> list[Path]:
        """Where its files are."""
        return [self.directory / made.id / file.name for file in made.files]

    def put(self, new: New, at: datetime) -> tuple[Made, bool]:
        """Keep a report, and let go of what is too many.

        Args:
            new: The report.
            at: The time.

        Returns:
            What is kept, and whether it is new: False where the newest had the same figures. Of
            that one the forms are kept that it did not have.

        Raises:
            UsageError: The shelf is full, or cannot be written to.
        """
        try:
            with self._locked():
                self._sweep()
                same = self.newest(new.key)
                if same is not None and same.code == new.code:
                    return self._checked_again(same, new, at), False
                made = self._add(new, at)
                self._prune(_ending(new.key))
                return made, True
        except OSError as error:
            raise UsageError(f"{self.directory}: cannot write there: {error.strerror}") from error

    def delivered(self, made: Made, to: str) -> Made:
        """Write down that a report was handed over.

        Raises:
            UsageError: The shelf cannot be written to.
        """
        try:
            with self._locked():
                known = self.find(made.id) or made
                if to in known.delivered:
                    return known
                changed = replace(known, delivered=(*known.delivered, to))
                self._write_made(self.directory / made.id, changed)
                return changed
        except OSError as error:
            raise UsageError(f"{self.directory}: cannot write there: {error.strerror}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        prepare(self.directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.directory / _LOCK, flags, 0o640)
        _give_to_owner(self.directory / _LOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _add(self, new: New, at: datetime) -> Made:
        known = self.ids()
        if len(known) >= self._most:
            raise UsageError(
                f"{self.directory}: {len(known)} reports are kept there, and more are not taken: "
                "delete folders of old ones, or name another --shelf"
            )
        id = self._free_id(new.key, at)
        made = Made(
            id=id, key=new.key, title=new.title, name=new.name, code=new.code, made_at=_iso(at),
            why=new.why, by=new.by, good=new.good, seconds=round(new.seconds, 3),
            files=tuple(_file(new.name, form, new.files[form]) for form in FORMATS
                        if form in new.files),
        )  # fmt: skip
        partial = self.directory / f".{id}.partial"
        partial.mkdir(mode=0o750)
        _give_to_owner(partial)
        for file in made.files:
            _write(partial / file.name, new.files[file.form])
        self._write_made(partial, made)
        partial.rename(self.directory / id)
        _sync(self.directory)
        return made

    def _checked_again(self, same: Made, new: New, at: datetime) -> Made:
        folder = self.directory / same.id
        missing = [form for form in FORMATS if form in new.files and same.file(form) is None]
        for form in missing:
            _write(folder / f"{same.name}.{form}", new.files[form])
        more = [_file(same.name, form, new.files[form]) for form in missing]
        order = {form: place for place, form in enumerate(FORMATS)}
        changed = replace(
            same, checked=same.checked + 1, checked_at=_iso(at), seconds=round(new.seconds, 3),
            files=tuple(sorted((*same.files, *more), key=lambda file: order[file.form])),
        )  # fmt: skip
        self._write_made(folder, changed)
        return changed

    def _free_id(self, key: Key, at: datetime) -> str:
        """An id that is newer than all that was asked for alike, whatever a clock says."""
        stamp = int(f"{at.astimezone(UTC):%Y%m%d%H%M%S}{at.microsecond // 1000:03d}")
        ending = _ending(key)
        alike = [id for id in self.ids() if id.endswith(f".{ending}")]
        newest = max((int(id[:8] + id[9:18]) for id in alike), default=0)
        digits = str(max(stamp, newest + 1))
        return f"{digits[:8]}T{digits[8:]}Z.{ending}"

    def _prune(self, ending: str) -> None:
        alike = [id for id in self.ids() if id.endswith(f".{ending}")]
        for id in alike[self._keep :]:
            gone = self.directory / f".{id}.gone"
            (self.directory / id).rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _sweep(self) -> None:
        """Take away what a process left that ended while it wrote; we hold the lock."""
        for path in self.directory.glob(".*"):
            if path.name.endswith((".partial", ".gone")) and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)

    def _write_made(self, folder: Path, made: Made) -> None:
        _write(folder / _MADE, made_file.dumps(made))
        _sync(folder)


def prepare(directory: Path) -> None:
    """Make a shelf's directory unless it is there."""
    if not directory.is_dir():
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        _give_to_owner(directory)


def _give_to_owner(path: Path) -> None:
    """What root makes belongs to whoever owns the directory: the collector reads it as such."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _ending(key: Key) -> str:
    """What ids of all that was asked for alike end with."""
    period = re.sub(r"[^A-Za-z0-9_-]", "-", key.period)[:60] or "all"
    return f"{key.kind}.{period}.{key.digest()[:8]}"


def _file(name: str, form: str, content: bytes) -> File:
    if len(content) > MOST_FILE_BYTES:
        raise UsageError(f"the report as {form} has over {MOST_FILE_BYTES} bytes: ask for less")
    return File(form, f"{name}.{form}", len(content), hashlib.sha256(content).hexdigest())


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(partial, flags, 0o640), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    _give_to_owner(partial)
    partial.replace(path)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
