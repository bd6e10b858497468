from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import METER
from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.rows import checked_row
from wattline_agents.sources import rapl, sysfs
from wattline_agents.sources.rapl import NO_PERMISSION, RaplSource, grown
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.wire import MAX_TEXT_BYTES


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def unix_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Tree:
    """Zones as the kernel lists them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def zone(self, zone: str, name: str, uj: int, range_uj: int = 262_143_328_850) -> None:
        (self.path / zone).mkdir(exist_ok=True)
        for file, text in (
            ("name", name),
            ("energy_uj", str(uj)),
            ("max_energy_range_uj", str(range_uj)),
        ):
            self.write(zone, file, text)

    def write(self, zone: str, file: str, text: str) -> None:
        (self.path / zone / file).write_text(f"{text}\n")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0", 1_000_000)
    tree.zone("intel-rapl:0:0", "dram", 500_000)
    tree.zone("intel-rapl:1", "package-1", 2_000_000)
    tree.zone("intel-rapl:1:0", "dram", 600_000)
    tree.zone("intel-rapl:1:1", "core", 300_000)
    tree.zone("intel-rapl:2", "psys", 9_000_000)
    tree.zone("intel-rapl-mmio:0", "package-0", 1_000_000)
    (tree.path / "intel-rapl").mkdir()
    return tree


def meters(source: RaplSource, now_ms: int = 5_000) -> dict[Any, dict[str, Any]]:
    rows = [checked_row(METER, row) for row in source.read(now_ms)["meter"]]
    return {row["domain"]: row for row in rows}


def test_each_zone_is_a_meter_named_by_what_it_is_in(tree: Tree, clock: Clock) -> None:
    tree.write("intel-rapl:0", "constraint_0_power_limit_uw", "225000000")
    rows = meters(RaplSource(tree.path, clock))
    assert set(rows) == {"package-0", "dram-0", "package-1", "dram-1", "core-1", "psys"}
    assert rows["package-0"] == {
        "time_unix_ms": 5_000,
        "source": "rapl",
        "domain": "package-0",
        "energy_joules_total": 1.0,
        "power_watts": None,
        "power_limit_watts": 225.0,
    }


def test_nothing_of_it_is_the_whole_node(tree: Tree, clock: Clock) -> None:
    source = RaplSource(tree.path, clock)
    assert set(source.read(1)) == {"meter"}
    assert source.describe(1) == {}


def test_power_is_energy_over_the_time_that_passed_and_not_over_the_period(
    tree: Tree, clock: Clock
) -> None:
    source = RaplSource(tree.path, clock)
    meters(source)
    clock.now += 1.25
    tree.zone("intel-rapl:0", "package-0", 1_000_000 + 250_000_000)
    row = meters(source)["package-0"]
    assert row["power_watts"] == pytest.approx(200.0)
    assert row["energy_joules_total"] == pytest.approx(251.0)


def test_a_counter_that_wraps_goes_on_growing(tree: Tree, clock: Clock) -> None:
    tree.zone("intel-rapl:0:0", "dram", 65_712_000_000, range_uj=65_712_999_613)
    source = RaplSource(tree.path, clock)
    meters(source)
    clock.now += 1.0
    tree.zone("intel-rapl:0:0", "dram", 24_000_387, range_uj=65_712_999_613)
    row = meters(source)["dram-0"]
    assert row["power_watts"] == pytest.approx(25.0)
    assert row["energy_joules_total"] == pytest.approx(65_712.0 + 25.0)


def test_a_counter_that_was_set_back_adds_nothing(tree: Tree, clock: Clock) -> None:
    source = RaplSource(tree.path, clock)
    meters(source)
    clock.now += 1.0
    tree.zone("intel-rapl:1", "package-1", 0)
    row = meters(source)["package-1"]
    assert row["power_watts"] is None, "262 kJ in a second are no processor's"
    assert row["energy_joules_total"] == 2.0
    clock.now += 1.0
    tree.zone("intel-rapl:1", "package-1", 100_000_000)
    row = meters(source)["package-1"]
    assert (row["power_watts"], row["energy_joules_total"]) == (pytest.approx(100.0), 102.0)


def test_after_a_long_pause_power_is_unknown_and_energy_the_least_there_was(
    tree: Tree, clock: Clock
) -> None:
    source = RaplSource(tree.path, clock)
    meters(source)
    clock.now += 600.0
    tree.zone("intel-rapl:0", "package-0", 31_000_000)
    row = meters(source)["package-0"]
    assert (row["power_watts"], row["energy_joules_total"]) == (None, 31.0)


@pytest.mark.parametrize(
    ("before", "now", "range_uj", "added"),
    [(10, 15, 100, 5), (10, 10, 100, 0), (95, 5, 100, 10), (95, 5, 0, None), (200, 5, 100, None)],
)
def test_what_was_added_between_two_readings(
    before: int, now: int, range_uj: int, added: int | None
) -> None:
    assert grown(before, now, range_uj) == added


def test_amd_processors_and_odd_names_are_told_apart(tmp_path: Path, clock: Clock) -> None:
    tree = Tree(tmp_path / "powercap")
    tree.zone("amd-rapl:0", "package-0", 1)
    tree.zone("intel-rapl:3", "psys", 1)
    tree.zone("intel-rapl:4", "psys", 1)
    tree.zone("intel-rapl:5", "\x1b[31m hostile", 1)
    rows = meters(RaplSource(tree.path, clock))
    assert set(rows) == {"package-0", "psys", "intel-rapl-4", "intel-rapl-5"}


def forbid(monkeypatch: pytest.MonkeyPatch, error: OSError) -> list[OSError]:
    """What reading a counter fails with, until the list is emptied; root may read everything."""
    failing = [error]

    def refuse(path: str | Path) -> bytes:
        if failing:
            raise failing[0]
        return sysfs.read_bytes(path)

    monkeypatch.setattr(rapl, "read_bytes", refuse)
    return failing


def test_without_permission_it_is_quiet_and_says_what_would_change_it(
    tree: Tree, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = forbid(monkeypatch, PermissionError(13, "Permission denied"))
    source = RaplSource(tree.path, clock)
    assert source.read(1) == {}
    assert source.why_not() == {"": {"energy_joules_total": NO_PERMISSION}}
    assert "udev rule" in NO_PERMISSION and "CVE-2020-8694" in NO_PERMISSION
    assert len(NO_PERMISSION.encode()) <= MAX_TEXT_BYTES
    failing.clear()
    assert source.read(2) == {}, "not tried again at every tick"
    clock.now += 60.0
    assert len(source.read(3)["meter"]) == 6
    assert source.why_not() == {}


def test_a_counter_that_does_not_answer_is_a_failed_reading(
    tree: Tree, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, OSError(5, "Input/output error"))
    with pytest.raises(ReadFailed, match="energy_uj: Input/output error"):
        RaplSource(tree.path, clock).read(1)


def test_a_counter_that_is_no_number_is_left_out(tree: Tree, clock: Clock) -> None:
    tree.write("intel-rapl:2", "energy_uj", "lots")
    assert "psys" not in meters(RaplSource(tree.path, clock))


def test_elsewhere_it_is_absent(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(SourceUnavailable, match=r"no zone intel-rapl:\* with a counter"):
            open_source("rapl", SourceConfig("s", "n", options={"path": str(path)}))
