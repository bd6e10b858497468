from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from wattline_agents.catalogue import NODE, NODE_INFO
from wattline_agents.errors import ReadFailed, UsageError
from wattline_agents.rows import checked_row
from wattline_agents.sources.host import HostSource
from wattline_agents.sources.source import SourceConfig

Times = namedtuple("Times", "user system idle iowait guest")
MacTimes = namedtuple("MacTimes", "user nice system idle")


def card(received: int, sent: int) -> Any:
    return SimpleNamespace(bytes_recv=received, bytes_sent=sent)


def disk(read: int, written: int) -> Any:
    return SimpleNamespace(read_bytes=read, write_bytes=written)


def flags(text: str) -> Any:
    return SimpleNamespace(flags=text)


@pytest.fixture
def ps() -> Any:
    return SimpleNamespace(
        Error=psutil.Error,
        cpu_times=lambda: Times(10.0, 5.0, 80.0, 5.0, 2.0),
        virtual_memory=lambda: SimpleNamespace(total=1000, available=400),
        net_io_counters=lambda **_: {"lo": card(7, 7), "eth0": card(100, 50), "ib0": card(900, 1)},
        net_if_stats=lambda: {"lo": flags("up,loopback"), "eth0": flags("up"), "ib0": flags("up")},
        disk_io_counters=lambda **_: {
            "sda": disk(1000, 500),
            "sda1": disk(900, 500),
            "dm-0": disk(900, 500),
            "loop3": disk(5, 0),
            "nvme0n1": disk(1, 2),
        },
        sensors_temperatures=lambda: {
            "coretemp": [SimpleNamespace(current=55.0), SimpleNamespace(current=63.5)],
            "broken": [SimpleNamespace(current=65535.0), SimpleNamespace(current=-128.0)],
        },
        cpu_count=lambda logical: 8,
    )


@pytest.fixture
def sys_path(tmp_path: Path) -> Path:
    for name in ("sda", "dm-0", "loop3", "nvme0n1"):
        (tmp_path / "block" / name).mkdir(parents=True)
    for name in ("lo", "eth0", "ib0"):
        (tmp_path / "class/net" / name).mkdir(parents=True)
    return tmp_path


def read(source: HostSource) -> dict[str, Any]:
    (row,) = source.read(1_000)["node"]
    return checked_row(NODE, row)


def test_every_figure_is_read(ps: Any, sys_path: Path) -> None:
    row = read(HostSource(ps=ps, sys_path=sys_path))
    assert row == {
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
        "disk_read_bytes_total": 1001,
        "disk_write_bytes_total": 502,
        "temperature_celsius": 63.5,
    }


def test_how_busy_it_was_is_known_from_the_second_reading_on(ps: Any, sys_path: Path) -> None:
    source = HostSource(ps=ps, sys_path=sys_path)
    assert read(source)["cpu_busy_ratio"] is None
    ps.cpu_times = lambda: Times(13.0, 5.5, 86.0, 5.5, 2.0)
    assert read(source)["cpu_busy_ratio"] == pytest.approx(3.5 / 10)
    assert read(source)["cpu_busy_ratio"] is None, "no time passed, so no share of it"


def test_idle_time_that_steps_back_makes_no_share_above_one(ps: Any, sys_path: Path) -> None:
    source = HostSource(ps=ps, sys_path=sys_path)
    read(source)
    ps.cpu_times = lambda: Times(14.0, 5.0, 79.9, 5.0, 2.0)
    assert read(source)["cpu_busy_ratio"] == 1.0


def test_where_there_is_network_hardware_only_that_is_counted(ps: Any, sys_path: Path) -> None:
    (sys_path / "class/net/ib0/device").mkdir()
    assert read(HostSource(ps=ps, sys_path=sys_path))["network_receive_bytes_total"] == 900


def test_a_new_network_interface_is_noticed(ps: Any, sys_path: Path) -> None:
    source = HostSource(ps=ps, sys_path=sys_path)
    read(source)
    ps.net_io_counters = lambda **_: {"eth0": card(1, 1), "eth1": card(20, 2)}
    assert read(source)["network_receive_bytes_total"] == 21


def test_what_the_machine_does_not_have_is_absent(ps: Any, sys_path: Path) -> None:
    del ps.sensors_temperatures
    ps.net_io_counters = lambda **_: {}
    ps.disk_io_counters = lambda **_: None
    ps.cpu_times = lambda: MacTimes(1.0, 0.0, 1.0, 8.0)
    row = read(HostSource(ps=ps, sys_path=sys_path))
    assert row["temperature_celsius"] is None
    assert row["cpu_iowait_seconds_total"] is None
    assert "network_receive_bytes_total" not in row
    assert "disk_read_bytes_total" not in row


def test_a_failure_is_a_failed_reading(ps: Any, sys_path: Path) -> None:
    def fail() -> Any:
        raise PermissionError(13, "no")

    ps.virtual_memory = fail
    with pytest.raises(ReadFailed, match="host: "):
        HostSource(ps=ps, sys_path=sys_path).read(1)


def test_the_machine_it_runs_on_can_be_read() -> None:
    source = HostSource.from_config(SourceConfig("s", "n", options={"every": "2"}))
    row = read(source)
    assert row["memory_size_bytes"] > row["memory_used_bytes"] > 0
    (info,) = source.describe(1)["node_info"]
    checked_row(NODE_INFO, info)
    assert source.every_seconds == 2.0


def test_it_is_never_read_more_often_than_the_agent_ticks() -> None:
    source = HostSource.from_config(SourceConfig("s", "n", period_seconds=10.0))
    assert source.every_seconds == 10.0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"evry": "2"}, "no option 'evry'; there are every"),
        ({"every": "often"}, "option every: not a number from 0.1 to 3600: 'often'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        HostSource.from_config(SourceConfig("s", "n", options=options))
