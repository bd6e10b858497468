"""The source the agent sees, with processes that are none and a clock that is told."""

from collections.abc import Callable
from typing import Any

import pytest

from wattline_agents.errors import ReadFailed
from wattline_agents.sources.isolated import Isolated, frames
from wattline_agents.sources.isolated.child import DESCRIBE, START
from wattline_agents.sources.isolated.frames import Packer, Splitter
from wattline_agents.sources.settings import SourceConfig

GPUS = [f"GPU-{n}" for n in range(3)]


class Machine:
    """What the processes of a test have in common: the devices, and how they are."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.gpus = list(GPUS)
        self.hanging: set[str] = set()
        self.failing: dict[str, tuple[int, str]] = {}
        self.infos: dict[str, dict[str, Any]] = {}
        self.down: set[str] = set()
        self.unread: list[str] = []
        self.counts: dict[str, Any] = {}
        self.xids: list[tuple[int, int]] = []
        self.reason = "why"
        self.garbage: bytes | None = None
        self.answers_late = False
        self.immortal = False
        self.status = 0
        self.started: list[FakeProcess] = []
        self.living: set[int] = set()

    def start(self, name: str) -> Any:
        self.started.append(FakeProcess(self, 1000 + len(self.started)))
        self.living.add(self.started[-1].pid)
        return self.started[-1]

    def reap(self, pid: int) -> int | None:
        return None if pid in self.living else self.status

    @property
    def reader(self) -> Any:
        return self.started[-1]


class FakeProcess:
    """Answers at once, as a process would do soon."""

    def __init__(self, machine: Machine, pid: int) -> None:
        self.machine, self.pid, self.bell = machine, pid, 10_000 + pid
        self.is_over = self.is_ended = False
        self.looks = 0
        self.commands: list[int] = []
        self.skips: list[list[str]] = []
        self.begins: list[float] = []
        self._packer, self._out, self._later = Packer(), b"", b""
        self._unread: list[str] | None = None

    def send(self, data: bytes) -> None:
        for kind, payload in Splitter().feed(data):
            self.commands.append(kind)
            if kind == frames.OPEN:
                self._part(START, [])
            else:
                self._read(*frames.read_asked(payload))
        if not self.machine.answers_late:
            self.come()

    def come(self) -> None:
        self._out, self._later = self._out + self._later, b""

    def receive(self) -> list[tuple[int, bytes]]:
        self.looks += 1
        out, self._out = self._out, b""
        return list(Splitter().feed(self.machine.garbage or out))

    def end(self, wait_seconds: float = 0.0) -> None:
        self.is_ended = True
        if not self.machine.immortal:
            self.machine.living.discard(self.pid)

    def die(self, status: int) -> None:
        self.machine.status, self.is_over = status, True
        self.machine.living.discard(self.pid)

    def _read(self, now_ms: int, describe: bool, skip: list[str], at: float) -> None:
        self.skips.append(skip)
        self.begins.append(at)
        machine = self.machine
        rows: dict[str, list[Any]] = {
            gpu: [("device", self._device(now_ms, gpu))] for gpu in machine.gpus
        }
        xids = [
            ("xid", {"time_unix_ms": now_ms, "device": "GPU-0", "xid": xid, "count_total": count})
            for xid, count in machine.xids
        ]
        rows = {"open": [], "find": [], **rows, "xid": xids}
        if describe:
            there = [gpu for gpu in machine.gpus if gpu not in skip]
            rows[DESCRIBE] = [
                (
                    "device_info",
                    {
                        "time_unix_ms": now_ms,
                        "device": gpu,
                        "model": "H200",
                        **machine.infos.get(gpu, {}),
                    },
                )
                for gpu in there
            ] + [
                (
                    "capability",
                    {
                        "time_unix_ms": now_ms,
                        "device": gpu,
                        "column": "up",
                        "reason": machine.reason,
                    },
                )
                for gpu in [*there, None]
            ]
        for part, given in rows.items():
            if part in skip:
                continue
            if not self._part(part, given):
                return
        if machine.unread != self._unread:
            self._unread = machine.unread
            self._later += frames.unread_frame(machine.unread)
        self._later += frames.frame(frames.END)

    def _device(self, now_ms: int, gpu: str) -> dict[str, Any]:
        row: dict[str, Any] = {"time_unix_ms": now_ms, "device": gpu, "up": 0}
        if gpu not in self.machine.down:
            row |= {"up": 1, "power_watts": 9.5}
        return row | self.machine.counts

    def _part(self, part: str, rows: list[Any]) -> bool:
        self._later += frames.part_frame(part, self.machine.clock.monotonic())
        if part in self.machine.hanging:
            return False
        if part in self.machine.failing:
            self._later += frames.failed_frame(*self.machine.failing[part])
        else:
            self._later += b"".join(self._packer.row(table, row) for table, row in rows)
        return True


@pytest.fixture
def machine(clock: Any) -> Machine:
    return Machine(clock)


@pytest.fixture
def source(machine: Machine, clock: Any, said: list[str]) -> Isolated:
    config = SourceConfig("s", "n")
    return Isolated("nvml", config, said.append, clock, start=machine.start, reap=machine.reap)


@pytest.fixture
def ticked(source: Isolated, machine: Machine, clock: Any) -> Callable[[int], list[dict[str, Any]]]:
    """Tick so many times; the last tick's device rows by device, and what came after it."""

    def tick(times: int) -> Any:
        last: list[Any] = []
        for _ in range(times):
            last = [*source.read(clock.unix_ms()).get("device", [])]
            for descriptor, events in dict(source.descriptors()).items():
                last = [*last, *source.handle(descriptor, events).get("device", [])]
            clock.sleep(1)
        return last

    return tick


