from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import METER, NODE, NODE_INFO
from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.rows import checked_row
from wattline_agents.sources import cray
from wattline_agents.sources.cray import Counter, CraySource, parse_counter
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.settings import SourceConfig

NOW = 1_793_534_400_000
STAMP = (NOW - 40) * 1000


class Node:
    """The files of a node with two accelerators."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.scan(STAMP, 100)
        self.write("generation", "7\n")
        self.write("raw_scan_hz", "10\n")
        self.write("power_cap", f"0 W {STAMP} us\n")
        self.write("accel0_power_cap", f"500 W {STAMP} us\n")

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def scan(self, stamp: int, freshness: int, watts: int = 1240) -> None:
        """What the controller does ten times a second."""
        values = {"": (watts, 9_000_000), "cpu_": (200, 1_000_000), "memory_": (90, 500_000)}
        values |= {"accel0_": (450, 3_000_000), "accel1_": (460, 3_100_000)}
        for prefix, (power, energy) in values.items():
            self.write(f"{prefix}power", f"{power} W {stamp} us\n")
            self.write(f"{prefix}energy", f"{energy} J {stamp} us\n")
        self.write("freshness", f"{freshness}\n")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "pm_counters")


def meters(source: CraySource, now_ms: int = NOW) -> dict[Any, dict[str, Any]]:
    rows = [checked_row(METER, row) for row in source.read(now_ms)["meter"]]
    return {row["domain"]: row for row in rows}


def test_every_domain_is_a_meter_and_the_node_is_the_whole(node: Node) -> None:
    readings = CraySource(node.path).read(NOW)
    rows = [checked_row(METER, row) for row in readings["meter"]]
    assert [row["domain"] for row in rows] == ["node", "accel0", "accel1", "cpu", "memory"]
    assert rows[0] == {
        "time_unix_ms": NOW - 40,
        "source": "pm_counters",
        "domain": "node",
        "energy_joules_total": 9_000_000.0,
        "power_watts": 1240.0,
        "power_limit_watts": None,
        "reading_age_seconds": 0.04,
    }
    assert rows[1]["power_limit_watts"] == 500.0
    (row,) = readings["node"]
    assert checked_row(NODE, row) == {
        "time_unix_ms": NOW - 40,
        "energy_joules_total": 9_000_000.0,
        "power_watts": 1240.0,
    }


def test_it_says_what_meters_the_node(node: Node) -> None:
    (info,) = CraySource(node.path).describe(NOW)["node_info"]
    assert checked_row(NODE_INFO, info)["power_source"] == "pm_counters"


def test_a_scan_that_was_read_before_is_not_a_new_reading(node: Node) -> None:
    source = CraySource(node.path)
    source.read(NOW)
    again = source.read(NOW + 1000)
    assert "node" not in again
    assert checked_row(METER, again["meter"][0]) == {
        "time_unix_ms": NOW + 1000,
        "source": "pm_counters",
        "domain": "node",
        "reading_age_seconds": 1.04,
    }
    node.scan(STAMP + 2_000_000, 120, watts=1300)
    assert source.read(NOW + 2000)["node"][0]["power_watts"] == 1300.0


def test_without_a_count_of_scans_their_times_tell_old_from_new(node: Node) -> None:
    (node.path / "freshness").unlink()
    source = CraySource(node.path)
    assert "node" in source.read(NOW)
    assert "node" not in source.read(NOW + 1000)
    node.write("power", f"1240 W {STAMP + 1_000_000} us\n")
    assert "node" in source.read(NOW + 1000)


def test_what_the_controller_writes_while_it_is_read_is_read_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = iter(((STAMP + 100_000, 101, 2000),))

    def read(path: str | Path) -> bytes:
        text = Path(path).read_bytes()
        if str(path).endswith("accel0_energy") and (scan := next(scans, None)):
            node.scan(*scan)
        return text

    monkeypatch.setattr(cray, "read_bytes", read)
    rows = meters(CraySource(node.path), NOW + 100)
    assert {row["time_unix_ms"] for row in rows.values()} == {NOW + 60}
    assert rows["node"]["power_watts"] == 2000.0


def test_a_machine_too_slow_for_one_scan_still_gives_each_counter_its_time(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    freshness = iter(range(200, 300))

    def read(path: str | Path) -> bytes:
        if str(path).endswith("freshness"):
            return b"%d\n" % next(freshness)
        return Path(path).read_bytes()

    monkeypatch.setattr(cray, "read_bytes", read)
    assert meters(CraySource(node.path))["node"]["power_watts"] == 1240.0
    assert next(freshness) == 204, "once before, and once after each of three tries"


def test_a_cap_is_read_again_when_the_controller_counts_a_change(node: Node) -> None:
    source = CraySource(node.path)
    source.read(NOW)
    node.write("power_cap", f"1000 W {STAMP} us\n")
    node.scan(STAMP + 100_000, 101)
    assert meters(source, NOW + 100)["node"]["power_limit_watts"] is None
    node.write("generation", "8\n")
    node.scan(STAMP + 200_000, 102)
    assert meters(source, NOW + 200)["node"]["power_limit_watts"] == 1000.0


@pytest.mark.parametrize("off_ms", [-3_600_000, 10_000])
def test_a_controller_whose_clock_is_wrong_does_not_time_the_rows(node: Node, off_ms: int) -> None:
    node.scan((NOW + off_ms) * 1000, 101)
    row = meters(CraySource(node.path))["node"]
    assert row["time_unix_ms"] == NOW
    assert row["reading_age_seconds"] is None
    assert row["power_watts"] == 1240.0


@pytest.mark.parametrize(
    "line",
    [b"", b"1240", b"1240 W", b"-3 W 5 us", b"1240 J 5 us", b"many W 5 us", b"1 W 5 ms",
     b"9" * 400 + b" W 5 us"],
)  # fmt: skip
def test_what_is_no_line_of_a_counter_is_unknown_and_never_zero(line: bytes) -> None:
    assert parse_counter(line, b"W") is None


def test_a_line_of_a_counter_holds_value_and_time() -> None:
    assert parse_counter(b"1240 W 1793534399960123 us\n", b"W") == Counter(1240.0, 1793534399960)


def test_a_counter_that_cannot_be_read_is_null_and_says_why(node: Node) -> None:
    node.write("power", "broken\n")
    (node.path / "cpu_power").unlink()
    source = CraySource(node.path)
    (node.path / "accel1_power").unlink()
    rows = meters(source)
    assert rows["node"]["power_watts"] is None
    assert rows["node"]["energy_joules_total"] == 9_000_000.0
    assert rows["accel1"]["power_watts"] is None
    assert "cpu" not in rows, "a domain is known by its power"
    (reason,) = source.why_not()[""].values()
    assert reason == f"{node.path}/power: not `<value> <unit> <time> us`: 'broken'"
    node.scan(STAMP + 100_000, 101)
    source.read(NOW + 100)
    assert source.why_not() == {}


def test_counters_that_vanish_are_a_failed_reading(node: Node) -> None:
    source = CraySource(node.path)
    for file in node.path.iterdir():
        file.unlink()
    with pytest.raises(ReadFailed, match="no counter could be read"):
        source.read(NOW)


def test_elsewhere_it_is_absent(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="this is no HPE Cray node"):
        open_source("cray", SourceConfig("s", "n", options={"path": str(tmp_path / "none")}))
    with pytest.raises(SourceUnavailable, match="holds no power counters"):
        open_source("cray", SourceConfig("s", "n", options={"path": str(tmp_path)}))


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(UsageError, match="no option 'pth'; did you mean 'path'"):
        CraySource.from_config(SourceConfig("s", "n", options={"pth": "x"}))
