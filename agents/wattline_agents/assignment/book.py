"""What is known of the jobs of a node, kept from what they say; no I/O.

A job is the sum of its processes. A process is believed within bounds: its counters never fall, do
not grow faster than any machine counts, and its job belongs to the user who began it. A process
that is gone without a word has failed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wattline_agents.catalogue import JOB, Type
from wattline_agents.errors import WireError
from wattline_agents.job.message import LEFT, RUNNING, Message
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value

REPEAT_ASSIGNMENT_MS = 30_000
"""A collector counts an open interval as known for 90 s after it was last told."""
REPEAT_INFO_MS = 600_000
REPEAT_ROW_MS = 5_000
LOOK_MS = 5_000
"""How often it is looked whether processes still live."""
SILENCE_MS = 120_000
"""A process that cannot be seen (another container's) and is silent this long is gone; one that can
be seen may be silent for ever, as one does that is stopped or compiles."""

MOST_JOBS = 512
MOST_JOBS_PER_USER = 128
MOST_MEMBERS = 4_096
MOST_MEMBERS_PER_USER = 1_024
"""Four times the cores of today's largest node."""
MOST_ENDED = 8_192
MOST_TOTAL = 10**15
"""What one process can count: a hundred times the tokens of the largest training so far."""
_MOST_PER_SECOND = {Type.INT: 1e9, Type.FLOAT: 1e18}
"""Beyond what one process can make; floats are operations, at most those of 200 large GPUs."""
_MOST_PHASES_AT_ONCE = 64
_GRACE_SECONDS = 60.0

_TYPES = {metric.column: metric.type for metric in JOB.metrics}
_ENDS = ("failed", "cancelled", "completed", LEFT)
"""How a job of several processes ended: the first of these that any of them said."""


class Process(Protocol):
    """The process behind a member, as the system knows it."""

    pid: int
    uid: int | None

    @property
    def started_ms(self) -> int | None:
        """When it began; None where that cannot be seen."""
        ...

    def is_alive(self) -> bool | None:
        """Whether it still runs; None where that cannot be seen."""
        ...


@dataclass(slots=True)
class _Member:
    """One process of a job."""

    process: Process
    start_ms: int
    heard_ms: int
    counters: dict[str, int | float] = field(default_factory=dict)
    devices: tuple[str, ...] | None = None


@dataclass(slots=True)
class _Hold:
    """One device, held by a job."""

    start_ms: int
    until_ms: int | None = None  # when the last process to end of those that held it did
    end_ms: int | None = None
    told_ms: int | None = None


@dataclass(slots=True)
class _Job:
    """One job, the sum of its processes."""

    key: str
    uid: int | None
    name: str
    kind: str
    project: str | None
    user: str | None
    start_ms: int
    end_ms: int | None = None
    state: str = RUNNING
    members: dict[str, _Member] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    ends: set[str] = field(default_factory=set)
    # What its ended processes counted.
    settled: dict[str, int | float] = field(default_factory=dict)
    holds: dict[str, _Hold] = field(default_factory=dict)
    has_news: bool = True
    row_ms: int | None = None
    info: tuple[dict[str, Value], int] | None = None


class JobBook:
    """The jobs of one node."""

    def __init__(self, user_name: Callable[[int], str | None] = lambda uid: None) -> None:
        """Begin empty.

        Args:
            user_name: The name of a user by number.
        """
        self._user_name = user_name
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._devices: Mapping[int, str] = {}
        self._looked_ms: int | None = None

    def on_devices(self, devices: Mapping[int, str]) -> None:
        """The node's devices by index, to resolve the ordinals that jobs know theirs by."""
        self._devices = dict(devices)

    def take(self, message: Message, process: Process, now_ms: int) -> None:
        """Believe a message, or not.

        Raises:
            WireError: It contradicts what is known; nothing of it is believed.
        """
        job = self._jobs.get(message.job)
        if job is not None:
            if job.uid != process.uid:
                raise WireError(f"job {job.key}: belongs to another user")
            if message.member in job.ended:
                return  # its last word came before; this one was late
        member = None if job is None else job.members.get(message.member)
        if job is None or member is None:
            start_ms = _start(message, process, now_ms)
            _check_counters({}, message.counters, start_ms, now_ms)
            job = self._job_of(message, process, start_ms)
            member = self._join(job, message, process, start_ms, now_ms)
        else:
            if member.process.pid != process.pid:
                raise WireError(f"job {job.key}: another process speaks for one of its processes")
            _check_counters(member.counters, message.counters, member.start_ms, now_ms)
        member.heard_ms = now_ms
        member.devices = message.devices
        if member.counters != message.counters:
            member.counters.update(message.counters)
            job.has_news = True
        if message.state != RUNNING:
            self._end(job, message.member, message.state, now_ms)

    def rows(self, now_ms: int) -> Readings:
        """What there is to tell at this tick; also notices processes that are gone."""
        if self._looked_ms is None or not 0 <= now_ms - self._looked_ms < LOOK_MS:
            self._looked_ms = now_ms
            self._look(now_ms)
        readings: Readings = {"job": [], "job_info": [], "assignment": []}
        for job in self._jobs.values():
            self._hold(job, now_ms)
            _tell_row(job, now_ms, readings["job"])
            _tell_info(job, now_ms, readings["job_info"])
            _tell_holds(job, now_ms, readings["assignment"])
        self._forget_old()
        return {table: rows for table, rows in readings.items() if rows}

    def _job_of(self, message: Message, process: Process, start_ms: int) -> _Job:
        job = self._jobs.get(message.job)
        if job is None:
            running = [one for one in self._jobs.values() if one.members]
            own = sum(1 for one in running if one.uid == process.uid)
            if len(running) >= MOST_JOBS or own >= MOST_JOBS_PER_USER:
                raise WireError("job: too many jobs at once")
            user = None if process.uid is None else self._user_name(process.uid)
            job = self._jobs[message.job] = _Job(
                key=message.job,
                uid=process.uid,
                name=message.name,
                kind=message.kind,
                project=message.project,
                user=user,
                start_ms=start_ms,
            )
        return job

    def _join(
        self, job: _Job, message: Message, process: Process, start_ms: int, now_ms: int
    ) -> _Member:
        if self._has_too_many(process.uid) or len(job.ended) >= MOST_ENDED:
            if not job.members and not job.ended:
                del self._jobs[job.key]
            raise WireError("job: too many processes at once")
        member = _Member(process, start_ms, now_ms)
        job.members[message.member] = member
        job.start_ms = min(job.start_ms, start_ms)
        if (
            job.end_ms is not None
        ):  # another process of a job that seemed over, such as its next step
            job.end_ms, job.state = None, RUNNING
            job.ends.clear()
        job.has_news = True
        return member

    def _has_too_many(self, uid: int | None) -> bool:
        members = sum(len(job.members) for job in self._jobs.values())
        own = sum(len(job.members) for job in self._jobs.values() if job.uid == uid)
        return members >= MOST_MEMBERS or own >= MOST_MEMBERS_PER_USER

    def _end(self, job: _Job, name: str, state: str, now_ms: int) -> None:
        member = job.members.pop(name)
        for column, count in member.counters.items():
            job.settled[column] = job.settled.get(column, 0) + count
        job.ended.add(name)
        job.ends.add(state)
        job.has_news = True
        if not job.members:
            job.end_ms = now_ms
            ended = next(end for end in _ENDS if end in job.ends)
            job.state = "completed" if ended == LEFT else ended
            self._jobs.move_to_end(job.key)
        for device in self._resolved(member.devices or ()):
            hold = job.holds.get(device)
            if hold is None or hold.end_ms is not None:
                # It began and ended between two ticks; the device was held all the same.
                since = member.start_ms if hold is None else hold.end_ms or now_ms
                job.holds[device] = hold = _Hold(max(since, member.start_ms))
            hold.until_ms = now_ms

    def _look(self, now_ms: int) -> None:
        for job in list(self._jobs.values()):
            for name, member in list(job.members.items()):
                alive = member.process.is_alive()
                if alive is None:
                    alive = now_ms - member.heard_ms < SILENCE_MS
                if not alive:
                    self._end(job, name, "failed", now_ms)

    def _hold(self, job: _Job, now_ms: int) -> None:
        """Open and close the intervals in which the job holds a device."""
        since: dict[str, int] = {}
        for member in job.members.values():
            for device in self._resolved(member.devices or ()):
                since[device] = min(since.get(device, member.start_ms), member.start_ms)
        for device, start_ms in since.items():
            hold = job.holds.get(device)
            if hold is None:
                job.holds[device] = _Hold(start_ms)
            elif hold.end_ms is not None:
                job.holds[device] = _Hold(max(start_ms, hold.end_ms))
        for device, hold in job.holds.items():
            if device not in since and hold.end_ms is None:
                end_ms = now_ms if hold.until_ms is None else hold.until_ms
                hold.end_ms, hold.told_ms = max(end_ms, hold.start_ms), None

    def _resolved(self, devices: tuple[str, ...]) -> set[str]:
        """Devices of this node by UUID; what is not found here is not held here."""
        known = set(self._devices.values())
        found = set()
        for device in devices:
            if device.isdecimal() and len(device) < 6:
                if (by_index := self._devices.get(int(device))) is not None:
                    found.add(by_index)
                continue
            # CUDA takes the beginning of a UUID for the whole, if it fits only one.
            fits = [one for one in known if one == device or one.startswith(device)]
            if device in known:
                found.add(device)
            elif len(fits) == 1 and len(device) >= 8:
                found.add(fits[0])
        return found

    def _forget_old(self) -> None:
        over = [job for job in self._jobs.values() if not job.members and not job.has_news]
        for job in over[: max(0, len(self._jobs) - MOST_JOBS)]:
            del self._jobs[job.key]


def _start(message: Message, process: Process, now_ms: int) -> int:
    """When the process began to count: its own word, but not before it was there, nor later."""
    earliest = now_ms - 366 * 86_400_000 if process.started_ms is None else process.started_ms
    return max(min(message.start_unix_ms, now_ms), earliest - 1_000)


def _check_counters(
    before: Mapping[str, int | float],
    counters: Mapping[str, int | float],
    start_ms: int,
    now_ms: int,
) -> None:
    seconds = max(0.0, (now_ms - start_ms) / 1000) + _GRACE_SECONDS
    for column, count in counters.items():
        if count < before.get(column, 0):
            raise WireError(f"job.{column}: fell from {before[column]:g} to {count:g}")
        type = _TYPES[column]
        rate = _MOST_PHASES_AT_ONCE if column.startswith("phase_") else _MOST_PER_SECOND[type]
        if count > rate * seconds or (type is Type.INT and count > MOST_TOTAL):
            raise WireError(f"job.{column}: more than any process can make: {count:g}")


def _totals(job: _Job) -> dict[str, int | float]:
    totals = dict(job.settled)
    for member in job.members.values():
        for column, count in member.counters.items():
            totals[column] = totals.get(column, 0) + count
    return totals


def _tell_row(job: _Job, now_ms: int, rows: list[Row]) -> None:
    is_due = job.row_ms is None or not 0 <= now_ms - job.row_ms < REPEAT_ROW_MS
    if not (job.has_news or (job.members and is_due)):
        return
    job.has_news, job.row_ms = False, now_ms
    totals = _totals(job)
    if totals:
        rows.append({"time_unix_ms": now_ms, "job": job.key, **totals})


def _tell_info(job: _Job, now_ms: int, rows: list[Row]) -> None:
    info: dict[str, Value] = {
        "job": job.key,
        "name": job.name,
        "kind": job.kind,
        "project": job.project,
        "user": job.user,
        "state": job.state,
        "start_unix_ms": job.start_ms,
        "end_unix_ms": job.end_ms,
    }
    if job.info is not None and job.info[0] == info:
        if not job.members or 0 <= now_ms - job.info[1] < REPEAT_INFO_MS:
            return
    job.info = (info, now_ms)
    rows.append({"time_unix_ms": now_ms, **info})


def _tell_holds(job: _Job, now_ms: int, rows: list[Row]) -> None:
    for device, hold in job.holds.items():
        if hold.told_ms is not None:
            is_over = hold.end_ms is not None
            if is_over or 0 <= now_ms - hold.told_ms < REPEAT_ASSIGNMENT_MS:
                continue
        hold.told_ms = now_ms
        rows.append(
            {
                "time_unix_ms": now_ms,
                "device": device,
                "job": job.key,
                "start_unix_ms": hold.start_ms,
                "end_unix_ms": hold.end_ms,
                "method": "job",
            }
        )
