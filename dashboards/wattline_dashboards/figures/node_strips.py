"""One node over a period, as aligned strips: its own metrics, and a row for each device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    ACCOUNTS,
    RAMP,
    TOKENS,
    Mode,
    format_celsius,
    format_percent,
    format_si,
)
from wattline_dashboards import plot
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.short import cut
from wattline_dashboards.figures import moments, occupied
from wattline_dashboards.figures.device_strips import highest, mean, together
from wattline_dashboards.figures.timeline import Grid, Timeline, Values, bold, key
from wattline_dashboards.language import _

Json = Mapping[str, Any]

_POWER_PX, _SERIES_PX = 96, 64


def figure(answer: Json, mode: Mode, zone: ZoneInfo) -> plot.Figure:
    """The strips of `GET /v1/node`."""
    period = answer.get("period") or {}
    strips = Timeline(
        mode, zone, number(period.get("start_ms")) or 0, number(period.get("end_ms")) or 1
    )
    grid, coarse = Grid.of(answer.get("grid")), Grid.of(answer.get("device_grid"))
    series: Json = answer.get("series") or {}
    devices: Sequence[Json] = answer.get("devices") or ()
    names = [place_of(device) for device in devices]
    tokens = TOKENS[mode]
    _power(strips, grid, coarse, series, devices, mode)
    if devices:
        title = bold(_("Compute active"), ramp_key(mode))
        _heat(strips, coarse, title, [_active(device) for device in devices], names, RAMP)
        title = bold(_("Clocks held back"), _("share of the time"))
        held_back = [_values(device, "throttled_ratio") for device in devices]
        slowed = (tokens.grid, ACCOUNTS[Account.SLOWED].colour(mode))
        _heat(strips, coarse, title, held_back, names, slowed)
        _temperatures(strips, grid, coarse, series, devices, mode)
    together(
        strips, grid, series, mode, _("Processor"), 1.0, format_percent, "%{y:.1%}",
        ("cpu_busy_ratio", _("busy"), tokens.accent, "solid"),
    )  # fmt: skip
    together(
        strips, grid, series, mode, _("Memory"), highest(series, "memory_size_bytes"),
        lambda v: format_si(v, "B"), "%{y:.3s}B",
        ("memory_used_bytes", _("in use"), tokens.accent, "solid"),
    )  # fmt: skip
    together(
        strips, grid, series, mode, _("Network"), None, lambda v: format_si(v, "B/s"),
        "%{y:.3s}B/s",
        ("network_receive_bytes_per_second", _("in"), tokens.accent, "solid"),
        ("network_transmit_bytes_per_second", _("out"), tokens.muted, "dot"),
    )  # fmt: skip
    ids = [str(device.get("device")) for device in devices]
    occupied.events(strips, answer.get("events") or (), dict(zip(ids, names, strict=True)), mode)
    occupied.accounts(
        strips, answer.get("accounts") or (), {id: row for row, id in enumerate(ids)}, names
    )
    occupied.jobs(strips, answer.get("jobs") or (), mode, counts_devices=True)
    return strips.figure()


def place_of(device: Json) -> str:
    """A device as people call it on its node."""
    index = number(device.get("index"))
    return f"#{index:.0f}" if index is not None else cut(text(device.get("device")) or "", 10)


def ramp_key(mode: Mode) -> str:
    """The ends of the ramp, in words."""
    low, high = RAMP[0], RAMP[-1]
    muted = TOKENS[mode].muted
    return (
        f"<span style='color:{low}'>█</span> <span style='color:{muted}'>0</span>   "
        f"<span style='color:{high}'>█</span> <span style='color:{muted}'>100 %</span>"
    )


_OF_DEVICE = {
    "power_watts": "power (W)", "temperature_celsius": "temperature (Cel)",
    "sm_active_ratio": "compute active (1)", "busy_ratio": "kernel running (1)",
    "throttled_ratio": "held back (1)",
}  # fmt: skip
_OF_NODE = {
    "power_watts": "power (W)", "temperature_celsius": "temperature (Cel)",
    "cpu_busy_ratio": "processor (1)", "memory_used_bytes": "memory in use (By)",
    "network_receive_bytes_per_second": "network in (By/s)",
    "network_transmit_bytes_per_second": "network out (By/s)",
}  # fmt: skip


def sheet_rows(answer: Json) -> tuple[list[str], list[list[object]]]:
    """Heads and rows of the file beside the chart: a row per bucket of the node and each device.

    The node's own readings stand first, without a device.
    """
    heads = list(dict.fromkeys([*_OF_DEVICE.values(), *_OF_NODE.values()]))
    series: Json = answer.get("series") or {}
    of_node = {head: mean(series.get(name)) for name, head in _OF_NODE.items()}
    rows = _rows(Grid.of(answer.get("grid")), [None, None], heads, of_node)
    grid = Grid.of(answer.get("device_grid"))
    for device in answer.get("devices") or ():
        found = {head: _values(device, name) or [] for name, head in _OF_DEVICE.items()}
        rows += _rows(grid, [device.get("device"), device.get("index")], heads, found)
    return ["from (UTC)", "device", "index", *heads], rows


def _rows(
    grid: Grid, whose: list[object], heads: Sequence[str], found: Mapping[str, Values]
) -> list[list[object]]:
    columns = [found.get(head, ()) for head in heads]
    return [
        [
            moments.iso(grid.start_ms + grid.step_ms * place), *whose,
            *(column[place] if place < len(column) else None for column in columns),
        ]
        for place in range(grid.count)
    ]  # fmt: skip


def _values(device: Json, name: str) -> Values | None:
    said = device.get(name)
    return [number(value) for value in said] if isinstance(said, list) else None


def _active(device: Json) -> Values | None:
    return _values(device, "sm_active_ratio") or _values(device, "busy_ratio")


def _heat(
    strips: Timeline, grid: Grid, title: str, rows: Sequence[Values | None], names: Sequence[str],
    colours: Sequence[str],
) -> None:  # fmt: skip
    axis = strips.rows(title, names, 18 if len(names) <= 8 else 12)
    strips.heat(axis, grid, rows, names, colours)


def _power(
    strips: Timeline, grid: Grid, coarse: Grid, series: Json, devices: Sequence[Json], mode: Mode
) -> None:
    """The node's own meter, and under it what its devices draw together."""
    tokens = TOKENS[mode]
    together_watts = summed([_values(device, "power_watts") for device in devices])
    of_node = mean(series.get("power_watts"))
    highs = [value for value in (*together_watts, *of_node) if value is not None]
    high = max([highest(series, "power_watts") or 0.0, *highs]) or 1.0
    parts = [(_("whole node"), tokens.accent, "solid")] if of_node else []
    if any(value is not None for value in together_watts):
        parts.append((_("its devices"), tokens.muted, "dot"))
    said = key(mode, *parts) if parts else _("not metered")
    axis = strips.amounts(
        bold(_("Power"), said), _POWER_PX, high, lambda v: format_si(round(v), "W")
    )
    strips.unknown(axis, *((grid, of_node) if of_node else (coarse, together_watts)), high)
    strips.line(axis, coarse, together_watts, _("devices"), tokens.muted, "%{y:.3s}W", "dot")
    if of_node:
        strips.line(axis, grid, of_node, _("node"), tokens.accent, "%{y:.3s}W")


