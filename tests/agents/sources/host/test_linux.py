import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from wattline_agents.sources.host.figures import CpuTimes
from wattline_agents.sources.host.linux import LinuxFigures
from wattline_agents.sources.host.portable import PsutilFigures

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def figures(tree: Any) -> Iterator[LinuxFigures]:
    opened = LinuxFigures(tree.proc, tree.sys)
    yield opened
    opened.close()


def test_processor_time_is_in_seconds_and_guests_count_once(figures: LinuxFigures) -> None:
    times = figures.cpu_times()
    assert replace(times, total=0.0) == CpuTimes(
        1000 / TICKS, 500 / TICKS, 8000 / TICKS, 500 / TICKS, 0.0
    )
    assert times.total == pytest.approx(10260 / TICKS)


def test_memory_in_use_is_all_that_is_not_available(figures: LinuxFigures) -> None:
    assert figures.memory() == (600 * 1024, 1000 * 1024)


def test_where_more_is_available_than_there_is_what_is_free_counts(
    figures: LinuxFigures, tree: Any
) -> None:
    tree.write("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 5000 kB\n")
    assert figures.memory() == (900 * 1024, 1000 * 1024)


def test_all_cards_but_the_loopback_count(figures: LinuxFigures) -> None:
    assert figures.network() == (1000, 51)


def test_a_loopback_is_known_by_its_kind(figures: LinuxFigures, tree: Any) -> None:
    tree.write("sys/class/net/eth0/type", "772\n")
    assert figures.network() == (900, 1)


def test_where_there_is_network_hardware_only_that_is_counted(
    figures: LinuxFigures, tree: Any
) -> None:
    (tree.sys / "class/net/ib0/device").mkdir()
    assert figures.network() == (900, 1)


def test_interfaces_that_come_go_and_begin_again_take_nothing_from_the_sum(
    figures: LinuxFigures, tree: Any
) -> None:
    def counts(*cards: tuple[str, int, int]) -> tuple[int, int] | None:
        lines = "".join(f"{name}: {a} 0 0 0 0 0 0 0 {b} 0\n" for name, a, b in cards)
        tree.write("proc/net/dev", "\n\n" + lines)
        return figures.network()

    assert figures.network() == (1000, 51)
    assert counts(("eth0", 1, 60), ("eth1", 20, 2)) == (1001, 61), "ib0 went, eth0 began again"
    assert counts(("eth0", 5, 60), ("eth1", 30, 4)) == (1015, 63)


def test_a_disk_that_is_detached_takes_nothing_from_the_sum(
    figures: LinuxFigures, tree: Any
) -> None:
    assert figures.disks() == (2002 * 512, 1004 * 512)
    tree.write("proc/diskstats", " 259 0 nvme0n1 1 0 12 1 1 0 5 1 0 1 1 0 0 0 0\n")
    assert figures.disks() == (2012 * 512, 1005 * 512)


def test_a_node_with_a_thousand_interfaces_is_read_whole(figures: LinuxFigures, tree: Any) -> None:
    line = "veth{}: 1000000 2 3 4 5 6 7 8 2000000 10 11 12 13 14 15 16\n"
    tree.write("proc/net/dev", "\n\n" + "".join(line.format(n) for n in range(3_000)))
    assert figures.network() == (3_000 * 1_000_000, 3_000 * 2_000_000)


def test_whole_disks_count_in_sectors_of_512_bytes(figures: LinuxFigures) -> None:
    assert figures.disks() == (2002 * 512, 1004 * 512)


def test_what_the_machine_does_not_have_is_absent(figures: LinuxFigures, tree: Any) -> None:
    (tree.proc / "net/dev").unlink()
    (tree.proc / "diskstats").unlink()
    assert figures.network() is None
    assert figures.disks() is None
    assert figures.hottest() is None


