from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest
from dash import no_update

from wattline_collector.palette import Mode, format_percent
from wattline_dashboards.answers import Answer
from wattline_dashboards.exports import Sheet, as_csv
from wattline_dashboards.figures import device_strips, node_strips
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import device, node
from wattline_dashboards.picture import picture

Json = dict[str, Any]
Ask = Callable[..., Any]

BERLIN = ZoneInfo("Europe/Berlin")
NOW_MS = 1_738_108_800_000.0
WEEK = (("from", "2025-01-13"), ("to", "2025-01-20"))


@pytest.fixture
def said(ask_planted: Ask) -> Json:
    """A device over a week, as the collector says it."""
    found: Json = ask_planted("/v1/node", [("node", "sim-r1-n01"), *WEEK])
    ids = [one["device"] for one in found["devices"]]
    answer: Json = ask_planted("/v1/device", [("device", ids[0]), *WEEK])
    return answer


@pytest.fixture
def said_of_node(ask_planted: Ask) -> Json:
    answer: Json = ask_planted("/v1/node", [("node", "sim-r1-n01"), *WEEK])
    return answer


def shown(said: Json, *, drawn: object = None, **more: Any) -> Json:
    answer = Answer(said, 0, None, **more)
    return device.render(answer, None, BERLIN, Mode.LIGHT, NOW_MS, drawn)


def test_the_answer_is_the_share_of_its_time_that_the_books_say(said: Json) -> None:
    hours = said["sums"]["device_hours"]
    worked = sum(hours.get(name, 0) for name in ("busy", "slowed", "lost")) / sum(hours.values())
    unknown = sum(hours.get(name, 0) for name in ("unmeasured", "unobserved"))
    least = "at least " if unknown > 0.05 * sum(hours.values()) else ""
    changes = shown(said)
    assert changes["parts"]["device-answer"].endswith(
        f"worked {least}{format_percent(worked)} of its time"
    )
    assert json.dumps(drawing(changes["parts"]))


def test_strips_are_drawn_once_and_again_when_they_differ(said: Json) -> None:
    first = shown(said)
    assert first["strips"] is not no_update
    assert shown(said, drawn=first["drawn"])["strips"] is no_update
    assert shown(said | {"readings": 7}, drawn=first["drawn"])["strips"] is not no_update


def test_strips_stand_in_the_order_of_a_question(said: Json) -> None:
    figure = go.Figure(device_strips.figure(said, Mode.DARK, BERLIN))
    titles = [
        note.text.partition("</b>")[0].removeprefix("<b>") for note in figure.layout.annotations
    ]
    assert titles == ["Power", "Activity", "Temperature", "Clocks", "Clocks held back", "Memory",
                      "Errors", "Account", "Jobs"]  # fmt: skip


def test_while_the_collector_is_away_the_last_answer_stays_greyed(said: Json) -> None:
    answer = Answer(said, 60_000, "gone", reached=False)
    changes = device.render(answer, None, BERLIN, Mode.LIGHT, NOW_MS, None)
    assert "stale" in changes["class"]
    assert changes["parts"]["device-notice"] is not None


def test_a_device_nobody_knows_leaves_the_page_waiting_and_says_why() -> None:
    answer = Answer(None, None, "no device 'x'")
    changes = device.render(answer, None, BERLIN, Mode.LIGHT, NOW_MS, None)
    assert "waiting" in changes["class"]
    assert "no device" in json.dumps(drawing(changes["parts"]))


def test_alerts_that_are_not_told_have_no_place(said: Json) -> None:
    assert shown(said)["no_alerts"] is True
    assert shown(said | {"alerts": []})["no_alerts"] is False


def test_how_a_device_is_now_stands_under_its_name(said: Json, latest: Callable[..., Json]) -> None:
    now = picture(latest(1, 2))
    row = now.devices.row(1)
    said["identity"] |= {"system": row["system"], "device": row["device"]}
    changes = device.render(Answer(said, 0, None), now, BERLIN, Mode.LIGHT, NOW_MS, None)
    assert '"now ' in json.dumps(drawing(changes["parts"])["device-scope"])