def test_a_tick_asks_and_the_answer_comes_by_the_bell(
    source: Isolated, machine: Machine, clock: Any
) -> None:
    now_ms = clock.unix_ms()
    assert source.read(now_ms) == {}
    assert machine.reader.commands == [frames.OPEN, frames.READ]
    (bell,) = source.descriptors()
    assert bell == machine.reader.bell
    rows = source.handle(bell, 1)["device"]
    assert rows == [
        {
            "time_unix_ms": now_ms,
            "device": gpu,
            "up": 1,
            "power_watts": 9.5,
            "read_timeouts_total": 0,
        }
        for gpu in GPUS
    ]
    assert source.handle(bell, 1) == {}, "nothing is handed on twice"
    source.read(now_ms + 1000)
    assert machine.reader.commands == [frames.OPEN, frames.READ, frames.READ]
    assert source.processes() == [machine.reader.pid]


class SetClock:
    """A clock whose wall time can be set."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.set_ms = clock, 0

    def unix_ms(self) -> int:
        return int(self.clock.unix_ms()) + self.set_ms

    def monotonic(self) -> float:
        return float(self.clock.monotonic())

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


@pytest.fixture
def set_clock(clock: Any) -> SetClock:
    return SetClock(clock)


@pytest.fixture
def ahead(machine: Machine, set_clock: SetClock, said: list[str]) -> Isolated:
    """A source that asks for the next tick's reading ahead, 0.4 s after a tick, and has begun."""
    machine.answers_late = True
    source = Isolated(
        "nvml", SourceConfig("s", "n"), said.append, set_clock,
        asks_ahead=True, start=machine.start, reap=machine.reap,
    )  # fmt: skip
    set_clock.sleep(0.4)
    source.read(set_clock.unix_ms())
    machine.reader.come()
    assert len(source.handle(machine.reader.bell, 1)["device"]) == 3
    return source


def test_the_next_tick_s_reading_is_asked_for_when_the_last_has_come(
    ahead: Isolated, machine: Machine, set_clock: SetClock
) -> None:
    assert ahead.is_expected
    tick_ms = set_clock.unix_ms() + 600
    assert machine.reader.begins == pytest.approx([0, 101])
    set_clock.sleep(0.602)
    assert not ahead.is_expected, "it is due, and nobody need wait for it any more"
    machine.reader.come()
    rows = ahead.handle(machine.reader.bell, 1)["device"]
    assert {row["time_unix_ms"] for row in rows} == {tick_ms}
    assert ahead.read(set_clock.unix_ms()) == {}, "its tick asks for nothing more"
    assert machine.reader.begins == pytest.approx([0, 101, 102])


