from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest
from dash import no_update

from wattline_collector.palette import UNKNOWN, Mode
from wattline_dashboards.answers import Answer
from wattline_dashboards.figures import power_now
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import now

HELSINKI = ZoneInfo("Europe/Helsinki")
NOW_MS = 1_793_620_800_000
MINUTE = 60_000

Json = dict[str, Any]


def answer_of(**more: Any) -> Json:
    """An answer of `/v1/now`: one node of three is silent."""
    told: Json = {
        "time_unix_ms": NOW_MS, "name": "Aurinko", "problem": None,
        "devices": {"installed": 24, "offered": 15, "assigned": 12, "working": 10, "slowed": 2,
                    "unmeasured": 0, "held": 2, "free": 3, "down": 1, "maintenance": 0,
                    "silent": 8},
        "power": {
            "watts": 9_000.0, "boundary": "node", "caps": {"sim": 12_000.0},
            "course": {"start_ms": NOW_MS - 4 * MINUTE, "step_ms": MINUTE, "coverage": 0.7,
                       "watts": {"sim": [8_000.0, None, 9_500.0, 9_000.0]}},
        },
        "tokens_per_second": 12_000.0, "tokens_per_joule": 1.3333,
        "alerts": {"counts": {"critical": 1, "warning": 2, "info": 0}, "judged_ms": NOW_MS - 9_000,
                   "late": False, "rules": 2,
                   "first": [{"rule": "r", "severity": "critical", "title": "n1 is lost",
                              "count": 3, "since_ms": NOW_MS - MINUTE}]},
        "hottest": [{"system": "sim", "node": "n1", "index": 3, "device": "GPU-3",
                     "temperature_celsius": 81.0, "throttled_ratio": 0.02, "power_watts": 690.0}],
        "throttled": [{"system": "sim", "node": "n2", "index": 0, "device": "GPU-8",
                       "temperature_celsius": 70.0, "throttled_ratio": 0.66,
                       "power_watts": 300.0}],
        "throttled_devices": 2,
        "feeds": {
            "agents": {"nodes": 3, "reporting": 2, "oldest_age_ms": 900, "by": "node",
                       "cells": [["n1", 1, 0], ["n2", 1, 0], ["n3", 1, 1]],
                       "silent": [{"system": "sim", "node": "n3", "rack": None,
                                   "age_ms": 240_000}]},
            "followers": [{"name": "slurm", "age_ms": 400_000, "late": True, "errors": 3,
                           "refused": 0, "set_aside": 0, "unresolved": 0}],
            "meters": {"meters": 2, "age_ms": 3_600_000, "interval_ms": 900_000, "late": True},
            "books": [{"system": "sim", "age_ms": 25_000, "late": False}],
        },
    }  # fmt: skip
    return told | more


def parts_of(told: Json | None, **more: Any) -> Json:
    changes = now.render(Answer(told, 0, None), HELSINKI, **more)
    return drawing(changes["parts"])


def words(parts: Any) -> str:
    """All text of a drawing, as a reader has it."""
    if isinstance(parts, str):
        return parts
    inner = parts if not parts or isinstance(parts[0], list) else parts[2:]
    return "".join(words(part) if isinstance(part, list) else str(part) for part in inner)


def test_the_first_sentence_says_what_works_and_what_is_wrong() -> None:
    said = now.sentence(answer_of())
    assert said == "10 of 24 devices work; 8 silent, state unknown; 1 down; 1 critical alert"
    quiet = answer_of(devices={"installed": 2, "working": 2}, alerts={"counts": {}})
    assert now.sentence(quiet) == "2 of 2 devices work; no critical alert"
    assert now.sentence(answer_of(devices={}, alerts=None)) == "No device reports yet"


def test_every_figure_that_is_a_kpi_opens_its_explanation() -> None:
    text = json.dumps(parts_of(answer_of()))
    for kpi in ("P02", "S10", "U01", "U02", "U03"):
        assert f'"data-explain": "{kpi}"' in text


def test_a_silent_node_is_drawn_as_unknown_and_named_with_its_age() -> None:
    parts = parts_of(answer_of())
    feeds = json.dumps(parts["now-feeds"])
    assert feeds.count("cell-silent") == 1
    assert "n3: silent" in feeds
    said = "".join(words(part) for part in parts["now-feeds"])
    assert "2 of 3 report" in said
    assert "n3 (4\u2009min)" in said
    ladder = json.dumps(parts["now-ladder"])
    assert "swatch-unobserved" in ladder and "silent, state unknown" in ladder


def test_feeds_that_are_late_say_so_to_eyes_and_ears() -> None:
    said = "".join(words(part) for part in parts_of(answer_of())["now-feeds"])
    assert "slurm7\u2009min ago late" in said
    assert "Books25\u2009s behind" in said


def test_of_several_systems_books_it_says_whose_are_the_least_fresh() -> None:
    told = answer_of()
    told["feeds"]["books"].append({"system": "local", "age_ms": None, "late": True})
    said = "".join(words(part) for part in parts_of(told)["now-feeds"])
    assert "Booksnothing is booked yet late local" in said


