"""What the map's colours mean: accounts with their counts, or the ramp with its ends."""

from __future__ import annotations

from statistics import median

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import format_number
from wattline_dashboards import words
from wattline_dashboards.components.parts import marks, swatch
from wattline_dashboards.elements import Div, Span
from wattline_dashboards.figures.views import ACCOUNT, View
from wattline_dashboards.language import _
from wattline_dashboards.picture import Picture


def legend(view: View, picture: Picture) -> Div:
    """The legend of the map as it is coloured now."""
    return _accounts(picture) if view is ACCOUNT else _ramp(view, picture)


def _accounts(picture: Picture) -> Div:
    counts = picture.counts
    return Div(
        [
            Span(
                [
                    swatch(account.value),
                    words.state(account),
                    Span(format_number(counts[account]), className="legend-count"),
                ],
                className="legend-item",
                title=words.meaning(account),
            )
            for account in Account
            if counts[account]
        ],
        className="legend",
    )


def _ramp(view: View, picture: Picture) -> Div:
    low, high = view.scale(picture)
    values = view.values(picture)
    known = [value for value in values if value is not None]
    unknown = len(values) - len(known)
    spread = (
        _("lowest {low}, median {middle}, highest {high}").format(
            low=view.format(min(known)),
            middle=view.format(median(known)),
            high=view.format(max(known)),
        )
        if known
        else _("not known for any device")
    )
    return Div(
        [
            Span(spread, className="legend-item muted", title=_(view.meaning)),
            Span(
                [
                    Span(view.format(low)),
                    Span(className="ramp", **marks(aria_hidden="true")),
                    Span(view.format(high)),
                ],
                className="legend-item",
            ),
            Span(
                [
                    swatch("unknown"),
                    _("not known"),
                    Span(format_number(unknown), className="legend-count"),
                ],
                className="legend-item",
            ),
        ],
        className="legend",
    )