def test_a_tick_does_not_look_for_what_cannot_have_come(
    ahead: Isolated, machine: Machine, set_clock: SetClock
) -> None:
    set_clock.sleep(0.602)
    machine.reader.come()
    ahead.handle(machine.reader.bell, 1)
    looks = machine.reader.looks
    ahead.read(set_clock.unix_ms())
    assert machine.reader.looks == looks
    machine.reader.die(-9)
    ahead.read(set_clock.unix_ms())
    assert machine.reader.is_ended, "its bell rings by that, and then it is seen"


def test_an_answer_that_its_tick_finds_is_not_asked_for_again(
    ahead: Isolated, machine: Machine, set_clock: SetClock
) -> None:
    set_clock.sleep(0.61)
    machine.reader.come()
    assert len(ahead.read(set_clock.unix_ms())["device"]) == 3
    assert machine.reader.begins == pytest.approx([0, 101, 102])


def test_an_answer_that_comes_late_is_waited_for_and_the_rhythm_found_again(
    ahead: Isolated, machine: Machine, set_clock: SetClock
) -> None:
    set_clock.sleep(0.65)
    assert ahead.read(set_clock.unix_ms()) == {}
    set_clock.sleep(1.2)
    machine.reader.come()
    assert len(ahead.handle(machine.reader.bell, 1)["device"]) == 3
    assert machine.reader.begins == pytest.approx([0, 101, 103])


def test_one_that_hangs_when_asked_ahead_is_given_up_as_any_other(
    ahead: Isolated, machine: Machine, set_clock: SetClock
) -> None:
    machine.hanging = {"GPU-1"}
    set_clock.sleep(0.601)
    machine.reader.come()
    ahead.handle(machine.reader.bell, 1)  # the next one hangs
    for _ in range(9):
        set_clock.sleep(1)
        machine.reader.come()
        ahead.read(set_clock.unix_ms())
    assert ahead.read_timeouts == 1
    assert len(machine.started) == 2


@pytest.mark.parametrize("set_ms", [-3_600_000, 90_000])
def test_a_reading_asked_for_before_the_clock_was_set_is_of_the_time_it_came(
    ahead: Isolated, machine: Machine, set_clock: SetClock, set_ms: int
) -> None:
    set_clock.sleep(0.6)
    set_clock.set_ms = set_ms
    machine.reader.come()
    rows = ahead.handle(machine.reader.bell, 1)["device"]
    assert {row["time_unix_ms"] for row in rows} == {set_clock.unix_ms()}
    set_clock.sleep(1.001)
    machine.reader.come()
    rows = ahead.handle(machine.reader.bell, 1)["device"]
    assert {row["time_unix_ms"] for row in rows} == {set_clock.unix_ms() - 1}


def test_an_answer_the_bell_did_not_bring_comes_with_the_next_tick(
    source: Isolated, clock: Any
) -> None:
    source.read(1000)
    assert [row["time_unix_ms"] for row in source.read(2000)["device"]] == [1000] * 3


def test_a_hung_device_is_down_with_its_age_and_the_others_are_read(
    source: Isolated, machine: Machine, ticked: Any, said: list[str]
) -> None:
    ticked(5)
    machine.hanging = {"GPU-1"}
    down = {row["device"]: row for row in ticked(2)}
    assert set(down) == {"GPU-1"}, "nothing is said of those that wait behind it"
    assert down["GPU-1"]["up"] == 0
    assert down["GPU-1"]["sample_age_seconds"] == 2.0
    rows = {row["device"]: row for row in ticked(10)}
    assert {device: row["up"] for device, row in rows.items()} == dict(
        zip(GPUS, [1, 0, 1], strict=True)
    )
    assert set(rows["GPU-1"]) == {
        "time_unix_ms", "device", "up", "sample_age_seconds", "read_timeouts_total",
    }  # fmt: skip
    assert rows["GPU-1"]["sample_age_seconds"] == 12.0
    assert rows["GPU-1"]["read_timeouts_total"] == 1
    assert source.read_timeouts == 1
    assert machine.started[0].is_ended
    assert machine.reader.skips[-1] == ["GPU-1", "find GPU-1"]
    assert said == ["nvml: no answer from the driver within 5 s (GPU-1); asked again in 60 s"]


