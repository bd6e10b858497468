from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.cli import main
from wattline_agents.wire import Header, Row, encode
from wattline_collector.access import Viewer
from wattline_collector.ledger.booking import book
from wattline_collector.receive.intake import Intake
from wattline_collector.store.store import Store
from wattline_reports import seen
from wattline_reports.asked import Asked
from wattline_reports.certificate import KIND, annex, page
from wattline_reports.certificate.chosen import added, chosen
from wattline_reports.exchange import keys
from wattline_reports.period import parse_period

DAY = ("--period", "2025-11-01")
START = 1_761_955_200_000
SIGNED = "2026-01-15"


def make(store: Path, out: Path, *words: str, forms: str = "json") -> dict[str, Any]:
    asked = ["report", "certificate", *words, *DAY, "--store", str(store), "--format", forms]
    assert main([*asked, "--out", str(out)]) == 0
    content: dict[str, Any] = json.loads(next(out.glob("*.json")).read_bytes())
    return content


def figures(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["quote"]: one for one in content["figures"]}


def asked(store: Path, *of: str, jobs: str = "") -> Asked:
    return Asked(KIND, store, parse_period("2025-11-01"), of=of, options={"jobs": jobs})


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, Path]:
    """The site's private key, and the ring that others check with."""
    private = keys.new_private()
    pem, ring = tmp_path / "site.pem", tmp_path / "keys.json"
    keys.write_private(private, pem)
    key = keys.public_key(private, "example-aif", keys.FACTORY, date(2026, 1, 1), date(2027, 1, 1))
    keys.write_ring(keys.ring_of(None, key), ring)
    return pem, ring


def test_jobs_added_up_are_what_the_kpi_of_their_project_is(factory_store: Path) -> None:
    of = asked(factory_store, "P1")
    picked = chosen(of)
    for id in ("E04", "E06", "P01", "S10", "S12"):
        (kpi,) = picked.figures(id)
        (mine,) = added(of, id, picked.jobs)
        assert kpi.kpi == id
        assert mine.value == pytest.approx(kpi.value), id
        assert mine.unit() == kpi.unit()
        assert mine.figure.coverage == pytest.approx(kpi.figure.coverage), id


def test_named_jobs_say_what_part_of_their_projects_they_are(
    factory_store: Path, tmp_path: Path
) -> None:
    content = make(factory_store, tmp_path, "--jobs", "7,8")
    told = figures(content)
    assert told["chosen.share"]["value"] == pytest.approx(1.0)
    assert content["data"]["certificate"]["jobs"] == ["7", "8"]
    assert told["jobs.S12"]["value"] == pytest.approx(3.6)


def test_what_part_jobs_of_no_known_project_are_is_not_known(
    tmp_path: Path, factory_kit: Any
) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    projects = tmp_path / "others.csv"
    projects.write_text("project,account,access_mode\nP9,p9,fast_lane\n")
    assert main(["import", "projects-csv", str(projects), "--store", str(store)]) == 0
    share = chosen(asked(store, jobs="7")).share
    assert share is not None
    assert share.value is None
    assert "no project that is known" in share.figure.note


def test_training_is_stated_as_annex_xi_asks(factory_store: Path, tmp_path: Path) -> None:
    content = make(factory_store, tmp_path, "P1")
    told = content["data"]["certificate"]["annex_xi"]
    assert told["energy_kwh"] == pytest.approx(1.8)
    assert told["energy_is"] == "known"
    assert told["training_time_hours"] == pytest.approx(3.0)
    assert told["training_gpu_hours"] == pytest.approx(3.0)
    # Nobody said how large the model is: that is not known, and not zero.
    assert told["compute_flop"] is None
    assert any("docs/training.md" in one["why"] for one in content["missing"])
    energy = content["data"]["certificate"]["spdx"]["ai_trainingEnergyConsumption"]
    assert energy[0]["ai_energyQuantity"] == pytest.approx(1.8)
    assert energy[0]["ai_energyUnit"] == "kilowattHour"


def test_compute_is_six_operations_for_each_parameter_and_token(
    tmp_path: Path, factory_kit: Any
) -> None:
    store = factory_kit.make(tmp_path / "store")
    with Store.open(store, write=True) as opened:
        header = Header("lab", "n1", "boot2", 1, 0)
        model: Row = {"time_unix_ms": START, "job": "7", "model": "lm", "parameters": 8_000_000_000}
        Intake(opened).accept("job_model", header, encode(TABLES["job_model"], [model]))
        opened.commit()
        book(opened, until_ms=START + 3 * 3_600_000)
    statement = annex.of(chosen(asked(store, "P1")))
    tokens = 3 * 3_600_000 * 5
    assert statement.compute.value == pytest.approx(6 * 8e9 * tokens, rel=1e-3)
    assert statement.models == (("lm", 8_000_000_000),)


