"""Jobs of this node that count for themselves, read like any other source."""

from __future__ import annotations

import pwd
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from wattline_agents.assignment.book import JobBook
from wattline_agents.errors import WireError
from wattline_agents.job.listener import Listener, Sender
from wattline_agents.job.message import Message
from wattline_agents.sources.source import Readings

_MOST_SAID = 20


class SeenProcess:
    """A process as psutil sees it; known again by its number and its start together."""

    def __init__(self, ps: Any, pid: int, uid: int | None) -> None:
        """Look at nothing yet: most datagrams come from processes known already."""
        self.pid, self.uid = pid, uid
        self._ps = ps

    @classmethod
    def of(cls, ps: Any, sender: Sender | None, claimed_pid: int) -> SeenProcess:
        """The process behind a datagram.

        Without the kernel's word (on systems that do not give it) its own claim has to do; a pid of
        0 is a process of another container, which cannot be seen at all.
        """
        if sender is None:
            return cls(ps, claimed_pid, None)
        return cls(ps, sender.pid, sender.uid)

    @cached_property
    def started_ms(self) -> int | None:
        """When it began; None where that cannot be seen."""
        try:
            return None if self._process is None else round(self._process.create_time() * 1000)
        except self._ps.Error:
            return None

    def is_alive(self) -> bool | None:
        """Whether it still runs; None where that cannot be seen."""
        if self.pid <= 0:
            return None
        if self._process is None:
            # Other users' processes may be hidden from us; that they exist is not.
            return bool(self._ps.pid_exists(self.pid))
        try:
            # A zombie has ended; only its parent has not asked how.
            return bool(
                self._process.is_running() and self._process.status() != self._ps.STATUS_ZOMBIE
            )
        except self._ps.NoSuchProcess:
            return False
        except self._ps.Error:
            return bool(self._ps.pid_exists(self.pid))

    @cached_property
    def _process(self) -> Any:
        try:
            return self._ps.Process(self.pid) if self.pid > 0 else None
        except self._ps.Error:
            return None


class JobSource:
    """Listens to the jobs of this node."""

    name = "jobs"

    def __init__(
        self, path: Path, say: Callable[[str], None] = lambda message: None, ps: Any = None
    ) -> None:
        """Listen.

        Args:
            path: The socket.
            say: Takes the few lines meant for a person.
            ps: What answers like psutil; psutil itself if not given.

        Raises:
            UsageError: The path cannot be used.
            SourceUnavailable: Another agent listens there.
        """
        self._ps, self._say = ps, say
        self._listener = Listener(path)
        self._book = JobBook(_user_name)
        self.refused = 0

    @property
    def path(self) -> Path:
        """Where it listens."""
        return self._listener.path

    def read(self, now_ms: int) -> Readings:
        """Rows of `job`, `job_info` and `assignment`, as far as there is news."""
        for datagram, sender in self._listener.take():
            try:
                message = Message.decode(datagram)
                self._book.take(message, SeenProcess.of(self._library, sender, message.pid), now_ms)
            except WireError as error:
                self._refuse(error)
        return self._book.rows(now_ms)

    @property
    def _library(self) -> Any:
        """`psutil`, from the first job on: on a node without any it is 2 MiB for nothing."""
        if self._ps is None:
            import psutil

            self._ps = psutil
        return self._ps

    def _refuse(self, error: WireError) -> None:
        self.refused += 1
        if self.refused <= _MOST_SAID:
            self._say(f"jobs: refused: {error}")
        if self.refused == _MOST_SAID:
            self._say("jobs: further refusals are only counted")

    def describe(self, now_ms: int) -> Readings:
        """Nothing: jobs say who they are in `job_info`."""
        return {}

    def on_devices(self, devices: Mapping[int, str]) -> None:
        """The node's devices by index."""
        self._book.on_devices(devices)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


def _user_name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
