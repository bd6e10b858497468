"""One device over a period, as aligned strips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    ACCOUNTS,
    TOKENS,
    Mode,
    format_celsius,
    format_percent,
    format_si,
)
from wattline_dashboards import plot
from wattline_dashboards.columns import number, text
from wattline_dashboards.figures import moments, occupied
from wattline_dashboards.figures.timeline import Grid, Timeline, Values, bold, key
from wattline_dashboards.language import _

Json = Mapping[str, Any]

_POWER_PX, _SERIES_PX, _REASON_PX = 112, 72, 16


def figure(answer: Json, mode: Mode, zone: ZoneInfo) -> plot.Figure:
    """The strips of `GET /v1/device`."""
    period = answer.get("period") or {}
    strips = Timeline(
        mode, zone, number(period.get("start_ms")) or 0, number(period.get("end_ms")) or 1
    )
    grid, tokens = Grid.of(answer.get("grid")), TOKENS[mode]
    series: Json = answer.get("series") or {}
    _power(strips, grid, series, mode)
    active = "sm_active_ratio" in series
    together(
        strips, grid, series, mode, _("Activity"), 1.0, format_percent, "%{y:.1%}",
        ("sm_active_ratio", _("compute"), tokens.accent, "solid")
        if active
        else ("busy_ratio", _("a kernel runs"), tokens.accent, "solid"),
        ("tensor_active_ratio", _("tensor"), tokens.text, "dash"),
        ("dram_active_ratio", _("memory"), tokens.muted, "dot"),
    )  # fmt: skip
    together(
        strips, grid, series, mode, _("Temperature"), None, format_celsius, "%{y:.0f} °C",
        ("temperature_celsius", _("chip"), tokens.accent, "solid"),
        ("memory_temperature_celsius", _("memory"), tokens.muted, "dot"),
    )  # fmt: skip
    together(
        strips, grid, series, mode, _("Clocks"), None, lambda v: format_si(v, "Hz"), "%{y:.3s}Hz",
        ("sm_clock_hertz", _("compute"), tokens.accent, "solid"),
        ("memory_clock_hertz", _("memory"), tokens.muted, "dot"),
    )  # fmt: skip
    reasons(strips, grid, answer.get("throttle") or {}, mode)
    together(
        strips, grid, series, mode, _("Memory"), highest(series, "memory_size_bytes"),
        lambda v: format_si(v, "B"), "%{y:.3s}B",
        ("memory_used_bytes", _("in use"), tokens.accent, "solid"),
    )  # fmt: skip
    occupied.events(strips, answer.get("events") or (), {}, mode)
    device = str((answer.get("identity") or {}).get("device"))
    occupied.accounts(strips, answer.get("accounts") or (), {device: 0}, [""])
    occupied.jobs(strips, answer.get("jobs") or (), mode)
    return strips.figure()


def reason_name(reason: str) -> str:
    """Why clocks are held back, in words."""
    return {
        "power_cap": _("power cap"),
        "thermal": _("heat"),
        "power_brake": _("power brake"),
        "sync_boost": _("slowest of group"),
    }.get(reason, reason)


def reasons(strips: Timeline, grid: Grid, throttle: Json, mode: Mode) -> None:
    """A band for every reason that is told of: the more of a bucket it held, the stronger."""
    title = _("Clocks held back")
    if not throttle:
        strips.empty(title, _("not told"))
        return
    names = [reason_name(reason) for reason in throttle]
    axis = strips.rows(bold(title, _("share of the time")), names, _REASON_PX)
    ramp = (TOKENS[mode].grid, ACCOUNTS[Account.SLOWED].colour(mode))
    strips.heat(axis, grid, [mean(values) for values in throttle.values()], names, ramp)


def mean(values: object, which: str = "mean") -> Values:
    """The values of one of the collector's series."""
    said = values.get(which) if isinstance(values, Mapping) else None
    return [number(value) for value in said] if isinstance(said, Sequence) else []


def _power(strips: Timeline, grid: Grid, series: Json, mode: Mode) -> None:
    tokens = TOKENS[mode]
    watts, limit = series.get("power_watts"), series.get("power_limit_watts")
    high = max(
        highest(series, "power_watts") or 0, highest(series, "power_limit_watts") or 0
    )  # fmt: skip
    parts = [(_("drawn"), tokens.accent, "solid")]
    if limit is not None:
        parts.append((_("limit"), tokens.muted, "dot"))
    title = bold(_("Power"), key(mode, *parts))
    axis = strips.amounts(title, _POWER_PX, high or 1.0, lambda v: format_si(round(v), "W"))
    values = mean(watts)
    if isinstance(watts, Mapping) and "max" in watts:
        strips.band(axis, grid, mean(watts, "min"), mean(watts, "max"), tokens.accent)
    strips.unknown(axis, grid, values or [None] * grid.count, high or 1.0)
    if limit is not None:
        strips.line(axis, grid, mean(limit), _("limit"), tokens.muted, "%{y:.3s}W", "dot")
    if values:
        strips.line(axis, grid, values, _("power"), tokens.accent, "%{y:.3s}W")


Part = tuple[str, str, str, str]
"""Series, name, colour and dash of a line."""


def together(
    strips: Timeline, grid: Grid, series: Json, mode: Mode, title: str, most: float | None,
    written: Any, hover: str, *parts: Part,
) -> None:  # fmt: skip
    """A strip of lines on one scale; where none of them is told of, only its title.

    Args:
        strips: What is drawn so far.
        grid: The buckets.
        series: The collector's, by name.
        mode: Light or dark.
        title: Of the strip.
        most: The end of the scale; None: the highest value.
        written: How a value is written.
        hover: How it is written under the pointer, as plotly's template.
        parts: The lines, the first the one that matters most.
    """
    known = [part for part in parts if part[0] in series]
    if not known:
        strips.empty(title, _("not told"))
        return
    high = most or max(highest(series, name) or 0 for name, *_rest in known) or 1.0
    legend = key(mode, *((name, colour, dash) for _id, name, colour, dash in known))
    axis = strips.amounts(f"<b>{title}</b>   {legend}", _SERIES_PX, high, written)
    first = mean(series[known[0][0]])
    strips.unknown(axis, grid, first, high)
    for id, name, colour, dash in reversed(known):
        values = series[id]
        if dash == "solid" and "max" in values:
            strips.band(axis, grid, mean(values, "min"), mean(values, "max"), colour)
        strips.line(axis, grid, mean(values), name, colour, hover, dash)


def highest(series: Json, name: str) -> float | None:
    """The greatest value of a series."""
    values = series.get(name)
    whole = [*mean(values), *mean(values, "max")]
    return max((value for value in whole if value is not None), default=None)


def sheet_rows(answer: Json) -> tuple[list[str], list[list[object]]]:
    """Heads and rows of the file beside the chart: a row per bucket."""
    grid, series = Grid.of(answer.get("grid")), answer.get("series") or {}
    columns: list[tuple[str, Values]] = []
    for name, values in series.items():
        for which in ("mean", "min", "max"):
            found = mean(values, which)
            if found:
                columns.append((f"{name} {which}", found))
    for reason, values in (answer.get("throttle") or {}).items():
        columns.append((f"held back by {reason} (1)", mean(values)))
    heads = [text(head) or "" for head in ("from (UTC)", *(name for name, _values in columns))]
    rows: list[list[object]] = [
        [moments.iso(grid.start_ms + grid.step_ms * place),
         *(values[place] if place < len(values) else None for _name, values in columns)]
        for place in range(grid.count)
    ]  # fmt: skip
    return heads, rows
