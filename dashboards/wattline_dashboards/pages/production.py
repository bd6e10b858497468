"""What a period made and what it cost: effectiveness, losses, energy, tokens, KPIs, jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update

from wattline_collector.palette import TOKEN_KINDS, Mode
from wattline_dashboards import markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import books, findings, notice
from wattline_dashboards.components.effectiveness import equation
from wattline_dashboards.components.jobs import jobs
from wattline_dashboards.components.kpis import kpis
from wattline_dashboards.components.parts import sentence, swatch
from wattline_dashboards.context import Context
from wattline_dashboards.figures import coverage, days, energy, waterfall

PATH = "/production"
TITLE = "Production"
GROUP = "management"
PICKERS = ("period",)
EVERY_MS = 15_000
"""As often as the collector brings its books up to date."""


def layout(**_: Any) -> html.Div:
    """The page before its figures."""
    return html.Div(
        [
            dcc.Interval(id="production-tick", interval=EVERY_MS),
            markup.store("production"),
            html.Div(id="production-notice"),
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(id="production-answer"),
                            html.P(id="production-scope", className="scope"),
                        ],
                        className="answer",
                    ),
                    html.Section(id="production-equation", className="span-all"),
                    _plot("losses", waterfall.HEIGHT),
                    _plot("energy", energy.HEIGHT),
                    _plot("days", days.HEIGHT),
                    html.Section(
                        [html.H2("KPIs"), html.Div(id="production-kpis")], className="area-kpis"
                    ),
                    html.Section(
                        [html.H2("Jobs"), html.Div(id="production-jobs")], className="area-jobs"
                    ),
                    html.Section(
                        [
                            html.H2("Data quality"),
                            html.P(id="production-completeness"),
                            dcc.Graph(
                                id="production-coverage",
                                config=theme.GRAPH_CONFIG,
                                style={"height": f"{coverage.HEIGHT}px"},
                            ),
                            html.Div(id="production-audit"),
                        ],
                        className="span-all",
                    ),
                ],
                id="production-page",
                className="drawn production waiting",
            ),
        ]
    )


def _plot(name: str, height: int) -> html.Section:
    return html.Section(
        [
            html.H2(id=f"production-{name}-finding"),
            html.P(id=f"production-{name}-note", className="muted note"),
            html.Div(id=f"production-{name}-legend"),
            html.Div(
                dcc.Graph(
                    id=f"production-{name}",
                    config=theme.GRAPH_CONFIG,
                    style={"height": f"{height}px"},
                ),
                id=f"production-{name}-place",
            ),
        ],
        className=f"area-{name}",
    )


def _token_legend() -> html.Div:
    return html.Div(
        [
            html.Span([swatch(kind), style.label], className="legend-item")
            for kind, style in TOKEN_KINDS.items()
        ],
        className="legend",
    )


Explain = Callable[[str], Mapping[str, Any] | None]


def render(answer: Answer, explain: Explain, mode: Mode) -> dict[str, Any]:
    """All that an overview fills, by name; `parts` are components by the id they fill."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"production-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn production waiting"}
    overview = answer.value
    rows = [row for row in overview.get("figures") or () if isinstance(row, Mapping)]
    figures = {str(row.get("id")): row for row in rows}
    split = energy.split(overview.get("energy") or ())
    per_day = overview.get("days") or ()
    accounts = overview.get("accounts") or ()
    nodes = overview.get("coverage") or ()
    # A collector that is away would be waited for once per KPI.
    asked = figures if answer.error is None else ()
    entries = {id: entry for id in asked if (entry := explain(id)) is not None}
    devices, counted = bool(overview.get("devices")), bool(days.total(per_day))
    parts |= {
        "production-answer": findings.answer(overview, figures),
        "production-scope": findings.scope(overview, figures),
        "production-equation": equation(figures) if devices else None,
        "production-losses-finding": findings.losses(accounts),
        "production-losses-note": "GPU-hours left after each step, and what took the others.",
        "production-energy-finding": findings.energy(split),
        "production-energy-note": findings.energy_boundary(split),
        "production-days-finding": findings.tokens(per_day),
        "production-days-legend": _token_legend() if counted else None,
        "production-kpis": kpis(rows, entries),
        "production-jobs": jobs(overview.get("jobs") or ()),
        "production-completeness": books.completeness(nodes),
        "production-audit": [
            books.audit(overview.get("audit") or {}),
            *(
                html.P(f"{sentence(str(note))}.", className="muted")
                for note in overview.get("notes") or ()
            ),
        ],
    }
    return changes | {
        "class": notice.stale_class(answer) + " production" + ("" if devices else " hosts-only"),
        "losses": waterfall.figure(overview.get("waterfall") or (), accounts, mode),
        "energy": energy.figure(split, mode),
        "no_energy": not split.total,
        "days": days.figure(per_day, mode),
        "no_days": not counted,
        "coverage": coverage.figure(nodes, mode),
    }


OUTPUTS = {
    "parts": Output("production-drawing", "data"),
    "class": Output("production-page", "className"),
    "losses": Output("production-losses", "figure"),
    "energy": Output("production-energy", "figure"),
    "no_energy": Output("production-energy-place", "hidden"),
    "days": Output("production-days", "figure"),
    "no_days": Output("production-days-place", "hidden"),
    "coverage": Output("production-coverage", "figure"),
}


def register(app: Dash, context: Context) -> None:
    """Connect the page."""
    answers = context.answers

    def explain(id: str) -> Mapping[str, Any] | None:
        return answers.explain(id).value

    def fill(_: int | None, picked: object, mode: str) -> dict[str, Any]:
        asked = context.asked(picked)
        if asked is None:
            return dict.fromkeys(OUTPUTS, no_update)
        answer = answers.overview(asked.start, asked.end)
        changes = render(answer, explain, theme.mode_named(mode))
        return changes | {"parts": markup.drawing(changes["parts"])}

    app.clientside_callback(
        ClientsideFunction("wattline", "draw"), Input("production-drawing", "data")
    )
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("production-tick", "n_intervals"),
            Input("shell-asked", "data"),
            Input("shell-mode", "data"),
        ],
    )(fill)
