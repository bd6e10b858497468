"""Where energy went, from the grid to the accounts: a flow whose widths add up.

Places are computed here and not left to the browser, so that the picture stays the same from one
answer to the next, and so that labels stand beside their knots without lying on one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    ACCOUNTS,
    NODE_OVERHEAD,
    TOKENS,
    Mode,
    format_energy,
    format_percent,
)
from wattline_dashboards import plot, theme, words
from wattline_dashboards.columns import number
from wattline_dashboards.language import _

HEIGHT = 440
_LAYERS: tuple[tuple[str, ...], ...] = (
    ("grid", "over_the_meter"),
    ("facility_overhead", "it"),
    ("unmetered", "booked"),
    ("node_overhead", "undivided", "devices"),
    tuple(account.value for account in reversed(Account)),
)
"""Knots from left to right, in each layer from top to bottom."""
_BESIDE = 216
"""Pixels right of the flow, for the labels of the last layer."""
_PAD = 18
_MARGIN = 8
_LINE = 17
"""Pixels that a label needs."""
_LEAST_NAMED = 0.0005
"""Of all the energy, what a knot within the flow needs to be named; the pointer names all."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The links between knots, in joules.

    Attributes:
        links: By source and target.
    """

    links: Mapping[tuple[str, str], float]

    @property
    def knots(self) -> list[str]:
        """Those there are, layer by layer."""
        used = {name for link in self.links for name in link}
        return [name for layer in _LAYERS for name in layer if name in used]

    def through(self, knot: str) -> float:
        """What flows through a knot."""
        into = sum(joules for (_source, target), joules in self.links.items() if target == knot)
        out = sum(joules for (source, _target), joules in self.links.items() if source == knot)
        return max(into, out)

    @property
    def total(self) -> float:
        """All that comes in, from the grid or, without its meter, from the books."""
        targets = {target for _source, target in self.links}
        return sum(joules for (source, _t), joules in self.links.items() if source not in targets)

    def of_account(self, account: Account) -> float:
        """What an account took."""
        return self.through(account.value)


def flow(rows: object) -> Flow:
    """Read the links of an answer; a knot that is not known is left out."""
    known = {name for layer in _LAYERS for name in layer}
    links: dict[tuple[str, str], float] = {}
    for row in rows if isinstance(rows, list) else ():
        link = str(row.get("source")), str(row.get("target"))
        joules = number(row.get("joules"))
        if joules and joules > 0 and known.issuperset(link):
            links[link] = links.get(link, 0.0) + joules
    return Flow(links)


def name_of(knot: str) -> str:
    """What a knot is called."""
    named = {
        "grid": _("Grid"),
        "over_the_meter": _("Over the meter"),
        "facility_overhead": _("Facility overhead"),
        "it": _("IT"),
        "unmetered": _("On no account"),
        "booked": _("Nodes"),
        "node_overhead": _("Node overhead"),
        "undivided": _("Whole nodes"),
        "devices": _("Devices"),
        Account.BUSY.value: _("Kept"),
    }
    account = next((one for one in Account if one.value == knot), None)
    label = "" if account is None else words.account(account).capitalize()
    return named.get(knot, label)


def figure(energy: Flow, mode: Mode) -> plot.Figure:
    """The flow."""
    tokens = TOKENS[mode]
    if not energy.links:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    knots = energy.knots
    places = _places(energy, knots)
    numbers = {knot: place for place, knot in enumerate(knots)}
    links = list(energy.links.items())
    return plot.figure(
        plot.sankey(
            arrangement="fixed",
            textfont={"size": 1, "color": "rgba(0,0,0,0)"},
            node={
                "x": [places[knot][0] for knot in knots],
                "y": [places[knot][1] for knot in knots],
                "pad": _gap(knots) * (HEIGHT - 2 * _MARGIN),
                "thickness": 10,
                "line": {"width": 0},
                "color": [_colour(knot, mode) for knot in knots],
                "customdata": [
                    f"{name_of(knot)}: {format_energy(energy.through(knot))}, "
                    f"{format_percent(energy.through(knot) / energy.total)}"
                    for knot in knots
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
            link={
                "source": [numbers[source] for (source, _target), _joules in links],
                "target": [numbers[target] for (_source, target), _joules in links],
                "value": [joules for _link, joules in links],
                "color": [_of_link(target, mode) for (_source, target), _joules in links],
                "customdata": [
                    f"{name_of(source)} → {name_of(target)}: {format_energy(joules)}"
                    for (source, target), joules in links
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
        ),
        theme.layout(
            mode,
            margin={"l": 0, "r": _BESIDE, "t": _MARGIN, "b": _MARGIN},
            annotations=_labels(energy, knots, places, tokens.muted),
        ),
    )


def _places(energy: Flow, knots: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The middle of each knot, 0 to 1 from the left and from the top."""
    layers, gap = _layers(knots), _gap(knots)
    # As the browser scales heights: so that the fullest layer just fits with its gaps.
    scale = min(
        (1 - gap * (len(layer) - 1)) / sum(energy.through(knot) for knot in layer)
        for layer in layers
    )
    found = {}
    for place, layer in enumerate(layers):
        sizes = [energy.through(knot) * scale for knot in layer]
        at = (1 - sum(sizes) - gap * (len(layer) - 1)) / 2
        for knot, size in zip(layer, sizes, strict=True):
            # Plotly takes 0 and 1 for places that are not given.
            x = min(0.999, max(0.001, place / max(1, len(layers) - 1)))
            found[knot] = x, min(0.999, max(0.001, at + size / 2))
            at += size + gap
    return found


