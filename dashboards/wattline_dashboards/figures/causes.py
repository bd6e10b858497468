"""GPU-hours by cause: what incidents took, and how jobs ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, TOKENS, Mode, format_number, format_percent
from wattline_dashboards import plot, theme
from wattline_dashboards.columns import number
from wattline_dashboards.components.incidents import cause_name
from wattline_dashboards.language import _, ngettext

ROW = 40


def height(rows: int) -> int:
    """Pixels that so many rows need."""
    return max(rows, 3) * ROW + 8


def incidents(rows: Sequence[Mapping[str, Any]], mode: Mode) -> plot.Figure:
    """A bar per cause, planned work in maintenance's colour, the others in downtime's."""
    names = [
        cause_name(row.get("cause")) + (_(", planned") if row.get("scheduled") else "")
        for row in rows
    ]
    colours = [
        ACCOUNTS[Account.MAINTENANCE if row.get("scheduled") else Account.DOWN].colour(mode)
        for row in rows
    ]
    said = []
    for row in rows:
        count = int(number(row.get("count")) or 0)
        several = ngettext("{count} incident, {hours}", "{count} incidents, {hours}", count)
        many = several.format(count=count, hours=format_number(number(row.get("hours")), "h"))
        taken = number(row.get("gpu_hours"))
        said.append(f"<b>{format_number(taken, 'GPU-h')}</b>  {many}")
    return _bars(names, [number(row.get("gpu_hours")) for row in rows], colours, said, mode)


def outcomes(figures: Sequence[Mapping[str, Any]], mode: Mode) -> plot.Figure:
    """A07: GPU-hours of jobs by why they ended; those the infrastructure ended stand out."""
    tokens = TOKENS[mode]
    ordered = sorted(figures, key=lambda one: -(number(one.get("numerator")) or 0.0))
    colours = [
        ACCOUNTS[Account.LOST].colour(mode) if _cause(one) == "infra" else tokens.mark
        for one in ordered
    ]
    said = []
    for one in ordered:
        value, jobs = number(one.get("value")), int(number(one.get("n")) or 0)
        share = format_percent(None if value is None else value / 100)
        many = ngettext("{count} job", "{count} jobs", jobs).format(count=format_number(jobs))
        hours = format_number(number(one.get("numerator")), "GPU-h")
        said.append(f"<b>{share}</b>  {hours}, {many}")
    names = [outcome_name(_cause(one)) for one in ordered]
    return _bars(names, [number(one.get("numerator")) for one in ordered], colours, said, mode)


def outcome_name(cause: str) -> str:
    """Why a job ended, for people."""
    named = {
        "ok": _("Completed"),
        "user": _("Failed or cancelled"),
        "timeout": _("Out of time"),
        "preempt": _("Made to give way"),
        "infra": _("Ended by the infrastructure"),
    }
    return named.get(cause, cause[:40])


def _cause(figure: Mapping[str, Any]) -> str:
    dims = figure.get("dims")
    return str(dims.get("cause")) if isinstance(dims, Mapping) else ""


def _bars(
    names: Sequence[str],
    values: Sequence[float | None],
    colours: Sequence[str],
    said: Sequence[str],
    mode: Mode,
) -> plot.Figure:
    if not names:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    longest = max((value for value in values if value is not None), default=0.0)
    places = list(range(len(names)))
    return plot.figure(
        plot.bar(
            y=places, x=values, orientation="h", width=0.5, marker={"color": list(colours)},
            customdata=[f"{escape(n)}: {s}" for n, s in zip(names, said, strict=True)],
            hovertemplate="%{customdata}<extra></extra>",
        ),
        theme.layout(
            mode,
            annotations=[
                {"x": (values[place] or 0.0) + longest * 0.02, "y": place, "text": said[place],
                 "showarrow": False, "xanchor": "left", "font": {"size": theme.SMALL}}
                for place in places
            ],
            xaxis=theme.bare_axis(range=[0, max(longest, 1e-9) * 2.4]),
            yaxis=theme.axis(
                mode, range=[max(len(names), 3) - 0.5, -0.5], tickvals=places,
                ticktext=[escape(name) for name in names], showgrid=False, ticklabelstandoff=8,
                tickfont={"size": theme.TEXT, "color": TOKENS[mode].text},
            ),
        ),
    )  # fmt: skip
