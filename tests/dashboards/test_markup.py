from __future__ import annotations

import json

import pytest
from dash import dcc, html

from wattline_dashboards.components.parts import marks
from wattline_dashboards.markup import Drawn, drawing, written


def test_components_become_plain_lists() -> None:
    part = html.Div(
        [html.Span("a", className="b"), 3, None],
        style={"maxWidth": "3px"},
        hidden=True,
        **marks(data_job="42"),
    )
    assert drawing({"id": part}) == {
        "id": [
            [
                "div",
                {"style": "max-width:3px", "hidden": "", "data-job": "42"},
                ["span", {"class": "b"}, "a"],
                "3",
            ]
        ]
    }


def test_markup_in_a_name_stays_text() -> None:
    (drawn,) = drawing({"id": html.Td("<script>alert(1)</script>")})["id"]
    assert drawn == ["td", {}, "<script>alert(1)</script>"]


def test_what_needs_dash_is_refused() -> None:
    with pytest.raises(TypeError, match="Graph needs Dash"):
        drawing({"id": dcc.Graph()})


def test_nothing_is_an_empty_list() -> None:
    assert drawing({"id": None}) == {"id": []}


def test_what_is_to_be_typed_is_set_apart_and_a_lone_backtick_is_a_letter() -> None:
    assert drawing({"id": html.P("no meter: `wattline import meters-csv` keeps it")})["id"] == [
        ["p", {}, "no meter: ", ["code", {}, "wattline import meters-csv"], " keeps it"]
    ]
    assert drawing({"id": "a ` b"}) == {"id": ["a ` b"]}
    assert drawing({"id": "`<b>` and `c"}) == {"id": [["code", {}, "<b>"], " and `c"]}


def test_a_part_that_is_drawn_already_is_taken_as_it_is() -> None:
    part = html.Div([html.Span("a `b`"), "c"])
    assert drawing({"id": [Drawn(part), "d"]}) == drawing({"id": [part, "d"]})


def test_what_all_share_is_written_as_the_json_of_its_drawing() -> None:
    parts = {"id": html.Td(["\u201eé\u201c <b>", html.Span("`x`", title='"')]), "none": None}
    assert {id: json.loads(told) for id, told in written(parts).items()} == drawing(parts)
