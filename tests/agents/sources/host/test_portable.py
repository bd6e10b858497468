from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from wattline_agents.sources.host.figures import CpuTimes
from wattline_agents.sources.host.portable import PsutilFigures

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
        net_io_counters=lambda **_: {"lo0": card(7, 7), "l": card(5, 5), "en0": card(100, 50)},
        net_if_stats=lambda: {"l": flags("up,loopback"), "en0": flags("up")},
        disk_io_counters=lambda **_: {
            "disk0": disk(1000, 500),
            "dm-0": disk(900, 500),
            "disk1": disk(1, 2),
        },
        sensors_temperatures=lambda: {
            "chip": [SimpleNamespace(current=55.0), SimpleNamespace(current=63.5)],
            "broken": [SimpleNamespace(current=65535.0), SimpleNamespace(current=None)],
        },
    )


def test_every_figure_is_read(ps: Any) -> None:
    figures = PsutilFigures(ps)
    assert figures.cpu_times() == CpuTimes(10.0, 5.0, 80.0, 5.0, 100.0)
    assert figures.memory() == (600, 1000)
    assert figures.network() == (100, 50)
    assert figures.disks() == (1001, 502)
    assert figures.hottest() == 63.5


def test_what_the_machine_does_not_have_is_absent(ps: Any) -> None:
    del ps.sensors_temperatures
    ps.net_io_counters = lambda **_: {}
    ps.disk_io_counters = lambda **_: None
    ps.cpu_times = lambda: MacTimes(1.0, 0.0, 1.0, 8.0)
    figures = PsutilFigures(ps)
    assert figures.cpu_times() == CpuTimes(1.0, 1.0, 8.0, None, 10.0)
    assert figures.network() is None
    assert figures.disks() is None
    assert figures.hottest() is None


def test_psutils_own_errors_are_failed_readings(ps: Any) -> None:
    assert issubclass(psutil.AccessDenied, PsutilFigures(ps).errors)


def test_psutil_itself_answers() -> None:
    figures = PsutilFigures()
    used, size = figures.memory()
    assert 0 < used < size
    figures.close()