def _layers(knots: Sequence[str]) -> list[list[str]]:
    layers = [[knot for knot in layer if knot in knots] for layer in _LAYERS]
    return [layer for layer in layers if layer]


def _gap(knots: Sequence[str]) -> float:
    """Between two knots of a layer, as a part of the height."""
    tallest = max(len(layer) for layer in _layers(knots))
    return min(_PAD / HEIGHT, 0.4 / tallest)


def _labels(
    energy: Flow, knots: Sequence[str], places: Mapping[str, tuple[float, float]], muted: str
) -> list[dict[str, Any]]:
    found = []
    step = _LINE / HEIGHT
    for layer in _LAYERS:
        mine = sorted((knot for knot in knots if knot in layer), key=lambda knot: places[knot][1])
        is_last = layer is _LAYERS[-1]
        lines = 1 if is_last else 2
        heights = _apart([places[knot][1] for knot in mine], step * lines)
        for knot, height in zip(mine, heights, strict=True):
            joules = energy.through(knot)
            if not is_last and joules < _LEAST_NAMED * energy.total:
                continue  # a line of no width: its name would be struck through by the others
            share = format_percent(joules / energy.total, digits=2)
            value = f"<span style='color:{muted}'>{format_energy(joules)}  {share}</span>"
            found.append(
                {
                    "xref": "paper",
                    "yref": "paper",
                    "x": places[knot][0],
                    "xshift": 12,
                    "y": 1 - height,
                    "text": f"{name_of(knot)}  {value}" if is_last
                    else f"<b>{name_of(knot)}</b><br>{value}",
                    "showarrow": False,
                    "xanchor": "left",
                    "yanchor": "middle",
                    "align": "left",
                    "font": {"size": theme.SMALL},
                }
            )  # fmt: skip
    return found


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Heights moved as little as needed so that no two are nearer than `least`, within 0 and 1."""
    found = list(heights)
    for place in range(1, len(found)):
        found[place] = max(found[place], found[place - 1] + least)
    if found and found[-1] > 1 - least / 2:
        found[-1] = 1 - least / 2
        for place in range(len(found) - 2, -1, -1):
            found[place] = min(found[place], found[place + 1] - least)
    return found


def _colour(knot: str, mode: Mode) -> str:
    account = next((one for one in Account if one.value == knot), None)
    if account is not None:
        return ACCOUNTS[account].colour(mode)
    if knot in ("facility_overhead", "node_overhead"):
        return NODE_OVERHEAD.colour(mode)
    if knot == "over_the_meter":
        return TOKENS[mode].warning
    return TOKENS[mode].mark


def _of_link(target: str, mode: Mode) -> str:
    is_account = target in {one.value for one in Account}
    if is_account or target in ("facility_overhead", "node_overhead", "over_the_meter"):
        return _faint(_colour(target, mode))
    return TOKENS[mode].grid


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.42)"