def test_a_hung_device_is_not_looked_for_by_the_next_process(machine: Machine, ticked: Any) -> None:
    machine.infos = {"GPU-1": {"index": 1, "pci": "0000:07:00.0"}}
    ticked(5)
    machine.hanging = {"GPU-1"}
    ticked(10)
    assert machine.reader.skips[-1] == [
        "GPU-1", "find 0000:07:00.0", "find 1", "find GPU-1",
    ]  # fmt: skip


def test_a_hung_device_comes_back_when_it_answers(
    source: Isolated, machine: Machine, ticked: Any, said: list[str]
) -> None:
    ticked(5)
    machine.hanging = {"GPU-1"}
    ticked(20)
    machine.hanging = set()
    rows = ticked(70)
    assert [row["up"] for row in rows] == [1, 1, 1]
    assert [row["read_timeouts_total"] for row in rows] == [0, 1, 0]
    assert said[1:] == ["nvml: reading again (GPU-1)"]
    assert len(source.processes()) == 1
    assert len(machine.started) == 3, "the probe was the third"


def test_rows_of_a_probe_are_not_handed_on(machine: Machine, ticked: Any, source: Isolated) -> None:
    ticked(5)
    machine.hanging = {"GPU-1"}
    ticked(20)
    machine.hanging = set()
    while len(source.processes()) < 2:
        rows = ticked(1)
    assert sorted((row["device"], row["up"]) for row in rows) == [
        ("GPU-0", 1), ("GPU-1", 0), ("GPU-2", 1),
    ]  # fmt: skip


def test_a_device_that_is_gone_is_down_and_then_forgotten(ticked: Any, machine: Machine) -> None:
    ticked(3)
    machine.gpus.remove("GPU-1")
    rows = {row["device"]: row["up"] for row in ticked(30)}
    assert rows == {"GPU-0": 1, "GPU-1": 0, "GPU-2": 1}
    assert [row["device"] for row in ticked(300)] == ["GPU-0", "GPU-2"]


def test_a_device_that_answers_again_is_down_until_it_is_found(
    ticked: Any, machine: Machine
) -> None:
    ticked(5)
    machine.hanging = {"GPU-1"}
    ticked(20)
    machine.gpus.remove("GPU-1")
    machine.hanging = set()
    rows = {row["device"]: row["up"] for row in ticked(120)}
    assert rows == {"GPU-0": 1, "GPU-1": 0, "GPU-2": 1}
    machine.gpus.append("GPU-1")
    assert {row["device"]: row["up"] for row in ticked(2)} == dict.fromkeys(GPUS, 1)


def test_a_driver_that_fails_leaves_every_device_down(
    source: Isolated, ticked: Any, machine: Machine, said: list[str]
) -> None:
    ticked(3)
    machine.gpus.clear()
    machine.failing = {"open": (frames.READ_FAILED, "the NVIDIA driver is not loaded")}
    assert ticked(18) == []
    rows = ticked(10)
    assert [(row["device"], row["up"]) for row in rows] == [(gpu, 0) for gpu in GPUS]
    assert said == ["nvml: the NVIDIA driver is not loaded"]
    assert source.read_errors == 28
    machine.gpus, machine.failing = list(GPUS), {}
    assert [row["up"] for row in ticked(2)] == [1, 1, 1]
    assert said[1:] == ["nvml: reading again"]


def test_a_driver_that_is_not_there_is_no_error(
    source: Isolated, ticked: Any, machine: Machine, said: list[str]
) -> None:
    machine.gpus.clear()
    machine.failing = {"open": (frames.UNAVAILABLE, "no NVIDIA driver on this node")}
    ticked(30)
    assert said == ["nvml: no NVIDIA driver on this node"]
    assert source.read_errors == 0
    assert len(machine.started) == 1, "it looks for it again by itself"


