from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main


def report(store: Path, out: Path, *words: object) -> tuple[dict[str, Any], str]:
    """The report's JSON and page."""
    asked = ["report", "hosting-audit", "--store", store, "--format", "json,html", "--out", out]
    assert main([str(word) for word in [*asked, *words]]) == 0
    content = json.loads(next(out.glob("*.json")).read_bytes())
    return content, plain(next(out.glob("*.html")).read_text("utf-8"))


def plain(page: str) -> str:
    text = re.sub(r"<style.*?</style>", "", page, flags=re.S)
    text = re.sub(r"<[^>]+>", " ", text)
    for space in "\u202f\u00a0\u2009":
        text = text.replace(space, " ")
    return " ".join(text.split())


def figures(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["quote"]: one for one in content["figures"]}


def as_told(content: dict[str, Any]) -> dict[str, Any]:
    """The figures without those of the books as they stand."""
    return {id: one for id, one in figures(content).items() if not id.endswith("/now")}


def test_every_hour_used_and_granted_is_in_one_cell(factory_store: Path, tmp_path: Path) -> None:
    content, _ = report(factory_store, tmp_path, "--period", "2025")
    cells = content["data"]["access"]
    assert sum(one["used_gpu_hours"] for one in cells) == pytest.approx(6.0)
    assert sum(one["granted_gpu_hours"] for one in cells) == pytest.approx(5.0)
    by_state = {one["participating_state"]: one["used_gpu_hours"] for one in cells}
    assert by_state == pytest.approx({"DE": 3.0, "SI": 0.9, "AT": 1.05, "IT": 1.05})
    told = figures(content)
    assert told["access.used"]["value"] == pytest.approx(6.0)
    assert told["access.granted"]["value"] == pytest.approx(5.0)


def test_commercial_use_over_its_limit_is_said_first(factory_store: Path, tmp_path: Path) -> None:
    content, page = report(factory_store, tmp_path, "--period", "2025")
    assert figures(content)["I04/system=lab"]["value"] == pytest.approx(100.0)
    verdict = "Commercial use took 100 % of the Union\u2019s total time of lab, over the 20"
    assert page.index("The year on one page") < page.index(verdict)


def test_the_audit_statement_names_the_end_of_each_chain(
    factory_store: Path, tmp_path: Path
) -> None:
    content, page = report(factory_store, tmp_path, "--period", "2025")
    audit = content["data"]["audit"]
    assert audit["balanced"] is True
    assert audit["hours"] == 3
    assert [head["system"] for head in audit["trail"]] == ["lab"]
    assert audit["trail"][0]["sha256"] in page
    assert "No hour of the period was booked again" in page


def test_a_grant_that_changed_later_is_told_as_it_was_then(
    factory_kit: Any, tmp_path: Path
) -> None:
    store = factory_kit.make(tmp_path / "store")
    then = datetime.now(UTC).isoformat()
    before, _ = report(store, tmp_path / "before", "--period", "2025", "--as-of", then)
    assert figures(before)["access.granted"]["value"] == pytest.approx(5.0)
    register = tmp_path / "projects.csv"
    register.write_text(register.read_text().replace(",no,3,", ",no,4,"))
    assert main(["import", "projects-csv", str(register), "--store", str(store)]) == 0
    now, _ = report(store, tmp_path / "now", "--period", "2025")
    assert figures(now)["access.granted"]["value"] == pytest.approx(6.0)
    again, page = report(store, tmp_path / "again", "--period", "2025", "--as-of", then)
    assert as_told(again) == as_told(before)
    assert figures(again)["I01/access_mode=fast_lane/now"]["denominator"] == pytest.approx(4.0)
    assert again["as_of"] is not None
    assert "as it was told then" in page


def test_what_was_restated_is_listed_by_reason_and_account(
    factory_kit: Any, tmp_path: Path
) -> None:
    store = factory_kit.make(tmp_path / "store")
    then = datetime.now(UTC).isoformat()
    factory_kit.speak_late(store)
    content, page = report(store, tmp_path / "now", "--period", "2025")
    told = content["data"]["audit"]["restatements"]
    # Two hours had settled: in one the device held no job, of the other it told nothing.
    assert told["count"] == sum(told["by_reason"].values()) == 2
    assert told["device_hours"] == pytest.approx({"free": 1.0, "unobserved": 1.0}, abs=0.05)
    assert sum(told["device_hours"].values()) == pytest.approx(2.0)
    assert figures(content)["restated.free.device_hours"]["value"] == pytest.approx(1.0, abs=0.05)
    assert "2 restatements" in page
    again, page = report(store, tmp_path / "again", "--period", "2025", "--as-of", then)
    assert again["data"]["audit"]["restatements"]["after_as_of"] == 2
    assert "2 after the moment this report is as of" in page


def test_an_altered_book_is_not_certified(factory_kit: Any, tmp_path: Path) -> None:
    import polars as pl

    from wattline_collector.ledger.books import Books

    store = factory_kit.make(tmp_path / "store")
    books = Books(store)
    path = books.path("device", books.hours()[0])
    frame = pl.read_parquet(path)
    frame.with_columns((pl.col("energy_joules") * 2).alias("energy_joules")).write_parquet(path)
    content, page = report(store, tmp_path / "out", "--period", "2025")
    assert content["statement"]["good"] is False
    assert page.index("The books do NOT balance") < page.index("The year on one page")
    assert content["data"]["audit"]["findings"]


def test_without_registers_and_profile_it_comes_out_and_says_what_it_lacks(
    factory_kit: Any, tmp_path: Path
) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    content, page = report(store, tmp_path / "out", "--period", "2025")
    lacks = " ".join(f"{one['what']} {one['why']}" for one in content["missing"])
    for id in ("I01", "I02", "I03", "I04", "U04"):
        assert id in lacks
    assert "projects" in lacks
    assert "wattline import" in lacks
    assert page.index("What is missing") < page.index("The year on one page")
    assert content["data"]["access"] == []


def test_a_year_of_which_nothing_is_known_says_so(factory_store: Path, tmp_path: Path) -> None:
    content, page = report(factory_store, tmp_path, "--period", "2020")
    assert content["statement"]["headline"] == "The books have not been audited"
    assert "no hour of this period is booked" in " ".join(
        one["why"].lower() for one in content["missing"]
    )
    assert "is not known" in page


def test_a_month_is_refused(
    factory_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "hosting-audit", "--store", str(factory_store), "--period", "2025-11"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "hosting-audit is of a year; write 2026" in capsys.readouterr().err


def test_hours_outside_every_project_are_said_with_the_next_step(
    factory_kit: Any, tmp_path: Path
) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    factory_kit.add_registers(store)
    # Of one project only the other's account is known.
    shutil.rmtree(store / "registers")
    register = tmp_path / "projects.csv"
    register.write_text(
        "\n".join(line for line in register.read_text().splitlines() if not line.startswith("P2"))
        + "\n"
    )
    assert main(["import", "projects-csv", str(register), "--store", str(store)]) == 0
    content, _ = report(store, tmp_path / "out", "--period", "2025")
    lacks = " ".join(one["why"] for one in content["missing"])
    assert "ran outside every project of the register" in plain(lacks)
    assert "add the accounts to the register of projects" in lacks
