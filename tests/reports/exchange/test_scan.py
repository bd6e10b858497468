from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from wattline_reports.exchange import scan
from wattline_reports.exchange.refused import Reason

NAMES = frozenset({"alice", "gpu-node-017", "ehpc-2026-12", "my secret model", "42_7"})


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("kpis.json", b'{"note":"held by Alice"}'),
        ("kpis.json", b'{"gpu-node-017":1}'),
        ("methods/rules.md", b"as (EHPC-2026-12) did"),
        ("methods/rules.md", b"trained My Secret Model here"),
        ("cubes/access.csv", b"A,B\nalice,1\n"),
        ("report.html", b"<td>alice</td>"),
        ("kpis.json", b'["42_7"]'),
    ],
)
def test_a_name_is_found_wherever_it_stands(file: str, data: bytes, refused: Any) -> None:
    words = refused(Reason.PERSONAL, lambda: scan.check({file: data}, NAMES, "b.zip"))
    assert file in words
    assert not any(name in words.lower() for name in NAMES)


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("kpis.json", b'{"value":427,"id":"P01"}'),
        ("methods/rules.md", b"malice and alices are other words"),
        ("cubes/energy.csv", b"MONTH,KWH\n2026-11,42.7\n"),
    ],
)
def test_other_words_and_numbers_are_left_alone(file: str, data: bytes) -> None:
    scan.check({file: data}, NAMES)


def test_a_whole_bundle_holds_none_of_them(made: Any) -> None:
    scan.check(made.files, NAMES)
    projects = {f"p{number}" for number in range(120)} | {f"o{number}" for number in range(90)}
    scan.check(made.files, projects)


def test_a_job_that_is_called_as_a_word_of_every_bundle_stops_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.DataFrame(
        {"name": ["energy", "Numerator", "alice"], "title": "alice", "key": "alice"}
    )
    books = SimpleNamespace(frame=lambda *_: frame, jobs=frame, inventory=frame)
    monkeypatch.setattr(scan, "Books", lambda _: books)
    monkeypatch.setattr(scan, "projects", lambda _: frame)
    assert scan.names_of(tmp_path) == {"alice"}
