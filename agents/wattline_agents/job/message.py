"""What a job tells the agent of its node: one datagram holds everything it counted so far.

Counters are sent as totals since the process began counting, again and again, so a datagram that is
lost costs nothing. The text is JSON, at most `MOST_BYTES` long. A file of the same text takes the
datagram's place where no socket can be reached.

Version 2 added `run`, `gauges` and `model`; version 1 is still understood.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field

from wattline_agents.catalogue import JOB, JOB_MODEL, Kind, Type
from wattline_agents.errors import WireError
from wattline_agents.pattern import pattern
from wattline_agents.record import record
from wattline_agents.wire import MAX_TEXT_BYTES, checked_name

VERSION = 2
VERSIONS = (1, 2)
MOST_BYTES = 16_384
MOST_TEXT = 128
MOST_DEVICES = 128
MOST_WHOLE = 10**18
MOST_FLOAT = 1e30
"""A collector refuses a batch in which one number is larger, with all the other jobs in it."""
KINDS = ("training", "inference", "other")

RUNNING = "running"
LEFT = "left"
"""A process of the job ended that says nothing of how the job went, such as a worker."""
STATES = (RUNNING, "completed", "failed", "cancelled", LEFT)

COUNTERS = {m.column: m.type for m in JOB.metrics if m.kind is Kind.COUNTER}
GAUGES = tuple(m.column for m in JOB.metrics if m.kind is Kind.GAUGE)
MODEL = {field.column: field.type for field in JOB_MODEL.fields[2:]}
"""What may be counted, what may be said as it is now, and what may be said of a model."""

_DEVICE = pattern(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,95}\Z")
_MEMBER = pattern(r"[0-9a-f]{16}\Z")
_FIRST_FIELDS = {
    "v", "job", "member", "pid", "start_unix_ms", "name", "kind", "project", "state", "devices",
    "counters",
}  # fmt: skip
_FIELDS = {1: _FIRST_FIELDS, 2: _FIRST_FIELDS | {"run", "gauges", "model"}}


@record(frozen=True, slots=True)
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
        run: The training run it is part of, if it is part of a named one.
        gauges: `step`, `step_resumed` and `step_saved` of table `job`, as they are now.
        model: Columns of table `job_model`, as far as they are known; None if nothing is.
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
    run: str | None = None
    gauges: Mapping[str, int] = field(default_factory=dict)
    model: Mapping[str, str | int | float] | None = None

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
            "run": self.run,
            "gauges": self.gauges,
            "model": self.model,
        }
        # As UTF-8: with escapes, a name of rare letters would be three times as long.
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()

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
        return cls.checked(document)

    @classmethod
    def checked(cls, document: object) -> Message:
        """The message in a datagram's object.

        Raises:
            WireError: It is not one of ours; the message is safe to print.
        """
        if not isinstance(document, dict):
            raise WireError("job: a datagram that is not an object")
        version = document.get("v")
        if isinstance(version, bool) or not isinstance(version, int) or version not in VERSIONS:
            raise WireError(f"job: a datagram that is not version {VERSION} or before")
        if unknown := document.keys() - _FIELDS[version]:
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
            run=None if document.get("run") is None else _text(document, "run"),
            gauges=_gauges(document.get("gauges")),
            model=_model(document.get("model")),
        )


def _text(document: Mapping[str, object], name: str) -> str:
    return _checked_text(document.get(name), f"job.{name}")


def _checked_text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value or len(value) > MOST_TEXT:
        raise WireError(f"{what}: not a text of 1 to {MOST_TEXT} characters")
    # Not even an escape for a terminal: names are shown on pages and in journals.
    if not value.isprintable():
        raise WireError(f"{what}: has characters that cannot be printed")
    # Rare letters are up to four bytes each, and a column holds so many bytes.
    return value.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


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
        type = COUNTERS.get(column)
        if type is None:
            raise WireError(f"job.counters: no counter {ascii(column)[:40]}")
        counters[column] = _number(number, type, f"job.counters.{column}")
    return counters


def _gauges(value: object) -> dict[str, int]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WireError("job.gauges: not an object")
    gauges: dict[str, int] = {}
    for column, number in value.items():
        if column not in GAUGES:
            raise WireError(f"job.gauges: no gauge {ascii(column)[:40]}")
        gauges[column] = int(_number(number, Type.INT, f"job.gauges.{column}"))
    return gauges


def _model(value: object) -> dict[str, str | int | float] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise WireError("job.model: not an object")
    model: dict[str, str | int | float] = {}
    for column, fact in value.items():
        type = MODEL.get(column)
        if type is None:
            raise WireError(f"job.model: no column {ascii(column)[:40]}")
        what = f"job.model.{column}"
        is_text = type is Type.TEXT
        model[column] = _checked_text(fact, what) if is_text else _number(fact, type, what)
    return model


def _number(number: object, type: Type, what: str) -> int | float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise WireError(f"{what}: not a number")
    # Of a float, not finite is more than any number.
    if not number <= (MOST_FLOAT if isinstance(number, float) else MOST_WHOLE):
        raise WireError(f"{what}: too large")
    if number < 0 or (type is Type.INT and not isinstance(number, int)):
        raise WireError(f"{what}: negative, or part of one")
    return number if type is Type.INT else float(number)
