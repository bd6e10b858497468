import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from wattline_agents.catalogue import NODE, NODE_INFO
from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.rows import checked_row
from wattline_agents.sources.host import HostSource
from wattline_agents.sources.host import source as host_source
from wattline_agents.sources.host.figures import CpuTimes
from wattline_agents.sources.host.linux import LinuxFigures
from wattline_agents.sources.host.portable import PsutilFigures
from wattline_agents.sources.settings import SourceConfig


@dataclass
class FakeFigures:
    times: CpuTimes = field(default=CpuTimes(10.0, 5.0, 80.0, 5.0, 100.0))
    bytes_moved: tuple[int, int] | None = (1000, 51)
    temperature: float | None = 63.5
    errors: tuple[type[Exception], ...] = (OSError,)
    is_closed: bool = False
    memory: Callable[[], tuple[int, int]] = lambda: (600, 1000)

    def cpu_times(self) -> CpuTimes:
        return self.times

    def network(self) -> tuple[int, int] | None:
        return self.bytes_moved

    def disks(self) -> tuple[int, int] | None:
        return self.bytes_moved

    def hottest(self) -> float | None:
        return self.temperature

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def figures() -> FakeFigures:
    return FakeFigures()


@pytest.fixture
def source(figures: FakeFigures) -> HostSource:
    return HostSource(figures)


def read(source: HostSource, now_ms: int = 1_000) -> dict[str, Any]:
    (row,) = source.read(now_ms)["node"]
    return checked_row(NODE, row)


def test_every_figure_is_in_the_row(source: HostSource) -> None:
    assert read(source) == {
        "time_unix_ms": 1000,
        "cpu_user_seconds_total": 10.0,
        "cpu_system_seconds_total": 5.0,
        "cpu_idle_seconds_total": 80.0,
        "cpu_iowait_seconds_total": 5.0,
        "cpu_busy_ratio": None,
        "memory_used_bytes": 600,
        "memory_size_bytes": 1000,
        "network_receive_bytes_total": 1000,
        "network_transmit_bytes_total": 51,
        "disk_read_bytes_total": 1000,
        "disk_write_bytes_total": 51,
        "temperature_celsius": 63.5,
    }


def test_what_the_machine_does_not_have_is_absent(source: HostSource, figures: FakeFigures) -> None:
    figures.bytes_moved = figures.temperature = None
    figures.times = replace(figures.times, iowait=None)
    row = read(source)
    assert row["temperature_celsius"] is None
    assert row["cpu_iowait_seconds_total"] is None
    assert not [column for column in row if "network" in column or "disk" in column]


def test_how_busy_it_was_is_known_from_the_second_reading_on(
    source: HostSource, figures: FakeFigures
) -> None:
    assert read(source)["cpu_busy_ratio"] is None
    figures.times = CpuTimes(13.0, 5.5, 86.0, 5.5, 110.0)
    assert read(source)["cpu_busy_ratio"] == pytest.approx(3.5 / 10)
    assert read(source)["cpu_busy_ratio"] is None, "no time passed, so no share of it"


def test_idle_time_that_steps_back_makes_no_share_above_one(
    source: HostSource, figures: FakeFigures
) -> None:
    read(source)
    figures.times = CpuTimes(14.0, 5.0, 79.9, 5.0, 103.9)
    assert read(source)["cpu_busy_ratio"] == 1.0


def test_idle_time_that_steps_back_a_little_stands_still_and_further_began_again(
    source: HostSource, figures: FakeFigures
) -> None:
    told = []
    for idle, iowait in ((80.0, 5.0), (79.9, 4.9), (80.1, 5.1), (40.0, 1.0)):
        figures.times = replace(figures.times, idle=idle, iowait=iowait)
        row = read(source)
        told.append((row["cpu_idle_seconds_total"], row["cpu_iowait_seconds_total"]))
    assert told == [(80.0, 5.0), (80.0, 5.0), (80.1, 5.1), (40.0, 1.0)]


def test_sensors_are_asked_every_ten_seconds_only(source: HostSource) -> None:
    asked = [ms for ms in range(0, 31_000, 5_000) if "temperature_celsius" in read(source, ms)]
    assert asked == [0, 10_000, 20_000, 30_000]


def test_a_clock_that_was_set_back_does_not_silence_the_sensors(source: HostSource) -> None:
    read(source, 1_000_000)
    assert "temperature_celsius" in read(source, 5_000)


def test_a_failure_is_a_failed_reading(source: HostSource, figures: FakeFigures) -> None:
    def fail() -> Any:
        raise PermissionError(13, "no")

    figures.memory = fail
    with pytest.raises(ReadFailed, match="host: "):
        source.read(1)


def test_closing_it_closes_what_it_reads_from(source: HostSource, figures: FakeFigures) -> None:
    source.close()
    assert figures.is_closed


def test_the_machine_it_runs_on_can_be_read() -> None:
    source = HostSource.from_config(SourceConfig("s", "n", options={"every": "2"}))
    row = read(source)
    assert row["memory_size_bytes"] > row["memory_used_bytes"] > 0
    (info,) = source.describe(1)["node_info"]
    assert checked_row(NODE_INFO, info)["os"]
    assert source.every_seconds == 2.0
    source.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere psutil is all there is")
def test_linux_is_read_without_psutil() -> None:
    code = """
import sys
from wattline_agents.sources.host import HostSource
source = HostSource()
source.read(1)
source.describe(1)
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert {"psutil", "platform", "subprocess"} & set(done.stdout.split()) == set()


def test_where_proc_is_not_linuxs_psutil_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(*_: Any) -> None:
        raise FileNotFoundError(2, "no such file")

    monkeypatch.setattr(LinuxFigures, "__init__", none_here)
    assert isinstance(host_source._figures(), PsutilFigures)
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(SourceUnavailable, match="pip install psutil"):
        HostSource()


def test_it_is_never_read_more_often_than_the_agent_ticks() -> None:
    source = HostSource.from_config(SourceConfig("s", "n", period_seconds=10.0))
    assert source.every_seconds == 10.0
    source.close()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "Debian GNU/Linux 12 (bookworm)",
        ),
        ("PRETTY_NAME='A = B'\n", "A = B"),
        ("ID=debian\n", None),
        ("PRETTY_NAME=\n", None),
    ],
)
def test_the_system_is_called_what_it_calls_itself(
    tmp_path: Any, text: str, name: str | None
) -> None:
    path = tmp_path / "os-release"
    path.write_text(text)
    assert host_source._pretty_name(path) == name
    assert host_source._pretty_name(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"evry": "2"}, "no option 'evry'; did you mean 'every'"),
        ({"every": "often"}, "option every: not a number from 0.1 to 3600: 'often'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        HostSource.from_config(SourceConfig("s", "n", options=options))
