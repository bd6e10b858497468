"""What an agent remembers of jobs over its own restart, in one small file.

Processes send their totals again and again, so a new agent learns them in seconds. What it cannot
learn is what processes counted that have ended since, and for those seconds its sums would be too
low, which a collector takes for a counter that began again. So the last totals of every process,
and of those that ended, are kept; the file is replaced as a whole, and one that is damaged or gone
costs no more than that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from wattline_agents.assignment.members import ENDS, KnownJob, Member, Process
from wattline_agents.errors import WireError
from wattline_agents.job.message import RUNNING, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
EVERY_MS = 10_000
"""How often totals that only grew are written."""
KEEP_ENDED_MS = 3_600_000
"""A job that ended is kept this long: its next step may go on with it."""
_MOST_ENDED = 8_192
"""Ids of ended processes kept, those of all jobs together."""
_MOST_BYTES = 16 * 2**20

FindProcess = Callable[[int, int | None, int | None], Process]
"""The process of that number, user and start, as far as they are known."""


class Keeper:
    """Writes and reads the file."""

    def __init__(self, path: Path, say: Callable[[str], None] = lambda message: None) -> None:
        """Touch nothing yet: a node without jobs that count has no such file.

        Args:
            path: The file.
            say: Takes the one line meant for a person.
        """
        self.path = path
        self._say = say
        self._is_broken = False
        self._written: tuple[int, int] | None = None

    def load(self, find: FindProcess, now_ms: int) -> list[KnownJob]:
        """The jobs that were known; none where there is no file or none that can be read."""
        try:
            with self.path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError:
            return []
        try:
            return decoded(data, find, now_ms)
        except WireError as error:
            self._say(f"{self.path}: {error}; totals of jobs before now are not known")
            return []

    def keep(self, jobs: Iterable[KnownJob], changes: int, now_ms: int) -> None:
        """Write, if a process came or went since the last time, or some time has passed.

        Args:
            jobs: All jobs known.
            changes: How often a process came or went so far.
            now_ms: The tick's time.
        """
        if self._written is not None:
            before, at_ms = self._written
            if before == changes and 0 <= now_ms - at_ms < EVERY_MS:
                return
        known = list(jobs)
        if self._written is None and not known:
            return
        self._written = (changes, now_ms)
        try:
            self._replace(encoded(known, now_ms))
        except OSError as error:
            if not self._is_broken:
                reason = error.strerror or str(error)
                self._say(f"{self.path}: {reason}; a restart forgets what ended processes counted")
            self._is_broken = True

    def _replace(self, data: bytes) -> None:
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        # Names of jobs and users are nobody else's business.
        with open(os.open(draft, flags, 0o600), "wb") as file:
            file.write(data)
        # Without waiting for the disk: a node that breaks down takes its jobs with it.
        draft.replace(self.path)


def encoded(jobs: Iterable[KnownJob], now_ms: int) -> bytes:
    """The jobs as text, the ids of processes that ended longest ago left out beyond a bound."""
    kept: list[dict[str, Any]] = []
    room = _MOST_ENDED
    for job in reversed(list(jobs)):  # the newest matter most
        if job.end_ms is not None and not 0 <= now_ms - job.end_ms < KEEP_ENDED_MS:
            continue
        ended = list(job.ended)[-room:] if room else []
        room -= len(ended)
        kept.append(_job_document(job, ended))
    document = {"v": VERSION, "at": now_ms, "jobs": kept[::-1]}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def decoded(data: bytes, find: FindProcess, now_ms: int) -> list[KnownJob]:
    """Jobs from such a text.

    Raises:
        WireError: It is not one.
    """
    if len(data) > _MOST_BYTES:
        raise WireError("too large")
    try:
        document = json.loads(data)
        if document["v"] != VERSION:
            raise WireError(f"not version {VERSION}")
        at_ms = min(int(document["at"]), now_ms)
        return [_job(one, find, at_ms) for one in document["jobs"]]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise WireError("not what an agent wrote") from None


def _job_document(job: KnownJob, ended: list[str]) -> dict[str, Any]:
    return {
        "key": job.key, "uid": job.uid, "start": job.start_ms, "end": job.end_ms,
        "state": job.state, "settled": job.settled, "told": job.told, "gauges": job.gauges,
        "ended": ended, "ends": sorted(job.ends), "name": job.name, "kind": job.kind,
        "project": job.project, "run": job.run, "model": job.model,
        "members": {
            name: {
                "pid": member.process.pid,
                "started": member.process.started_ms,
                "start": member.start_ms,
                "counters": member.counters,
                "gauges": member.gauges,
                "devices": member.devices,
            }
            for name, member in job.members.items()
        },
    }  # fmt: skip


def _job(one: Mapping[str, Any], find: FindProcess, at_ms: int) -> KnownJob:
    uid = None if one["uid"] is None else int(one["uid"])
    first = _checked(one, "0" * 16, one["start"], one["settled"], one["gauges"], None, 0)
    told = _checked(one, "0" * 16, one["start"], one["told"], one["gauges"], None, 0)
    job = KnownJob(
        key=first.job,
        uid=uid,
        name=first.name,
        kind=first.kind,
        project=first.project,
        run=first.run,
        user=None,
        start_ms=first.start_unix_ms,
        end_ms=None if one["end"] is None else int(one["end"]),
        state=str(one["state"]),
        model=None if first.model is None else dict(first.model),
        ended=dict.fromkeys(str(name) for name in one["ended"]),
        ends={end for end in ENDS if end in one["ends"]},
        settled=dict(first.counters),
        gauges=dict(first.gauges),
        told=dict(told.counters),
        has_news=False,
    )
    for name, member in one["members"].items():
        said = _checked(
            one, name, member["start"], member["counters"], member["gauges"], member["devices"],
            member["pid"],
        )  # fmt: skip
        started = None if member["started"] is None else int(member["started"])
        job.members[said.member] = Member(
            find(said.pid, uid, started),
            said.start_unix_ms,
            at_ms,
            dict(said.counters),
            dict(said.gauges),
            said.devices,
            is_recalled=True,
        )
    if not job.members and job.end_ms is None:
        raise WireError("a job without processes that has not ended")
    return job


def _checked(
    one: Mapping[str, Any],
    member: str,
    start: object,
    counters: object,
    gauges: object,
    devices: object,
    pid: object,
) -> Message:
    """What is kept of a process is what it said; so it is read by the same rules."""
    document = {
        "v": 2, "job": one["key"], "member": member, "pid": pid, "start_unix_ms": start,
        "name": one["name"], "kind": one["kind"], "project": one["project"], "state": RUNNING,
        "devices": devices, "counters": counters, "run": one["run"], "gauges": gauges,
        "model": one["model"],
    }  # fmt: skip
    return Message.checked(document)
