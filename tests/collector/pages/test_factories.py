from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wattline_collector.access import Role, Viewer
from wattline_collector.pages import factories


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What a press is asked; it answers with nothing."""
    calls: list[tuple[Any, ...]] = []

    def told(*words: Any) -> dict[str, Any]:
        calls.append(words)
        return {"received": 0}

    monkeypatch.setattr(factories, "found", lambda: SimpleNamespace(factories=told))
    return calls


def test_bundles_lie_in_the_store_unless_the_collector_was_told(
    ask_planted: Any, planted: Path, asked: list[tuple[Any, ...]]
) -> None:
    assert ask_planted("/v1/factories") == {"installed": True, "received": 0}
    ask_planted("/v1/factories", [("of", "2026")])
    place = planted / "bundles"
    assert asked == [
        (planted, place, place / "keys.json", None),
        (planted, place, place / "keys.json", "2026"),
    ]
    assert factories.folder(planted, Path("/elsewhere")) == Path("/elsewhere")


def test_without_the_reports_installed_it_says_so(
    ask_planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factories, "found", lambda: None)
    told = ask_planted("/v1/factories")
    assert told["installed"] is False
    assert "wattline-reports" in told["advice"]


def test_it_is_for_managers(ask_planted: Any, asked: list[tuple[Any, ...]]) -> None:
    ask_planted("/v1/factories", [], Viewer("mara", roles=frozenset({Role.MANAGER})))
    with pytest.raises(PermissionError):
        ask_planted("/v1/factories", [], Viewer("olga", roles=frozenset({Role.JOB_OWNER})))
    assert len(asked) == 1
