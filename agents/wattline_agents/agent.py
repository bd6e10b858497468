"""The loop: reads every source on its schedule, hands the rows to the sinks, reports its health.

Nothing here waits for a network, and a source that fails or hangs stops no other. `step` decides
what is due and does it; `run` only sleeps between steps, in one `poll` over everything that may
have news. So an hour of ticks tests in a moment, and many agents can live in one process.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Mapping, Sequence

from wattline_agents import __version__, own_use
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.config import AgentConfig
from wattline_agents.device_rows import DeviceRows, merged_infos
from wattline_agents.errors import WattlineError
from wattline_agents.light import Protocol, runtime_checkable
from wattline_agents.node_rows import NodeRows
from wattline_agents.sinks.sink import Health, KeepsSets, Sink
from wattline_agents.sources.source import (
    NOT_YET,
    CountsUnread,
    FollowsAssignments,
    FollowsDevices,
    FollowsReadings,
    ReadsAtOwnPace,
    SaysWhyNot,
    Source,
    Waits,
)
from wattline_agents.telling import Teller, say
from wattline_agents.ticks import Pace, Ticks
from wattline_agents.wire import MAX_TEXT_BYTES, Row, Value

HEALTH_SECONDS = 10.0
DESCRIBE_SECONDS = 60.0
"""How soon a changed device or driver shows."""
_PATIENCE_SECONDS = 0.05
"""Readings of devices that answer come within milliseconds of their tick."""
REPEAT_INFO_MS = 600_000
"""Ten minutes, as the catalogue promises: a collector that lost its memory learns names again."""

_SCHEDULED = frozenset(("device", "node", "job", "mig", "process", "meter", "serving"))
"""Tables whose rows come at a source's pace; the others say what changed and have no period."""
_DESCRIBED = ("device_info", "node_info")


@runtime_checkable
class ReadsElsewhere(Protocol):
    """A source that reads in a process or thread of its own, and counts what happens there."""

    @property
    def read_errors(self) -> int:
        """Readings that failed there."""
        ...

    @property
    def read_timeouts(self) -> int:
        """Readings that did not end in time and were given up."""
        ...

    def processes(self) -> Sequence[int]:
        """Numbers of the processes that read for it now."""
        ...


@runtime_checkable
class ComesByItself(Protocol):
    """A source whose next reading may come at its tick without being asked for then."""

    @property
    def is_expected(self) -> bool:
        """Whether it will."""
        ...


class _Slot:
    """One source and what the loop remembers of it."""

    __slots__ = (
        "counts_unread", "elsewhere", "follows_assignments", "follows_devices", "held",
        "is_failing", "pace", "paced", "rank", "says_why_not", "source", "told_devices",
        "told_held",
    )  # fmt: skip

    def __init__(self, source: Source, rank: int, period_seconds: float) -> None:
        self.source, self.rank = source, rank
        # A protocol is checked attribute by attribute: once, and not at every tick.
        self.paced = source if isinstance(source, ReadsAtOwnPace) else None
        self.elsewhere = source if isinstance(source, ReadsElsewhere) else None
        self.counts_unread = source if isinstance(source, CountsUnread) else None
        self.follows_assignments = source if isinstance(source, FollowsAssignments) else None
        self.follows_devices = source if isinstance(source, FollowsDevices) else None
        self.says_why_not = source if isinstance(source, SaysWhyNot) else None
        self.pace = Pace(self.paced.every_seconds if self.paced else 0.0, period_seconds)
        self.is_failing = False
        self.held: dict[str, str] = {}
        self.told_held: Mapping[str, str] | None = None
        self.told_devices: Mapping[int, str] | None = None