def _temperatures(
    strips: Timeline, grid: Grid, coarse: Grid, series: Json, devices: Sequence[Json], mode: Mode
) -> None:
    tokens = TOKENS[mode]
    hottest = [
        max((value for value in values if value is not None), default=None)
        for values in zip(
            *(_values(device, "temperature_celsius") or [None] * coarse.count
              for device in devices),
            strict=True,
        )
    ]  # fmt: skip
    host = mean(series.get("temperature_celsius"))
    high = max((value for value in (*hottest, *host) if value is not None), default=100.0)
    parts = [(_("hottest device"), tokens.accent, "solid")]
    if host:
        parts.append((_("hottest sensor of the host"), tokens.muted, "dot"))
    axis = strips.amounts(
        bold(_("Temperature"), key(mode, *parts)), _SERIES_PX, high, format_celsius
    )
    strips.unknown(axis, coarse, hottest, high)
    if host:
        strips.line(axis, grid, host, _("host"), tokens.muted, "%{y:.0f} °C", "dot")
    strips.line(axis, coarse, hottest, _("hottest device"), tokens.accent, "%{y:.0f} °C")


def summed(rows: Sequence[Values | None]) -> list[float | None]:
    """The sum of series where all of them are known."""
    if not rows or any(row is None for row in rows):
        return []
    known = [row for row in rows if row is not None]
    found: list[float | None] = []
    for values in zip(*known, strict=True):
        whole = [value for value in values if value is not None]
        found.append(sum(whole) if len(whole) == len(values) else None)
    return found
