"""The KPI table: each figure with what defends it, and its explanation a key away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from wattline_collector.palette import format_number, format_percent
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.effectiveness import sums
from wattline_dashboards.components.parts import PLAIN, marks, nothing, sentence, written
from wattline_dashboards.language import N_, _
from wattline_dashboards.trust import COMFORT

STATUS = {
    "ok": N_("ok"),
    "partial": N_("partial"),
    "withheld": N_("withheld: too little was observed"),
    "unknown": N_("not known"),
}
"""A figure's status for people."""

_HEAD = (
    (N_("KPI"), False),
    (N_("Value"), True),
    (N_("Made of"), True),
    ("n", True),
    (N_("Coverage"), True),
    (N_("Method"), False),
    (N_("Status"), False),
)

_EXPLAINED = (
    ("formula", N_("Formula")),
    ("numerator", N_("Above the line")),
    ("denominator", N_("Below the line")),
    ("direction", N_("Direction")),
    ("note", N_("Note")),
    ("authority", N_("Defined by")),
    ("audience", N_("Meant for")),
    ("floor", N_("Withheld under")),
)
"""What a registry entry holds, in the order people ask for it."""

_DIRECTION = {
    "up": N_("more is better"),
    "down": N_("less is better"),
    "none": N_("neither way is better"),
}
_AUDIENCE = {"O": N_("operators"), "M": N_("management"), "J": N_("job owners")}


def kpis(figures: Sequence[Mapping[str, Any]], entries: Mapping[str, Mapping[str, Any]]) -> Any:
    """The table; `entries` are the registry's, by id."""
    if not figures:
        return nothing(_("No figure can be computed yet: nothing is booked in this period."))
    head = html.Tr(
        [
            html.Th(_(label), scope="col", className="numeric" if numeric else None)
            for label, numeric in _HEAD
        ]
    )
    rows = [
        row
        for figure in figures
        for row in (_row(figure), _explanation(figure, entries.get(str(figure.get("id")), {})))
    ]
    return html.Div(
        html.Table(
            [
                html.Caption(_("KPIs of the period"), className="hidden"),
                html.Thead(head),
                html.Tbody(rows),
            ],
            className="table kpis",
        ),
        className="table-frame",
    )


def _row(figure: Mapping[str, Any]) -> html.Tr:
    id = text(figure.get("id")) or ""
    coverage = number(figure.get("coverage"))
    thin = coverage is not None and coverage < COMFORT
    value = html.Span(
        written(number(figure.get("value")), text(figure.get("unit")) or "", plain=id in PLAIN),
        className="strong",
    )
    status = text(figure.get("status")) or ""
    cells: list[tuple[str, Any, bool]] = [
        (
            "name",
            html.Details(
                html.Summary(
                    [html.Span(id, className="kpi-id"), sentence(text(figure.get("name")) or "")],
                )
            ),
            False,
        ),
        ("value", value, True),
        ("sums", "" if figure.get("denominator") is None else sums(figure), True),
        ("n", format_number(number(figure.get("n"))), True),
        (
            "coverage",
            html.Span(format_percent(coverage), className="caution" if thin else None),
            True,
        ),
        ("method", text(figure.get("method")) or "", False),
        (
            "status",
            html.Span(status_name(status), className=None if status == "ok" else "caution"),
            False,
        ),
    ]
    attributes = marks(data_kpi=id)
    return html.Tr(
        [
            html.Td(
                content,
                className="numeric" if numeric else None,
                **marks(data_field=field),
                **attributes,
            )
            for field, content, numeric in cells
        ],
        **attributes,
    )


def _explanation(figure: Mapping[str, Any], entry: Mapping[str, Any]) -> html.Tr:
    lines = defined(entry)
    made = sums(figure)
    if made:
        lines.append((_("Sums"), made))
    lines.append((_("Coverage"), format_percent(number(figure.get("coverage")))))
    lines.append((_("Remarks"), text(figure.get("note")) or _("nothing was left out")))
    return html.Tr(
        html.Td(
            html.Dl(
                [part for label, said in lines for part in (html.Dt(label), html.Dd(said))],
                className="explanation",
            ),
            colSpan=len(_HEAD),
        ),
        className="explained",
    )


def status_name(status: str) -> str:
    """A figure's status for people; one nobody declared by its own word."""
    return _(STATUS[status]) if status in STATUS else status


def defined(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a registry entry says, line by line, each under its label."""
    return [(_(label), said) for key, label in _EXPLAINED if (said := _words(key, entry.get(key)))]


def _words(key: str, value: object) -> str:
    if key == "floor":
        floor = number(value)
        return _("a coverage of {share}").format(share=format_percent(floor)) if floor else ""
    words = text(value) or ""
    if key == "direction":
        return _(_DIRECTION[words]) if words in _DIRECTION else words
    if key == "audience":
        known = [_AUDIENCE.get(letter, letter) for letter in words.split(", ")]
        return ", ".join(_(one) for one in known if one)
    return words
