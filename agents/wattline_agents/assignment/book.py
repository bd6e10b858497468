"""What is known of the jobs of a node, kept from what they say; no I/O.

A job is the sum of its processes. A process is believed within bounds: its counters never fall, do
not grow faster than any machine counts, and its job belongs to the user who began it. A process
that is gone without a word has failed.

Sums never fall either, which is what a collector would take for a counter that began again. So what
ended processes counted stays, is kept over a restart of the agent (see `kept`), and where that is
lost, the totals of a job that was there before us wait until all its processes were heard.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from wattline_agents.assignment.job_rows import tell_holds, tell_info, tell_model, tell_totals
from wattline_agents.assignment.members import (
    ENDS,
    HEARD_ALL_MS,
    Hold,
    KnownJob,
    Member,
    Process,
    check_counters,
    gauges,
    start_of,
)
from wattline_agents.assignment.spoken import Spoken
from wattline_agents.errors import WireError
from wattline_agents.job.message import LEFT, RUNNING, Message
from wattline_agents.sources.source import Readings

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
MOST_ENDED_OF_ALL = 65_536
"""Ids of processes that ended, of one job and of all: an id and its place take 200 bytes."""
MOST_SILENT = 256
MOST_SILENT_OF_ALL = 1_024


class JobBook:
    """The jobs of one node.

    Attributes:
        comings_and_goings: How often a process came or went so far.
        spoken: What each job says of itself; replaced as a whole, never changed.
    """

    def __init__(self, user_name: Callable[[int], str | None] = lambda uid: None) -> None:
        """Begin empty.

        Args:
            user_name: The name of a user by number.
        """
        self._user_name = user_name
        self._jobs: OrderedDict[str, KnownJob] = OrderedDict()
        self._devices: Mapping[int, str] = {}
        self._looked_ms: int | None = None
        self.comings_and_goings = 0
        self.spoken: Mapping[str, Spoken] = {}

    @property
    def jobs(self) -> Iterable[KnownJob]:
        """All jobs known, those that ended longest ago first among the ended."""
        return self._jobs.values()

    def restore(self, jobs: Iterable[KnownJob]) -> None:
        """Go on with jobs that an agent before this one knew; only at the beginning."""
        for job in jobs:
            if job.uid is not None and job.user is None:
                job.user = self._user_name(job.uid)
            self._jobs[job.key] = job
        self._note_spoken(self._jobs.values())

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
            if message.member in job.silent:
                self._rejoin(job, message.member)
            if message.member in job.ended:
                return  # its last word came before; this one was late
        member = None if job is None else job.members.get(message.member)
        if job is None or member is None:
            start_ms = start_of(message, process, now_ms)
            check_counters({}, message.counters, start_ms, now_ms)
            job = self._job_of(message, process, start_ms, now_ms)
            member = self._join(job, message, process, start_ms, now_ms)
        else:
            if member.process.pid != process.pid:
                raise WireError(f"job {job.key}: another process speaks for one of its processes")
            check_counters(member.counters, message.counters, member.start_ms, now_ms)
        member.heard_ms, member.is_recalled = now_ms, False
        member.devices = message.devices
        if member.counters != message.counters or member.gauges != message.gauges:
            member.counters.update(message.counters)
            member.gauges.update(message.gauges)
            job.has_news = True
        # What one of them says of all of them, the first that says it is believed.
        job.run = job.run or message.run
        if job.model is None and message.model:
            job.model = dict(message.model)
        if message.state != RUNNING:
            self._end(job, message.member, message.state, now_ms)

    def rows(self, now_ms: int) -> Readings:
        """What there is to tell at this tick; also notices processes that are gone."""
        if self._looked_ms is None or not 0 <= now_ms - self._looked_ms < LOOK_MS:
            self._looked_ms = now_ms
            self._look(now_ms)
        if not self._jobs and not self.spoken:
            return {}
        readings: Readings = {"job": [], "job_info": [], "job_model": [], "assignment": []}
        self._note_spoken([job for job in self._jobs.values() if job.has_news])
        for job in self._jobs.values():
            self._hold(job, now_ms)
            tell_totals(job, now_ms, readings["job"])
            tell_info(job, now_ms, readings["job_info"])
            tell_model(job, now_ms, readings["job_model"])
            tell_holds(job, now_ms, readings["assignment"])
        self._forget_old()
        return {table: rows for table, rows in readings.items() if rows}

    def _note_spoken(self, changed: Iterable[KnownJob]) -> None:
        spoken = {key: said for key, said in self.spoken.items() if key in self._jobs}
        for job in changed:
            counters = frozenset(job.settled).union(*(one.counters for one in job.members.values()))
            spoken[job.key] = Spoken(counters, job.model is not None)
        if spoken != self.spoken:
            self.spoken = spoken

    def _job_of(self, message: Message, process: Process, start_ms: int, now_ms: int) -> KnownJob:
        job = self._jobs.get(message.job)
        if job is None:
            running = [one for one in self._jobs.values() if one.members]
            own = sum(1 for one in running if one.uid == process.uid)
            if len(running) >= MOST_JOBS or own >= MOST_JOBS_PER_USER:
                raise WireError("job: too many jobs at once")
            user = None if process.uid is None else self._user_name(process.uid)
            job = self._jobs[message.job] = KnownJob(
                key=message.job,
                uid=process.uid,
                name=message.name,
                kind=message.kind,
                project=message.project,
                run=message.run,
                user=user,
                start_ms=start_ms,
            )
            if now_ms - start_ms > HEARD_ALL_MS:
                # It counted before we listened: others of its processes may speak up only later,
                # and a sum of some of them, told now, would be less than what was told before.
                job.withheld_until_ms = now_ms + HEARD_ALL_MS
        return job

    def _join(
        self, job: KnownJob, message: Message, process: Process, start_ms: int, now_ms: int
    ) -> Member:
        if self._has_too_many(process.uid) or self._has_ended_too_often(job):
            if not job.members and not job.ended:
                del self._jobs[job.key]
            raise WireError("job: too many processes at once")
        member = Member(process, start_ms, now_ms)
        job.start_ms = min(job.start_ms, start_ms)
        self._add(job, message.member, member)
        return member

    def _rejoin(self, job: KnownJob, name: str) -> None:
        """One that seemed gone speaks again: what it counted is its own again."""
        member = job.silent.pop(name)
        for column, count in member.counters.items():
            job.settled[column] -= count
        del job.ended[name]
        self._add(job, name, member)

    def _add(self, job: KnownJob, name: str, member: Member) -> None:
        job.members[name] = member
        if job.end_ms is not None:
            # Another process of a job that seemed over, such as its next step.
            job.end_ms, job.state = None, RUNNING
            job.ends.clear()
        job.has_news = True
        self.comings_and_goings += 1

    def _has_too_many(self, uid: int | None) -> bool:
        members = sum(len(job.members) for job in self._jobs.values())
        own = sum(len(job.members) for job in self._jobs.values() if job.uid == uid)
        return members >= MOST_MEMBERS or own >= MOST_MEMBERS_PER_USER

    def _has_ended_too_often(self, job: KnownJob) -> bool:
        if len(job.ended) >= MOST_ENDED:
            return True
        if sum(len(one.ended) for one in self._jobs.values()) < MOST_ENDED_OF_ALL:
            return False
        # Of jobs that are over the one that is so for longest is forgotten before its time.
        for key, one in self._jobs.items():
            if one is not job and not one.members and not one.has_news:
                del self._jobs[key]
                return False
        return True

    def _end(self, job: KnownJob, name: str, state: str, now_ms: int) -> None:
        job.gauges = gauges(job)
        member = job.members.pop(name)
        for column, count in member.counters.items():
            job.settled[column] = job.settled.get(column, 0) + count
        job.ended[name] = None
        job.ends.add(state)
        job.has_news = True
        self.comings_and_goings += 1
        if not job.members:
            job.end_ms = now_ms
            ended = next(end for end in ENDS if end in job.ends)
            job.state = "completed" if ended == LEFT else ended
            self._jobs.move_to_end(job.key)
        for device in self._resolved(member.devices or ()):
            hold = job.holds.get(device)
            if hold is None or hold.end_ms is not None:
                # It began and ended between two ticks; the device was held all the same.
                since = member.start_ms if hold is None else hold.end_ms or now_ms
                job.holds[device] = hold = Hold(max(since, member.start_ms))
            hold.until_ms = now_ms

    def _look(self, now_ms: int) -> None:
        for job in list(self._jobs.values()):
            for name, member in list(job.members.items()):
                alive = member.process.is_alive()
                is_hidden = alive is None
                if is_hidden:
                    alive = now_ms - member.heard_ms < SILENCE_MS
                if not alive:
                    # It may have said how it went while no agent was there to hear it.
                    state = LEFT if member.is_recalled else "failed"
                    is_recent = 0 <= now_ms - member.heard_ms < SILENCE_MS
                    self._end(job, name, state, now_ms if is_recent else member.heard_ms)
                    silent = sum(len(one.silent) for one in self._jobs.values()) if is_hidden else 0
                    is_room = len(job.silent) < MOST_SILENT and silent < MOST_SILENT_OF_ALL
                    if is_hidden and is_room:
                        job.silent[name] = member

    def _hold(self, job: KnownJob, now_ms: int) -> None:
        """Open and close the intervals in which the job holds a device."""
        since: dict[str, int] = {}
        for member in job.members.values():
            for device in self._resolved(member.devices or ()):
                since[device] = min(since.get(device, member.start_ms), member.start_ms)
        for device, start_ms in since.items():
            hold = job.holds.get(device)
            if hold is None:
                job.holds[device] = Hold(start_ms)
            elif hold.end_ms is not None:
                job.holds[device] = Hold(max(start_ms, hold.end_ms))
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
