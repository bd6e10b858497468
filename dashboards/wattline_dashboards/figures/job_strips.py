"""A job's devices over time: a strip each, on one axis, with the tokens above.

A straggler, a stall or a device that does nothing is a strip of another colour. Time in which the
job held a device and nobody read it is hatched; where it did not hold it, there is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, RAMP, TOKENS, Mode, format_si
from wattline_dashboards import plot, theme, words
from wattline_dashboards.columns import number
from wattline_dashboards.components.short import cut
from wattline_dashboards.figures import moments
from wattline_dashboards.figures.days import ticks_to
from wattline_dashboards.figures.ticks import ticks
from wattline_dashboards.language import _

WASTED = (Account.HELD, Account.LOST)

_TOKENS, _WASTE, _GAP, _AXIS = 88, 12, 32, 28
_LABELLED = 16
"""Strips that each have room for a label; of more, the first of each node is named."""

Strips = Mapping[str, Any]
Accounts = Sequence[Mapping[str, Any]]
"""The report's accounts, with the stretches they happened in."""


def row_height(devices: int) -> int:
    """Pixels of a strip: as many as can be seen at once on a screen."""
    return 24 if devices <= 8 else 16 if devices <= _LABELLED else 8


def height(strips: Strips, accounts: Accounts) -> int:
    """Pixels of the whole figure."""
    return _AXIS + round(sum(high + _GAP for _name, high in _sizes(strips, accounts)))


def figure(strips: Strips, accounts: Accounts, mode: Mode, zone: ZoneInfo) -> plot.Figure:
    """All lanes: tokens per second, waste, activity and power.

    Args:
        strips: As `/v1/job` has them.
        accounts: The report's accounts, with the stretches they happened in.
        mode: Light or dark.
        zone: The site's.
    """
    devices = [one for one in strips.get("devices") or () if isinstance(one, Mapping)]
    lanes = _lanes(_sizes(strips, accounts))
    start, step = number(strips.get("start_unix_ms")) or 0, number(strips.get("step_ms")) or 1
    end = start + step * (number(strips.get("steps")) or 0)
    traces: list[Any] = [
        _speed(strips.get("tokens") or {}, mode, zone),
        *(
            _wasted(row, mode, zone)
            for row in accounts
            if row.get("account") in WASTED and row.get("when")
        ),
    ]
    for axis, name, unit, most in (
        ("y3", "activity", "", 1.0),
        ("y4", "power_watts", "W", most_watts(strips) or 1.0),
    ):
        if devices:
            if cells := strips.get(name):
                traces.append(_cells(cells, axis, devices, start, step, zone, unit, most))
            gaps = (strips.get("unread") or {}).get(name) or ()
            traces.append(_unread(gaps, axis, mode, zone))
    named, times = _labels(devices), ticks(start, max(end, start + 1), zone)
    place = {"tickvals": [at for at, _name in named], "ticktext": [name for _at, name in named]}
    rows = {"range": [len(devices) - 0.5, -0.5], **place, "showgrid": False}
    counted = _counted(strips)
    fastest = max((v for v in _per_second(strips) if v is not None), default=0.0)
    speeds = ticks_to(fastest)[-1:] if fastest else []
    return plot.figure(
        traces,
        theme.layout(
            mode,
            margin={"l": 0, "r": 0, "t": 0, "b": 0},
            barmode="overlay",
            xaxis=theme.axis(
                mode, type="date", anchor="y4", showgrid=True,
                range=[moments.local(start, zone), moments.local(max(end, start + 1), zone)],
                tickvals=[moments.local(at, zone) for at, _label in times],
                ticktext=[label for _at, label in times],
                hoverformat="%-d %b %H:%M:%S", ticks="outside", tickcolor=TOKENS[mode].line,
            ),
            yaxis=theme.axis(
                mode, domain=lanes["tokens"], range=[0, (fastest or 1.0) * 1.05],
                tickvals=[0.0, *speeds] if counted else [],
                ticktext=["0", *(format_si(v, "tok/s") for v in speeds)] if counted else [],
            ),
            yaxis2=theme.bare_axis(domain=lanes.get("waste", [0, 0.01]), range=[-0.5, 0.5]),
            yaxis3=theme.axis(mode, domain=lanes["activity"], **rows),
            yaxis4=theme.axis(mode, domain=lanes["power"], **rows),
            annotations=[_title(name, lanes, mode, counted=counted) for name in lanes],
        ),
    )  # fmt: skip


def most_watts(strips: Strips) -> float | None:
    """The scale's upper end; null where no power was read."""
    return number(strips.get("power_most_watts"))


def _sizes(strips: Strips, accounts: Accounts) -> list[tuple[str, float]]:
    """The lanes from the bottom, and how high each is; waste has one where there is any.

    Of tokens that nobody counted only the title is left: an empty lane would look like none.
    """
    devices = len(strips.get("devices") or ())
    strip = float(row_height(devices) * max(1, devices))
    is_wasted = any(row.get("account") in WASTED and row.get("when") for row in accounts)
    waste = [("waste", float(_WASTE))] if is_wasted else []
    tokens = float(_TOKENS if _counted(strips) else 1)
    return [("power", strip), ("activity", strip), *waste, ("tokens", tokens)]


def _counted(strips: Strips) -> bool:
    """Whether anybody counted its tokens."""
    return any(value is not None for value in _per_second(strips))


