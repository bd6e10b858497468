"""A figure that opens its explanation: what it is made of, by which formula, from what authority.

The button names the KPI; the one dialog of the shell asks the collector and shows the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html

from wattline_collector.palette import format_number, format_percent, format_value
from wattline_dashboards import markup
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.effectiveness import sums
from wattline_dashboards.components.kpis import defined, status_name
from wattline_dashboards.components.parts import marks, nothing, sentence
from wattline_dashboards.components.said import said
from wattline_dashboards.context import Context
from wattline_dashboards.language import _

_MOST_PARTS = 24
"""Figures of one KPI that the dialog shows."""


def explained(kpi: str, shown: Any, label: str = "") -> html.Button:
    """`shown` as a button that opens the explanation of a KPI.

    Works both where Dash draws and in parts that travel through `markup`.

    Args:
        kpi: Its id, such as `S10`.
        shown: What stands on the button: the figure, or the KPI's name.
        label: What a screen reader says in place of it.
    """
    title = _("Explain {kpi}").format(kpi=kpi)
    more = marks(aria_label=f"{label}. {title}") if label else {}
    return html.Button(
        shown, className="explained-figure", title=title, type="button",
        **marks(data_explain=kpi), **more,
    )  # fmt: skip


def dialog() -> html.Dialog:
    """Where explanations are shown."""
    return html.Dialog(
        [
            dcc.Store(id="shell-explain"),
            markup.store("shell-explanation"),
            html.Div(id="shell-explanation", className="explanation-body"),
            html.Form(
                html.Button(_("Close"), className="button"), method="dialog", className="closing"
            ),
        ],
        id="shell-dialog",
        className="dialog",
        **marks(aria_labelledby="shell-explanation-title"),
    )


def register(app: Dash, context: Context) -> None:
    """Have buttons open the dialog, and the dialog ask."""

    def fill(wanted: object, picked: object) -> dict[str, Any]:
        kpi = str(wanted.get("kpi") or "")[:20] if isinstance(wanted, Mapping) else ""
        if not kpi:
            return {}
        asked = context.asked(picked)
        query = [("id", kpi), *(asked.query if asked else ())]
        parts = explanation(kpi, context.answers.explain(kpi), context.answers.ask(_PATH, query))
        return markup.drawing({"shell-explanation": parts})

    app.callback(
        Output("shell-explanation-drawing", "data"),
        Input("shell-explain", "data"),
        State("shell-asked", "data"),
        prevent_initial_call=True,
    )(fill)
    app.clientside_callback(
        ClientsideFunction("wattline", "explain"), Input("shell-explanation-drawing", "data")
    )


_PATH = "/v1/figure"


def explanation(kpi: str, entry: Answer, figure: Answer) -> list[Any]:
    """What the dialog shows.

    Args:
        kpi: The KPI's id.
        entry: `/v1/explain/{id}`.
        figure: `/v1/figure`; refused where the reader may see definitions alone.
    """
    defines = entry.value or {}
    name = sentence(text(defines.get("name")) or kpi)
    head = html.H2([html.Span(kpi, className="kpi-id"), name], id="shell-explanation-title")
    if entry.value is None:
        why = entry.error or _("The collector has not answered yet.")
        return [head, nothing(why)]
    rows = (figure.value or {}).get("figures") or ()
    found = [row for row in rows if isinstance(row, Mapping)]
    shown: list[Any] = [_figure(row) for row in found[:_MOST_PARTS]]
    if len(found) > _MOST_PARTS:
        more = _("{count} more: wattline kpi --by shows them.")
        shown.append(html.P(more.format(count=len(found) - _MOST_PARTS), className="muted"))
    return [head, *shown, _lines(defined(defines))]


def _figure(row: Mapping[str, Any]) -> html.Div:
    dims = row.get("dims")
    named = dims if isinstance(dims, Mapping) else {}
    status = text(row.get("status")) or ""
    low, high, unit = number(row.get("low")), number(row.get("high")), text(row.get("unit")) or ""
    between = ""
    if low is not None and high is not None:
        between = _("{low} to {high}").format(
            low=format_value(low, unit), high=format_value(high, unit)
        )
    lines = [
        (_("Made of"), "" if row.get("denominator") is None else sums(row)),
        (_("Between"), between),
        ("n", format_number(number(row.get("n")))),
        (_("Coverage"), format_percent(number(row.get("coverage")))),
        (_("Method"), text(row.get("method")) or ""),
        (_("Status"), status_name(status)),
        (_("Remarks"), text(row.get("note")) or ""),
    ]  # fmt: skip
    value = html.P(format_value(number(row.get("value")), unit), className="explained-value")
    of = " · ".join(f"{name} {value}" for name, value in named.items())
    return html.Div([html.P(of, className="muted") if of else None, value, _lines(lines)])


def _lines(lines: Sequence[tuple[str, str]]) -> html.Dl:
    return html.Dl(
        [
            part
            for label, words in lines
            if words
            for part in (html.Dt(label), html.Dd(said(words)))
        ],
        className="explanation",
    )
