"""The loop: reads every source on its schedule, hands the rows to the sinks, reports its health.

Nothing here waits for a network, and a source that fails or hangs stops no other. `step` decides
what is due and does it, `run` only sleeps between steps; so an hour of ticks tests in a moment, and
many agents can live in one process.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wattline_agents import __version__
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.config import AgentConfig
from wattline_agents.errors import WattlineError
from wattline_agents.sinks.sink import Health, Sink
from wattline_agents.sources.source import (
    FollowsAssignments,
    FollowsDevices,
    Readings,
    ReadsAtOwnPace,
    Source,
)
from wattline_agents.wire import Row, Value

HEALTH_SECONDS = 10.0
DESCRIBE_SECONDS = 60.0
"""How soon a changed device or driver shows."""
REPEAT_INFO_MS = 600_000
"""Ten minutes, as the catalogue promises: a collector that lost its memory learns names again."""
REPEAT_MESSAGE_SECONDS = 600.0

_SCHEDULED = ("device", "node", "job")
"""Tables whose rows come at a source's pace; the others say what changed and have no period."""


def say(message: str) -> None:
    """Tell the person who looks at standard error (or the journal)."""
    print(f"agent: {message}", file=sys.stderr, flush=True)


@dataclass(slots=True)
class _Slot:
    """One source and what the loop remembers of it."""

    source: Source
    every_ticks: int
    next_tick: int = 0
    is_failing: bool = False
    held: dict[str, str] = field(default_factory=dict)
    told_held: Mapping[str, str] | None = None
    told_devices: Mapping[int, str] | None = None


@dataclass(slots=True)
class _Counts:
    readings: int = 0
    read_errors: int = 0
    late_ticks: int = 0


