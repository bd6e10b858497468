"""Bars over time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

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
    figure = series.stacked(
        {"a": ("A", "#000"), "b": ("B", "#fff")}, rows, "kind", Mode.LIGHT, ZoneInfo("UTC"), str,
        step_ms=DAY_MS,
    )  # fmt: skip
    first, second = figure.data
    assert list(first.width) == [0.4 * DAY_MS, 0.8 * DAY_MS]
    assert list(second.width) == [0.8 * DAY_MS, 0.8 * DAY_MS]
    assert [str(at)[:16] for at in first.x] == ["1970-01-01T18:00", "1970-01-02T12:00"]