def test_what_is_not_known_is_a_dash_and_never_nought() -> None:
    told = answer_of(tokens_per_second=None, tokens_per_joule=None, hottest=[], throttled=[])
    told["power"] = {"watts": None, "boundary": "gpu", "caps": {}, "course": {}}
    parts = parts_of(told)
    said = "".join(words(part) for part in parts["now-figures"])
    assert said.count(UNKNOWN) == 3
    assert "no job counts tokens" in said and "no power meter" in said
    assert "not known" in "".join(words(part) for part in parts["now-power-finding"])


@pytest.mark.parametrize(
    ("cap", "said"),
    [
        (12_000.0, "9.00\u2009kW now, 75.0\u2009% of the cap"),
        (6_000.0, "9.00\u2009kW now, over the cap by 3.00\u2009kW"),
        (None, "9.00\u2009kW now"),
    ],
)
def test_power_is_told_against_its_cap(cap: float | None, said: str) -> None:
    told = answer_of()
    told["power"]["caps"] = {"sim": cap}
    parts = parts_of(told)
    assert parts["now-power-finding"] == [said]
    note = "".join(words(part) for part in parts["now-power-note"])
    assert ("no power_budget" in note) is (cap is None)
    assert "coverage 70.0" in note


def test_a_minute_that_is_not_known_is_hatched_and_no_bar() -> None:
    figure = go.Figure(power_now.figure(answer_of()["power"], HELSINKI, Mode.DARK))
    bars, gaps, cap = figure.data
    assert list(bars.y) == [8_000.0, None, 9_500.0, 9_000.0]
    assert list(gaps.x) == [bars.x[1]]
    assert gaps.marker.pattern.shape == "/"
    assert list(cap.y) == [12_000.0, 12_000.0]
    assert bars.x[0].endswith("13:56") and bars.customdata[0][1] == "11:56"


def test_a_system_without_a_meter_hides_no_other() -> None:
    power = answer_of()["power"]
    power["course"]["watts"]["local"] = [None] * 4
    power["caps"]["local"] = None
    assert set(power_now.series(power)[1]) == {"sim"}
    assert power_now.cap_of(power) == 12_000.0
    power["course"]["watts"]["local"] = [5.0] * 4
    assert power_now.cap_of(power) is None


def test_the_chart_is_sent_again_only_when_its_course_is_another() -> None:
    first = now.course(Answer(answer_of(), 0, None), HELSINKI, Mode.LIGHT)
    again = now.course(Answer(answer_of(), 0, None), HELSINKI, Mode.LIGHT, first["drawn"])
    assert first["power"] is not no_update and again["power"] is no_update
    dark = now.course(Answer(answer_of(), 0, None), HELSINKI, Mode.DARK, first["drawn"])
    assert dark["power"] is not no_update
    away = now.course(Answer(None, None, "it is away", False), HELSINKI, Mode.LIGHT)
    assert set(away.values()) == {no_update}


def test_the_figures_do_not_wait_for_what_draws_charts() -> None:
    # A browser asks for nothing that a chart takes part in before it has loaded how to draw it.
    assert "now-power" not in {output.component_id for output in now.OUTPUTS.values()}


def test_names_from_outside_are_cut_and_stay_text() -> None:
    told = answer_of()
    told["hottest"][0]["node"] = "<b>" + "x" * 1_000_000
    told["alerts"]["first"][0]["title"] = "<script>" + "y" * 1_000_000
    told["feeds"]["agents"]["silent"][0]["node"] = "z" * 1_000_000
    told["feeds"]["followers"][0]["name"] = "w" * 1_000_000
    told["feeds"]["agents"]["cells"][0][0] = "v" * 1_000_000
    parts = parts_of(told)
    assert len(json.dumps(parts)) < 40_000
    assert "<b>xxx" in "".join(words(part) for part in parts["now-hot"])


def test_a_wall_has_nothing_to_press_and_a_desk_a_way_to_it() -> None:
    assert "now-to-wall" in str(now.layout())
    on_wall = now.layout(wall="1")
    assert "now-to-wall" not in str(on_wall)
    assert on_wall.to_plotly_json()["props"]["className"] == "on-wall"
    assert "on-wall" not in str(now.layout(wall="<script>"))
    assert "/alerts" not in json.dumps(parts_of(answer_of(), wall=True))
    assert "/alerts" in json.dumps(parts_of(answer_of()))


def test_who_may_not_see_alerts_is_told_so() -> None:
    parts = parts_of(answer_of(alerts=None))
    assert "not for your roles" in json.dumps(parts["now-alerts"])


def test_before_the_first_answer_it_waits_and_later_it_greys() -> None:
    nothing = now.render(Answer(None, None, "it is away", False), HELSINKI)
    assert nothing["class"] == "drawn now waiting"
    old = now.render(Answer(answer_of(), 9_000, "it is away", False), HELSINKI)
    assert old["class"] == "drawn stale now"


def test_the_file_has_the_course_of_every_system() -> None:
    sheet = now.sheet(Answer(answer_of(), 0, None))
    assert sheet is not None
    assert sheet.heads == ["time (unix ms)", "sim (W)"]
    assert list(sheet.rows)[1] == (NOW_MS - 3 * MINUTE, None)
    assert now.sheet(Answer(None, None, None)) is None
