"""What /proc tells of a process and of the node: whose it is, since when, in which control group.

Plain reads of bounded size. An environment belongs to its user and may hold secrets, so only the
variables asked for are looked at, and nothing of it is kept or told.
"""

from __future__ import annotations

import os

from wattline_agents.light import NamedTuple

_MOST_BYTES = 16 * 1024
_MOST_ENVIRONMENT = 256 * 1024
_MOST_VALUE = 256


class Seen(NamedTuple):
    """One process as it was found.

    Attributes:
        started: Its start in ticks since boot: with the number, this names it for good.
        command: The name it gave itself, as bytes of any kind.
    """

    started: int
    command: bytes


class Proc:
    """The processes of this node."""

    def __init__(self, root: str = "/proc") -> None:
        """Look below this directory."""
        self._root = root
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._boot_ms: int | None = None

    def boot_ms(self) -> int | None:
        """When the node was started, Unix milliseconds; None where that cannot be read.

        `btime` of /proc/stat, which moves with the clock when that is set; as first read.
        """
        if self._boot_ms is None:
            self._boot_ms = self.boot_ms_now()
        return self._boot_ms

    def boot_ms_now(self) -> int | None:
        """The same by the clock as it is now."""
        # Lines of processors and interrupts stand before it: on large nodes many.
        for line in (self._read("stat", 4 * 1024 * 1024) or b"").splitlines():
            if line.startswith(b"btime ") and line[6:].isdigit():
                return int(line[6:]) * 1000
        return None

    def look(self, pid: int) -> Seen | None:
        """The process of that number; None if there is none, or it has ended and only waits."""
        stat = self._read(f"{pid}/stat")
        if stat is None:
            return None
        # The name is in brackets, and may hold any bytes, brackets included.
        head, _, rest = stat.rpartition(b")")
        fields = rest.split()
        if len(fields) < 20 or not fields[19].isdigit() or fields[0] in (b"Z", b"X"):
            return None
        return Seen(int(fields[19]), head.partition(b"(")[2])

    def started_ms(self, seen: Seen) -> int | None:
        """When it was started, Unix milliseconds; None where the boot's time is not known."""
        boot_ms = self.boot_ms()
        return None if boot_ms is None else boot_ms + seen.started * 1000 // self._ticks

    def cgroup(self, pid: int) -> str | None:
        """The content of its `cgroup`; None where it cannot be read."""
        content = self._read(f"{pid}/cgroup")
        return None if content is None else content.decode(errors="replace")

    def uid(self, pid: int) -> int | None:
        """The user it runs as; the file's owner says root's for one that may not be dumped."""
        for line in (self._read(f"{pid}/status") or b"").splitlines():
            if line.startswith(b"Uid:"):
                words = line.split()
                return int(words[1]) if len(words) > 1 and words[1].isdigit() else None
        return None

    def environment(self, pid: int, names: frozenset[str]) -> dict[str, str]:
        """Those of its variables that are asked for, as it was started with them.

        Raises:
            PermissionError: It is another user's, and the right to look at it is missing.
        """
        try:
            content = self._read_or_raise(f"{pid}/environ", _MOST_ENVIRONMENT)
        except PermissionError:
            raise
        except OSError:
            return {}
        found: dict[str, str] = {}
        for part in content.split(b"\0"):
            name, equals, value = part.partition(b"=")
            text = name[:64].decode(errors="replace")
            if equals and text in names and len(value) <= _MOST_VALUE:
                found.setdefault(text, value.decode(errors="replace"))
        return found

    def _read(self, path: str, most: int = _MOST_BYTES) -> bytes | None:
        try:
            return self._read_or_raise(path, most)
        except OSError:
            return None  # it has ended, or is hidden from us

    def _read_or_raise(self, path: str, most: int) -> bytes:
        file = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Files of /proc may come in pieces of a page.
            chunks, size = [], 0
            while size < most and (chunk := os.read(file, most - size)):
                chunks.append(chunk)
                size += len(chunk)
            return b"".join(chunks)
        finally:
            os.close(file)
