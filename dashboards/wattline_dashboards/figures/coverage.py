"""How completely each node was observed: a column per node, what is missing hatched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, TOKENS, Mode, format_percent
from wattline_dashboards import plot, theme
from wattline_dashboards.language import _
from wattline_dashboards.trust import observed

HEIGHT = 56

_FEWEST = 48
"""Columns the strip has room for at least, so that a few nodes are not slabs."""


def figure(rows: Sequence[Mapping[str, Any]], mode: Mode) -> plot.Figure:
    """The strip, nodes in order."""
    tokens = TOKENS[mode]
    shares = [observed(row) for row in rows]
    names = [escape(str(row.get("node"))) for row in rows]
    said = [format_percent(share) for share in shares]
    places = list(range(len(rows)))
    hover = "%{customdata[0]}: %{customdata[1]} " + _("observed") + "<extra></extra>"
    unobserved = ACCOUNTS[Account.UNOBSERVED]
    return plot.figure(
        [
            plot.bar(
                x=places,
                y=shares,
                marker={"color": tokens.muted, "opacity": 0.55},
                customdata=list(zip(names, said, strict=True)),
                hovertemplate=hover,
            ),
            plot.bar(
                x=places,
                y=[1 - (share or 0.0) for share in shares],
                marker={
                    "color": unobserved.colour(mode),
                    "pattern": theme.hatch(mode, "/"),
                },
                hoverinfo="skip",
            ),
        ],
        theme.layout(
            mode,
            barmode="stack",
            bargap=0.12 if len(rows) <= 200 else 0,
            xaxis=theme.bare_axis(range=[-0.5, max(len(rows), _FEWEST) - 0.5]),
            yaxis=theme.bare_axis(range=[0, 1]),
        ),
    )  # fmt: skip
