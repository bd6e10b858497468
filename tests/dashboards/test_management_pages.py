"""The pages for management, from what the collector answers over a small factory that is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest

from wattline_collector.pages.strip import LETTERS
from wattline_collector.palette import Mode
from wattline_dashboards import exports
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number
from wattline_dashboards.components import compared, findings, incidents, stats
from wattline_dashboards.figures import hours, sankey
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import access_time, energy, production, reliability

Ask = Callable[..., Any]
Json = dict[str, Any]
UTC = ZoneInfo("UTC")
HELSINKI = ZoneInfo("Europe/Helsinki")
HOSTILE = "<img src=x onerror=alert(1)>" + "x" * 1_000_000


def words(parts: Any, id: str) -> str:
    """The text of a part, without its markup."""

    def of(node: Any) -> str:
        return node if isinstance(node, str) else "".join(of(child) for child in node[2:])

    return "".join(of(node) for node in drawing(parts)[id])


@pytest.fixture(scope="module")
def energies(ask_planted: Ask) -> Json:
    found: Json = ask_planted("/v1/energy")
    return found


@pytest.fixture(scope="module")
def accesses(ask_planted: Ask) -> Json:
    found: Json = ask_planted("/v1/access-time")
    return found


@pytest.fixture(scope="module")
def reliabilities(ask_planted: Ask) -> Json:
    found: Json = ask_planted("/v1/reliability")
    return found


@pytest.mark.parametrize("mode", list(Mode))
def test_the_energy_page_opens_with_what_became_kept_work(energies: Json, mode: Mode) -> None:
    changes = energy.render(Answer(energies, 0, None), mode, UTC)
    assert set(changes) == set(energy.OUTPUTS)
    links = energies["flow"]["links"]
    kept = sum(link["joules"] for link in links if link["target"] == "busy")
    grid = sum(link["joules"] for link in links if link["source"] == "grid")
    said = words(changes["parts"], "energy-answer")
    assert said.startswith(f"{100 * kept / grid:.1f}")
    drawn = go.Figure(changes["flow"]).data[0]
    assert len(drawn.link.value) == len(links)
    assert all(0 < place < 1 for place in drawn.node.y)


def test_the_labels_of_the_flow_never_lie_on_one_another(energies: Json) -> None:
    flow = sankey.flow(energies["flow"]["links"])
    notes = go.Figure(sankey.figure(flow, Mode.LIGHT)).layout.annotations
    last = sorted(note.y for note in notes if note.x > 0.9)
    gaps = [high - low for low, high in pairwise(last)]
    assert len(last) > 5
    assert min(gaps) * sankey.HEIGHT >= 12


def test_carbon_has_three_ways_and_says_why_one_is_not_known(energies: Json) -> None:
    figures = [
        row | {"value": None, "note": "600 hours have no factor"}
        if row["dims"].get("way") == "location_hourly"
        else row
        for row in energies["figures"]
    ]
    said = energies | {"figures": figures}
    changes = energy.render(Answer(said, 0, None), Mode.LIGHT, UTC)
    bars = go.Figure(changes["carbon"]).data[0]
    market = stats.picked(stats.listed(energies), "S08", {"way": "market"})
    assert market is not None
    assert list(bars.x)[2] == pytest.approx(market["numerator"])
    assert list(bars.x)[1] is None
    assert "no factor" in words(changes["parts"], "energy-carbon-note")


def test_meters_that_cover_little_open_with_that(energies: Json) -> None:
    thin = {**energies, "flow": {**energies["flow"], "coverage": 0.03}}
    changes = energy.render(Answer(thin, 0, None), Mode.LIGHT, UTC)
    assert "only" in words(changes["parts"], "energy-answer")


def test_energy_without_any_meter_is_said_and_not_drawn() -> None:
    bare: Json = {"period": {}, "flow": {"links": [], "coverage": 0}, "figures": [], "series": {}}
    changes = energy.render(Answer(bare, 0, None), Mode.LIGHT, UTC)
    assert (changes["no_flow"], changes["no_pue"], changes["no_cost"]) == (True, True, True)
    assert "No meter" in words(changes["parts"], "energy-answer")
    assert "profile" in words(changes["parts"], "energy-cost-note")


@pytest.mark.parametrize("by", access_time.BY)
def test_granted_and_used_are_the_sums_of_the_figures(accesses: Json, by: str) -> None:
    changes = access_time.render(Answer(accesses, 0, None), Mode.LIGHT, UTC, by)
    assert set(changes) == set(access_time.OUTPUTS)
    granted, used = go.Figure(changes["used"]).data
    whole = [row for row in accesses["figures"] if row["id"] == "I01"]
    assert sum(used.x) == pytest.approx(sum(row["numerator"] for row in whole))
    assert sum(granted.x) == pytest.approx(sum(row["denominator"] for row in whole))
    assert changes["no_cells"] is False


def test_an_unknown_split_is_the_first_one(accesses: Json) -> None:
    changes = access_time.render(Answer(accesses, 0, None), Mode.DARK, UTC, HOSTILE)
    assert len(changes["used"]["data"][0]["x"]) == 7
    assert access_time.layout(by="nonsense", cells="nonsense")


def test_a_hidden_cell_is_hatched_and_has_no_number(accesses: Json) -> None:
    drawn = go.Figure(
        access_time.render(Answer(accesses, 0, None), Mode.LIGHT, UTC, None)["states"]
    )
    assert all(value is None for line in drawn.data[0].z for value in line)
    assert not drawn.layout.annotations
    assert len(drawn.data[1].x) > len(accesses["states"]["cells"])
    sheet = access_time.sheet("states", accesses)
    assert sheet is not None
    assert all(row[2:5] == [None, None, None] and row[5] is True for row in sheet.rows)


def test_the_guard_says_it_is_over_its_limit(accesses: Json) -> None:
    parts = access_time.render(Answer(accesses, 0, None), Mode.LIGHT, UTC, None)["parts"]
    assert "over its limit" in words(parts, "access_time-guard-finding")
    assert "too much" in words(parts, "access_time-guard-note")


def test_without_a_register_every_part_says_what_to_provide(accesses: Json) -> None:
    note = "there is no register of projects: `wattline import --template projects` prints one"
    lack: Json = {
        "id": "I01",
        "name": "hours",
        "value": None,
        "note": note,
        "dims": {},
        "status": "x",
    }
    bare = accesses | {
        "figures": [lack], "burn": {"by": "project", "rows": [], "note": note}, "guard": [],
        "waits": [], "states": {"cells": []}, "gaps": [{"id": "I01", "name": "hours",
                                                        "note": note, "of": []}],
    }  # fmt: skip
    changes = access_time.render(Answer(bare, 0, None), Mode.LIGHT, UTC, None)
    parts = changes["parts"]
    assert (changes["no_used"], changes["no_burn"], changes["no_states"]) == (True, True, True)
    for part in ("used-note", "burn-note", "gaps"):
        assert "--template projects" in words(parts, f"access_time-{part}")


@pytest.mark.parametrize("mode", list(Mode))
def test_the_reliability_page_opens_with_availability(reliabilities: Json, mode: Mode) -> None:
    changes = reliability.render(Answer(reliabilities, 0, None), mode, UTC)
    assert set(changes) == set(reliability.OUTPUTS)
    planned = stats.value_of(stats.picked(stats.listed(reliabilities), "A01"))
    assert planned is not None
    assert f"{planned:.1f}" in words(changes["parts"], "reliability-answer")


def test_the_strip_is_days_by_hours_of_the_sites_own_clock(reliabilities: Json) -> None:
    strip = reliabilities["strip"]
    utc, local = hours.grid(strip, UTC), hours.grid(strip, HELSINKI)
    assert (utc.columns, len(utc.letters)) == (28, 24)
    assert local.columns == 29  # the last hours are of the next day there
    assert local.letters[2][0] == utc.letters[0][0] == strip["rows"][0]["cells"][0]
    assert local.letters[0][0] == "."


def test_an_hour_that_a_day_has_twice_shows_the_one_out_of_service() -> None:
    start = 1_761_436_800_000  # 26 October 2025 00:00 UTC, when clocks go back at 01:00
    strip = {"by": "whole", "start_unix_ms": start, "hours": 1,
             "rows": [{"cells": "dbbb"}]}  # fmt: skip
    grid = hours.grid(strip, HELSINKI)
    assert grid.letters[3][0] == "d"


def test_what_nobody_observed_is_hatched() -> None:
    strip = {"by": "node", "start_unix_ms": 0, "hours": 1,
             "rows": [{"node": HOSTILE, "cells": "bo."}]}  # fmt: skip
    grid = hours.grid(strip, UTC)
    drawn = hours.figure(grid, Mode.LIGHT, UTC)
    assert [account.value for account, _ in hours.accounts(grid)] == ["busy", "unobserved"]
    assert hours.account_of(LETTERS[0]) is not None
    assert hours.account_of(".") is None
    text = json.dumps(drawn, default=str)
    assert "<img" not in text
    assert len(text) < 20_000


WARNING: Json = {
    "from_unix_ms": 0, "to_unix_ms": 86_400_000, "nodes": 64, "device_hours": 1000,
    "events": {"xid": 4}, "chance_of_any_false": 0.02,
    "limits": {"least_incidents": 3, "least_nodes": 8, "least_node_days": 30.0},
    "findings": [{"kind": "xid", "system": "a", "node": HOSTILE, "device": None,
                  "since_unix_ms": 0, "chance": 0.0004, "effect": 9.0,
                  "evidence": "5 incidents in 28 days, where others have 0.2",
                  "meaning": "XIDs come more often", "next": "Drain the node."}],
}  # fmt: skip


def test_early_warning_names_a_node_with_its_evidence_and_its_limits() -> None:
    parts = reliability.warned(Answer(WARNING, 0, None), UTC)
    said = words(parts, "reliability-lemons")
    assert "5 incidents in 28 days" in said and "Drain the node." in said
    assert len(said) < 2_000
    assert "no proof" in words(parts, "reliability-lemons-note")
    assert "1 node is" in words(parts, "reliability-lemons-finding")


def test_early_warning_that_names_nobody_says_what_it_saw() -> None:
    parts = reliability.warned(Answer(WARNING | {"findings": [], "nodes": 4}, 0, None), UTC)
    assert "4 xid" in words(parts, "reliability-lemons")
    assert "too small" in words(parts, "reliability-lemons-note")


def test_early_warning_that_fails_does_not_hide_the_page() -> None:
    parts = reliability.warned(Answer(None, None, "/v1/…: 500: the disk is gone"), UTC)
    assert "the disk is gone" in words(parts, "reliability-lemons-note")


def test_an_incident_that_is_not_over_is_said_to_go_on() -> None:
    row = {"start_unix_ms": 0, "end_unix_ms": None, "scheduled": False, "cause": "power",
           "scope": "node", "name": HOSTILE, "text": HOSTILE, "nodes": 1, "hours": 3.0,
           "gpu_hours": 24.0}  # fmt: skip
    said = words({"x": incidents.incidents({"rows": [row], "count": 1}, UTC)}, "x")
    assert "so far" in said and "unplanned" in said
    assert len(said) < 1_000


def test_a_register_without_outages_says_how_to_fill_it() -> None:
    told = {"rows": [], "causes": [], "count": 0, "note": "there is no register of outages"}
    assert "--template outages" in words({"x": incidents.incidents(told, UTC)}, "x")
    assert incidents.note(told) == "There is no register of outages."


@pytest.mark.parametrize(
    ("page", "parts"),
    [
        (energy, ("flow", "pue", "carbon", "cost", "meters")),
        (access_time, ("used", "burn", "guard", "waits", "states", "gaps")),
        (reliability, ("strip", "causes", "outcomes", "incidents")),
    ],
)
def test_every_part_is_a_file_with_a_head_for_every_column(
    request: pytest.FixtureRequest, page: Any, parts: tuple[str, ...]
) -> None:
    name = {energy: "energies", access_time: "accesses", reliability: "reliabilities"}[page]
    gap = {"id": "I07", "name": "time to access", "of": [], "note": "no dates"}
    said = request.getfixturevalue(name) | {"gaps": [gap]}
    for part in parts:
        sheet = page.sheet(part, said)
        assert sheet.rows, part
        assert {len(row) for row in sheet.rows} == {len(sheet.heads)}
        assert exports.as_csv(sheet).count("\r\n") == len(sheet.rows) + 1


@pytest.mark.parametrize("page", [energy, reliability])
def test_while_the_collector_is_away_the_last_picture_stays_greyed(
    request: pytest.FixtureRequest, page: Any
) -> None:
    said = request.getfixturevalue("energies" if page is energy else "reliabilities")
    changes = page.render(Answer(said, 60_000, "gone", reached=False), Mode.LIGHT, UTC)
    assert "stale" in changes["class"]
    empty = page.render(Answer(None, None, "the store holds no booked hours"), Mode.LIGHT, UTC)
    assert "waiting" in empty["class"]
    assert list(empty["parts"]) == [f"{page.__name__.rpartition('.')[2]}-notice"]


def aimed(**more: Any) -> Json:
    figure = {"id": "OEE_A", "unit": "1", "value": 0.9, "dims": {}, "note": ""}
    target = {"value": 0.95, "direction": "up", "met": False, "source": "the agreement"}
    previous = {"value": 0.92, "change": -0.02, "change_ratio": -0.0217, "verdict": "worse"}
    return figure | {"target": target, "previous": previous} | more


def test_a_missed_target_and_a_worse_time_are_said_in_words() -> None:
    said = words({"x": compared.beside(aimed())}, "x")
    assert "target 95.0\u2009%: missed" in said
    assert "before 92.0\u2009%, worse −2.00 points" in said  # noqa: RUF001 (the sign is meant)


def test_a_figure_with_neither_target_nor_past_has_no_lines() -> None:
    assert compared.beside(aimed(target=None, previous=None)) is None
    unknown = aimed(target=None, previous={"value": None, "verdict": "unknown"})
    assert compared.beside(unknown) is None


def test_tokens_per_joule_are_shown_by_the_kilowatt_hour() -> None:
    figure = aimed(id="S10", unit="tok/J", value=2.0, target=None, numerator=None, method="m")
    row = compared.headline([figure])
    assert "7.20\u2009Mtok/kWh" in words({"x": row}, "x")


def test_production_shows_targets_and_the_life_cycle_beside_the_overview(
    overview: Callable[..., Json], ask_planted: Ask
) -> None:
    beside = ask_planted("/v1/production", [("from", "2025-01-15"), ("to", "2025-01-29")])
    answer = Answer(overview(), 0, None)
    changes = production.render(answer, lambda _id: None, Mode.LIGHT, beside, UTC)
    assert (changes["no_made"], changes["no_life"]) == (False, False)
    parts = changes["parts"]
    assert "before" in words(parts, "production-equation")
    assert "tok/kWh" in words(parts, "production-headline")
    assert "1 Jan 2025" in words(parts, "production-before")
    hours_held = sum(sum(bar.y) for bar in go.Figure(changes["life"]).data)
    told = sum(number(row["numerator"]) or 0.0 for row in beside["life_days"])
    assert hours_held == pytest.approx(told)
    for name in ("losses", "energy", "days", "life", "kpis", "jobs"):
        sheet = production.sheet(name, answer.value or {}, beside)
        assert sheet is not None and {len(row) for row in sheet.rows} == {len(sheet.heads)}


def test_production_without_them_is_what_it_was(overview: Callable[..., Json]) -> None:
    changes = production.render(Answer(overview(), 0, None), lambda _id: None, Mode.LIGHT)
    assert (changes["no_made"], changes["no_life"]) == (True, True)
    assert changes["parts"]["production-headline"] is None


def test_a_period_in_which_nothing_was_booked_is_not_one_without_accelerators(
    overview: Callable[..., Json],
) -> None:
    empty = overview(1, 0, 1) | {"nodes": 0}
    assert findings.answer(empty, {}) == "Nothing is booked in this period."
    assert "no accelerators" in findings.answer(overview(1, 0, 1), {})


def test_a_figure_over_a_count_is_not_a_percentage(reliabilities: Json) -> None:
    mtti = stats.picked(stats.listed(reliabilities), "A03", {"figure": "mtti"})
    assert mtti is not None
    said = words({"x": stats.beneath(mtti)}, "x")
    assert said.endswith(f"over {int(mtti['denominator'])}")
    assert "%" not in said


@pytest.mark.parametrize(
    ("unmeasured", "busy", "wanted"),
    [
        (10.0, 0.0, "was not measured"),
        (10.0, 30.0, "At least 75.0"),
        (0.1, 30.0, "% of the energy that nodes used"),
    ],
)
def test_energy_of_which_nobody_knows_the_use_is_not_called_lost(
    unmeasured: float, busy: float, wanted: str
) -> None:
    links = [
        {"source": "booked", "target": account, "joules": joules}
        for account, joules in (("unmeasured", unmeasured), ("busy", busy))
        if joules
    ]
    assert wanted in energy.finding(sankey.flow(links), 1.0)


def test_counts_are_part_of_counts_and_no_percentages() -> None:
    figure = {"id": "I08", "value": 65.0, "unit": "%", "numerator": 26.0, "denominator": 40.0,
              "numerator_unit": "1", "denominator_unit": "1", "coverage": 1.0}  # fmt: skip
    assert stats.made_of(figure) == "26 of 40"


def test_a_ratio_over_one_is_written_as_a_number_over_another() -> None:
    figure = {"id": "S03", "value": 1.09, "unit": "1", "numerator": 109e9, "denominator": 100e9,
              "numerator_unit": "J", "denominator_unit": "J"}  # fmt: skip
    assert stats.shown(figure, plain=True) == "1.09"
    assert stats.made_of(figure) == "109\u2009GJ over 100\u2009GJ"


@pytest.mark.parametrize(
    ("unit", "written"), [("m3/MWh", "m³/MWh"), ("kgCO2e", "kg CO₂e"), ("EUR/GPU-h", "€/GPU-h")]
)
def test_units_are_written_as_people_write_them(unit: str, written: str) -> None:
    assert stats.shown({"value": 0.25, "unit": unit}) == f"0.250\u2009{written}"


def test_a_reason_that_several_figures_share_is_said_once_and_whole() -> None:
    why = "there is no register of outages: `wattline import --template outages` prints one to fill"
    figures = [{"id": id, "value": None, "note": why} for id in ("A01", "A02")]
    figures.append({"id": "A03", "value": None, "note": "nobody asked"})
    row, *notes = stats.stats(figures, [stats.Wanted(f"A0{n}", str(n)) for n in (1, 2, 3)])
    shown = json.dumps(drawing({"x": row}), ensure_ascii=False)
    assert "register of outages" not in shown and shown.count("not known") == 2
    assert "nobody asked" in shown
    (note,) = notes
    assert note.children == f"Not known: {why}"
