"""Real processes, that read a source which is a few lines long."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.sources.isolated import Isolated
from wattline_agents.sources.isolated.process import Process, reap
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.spawning import module_places

PATIENCE_SECONDS = 60.0

TINY = """
import os, threading
from pathlib import Path
from wattline_agents.errors import ReadFailed, RestartNeeded, SourceUnavailable

class Tiny:
    name = "tiny"
    def __init__(self, config):
        self.place = Path(config.options["place"])
        self.told = f"{config.system}/{config.node}/{config.rack}/{config.period_seconds}"
        print("what a vendor's library prints")
    @classmethod
    def from_config(cls, config):
        if config.options.get("absent"):
            raise SourceUnavailable("no tiny thing")
        return cls(config)
    def faults(self):
        return (self.place / "faults").read_text().split()
    def parts(self, now_ms):
        yield "open", lambda: {}
        for number in range(3):
            yield f"GPU-{number}", lambda number=number: self.read(now_ms, f"GPU-{number}")
    def read(self, now_ms, device):
        if f"hang-{device}" in self.faults():
            threading.Event().wait()
        if f"crash-{device}" in self.faults():
            os.kill(os.getpid(), 11)
        if f"fail-{device}" in self.faults():
            raise ReadFailed(f"{device} is odd")
        if f"restart-{device}" in self.faults():
            (self.place / "faults").write_text("")
            raise RestartNeeded("the driver was changed")
        if f"close-{device}" in self.faults():
            (self.place / "faults").write_text("")
            os.closerange(3, 9)
            threading.Event().wait()
        many = 2000 if "many" in self.faults() else 1
        row = {"time_unix_ms": now_ms, "device": device, "up": 1, "power_watts": 1.5}
        return {"device": [row] * many}
    def describe(self, now_ms):
        descriptors = ",".join(sorted(os.listdir("/proc/self/fd"), key=int))
        return {"node_info": [{"time_unix_ms": now_ms, "rack": self.told, "os": descriptors,
                               "partition": str(os.getppid())}]}
    def why_not(self):
        return {"GPU-1": {"sm_active_ratio": "no such sensor"}, "": {"power_watts": "no meter"}}
    def close(self):
        (self.place / "closed").touch()
