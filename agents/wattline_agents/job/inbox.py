"""The agent's end of a directory in which jobs leave their messages as files.

For jobs that cannot reach the agent's socket. Anyone who may write there may write anything, so
nothing is trusted: whose a message is, is the word of the file system; sizes, counts and the work
of one look are bounded; links and what is no plain file are passed over.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_agents.job.channel import SUFFIX
from wattline_agents.job.listener import Sender
from wattline_agents.job.message import MOST_BYTES

LOOK_MS = 5_000
"""Files are replaced that often."""
_MOST_NAMES = 16_384
_MOST_FILES = 4_096
_MOST_FILES_PER_USER = 1_024
"""At one look; as many as processes are known at once."""
_OLD_SECONDS = 3_600
"""A file nobody replaced for so long is of a process long gone; what it counted was read before."""
_NAME = re.compile(rf"([0-9a-f]{{16}}){re.escape(SUFFIX)}\Z")

_Stamp = tuple[int, int, int]


class Inbox:
    """A directory, looked through every few seconds."""

    def __init__(self, path: Path) -> None:
        """Make the directory if it is not there.

        Raises:
            UsageError: It cannot be used, or anyone may remove what others put there.
        """
        self.path = path
        self.lost = 0
        self._looked_ms: int | None = None
        self._seen: dict[str, _Stamp] = {}
        try:
            if not path.is_dir():
                path.mkdir(parents=True)
                # As /tmp for the system's agent: everyone may leave messages, only one's own.
                path.chmod(0o1777 if os.getuid() == 0 else 0o700)
            mode = path.stat().st_mode
        except OSError as error:
            raise UsageError(f"job directory {path}: {error.strerror or error}") from error
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise UsageError(
                f"job directory {path}: anyone may remove what others put there; chmod +t {path}"
            )

    def take(self, now_ms: int) -> list[tuple[str, bytes, Sender]]:
        """What was put there since the last look: the sender's id by name, text and owner."""
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_MS:
            return []
        self._looked_ms = now_ms
        try:
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return []  # unmounted, for a while perhaps
        try:
            return list(self._look(directory, now_ms))
        finally:
            os.close(directory)

    def remove(self, member: str) -> None:
        """Take a message away that was the last of its process, where that is allowed."""
        try:
            (self.path / f"{member}{SUFFIX}").unlink()
        except OSError:
            pass  # another user's, and we are not root: it is old in an hour

    def _look(self, directory: int, now_ms: int) -> Iterator[tuple[str, bytes, Sender]]:
        seen: dict[str, _Stamp] = {}
        by_user: Counter[int] = Counter()
        for name in _names(directory):
            match = _NAME.match(name)
            if match is None:
                continue
            try:
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except OSError:
                continue
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                continue  # a second link may give another user's file a place here
            if now_ms / 1000 - status.st_mtime > _OLD_SECONDS:
                self.remove(match[1])
                continue
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            seen[name] = stamp
            if self._seen.get(name) == stamp:
                continue
            by_user[status.st_uid] += 1
            is_flood = len(seen) > _MOST_FILES or by_user[status.st_uid] > _MOST_FILES_PER_USER
            if is_flood or status.st_size > MOST_BYTES:
                self.lost += 1
                continue
            if (text := _read(directory, name, status.st_ino)) is not None:
                # Whose process it is, is known; which one, only to its own container.
                yield match[1], text, Sender(pid=0, uid=status.st_uid)
        self._seen = seen


def _names(directory: int) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for number, entry in enumerate(entries):
            if number >= _MOST_NAMES:
                return
            yield entry.name


def _read(directory: int, name: str, inode: int) -> bytes | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(name, flags, dir_fd=directory)
    except OSError:
        return None  # replaced or gone since; the next look finds what is there then
    try:
        if os.fstat(file).st_ino != inode:
            return None
        return os.read(file, MOST_BYTES + 1)
    except OSError:
        return None
    finally:
        os.close(file)
