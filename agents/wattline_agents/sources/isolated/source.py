"""The source the agent sees: asks a process at each tick, and hands on what has come."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping, Sequence

from wattline_agents.catalogue import TABLES
from wattline_agents.clock import Clock, SystemClock
from wattline_agents.columns import ColumnRow, ColumnRows
from wattline_agents.errors import ReadFailed
from wattline_agents.light import Protocol
from wattline_agents.sources.isolated import child, frames
from wattline_agents.sources.isolated.absent import Absent
from wattline_agents.sources.isolated.carried import Carried
from wattline_agents.sources.isolated.frames import Garbage
from wattline_agents.sources.isolated.keeper import PROBE, READER, Action, Keeper
from wattline_agents.sources.isolated.process import Process, reap
from wattline_agents.sources.isolated.unpacker import Unpacker
from wattline_agents.sources.registry import SOURCES
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Given
from wattline_agents.telling import Teller
from wattline_agents.wire import Row, Value

LOST_SECONDS = 20.0
"""A device of which nothing was heard for this long (or two and a half periods) is not up. Shorter
pauses come of another device: it hangs once where it is read, and once more where a new process
looks for it."""
_HANGS_SECONDS = 0.9
"""A device that is being read for this long (or period) is not up, whatever it may say later."""
_CLOSE_SECONDS = 1.0
_SET_MS = 500
"""A wall clock that moved by more than this while a reading was waited for has been set."""
_LOOK_SECONDS = 0.25
"""How often deadlines are looked at while someone waits for a reading."""
_PATIENCE_SECONDS = 3.0
"""Who waits for a reading hears after this long what it is waited for."""
_FORGET_SECONDS = 300.0
"""A device that answers is still to be found by the process that reads, which looks once a minute;
one that is not found for this long, while nothing fails, is no longer there."""
_MOST_DEVICES = 1024
_MOST_ROWS = 20_000
"""Rows kept between two ticks: hundreds are usual."""
_PROCESS = "the process"
"""What failed where no part did."""
_INFO = ("device_info", "node_info", "capability")
_TIMEOUTS = "read_timeouts_total"
"""The column of a device's row that is counted here."""
_READER_ALONE = {READER}


class Talks(Protocol):
    """A process as it is talked with; see `process.Process`."""

    pid: int
    bell: int
    is_over: bool

    def send(self, data: bytes) -> None:
        """Ask."""
        ...

    def receive(self) -> list[tuple[int, bytes]]:
        """Frames that have come."""
        ...

    def end(self, wait_seconds: float = 0.0) -> None:
        """Let it end."""
        ...


