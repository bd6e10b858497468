"""Everything a check may look at or do: files, programs, the network, who runs it.

Checks take a `Machine`, so that tests show them nodes that are not there. Everything is bounded in
size and time: what is looked at may be sick.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_MOST_BYTES = 256 * 1024
_MOST_NAMES = 4096
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 3.0
PROGRAM_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP server said, as far as it was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class User:
    """Who runs the check.

    Attributes:
        name: As people know it.
        uid: As the system knows it; 0 is root.
        groups: Names of its groups.
    """

    name: str
    uid: int
    groups: tuple[str, ...]


Runner = Callable[[Sequence[str], float], Ran | None]
"""Runs a program for at most so many seconds; None if there is none, or it did not end in time."""
Fetcher = Callable[[str, str, Mapping[str, str], float], Answer]
"""Method, address, header fields, seconds -> the answer; raises OSError if there is none."""


@dataclass(frozen=True)
class Machine:
    """One node, as a check sees it.

    Attributes:
        root: What stands for `/`.
        environment: What stands for the environment.
        user: Who runs the check.
        run: Runs a program.
        fetch: Asks an HTTP server.
        access: Whether this user may open a file; as `os.access`.
        has_module: Whether Python finds a module.
        architecture: `x86_64`, `aarch64`.
        kernel: The kernel's release.
        is_synchronised: Whether the clock is disciplined; None if nobody knows.
        unix_seconds: The time of this node's clock.
        directory: What relative paths start at, as they do for the agent.
        may_use: Whether this process may run on any of these processors.
    """

    root: Path
    environment: Mapping[str, str]
    user: User
    run: Runner
    fetch: Fetcher
    access: Callable[[Path, int], bool] = os.access
    has_module: Callable[[str], bool] = field(default=lambda name: _has_module(name))
    architecture: str = field(default_factory=platform.machine)
    kernel: str = field(default_factory=platform.release)
    is_synchronised: Callable[[], bool | None] = field(default=lambda: clock_is_synchronised())
    unix_seconds: Callable[[], float] = field(default=lambda: _now())
    directory: str = "/"
    may_use: Callable[[frozenset[int]], bool] = field(default=lambda cpus: may_use(cpus))

    def path(self, name: str | Path) -> Path:
        """Where a path such as `/proc/cpuinfo` is looked up."""
        return self.root / os.path.join(self.directory, name).lstrip("/")

    def text(self, name: str | Path) -> str | None:
        """What a file says, at most 256 KiB; None where it cannot be read."""
        try:
            with self.path(name).open("rb") as file:
                return file.read(_MOST_BYTES).decode(errors="replace")
        except OSError:
            return None

    def names(self, name: str | Path) -> list[str]:
        """What is in a directory, sorted; nothing where there is none."""
        try:
            return sorted(os.listdir(self.path(name)))[:_MOST_NAMES]
        except OSError:
            return []

    def exists(self, name: str | Path) -> bool:
        """Whether something is there."""
        return self.path(name).exists()

    def can(self, name: str | Path, mode: int) -> bool:
        """Whether this user may open it so: `os.R_OK`, `os.W_OK`."""
        return self.access(self.path(name), mode)


def this_machine() -> Machine:
    """The node this runs on."""
    try:
        directory = os.getcwd()
    except OSError:
        directory = "/"  # it was removed; what is relative is nowhere
    return Machine(Path("/"), os.environ, this_user(), run_program, fetch, directory=directory)


def this_user() -> User:
    """Who runs this process."""
    import grp
    import pwd

    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    groups = []
    for gid in sorted({os.getegid(), *os.getgroups()}):
        try:
            groups.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            groups.append(str(gid))
    return User(name, uid, tuple(groups))


def run_program(words: Sequence[str], seconds: float) -> Ran | None:
    """Run a program; None if there is none, or it did not end in time."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end(process)
        return None
    return Ran(process.returncode, output[:_MOST_BYTES].decode(errors="replace"))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started; one that the kernel holds is left behind."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait(1.0)
    except ProcessLookupError:
        pass  # it has ended meanwhile
    except subprocess.TimeoutExpired:
        pass  # held in a driver's call: nothing ends it but the driver
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def fetch(method: str, url: str, headers: Mapping[str, str], seconds: float) -> Answer:
    """Ask an HTTP server, with an empty body.

    Raises:
        OSError: It did not answer in time, or not as HTTP does.
    """
    import http.client
    import time
    from urllib.parse import urlsplit

    until = time.monotonic() + seconds
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=min(seconds, CONNECT_SECONDS))
    try:
        connection.connect()
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = b"" if method == "POST" else None
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        chunks, size = [], 0
        while size < _MOST_BYTES and time.monotonic() < until:
            chunk = response.read1(64 * 1024)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
        return Answer(response.status, dict(response.getheaders()), b"".join(chunks))
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"not an answer of HTTP: {type(error).__name__}") from error
    finally:
        connection.close()


def why_not_reached(error: OSError) -> str:
    """Why a server did not answer, for people."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "no such host"
    return error.strerror or str(error) or type(error).__name__


def may_use(cpus: frozenset[int]) -> bool:
    """Whether this process may run on any of these processors: tried, and taken back."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpus)
    except PermissionError:
        return True  # of which the agent says that the unit is to set it
    except (OSError, ValueError, OverflowError):
        return False
    os.sched_setaffinity(0, before)
    return True


_TIME_ERROR = 5
"""What adjtimex(2) returns while nothing disciplines the clock."""


def clock_is_synchronised() -> bool | None:
    """Whether something keeps this node's clock right; None where the kernel does not say."""
    import ctypes

    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (AttributeError, OSError):
        return None
    # `modes` stands first in struct timex; zero means to look and not to touch.
    state = adjtimex(ctypes.create_string_buffer(512))
    return None if state < 0 else state != _TIME_ERROR


def _has_module(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _now() -> float:
    import time

    return time.time()
