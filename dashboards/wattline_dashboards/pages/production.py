"""What a period made and what it cost: effectiveness, losses, energy, tokens, KPIs, jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update

from wattline_collector.palette import TOKEN_KINDS, Mode
from wattline_dashboards import exports, markup, theme, words
from wattline_dashboards.access.audit import Seen
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import books, compared, findings, notice, stats
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.effectiveness import equation
from wattline_dashboards.components.jobs import jobs
from wattline_dashboards.components.kpis import kpis
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import sentence, swatch
from wattline_dashboards.context import Context
from wattline_dashboards.figures import coverage, days, energy, life, moments, waterfall
from wattline_dashboards.language import N_, _
from wattline_dashboards.times import parsed

PATH = "/production"
TITLE = N_("Production")
GROUP = "management"
PICKERS = ("period", "system")
_UTC = ZoneInfo("UTC")
EVERY_MS = 15_000
"""As often as the collector brings its books up to date."""
KEPT_SECONDS = 60.0
"""What is compared is of two periods, which takes the collector twice as long."""


def layout(**_query: Any) -> html.Div:
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
                    html.Section(
                        [
                            html.Div(id="production-headline"),
                            html.P(id="production-before", className="muted note"),
                        ],
                        id="production-made",
                        className="span-all",
                    ),
                    chart("production-losses", waterfall.HEIGHT, class_name="area-losses"),
                    chart("production-energy", energy.HEIGHT, class_name="area-energy"),
                    chart("production-days", days.HEIGHT, class_name="area-days"),
                    html.Div(
                        chart("production-life", life.HEIGHT),
                        id="production-stages",
                        className="area-life",
                    ),
                    _listing("kpis", _("KPIs")),
                    _listing("jobs", _("Jobs")),
                    html.Section(
                        [
                            html.H2(_("Data quality")),
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


def _listing(name: str, title: str) -> html.Section:
    return html.Section(
        [
            html.Div(
                [html.H2(title), files(f"production-{name}", picture=False)],
                className="section-head",
            ),
            html.Div(id=f"production-{name}"),
        ],
        className=f"area-{name}",
    )


def _token_legend() -> html.Div:
    return html.Div(
        [
            html.Span([swatch(kind), words.tokens(kind)], className="legend-item")
            for kind in TOKEN_KINDS
        ],
        className="legend",
    )


Explain = Callable[[str], Mapping[str, Any] | None]


def render(
    answer: Answer,
    explain: Explain,
    mode: Mode,
    beside: Mapping[str, Any] | None = None,
    zone: ZoneInfo = _UTC,
) -> dict[str, Any]:
    """All that an overview fills, by name; `parts` are components by the id they fill.

    Args:
        answer: An overview.
        explain: How a KPI is defined, by its id.
        mode: Light or dark.
        beside: `/v1/production`: targets, the time before, and the life cycle; None: not known yet.
        zone: The site's.
    """
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
    more = beside or {}
    known = stats.listed(more, "compared")
    stages = stats.listed(more, "life_days")
    parts |= {
        "production-answer": findings.answer(overview, figures),
        "production-scope": findings.scope(overview, figures),
        "production-equation": equation(figures, compared.by_id(known)) if devices else None,
        "production-headline": compared.headline(known),
        "production-before": _before(more, zone),
        "production-life-finding": life.finding(stats.listed(more, "life_cycle")),
        "production-life-note": _("GPU-hours that jobs held, by the stage of a model's life."),
        "production-life-legend": _stage_legend(stages, mode) if stages else None,
        "production-losses-finding": findings.losses(accounts),
        "production-losses-note": _("GPU-hours left after each step, and what took the others."),
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
        "life": life.figure(stages, mode, zone),
        "no_life": all(number(row.get("numerator")) is None for row in stages),
        "no_made": not known,
        "coverage": coverage.figure(nodes, mode),
    }


def _stage_legend(rows: Sequence[Mapping[str, Any]], mode: Mode) -> html.Div:
    return html.Div(
        [
            html.Span(
                [html.Span(className="swatch", style={"backgroundColor": colour}), label],
                className="legend-item",
            )
            for label, colour in life.names(rows, mode).values()
        ],
        className="legend",
    )


def _before(more: Mapping[str, Any], zone: ZoneInfo) -> list[Any] | None:
    """Which period `before` is, and why the two may be unlike."""
    bounds = [parsed(text((more.get("previous") or {}).get(name))) for name in ("from", "to")]
    first, last = (None if at is None else at.timestamp() * 1000 for at in bounds)
    if first is None or last is None:
        return None
    parts: list[Any] = [_("Before: "), moment(first, zone), _(" to "), moment(last, zone), "."]
    return [*parts, *(f" {sentence(str(said)[:300])}." for said in more.get("unlike") or ())]


OUTPUTS = {
    "parts": Output("production-drawing", "data"),
    "class": Output("production-page", "className"),
    "losses": Output("production-losses", "figure"),
    "energy": Output("production-energy", "figure"),
    "no_energy": Output("production-energy-place", "hidden"),
    "days": Output("production-days", "figure"),
    "no_days": Output("production-days-place", "hidden"),
    "life": Output("production-life", "figure"),
    "no_life": Output("production-stages", "hidden"),
    "no_made": Output("production-made", "hidden"),
    "coverage": Output("production-coverage", "figure"),
}


def sheet(
    name: str, overview: Mapping[str, Any], beside: Mapping[str, Any]
) -> exports.Sheet | None:
    """The rows behind one of the page's parts, in base units."""
    if name == "life":
        rows = [
            (moments.iso(number(row.get("at_unix_ms"))), row.get("stage"), row.get("numerator"))
            for row in stats.listed(beside, "life_days")
        ]
        return exports.Sheet("production-life", ("day (UTC)", "stage", "held (GPU-h)"), rows)
    if name == "kpis":
        return stats.sheet("production-kpis", stats.listed(overview))
    table = _TABLES[name]
    columns = list(table.values())
    found = stats.listed(overview, _SOURCES[name])
    listed = [[row.get(key) for key in table] for row in found]
    return exports.Sheet(f"production-{name}", columns, listed)


