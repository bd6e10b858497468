from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import Role, Viewer
from wattline_dashboards.access.audit import KEPT, AuditLog
from wattline_dashboards.access.people import Person

ANNA = Person("i#anna", "Anna", Viewer("anna", roles=frozenset({Role.JOB_OWNER})))


def test_a_line_says_when_who_and_what(tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "log"
    AuditLog(path, clock).write("refused", ANNA, what='fleet\n"{}')
    AuditLog(path, clock).write("failed", None)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {
        "time": "2026-11-02T12:00:00.000Z", "did": "refused", "who": "i#anna", "account": "anna",
        "roles": "job owner", "what": 'fleet\ufffd"{}',
    }  # fmt: skip
    assert second["did"] == "failed"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_bounded_and_the_oldest_goes_first(tmp_path: Path, clock: Any) -> None:
    log = AuditLog(tmp_path / "log", clock, most_bytes=300)
    for number in range(100):
        log.write("sign-in", ANNA, number=str(number))
    files = sorted(tmp_path.iterdir())
    assert len(files) == KEPT + 1
    assert all(file.stat().st_size <= 300 for file in files)
    assert '"number":"99"' in (tmp_path / "log").read_text()


def test_a_place_that_cannot_be_written_is_said_at_the_start(tmp_path: Path, clock: Any) -> None:
    with pytest.raises(UsageError, match="nix/log: cannot be written to"):
        AuditLog(tmp_path / "nix" / "log", clock)


def test_a_disk_that_fails_is_said_once_and_stops_nobody(tmp_path: Path, clock: Any) -> None:
    said: list[str] = []
    (tmp_path / "d").mkdir()
    log = AuditLog(tmp_path / "d" / "log", clock, say=said.append)
    (tmp_path / "d" / "log").unlink()
    (tmp_path / "d").rmdir()
    for _ in range(3):
        log.write("sign-in", ANNA)
    assert len(said) == 1
