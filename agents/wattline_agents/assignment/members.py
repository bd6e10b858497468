"""A job as the sum of its processes: what is kept of each, and what is believed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from wattline_agents.catalogue import Type
from wattline_agents.errors import WireError
from wattline_agents.job.message import COUNTERS, LEFT, MOST_WHOLE, RUNNING, Message
from wattline_agents.light import Protocol
from wattline_agents.record import record
from wattline_agents.wire import Value

MOST_TOTAL = 10**15
"""What one process can count: a hundred times the tokens of the largest training so far."""
_MOST_PER_SECOND = {Type.INT: 1e9, Type.FLOAT: 1e18}
"""Beyond what one process can make; floats are operations, at most those of 200 large GPUs."""
_MOST_PHASES_AT_ONCE = 64
_GRACE_SECONDS = 60.0

HEARD_ALL_MS = 12_000
"""Over twice the time in which every process says something, be it only that nothing changed."""

ENDS = ("failed", "cancelled", "completed", LEFT)
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


@record(frozen=False, slots=True)
class Member:
    """One process of a job."""

    process: Process
    start_ms: int
    heard_ms: int
    counters: dict[str, int | float] = field(default_factory=dict)
    gauges: dict[str, int] = field(default_factory=dict)
    devices: tuple[str, ...] | None = None
    # Known from before this agent began, and not heard since.
    is_recalled: bool = False


@record(frozen=False, slots=True)
class Hold:
    """One device, held by a job."""

    start_ms: int
    until_ms: int | None = None  # when the last process to end of those that held it did
    end_ms: int | None = None
    told_ms: int | None = None


@record(frozen=False, slots=True)
class KnownJob:
    """One job, the sum of its processes."""

    key: str
    uid: int | None
    name: str
    kind: str
    project: str | None
    run: str | None
    user: str | None
    start_ms: int
    end_ms: int | None = None
    state: str = RUNNING
    model: dict[str, str | int | float] | None = None
    members: dict[str, Member] = field(default_factory=dict)
    # Those that ended, the last one last; a set that keeps its order.
    ended: dict[str, None] = field(default_factory=dict)
    ends: set[str] = field(default_factory=set)
    # Of the ended those that were only silent: stopped perhaps, and may speak again.
    silent: dict[str, Member] = field(default_factory=dict)
    # What its ended processes counted, and what was last said of its steps.
    settled: dict[str, int | float] = field(default_factory=dict)
    gauges: dict[str, int] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    has_news: bool = True
    # Its totals are not told before this: others of its processes may be yet to be heard.
    withheld_until_ms: int = 0
    row_ms: int | None = None
    told: dict[str, int | float] = field(default_factory=dict)
    info: tuple[dict[str, Value], int] | None = None
    told_model: tuple[dict[str, Value], int] | None = None


def totals(job: KnownJob) -> dict[str, int | float]:
    """What all its processes counted, those that ended too; never less than was told before.

    Floats added up in another order may differ in their last digit, and the least fall is a fall.
    """
    found, told = dict(job.settled), job.told
    for member in job.members.values():
        for column, count in member.counters.items():
            found[column] = found.get(column, 0) + count
    for column, count in found.items():
        most = MOST_WHOLE if isinstance(count, int) else count
        found[column] = max(min(count, most), told.get(column, 0))
    return found


def gauges(job: KnownJob) -> dict[str, int]:
    """The highest any living process says; where none says anything, what was said last.

    Processes of one job step together, so the highest is that of the job; those that ended do not
    count, as the ones that took their place may have gone back to a checkpoint.
    """
    found: dict[str, int] = {}
    for member in job.members.values():
        for column, number in member.gauges.items():
            found[column] = max(found.get(column, 0), number)
    return job.gauges | found


def start_of(message: Message, process: Process, now_ms: int) -> int:
    """When the process began to count: its own word, but not before it was there, nor later."""
    earliest = now_ms - 366 * 86_400_000 if process.started_ms is None else process.started_ms
    return max(min(message.start_unix_ms, now_ms), earliest - 1_000)


def check_counters(
    before: Mapping[str, int | float],
    counters: Mapping[str, int | float],
    start_ms: int,
    now_ms: int,
) -> None:
    """Believe counters of one process, or not.

    Raises:
        WireError: One fell, or is more than any process can make.
    """
    seconds = max(0.0, (now_ms - start_ms) / 1000) + _GRACE_SECONDS
    for column, count in counters.items():
        if count < before.get(column, 0):
            raise WireError(f"job.{column}: fell from {before[column]:g} to {count:g}")
        type = COUNTERS[column]
        rate = _MOST_PHASES_AT_ONCE if column.startswith("phase_") else _MOST_PER_SECOND[type]
        if count > rate * seconds or (type is Type.INT and count > MOST_TOTAL):
            raise WireError(f"job.{column}: more than any process can make: {count:g}")
