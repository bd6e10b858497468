import json
from pathlib import Path

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.sinks.record import RecordSink


def test_every_hand_over_is_one_line_and_a_file_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for _ in range(2):
        sink = RecordSink(path)
        sink.accept("node", [{"time_unix_ms": 1, "power_watts": None}], 1000)
        sink.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"table": "node", "rows": [{"time_unix_ms": 1, "power_watts": None}]}] * 2


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--record {tmp_path}: Is a directory"):
        RecordSink(tmp_path)


def test_a_full_disk_ends_the_recording_and_is_said(said: list[str]) -> None:
    sink = RecordSink(Path("/dev/full"), said.append)
    sink.accept("node", [{"time_unix_ms": 1}], 1000)
    sink.accept("node", [{"time_unix_ms": 2}], 1000)
    assert len(said) == 1
    assert "No space left" in said[0]
    sink.close()