def _lanes(sizes: Sequence[tuple[str, float]]) -> dict[str, list[float]]:
    """Where each lane lies, as parts of the height above the axis."""
    whole = sum(high + _GAP for _name, high in sizes)
    below, found = 0.0, {}
    for name, high in sizes:
        found[name] = [below / whole, (below + high) / whole]
        below += high + _GAP
    return found


def _title(
    name: str, lanes: Mapping[str, list[float]], mode: Mode, *, counted: bool
) -> dict[str, Any]:
    words = {
        "tokens": _("Tokens per second") if counted else _("Tokens: nobody counted them"),
        "waste": _("Held idle or lost, on any device"),
        "activity": _("Activity of each device"),
        "power": _("Power of each device"),
    }
    return {
        "xref": "paper", "yref": "paper", "x": 0, "xanchor": "left", "y": lanes[name][1],
        "yanchor": "bottom", "yshift": 4, "text": words[name], "showarrow": False,
        "font": {"size": theme.SMALL, "color": TOKENS[mode].muted},
    }  # fmt: skip


def _per_second(strips: Strips) -> list[float | None]:
    said = (strips.get("tokens") or {}).get("per_second") or ()
    return [number(value) for value in said]


def _speed(tokens: Mapping[str, Any], mode: Mode, zone: ZoneInfo) -> plot.Trace:
    start, step = number(tokens.get("start_unix_ms")) or 0, number(tokens.get("step_ms")) or 1
    values = [number(value) for value in tokens.get("per_second") or ()]
    at = [start + step * place for place in range(len(values))]
    return plot.scatter(
        x=[moments.local(one, zone) for one in at],
        y=values,
        yaxis="y",
        mode="lines",
        line={"color": TOKENS[mode].accent, "width": 1.5, "shape": "hv"},
        fill="tozeroy",
        connectgaps=False,
        customdata=[
            f"{format_si(v, 'tok/s')}<br>{moments.utc(t)}" for v, t in zip(values, at, strict=True)
        ],
        hovertemplate="%{x|%-d %b %H:%M}: %{customdata}<extra></extra>",
    )


def _wasted(row: Mapping[str, Any], mode: Mode, zone: ZoneInfo) -> plot.Trace:
    account = Account(str(row["account"]))
    style = ACCOUNTS[account]
    spans = [
        (datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["to"]))
        for one in row.get("when") or ()
    ]
    return plot.bar(
        base=[moments.local(first.timestamp() * 1000, zone) for first, _last in spans],
        x=[(last - first).total_seconds() * 1000 for first, last in spans],
        y=[0] * len(spans),
        yaxis="y2",
        orientation="h",
        width=1,
        marker={"color": style.colour(mode)},
        customdata=[
            f"{first.astimezone(zone):%H:%M}\N{EN DASH}{last.astimezone(zone):%H:%M} "
            f"({first:%H:%M}\N{EN DASH}{last:%H:%M} UTC)"
            for first, last in spans
        ],
        hovertemplate=f"{words.account(account)}: %{{customdata}}<extra></extra>",
    )


def _unread(gaps: Sequence[Sequence[float]], axis: str, mode: Mode, zone: ZoneInfo) -> plot.Trace:
    """Hatched where a device was held and nobody read it."""
    return plot.bar(
        base=[moments.local(first, zone) for _row, first, _last in gaps],
        x=[last - first for _row, first, last in gaps],
        y=[row for row, _first, _last in gaps],
        yaxis=axis,
        orientation="h",
        width=0.9,
        marker={"color": TOKENS[mode].neutral, "pattern": theme.hatch(mode, "/"),
                "line": {"width": 0}},
        hovertemplate=_("held, and not read") + "<extra></extra>",
    )  # fmt: skip


def _cells(
    cells: Mapping[str, Any],
    axis: str,
    devices: Sequence[Mapping[str, Any]],
    start: float,
    step: float,
    zone: ZoneInfo,
    unit: str,
    most: float,
) -> plot.Trace:
    # The collector packed the numbers; here nobody looks at them.
    named = [escape(_name(one, 80)) for one in devices]
    offset = datetime.fromtimestamp(start / 1000, UTC).astimezone(zone).strftime("%z") or "+0000"
    value = f"%{{z:.0f}} {unit}" if unit else "%{z:.0%}"
    return plot.heatmap(
        z=dict(cells),
        x0=moments.local(start + step / 2, zone),
        dx=step,
        y0=0,
        dy=1,
        yaxis=axis,
        zmin=0.0,
        zmax=most,
        colorscale=[[i / (len(RAMP) - 1), colour] for i, colour in enumerate(RAMP)],
        showscale=False,
        ygap=1,
        hoverongaps=False,
        meta=named,
        hovertemplate=(
            f"%{{meta[%{{y}}]}}<br>%{{x|%-d %b %H:%M:%S}} UTC{offset[:3]}:{offset[3:]}"
            f"<br>{value}<extra></extra>"
        ),
    )


def _name(device: Mapping[str, Any], most: int) -> str:
    place = number(device.get("index"))
    node = cut(device.get("node"), most)
    return f"{node} · {place}" if place is not None else cut(device.get("device"), most)


def _labels(devices: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """Each device by node and place; of many, each node beside its first."""
    if len(devices) <= _LABELLED:
        return [(row, escape(_name(one, 24))) for row, one in enumerate(devices)]
    seen: dict[str, int] = {}
    for row, one in enumerate(devices):
        seen.setdefault(str(one.get("node")), row)
    every = -(-len(seen) // 24)
    return [(row, escape(cut(node, 24))) for node, row in list(seen.items())[::every]]
