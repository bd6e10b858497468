"""XIDs in the kernel's log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wattline_agents.sources.nvml.kmsg import KernelLog, place_of, xid_in


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (
            b"2,1234,5678901,-;NVRM: Xid (PCI:0000:07:00): 79, pid='<unknown>', "
            b"name=<unknown>, GPU has fallen off the bus.\n",
            ("0:07:00", 79),
        ),
        (b"4,1,2,-;NVRM: Xid (PCI:0001:C6:00): 13, pid=1, Graphics Exception\n", ("1:c6:00", 13)),
        (b"4,1,2,-;NVRM: Xid (PCI:0000:07:00): 94, pid=9, Contained memory error\n SUBSYSTEM=pci\n",
         ("0:07:00", 94)),
        (b"4,1,2,-;NVRM: Xid (PCI:0000:07:00.0): 63, Row remapping event\n", ("0:07:00", 63)),
        (b"6,1,2,-;NVRM: GPU at PCI:0000:07:00: GPU-57a4d14e\n", None),
        (b"6,1,2,-;NVRM: Xid (PCI:0000:07:00): , nothing\n", None),
        (b"6,1,2,-;NVRM: Xid (PCI:0000:07:00): 123456, too long\n", None),
        (b"not a record", None),
        (b"", None),
        (b"\xff\xfe;NVRM: Xid (PCI:0000:07:00): 79, x\n", None),
    ],
)  # fmt: skip
def test_records_are_read(record: bytes, found: tuple[str, int] | None) -> None:
    assert xid_in(record) == found


def test_what_a_program_wrote_there_is_no_error_of_the_kernels() -> None:
    line = b",1,2,-;NVRM: Xid (PCI:0000:07:00): 79, GPU has fallen off the bus.\n"
    assert xid_in(b"2" + line) == ("0:07:00", 79)
    assert xid_in(b"14" + line) is None


@pytest.mark.parametrize("pci", ["00000000:1B:00.0", "0000:1b:00", "0:1b:00.0"])
def test_places_written_differently_are_one(pci: str) -> None:
    assert place_of(pci) == "0:1b:00"


LINE = "2,1,2,-;NVRM: Xid (PCI:0000:07:00): {}, x\n"


def test_only_what_came_since_is_told(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    path.write_text(LINE.format(31))
    log = KernelLog(str(path))
    assert log.read() == []
    with path.open("a") as file:
        file.write(LINE.format(79))
    assert log.read() == [("0:07:00", 79)]
    assert log.read() == []
    assert log.why_not is None
    log.close()
    assert log.read() == []


def test_a_log_that_is_not_there_is_a_reason(tmp_path: Path) -> None:
    log = KernelLog(str(tmp_path / "none"))
    assert log.why_not == "the kernel's log cannot be read: No such file or directory"
    assert log.read() == []


def test_a_log_that_may_not_be_read_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "open", refuse)
    assert KernelLog().why_not == "this user may not read the kernel's log"


def test_records_overwritten_before_they_were_read_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kmsg").touch()
    log = KernelLog(str(tmp_path / "kmsg"))
    answers: list[bytes | OSError] = [
        BrokenPipeError(),
        LINE.format(48).encode(),
        BlockingIOError(),
        OSError(5, "Input/output error"),
    ]

    def read(_file: int, _bytes: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "read", read)
    assert log.read() == [("0:07:00", 48)]
    assert log.read() == []
    assert log.why_not == "the kernel's log cannot be read: Input/output error"


def test_a_flood_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kmsg").touch()
    log = KernelLog(str(tmp_path / "kmsg"))
    record = LINE.format(13).encode()
    monkeypatch.setattr(os, "read", lambda _file, _bytes: record)
    assert len(log.read()) == 256
    monkeypatch.undo()
    log.close()