class Agent:
    """One node's agent."""

    def __init__(
        self,
        config: AgentConfig,
        sources: Sequence[Source],
        sinks: Sequence[Sink],
        clock: Clock | None = None,
        say: Callable[[str], None] = say,
    ) -> None:
        """Put it together; nothing is read before the first step.

        Args:
            config: Who the node is, and how often to read it.
            sources: Opened sources; the agent closes them.
            sinks: Where rows go; the agent closes them.
            clock: Where time comes from.
            say: Takes the few lines meant for a person.
        """
        self._config = config
        self._sinks = tuple(sinks)
        self._clock = SystemClock() if clock is None else clock
        self._teller = Teller(say, self._clock)
        period = config.period_seconds
        self._slots = [_Slot(source, rank, period) for rank, source in enumerate(sources)]
        self._ticks = Ticks(period)
        self._health_pace = Pace(HEALTH_SECONDS, period)
        self._describe_pace = Pace(DESCRIBE_SECONDS, period)
        self._describes_next = False
        self._held_changed = True
        self._readings = self._read_errors = self._not_taken = 0
        self._read_seconds: float | None = None
        self._node_rows = NodeRows()
        self._device_rows = DeviceRows()
        self._node_given: list[tuple[object, Row, int]] = []
        self._sent_info: dict[str, tuple[list[dict[str, Value]], int]] = {}
        # By table, those who see rows of other sources; asked at every tick, so it is a dictionary.
        self._followers: dict[str, list[tuple[_Slot, FollowsReadings]]] = {}
        for slot in self._slots:
            if isinstance(slot.source, FollowsReadings):
                for table in slot.source.follows:
                    self._followers.setdefault(table, []).append((slot, slot.source))
        self._waiters: list[tuple[_Slot | None, Waits]] = [
            *((slot, slot.source) for slot in self._slots if isinstance(slot.source, Waits)),
            *((None, sink) for sink in self._sinks if isinstance(sink, Waits)),
        ]
        self._poll = select.poll()
        self._registered: dict[int, int] = {}
        # What each of them waits for, by its place, and who waits for a descriptor.
        self._wanted: dict[int, Mapping[int, int]] = {}
        self._who: dict[int, tuple[_Slot | None, Waits]] = {}
        self._invalid: set[int] = set()
        self._coming = [
            slot.source for slot in self._slots if isinstance(slot.source, ComesByItself)
        ]
        self._patience = min(_PATIENCE_SECONDS, period / 10)

    def run(self, until: int) -> None:
        """Read until told to stop, then let sources and sinks go.

        Args:
            until: A descriptor; it runs until that can be read.
        """
        try:
            while self.wait(self.step(), until):
                pass
        finally:
            self.close()

    def close(self) -> None:
        """Close sources, then sinks, so that what sources gave last is still sent."""
        self._hand_on_node()
        ends: list[Source | Sink] = [*(slot.source for slot in self._slots), *self._sinks]
        for one in ends:
            try:
                one.close()
            except Exception as error:  # what cannot be closed must not keep the rest from sending
                name = getattr(one, "name", type(one).__name__)
                self._teller.tell(name, "close", f"closing: {type(error).__name__}: {error}")

    def step(self) -> float:
        """Do what is due now; returns the seconds until the next tick."""
        clock, ticks = self._clock, self._ticks
        now_ms, now = clock.unix_ms(), clock.monotonic()
        left = ticks.left(now_ms, now)
        if left > 0:
            return left + self._wait_for_readings()
        self._do_tick(ticks.begin(now_ms, now), now_ms, now)
        now_ms, now = clock.unix_ms(), clock.monotonic()
        ticks.end(now_ms, now)
        return max(0.0, ticks.left(now_ms, now)) + self._wait_for_readings()

    def _wait_for_readings(self) -> float:
        """How long the next tick may wait for readings that come with it.

        To wake once for both rather than twice saves a third of what a tick takes: most of that is
        waking up.
        """
        for one in self._coming:
            if one.is_expected:
                return self._patience
        return 0.0

    def wait(self, seconds: float, until: int) -> bool:
        """Sleep that long, and wake for what has news; returns whether to go on."""
        who = self._register(until)
        for descriptor, events in self._poll.poll(seconds * 1000):
            if descriptor == until:
                return False
            if events & select.POLLNVAL:
                # It was closed and is still named: left out until the next tick, or we would spin.
                self._invalid.add(descriptor)
                self._wanted.clear()
                continue
            slot, waiter = who[descriptor]
            self._handle(slot, waiter, descriptor, events)
        return True

    def _register(self, until: int) -> dict[int, tuple[_Slot | None, Waits]]:
        # Mostly they wait for the same as before, which two looks tell.
        changed = until not in self._registered or not self._wanted
        for place, (_slot, waiter) in enumerate(self._waiters):
            descriptors = waiter.descriptors()
            if descriptors != self._wanted.get(place):
                self._wanted[place] = dict(descriptors)
                changed = True
        if not changed:
            return self._who
        registered = {until: select.POLLIN}
        self._who = {}
        for place, descriptors in self._wanted.items():
            for descriptor, events in descriptors.items():
                if descriptor not in self._invalid:
                    registered[descriptor] = events
                    self._who[descriptor] = self._waiters[place]
        for descriptor in self._registered.keys() - registered.keys():
            self._poll.unregister(descriptor)
        for descriptor, events in registered.items():
            self._poll.register(descriptor, events)
        self._registered = registered
        return self._who

    def _handle(self, slot: _Slot | None, waiter: Waits, descriptor: int, events: int) -> None:
        if slot is None:
            try:
                waiter.handle(descriptor, events)
            except Exception as error:  # one sink's fault is not the others'
                name = type(waiter).__name__
                self._teller.tell(name, "handle", f"{type(error).__name__}: {error}")
            return
        try:
            readings = waiter.handle(descriptor, events)
        except Exception as error:
            self._failed(slot, error)
            return
        if "device_info" in readings or "node_info" in readings:
            # Who is being read is told together, from all sources, at the next tick.
            readings = {t: rows for t, rows in readings.items() if t not in _DESCRIBED}
            self._describes_next = True
        self._take(slot, readings)

    def _do_tick(self, tick: int, now_ms: int, now: float) -> None:
        if self._invalid:
            self._invalid.clear()
            self._wanted.clear()
        if self._node_given:
            # What came between two ticks counts at this one: a node has one row per time.
            self._node_given = [
                (source, {**row, "time_unix_ms": now_ms}, period_ms)
                for source, row, period_ms in self._node_given
            ]
        for slot in self._slots:
            if slot.paced is not None:
                slot.pace.change(slot.paced.every_seconds)
            if slot.pace.is_due(tick):
                self._read(slot, now_ms)
        self._hand_on_node()
        self._read_seconds = self._clock.monotonic() - now
        if self._describe_pace.is_due(tick) or self._describes_next:
            self._describes_next = False
            self._describe(now_ms)
        if self._held_changed:
            self._held_changed = False
            self._tell_assignments()
        if self._health_pace.is_due(tick):
            self._hand_on("agent", [self._health_row(now_ms)], self._health_pace.period_ms)

    def _read(self, slot: _Slot, now_ms: int) -> None:
        try:
            readings = slot.source.read(now_ms)
        except Exception as error:  # a fault in one source's code must not silence the others
            self._failed(slot, error)
            return
        self._take(slot, readings)

    def _take(self, slot: _Slot, readings: Mapping[str, Sequence[Row]]) -> None:
        if slot.is_failing and readings:
            slot.is_failing = False
            self._teller.tell(slot.source.name, "again", "reading again")
        period_ms = slot.pace.period_ms
        for table, rows in readings.items():
            self._readings += len(rows)
            if table == "node":
                self._node_given += [(slot, row, period_ms) for row in rows]
                continue
            if table == "device":
                now = self._clock.monotonic()
                rows = self._device_rows.merged(slot.rank, rows, period_ms, now)
            elif table == "assignment":
                _note_held(slot.held, rows)
                self._held_changed = True
            if table in self._followers:
                self._show(slot, table, rows)
            self._hand_on(table, rows, period_ms if table in _SCHEDULED else 0)

    def _show(self, giver: _Slot | None, table: str, rows: Sequence[Row]) -> None:
        """Let those see rows who follow their table."""
        for slot, follower in self._followers.get(table, ()):
            if slot is not giver:
                try:
                    follower.on_readings(table, rows)
                except Exception as error:  # its fault, and not that of whom it follows
                    self._failed(slot, error)

    def _failed(self, slot: _Slot, error: Exception) -> None:
        """A failure is counted and said, and counts as having read nothing."""
        self._read_errors += 1
        slot.is_failing = True
        kind = type(error).__name__
        text = str(error) if isinstance(error, WattlineError) else f"{kind}: {error}"
        self._teller.tell(slot.source.name, kind, text)

    def _hand_on_node(self) -> None:
        if not self._node_given:
            return
        given, self._node_given = self._node_given, []
        had_meter = self._node_rows.meter is not None
        for period_ms, rows in self._node_rows.merged(given).items():
            self._hand_on("node", rows, period_ms)
        if not had_meter and self._node_rows.meter is not None:
            self._describes_next = True  # which says what meters the node

    def _describe(self, now_ms: int) -> None:
        """Send info rows that are new, changed, or ten minutes old."""
        node: dict[str, Value] = {
            "time_unix_ms": now_ms,
            "rack": self._config.rack,
            "agent_version": __version__,
        }
        devices: list[dict[str, Value]] = []
        reasons: list[dict[str, Value]] = []
        meter = self._node_rows.meter
        for slot in self._slots:
            try:
                described = slot.source.describe(now_ms)
                if slot.says_why_not is not None:
                    why_not = slot.says_why_not.why_not()
                    reasons += _capability(slot.source.name, why_not, now_ms)
            except Exception as error:
                self._failed(slot, error)
                continue
            devices += [dict(row) for row in described.get("device_info", ())]
            for row in described.get("node_info", ()):
                told = {column: value for column, value in row.items() if value is not None}
                if meter is not None and meter is not slot:
                    told.pop("power_source", None)
                node |= told
        self._send_info("node_info", [node], now_ms)
        devices = merged_infos(devices)
        self._send_info("device_info", devices, now_ms)
        self._send_info("capability", self._still_unknown(reasons), now_ms)
        self._tell_devices(devices)

    def _still_unknown(self, reasons: list[dict[str, Value]]) -> list[dict[str, Value]]:
        """The reasons for columns that no source beside the owner of a device knows either."""
        now = self._clock.monotonic()
        return [
            row
            for row in reasons
            if row["column"] not in self._device_rows.fills(str(row["device"]), now)
        ]

    def _send_info(self, table: str, rows: list[dict[str, Value]], now_ms: int) -> None:
        if not rows:
            # Of devices nothing may be known for a while; that no reason is left is known.
            if table == "capability" and self._sent_info.pop(table, None) is not None:
                for sink in self._sinks:
                    if isinstance(sink, KeepsSets):
                        sink.told_none(table)
            return
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
        self._show(None, "device_info", rows)
        for slot in self._slots:
            if slot.follows_devices is not None and slot.told_devices != devices:
                slot.told_devices = devices
                slot.follows_devices.on_devices(devices)

    def _tell_assignments(self) -> None:
        for slot in self._slots:
            if slot.follows_assignments is None:
                continue
            others = [other.held for other in self._slots if other is not slot]
            held = {device: job for found in others for device, job in found.items()}
            if slot.told_held != held:
                slot.told_held = held
                slot.follows_assignments.on_assignments(held)

    def _health_row(self, now_ms: int) -> Row:
        health = [sink.health() for sink in self._sinks]
        elsewhere = [slot.elsewhere for slot in self._slots if slot.elsewhere is not None]
        readers = [pid for one in elsewhere for pid in one.processes()]
        return {
            "time_unix_ms": now_ms,
            "readings_total": self._readings,
            "read_errors_total": self._read_errors + sum(one.read_errors for one in elsewhere),
            "late_ticks_total": self._ticks.late,
            "batches_dropped_total": _sum(health, "batches_dropped"),
            "batches_refused_total": _sum(health, "batches_refused"),
            "exports_failed_total": _with(_sum(health, "exports_failed"), self._not_taken),
            "spool_bytes": _sum(health, "spool_bytes"),
            "read_timeouts_total": sum(one.read_timeouts for one in elsewhere),
            "devices_unread": self._unread(),
            "cpu_seconds_total": own_use.cpu_seconds(readers),
            "memory_resident_bytes": own_use.resident_bytes(readers),
            "read_seconds": self._read_seconds,
        }

    def _unread(self) -> int | None:
        counting = [one for slot in self._slots if (one := slot.counts_unread) is not None]
        return sum(len(one.unread()) for one in counting) if counting else None

    def _hand_on(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        if rows:
            for sink in self._sinks:
                try:
                    sink.accept(table, rows, period_ms)
                except Exception as error:  # one sink's fault is neither the others' nor our end
                    self._not_taken += 1
                    name, kind = type(sink).__name__, type(error).__name__
                    self._teller.tell(name, "accept", f"{table} is not taken: {kind}: {error}")


def _capability(
    source: str, reasons: Mapping[str, Mapping[str, str]], now_ms: int
) -> Iterator[dict[str, Value]]:
    for device, columns in reasons.items():
        for column, reason in columns.items():
            if reason.startswith(NOT_YET):
                continue  # it passes by itself, and says nothing of what can be read here
            yield {
                "time_unix_ms": now_ms,
                "source": source,
                "device": device or None,
                "column": column,
                "reason": _plain(reason) or "nobody says why",
            }


def _plain(text: str) -> str:
    """The text as a column may hold it: a driver's own words may be anything."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return printable.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


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


def _with(count: int | None, more: int) -> int | None:
    """A count that may be unknown, and what is known to come on top of it."""
    return (count or 0) + more if more else count
