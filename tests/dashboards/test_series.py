"""Bars over time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import plotly.graph_objects as go

from wattline_collector.palette import Mode
from wattline_dashboards.figures import series

DAY_MS = 86_400_000


def test_a_bar_of_half_a_day_does_not_reach_into_the_next() -> None:
    rows = [
        {"at_unix_ms": DAY_MS // 2, "value": 1.0, "kind": "a"},
        {"at_unix_ms": DAY_MS, "value": 2.0, "kind": "a"},
        {"at_unix_ms": DAY_MS, "value": 3.0, "kind": "b"},
        {"at_unix_ms": 2 * DAY_MS, "value": 4.0, "kind": "b"},
    ]
    figure = go.Figure(series.stacked(
        {"a": ("A", "#000"), "b": ("B", "#fff")}, rows, "kind", Mode.LIGHT, ZoneInfo("UTC"), str,
        step_ms=DAY_MS,
    ))  # fmt: skip
    first, second = figure.data
    assert list(first.width) == [0.4 * DAY_MS, 0.8 * DAY_MS]
    assert list(second.width) == [0.8 * DAY_MS, 0.8 * DAY_MS]
    assert [str(at)[:16] for at in first.x] == ["1970-01-01T18:00", "1970-01-02T12:00"]


def test_days_are_named_beneath_the_middle_of_their_bars_and_a_stump_has_no_name() -> None:
    rows = [
        {"at_unix_ms": at, "value": 1.0, "kind": "a"}
        for at in (DAY_MS - 3_600_000, *(DAY_MS * day for day in (1, 2, 3)))
    ]
    figure = go.Figure(
        series.stacked(
            {"a": ("A", "#000")}, rows, "kind", Mode.LIGHT, ZoneInfo("UTC"), str, step_ms=DAY_MS
        )
    )
    axis = figure.layout.xaxis
    assert list(axis.ticktext) == ["2 Jan", "3 Jan", "4 Jan"]
    assert [str(at)[:13] for at in axis.tickvals] == [
        "1970-01-02T12", "1970-01-03T12", "1970-01-04T12",
    ]  # fmt: skip


def test_a_scale_that_does_not_begin_at_zero_has_round_ticks_where_they_say() -> None:
    rows = [{"at_unix_ms": DAY_MS * day, "value": 1.09} for day in range(4)]
    line = series.Line("PUE", rows, "#000")
    figure = go.Figure(
        series.lines(
            [line], Mode.LIGHT, ZoneInfo("UTC"), lambda value: f"{value:.3g}", from_zero=False
        )
    )
    assert list(figure.layout.yaxis.tickvals) == [1.08, 1.1]
    assert list(figure.layout.yaxis.ticktext) == ["1.08", "1.1"]
