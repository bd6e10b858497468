"""The operations report of stores that have, and lack, what it is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main


def report(store: Path, out: Path, *more: str) -> tuple[dict[str, Any], str]:
    words = ["report", "operations", "--store", str(store), "--format", "json,html", *more]
    assert main([*words, "--out", str(out)]) == 0
    files = {path.suffix: path for path in out.iterdir()}
    return json.loads(files[".json"].read_bytes()), files[".html"].read_text("utf-8")


@pytest.fixture(scope="module")
def month(
    factory_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], str]:
    return report(factory_store, tmp_path_factory.mktemp("ops"), "--period", "2025-11")


def test_every_chapter_is_there(month: tuple[dict[str, Any], str]) -> None:
    _, page = month
    ids = ("answer", "availability", "lemons", "held", "heat", "quality")
    places = [page.index(f'class="chapter" id="{id}"') for id in ids]
    assert places == sorted(places)


def test_a_fleet_too_small_to_compare_accuses_nobody(month: tuple[dict[str, Any], str]) -> None:
    told, page = month
    assert told["data"]["warnings"]["findings"] == []
    assert "too few to compare" in page.replace("\u202f", " ").replace("\u00a0", " ")


def test_temperatures_that_nobody_measured_are_not_zero(month: tuple[dict[str, Any], str]) -> None:
    told, page = month
    bands = [one for one in told["figures"] if one["id"] == "operations.warmest"]
    assert len(bands) == 6
    assert {one["value"] for one in bands} == {None}
    assert "No device tells its temperature." in page


def test_no_register_of_outages_is_said_and_not_taken_for_no_outage(
    month: tuple[dict[str, Any], str],
) -> None:
    _, page = month
    assert "outages are not logged" in page


def test_a_store_without_registers_or_profile_has_a_report(
    tmp_path: Path, factory_kit: Any
) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    told, _ = report(store, tmp_path / "out", "--period", "2025-11-01")
    assert {one["kpi"]: one["value"] for one in told["figures"]}["A02"] is None
    assert any("A02" in one["what"] for one in told["missing"])


def test_a_period_of_which_nothing_is_held_is_refused_with_what_there_is(
    factory_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "operations", "--store", str(factory_store), "--period", "2024-01"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "it holds what happened from 2025-11-01" in capsys.readouterr().err