"""

Make = Callable[..., Isolated]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "tiny_source.py").write_text(TINY)
    (tmp_path / "faults").write_text("")
    return tmp_path


@pytest.fixture
def make(place: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Iterator[Make]:
    monkeypatch.syspath_prepend(place / "modules")
    made = []

    def make(**options: str) -> Isolated:
        config = SourceConfig("s", "n", "r", 0.5, {"place": str(place), **options})
        made.append(Isolated("tiny", config, said.append, place="tiny_source:Tiny"))
        return made[-1]

    yield make
    for one in made:
        one.close()


def plant(place: Path, *faults: str) -> None:
    (place / "new").write_text(" ".join(faults))
    (place / "new").replace(place / "faults")


def follow(source: Isolated, is_enough: Callable[[list[Any]], bool]) -> list[Any]:
    """Device rows as they come while it is read every few milliseconds."""
    rows: list[Any] = []
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_enough(rows):
        assert time.monotonic() < until, rows[-9:]
        rows += source.read(time.time_ns() // 1_000_000).get("device", [])
        poll = select.poll()
        for descriptor, events in source.descriptors().items():
            poll.register(descriptor, events)
        for descriptor, events in poll.poll(20):
            rows += source.handle(descriptor, events).get("device", [])
    return rows


def test_one_that_is_asked_ahead_reads_then_and_ends_at_once_when_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.syspath_prepend(place / "modules")
    config = SourceConfig("s", "n", "r", 0.1, {"place": str(place)})
    source = Isolated("tiny", config, said.append, place="tiny_source:Tiny", asks_ahead=True)
    rows = follow(source, lambda rows: len(rows) >= 30)
    source.close()
    assert (place / "closed").exists(), "it was not killed"
    times = sorted({row["time_unix_ms"] for row in rows})
    assert [time % 100 for time in times[1:]] == [0] * (len(times) - 1)
    assert len(rows) == 3 * len(times), "nothing is read twice"


def test_a_reading_comes_from_another_process(make: Make) -> None:
    source = make()
    readings = source.read_now(1000, PATIENCE_SECONDS)
    assert readings["device"] == [
        {
            "time_unix_ms": 1000,
            "device": f"GPU-{number}",
            "up": 1,
            "power_watts": 1.5,
            "read_timeouts_total": 0,
        }
        for number in range(3)
    ]
    assert source.why_not() == {
        "GPU-1": {"sm_active_ratio": "no such sensor"},
        "": {"power_watts": "no meter"},
    }
    (info,) = source.describe(5)["node_info"]
    assert info["rack"] == "s/n/r/0.5"
    assert info["partition"] == str(os.getpid())


def test_it_is_given_no_descriptors_but_its_own(make: Make, place: Path) -> None:
    with (place / "file").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        source = make()
        source.read_now(1000, PATIENCE_SECONDS)
    (info,) = source.describe(5)["node_info"]
    assert info["os"] == "0,1,2,3,4,5", "the last one is the directory it listed"


def test_a_device_that_hangs_is_left_out_and_comes_back(
    make: Make, place: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr("wattline_agents.sources.isolated.keeper.PART_SECONDS", 1.0)
    monkeypatch.setattr("wattline_agents.sources.isolated.keeper.FIRST_RETRY_SECONDS", 1.0)
    source = make()
    follow(source, lambda rows: len(rows) >= 9)
    plant(place, "hang-GPU-1")
    rows = follow(source, lambda rows: sum(r["device"] == "GPU-2" for r in rows[-12:]) >= 3)
    down = [row for row in rows if not row["up"]]
    assert {row["device"] for row in down} == {"GPU-1"}
    assert down[-1]["read_timeouts_total"] == 1
    assert down[-1]["sample_age_seconds"] > 1.0
    plant(place)
    rows = follow(source, lambda rows: any(r["device"] == "GPU-1" and r["up"] for r in rows))
    assert said[-1] == "tiny: reading again (GPU-1)"
    assert said[0].startswith("tiny: no answer from the driver within 1 s (GPU-1)")


def test_a_crash_is_said_and_the_source_read_again(
    make: Make, place: Path, said: list[str]
) -> None:
    source = make()
    source.read_now(1000, PATIENCE_SECONDS)
    (pid,) = source.processes()
    plant(place, "crash-GPU-2")
    follow(source, lambda rows: pid not in source.processes())
    plant(place)
    follow(source, lambda rows: len(rows) >= 6)
    assert said[0].startswith("tiny: the process that reads it ended by signal 11 (while at GPU-2)")


def test_a_library_that_closes_what_is_not_its_own_wakes_nobody_for_ever(
    make: Make, place: Path
) -> None:
    source = make()
    source.read_now(1000, PATIENCE_SECONDS)
    (pid,) = source.processes()
    (bell,) = source.descriptors()
    plant(place, "close-GPU-1")
    source.read(2000)
    poll = select.poll()
    poll.register(bell, select.POLLIN)
    until = time.monotonic() + PATIENCE_SECONDS
    while bell in source.descriptors():
        assert time.monotonic() < until
        for descriptor, events in poll.poll(20):
            source.handle(descriptor, events)
    follow(source, lambda rows: pid not in source.processes() and len(rows) >= 3)


def test_a_part_that_fails_leaves_the_others(make: Make, place: Path, said: list[str]) -> None:
    plant(place, "fail-GPU-1")
    source = make()
    readings = source.read_now(1000, PATIENCE_SECONDS)
    assert [row["device"] for row in readings["device"]] == ["GPU-0", "GPU-2"]
    assert said == ["tiny: GPU-1 is odd"]
    assert source.read_errors == 1


def test_a_process_of_no_more_use_is_replaced(make: Make, place: Path, said: list[str]) -> None:
    source = make()
    source.read_now(1000, PATIENCE_SECONDS)
    plant(place, "restart-GPU-1")
    (pid,) = source.processes()
    follow(source, lambda rows: source.processes() not in ([], [pid]) and len(rows) >= 12)
    assert said[0].startswith("tiny: the driver was changed (while at GPU-1)")


def test_more_rows_than_a_pipe_holds_arrive(make: Make, place: Path) -> None:
    plant(place, "many")
    readings = make().read_now(1000, PATIENCE_SECONDS)
    assert len(readings["device"]) == 6000


def test_a_source_that_is_not_there_says_so(make: Make) -> None:
    from wattline_agents.errors import ReadFailed

    with pytest.raises(ReadFailed, match="no tiny thing"):
        make(absent="yes").read_now(1000, PATIENCE_SECONDS)


def test_it_closes_its_source_when_the_agent_has_ended(make: Make, place: Path) -> None:
    source = make()
    source.read_now(1000, PATIENCE_SECONDS)
    source.close()
    assert (place / "closed").exists()


def test_a_process_ends_when_nobody_asks_any_more(place: Path) -> None:
    process = Process("tiny")
    process.end(PATIENCE_SECONDS)
    _, status = os.waitpid(process.pid, 0)
    # It was asked to end, and killed after that in any case.
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    assert reap(process.pid) == 0


def test_signals_of_the_terminal_are_not_for_it(make: Make) -> None:
    source = make()
    source.read_now(1000, PATIENCE_SECONDS)
    (pid,) = source.processes()
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    source.read_now(2000, PATIENCE_SECONDS)
    assert source.processes() == [pid]


def test_no_interpreter_is_an_error_of_the_system() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        Process("tiny", "/nowhere/python")
    assert len(os.listdir("/proc/self/fd")) == before


FORKED = """
import json, os, sys, threading, time
from pathlib import Path
from wattline_agents.sources.isolated.process import forked_early

