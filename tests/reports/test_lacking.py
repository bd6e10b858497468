"""What is not there: each kind says so in clear words, and comes out where it can."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_collector.store.store import Store
from wattline_reports.kinds import kinds

BARE = {
    "operations": (("--period", "2025-11"), ("register of outages", "register of projects")),
    "review": (
        ("--period", "2025-11-01", "--variant", "restricted"),
        ("register of projects", "register of outages", "register of activities",
         "register of results", "No meter of E_DC", "No node has a meter"),
    ),
    "hosting-audit": (("--period", "2025"), ("register of projects",)),
    "eed": (("--period", "2025"), ("No profile", "No meter of E_DC, E_IT")),
    "project": (("P1", "--period", "2025-11-01"), ("No tariff", "No carbon factors")),
    "job": (("7",), ("The model's size is not known",)),
    "certificate": (("--jobs", "7", "--period", "2025-11-01"), ("No carbon factors",)),
}  # fmt: skip
"""How each kind is asked for, and what it says it lacks without registers, meters and profile."""


@pytest.fixture(scope="module")
def bare(factory_kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books and nothing beside them."""
    store: Path = factory_kit.make_books(tmp_path_factory.mktemp("bare") / "store")
    return store


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that `wattline report` refuses with."""

    def line(*words: str) -> str:
        capsys.readouterr()
        assert main(["report", *words]) == 2
        err = capsys.readouterr().err
        assert "Traceback" not in err
        told = [line for line in err.splitlines() if line.startswith("wattline")]
        assert len(told) == 1
        return told[0]

    return line


def lacking(name: str, words: tuple[str, ...], store: Path, out: Path) -> str:
    """All that a report says it lacks, on its first page and where that has no more room."""
    assert main(["report", name, *words, "--store", str(store), "--out", str(out)]) == 0
    held = json.loads((out / next(out.glob("*.json")).name).read_bytes())
    why = [f"{one['what']} {one['why']}" for one in held["missing"]]
    why += [one["note"] for one in held["figures"] if one["value"] is None]
    return " ".join(why).lower().replace("\u2019", "'")


def test_every_kind_about_a_store_is_asked_for_here() -> None:
    assert {name for name, kind in kinds().items() if kind.needs_store} == {*BARE}


@pytest.mark.parametrize("name", BARE)
def test_without_registers_meters_and_profile_a_report_says_what_it_lacks(
    name: str, bare: Path, tmp_path: Path
) -> None:
    words, lacks = BARE[name]
    found = lacking(name, (*words, "--format", "json"), bare, tmp_path)
    for one in lacks:
        assert one.lower() in found, one


@pytest.mark.parametrize("name", BARE)
def test_an_empty_store_makes_no_report_and_says_how_to_fill_it(
    name: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    with Store.open(tmp_path / "store", write=True):
        pass
    line = refused(name, *BARE[name][0], "--store", str(tmp_path / "store"))
    assert "holds no booked hours: `wattline import`" in line or "no job 7" in line


@pytest.mark.parametrize("name", sorted({*BARE} - {"job"}))
@pytest.mark.parametrize(
    ("period", "reason"),
    [
        ("2025-13", "no such date"),
        ("2025-02-30", "no such date"),
        ("yesterday", "is not a period; write 2026, 2026-Q4"),
        ("2025-11-02..2025-11-01", "ends before it starts; write FROM..TO"),
    ],
)
def test_what_is_no_period_is_refused_by_every_kind(
    name: str, period: str, reason: str, bare: Path, refused: Callable[..., str]
) -> None:
    of = [word for word in BARE[name][0][:1] if not word.startswith("--")]
    jobs = ["--jobs", "7"] if name == "certificate" else []
    line = refused(name, *of, *jobs, "--period", period, "--store", str(bare))
    assert f"--period {period}" in line.replace("'", "")
    assert reason in line


def test_a_target_for_a_kpi_that_is_not_there_names_its_line(
    factory_kit: Any, bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profile.toml"
    text = factory_kit.PROFILE.replace("POWER", "2 MW")
    path.write_text(f'{text}\n[target.XX99]\ndirection = "up"\nvalue = 1.0\n')
    assert main(["profile", "use", str(path), "--store", str(bare)]) == 2
    line = capsys.readouterr().err.strip()
    number = text.count("\n") + 2
    assert f"profile.toml:{number}: target.XX99" in line
    assert "not among the names of [target]; such as P01" in line


@pytest.mark.recordings
def test_of_time_that_nobody_observed_every_share_says_how_much(
    recorded_store: Path, tmp_path: Path
) -> None:
    words = ("--period", "2024-07", "--format", "json")
    found = lacking("operations", words, recorded_store, tmp_path)
    assert (
        "a06, u03, u01 observed for 85.2\u202f% of the time they should rest on"
        in found.replace("\u00a0", "\u202f")
    )


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["operations", "review", "hosting-audit", "eed"])
def test_accounting_without_a_reading_of_a_device_is_told_like_kpis_tell_it(
    name: str, shared: Path, tmp_path: Path, refused: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    log, store = shared / "data/03-slurm-xdmod/phillips.log", str(tmp_path / "store")
    assert main(["import", "slurm-sacct", str(log), "--zone", "UTC", "--store", store]) == 0
    period = "2016-12" if name in ("operations", "review") else "2016"
    line = refused(name, "--period", period, "--store", store)
    assert "what a scheduler said of jobs and no reading of a device" in line
    assert main(["kpi", "U01", "--store", store]) == 2
    assert capsys.readouterr().err.strip() == line
