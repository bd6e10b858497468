"""Installed, offered, assigned, working: four steps, and what stands between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import UNKNOWN, format_percent
from wattline_dashboards import words
from wattline_dashboards.columns import number
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.feeds import count
from wattline_dashboards.components.parts import marks, swatch
from wattline_dashboards.language import _

_OF_STEP: dict[str, tuple[str, ...]] = {
    "working": ("busy", "slowed"),
    "assigned": ("held", "unmeasured"),
    "offered": ("free",),
    "installed": ("maintenance", "down", "silent"),
}
"""What each step has that the one below it has not, in the ledger's order."""

_KPI = {"offered": "U03", "assigned": "U01", "working": "U02"}
"""The figure of a period that a step is the present moment of."""


def ladder(devices: Mapping[str, Any]) -> html.Div:
    """A bar for each step, all of one scale; each is made of the accounts it holds.

    What silent devices do is not known, so beside some of them a step's number is the least it can
    be; where all are silent nothing is known.
    """
    told = {name: number(value) or 0 for name, value in devices.items()}
    told["busy"] = told.get("working", 0) - told.get("slowed", 0)
    installed, silent = told.get("installed", 0), told.get("silent", 0)
    names = {
        "installed": _("Installed"), "offered": _("Offered"),
        "assigned": _("Assigned"), "working": _("Working"),
    }  # fmt: skip
    held: list[str] = []
    rows = []
    for step, own in _OF_STEP.items():
        held += own
        value = told.get(step, 0)
        share = value / installed if installed else None
        label = names[step]
        shown, part = count(value), format_percent(share)
        if silent and step != "installed":
            known = silent < installed
            shown, part = (f"≥ {shown}", f"≥ {part}") if known else (UNKNOWN, "")
        rows.append(
            html.Div(
                [
                    html.Span(
                        explained(_KPI[step], label) if step in _KPI else label,
                        className="ladder-name",
                    ),
                    html.Span(shown, className="ladder-value"),
                    html.Span(
                        "" if step == "installed" else part,
                        className="ladder-share muted",
                    ),
                    html.Span(
                        [_part(name, told.get(name, 0), installed) for name in held
                         if told.get(name, 0)],
                        className="ladder-bar", **marks(aria_hidden="true"),
                    ),
                ],
                className="ladder-row",
                **marks(data_field=step),
            )
        )  # fmt: skip
    return html.Div([*reversed(rows), _legend(told)], className="ladder")


def _account(name: str) -> Account:
    return Account.UNOBSERVED if name == "silent" else Account(name)


def _label(name: str) -> str:
    return _("silent, state unknown") if name == "silent" else words.account(_account(name))


def _part(name: str, value: float, whole: float) -> html.Span:
    return html.Span(
        className=f"ladder-part swatch-{_account(name).value}",
        style={"width": f"{value / whole * 100 if whole else 0:.3f}%"},
    )


def _legend(told: Mapping[str, float]) -> html.Div:
    shown = [name for own in _OF_STEP.values() for name in own if told.get(name, 0)]
    return html.Div(
        [
            html.Span(
                [
                    swatch(_account(name).value), _label(name),
                    html.Span(count(told[name]), className="legend-count"),
                ],
                className="legend-item", title=words.meaning(_account(name)),
                **marks(data_account=_account(name).value),
            )
            for name in shown
        ],
        className="legend",
    )  # fmt: skip
