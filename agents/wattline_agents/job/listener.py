"""The agent's end of the socket that jobs write to.

Anyone on the node may send, so nothing here trusts a datagram: sizes and counts are bounded, a
flood is slowed down rather than followed, and who sent it is the kernel's word where it gives it.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import threading
from collections import deque
from pathlib import Path

from wattline_agents.errors import SourceUnavailable, UsageError
from wattline_agents.job.message import MOST_BYTES
from wattline_agents.record import record

_MOST_WAITING = 2_000
_MOST_WAITING_BYTES = 4 * 1024 * 1024
"""Datagrams between two ticks; totals are sent again, so what is beyond is not lost."""
_PAUSE_SECONDS = 0.02
"""After every burst: with the kernel's queue of tens to hundreds this bounds what a flood costs."""
_BURST = 64
_CREDENTIALS = struct.Struct("iII")  # struct ucred of Linux: pid, uid, gid


@record(frozen=True, slots=True)
class Sender:
    """Who sent a datagram, by the kernel's word.

    Attributes:
        pid: The process; 0 if it lives where this agent cannot see it.
        uid: Its user.
    """

    pid: int
    uid: int


class Listener:
    """A datagram socket, emptied by a thread of its own."""

    def __init__(self, path: Path) -> None:
        """Listen.

        Raises:
            UsageError: The path cannot be used.
            SourceUnavailable: Another agent listens there.
        """
        self.path = path
        self.lost = 0
        self._waiting: deque[tuple[bytes, Sender | None]] = deque()
        self._room = _MOST_WAITING_BYTES
        self._stop = threading.Event()
        self._socket = _bound(path)
        self._identity = _identity(path)
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def take(self) -> list[tuple[bytes, Sender | None]]:
        """The datagrams that came since the last call, in their order."""
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        # The other thread may take of it meanwhile, and be a datagram wrong: it is a bound.
        self._room = _MOST_WAITING_BYTES
        return taken

    def close(self) -> None:
        """Stop listening and remove the socket, unless another agent has put its own there."""
        self._stop.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # some systems do not shut down datagrams; closing is enough for those
        self._thread.join(timeout=1.0)
        self._socket.close()
        if _identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                for _ in range(_BURST):
                    # Waits for the first of a burst, takes the others only if they are there.
                    self._receive(0 if _ == 0 else socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            except OSError:
                return  # closed by `close`
            self._stop.wait(_PAUSE_SECONDS)

    def _receive(self, flags: int) -> None:
        room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4 * 16)
        datagram, extras, _, _ = self._socket.recvmsg(MOST_BYTES + 1, room, flags)
        sender = _sender(extras)
        if self._stop.is_set():
            return
        if len(self._waiting) >= _MOST_WAITING or self._room < len(datagram):
            self.lost += 1
            return
        self._room -= len(datagram)
        self._waiting.append((datagram, sender))


def _sender(extras: list[tuple[int, int, bytes]]) -> Sender | None:
    found = None
    for level, kind, data in extras:
        if level != socket.SOL_SOCKET:
            continue
        if kind == getattr(socket, "SCM_CREDENTIALS", None) and len(data) >= _CREDENTIALS.size:
            pid, uid, _ = _CREDENTIALS.unpack_from(data)
            found = Sender(pid, uid)
        elif kind == socket.SCM_RIGHTS:
            # Files nobody asked for; left open they would use up ours.
            files = array.array("i")
            files.frombytes(data[: len(data) - len(data) % files.itemsize])
            for file in files:
                os.close(file)
    return found


def _bound(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        _make_room(path)
        if hasattr(socket, "SO_PASSCRED"):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        found.bind(str(path))
        path.chmod(_mode(path.parent))
    except SourceUnavailable:
        found.close()
        raise
    except OSError as error:
        found.close()
        reason = error.strerror or str(error)  # "AF_UNIX path too long" has no number
        raise UsageError(f"job socket {path}: {reason}") from error
    return found


def _make_room(path: Path) -> None:
    """Make the directory, and remove what an agent before this one left behind."""
    if not path.parent.is_dir():
        # The system's agent serves every user; a user's agent serves that user.
        path.parent.mkdir(mode=0o755 if os.getuid() == 0 else 0o700, parents=True, exist_ok=True)
    elif path.parent.parent == Path("/tmp") and path.parent.stat().st_uid != os.getuid():
        raise UsageError(f"job socket {path}: its directory belongs to someone else")
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise SourceUnavailable(f"another agent listens to jobs at {path}")


def _mode(directory: Path) -> int:
    """Open to every user where the directory is the agent's own; its mode says who gets there."""
    status = directory.stat()
    is_own = status.st_uid == os.getuid() and not status.st_mode & 0o022
    return 0o666 if is_own else 0o600


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
