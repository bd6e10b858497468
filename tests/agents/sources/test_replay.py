import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import InputError, SourceUnavailable, UsageError
from wattline_agents.sinks.record import RecordSink
from wattline_agents.sources.replay import ReplaySource
from wattline_agents.sources.settings import SourceConfig

T0 = 1_700_000_000_000
NOW = 1_790_000_000_000


def device(second: float) -> dict[str, Any]:
    return {"time_unix_ms": T0 + round(second * 1000), "device": "GPU-1", "power_watts": second}


def write(path: Path, *lines: tuple[str, list[dict[str, Any]]]) -> Path:
    text = [json.dumps({"table": table, "rows": rows}) for table, rows in lines]
    path.write_text("\n".join(text) + "\n")
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    held = {"time_unix_ms": T0, "device": "GPU-1", "job": "7", "start_unix_ms": T0 - 5000}
    return write(
        tmp_path / "a.jsonl",
        ("assignment", [held]),
        *(("device", [device(second)]) for second in range(4)),
    )


def watts(source: ReplaySource, now_ms: int) -> list[float]:
    return [float(row["power_watts"] or 0) for row in source.read(now_ms).get("device", [])]


def test_rows_come_at_the_pace_they_had(recording: Path) -> None:
    source = ReplaySource(recording)
    assert watts(source, NOW) == [0.0]
    assert watts(source, NOW + 500) == []
    assert watts(source, NOW + 2_100) == [1.0, 2.0]
    assert not source.is_over
    assert watts(source, NOW + 9_000) == [3.0]
    assert source.is_over
    assert source.read(NOW + 10_000) == {}


def test_all_times_are_moved_to_now(recording: Path) -> None:
    readings = ReplaySource(recording).read(NOW)
    assert readings["device"][0]["time_unix_ms"] == NOW
    assert readings["assignment"][0]["start_unix_ms"] == NOW - 5000


def test_times_can_stay_as_recorded(recording: Path) -> None:
    source = ReplaySource(recording, to_now=False)
    assert source.read(NOW)["device"][0]["time_unix_ms"] == T0
    assert source.read(NOW + 1000)["device"][0]["time_unix_ms"] == T0 + 1000


def test_played_at_full_speed_it_ends_now(recording: Path) -> None:
    source = ReplaySource(recording, as_fast_as_possible=True)
    rows = source.read(NOW)["device"]
    assert [row["time_unix_ms"] for row in rows] == [NOW - 3000, NOW - 2000, NOW - 1000, NOW]


def test_a_long_recording_is_given_out_in_parts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "long.jsonl", *(("device", [device(s) for s in range(3000)]) for _ in range(3))
    )
    source = ReplaySource(path, as_fast_as_possible=True)
    assert [len(source.read(NOW).get("device", [])) for _ in range(3)] == [6000, 3000, 0]


def test_the_files_of_a_directory_are_played_by_name(tmp_path: Path) -> None:
    write(tmp_path / "2.jsonl", ("device", [device(1)]))
    write(tmp_path / "1.jsonl", ("device", [device(0)]))
    (tmp_path / "notes.txt").write_text("not a recording")
    source = ReplaySource(tmp_path, as_fast_as_possible=True)
    assert watts(source, NOW) == [0.0, 1.0]


def test_what_was_recorded_by_an_agent_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    sink = RecordSink(path)
    sink.accept("device", [device(0), device(1)], 1000)
    sink.close()
    assert watts(ReplaySource(path, as_fast_as_possible=True), NOW) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "a.jsonl:2: not JSON"),
        ("[]", "a.jsonl:2: table: not one of device"),
        ('{"table": ["device"], "rows": []}', "a.jsonl:2: table: not one of"),
        ('{"table": "devices", "rows": []}', "a.jsonl:2: table: not one of"),
        ('{"table": "device", "rows": []}', "a.jsonl:2: rows: not a list"),
        ('{"table": "device", "rows": [{"up": 1}]}', "a.jsonl:2: device.time_unix_ms: missing"),
        ('{"table": "device", "rows": [{"volts": 1}]}', "a.jsonl:2: device: no column 'volts'"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_column(
    tmp_path: Path, line: str, complaint: str
) -> None:
    path = write(tmp_path / "a.jsonl", ("device", [device(0)]))
    path.write_text(path.read_text() + line + "\n")
    source = ReplaySource(path, to_now=False)
    with pytest.raises(InputError, match=complaint.replace("[", r"\[")):
        source.read(NOW)


def test_nothing_there_is_no_failure_and_an_empty_recording_is(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no recording at"):
        ReplaySource(tmp_path / "none.jsonl")
    with pytest.raises(SourceUnavailable, match="no recording at"):
        ReplaySource(tmp_path)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    with pytest.raises(InputError, match="an empty recording"):
        ReplaySource(empty)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "option path: missing"),
        ({"path": "x", "speed": "fast"}, "option speed: not one of real, max: 'fast'"),
        ({"path": "x", "pace": "1"}, "no option 'pace'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        ReplaySource.from_config(SourceConfig("s", "n", options=options))


def test_it_is_opened_by_its_options(recording: Path) -> None:
    options = {"path": str(recording), "speed": "max", "times": "recorded"}
    source = ReplaySource.from_config(SourceConfig("s", "n", options=options))
    assert len(source.read(NOW)["device"]) == 4