held = open(sys.argv[1] + "/file", "w")
os.set_inheritable(held.fileno(), True)
first = forked_early("tiny")
from wattline_agents.sources.isolated import Isolated
from wattline_agents.sources.settings import SourceConfig

config = SourceConfig("s", "n", "r", 0.5, {"place": sys.argv[1]})
source = Isolated("tiny", config, print, place="tiny_source:Tiny", first=first)

def read():
    return [row["device"] for row in source.read_now(time.time_ns() // 1_000_000, 60)["device"]]

def told(*what):
    print(json.dumps(what), flush=True)
"""


@pytest.fixture
def forking(place: Path) -> Callable[..., list[Any]]:
    """What a program with one thread and a forked process tells, a line each."""

    def run(*lines: str) -> list[Any]:
        done = subprocess.run(
            [sys.executable, "-c", "\n".join([FORKED, *lines]), str(place)],
            env=os.environ | {"PYTHONPATH": str(place / "modules")},
            capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        assert done.stderr == ""
        return [json.loads(line) for line in done.stdout.splitlines() if line[0] == "["]

    return run


def test_the_first_process_may_be_a_fork_with_a_name_and_no_files_of_others(
    forking: Callable[..., list[Any]],
) -> None:
    (was_read, shown), (info,) = forking(
        "told(read(), Path(f'/proc/{first.pid}/comm').read_text().strip())",
        "told(source.describe(5)['node_info'][0]['os'])",
        "source.close()",
    )
    assert was_read == ["GPU-0", "GPU-1", "GPU-2"]
    assert shown == "wattline-read-t", "as much of the name as the system keeps"
    assert info == "0,1,2,3,4,5", "the last one is the directory it listed"


def test_what_follows_a_fork_is_a_fresh_interpreter(forking: Callable[..., list[Any]]) -> None:
    (pids, is_first), (names,) = forking(
        "read()",
        "told(source.processes(), list(source.processes()) == [first.pid])",
        "os.kill(first.pid, 9)",
        "while list(source.processes()) in ([], [first.pid]):",
        "    source.read(time.time_ns() // 1_000_000)",
        "    time.sleep(0.02)",
        "read()",
        "commands = [Path(f'/proc/{pid}/cmdline').read_text() for pid in source.processes()]",
        "told(['wattline-read-tiny' in command for command in commands])",
        "source.close()",
    )
    assert len(pids) == 1
    assert is_first
    assert names == [True]


def test_signals_of_the_terminal_are_not_for_a_fork_either(
    forking: Callable[..., list[Any]],
) -> None:
    ((is_first,),) = forking(
        "read()",
        "os.kill(first.pid, 2), os.kill(first.pid, 15)",
        "read()",
        "told(list(source.processes()) == [first.pid])",
        "source.close()",
    )
    assert is_first


def test_a_fork_that_nobody_asked_ends_with_its_source(forking: Callable[..., list[Any]]) -> None:
    ((children,),) = forking(
        "source.close()",
        "told(Path(f'/proc/self/task/{os.getpid()}/children').read_text())",
    )
    assert children == ""


def test_a_fork_ends_with_who_made_it(forking: Callable[..., list[Any]]) -> None:
    ((pid,),) = forking("told(first.pid)", "os._exit(0)")
    until = time.monotonic() + PATIENCE_SECONDS
    while runs(pid):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_nothing_is_forked_beside_a_thread(forking: Callable[..., list[Any]]) -> None:
    ((first, was_read),) = forking(
        "end = threading.Event()",
        "threading.Thread(target=end.wait).start()",
        "told(forked_early('tiny'), read())",
        "source.close()",
        "end.set()",
    )
    assert first is None
    assert was_read == ["GPU-0", "GPU-1", "GPU-2"]


def runs(pid: int) -> bool:
    """Whether it does: one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_loads_little_of_its_own() -> None:
    code = "import sys; sys.path[:] = sys.argv[1:]\n"
    code += "import wattline_agents.sources.isolated.child\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, *module_places()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    heavy = {"dataclasses", "typing", "inspect", "enum", "re", "collections", "ctypes", "threading"}
    assert set(done.stdout.split()) & heavy == set()