def test_hostile_names_are_text_and_short(said: Json) -> None:
    hostile = "<script>alert(1)</script>" * 40_000
    said["identity"] |= {"node": hostile, "model": hostile, "serial": hostile}
    said["jobs"] = [{"job": hostile, "name": hostile, "start_ms": 0, "end_ms": 1, "devices": 1,
                     "system": "s", "state": "running", "kind": None}]  # fmt: skip
    text = json.dumps(drawing(shown(said)["parts"]))
    assert len(text) < 60_000
    figure = go.Figure(device_strips.figure(said, Mode.LIGHT, BERLIN)).to_json()
    assert "<script>" not in figure and "\\u003cscript" not in figure


def test_the_file_has_a_row_for_every_bucket_and_nothing_where_nothing_is_known(
    said: Json,
) -> None:
    heads, rows = device_strips.sheet_rows(said)
    assert len(rows) == said["grid"]["count"]
    at = heads.index("power_watts mean")
    assert [row[at] for row in rows] == said["series"]["power_watts"]["mean"]
    assert "from (UTC)" in as_csv(Sheet("x", heads, rows)).splitlines()[0]


def test_a_nodes_answer_and_parts_are_drawn(said_of_node: Json) -> None:
    changes = node.render(Answer(said_of_node, 0, None), BERLIN, Mode.LIGHT, NOW_MS, None)
    assert "of their time" in changes["parts"]["node-answer"]
    text = json.dumps(drawing(changes["parts"])["node-devices"])
    assert "/device?device=" in text and "#1" in text


@pytest.mark.parametrize("page", [device, node])
@pytest.mark.parametrize(
    ("hours", "wanted"),
    [
        ({"unmeasured": 5.0, "unobserved": 1.0}, "was not measured"),
        ({"unmeasured": 5.0, "busy": 5.0}, "at least 50.0"),
        ({"held": 5.0, "busy": 5.0}, "worked 50.0"),
        ({}, "nothing of it is booked"),
    ],
)
def test_work_that_nobody_measured_is_unknown_and_not_zero(
    page: Any, hours: dict[str, float], wanted: str
) -> None:
    told = {"identity": {"node": "n1", "device": "g"}, "devices": [{}],
            "sums": {"device_hours": hours}}  # fmt: skip
    assert wanted in page.sentence(told)


def test_the_file_of_a_node_holds_its_own_readings_before_those_of_devices(
    said_of_node: Json,
) -> None:
    heads, rows = node_strips.sheet_rows(said_of_node)
    own = [row for row in rows if row[1] is None]
    assert rows[: len(own)] == own
    assert len(own) == said_of_node["grid"]["count"]
    watts = [row[heads.index("power (W)")] for row in own]
    assert watts == said_of_node["series"]["power_watts"]["mean"]


def test_what_devices_draw_together_is_known_only_where_each_is() -> None:
    assert node_strips.summed([[1.0, None], [2.0, 3.0]]) == [3.0, None]
    assert node_strips.summed([[1.0], None]) == []


def test_a_node_without_accelerators_says_so(said_of_node: Json) -> None:
    bare = said_of_node | {"devices": [], "accounts": [], "jobs": [], "sums": {}}
    changes = node.render(Answer(bare, 0, None), BERLIN, Mode.LIGHT, NOW_MS, None)
    assert "has no accelerators" in changes["parts"]["node-answer"]


def test_an_hour_of_nothing_at_all_is_drawn(said_of_node: Json) -> None:
    empty = {"period": {"start_ms": 0, "end_ms": 3_600_000}, "grid": None, "devices": None}
    assert device_strips.figure(empty, Mode.LIGHT, BERLIN)["layout"]["height"] > 0
    assert node_strips.figure(empty, Mode.LIGHT, BERLIN)["layout"]["height"] > 0
