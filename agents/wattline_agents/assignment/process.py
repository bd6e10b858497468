"""Jobs of this node that count for themselves, read like any other source."""

from __future__ import annotations

import pwd
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from wattline_agents.assignment.book import JobBook
from wattline_agents.assignment.kept import Keeper
from wattline_agents.assignment.members import HEARD_ALL_MS, Process
from wattline_agents.assignment.spoken import Spoken
from wattline_agents.errors import WireError
from wattline_agents.job.listener import Listener, Sender
from wattline_agents.job.message import RUNNING, Message
from wattline_agents.sources.source import Readings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wattline_agents.job.inbox import Inbox

_MOST_SAID = 20
_MOST_KEYS = 8_192
_SAME_START_MS = 2_000
"""How far two readings of a process's start may lie apart; the boot's time is known to a second."""


KeyOf = Callable[[str, int, int | None], str | None]
"""The key a process says, its number and user -> that of the job it is of; None: another user's."""


class SeenProcess:
    """A process as psutil or `linux` sees it; known again by its number and its start together."""

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


class GoneProcess:
    """A process that ended while nobody looked."""

    started_ms: int | None = None

    def __init__(self, pid: int, uid: int | None) -> None:
        """What it was known by."""
        self.pid, self.uid = pid, uid

    def is_alive(self) -> bool:
        """No."""
        return False


class JobSource:
    """Listens to the jobs of this node."""

    name = "jobs"

    def __init__(
        self,
        path: Path,
        say: Callable[[str], None] = lambda message: None,
        ps: Any = None,
        *,
        directory: Path | None = None,
        state: Path | None = None,
    ) -> None:
        """Listen.

        Args:
            path: The socket.
            say: Takes the few lines meant for a person.
            ps: What answers like psutil; on Linux `linux`, elsewhere psutil itself if not given.
            directory: Where jobs that cannot reach the socket leave files, if anywhere.
            state: A file that keeps totals over a restart of the agent, if they are to be kept.

        Raises:
            UsageError: The path or the directory cannot be used.
            SourceUnavailable: Another agent listens there.
        """
        self._ps, self._say = ps, say
        self._inbox = None if directory is None else _inbox(directory)
        self._listener = Listener(path)
        self._book = JobBook(_user_name)
        self._keeper = None if state is None else Keeper(state, say)
        self._first_ms: int | None = None
        self._read_ms: int | None = None
        self._key_of: KeyOf | None = None
        self._keys: dict[tuple[str, str, int], str] = {}
        self.refused = 0

    @property
    def path(self) -> Path:
        """Where it listens."""
        return self._listener.path

    def read(self, now_ms: int) -> Readings:
        """Rows of `job`, `job_info`, `job_model` and `assignment`, as far as there is news."""
        if self._keeper is not None and self._read_ms is None:
            self._book.restore(self._keeper.load(self._found, now_ms))
        if self._first_ms is None:
            self._first_ms = now_ms
        self._read_ms = now_ms
        for datagram, sender in self._listener.take():
            try:
                message = self._of_its_job(Message.decode(datagram), sender)
                self._book.take(message, self._process(sender, message.pid), now_ms)
            except WireError as error:
                self._refuse(error)
        if self._inbox is not None:
            self._take_files(self._inbox, now_ms)
        readings = self._book.rows(now_ms)
        if self._keeper is not None:
            self._keeper.keep(self._book.jobs, self._book.comings_and_goings, now_ms)
        return readings

    def _take_files(self, inbox: Inbox, now_ms: int) -> None:
        for member, text, sender in inbox.take(now_ms):
            try:
                message = Message.decode(text)
                if message.member != member:
                    raise WireError("job: a file of another process's name")
                message = self._of_its_job(message, sender)
                self._book.take(message, self._process(sender, 0), now_ms)
            except WireError as error:
                self._refuse(error)
                continue
            if message.state != RUNNING:
                inbox.remove(member)

    def believe(self, key_of: KeyOf) -> None:
        """Let somebody say which job a process is of that says so itself."""
        self._key_of = key_of

    def spoken(self) -> Mapping[str, Spoken] | None:
        """What each job says of itself; None until all had the time to say something."""
        if self._first_ms is None or self._read_ms is None:
            return None
        return None if 0 <= self._read_ms - self._first_ms < HEARD_ALL_MS else self._book.spoken

    def _of_its_job(self, message: Message, sender: Sender | None) -> Message:
        """The message, for the job that its sender is of.

        Raises:
            WireError: It speaks for another user's job.
        """
        if self._key_of is None or sender is None:
            return message
        # A process is looked at once: it says the same every second.
        known = message.job, message.member, sender.pid
        key: str | None = self._keys.get(known)
        if key is None:
            key = self._key_of(message.job, sender.pid, sender.uid)
            if key is None:
                raise WireError(f"job {message.job}: belongs to another user")
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            self._keys[known] = key
        return message if key == message.job else replace(message, job=key)

    def _process(self, sender: Sender | None, claimed_pid: int) -> SeenProcess:
        return SeenProcess.of(self._library, sender, claimed_pid)

    def _found(self, pid: int, uid: int | None, started_ms: int | None) -> Process:
        """The process an agent before this one knew, if it still is the same."""
        process = self._process(None if uid is None else Sender(pid, uid), pid)
        if started_ms is not None:
            now_ms = process.started_ms
            if now_ms is None or abs(now_ms - started_ms) > _SAME_START_MS:
                return GoneProcess(pid, uid)
        return process

    @property
    def _library(self) -> Any:
        """What answers like psutil, from the first job on."""
        if self._ps is None:
            if sys.platform == "linux":
                from wattline_agents.assignment import linux

                self._ps = linux
            else:
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
        if self._keeper is not None and self._read_ms is not None:
            # Whatever was written last, this is newer.
            self._keeper.keep(self._book.jobs, self._book.comings_and_goings + 1, self._read_ms)


def _inbox(directory: Path) -> Inbox:
    from wattline_agents.job.inbox import Inbox

    return Inbox(directory)


def _user_name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
