from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest
from dash import no_update

from wattline_collector.palette import Mode, format_value
from wattline_dashboards.answers import Answer
from wattline_dashboards.components.todo import todos
from wattline_dashboards.figures import coverage_map
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import quality

HELSINKI = ZoneInfo("Europe/Helsinki")
HOUR = 3_600_000
START = 1_793_534_400_000

Json = dict[str, Any]


@pytest.fixture
def told(ask_planted: Callable[..., Any]) -> Json:
    """What the collector says of the planted store."""
    answer: Json = {**ask_planted("/v1/quality"), **ask_planted("/v1/quality/books")}
    return answer


def render(told: Json | None, **more: Any) -> Json:
    return quality.render(Answer(told, 0, None), HELSINKI, Mode.LIGHT, **more)


def small(**more: Any) -> Json:
    """An answer in which nothing is wrong, but for what is given."""
    now: Json = {
        "time_unix_ms": START, "problem": None, "versions": [{"version": "1", "nodes": 2}],
        "agents": {"nodes": 2, "reporting": 2, "silent": [], "cells": [], "by": "node"},
        "clocks": {"nodes": 2, "ahead": 0, "behind": 0, "worst": []},
        "counted": [], "refused": {"batches": 0, "damages": [], "damaged": 0}, "lacks": [],
        "followers": [],
        "books": {
            "figures": [{"id": "Q03", "value": 99.9, "unit": "%", "dims": {}}], "gaps": [],
            "gaps_left_out": 0, "gap_device_hours": 0.0,
            "residuals": {"checked_hours": 24, "findings": 0, "first": []},
            "cells": {"start_ms": START, "step_ms": HOUR, "columns": 4, "nodes": 2, "rows": [
                {"system": "s", "node": "n1", "ratio": 1.0, "cells": [100, 100, 100, 100]},
                {"system": "s", "node": "n2", "ratio": 0.97, "cells": [None, 100, 98, 100]},
            ]},
        },
    }  # fmt: skip
    return now | more


def test_the_first_sentence_is_the_registrys_figure(told: Json) -> None:
    value = next(one["value"] for one in told["books"]["figures"] if one["id"] == "Q03")
    said = quality.sentence(told, 2)
    assert said == f"{format_value(value, '%')} of the expected samples came; 2 things to do"
    assert quality.sentence(small(), 0).endswith("; nothing to do")
    assert "not known" in quality.sentence(small(books=None), 0)


def test_the_planted_silence_is_in_the_map_the_gaps_and_the_list(told: Json) -> None:
    changes = render(told)
    parts = drawing(changes["parts"])
    gap = told["books"]["gaps"][0]
    assert gap["node"] in json.dumps(parts["quality-gaps"])
    assert gap["node"] in json.dumps(parts["quality-todo"])
    heat, silent = go.Figure(changes["map"]).data
    assert any(gap["node"] in name for name in silent.y)
    assert len(heat.z) == told["books"]["cells"]["nodes"]


def test_what_is_silent_is_hatched_and_has_no_colour() -> None:
    cells = small()["books"]["cells"]
    cells["rows"][0]["cells"] = [100, 0, 0, 50]
    heat, silent = go.Figure(coverage_map.figure(cells, HELSINKI, Mode.DARK)).data
    assert list(heat.z[0]) == [100, None, None, 50]
    assert list(heat.z[1]) == [None, 100, 98, 100]
    assert list(silent.x) == [2 * HOUR]
    assert silent.marker.pattern.shape == "/"
    assert list(silent.customdata[0]) == ["1 Nov 13:00", "1 Nov 15:00"]


def test_the_axis_is_labelled_in_the_sites_zone() -> None:
    figure = go.Figure(coverage_map.figure(small()["books"]["cells"], HELSINKI, Mode.LIGHT))
    assert list(figure.layout.xaxis.ticktext) == ["15:00", "18:00"]
    assert list(figure.layout.xaxis.tickvals) == ["2026-11-01 13:00", "2026-11-01 16:00"]


def test_nodes_of_one_name_in_two_systems_have_rows_of_their_own() -> None:
    rows = [{"system": name, "node": "n" * 60} for name in ("a", "b", "a")]
    assert len(set(coverage_map.names_of(rows))) == 3


