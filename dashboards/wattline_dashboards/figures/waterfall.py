"""Where the GPU-hours went: what is left after each step, and what each step took away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    ACCOUNTS,
    THIN_SPACE,
    TOKENS,
    UNKNOWN,
    Mode,
    format_number,
    format_percent,
)
from wattline_dashboards import plot, theme, words
from wattline_dashboards.columns import number
from wattline_dashboards.language import _

TAKEN: Mapping[str, tuple[Account, ...]] = {
    "installed": (),
    "planned": (Account.MAINTENANCE,),
    "offered": (Account.DOWN, Account.UNOBSERVED),
    "assigned": (Account.FREE,),
    "working": (Account.HELD, Account.UNMEASURED),
    "unthrottled": (Account.SLOWED,),
    "kept": (Account.LOST,),
}
"""The steps in order, and the accounts that each takes away."""

HEIGHT = 312
"""Pixels: a bar and two lines of text for each of seven steps."""
_LABEL_SHARE = 0.7
"""Room right of the longest bar for the labels, as a share of it."""


def figure(
    steps: Sequence[Mapping[str, Any]], accounts: Sequence[Mapping[str, Any]], mode: Mode
) -> plot.Figure:
    """One bar per step, what is left in ink and what was taken in its account's colour."""
    left = {str(step.get("step")): number(step.get("device_hours")) for step in steps}
    hours = {str(row.get("account")): number(row.get("device_hours")) for row in accounts}
    installed = left.get("installed") or 0.0
    tokens = TOKENS[mode]
    names, called = list(TAKEN), step_names()
    traces = [
        plot.bar(
            y=names,
            x=[left.get(name) for name in names],
            orientation="h",
            marker={
                "color": [
                    ACCOUNTS[Account.BUSY].colour(mode) if name == "kept" else tokens.mark
                    for name in names
                ],
            },
            hovertemplate="%{customdata}<extra></extra>",
            customdata=[
                f"{called[name]}: {format_number(left.get(name), 'GPU-h')}" for name in names
            ],
        )
    ]
    for step, taken in TAKEN.items():
        for account in taken:
            style = ACCOUNTS[account]
            traces.append(
                plot.bar(
                    y=[step],
                    x=[hours.get(account.value)],
                    orientation="h",
                    name=account.value,
                    marker={
                        "color": style.colour(mode),
                        "pattern": theme.hatch(mode, "/" if style.hatched else ""),
                    },
                    hovertemplate=f"{words.account(account)}: %{{customdata}}<extra></extra>",
                    customdata=[format_number(hours.get(account.value), "GPU-h")],
                )
            )
    return plot.figure(
        traces,
        theme.layout(
            mode,
            barmode="stack",
            bargap=0.34,
            annotations=[
                _label(name, left, hours, installed, mode) for name in names if installed > 0
            ],
            xaxis=theme.bare_axis(range=[0, max(installed, 1e-9) * (1 + _LABEL_SHARE)]),
            yaxis=theme.axis(
                mode, autorange="reversed", showgrid=False, ticklabelstandoff=8,
                tickfont={"size": theme.TEXT, "color": tokens.text},
                tickvals=names, ticktext=[called[name] for name in names],
            ),
        ),
    )  # fmt: skip


def step_names() -> dict[str, str]:
    """What each step is called."""
    return {
        "installed": _("installed"), "planned": _("planned"), "offered": _("offered"),
        "assigned": _("assigned"), "working": _("working"), "unthrottled": _("unthrottled"),
        "kept": _("kept"),
    }  # fmt: skip


def _label(
    step: str,
    left: Mapping[str, float | None],
    hours: Mapping[str, float | None],
    installed: float,
    mode: Mode,
) -> dict[str, Any]:
    """What is left, and beside it what was taken, right of the bar."""
    remains = left.get(step)
    place = list(TAKEN).index(step)
    before = installed if place == 0 else left.get(list(TAKEN)[place - 1])
    share = (
        ""
        if remains is None or step == "installed"
        else f" {THIN_SPACE}{_share(remains, installed)}"
    )
    said = f"<b>{format_number(remains, 'GPU-h')}</b>{share}"
    # What nobody measured may have been worked in: what is left of it is the least there was.
    unmeasured = hours.get(Account.UNMEASURED.value) or 0.0
    if remains is not None and unmeasured and place >= list(TAKEN).index("working"):
        said = f"≥{THIN_SPACE}{said}" if remains else UNKNOWN
    taken = [(account, hours.get(account.value)) for account in TAKEN[step]]
    losses = ", ".join(
        f"{words.account(account)} {format_percent(lost / installed)}"
        for account, lost in taken
        if lost
    )
    if losses:
        muted = TOKENS[mode].muted
        less = _("less {losses}").format(losses=escape(losses))
        said += f"<br><span style='color:{muted}'>{THIN_SPACE}{less}</span>"
    return {
        "x": (before or remains or 0.0) + installed * 0.012,
        "y": step,
        "text": said if remains is not None else UNKNOWN,
        "showarrow": False,
        "xanchor": "left",
        "align": "left",
        "font": {"size": theme.SMALL},
    }


def _share(value: float, whole: float) -> str:
    return format_percent(value / whole)
