from __future__ import annotations

import math
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest

from wattline_collector.palette import ACCOUNTS, Mode
from wattline_dashboards.figures import occupied
from wattline_dashboards.figures.packed import unpacked
from wattline_dashboards.figures.ticks import MOST, ticks
from wattline_dashboards.figures.timeline import Grid, Timeline, round_top

BERLIN = ZoneInfo("Europe/Berlin")
DAY = 86_400_000


def ms(*when: int) -> int:
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("span", [30_000, 600_000, 3_600_000, DAY, 7 * DAY, 30 * DAY, 366 * DAY])
def test_an_axis_of_any_length_has_some_labels_and_not_many(span: int) -> None:
    start = ms(2025, 3, 3, 7, 13)
    found = ticks(start, start + span, BERLIN)
    assert 2 <= len(found) <= MOST + 2
    assert all(start <= at < start + span for at, _ in found)
    assert len({label for _, label in found}) == len(found)


def test_labels_are_on_the_sites_clock() -> None:
    found = dict(ticks(ms(2025, 7, 1), ms(2025, 7, 2), BERLIN))
    assert found[ms(2025, 7, 1, 22)] == "2 Jul"  # midnight there
    assert found[ms(2025, 7, 1, 10)] == "12:00"


def test_when_the_clock_is_set_back_labels_stay_at_the_right_moments() -> None:
    found = dict(ticks(ms(2025, 10, 25, 22), ms(2025, 10, 26, 23), BERLIN, most=30))
    assert found[ms(2025, 10, 25, 22)] == "26 Oct"
    assert found[ms(2025, 10, 26, 11)] == "12:00"  # an hour earlier it was 13:00 on such a day


def test_a_line_ends_where_nothing_is_known() -> None:
    strips = Timeline(Mode.LIGHT, BERLIN, 0, 4000)
    axis = strips.amounts("x", 40, 3.0, str)
    strips.line(axis, Grid(0, 1000, 4), [1.0, None, 2.0, 3.0], "x", "#000000", "%{y}")
    line = go.Figure(strips.figure()).data[0]
    values = unpacked(dict(line.y))
    assert values[0] == 1 and math.isnan(values[1])
    assert line.connectgaps is False
    assert "markers" in line.mode  # the first value stands alone, and no line would show it


def test_unknown_time_is_hatched() -> None:
    strips = Timeline(Mode.DARK, BERLIN, 0, 4000)
    axis = strips.amounts("x", 40, 3.0, str)
    strips.unknown(axis, Grid(0, 1000, 4), [1.0, None, None, 3.0], 3.0)
    (hatched,) = go.Figure(strips.figure()).data
    assert hatched.marker.pattern.shape == "/"
    assert list(hatched.width) == [2000]


def test_all_strips_share_one_axis_of_time_and_none_lies_on_another() -> None:
    strips = Timeline(Mode.LIGHT, BERLIN, 0, 4000)
    for _ in range(4):
        strips.amounts("x", 40, 1.0, str)
    figure = go.Figure(strips.figure())
    domains = [axis.domain for axis in figure.select_yaxes()]
    assert len(list(figure.select_xaxes())) == 1
    assert all(low >= later[1] for (low, _), later in pairwise(domains))
    assert figure.layout.height == strips.height


def test_a_run_of_an_account_is_drawn_in_its_own_colour_and_inside_the_period() -> None:
    strips = Timeline(Mode.LIGHT, BERLIN, 1000, 4000)
    axis = strips.rows("x", ["#0"], 20)
    strips.accounts(axis, [(0, "held", 0, 2000), (0, "unobserved", 2000, 9000)])
    held, unseen = go.Figure(strips.figure()).data
    assert held.marker.color == ACCOUNTS["held"].light  # type: ignore[index]
    assert list(held.x) == [1000]
    assert list(unseen.x) == [2000]
    assert unseen.marker.pattern.shape == "/"


@pytest.mark.parametrize(("high", "top"), [(0, 1), (468, 500), (0.93, 1), (1.01, 1.2), (900, 1000)])
def test_a_scale_ends_at_a_round_value(high: float, top: float) -> None:
    assert round_top(high) == pytest.approx(top)


def test_jobs_at_the_same_time_stand_one_under_the_other() -> None:
    rows = [{"start_ms": start, "end_ms": end} for start, end in [(0, 10), (2, 4), (3, 9), (4, 6)]]
    assert occupied.lanes(rows) == [0, 1, 2, 1]


def test_names_of_jobs_cannot_become_markup_and_somebody_elses_is_a_job() -> None:
    strips = Timeline(Mode.LIGHT, BERLIN, 0, 10)
    rows: list[dict[str, Any]] = [
        {"job": "<b>1</b>", "name": "<img src=x>" * 200, "start_ms": 0, "end_ms": 5, "devices": 1},
        {"job": None, "name": None, "start_ms": 5, "end_ms": 9, "devices": 1},
    ]
    occupied.jobs(strips, rows, Mode.LIGHT)
    (bars,) = go.Figure(strips.figure()).data
    assert "<img" not in bars.customdata[0] and "<b>1" not in bars.text[0]
    assert len(bars.customdata[0]) < 700
    assert "a job" in bars.customdata[1]
