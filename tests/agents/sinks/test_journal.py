from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.sinks.disk import DiskTrouble
from wattline_agents.sinks.journal import FileJournal, NoJournal, OpenBatch
from wattline_agents.wire import Header, Row


def batch(sequence: int, table: str = "device") -> OpenBatch:
    return OpenBatch(table, Header("test", "n01", "boot1", sequence, 1000))


def row(time_ms: int) -> Row:
    return {"time_unix_ms": time_ms, "device": "GPU-1", "power_watts": 1.5}


def test_additions_to_one_batch_come_back_as_one_batch(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal")
    journal.add(batch(1), [row(1), row(2)])
    journal.add(batch(2, "node"), [{"time_unix_ms": 1}])
    journal.add(batch(1), [row(3)])
    found = FileJournal(tmp_path / "journal").read()
    assert [(one.table, one.header) for one in found] == [
        ("device", batch(1).header),
        ("node", batch(2).header),
    ]
    assert found[0].rows == [row(1), row(2), row(3)]


def test_a_cleared_journal_holds_nothing(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal")
    journal.add(batch(1), [row(1)])
    journal.clear()
    assert FileJournal(tmp_path / "journal").read() == []
    journal.add(batch(2), [row(2)])
    assert [one.header.sequence for one in FileJournal(tmp_path / "journal").read()] == [2]


@pytest.mark.parametrize("cut", [2, 20, 60])
def test_a_last_line_that_was_cut_short_costs_that_line_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal"
    journal = FileJournal(path)
    journal.add(batch(1), [row(1)])
    journal.add(batch(1), [row(2)])
    path.write_bytes(path.read_bytes()[:-cut])
    assert [one.rows for one in FileJournal(path).read()] == [[row(1)]]


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"table": "device"}',
        '{"table": "no", "header": {}, "rows": []}',
        '{"table": "device", "header": {"system": "a"}, "rows": []}',
        '{"table": "device", "rows": [], "header": {"system": "a", "node": "b", "boot": [1],'
        ' "sequence": 1, "period_ms": 1}}',
        100_000 * "[",
    ],
)
def test_what_is_no_line_of_a_journal_is_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal"
    path.write_text(f"{line}\n")
    FileJournal(path).add(batch(1), [row(1)])
    assert [one.rows for one in FileJournal(path).read()] == [[row(1)]]


def test_a_disk_that_takes_nothing_is_no_failure(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "nowhere" / "journal")
    journal.add(batch(1), [row(1)])
    assert journal.read() == []


def test_a_spool_in_memory_has_nothing_to_read_back() -> None:
    journal = NoJournal()
    journal.add(batch(1), [row(1)])
    assert journal.read() == []


def test_half_a_line_on_a_full_disk_does_not_spoil_the_next(
    tmp_path: Path, clock: Any, said: list[str], small_files: Callable[[int], None]
) -> None:
    path = tmp_path / "journal"
    journal = FileJournal(path, DiskTrouble("spool", clock, said.append))
    journal.add(batch(1), [row(1)])
    size = path.stat().st_size
    small_files(size + 20)
    journal.add(batch(1), [row(2)])
    assert path.stat().st_size == size
    small_files(100_000)
    journal.add(batch(1), [row(3)])
    assert [one.rows for one in FileJournal(path).read()] == [[row(1), row(3)]]
    assert said == ["spool: File too large; what does not fit is dropped and counted"]
