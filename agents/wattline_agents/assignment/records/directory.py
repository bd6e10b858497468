"""A directory of small files, read again only when something in it has changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from wattline_agents.light import NamedTuple

MOST_FILES = 2048
"""More are not looked at: whoever writes records prunes them to hundreds."""
_MOST_ENTRIES = 4 * MOST_FILES
MOST_BYTES = 64 * 1024
_ABSENT_MS = 10_000
"""How often a directory that is not there is looked for."""
_RACE_NS = 50_000_000
"""Two changes within one tick of the kernel's clock leave one time; so soon after a change the
directory is looked at once more."""

Mark = tuple[int, int, int]
"""What tells a file from another of the same name: inode, time of change in ns, size."""


class Trouble(NamedTuple):
    """Why a directory is not read.

    Attributes:
        reason: Why, for people.
        cure: The command or step that changes it.
    """

    reason: str
    cure: str


class Directory:
    """One such directory.

    Attributes:
        path: Where it is.
        trouble: Why it cannot be read or is not believed; None while it can, or is not there.
        is_there: Whether it was there when it was looked for last.
        changed_ms: When something was added to it or taken away last, Unix milliseconds.
    """

    def __init__(self, path: str, every_ms: int, *, files_change: bool) -> None:
        """Look at nothing yet.

        Args:
            path: Where it is.
            every_ms: How far apart looks are.
            files_change: Files may be written anew in place, which the directory's own time does
                not show, so that each of them is asked for its time.
        """
        self.path, self.is_there, self.changed_ms = path, False, 0
        self.trouble: Trouble | None = None
        self._every_ms, self._files_change = every_ms, files_change
        self._looked_ms: int | None = None
        self._seen: tuple[int, int] | None = None
        self._is_racy = False
        self._marks: dict[str, Mark] = {}

    @property
    def quiet_until_ms(self) -> int:
        """Before this it is not looked at again."""
        if self._looked_ms is None:
            return 0
        return self._looked_ms + (self._every_ms if self.is_there else _ABSENT_MS)

    def look(self, now_ms: int) -> Mapping[str, Mark] | None:
        """Its files and their marks, if anything has changed since the look before."""
        if self._looked_ms is not None and self._looked_ms <= now_ms < self.quiet_until_ms:
            return None
        self._looked_ms = now_ms
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return self._gone()
        except OSError as error:
            self._refused(error)
            return None
        self.is_there = True
        if (trouble := mistrust(self.path, status)) is not None:
            self.trouble, self.changed_ms = trouble, now_ms
            return self._emptied()
        seen = status.st_ino, status.st_mtime_ns
        if seen == self._seen and not self._files_change and not self._is_racy:
            return None
        try:
            marks = self._scan()
        except OSError as error:
            self._refused(error)
            return None
        self.trouble = None
        self._is_racy = abs(now_ms * 1_000_000 - status.st_mtime_ns) < _RACE_NS
        if seen == self._seen and marks == self._marks:
            return None
        self._seen, self._marks = seen, marks
        self.changed_ms = status.st_mtime_ns // 1_000_000
        return marks

    def read(self, name: str) -> bytes | None:
        """The content of one of its files, if that is a plain file of at most 64 KiB."""
        try:
            # A pipe that somebody left there would hold us; a link leads elsewhere.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
            file = os.open(os.path.join(self.path, name), flags)
        except OSError:
            return None
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
                return None
            return os.read(file, MOST_BYTES)
        except OSError:
            return None
        finally:
            os.close(file)

    def _scan(self) -> dict[str, Mark]:
        marks: dict[str, Mark] = {}
        with os.scandir(self.path) as entries:
            for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False):
                if entry.name.startswith("."):
                    continue  # one that is being written
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # it went away meanwhile
                if stat.S_ISREG(status.st_mode):
                    marks[entry.name] = status.st_ino, status.st_mtime_ns, status.st_size
                if len(marks) == MOST_FILES:
                    break
        return marks

    def _gone(self) -> Mapping[str, Mark] | None:
        self.is_there, self.trouble = False, None
        return self._emptied()

    def _refused(self, error: OSError) -> None:
        """What was read before stays: that it cannot be read says nothing of the jobs."""
        self.is_there = True
        self.trouble = Trouble(
            f"{self.path}: {error.strerror or type(error).__name__}", f"chmod 0755 {self.path}"
        )

    def _emptied(self) -> Mapping[str, Mark] | None:
        if self._seen is None:
            return None
        self._seen, self._marks = None, {}
        return self._marks


def mistrust(path: str, status: os.stat_result) -> Trouble | None:
    """Why what stands in a directory is not believed: another than an administrator wrote it."""
    if not stat.S_ISDIR(status.st_mode):
        return Trouble(f"{path}: not a directory", f"rm {path}")
    if status.st_mode & stat.S_IWOTH:
        return Trouble(
            f"{path}: anybody may write there, so it is not believed", f"chmod o-w {path}"
        )
    if status.st_uid not in (0, os.getuid()):
        return Trouble(
            f"{path}: belongs to user {status.st_uid}, so it is not believed",
            f"chown root {path}",
        )
    return None
