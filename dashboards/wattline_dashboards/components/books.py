"""Whether the books balance, and how complete they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from wattline_collector.palette import format_number, format_percent
from wattline_dashboards.columns import number
from wattline_dashboards.trust import COMFORT, observed

_NAMED = 4


def audit(verdict: Mapping[str, Any]) -> html.P:
    """The audit's verdict in one line."""
    hours = format_number(number(verdict.get("checked_hours")))
    if verdict.get("balanced") is True:
        return html.P(
            [html.Span("The books balance.", className="strong"), f" {hours} hours were checked."],
            className="audit",
        )
    if verdict.get("balanced") is False:
        findings = format_number(number(verdict.get("findings")))
        return html.P(
            [
                html.Span("The books do not balance.", className="caution strong"),
                f" {findings} findings in {hours} hours; ",
                html.Code("wattline audit"),
                " names them.",
            ],
            className="audit",
            role="status",
        )
    return html.P("The books have not been checked yet.", className="audit")


def completeness(rows: Sequence[Mapping[str, Any]]) -> str:
    """How completely the nodes were observed, as a sentence that names the thin ones."""
    shares = [(str(row.get("node")), observed(row)) for row in rows]
    known = [(node, share) for node, share in shares if share is not None]
    if not known:
        return "Nothing was expected of any node in this period."
    thin = sorted((pair for pair in known if pair[1] < COMFORT), key=lambda pair: pair[1])
    if not thin and len(known) == 1:
        return f"The one node was observed for {format_percent(known[0][1])} of its time."
    if not thin:
        return f"Every one of {len(known)} nodes was observed for at least 95 % of its time."
    named = ", ".join(f"{node} {format_percent(share)}" for node, share in thin[:_NAMED])
    more = f" and {len(thin) - _NAMED} more" if len(thin) > _NAMED else ""
    return (
        f"{len(thin)} of {len(known)} nodes {'was' if len(thin) == 1 else 'were'} observed "
        f"for less than 95 % of {'its' if len(thin) == 1 else 'their'} time: {named}{more}."
    )