class Agent:
    """One node's agent."""

    def __init__(
        self,
        config: AgentConfig,
        sources: Sequence[Source],
        sinks: Sequence[Sink],
        clock: Clock | None = None,
        stop: threading.Event | None = None,
        say: Callable[[str], None] = say,
    ) -> None:
        """Put it together; nothing is read before the first step.

        Args:
            config: Who the node is, and how often to read it.
            sources: Opened sources; the agent closes them.
            sinks: Where rows go; the agent closes them.
            clock: Where time comes from.
            stop: Set it to end `run`.
            say: Takes the few lines meant for a person.
        """
        self._config = config
        self._sinks = tuple(sinks)
        self._clock = SystemClock() if clock is None else clock
        self._stop = threading.Event() if stop is None else stop
        self._say = say
        self._slots = [_Slot(source, self._ticks(source)) for source in sources]
        self._counts = _Counts()
        self._start: float | None = None
        self._tick = 0
        self._next_describe = self._next_health = -math.inf
        self._sent_info: dict[str, tuple[list[dict[str, Value]], int]] = {}
        self._said: dict[tuple[str, str], float] = {}
        self._read_seconds: float | None = None

    def run(self) -> None:
        """Read until told to stop, then let sources and sinks go."""
        try:
            while not self._stop.is_set():
                self._stop.wait(self.step())
        finally:
            self.close()

    def close(self) -> None:
        """Close sources, then sinks, so that what sources gave last is still sent."""
        for slot in self._slots:
            slot.source.close()
        for sink in self._sinks:
            sink.close()

    def step(self) -> float:
        """Do what is due now; returns the seconds until the next tick."""
        period = self._config.period_seconds
        now = self._clock.monotonic()
        if self._start is None:
            self._start = now
        due = self._start + self._tick * period
        if now < due:
            return due - now
        if now > due + period / 2:
            self._counts.late_ticks += 1
        self._do_tick(now, self._clock.unix_ms())
        # Ticks keep their places in time however long one took; those that were missed are left
        # out rather than made up for in a burst.
        now = self._clock.monotonic()
        self._tick = max(self._tick + 1, math.ceil((now - self._start) / period - 1e-6))
        return max(0.0, self._start + self._tick * period - now)

    def _ticks(self, source: Source) -> int:
        every = source.every_seconds if isinstance(source, ReadsAtOwnPace) else 0.0
        return max(1, math.ceil(every / self._config.period_seconds - 1e-6))

    def _do_tick(self, now: float, now_ms: int) -> None:
        for slot in self._slots:
            if self._tick >= slot.next_tick:
                slot.next_tick = self._tick - self._tick % slot.every_ticks + slot.every_ticks
                self._read(slot, now_ms)
        self._read_seconds = self._clock.monotonic() - now
        if now >= self._next_describe:
            self._next_describe = now + DESCRIBE_SECONDS
            self._describe(now_ms)
        self._tell_assignments()
        if now >= self._next_health:
            self._next_health = now + HEALTH_SECONDS
            self._hand_on("agent", [self._health_row(now_ms)], int(HEALTH_SECONDS * 1000))

    def _read(self, slot: _Slot, now_ms: int) -> None:
        failures, was_failing = self._counts.read_errors, slot.is_failing
        readings = self._guarded(slot, lambda: slot.source.read(now_ms))
        if was_failing and self._counts.read_errors == failures:
            slot.is_failing = False
            self._say_sometimes(slot.source.name, "again", "reading again")
        period_ms = round(slot.every_ticks * self._config.period_seconds * 1000)
        for table, rows in readings.items():
            self._counts.readings += len(rows)
            if table == "assignment":
                _note_held(slot.held, rows)
            self._hand_on(table, rows, period_ms if table in _SCHEDULED else 0)

    def _guarded(self, slot: _Slot, action: Callable[[], Readings]) -> Readings:
        """Do it; a failure is counted and said, and counts as having read nothing."""
        try:
            return action()
        except WattlineError as error:
            self._failed(slot, type(error).__name__, str(error))
        except Exception as error:  # a fault in one source's code must not silence the others
            self._failed(slot, type(error).__name__, f"{type(error).__name__}: {error}")
        return {}

    def _failed(self, slot: _Slot, kind: str, message: str) -> None:
        self._counts.read_errors += 1
        slot.is_failing = True
        self._say_sometimes(slot.source.name, kind, message)

    def _say_sometimes(self, source: str, kind: str, message: str) -> None:
        """Say it once per kind and ten minutes: a sensor that flaps must not fill a journal."""
        now = self._clock.monotonic()
        if now - self._said.get((source, kind), -math.inf) >= REPEAT_MESSAGE_SECONDS:
            self._said[source, kind] = now
            self._say(message if message.startswith(source) else f"{source}: {message}")

    def _describe(self, now_ms: int) -> None:
        """Send info rows that are new, changed, or ten minutes old."""
        node: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "rack": self._config.rack,
            "agent_version": __version__,
        }
        devices: list[dict[str, Value]] = []
        for slot in self._slots:
            source = slot.source
            described = self._guarded(slot, lambda source=source: source.describe(now_ms))  # type: ignore[misc]
            devices += [dict(row) for row in described.get("device_info", ())]
            for row in described.get("node_info", ()):
                node |= {column: value for column, value in row.items() if value is not None}
        self._send_info("node_info", [node], now_ms)
        if devices:
            self._send_info("device_info", devices, now_ms)
        self._tell_devices(devices)

    def _send_info(self, table: str, rows: list[dict[str, Value]], now_ms: int) -> None:
        timeless = [{c: v for c, v in row.items() if c != "time_unix_ms"} for row in rows]
        sent = self._sent_info.get(table)
        if sent is not None and sent[0] == timeless and 0 <= now_ms - sent[1] < REPEAT_INFO_MS:
            return
        self._sent_info[table] = (timeless, now_ms)
        self._hand_on(table, rows, 0)

    def _tell_devices(self, rows: list[dict[str, Value]]) -> None:
        devices: dict[int, str] = {}
        for row in rows:
            index = row.get("index")
            if isinstance(index, int):
                devices[index] = str(row["device"])
        if not devices:
            return  # a source that is stuck describes nothing; its devices are still there
        for slot in self._slots:
            source = slot.source
            if isinstance(source, FollowsDevices) and slot.told_devices != devices:
                slot.told_devices = devices
                source.on_devices(devices)

    def _tell_assignments(self) -> None:
        for slot in self._slots:
            source = slot.source
            if not isinstance(source, FollowsAssignments):
                continue
            others = [other.held for other in self._slots if other is not slot]
            held = {device: job for found in others for device, job in found.items()}
            if slot.told_held != held:
                slot.told_held = held
                source.on_assignments(held)

    def _health_row(self, now_ms: int) -> Row:
        health = [sink.health() for sink in self._sinks]
        return {
            "time_unix_ms": now_ms,
            "readings_total": self._counts.readings,
            "read_errors_total": self._counts.read_errors,
            "late_ticks_total": self._counts.late_ticks,
            "batches_dropped_total": _sum(health, "batches_dropped"),
            "batches_refused_total": _sum(health, "batches_refused"),
            "spool_bytes": _sum(health, "spool_bytes"),
            "read_seconds": self._read_seconds,
        }

    def _hand_on(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        if rows:
            for sink in self._sinks:
                sink.accept(table, rows, period_ms)


def _note_held(held: dict[str, str], rows: Sequence[Row]) -> None:
    for row in rows:
        device, job = str(row["device"]), str(row["job"])
        if row.get("end_unix_ms") is None:
            held[device] = job
        elif held.get(device) == job:
            del held[device]


def _sum(health: Sequence[Health], name: str) -> int | None:
    known = [value for one in health if (value := getattr(one, name)) is not None]
    return sum(known) if known else None
