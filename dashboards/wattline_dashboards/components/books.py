"""Whether the books balance, and how complete they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from wattline_collector.palette import format_number, format_percent
from wattline_dashboards.columns import number
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.trust import COMFORT, observed

_NAMED = 4


def audit(verdict: Mapping[str, Any]) -> html.P:
    """The audit's verdict in one line."""
    hours = format_number(number(verdict.get("checked_hours")))
    if verdict.get("balanced") is True:
        return html.P(
            [
                html.Span(_("The books balance."), className="strong"),
                " " + _("{n} hours were checked.").format(n=hours),
            ],
            className="audit",
        )
    if verdict.get("balanced") is False:
        findings = format_number(number(verdict.get("findings")))
        return html.P(
            [
                html.Span(_("The books do not balance."), className="caution strong"),
                " " + _("{count} findings in {n} hours; named by").format(count=findings, n=hours),
                " ",
                html.Code("wattline audit"),
                ".",
            ],
            className="audit",
            role="status",
        )
    return html.P(_("The books have not been checked yet."), className="audit")


def completeness(rows: Sequence[Mapping[str, Any]]) -> str:
    """How completely the nodes were observed, as a sentence that names the thin ones."""
    shares = [(str(row.get("node")), observed(row)) for row in rows]
    known = [(node, share) for node, share in shares if share is not None]
    if not known:
        return _("Nothing was expected of any node in this period.")
    thin = sorted((pair for pair in known if pair[1] < COMFORT), key=lambda pair: pair[1])
    if not thin and len(known) == 1:
        said = _("The one node was observed for {share} of its time.")
        return said.format(share=format_percent(known[0][1]))
    if not thin:
        said = _("Every one of {n} nodes was observed for at least 95 % of its time.")
        return said.format(n=len(known))
    named = ", ".join(f"{node} {format_percent(share)}" for node, share in thin[:_NAMED])
    if len(thin) > _NAMED:
        named += _(" and {n} more").format(n=len(thin) - _NAMED)
    return ngettext(
        "{n} of {all} nodes was observed for less than 95 % of its time: {names}.",
        "{n} of {all} nodes were observed for less than 95 % of their time: {names}.",
        len(thin),
    ).format(n=len(thin), all=len(known), names=named)