@pytest.mark.parametrize(
    ("about", "more"),
    [
        ("silent", {"agents": {"nodes": 2, "reporting": 1, "silent": [{"node": "n1"}]}}),
        ("ahead", {"clocks": {"nodes": 2, "ahead": 1, "worst": [{"node": "n1"}]}}),
        ("behind", {"clocks": {"nodes": 2, "behind": 1, "worst": [{"node": "n1"}]}}),
        ("refused", {"refused": {"batches": 2}}),
        ("damaged", {"refused": {"damaged": 1}}),
        ("batches_dropped_total", {"counted": [
            {"column": "batches_dropped_total", "what": "lost", "count": 3, "nodes": 1,
             "worst": "n1"}]}),
        ("follower", {"followers": [{"name": "slurm", "late": True, "age_ms": None}]}),
        ("unresolved", {"followers": [{"name": "slurm", "unresolved": 4, "age_ms": 1}]}),
        ("versions", {"versions": [{"version": "1", "nodes": 2}, {"version": None, "nodes": 1}]}),
    ],
)  # fmt: skip
def test_each_thing_that_is_wrong_says_what_to_do(about: str, more: Json) -> None:
    (found,) = todos(small(**more))
    assert found.about == about
    assert found.wrong.endswith(".") and len(found.do) > 20


def test_residuals_coverage_and_closure_are_things_to_do() -> None:
    books = small()["books"]
    books["residuals"] |= {"findings": 2}
    books["cells"]["rows"][1]["ratio"] = 0.4
    books["figures"].append({"id": "S14", "value": 90.0, "unit": "%", "method": "node meters"})
    assert [one.about for one in todos(small(books=books))] == [
        "residuals", "closure", "coverage",
    ]  # fmt: skip


def test_where_nothing_is_wrong_there_is_nothing_to_do() -> None:
    assert todos(small()) == []
    assert "Nothing" in json.dumps(drawing(render(small())["parts"])["quality-todo"])


def test_every_figure_opens_its_explanation_and_says_its_coverage(told: Json) -> None:
    text = json.dumps(drawing(render(told)["parts"])["quality-figures"])
    assert '"data-explain": "Q03"' in text and '"data-explain": "S14"' in text
    assert "coverage 75.0" in text  # the IT meter covers three quarters of it


def test_the_map_is_sent_again_only_when_it_is_another() -> None:
    first = render(small())
    assert render(small(), drawn=first["drawn"])["map"] is no_update
    assert render(small())["style"] == {"height": "96px"}


def test_a_store_without_books_says_why_and_shows_the_rest() -> None:
    changes = render(small(books=None, problem="no booked hours: `wattline import`"))
    parts = drawing(changes["parts"])
    assert changes["no_map"] is True
    assert "no booked hours" in json.dumps(parts["quality-figures"])
    assert parts["quality-agents"]


def test_names_from_outside_are_cut_and_stay_text() -> None:
    long = "<b>" + "x" * 1_000_000
    books = small()["books"]
    books["gaps"] = [{"system": long, "node": long, "from_ms": START, "to_ms": START + HOUR}]
    books["residuals"]["first"] = [{"hour": long, "subject": long, "problem": long}]
    books["cells"]["rows"][0]["node"] = long
    changes = render(
        small(
            books=books,
            lacks=[{"column": long, "source": long, "reason": long, "nodes": 1, "devices": 1}],
            versions=[{"version": long, "nodes": 1, "named": [long] * 9}],
            clocks={"nodes": 1, "ahead": 1, "worst": [{"node": long, "offset_ms": 9e6}]},
        )
    )
    assert len(json.dumps(drawing(changes["parts"]))) < 40_000
    assert any("&lt;b&gt;x" in name for name in changes["map"]["data"][0]["y"])


def test_two_answers_are_as_good_as_the_worse_of_them() -> None:
    now, books = Answer({"agents": 1}, 5, None), Answer({"books": 2}, 9, "away", False)
    found = quality.both(now, books)
    assert (found.value, found.error) == ({"agents": 1, "books": 2}, "away")
    assert quality.both(now, Answer(None, None, "no")).value is None


def test_the_files_hold_the_cells_and_the_gaps(told: Json) -> None:
    answer = Answer(told, 0, None)
    cells, gaps = quality.map_sheet(answer), quality.gaps_sheet(answer)
    assert cells is not None and gaps is not None
    assert len(cells.rows) == sum(
        value is not None for row in told["books"]["cells"]["rows"] for value in row["cells"]
    )
    assert gaps.rows[0][1] == told["books"]["gaps"][0]["node"]
    assert quality.map_sheet(Answer(small(books=None), 0, None)) is None
