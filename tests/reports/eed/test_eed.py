from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_reports.eed import annexes, schema

# The year's sums of the made-up meters, in the regulation's units.
KWH = 1e6


def report(store: Path, out: Path, *words: object) -> tuple[dict[str, Any], str]:
    """The report's JSON and page."""
    asked = ["report", "eed", "--store", store, "--period", "2025", "--format", "json,html"]
    assert main([str(word) for word in [*asked, "--out", out, *words]]) == 0
    page = next(out.glob("*.html")).read_text("utf-8")
    page = re.sub(r"<style.*?</style>", "", page, flags=re.S)
    page = re.sub(r"<[^>]+>", " ", page)
    for space in "\u202f\u00a0\u2009":
        page = page.replace(space, " ")
    return json.loads(next(out.glob("*.json")).read_bytes()), " ".join(page.split())


def test_the_fields_stand_under_their_legal_codes_in_their_legal_units(
    factory_store: Path, factory_kit: Any, tmp_path: Path
) -> None:
    content, _ = report(factory_store, tmp_path)
    told = content["data"]["annex_ii"]
    for code, (_, _, amount, unit) in factory_kit.METERED.items():
        factor, legal = (KWH, "kWh") if unit == "GWh" else (1.0, unit)
        assert told[code]["value"] == pytest.approx(amount * factor, rel=1e-8), code
        assert told[code]["unit"] == legal
    declared = {
        "PD_IT": (2500.0, "kW"), "S_DC": (2500.0, "m2"), "S_CR": (900.0, "m2"),
        "C_SERV": (182000.0, "SERT"), "C_STOR": (40.0, "PB"), "B_IN": (12.5, "GB/s"),
        "B_OUT": (12.5, "GB/s"), "T_IN traffic": (0.2, "EB"), "T_OUT traffic": (0.1, "EB"),
        "T_IN air": (27.0, "Cel"), "CDD": (38.0, "degree-days"), "C_BtG": (0.0, "kW"),
        "E_RES-TOT": (9.6 * KWH, "kWh"),
    }  # fmt: skip
    for code, (amount, unit) in declared.items():
        assert told[code]["value"] == pytest.approx(amount), code
        assert told[code]["unit"] == unit
    assert all(one["valid"] for one in told.values())
    assert content["data"]["annex_i"]["LAU"] == {"text": "FI_205", "valid": True}
    assert content["data"]["annex_i"]["peak shifting"]["text"] == "no"


def test_the_indicators_follow_the_formulas_of_annex_iii(
    factory_store: Path, tmp_path: Path
) -> None:
    content, page = report(factory_store, tmp_path)
    # E_DC 12 GWh, E_IT 10 GWh, W_IN 5 000 m3, E_REUSE 3 GWh, renewable 9.6 GWh.
    assert content["data"]["annex_iii"] == pytest.approx(
        {"PUE": 1.2, "WUE": 0.5, "ERF": 0.25, "REF": 0.8}, rel=1e-8
    )
    assert "PUE 1.20, WUE 0.500 m3/MWh, ERF 0.250, REF 0.800." in page


def test_a_complete_return_says_so_and_names_points_and_devices(
    factory_store: Path, tmp_path: Path
) -> None:
    content, page = report(factory_store, tmp_path)
    assert content["statement"] == {
        "good": True,
        "headline": "Obliged; the return is complete",
        "text": content["statement"]["text"],
    }
    assert content["data"]["gaps"] == []
    assert content["data"]["measuring_devices"][0]["serial"] == "4711"
    assert "room E2, panel A" in page
    assert "E_IT at category 1 (UPS output)" in page


@pytest.mark.parametrize(
    ("power", "headline", "obliged"),
    [
        ("499 kW", "Not obliged", False),
        ("500 kW", "Obliged; the return is complete", True),
    ],
)
def test_the_duty_begins_at_500_kw(
    power: str, headline: str, obliged: bool, factory_kit: Any, tmp_path: Path
) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    factory_kit.add_registers(store)
    factory_kit.use_profile(store, power)
    content, page = report(store, tmp_path / "out")
    assert content["statement"]["headline"] == headline
    assert content["data"]["obliged"] is obliged
    assert page.index(headline) < page.index("What is missing" if content["missing"] else "Schema")