def test_a_part_that_fails_does_not_touch_the_others(
    source: Isolated, ticked: Any, machine: Machine, said: list[str]
) -> None:
    ticked(2)
    machine.failing = {"GPU-0": (frames.BROKEN, "KeyError: 'x'")}
    assert [row["device"] for row in ticked(5)] == ["GPU-1", "GPU-2"]
    assert said == ["nvml: KeyError: 'x'"]
    assert source.read_errors == 5


def test_a_driver_that_was_replaced_is_read_by_a_new_process(
    source: Isolated, ticked: Any, machine: Machine, said: list[str]
) -> None:
    ticked(3)
    machine.failing = {"GPU-0": (frames.RESTART_NEEDED, "the NVIDIA driver was changed")}
    ticked(1)
    assert machine.reader.is_ended
    machine.failing = {}
    assert [row["up"] for row in ticked(3)] == [1, 1, 1]
    assert len(machine.started) == 2
    assert source.read_errors == 1
    assert said[0] == "nvml: the NVIDIA driver was changed (while at GPU-0); tried again in 1 s"


@pytest.mark.parametrize(("status", "how"), [(-11, "by signal 11"), (1, "with code 1")])
def test_a_process_that_ends_is_replaced(
    source: Isolated, ticked: Any, machine: Machine, said: list[str], status: int, how: str
) -> None:
    ticked(3)
    machine.reader.die(status)
    ticked(1)
    assert source.descriptors() == {}
    assert [row["up"] for row in ticked(4)] == [1, 1, 1]
    assert said[0].startswith(f"nvml: the process that reads it ended {how} (while at ")


def test_what_makes_no_sense_ends_the_process(
    source: Isolated, ticked: Any, machine: Machine, said: list[str]
) -> None:
    ticked(3)
    machine.garbage = b"Traceback (most recent call last):"
    ticked(1)
    assert machine.reader.is_ended
    machine.garbage = None
    assert [row["up"] for row in ticked(3)] == [1, 1, 1]
    assert "its process sent what makes no sense: a frame of" in said[0]


@pytest.mark.parametrize(
    "row", [{"device": 5, "time_unix_ms": 1}, {"device": "GPU-1"}, {"tea": 1, "time_unix_ms": 1}]
)
def test_rows_that_cannot_be_are_garbage(
    ticked: Any, machine: Machine, said: list[str], row: dict[str, Any]
) -> None:
    ticked(3)
    machine.garbage = Packer().row("device", row)
    ticked(1)
    assert "makes no sense" in said[0]


def test_a_process_that_cannot_be_started_is_said(clock: Any, said: list[str]) -> None:
    def fail(name: str) -> Any:
        raise PermissionError(13, "Permission denied")

    source = Isolated("nvml", SourceConfig("s", "n"), said.append, clock, start=fail)
    assert source.read(0) == {}
    assert said[0].startswith("nvml: cannot start a process: [Errno 13] Permission denied")
    assert source.read_errors == 1


def test_processes_that_cannot_be_ended_are_not_added_to_for_ever(
    ticked: Any, machine: Machine, said: list[str]
) -> None:
    ticked(3)
    machine.immortal, machine.hanging = True, {*GPUS, "find", "xid"}
    rows = ticked(3000)
    assert len(machine.started) == 3
    assert [row["up"] for row in rows] == [0, 0, 0]
    assert [text for text in said if "cannot be ended" in text] == said[-1:]
    machine.hanging, machine.immortal = set(), False
    machine.living.clear()
    assert [row["up"] for row in ticked(200)] == [1, 1, 1]


