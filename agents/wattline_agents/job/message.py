"""What a job tells the agent of its node: one datagram holds everything it counted so far.

Counters are sent as totals since the process began counting, again and again, so a datagram that is
lost costs nothing. The text is JSON, at most `MOST_BYTES` long.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline_agents.catalogue import JOB, Type
from wattline_agents.errors import WireError
from wattline_agents.wire import checked_name

VERSION = 1
MOST_BYTES = 8192
MOST_DEVICES = 128
KINDS = ("training", "inference", "other")

RUNNING = "running"
LEFT = "left"
"""A process of the job ended that says nothing of how the job went, such as a worker."""
STATES = (RUNNING, "completed", "failed", "cancelled", LEFT)

_COLUMNS = {metric.column: metric.type for metric in JOB.metrics}
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,95}\Z")
_MEMBER = re.compile(r"[0-9a-f]{16}\Z")
_MOST_TEXT = 128
_FIELDS = {
    "v", "job", "member", "pid", "start_unix_ms", "name", "kind", "project", "state", "devices",
    "counters",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One datagram.

    Attributes:
        job: The job's key.
        member: A random id of the process, new after every fork.
        pid: The process, as it knows itself; the system's word counts where there is one.
        start_unix_ms: When this process began to count.
        name: The job's name, for people.
        kind: training, inference or other.
        project: The grant it runs under.
        state: running, or how it ended.
        devices: UUIDs, or ordinals as text; None if it does not know what it holds.
        counters: Totals by the column of table `job`.
    """

    job: str
    member: str
    pid: int
    start_unix_ms: int
    name: str
    kind: str = "training"
    project: str | None = None
    state: str = RUNNING
    devices: tuple[str, ...] | None = None
    counters: Mapping[str, int | float] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The datagram."""
        document = {
            "v": VERSION,
            "job": self.job,
            "member": self.member,
            "pid": self.pid,
            "start_unix_ms": self.start_unix_ms,
            "name": self.name,
            "kind": self.kind,
            "project": self.project,
            "state": self.state,
            "devices": self.devices,
            "counters": self.counters,
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, datagram: bytes) -> Message:
        """Read a datagram from anyone.

        Raises:
            WireError: It is not one of ours; the message is safe to print.
        """
        if len(datagram) > MOST_BYTES:
            raise WireError(f"job: a datagram of more than {MOST_BYTES} bytes")
        try:
            document = json.loads(datagram)
        # Deep nesting ends in a RecursionError, which no well-meant datagram has.
        except (ValueError, RecursionError):
            raise WireError("job: a datagram that is not JSON") from None
        if not isinstance(document, dict) or document.get("v") != VERSION:
            raise WireError(f"job: a datagram that is not version {VERSION}")
        if unknown := document.keys() - _FIELDS:
            raise WireError(f"job: no field {ascii(min(unknown))[:40]}")
        job, member = _text(document, "job"), _text(document, "member")
        if not _MEMBER.match(member):
            raise WireError("job.member: not 16 hexadecimal digits")
        return cls(
            job=checked_name(job, "job.job"),
            member=member,
            pid=_whole(document, "pid", 2**31),
            start_unix_ms=_whole(document, "start_unix_ms", 2**53),
            name=_text(document, "name"),
            kind=_one_of(document, "kind", KINDS),
            project=None if document.get("project") is None else _text(document, "project"),
            state=_one_of(document, "state", STATES),
            devices=_devices(document.get("devices")),
            counters=_counters(document.get("counters")),
        )


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value or len(value) > _MOST_TEXT:
        raise WireError(f"job.{name}: not a text of 1 to {_MOST_TEXT} characters")
    # Not even an escape for a terminal: names are shown on pages and in journals.
    if not value.isprintable():
        raise WireError(f"job.{name}: has characters that cannot be printed")
    return value


def _whole(document: Mapping[str, object], name: str, most: int) -> int:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise WireError(f"job.{name}: not a whole number from 0 to {most}")
    return value


def _one_of(document: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str:
    value = document.get(name)
    if not isinstance(value, str) or value not in choices:
        raise WireError(f"job.{name}: not one of {', '.join(choices)}")
    return value


def _devices(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MOST_DEVICES:
        raise WireError(f"job.devices: not a list of at most {MOST_DEVICES}")
    for device in value:
        if not isinstance(device, str) or not _DEVICE.match(device):
            raise WireError("job.devices: not UUIDs or ordinals as text")
    return tuple(dict.fromkeys(value))


def _counters(value: object) -> dict[str, int | float]:
    if not isinstance(value, dict):
        raise WireError("job.counters: not an object")
    counters: dict[str, int | float] = {}
    for column, number in value.items():
        type = _COLUMNS.get(column)
        if type is None:
            raise WireError(f"job.counters: no counter {ascii(column)[:40]}")
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise WireError(f"job.counters.{column}: not a number")
        if not math.isfinite(number) if isinstance(number, float) else number > 2**62:
            raise WireError(f"job.counters.{column}: too large")
        if number < 0 or (type is Type.INT and not isinstance(number, int)):
            raise WireError(f"job.counters.{column}: negative, or part of one")
        counters[column] = number if type is Type.INT else float(number)
    return counters