def test_energy_that_was_hardly_metered_is_called_estimated(
    tmp_path: Path, factory_kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = factory_kit.make(tmp_path / "store")
    monkeypatch.setattr(annex, "MEASURED_FROM", 1.01)
    assert annex.of(chosen(asked(store, "P1"))).to_json()["energy_is"] == "estimated"


def test_jobs_that_train_nothing_have_no_statement(factory_store: Path) -> None:
    of = asked(factory_store, "P1")
    picked = chosen(of)
    nothing = annex.of(type(picked)(of, "P1", "t", picked.jobs.clear(), None))
    assert nothing.jobs == 0
    assert nothing.to_json()["energy_kwh"] is None
    assert nothing.to_json()["energy_is"] == "unknown"
    assert "no statement" in page._annex(nothing).answer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "a certificate is of one project or of jobs"),
        (("P1", "--jobs", "7"), "a certificate is of one project or of jobs"),
        (("P9",), "no project P9"),
        (("--jobs", "7,99"), "no job 99 that ran in the period"),
        (("--jobs", ",".join(str(n) for n in range(500))), "--jobs: at most 200"),
        (("P1", "--verify", "x.json"), "leave out what makes one"),
        (("P1", "--key", "none.pem"), "none.pem"),
    ],
)
def test_what_cannot_be_certified_is_said_in_one_line(
    words: tuple[str, ...],
    message: str,
    factory_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["report", "certificate", *words, *DAY, "--store", str(factory_store)]
    assert main([*line, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_jobs_of_others_do_not_exist(
    factory_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seen, "viewer_of_store", lambda store: Viewer(name="anna"))
    said = []
    for id in ("7", "9"):
        line = ["report", "certificate", "--jobs", id, *DAY, "--store", str(factory_store)]
        assert main([*line, "--out", str(tmp_path / "out")]) == 2
        said.append(capsys.readouterr().err.replace(f"job {id}", "job ID"))
    assert said[0] == said[1]


def test_what_is_not_over_is_not_signed(
    factory_store: Path, tmp_path: Path, site: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["report", "certificate", "P1", *DAY, "--store", str(factory_store), "--key",
            str(site[0]), "--signed-on", "2025-11-01", "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(line) == 2
    assert "what is not over is not signed" in capsys.readouterr().err


def test_books_that_do_not_balance_are_not_signed(
    tmp_path: Path, factory_kit: Any, site: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    store = factory_kit.make(tmp_path / "store")
    # Half of an hour's entries go: what is installed is no longer all booked.
    import polars as pl

    path = next(path for path in sorted((store / "ledger").rglob("*.parquet"))
                if {"account", "device"} <= {*pl.read_parquet_schema(path)})  # fmt: skip
    frame = pl.read_parquet(path)
    frame.head(frame.height // 2).write_parquet(path)
    line = ["report", "certificate", "P1", *DAY, "--store", str(store), "--key", str(site[0]),
            "--signed-on", SIGNED, "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(line) == 2
    assert "that is not signed; `wattline audit` says what is wrong" in capsys.readouterr().err


@pytest.mark.pdftools
@pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="pdfinfo is not installed")
def test_it_is_one_page(factory_store: Path, tmp_path: Path, site: tuple[Path, Path]) -> None:
    words = ("P1", "--key", str(site[0]), "--signed-on", SIGNED)
    make(factory_store, tmp_path / "out", *words, forms="json,pdf")
    pdf = next((tmp_path / "out").glob("*.pdf"))
    said = subprocess.run(
        ["pdfinfo", str(pdf)], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    assert "Pages:           1\n" in said


def test_an_unsigned_page_says_that_it_proves_nothing(
    factory_store: Path, tmp_path: Path, text_of: Any
) -> None:
    content = make(factory_store, tmp_path, "P1", forms="json,html")
    assert content["data"]["signature"] is None
    page_text = text_of(next(tmp_path.glob("*.html")).read_bytes())
    assert "Nobody signed this page: it proves nothing to others." in page_text
    for one in page.NOT_PROVED:
        assert one in page_text


def test_the_same_day_gives_the_same_signature(
    factory_store: Path, tmp_path: Path, site: tuple[Path, Path]
) -> None:
    words = ("P1", "--key", str(site[0]), "--signed-on", SIGNED)
    first = make(factory_store, tmp_path / "a", *words)
    assert first == make(factory_store, tmp_path / "b", *words)
    assert first["data"]["signature"]["signed_on"] == SIGNED
    assert datetime.now(UTC).date().isoformat() != SIGNED