class Isolated:
    """A source of the registry, read in a process of its own.

    Names of its parts say what they are for: `open` may take longer and nothing can be read without
    it, a device's own name reads that device, and `find X` finds the one of that index, PCI bus id
    or name.
    """

    def __init__(
        self,
        name: str,
        config: SourceConfig,
        say: Callable[[str], None],
        clock: Clock | None = None,
        *,
        place: str | None = None,
        asks_ahead: bool = False,
        first: Talks | None = None,
        start: Callable[[str], Talks] = Process,
        reap: Callable[[int], int | None] = reap,
    ) -> None:
        """Remember what to read; the first read starts the process, where there is none yet.

        Args:
            name: The source's name in the registry.
            config: What the source is told; the process makes it with `from_config`.
            say: Takes the few lines meant for a person.
            clock: Where time comes from.
            place: `module:class` of the source, where it is not the registry's.
            asks_ahead: Whether to ask for the next tick's reading as soon as the last has come, so
                that whoever waits wakes once for both the tick and its reading.
            first: The process to read with at first, where it was started already.
            start: Starts a process.
            reap: Tells how a process ended.
        """
        self.name = name
        self.read_errors = 0
        self._clock = SystemClock() if clock is None else clock
        self._teller = Teller(say, self._clock)
        self._first, self._start, self._reap = first, start, reap
        self._open = frames.open_command(
            SOURCES[name] if place is None else place,
            config.system, config.node, config.rack, config.period_seconds, config.options,
        )  # fmt: skip
        self._ahead_ms = round(config.period_seconds * 1000) if asks_ahead else 0
        # How far the wall clock is ahead of the monotonic one, when a reading was asked for ahead;
        # and by how much its rows are behind, where the wall clock was set meanwhile.
        self._offset_ms: int | None = None
        self._shift_ms = 0
        self._hangs_seconds = max(_HANGS_SECONDS, 0.9 * config.period_seconds)
        self._lost_seconds = max(LOST_SECONDS, 2.5 * config.period_seconds)
        self._keeper = Keeper()
        self._processes: dict[str, Talks] = {}
        self._waiting: dict[int, int] = {}
        self._dying: list[int] = []
        self._over_since: dict[int, float] = {}
        self._unpacker = Unpacker(_is_of_the_catalogue)
        self._out: dict[str, ColumnRows] = {}
        self._rows_out = 0
        # Device -> time of its newest reading, and when it was last heard of at all.
        self._sampled_ms: dict[str, int] = {}
        self._heard: dict[str, float] = {}
        self._missed: dict[str, float] = {}
        self._announced: set[str] = set()
        # Parts that failed and have not been read since; and whether the one under way did.
        self._failing: set[str] = set()
        self._part_failed = False
        self._asked_ms = self._answered_ms = 0
        self._describe_next = True
        self._describing: dict[str, list[dict[str, Value]]] = {}
        self._described: dict[str, list[dict[str, Value]]] = {}
        self._found_by: dict[str, tuple[str, ...]] = {}
        self._parts_of: dict[str, tuple[str, ...]] | None = None
        self._places: dict[str, str] = {}
        self._reasons: dict[str, dict[str, str]] = {}
        self._trouble = ""
        self._carried = Carried()
        self._absent = Absent(self._tell_absent)
        self._unlisted: list[str] = []
        # What is to be told once a reading that someone waits for has come; None if nobody waits.
        self._notes: dict[str, None] | None = None

    @property
    def read_timeouts(self) -> int:
        """How often anything did not answer in time and was given up."""
        return self._keeper.timeouts_total

    def processes(self) -> Sequence[int]:
        """The processes that read for this one now."""
        return [process.pid for process in self._processes.values()]

    def read(self, now_ms: int) -> Given:
        """Ask for a reading; returns at once what has come, and a row of `device` per lost one."""
        if not self._waits_for_its_tick():
            self._take_in_all()
            if 0 <= now_ms - self._answered_ms < self._ahead_ms:
                self._ask_ahead()  # that of this tick has come
            self._act(now_ms)
        elif self._keeper.resting:
            self._act(now_ms)  # what is left alone may be due to be tried
        self._add_lost(now_ms)
        self._absent.tell(self._places)
        return self._handed()

    def unread(self) -> Sequence[str]:
        """Devices that are there and cannot be read now, those that have a row and those without.

        A device that has one is named by its own name, the others by index and PCI address as far
        as they are known.
        """
        return self._absent.names()

    def read_now(self, now_ms: int, seconds: float) -> Given:
        """Ask, and wait until everything has answered or the time is over.

        Raises:
            ReadFailed: Nothing can be read, and waiting longer would not help.
        """
        began = self._clock.monotonic()
        until, says_at = began + seconds, began + _PATIENCE_SECONDS
        trouble, self._trouble = self._trouble, ""
        self._describe_next = True
        notes: dict[str, None] = {}
        self._notes = notes
        self._take_in_all()
        while self._answered_ms < now_ms and (left := until - self._clock.monotonic()) > 0:
            self._act(now_ms)
            if self._trouble and READER not in self._keeper.running:
                break
            if self._clock.monotonic() >= says_at:
                self._teller.tell(
                    self.name, "waits", f"no answer yet; it is waited for up to {seconds:g} s"
                )
            poll = select.poll()
            for descriptor, events in self._waiting.items():
                poll.register(descriptor, events)
            poll.poll(min(left, _LOOK_SECONDS) * 1000)
            self._take_in_all()
        self._notes = None
        why = self._trouble or trouble or f"no answer within {seconds:g} s"
        has_failed = self._answered_ms < now_ms and not self._sampled_ms
        for note in notes:
            if not (has_failed and note == why):  # which is about to be said
                self._teller.tell(self.name, note, note)
        if has_failed:
            raise ReadFailed(why)
        self._add_lost(now_ms)
        return self._handed()

    def describe(self, now_ms: int) -> Given:
        """What was said last of the devices; asks for it anew with the next reading."""
        self._describe_next = True
        return {
            table: [{**row, "time_unix_ms": now_ms} for row in rows]
            for table, rows in self._described.items()
        }

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Why columns are null, as it was said last."""
        return self._reasons

    def descriptors(self) -> Mapping[int, int]:
        """The bells that ring when an answer is whole."""
        return self._waiting

    def handle(self, descriptor: int, events: int) -> Given:
        """Take in an answer; info rows among it are news, those of `describe` are the same.

        Reasons that changed are news as well: info rows come with them, if only an empty list.
        """
        before, reasons = self._described, self._reasons
        for role, process in tuple(self._processes.items()):
            if process.bell == descriptor:
                self._take_in(role)
        readings: dict[str, Sequence[Row]] = {**self._handed()}
        if self._ahead_ms:
            self._ask_ahead()
        # Mostly they are the very same, which need not be compared.
        has_news = self._described is not before and self._described != before
        if has_news or (self._reasons is not reasons and self._reasons != reasons):
            readings |= {"device_info": [], **self._described}
        return readings

    @property
    def is_expected(self) -> bool:
        """Whether a reading was asked for that is not due yet, and comes when it is."""
        return self._keeper.asked_for > self._clock.monotonic()

    def close(self) -> None:
        """End the processes."""
        if self._first is not None:  # nothing was read
            self._first.end()
            self._dying.append(self._first.pid)
            self._first = None
        for role in tuple(self._processes):
            self._end(role, _CLOSE_SECONDS if role == READER else 0.0)
        for _ in range(20):
            self._reap_all()
            if not self._dying:
                break
            time.sleep(0.005)  # they were killed; what hangs is left to the system

    def _waits_for_its_tick(self) -> bool:
        """Whether all that was asked is the next reading, and is not due yet.

        Then nothing can have come; a process that has ended rings its bell by that.
        """
        return (
            not self._dying
            and not any(process.is_over for process in self._processes.values())
            and self._processes.keys() == _READER_ALONE
            and self.is_expected
        )

    def _take_in_all(self) -> None:
        now = self._clock.monotonic()
        for role in tuple(self._processes):
            self._take_in(role)
        for role, process in tuple(self._processes.items()):
            if process.is_over:
                status = self._reap(process.pid)
                # Its pipes close a moment before it can be asked how it ended.
                since = self._over_since.setdefault(process.pid, now)
                if status is not None or now - since >= _CLOSE_SECONDS:
                    del self._over_since[process.pid]
                    self._gone(role, status)
        self._reap_all()

    def _act(self, now_ms: int) -> None:
        now = self._clock.monotonic()
        for action in self._keeper.decide(now, len(self._dying), self._devices()):
            self._do(action, now_ms)
        for kind, text, later in self._keeper.news:
            self._trouble = text
            self._tell(kind, f"{text}; {later}" if later and self._notes is None else text)
        self._keeper.news.clear()

    def _tell(self, kind: str, text: str) -> None:
        if self._notes is None:
            self._teller.tell(self.name, kind, text)
        else:
            self._notes[text] = None

    def _tell_absent(self, kind: str, text: str) -> None:
        if self._notes is None:  # who waits sees the rows, and is given the names
            self._teller.tell(self.name, kind, text)

    def _devices(self) -> Mapping[str, Sequence[str]]:
        """The parts that read the devices, and the parts that find each."""
        if self._parts_of is None or self._parts_of.keys() != self._sampled_ms.keys():
            self._parts_of = {one: self._found_by.get(one, ()) for one in self._sampled_ms}
        return self._parts_of

    def _ask_ahead(self) -> None:
        """Ask for the reading of the next tick."""
        unix_ms, now = self._clock.unix_ms(), self._clock.monotonic()
        due_ms = (unix_ms // self._ahead_ms + 1) * self._ahead_ms
        at = now + (due_ms - unix_ms) / 1000
        action = self._keeper.ask_ahead(at, self._devices())
        if action is not None:
            self._ask(action, due_ms, at)
            self._offset_ms = unix_ms - round(now * 1000)

    def _ask(self, action: Action, now_ms: int, at: float = 0.0) -> None:
        role = action.role
        describe = self._describe_next or role == PROBE
        if role == READER:
            self._asked_ms, self._describe_next = now_ms, False
            self._offset_ms, self._shift_ms = None, 0
            self._announced.clear()
        self._processes[role].send(frames.read_command(now_ms, describe, action.skip, at))

    def _do(self, action: Action, now_ms: int) -> None:
        role = action.role
        if action.do == "end":
            self._end(role)
        elif action.do == "start":
            try:
                self._processes[role] = self._first or self._start(self.name)
            except OSError as error:
                self._broke(role, f"cannot start a process: {error}")
                return
            self._first = None
            self._processes[role].send(self._open)
            if role == READER:
                self._unpacker = Unpacker(_is_of_the_catalogue)
                self._describe_next = True
                self._carried.replaced(self._clock.monotonic())
            self._note_waiting()
        elif role in self._processes:
            self._ask(action, now_ms)

    def _take_in(self, role: str) -> None:
        process = self._processes[role]
        if process.is_over:
            return
        now = self._clock.monotonic()
        if self._offset_ms is not None and role == READER:
            shift_ms = self._clock.unix_ms() - round(now * 1000) - self._offset_ms
            self._shift_ms = shift_ms if abs(shift_ms) > _SET_MS else 0
        try:
            for kind, payload in process.receive():
                self._frame(role, kind, payload, now)
                if role not in self._processes:
                    return
        except Garbage as error:
            self._broke(role, f"its process sent what makes no sense: {error}")
            return
        if process.is_over:
            self._note_waiting()  # its bell would ring for ever

    def _frame(self, role: str, kind: int, payload: bytes, now: float) -> None:
        if kind == frames.ROW:
            if role == READER:  # a probe only tries whether there is an answer
                self._row(*self._unpacker.row(payload), now)
        elif kind == frames.PART:
            part, since = frames.part_told(payload)
            if role == READER:
                self._part_ended()
                self._announced.add(part)
            self._keeper.part_began(role, part, since, now)
        elif kind == frames.SHAPE:
            if role == READER:
                self._unpacker.shape(payload)
        elif kind == frames.UNREAD:
            if role == READER:
                self._unlisted = frames.unread_told(payload)[:_MOST_DEVICES]
        elif kind == frames.FAILED:
            self._failed(role, *frames.failed_told(payload))
        elif kind == frames.END:
            if role == READER:
                self._part_ended()
                self._whole()
            self._keeper.answered(role, now)
        else:
            raise Garbage(f"a frame of kind {kind}")

    def _row(self, table: str, row: ColumnRow, now: float) -> None:
        if self._shift_ms and isinstance(stated_ms := row.get("time_unix_ms"), int):
            row.cells[row.columns.places["time_unix_ms"]] = stated_ms + self._shift_ms
        if table in _INFO:
            self._describing.setdefault(table, []).append(row.as_dict())
            return
        if table == "device":
            row = self._device_row(row, now)
        elif table == "xid":
            self._carried.xid(row)
        if self._rows_out < _MOST_ROWS:
            self._rows_out += 1
            self._hand(table, row)

    def _device_row(self, row: ColumnRow, now: float) -> ColumnRow:
        """Take note of a device's row; the row with what is counted here."""
        # Not by `get`: this is done for every device each second.
        place, cells = row.columns.places.get, row.cells
        device, time_ms, age, is_up = [
            None if (at := place(name)) is None else cells[at]
            for name in ("device", "time_unix_ms", "sample_age_seconds", "up")
        ]
        age = age or 0.0
        if not (isinstance(device, str) and isinstance(time_ms, int)) or isinstance(age, str):
            raise Garbage("a row of no device or of no time")
        self._announced.add(device)
        if len(self._heard) < _MOST_DEVICES or device in self._heard:
            self._heard[device] = now
            if is_up:
                self._sampled_ms[device] = time_ms - round(age * 1000) if age else time_ms
                self._absent.came(device)
            else:
                self._sampled_ms.setdefault(device, time_ms)
                self._absent.went(device, is_news=True)
            self._carried.device(device, row)
        return row.extended(_TIMEOUTS, self._keeper.timeouts.get(device, 0))

    def _hand(self, table: str, row: ColumnRow) -> None:
        rows = self._out.get(table)
        if rows is None:
            rows = self._out[table] = ColumnRows()
        rows.rows.append(row)

    def _failed(self, role: str, why: int, message: str) -> None:
        part = self._keeper.running[role].part
        if why == frames.RESTART_NEEDED or part == child.START:
            self._broke(role, message)
        elif role == READER:
            self._part_failed = True
            if len(self._failing) < _MOST_DEVICES:
                self._failing.add(part)
            # What is not there is a normal state, as long as nobody took it for a device.
            self.read_errors += why != frames.UNAVAILABLE
            self._trouble = message
            self._tell(f"failed {part}", message)

    def _part_ended(self) -> None:
        """The reader goes on to another part."""
        if self._failing and not self._part_failed:
            self._recovered(self._keeper.running[READER].part)
        self._part_failed = False

    def _recovered(self, part: str) -> None:
        if part in self._failing:
            self._failing.discard(part)
            if not self._failing:
                self._tell("again", "reading again")

    def _whole(self) -> None:
        """An answer of the reader has come in full."""
        self._answered_ms = self._asked_ms
        self._recovered(_PROCESS)
        keeper = self._keeper
        now = self._clock.monotonic()
        if self._missed:
            for device in self._announced | keeper.resting.keys():
                self._missed.pop(device, None)
        for device in self._sampled_ms.keys() - keeper.resting.keys() - self._announced:
            if now - self._missed.setdefault(device, now) > _FORGET_SECONDS and not self._failing:
                del self._sampled_ms[device], self._heard[device], self._missed[device]
                self._absent.forget(device)
                self._carried.forget(device)
        if child.DESCRIBE in self._announced and self._describing:
            self._learn(self._describing)
        self._describing = {}
        self._absent.list_others(self._without_row())
        self._absent.tell(self._places)

    def _without_row(self) -> list[str]:
        """Devices that the process cannot read and that are not known by a row of before."""
        if not self._unlisted:
            return []
        known = {
            part
            for device in self._sampled_ms
            if self._absent.is_down(device) or device not in self._announced
            for part in self._found_by.get(device, ())
        }
        return [
            name
            for name in self._unlisted
            if not any(f"find {word}" in known for word in name.split())
        ]

    def _learn(self, told: dict[str, list[dict[str, Value]]]) -> None:
        described = {
            table: [{c: v for c, v in row.items() if c != "time_unix_ms"} for row in rows]
            for table, rows in told.items()
            if table != "capability"
        }
        # A process that was told to leave a device out knows nothing of it; we still do.
        there = {row.get("device") for row in described.get("device_info", ())}
        for row in self._described.get("device_info", ()):
            if row["device"] in self._sampled_ms and row["device"] not in there:
                described.setdefault("device_info", []).append(row)
        self._described = described
        self._found_by = {
            str(row["device"]): tuple(
                f"find {row[column]}"
                for column in ("index", "pci", "device")
                if row.get(column) is not None
            )
            for row in described.get("device_info", ())
        }
        self._parts_of = None
        self._places = {
            str(row["device"]): ", ".join(
                f"{word} {row[column]}"
                for word, column in (("index", "index"), ("PCI", "pci"))
                if row.get(column) is not None
            )
            for row in described.get("device_info", ())
        }
        reasons: dict[str, dict[str, str]] = {}
        for told_row in told.get("capability", ()):
            device = str(told_row.get("device") or "")
            reasons.setdefault(device, {})[str(told_row["column"])] = str(told_row["reason"])
        for device in self._reasons.keys() & self._keeper.resting.keys():
            reasons.setdefault(device, self._reasons[device])
        self._reasons = reasons

    def _add_lost(self, now_ms: int) -> None:
        now = self._clock.monotonic()
        for xid in self._carried.repeated(now_ms, now):
            self._hand("xid", ColumnRow.of(xid))
        # What keeps all from being read was said, and so was what hangs.
        reads = not self._failing and READER in self._keeper.running
        for device, sampled_ms in self._sampled_ms.items():
            hangs = self._keeper.hangs(device, now, self._hangs_seconds)
            if hangs or now - self._heard[device] > self._lost_seconds:
                # One that hung and was released is heard of again once it is found.
                is_news = reads and not hangs and not self._absent.is_down(device)
                self._absent.went(device, is_news=is_news)
                row: dict[str, Value] = {
                    "time_unix_ms": now_ms,
                    "device": device,
                    "up": 0,
                    "sample_age_seconds": max(0.0, (now_ms - sampled_ms) / 1000),
                    _TIMEOUTS: self._keeper.timeouts.get(device, 0),
                }
                self._hand("device", ColumnRow.of(row))

    def _gone(self, role: str, status: int | None) -> None:
        how = "" if status is None else f" with code {status}"
        if status is not None and status < 0:
            how = f" by signal {-status}"
        self._broke(role, f"the process that reads it ended{how}")

    def _broke(self, role: str, why: str) -> None:
        if role == READER:
            self.read_errors += 1
            self._failing.add(_PROCESS)
            self._part_failed = False
            self._describing = {}
        self._keeper.ended(role, why, self._clock.monotonic())
        if role in self._processes:
            self._end(role)

    def _end(self, role: str, wait_seconds: float = 0.0) -> None:
        process = self._processes.pop(role)
        process.end(wait_seconds)
        self._dying.append(process.pid)
        self._note_waiting()
        self._reap_all()

    def _reap_all(self) -> None:
        self._dying = [pid for pid in self._dying if self._reap(pid) is None]

    def _note_waiting(self) -> None:
        self._waiting = {
            process.bell: select.POLLIN
            for process in self._processes.values()
            if not process.is_over
        }

    def _handed(self) -> Given:
        out, self._out, self._rows_out = self._out, {}, 0
        return out


def _is_of_the_catalogue(table: str, columns: Sequence[str]) -> bool:
    known = TABLES.get(table)
    return known is not None and set(columns) <= known.columns.keys()