def test_planted_gaps_are_the_gaps_that_are_listed(factory_kit: Any, tmp_path: Path) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    factory_kit.add_registers(store, without=["W_IN", "T_WH"])
    lines = [
        line for line in factory_kit.PROFILE.splitlines()
        if not line.startswith(("lau_code", "storage_capacity", "cooling_rack"))
    ]  # fmt: skip
    factory_kit.use_profile(store, text="\n".join(lines) + "\n")
    content, page = report(store, tmp_path / "out")
    planted = {"LAU", "redundancy cooling rack", "W_IN", "T_WH", "C_STOR"}
    assert {one["field"] for one in content["data"]["gaps"]} == planted
    assert content["statement"]["headline"] == "Obliged; the return is not complete"
    assert content["data"]["annex_ii"]["W_IN"]["value"] is None
    first = page[: page.index("The return on one page")]
    for field in planted:
        assert field in page
    assert "S04" in first
    assert "the profile has no data_centre.year.2025.storage_capacity." in page.replace(
        "The p", "the p"
    )


def test_a_quarter_of_readings_is_no_sum_of_a_year(factory_kit: Any, tmp_path: Path) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    factory_kit.add_registers(store, without=["W_IN"])
    factory_kit.use_profile(store)
    meters = tmp_path / "water.csv"
    meters.write_text(
        "meter,quantity,eed,boundary,reading,start,end,value,unit\n"
        "w_in,water,W_IN,site_input,amount,2025-01-01,2025-03-31,1000,m3\n"
    )
    assert main(["import", "meters-csv", str(meters), "--store", str(store)]) == 0
    content, _ = report(store, tmp_path / "out")
    water = next(one for one in content["figures"] if one["quote"] == "eed.W_IN")
    assert (water["value"], water["status"]) == (None, "withheld")
    assert {one["field"] for one in content["data"]["gaps"]} == {"W_IN"}
    wue = next(one for one in content["figures"] if one["quote"] == "S04")
    assert (wue["value"], wue["status"]) == (None, "withheld")
    assert "S04" in " ".join(one["what"] for one in content["missing"])


def test_without_a_profile_it_comes_out_and_says_what_it_lacks(
    factory_kit: Any, tmp_path: Path
) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    content, page = report(store, tmp_path / "out")
    assert content["statement"]["headline"] == "Whether a return is owed is not known"
    lacks = " ".join(one["why"] for one in content["missing"])
    assert "wattline profile template" in lacks
    assert "no meter of e_dc" in lacks.lower()
    assert page.index("What is missing") < page.index("The return on one page")


def test_the_draft_has_no_data_traffic_and_says_that_it_is_a_draft(
    factory_store: Path, tmp_path: Path
) -> None:
    content, page = report(factory_store, tmp_path, "--schema", "eed-2026-draft")
    assert content["data"]["schema"] == "eed-2026-draft"
    assert not {"T_IN traffic", "T_OUT traffic"} & set(content["data"]["annex_ii"])
    assert "T_IN air" in content["data"]["annex_ii"]
    assert "is not in force" in page


def test_a_schema_there_is_not_is_refused(
    factory_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "eed", "--store", str(factory_store), "--schema", "eed-1999"]
    assert main(words) == 2
    assert "there are eed-2024, eed-2026-draft" in capsys.readouterr().err


def test_a_profile_that_is_wrong_is_named_by_line(
    factory_kit: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = factory_kit.make_books(tmp_path / "store")
    factory_kit.add_registers(store)
    factory_kit.use_profile(store)
    (store / "profile.toml").write_text("id = 3\n")
    words = ["report", "eed", "--store", str(store), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "profile" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_number_of_the_return_has_a_key_of_its_own() -> None:
    keys = [field.key for field in schema.STATED]
    assert len(set(keys)) == len(keys)
    codes = [field.code for field in schema.STATED]
    assert codes.count("T_IN") == 2  # the air's, and the traffic's


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"), (0.0, "0"), (2500.0, "2\u202f500"), (42.5, "42.5"), (0.2, "0.2"),
        (12_000_000.0, "12\u202f000\u202f000"), (1 / 3, "0.333333"), (0.00012345, "0.00012345"),
    ],
)  # fmt: skip
def test_a_number_stands_as_exactly_as_it_was_stated(value: float | None, text: str) -> None:
    assert annexes.exact(value) == text
