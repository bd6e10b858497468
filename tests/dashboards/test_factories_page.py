"""The page *Factories*, from an answer that is known."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest

from wattline_collector.palette import TOKENS, Mode
from wattline_dashboards import exports
from wattline_dashboards.answers import Answer
from wattline_dashboards.figures import factories as figures
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import factories

UTC = ZoneInfo("UTC")
Q1 = {"from": "2026-01-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
HOSTILE = "<img src=x onerror=alert(1)>" + "x" * 1_000_000


def row(factory: str, value: float | None, **more: Any) -> dict[str, Any]:
    return {
        "factory": factory, "value": value, "numerator": value, "denominator": 1.0, "n": 4,
        "coverage": 0.99, "method": "ledger", "status": "ok", "note": "", "hidden": False,
        "apart": False, **more,
    }  # fmt: skip


def together(value: float) -> dict[str, Any]:
    return {name: told for name, told in row("", value).items() if name not in ("factory", "apart")}


def measure(key: str, rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "key": key, "name": f"name of {key}", "short": key, "unit": "%", "least": 0.0,
        "factories": rows, "network": together(64.6), "low": 60.0, "median": 62.0, "high": 70.0,
        **more,
    }  # fmt: skip


def said(**more: Any) -> dict[str, Any]:
    rows = [
        row("it4lia", 62.0), row("jaif", None, hidden=True), row("mimer", 31.0, apart=True),
        row("lumi-aif", 70.0, coverage=0.91),
    ]  # fmt: skip
    return {
        "installed": True, "own": "it4lia", "problem": None, "received": 5, "not_looked_at": 0,
        "to_verify": 0, "period": Q1, "factories": ["it4lia", "jaif", "mimer", "lumi-aif"],
        "periods": [{"id": "a", **Q1, "factories": 4}, {"id": "b", **Q1, "factories": 1}],
        "bundles": [
            {"file": "a.aifb.zip", "factory": "it4lia", "country": "IT", "kind": "eed",
             "period": Q1, "revision": 1, "signers": ["it4lia (factory, 07)"],
             "valid_until": "2028-12-31", "balanced": False, "checked_hours": 2160, "hidden": 3,
             "cells": 60, "devices": [{"model": "H200", "count": 1024}], "digest": "ab",
             "shown": True}
        ],
        "refused": [{"file": "b.aifb.zip", "why": "is not what the manifest says (altered-file)"}],
        "aside": [],
        "themes": [{"id": "use", "title": "Use", "question": "?", "measures": [
            measure("U01", rows), measure("S03", rows, unit="", network=together(1.11)),
        ]}],
        "coordination": {
            "records": [
                {"factory": "it4lia", "counterpart": "jaif", "kind": "joint_project",
                 "activities": 2.0, "person_days": None, "amount": 2.0},
                {"factory": "jaif", "counterpart": "_U", "kind": "referral", "activities": 4.0,
                 "person_days": None, "amount": 4.0},
            ],
            "mismatches": [
                {"kind": "joint_project", "unit": "activities", "first": "it4lia",
                 "first_says": 2.0, "second": "jaif", "second_says": None, "unnamed": 0.0}
            ],
            "silent": ["mimer"],
        },
        **more,
    }  # fmt: skip


def words(parts: Any, id: str) -> str:
    def of(node: Any) -> str:
        return node if isinstance(node, str) else "".join(of(child) for child in node[2:])

    return "".join(of(node) for node in drawing(parts)[id])


def render(told: Any, mode: Mode = Mode.LIGHT) -> dict[str, Any]:
    return factories.render(Answer(told, 0, None), mode, UTC)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_page_opens_with_how_many_and_all_together(mode: Mode) -> None:
    changes = render(said(), mode)
    assert set(changes) == set(factories.OUTPUTS)
    head = words(changes["parts"], "factories-answer").replace("\u2009", " ")
    assert head == (
        "4 factories side by side: 64.6 % of the offered GPU-hours were assigned, "
        "the energy-weighted PUE is 1.11"
    )
    assert "1 refused" in words(changes["parts"], "factories-scope")
    assert not changes["no_charts"] and not changes["no_period"]


def test_the_own_factory_is_filled_and_what_is_hidden_has_no_dot() -> None:
    drawn = go.Figure(render(said())["use"])
    first, _second = drawn.data
    tokens = TOKENS[Mode.LIGHT]
    assert list(first.x) == [62.0, 31.0, 70.0, 64.6]
    assert list(first.y) == [0, 2, 3, 4]
    assert list(first.marker.color)[:3] == [tokens.accent, tokens.background, tokens.background]
    assert first.marker.line.color[1] == tokens.warning
    # The line is as long as the share that was not observed.
    assert first.error_x.array[2] == pytest.approx(70.0 * 0.09)
    texts = [note.text for note in drawn.layout.annotations]
    assert "hidden" in texts
    assert any("91.0" in text for text in texts)
    assert len(drawn.layout.shapes) == 2 * 3  # a rule, a band and a median for each panel


def test_who_lies_apart_and_who_does_not_tell_is_said() -> None:
    note = words(render(said())["parts"], "factories-use-note")
    assert "mimer lies apart in allocated" in note
    assert "allocated: told by 3 of 4" in note


def test_two_records_that_disagree_show_both_numbers() -> None:
    parts = render(said())["parts"]
    assert "1 exchange is told differently" in words(parts, "factories-exchanges-finding")
    table = words(parts, "factories-exchanges")
    assert "2 joint projects" in table and "jaif says nothing joint projects" in table
    assert "others, not named" in table


def test_bundles_and_what_was_refused_are_listed() -> None:
    parts = render(said())["parts"]
    table = words(parts, "factories-bundles")
    for text in ("it4lia", "this factory", "1 Jan 2026 to 31 Mar 2026", "2028-12-31",
                 "do not balance", "3 of 60", "1\u2009024 H200"):  # fmt: skip
        assert text in table, text
    assert "altered-file" in words(parts, "factories-refused")
    assert "1 bundle is refused" in words(parts, "factories-refused-finding")


def test_an_empty_folder_says_how_a_bundle_gets_there() -> None:
    changes = render(said(received=0, factories=[], bundles=[], refused=[], themes=[],
                          periods=[], period=None, coordination=None))  # fmt: skip
    text = words(changes["parts"], "factories-empty")
    assert "wattline bundle export" in text and "keys.json" in text
    assert changes["no_charts"] and changes["no_tables"] and changes["no_period"]
    assert "No bundle" in words(changes["parts"], "factories-answer")


def test_without_keys_it_says_that_nothing_can_be_verified() -> None:
    problem = "there is no ring of public keys"
    changes = render(said(problem=problem, factories=[], bundles=[], themes=[], periods=[]))
    assert "cannot be verified" in words(changes["parts"], "factories-empty")
    assert changes["no_charts"] and changes["no_tables"]


def test_without_the_reports_it_says_what_to_install() -> None:
    changes = render({"installed": False, "advice": "…"})
    assert "pip install wattline-reports" in words(changes["parts"], "factories-scope")


def test_a_collector_that_is_away_leaves_what_was_drawn() -> None:
    changes = factories.render(Answer(None, None, "gone"), Mode.LIGHT, UTC)
    assert changes["class"] == "drawn factories waiting"
    assert "gone" in words(changes["parts"], "factories-notice")


def test_hostile_names_are_cut_and_stay_text() -> None:
    told = json.loads(json.dumps(said()).replace("mimer", HOSTILE))
    changes = render(told)
    assert len(json.dumps(drawing(changes["parts"]))) < 60_000
    labels = changes["use"]["layout"]["yaxis"]["ticktext"]
    assert all("<img" not in label for label in labels)
    assert len(json.dumps(changes["use"])) < 60_000


@pytest.mark.parametrize("name", [*factories.THEMES, "exchanges", "bundles", "refused"])
def test_every_part_can_be_taken_along(name: str) -> None:
    text = exports.as_csv(factories.sheet(name, said()))
    lines = text.splitlines()
    assert len({line.count(",") for line in lines[:1]}) == 1
    if name == "use":
        assert "all together" in text and len(lines) == 1 + 2 * 5
    if name == "bundles":
        assert "2028-12-31" in text


def test_the_address_says_which_period(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "2026-01-01T00:00:00Z/2026-04-01T00:00:00Z"
    assert asked in str(factories.layout(period=asked).to_plotly_json())
    assert "x" * 100 not in str(factories.layout(period="x" * 100).to_plotly_json())


def test_the_picture_grows_with_the_factories() -> None:
    assert figures.height(19) - figures.height(3) == 16 * figures.ROW