def test_the_hottest_plausible_sensor_counts(figures: LinuxFigures, tree: Any) -> None:
    tree.chip(0, "nvme", temp1=("Composite", "55000"), temp2=("Sensor 1", "63500"))
    tree.chip(1, "broken", temp1=("", "65535000"), temp2=("", "-128000"), temp3=("", "asleep"))
    tree.chip(2, "amdgpu", temp1=("edge", "90000"))
    assert figures.hottest() == 63.5


def test_of_a_processor_only_the_package_is_asked(figures: LinuxFigures, tree: Any) -> None:
    tree.chip(
        0, "coretemp", temp1=("Package id 0", "70000"), temp2=("Core 0", "71000"),
        temp3=("Core 1", "72000"),
    )  # fmt: skip
    assert figures.hottest() == 70.0


def test_without_hwmon_the_thermal_zones_count(figures: LinuxFigures, tree: Any) -> None:
    tree.write("sys/class/thermal/thermal_zone0/temp", "41000\n")
    tree.write("sys/class/thermal/thermal_zone1/temp", "42000\n")
    assert figures.hottest() == 42.0


def test_a_sensor_that_comes_later_is_found(figures: LinuxFigures, tree: Any) -> None:
    assert figures.hottest() is None
    tree.chip(0, "nvme", temp1=("", "55000"))
    found = [figures.hottest() for _ in range(60)]
    assert (found[0], found[-1]) == (None, 55.0)


def test_sensors_without_end_are_not_all_asked(figures: LinuxFigures, tree: Any) -> None:
    for number in range(100):
        tree.chip(number, "nvme", temp1=("", "1000"))
    tree.chip(999, "nvme", temp1=("", "99000"))
    assert figures.hottest() == 1.0


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("proc/stat", "", "stat: no times of processors"),
        ("proc/stat", "cpu 1 2 3\n", "stat: no times of processors"),
        ("proc/stat", "cpu a b c d e\n", "invalid literal"),
        ("proc/meminfo", "MemTotal: 5 kB\n", "meminfo: no MemAvailable:"),
    ],
)
def test_a_proc_that_is_not_linuxs_is_not_taken_for_it(
    tree: Any, path: str, text: str, complaint: str
) -> None:
    tree.write(path, text)
    with pytest.raises(ValueError, match=complaint):
        LinuxFigures(tree.proc, tree.sys)


@pytest.mark.parametrize("text", ["a\n", "\n\neth0: 1 2 3\n", "\n\neth0: x 0 0 0 0 0 0 0 1\n"])
def test_what_cannot_be_read_fails_and_does_not_crash(
    figures: LinuxFigures, tree: Any, text: str
) -> None:
    tree.write("proc/net/dev", text)
    tree.write("proc/diskstats", text)
    with pytest.raises(figures.errors):
        figures.network()
        figures.disks()


def test_without_proc_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LinuxFigures(tmp_path)


def test_closing_lets_go_of_the_files(figures: LinuxFigures) -> None:
    def is_held() -> bool:
        held = [
            os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")
        ]
        return any(path.endswith("/proc/net/dev") and "pytest" in path for path in held)

    figures.network()
    assert is_held()
    figures.close()
    assert not is_held()


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' own /proc")
def test_this_machine_reads_as_psutil_reads_it() -> None:
    own, other = LinuxFigures(), PsutilFigures(psutil)
    before, own_times, after = other.cpu_times(), own.cpu_times(), other.cpu_times()
    for name in ("user", "system", "total"):
        assert getattr(before, name) - 1 <= getattr(own_times, name) <= getattr(after, name) + 1
    assert own.memory()[1] == other.memory()[1]
    assert own.memory()[0] == pytest.approx(other.memory()[0], rel=0.2)
    read_before, disks, read_after = other.disks(), own.disks(), other.disks()
    assert (disks is None) == (read_before is None)
    if disks is not None and read_before is not None and read_after is not None:
        assert disks[0] <= read_after[0]
        assert disks[1] <= read_after[1]
    own.close()
