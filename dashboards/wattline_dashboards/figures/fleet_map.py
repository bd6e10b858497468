"""The map of the fleet: a heatmap with one cell per device, and hatching over what is unknown.

One trace holds all colours. Its scale is 0 to 1 for values, with a neutral band below for
devices nothing is known of; the hatching is a second trace, one path of short strokes, because
8,000 markers would cost the browser more than everything else on the page.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import nan
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa
import pyarrow.compute as pc
from dash import Patch

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS as PALETTE
from wattline_collector.palette import RAMP, TOKENS, Mode
from wattline_dashboards import theme
from wattline_dashboards.figures.floor import Floor
from wattline_dashboards.figures.packed import packed
from wattline_dashboards.figures.views import ACCOUNT, Values, View
from wattline_dashboards.picture import ACCOUNTS, Picture, having

UNKNOWN_Z = -0.1
"""Where unknown stands on the colour axis: below every value, in a band of its own."""

_BAND_END = -0.02
_LEVELS = 250
"""Steps of colour an eye could tell apart at most; rounding to them compresses the update."""
_LEVEL_OF = pa.array(
    [int((place + 0.5) / len(ACCOUNTS) * _LEVELS + 0.5) / _LEVELS for place in range(len(ACCOUNTS))]
)
"""Of each account, by its code."""
_HATCHED = tuple(account for account in Account if PALETTE[account].hatched)

Found = Sequence[bool]
"""Whether somebody looks for each device."""


@dataclass(frozen=True, slots=True)
class Cells:
    """What changes from tick to tick.

    Attributes:
        z: The colour value of each cell, row by row; null where no device stands.
        hatch_x: The strokes over what is unknown, with gaps between them.
        hatch_y: The same.
    """

    z: pa.Array
    hatch_x: array[float]
    hatch_y: array[float]


def cells(floor: Floor, view: View, picture: Picture) -> Cells:
    """The colour value of every cell, and the hatching."""
    if view is ACCOUNT:
        hatched = having(picture.codes, _HATCHED)
        values = _LEVEL_OF.take(pa.Array.from_buffers(
            pa.uint8(), len(picture.codes), [None, pa.py_buffer(picture.codes)]
        ))  # fmt: skip
    else:
        known = view.values(picture)
        hatched = (place for place, value in enumerate(known) if value is None)
        values = _scaled(known, view.scale(picture))
    places, (x, y) = list(hatched), floor.strokes
    return Cells(
        values.take(floor.cells),
        array("f", b"".join([x[place] for place in places])),
        array("f", b"".join([y[place] for place in places])),
    )


def figure(
    floor: Floor, view: View, picture: Picture, mode: Mode, found: Found | None = None
) -> go.Figure:
    """The whole map, drawn anew.

    Args:
        floor: Where devices stand.
        view: What their colours are.
        picture: How they are now.
        mode: Light or dark.
        found: Which of them somebody looks for; the others are veiled. None: nobody looks.
    """
    tokens, now = TOKENS[mode], cells(floor, view, picture)
    heatmap = go.Heatmap(
        z=packed(now.z, (floor.rows, floor.columns)),
        zmin=UNKNOWN_Z,
        zmax=1,
        colorscale=_colours(view, mode),
        showscale=False,
        xgap=floor.gap,
        ygap=floor.gap,
        hoverongaps=False,
        hoverinfo="none",
    )
    hatching = go.Scatter(
        x=packed(now.hatch_x),
        y=packed(now.hatch_y),
        mode="lines",
        line={"color": tokens.mark, "width": 1, "simplify": False},
        connectgaps=False,
        hoverinfo="skip",
    )
    return go.Figure(
        [heatmap, hatching, *_names(floor, mode), *_veiled(floor, mode, found)],
        theme.layout(
            mode,
            width=max(floor.columns, 1) * floor.cell,
            height=max(floor.rows, 1) * floor.cell,
            xaxis=theme.bare_axis(range=[-0.5, floor.columns - 0.5]),
            yaxis=theme.bare_axis(range=[floor.rows - 0.5, -0.5]),
        ),
    )


def patch(floor: Floor, view: View, picture: Picture, found: Found | None = None) -> Patch:
    """What changed since the map was drawn, in place: colours, hatching, and what is found."""
    now, change = cells(floor, view, picture), Patch()
    change["data"][0]["z"] = packed(now.z, (floor.rows, floor.columns))
    change["data"][1]["x"] = packed(now.hatch_x)
    change["data"][1]["y"] = packed(now.hatch_y)
    if found is not None:
        place = 2 + bool(floor.racks) + bool(floor.nodes)
        change["data"][place]["z"] = packed(_veil(floor, found), (floor.rows, floor.columns))
    return change


def drawn(floor: Floor, view: View, mode: Mode, found: Found | None = None) -> str:
    """A name for everything a patch does not change: as long as it is the same, patch."""
    return f"{floor.key} {view.id} {mode.value} {found is not None}"


def _veiled(floor: Floor, mode: Mode, found: Found | None) -> list[go.Heatmap]:
    if found is None:
        return []
    ground = TOKENS[mode].background
    red, green, blue = (int(ground[at : at + 2], 16) for at in (1, 3, 5))
    colour = f"rgba({red},{green},{blue},0.84)"
    return [
        go.Heatmap(
            z=packed(_veil(floor, found), (floor.rows, floor.columns)), zmin=0, zmax=1,
            colorscale=[(0, colour), (1, colour)], showscale=False, hoverinfo="skip",
            hoverongaps=False,
        )
    ]  # fmt: skip


def _veil(floor: Floor, found: Found) -> list[float]:
    """One over every device that is not looked for, nothing elsewhere."""
    veil = [nan] * (floor.rows * floor.columns)
    for place, is_found in zip(floor.flat, found, strict=True):
        if not is_found:
            veil[place] = 1.0
    return veil


def device_at(floor: Floor, x: float, y: float) -> int | None:
    """Which device stands there."""
    spot = (round(y), round(x))
    return floor.spots.index(spot) if spot in floor.spots else None


def _scaled(values: Values, scale: tuple[float, float]) -> pa.Array:
    """Values as steps of the scale, all at once: this is done with every tick."""
    low, high = scale
    steps = pc.multiply(pc.subtract(pa.array(values, pa.float64()), low), _LEVELS / (high - low))
    steps = pc.min_element_wise(pc.max_element_wise(steps, 0.0, skip_nulls=False), float(_LEVELS),
                                skip_nulls=False)  # fmt: skip
    return pc.fill_null(pc.divide(pc.floor(pc.add(steps, 0.5)), float(_LEVELS)), UNKNOWN_Z)


def _colours(view: View, mode: Mode) -> list[tuple[float, str]]:
    neutral = TOKENS[mode].neutral
    band = _place(_BAND_END)
    if view is ACCOUNT:
        steps = [PALETTE[account].colour(mode) for account in Account]
        edges = [_place(step / len(steps)) for step in range(len(steps) + 1)]
        ramp = [
            (edge, colour)
            for start, end, colour in zip(edges[:-1], edges[1:], steps, strict=True)
            for edge in (start, end)
        ]
    else:
        last = len(RAMP) - 1
        ramp = [(_place(step / last), colour) for step, colour in enumerate(RAMP)]
    return [(0.0, neutral), (band, neutral), (band, ramp[0][1]), *ramp]


def _place(value: float) -> float:
    return round((value - UNKNOWN_Z) / (1 - UNKNOWN_Z), 6)


def _names(floor: Floor, mode: Mode) -> list[go.Scatter]:
    tokens = TOKENS[mode]
    common: dict[str, Any] = {"mode": "text", "hoverinfo": "skip", "cliponaxis": False}
    return [
        go.Scatter(
            x=[label.column for label in labels],
            y=[label.row for label in labels],
            text=[escape(label.text) for label in labels],  # a plot reads its text as markup
            textposition=position,
            textfont={"size": theme.SMALL, "color": colour},
            **common,
        )
        for labels, position, colour in (
            (floor.racks, "middle right", tokens.text),
            (floor.nodes, "middle left", tokens.muted),
        )
        if labels
    ]
