"""The two variants of a review, of a store with a project in each cell of access time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main

PERIOD = "2025-11-01T00:00..2025-11-01T03:00"
"""What is booked: of a whole day too little would be observed."""


def made(store: Path, out: Path, variant: str) -> dict[str, Any]:
    words = ["report", "review", "--store", str(store), "--period", PERIOD]
    assert main([*words, "--variant", variant, "--format", "json", "--out", str(out)]) == 0
    (path,) = out.iterdir()
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


@pytest.fixture(scope="module")
def public(factory_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made(factory_store, tmp_path_factory.mktemp("public"), "public")


@pytest.fixture(scope="module")
def restricted(factory_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made(factory_store, tmp_path_factory.mktemp("restricted"), "restricted")


def values(report: dict[str, Any], kpi: str) -> list[object]:
    return [one["value"] for one in report["figures"] if one["kpi"] == kpi]


def test_the_public_sees_no_cell_that_one_project_makes(public: dict[str, Any]) -> None:
    access = [one for one in public["figures"] if one["id"].startswith("access.")]
    assert access
    assert {one["value"] for one in access} == {None}
    assert {one["status"] for one in access} == {"unknown"}


def test_the_joint_undertaking_sees_every_cell(restricted: dict[str, Any]) -> None:
    assert len([one for one in values(restricted, "I01") if one is not None]) == 2
    assert len([one for one in values(restricted, "I03") if one is not None]) >= 4


@pytest.mark.parametrize("kpi", ["I01", "I02", "I03", "I04", "U04", "P01"])
def test_figures_of_few_projects_or_jobs_are_not_told_to_the_public(
    kpi: str, public: dict[str, Any], restricted: dict[str, Any]
) -> None:
    assert any(one is not None for one in values(restricted, kpi))
    assert all(one is None for one in values(public, kpi))


def test_figures_of_the_factory_are_the_same_in_both(
    public: dict[str, Any], restricted: dict[str, Any]
) -> None:
    for kpi in ("U01", "U02", "S03", "S14"):
        assert values(public, kpi) == values(restricted, kpi) != []


def test_no_job_user_or_node_is_named_to_anybody(
    public: dict[str, Any], restricted: dict[str, Any]
) -> None:
    for report in (public, restricted):
        assert not {"jobs", "coverage"} & report["data"]["overview"].keys()
        assert "n1" not in json.dumps(report)


def test_the_public_sees_no_single_day(public: dict[str, Any]) -> None:
    assert "days" not in public["data"]["overview"]


def test_the_variant_stands_in_the_name_of_the_file(factory_store: Path, tmp_path: Path) -> None:
    made(factory_store, tmp_path, "restricted")
    assert [path.stem for path in tmp_path.iterdir()] == [
        "review_20251101T000000Z_20251101T030000Z_restricted"
    ]