_SOURCES = {"losses": "accounts", "energy": "energy", "days": "days", "jobs": "jobs"}
_TABLES: Mapping[str, Mapping[str, str]] = {
    "losses": {"account": "account", "device_hours": "time (GPU-h)"},
    "energy": {"boundary": "boundary", "account": "account", "energy_joules": "energy (J)"},
    "days": {
        "day": "day",
        "tokens_trained": "trained on (tok)",
        "tokens_prompt": "prompt (tok)",
        "tokens_generated": "generated (tok)",
        "energy_joules": "energy (J)",
        "coverage": "coverage",
    },
    "jobs": {
        "system": "system",
        "job": "job",
        "name": "name",
        "kind": "kind",
        "state": "state",
        "start": "start",
        "end": "end",
        "devices": "devices",
        "device_hours": "time (GPU-h)",
        "tokens": "tokens (tok)",
        "energy_joules": "energy (J)",
        "boundary": "boundary",
        "tokens_per_joule": "tokens per joule (tok/J)",
        "sm_active_ratio": "activity",
        "held_hours": "held (GPU-h)",
        "coverage": "coverage",
    },
}
"""Columns of a file by the key of a row."""


def seen(overview: Mapping[str, Any]) -> list[Seen]:
    """The jobs that are listed; the overview does not say whose they are."""
    listed = stats.listed(overview, "jobs")
    return [Seen(str(row.get("system")), str(row.get("job")), None) for row in listed]


def register(app: Dash, context: Context) -> None:
    """Connect the page."""
    answers = context.answers

    def explain(id: str) -> Mapping[str, Any] | None:
        return answers.explain(id).value

    def asked(picked: object, page: str = "production") -> tuple[Answer, Mapping[str, Any]] | None:
        """The overview, and what stands beside it; of one system both come together."""
        pick = context.asked(picked)
        if pick is None:
            return None
        query = [*pick.query, *([("system", pick.system)] if pick.system else [])]
        beside = answers.ask("/v1/production", query, KEPT_SECONDS)
        more = beside.value or {}
        if pick.system is None:
            return context.told(answers.overview(pick.start, pick.end), page, seen), more
        whole = more.get("overview")
        found = replace(beside, value=whole if isinstance(whole, Mapping) else None)
        return context.told(found, page, seen), more

    def fill(_tick: int | None, picked: object, mode: str) -> dict[str, Any]:
        found = asked(picked)
        if found is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(found[0], explain, theme.mode_named(mode), found[1], context.zone)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def sheet_of(name: str) -> Callable[[object], exports.Sheet | None]:
        def made(picked: object) -> exports.Sheet | None:
            found = asked(picked, "production, saved" if name == "jobs" else "production")
            if found is None or found[0].value is None:
                return None
            return sheet(name, found[0].value, found[1])

        return made

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
    for name in ("losses", "energy", "days", "life", "kpis", "jobs"):
        exports.connect(app, f"production-{name}", [Input("shell-asked", "data")], sheet_of(name))