def test_who_is_read_is_told_by_the_next_answer(
    source: Isolated, machine: Machine, clock: Any
) -> None:
    assert source.describe(5) == {}
    source.read(1000)
    news = source.handle(machine.reader.bell, 1)
    assert [row["device"] for row in news["device_info"]] == GPUS
    info = {"time_unix_ms": 7, "device": "GPU-0", "model": "H200"}
    assert source.describe(7)["device_info"][0] == info
    assert source.why_not() == {gpu: {"up": "why"} for gpu in [*GPUS, ""]}
    source.read(2000)
    assert "device_info" not in source.handle(machine.reader.bell, 1), "nothing new"
    machine.gpus.append("GPU-9")
    source.describe(8)
    source.read(3000)
    news = source.handle(machine.reader.bell, 1)
    assert [row["device"] for row in news["device_info"]] == [*GPUS, "GPU-9"]


def test_a_device_that_hangs_is_still_described(
    source: Isolated, machine: Machine, ticked: Any
) -> None:
    ticked(3)
    machine.hanging = {"GPU-1"}
    ticked(20)
    devices = [row["device"] for row in source.describe(1)["device_info"]]
    assert sorted(map(str, devices)) == GPUS
    assert set(source.why_not()) == {*GPUS, ""}


def test_a_reading_now_waits_for_the_answer(
    source: Isolated, machine: Machine, said: list[str]
) -> None:
    readings = source.read_now(1000, 5)
    assert [row["device"] for row in readings["device"]] == GPUS
    assert source.describe(0)["device_info"]


def test_a_reading_now_that_cannot_be_says_why(
    machine: Machine, clock: Any, said: list[str], source: Isolated
) -> None:
    machine.failing = {START: (frames.UNAVAILABLE, "no NVIDIA driver on this node")}
    with pytest.raises(ReadFailed, match="no NVIDIA driver on this node"):
        source.read_now(1000, 5)


def test_it_closes_what_it_started(source: Isolated, machine: Machine, ticked: Any) -> None:
    ticked(2)
    source.close()
    assert machine.reader.is_ended
    assert source.processes() == []
    assert source.descriptors() == {}


def test_a_device_that_goes_and_one_that_comes_are_a_line_each(
    ticked: Any, machine: Machine, said: list[str], source: Isolated
) -> None:
    machine.infos = {"GPU-1": {"index": 1, "pci": "0000:07:00.0"}}
    ticked(3)
    machine.down = {"GPU-1"}
    ticked(5)
    gone = (
        "nvml: GPU-1 (index 1, PCI 0000:07:00.0) does not answer: it is lost or unplugged, or its "
        "driver is not loaded"
    )
    assert said == [gone]
    assert source.unread() == ["GPU-1"]
    machine.down = set()
    ticked(2)
    assert said == [gone, "nvml: GPU-1 (index 1, PCI 0000:07:00.0) answers again"]
    assert source.unread() == []
    for down in ({"GPU-1"}, set()):
        machine.down = down
        ticked(5)
    assert len(said) == 2, "once in ten minutes at most"


def test_a_device_without_a_row_is_named_once_and_counted(
    ticked: Any, machine: Machine, said: list[str], source: Isolated
) -> None:
    machine.unread = ["3 at 0000:0f:00.0"]
    ticked(5)
    assert said == ["nvml: device 3 at 0000:0f:00.0 is there and cannot be read: it has no row"]
    assert source.unread() == ["3 at 0000:0f:00.0"]
    machine.unread = []
    ticked(2)
    assert said[1:] == ["nvml: device 3 at 0000:0f:00.0 is read now, or gone"]
    assert source.unread() == []


def test_a_device_that_hangs_is_not_counted_once_more_by_its_index(
    ticked: Any, machine: Machine, source: Isolated, said: list[str]
) -> None:
    machine.infos = {"GPU-1": {"index": 1}}
    ticked(3)
    machine.hanging, machine.unread = {"GPU-1"}, ["1", "7"]
    ticked(20)
    assert source.unread() == ["7", "GPU-1"]
    assert [text for text in said if "GPU-1" in text] == [
        "nvml: no answer from the driver within 5 s (GPU-1); asked again in 60 s"
    ]


def test_a_new_process_that_finds_every_device_has_none_unread(
    ticked: Any, machine: Machine, source: Isolated
) -> None:
    machine.unread = ["3"]
    ticked(3)
    machine.unread = []
    machine.reader.die(1)
    ticked(10)
    assert source.unread() == []


