import json
from pathlib import Path
from typing import Any

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


class FullDisk:
    """A file on a disk with so much room; what does not fit is written in part, then refused."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room, self.closed = file, room, False

    def write(self, data: bytes) -> int:
        size = min(len(data), self.room)
        if not size:
            raise OSError(28, "No space left on device")
        self.room -= size
        return int(self.file.write(data[:size]))

    def fileno(self) -> int:
        return int(self.file.fileno())

    def close(self) -> None:
        self.file.close()


def test_a_full_disk_leaves_a_gap_and_is_said_when_it_begins_and_ends(
    tmp_path: Path, clock: Any, said: list[str]
) -> None:
    path = tmp_path / "a.jsonl"
    sink = RecordSink(path, said.append, clock)
    disk = FullDisk(sink._file, 70)
    sink._file = disk  # type: ignore[assignment]
    for time in range(5):
        sink.accept("node", [{"time_unix_ms": time}], 1000)
        clock.sleep(1)
    assert said == [
        f"record {path}: No space left on device; lines that cannot be written are left out"
    ]
    disk.room = 10_000
    clock.sleep(60)
    for time in (5, 6):
        sink.accept("node", [{"time_unix_ms": time}], 1000)
    sink.close()
    assert said[1:] == [f"record {path}: can be written again; 4 lines were left out"]
    times = [json.loads(line)["rows"][0]["time_unix_ms"] for line in path.read_text().splitlines()]
    assert times == [0, 5, 6], "every line is whole"


def test_a_device_that_takes_nothing_is_said_once(said: list[str]) -> None:
    sink = RecordSink(Path("/dev/full"), said.append)
    for time in range(3):
        sink.accept("node", [{"time_unix_ms": time}], 1000)
    sink.close()
    assert len(said) == 1
    assert "No space left" in said[0]
