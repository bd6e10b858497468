"""Where the joules went: by account, inside a stated boundary."""

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

HEIGHT = 312
"""Pixels: as high as the waterfall it stands beside."""
OVERHEAD = "node_overhead"
_JOULES_PER_WATT_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Split:
    """Energy of a period, every joule once.

    Attributes:
        boundary: `gpu`, `node`, or empty if nothing was metered.
        devices: Joules the devices' own meters saw, by account.
        beyond: Joules of the nodes beyond that, by account; at the gpu boundary there are none.
        overhead: Joules of nodes beyond their devices that no account can be given for.
    """

    boundary: str
    devices: Mapping[Account, float]
    beyond: Mapping[Account, float]
    overhead: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.devices.values()) + sum(self.beyond.values()) + self.overhead


def split(rows: Sequence[Mapping[str, Any]]) -> Split:
    """Put the boundaries together without counting a joule twice.

    A node's energy contains its devices'. Where every account's node energy covers its devices',
    the difference is shown behind them; where only some nodes are metered it does not, and the
    nodes' overhead stands by itself.
    """
    at: dict[tuple[str, str], float] = {}
    for row in rows:
        joules = number(row.get("energy_joules"))
        if joules is not None:
            at[str(row.get("boundary")), str(row.get("account"))] = joules
    devices = {a: at["gpu", a.value] for a in Account if ("gpu", a.value) in at}
    nodes = {a: at["node", a.value] for a in Account if ("node", a.value) in at}
    overhead = at.get(("node", OVERHEAD), 0.0)
    if not nodes and not overhead:
        return Split("gpu" if devices else "", devices, {}, 0.0)
    if all(joules <= nodes.get(a, 0.0) * 1.0001 for a, joules in devices.items()):
        beyond = {a: max(0.0, joules - devices.get(a, 0.0)) for a, joules in nodes.items()}
        return Split("node", devices, beyond, 0.0)
    return Split("gpu", devices, {}, max(0.0, overhead))


def figure(energy: Split, mode: Mode) -> plot.Figure:
    """A bar per account; what nodes used beyond their devices stands behind in grey."""
    tokens = TOKENS[mode]
    if not energy.total:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    shown = [a for a in Account if energy.devices.get(a) or energy.beyond.get(a)]
    names = [words.account(a) for a in shown]
    if energy.overhead:
        names.append(words.node_overhead())
    total = energy.total
    sums = [energy.devices.get(a, 0.0) + energy.beyond.get(a, 0.0) for a in shown]
    ends = [*sums, energy.overhead] if energy.overhead else sums
    grey = [
        *(energy.beyond.get(a, 0.0) for a in shown),
        *([energy.overhead] if energy.overhead else []),
    ]
    traces = [
        plot.bar(
            y=names[: len(shown)],
            x=[energy.devices.get(a, 0.0) / _JOULES_PER_WATT_HOUR for a in shown],
            orientation="h",
            marker={
                "color": [ACCOUNTS[a].colour(mode) for a in shown],
                "pattern": theme.hatch(mode, ["/" if ACCOUNTS[a].hatched else "" for a in shown]),
            },
            customdata=[format_energy(energy.devices.get(a, 0.0)) for a in shown],
            hovertemplate="%{y}: %{customdata} " + _("in devices") + "<extra></extra>",
        ),
        plot.bar(
            y=names,
            x=[joules / _JOULES_PER_WATT_HOUR for joules in grey],
            orientation="h",
            name=OVERHEAD,
            marker={"color": NODE_OVERHEAD.colour(mode), "opacity": 0.55},
            customdata=[format_energy(joules) for joules in grey],
            hovertemplate="%{y}: %{customdata} "
            + _("in nodes beyond their devices")
            + "<extra></extra>",
        ),
    ]
    longest = max(ends, default=0.0) / _JOULES_PER_WATT_HOUR
    return plot.figure(
        traces,
        theme.layout(
            mode,
            barmode="stack",
            bargap=0.34,
            annotations=[
                {
                    "x": end / _JOULES_PER_WATT_HOUR + longest * 0.02,
                    "y": name,
                    "text": f"<b>{format_energy(end)}</b>  {format_percent(end / total)}",
                    "showarrow": False,
                    "xanchor": "left",
                    "font": {"size": theme.SMALL},
                }
                for name, end in zip(names, ends, strict=True)
            ],
            xaxis=theme.bare_axis(range=[0, max(longest, 1e-9) * 1.6]),
            yaxis=theme.axis(
                mode, autorange="reversed", showgrid=False, ticklabelstandoff=8,
                tickfont={"size": theme.TEXT, "color": tokens.text},
            ),
        ),
    )  # fmt: skip
