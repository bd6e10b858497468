from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import METER
from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.rows import checked_row
from wattline_agents.sources.grace import GraceSource
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.settings import SourceConfig


def monitor(path: Path, label: str, microwatts: int | str, ending: str = "oem_info") -> Path:
    path.mkdir(parents=True)
    (path / f"power1_{ending}").write_text(f"{label}\n")
    (path / "power1_average").write_text(f"{microwatts}\n")
    return path


@pytest.fixture
def hwmon(tmp_path: Path) -> Path:
    path = tmp_path / "hwmon"
    for number, (label, microwatts) in enumerate(
        [
            ("Module Power Socket 0", 512_500_000),
            ("Grace Power Socket 0", 150_000_000),
            ("CPU Power Socket 0", 110_250_000),
            ("SysIO Power Socket 0", 12_000_000),
        ]
    ):
        monitor(path / f"hwmon{number}" / "device", label, microwatts)
    monitor(path / "hwmon4", "Grace Power Socket 1", 149_000_000, "label")
    monitor(path / "hwmon5", "System Board Power", 700_000_000)
    (path / "hwmon6").mkdir()
    return path


def meters(source: GraceSource, now_ms: int = 1000) -> dict[Any, dict[str, Any]]:
    rows = [checked_row(METER, row) for row in source.read(now_ms)["meter"]]
    return {row["domain"]: row for row in rows}


def test_the_meters_of_each_socket_are_read_in_watts(hwmon: Path) -> None:
    (hwmon / "hwmon0/device/power1_cap").write_text("680000000\n")
    source = GraceSource(hwmon)
    rows = meters(source)
    assert {name: row["power_watts"] for name, row in rows.items()} == {
        "module-0": 512.5,
        "grace-0": 150.0,
        "cpu-0": 110.25,
        "sysio-0": 12.0,
        "grace-1": 149.0,
    }
    assert rows["module-0"]["power_limit_watts"] == 680.0
    assert rows["grace-0"] == {
        "time_unix_ms": 1000,
        "source": "grace",
        "domain": "grace-0",
        "power_watts": 150.0,
        "power_limit_watts": None,
    }


def test_none_of_them_is_the_whole_node(hwmon: Path) -> None:
    source = GraceSource(hwmon)
    assert set(source.read(1000)) == {"meter"}
    assert source.describe(1000) == {}


def test_a_cap_is_read_once_a_minute(hwmon: Path) -> None:
    source = GraceSource(hwmon)
    meters(source, 0)
    (hwmon / "hwmon0/device/power1_cap").write_text("680000000\n")
    assert meters(source, 59_000)["module-0"]["power_limit_watts"] is None
    assert meters(source, 60_000)["module-0"]["power_limit_watts"] == 680.0


def test_a_meter_that_does_not_answer_does_not_hide_the_others(hwmon: Path) -> None:
    source = GraceSource(hwmon)
    (hwmon / "hwmon0/device/power1_average").unlink()
    (hwmon / "hwmon1/device/power1_average").write_text("-5\n")
    assert set(meters(source)) == {"cpu-0", "sysio-0", "grace-1"}


def test_meters_that_are_all_silent_are_a_failed_reading(tmp_path: Path) -> None:
    monitor(tmp_path / "hwmon0", "CPU Power Socket 0", "9" * 30)
    with pytest.raises(ReadFailed, match="not a power in microwatts: b'9999"):
        GraceSource(tmp_path).read(1)
    source = GraceSource(tmp_path)
    (tmp_path / "hwmon0/power1_average").unlink()
    with pytest.raises(ReadFailed, match="power1_average: No such file"):
        source.read(1)


def test_elsewhere_it_is_absent(tmp_path: Path) -> None:
    monitor(tmp_path / "hwmon/hwmon0", "System Board Power", 700_000_000)
    for path in (tmp_path / "hwmon", tmp_path / "none"):
        with pytest.raises(SourceUnavailable, match="no power meter of a Grace processor"):
            open_source("grace", SourceConfig("s", "n", options={"path": str(path)}))