def test_what_was_counted_goes_on_when_the_process_is_replaced(
    ticked: Any, machine: Machine
) -> None:
    machine.counts = {
        "energy_joules_total": 900.0,
        "energy_resets_total": 1,
        "energy_integral_joules_total": 90.125,
        "xid_events_total": 2,
        "read_errors_total": 3,
    }
    ticked(3)
    for energy, resets, integral in ((1000.0, 2, 180.25), (400.0, 4, 270.375)):
        machine.reader.die(-9)
        machine.counts = machine.counts | {"energy_joules_total": energy}
        row = ticked(10)[0]
        assert row["energy_joules_total"] == energy, "the device's own"
        assert row["energy_resets_total"] == resets, "and one where the counter began again"
        assert row["energy_integral_joules_total"] == integral
    assert (row["xid_events_total"], row["read_errors_total"]) == (6, 9)
    assert ticked(1)[0]["xid_events_total"] == 6, "added once, and not at every tick"


def test_what_a_lost_device_does_not_say_is_not_forgotten_with_the_process(
    ticked: Any, machine: Machine
) -> None:
    machine.counts = {"energy_integral_joules_total": 90.0, "xid_events_total": 2}
    ticked(3)
    machine.counts, machine.down = {"xid_events_total": 3}, {"GPU-0"}
    ticked(2)
    machine.counts, machine.down = {"energy_integral_joules_total": 1.0}, set()
    machine.reader.die(-9)
    assert ticked(10)[0]["energy_integral_joules_total"] == 91.0
    machine.counts = {"xid_events_total": 1}
    assert ticked(1)[0]["xid_events_total"] == 4


def test_xids_of_a_process_of_before_count_and_are_told_again(
    source: Isolated, machine: Machine, ticked: Any, clock: Any
) -> None:
    def xids(ticks: int) -> list[tuple[Any, Any]]:
        found = []
        for _ in range(ticks):
            for one in (source.read(clock.unix_ms()), source.handle(machine.reader.bell, 1)):
                found += [(row["xid"], row["count_total"]) for row in one.get("xid", ())]
            clock.sleep(1)
        return found

    machine.xids = [(79, 2), (31, 1)]
    assert xids(1) == [(79, 2), (31, 1)]
    machine.xids = []
    machine.reader.die(-9)
    assert xids(10) == []
    machine.xids = [(79, 1)]
    assert xids(1) == [(79, 3)]
    machine.xids = []
    assert xids(600) == [(31, 1)]


def test_reasons_that_change_are_news(source: Isolated, machine: Machine, ticked: Any) -> None:
    ticked(2)
    machine.reason = "another"
    source.describe(0)
    source.read(1000)
    assert "device_info" in source.handle(machine.reader.bell, 1)
    assert source.why_not()["GPU-0"] == {"up": "another"}
    source.describe(0)
    source.read(2000)
    assert "device_info" not in source.handle(machine.reader.bell, 1)


def test_who_waits_is_not_told_of_what_comes_after_nor_anything_twice(
    source: Isolated, machine: Machine, clock: Any, said: list[str]
) -> None:
    machine.failing = {START: (frames.RESTART_NEEDED, "the driver was changed")}
    with pytest.raises(ReadFailed) as caught:
        source.read_now(clock.unix_ms(), 40.0)
    assert str(caught.value) == "the driver was changed (while at start)"
    assert said == []


def test_who_waits_long_hears_what_for(
    source: Isolated, machine: Machine, clock: Any, said: list[str], monkeypatch: Any
) -> None:
    class Poll:
        def register(self, descriptor: int, events: int) -> None: ...

        def poll(self, milliseconds: float) -> None:
            clock.sleep(milliseconds / 1000)

    monkeypatch.setattr("select.poll", Poll)
    machine.hanging = {"open"}
    with pytest.raises(ReadFailed, match=r"no answer from the driver within 30 s \(open\)$"):
        source.read_now(clock.unix_ms(), 40.0)
    assert said == ["nvml: no answer yet; it is waited for up to 40 s"]
