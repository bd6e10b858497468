"""Reliability: what was out, since when and why, what it took, and who fails more than others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update

from wattline_collector.palette import Mode, format_number, format_percent
from wattline_dashboards import exports, markup, theme, words
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import incidents, notice, period_line, pickers, stats
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.parts import marks, swatch
from wattline_dashboards.components.stats import Figure, Wanted
from wattline_dashboards.context import Asked, Context
from wattline_dashboards.figures import causes, hours, moments
from wattline_dashboards.language import N_, _, ngettext

PATH = "/reliability"
TITLE = N_("Reliability")
GROUP = "management"
PICKERS = ("period", "system")
EVERY_MS = 15_000
KEPT_SECONDS = 60.0
WARNING_SECONDS = 600.0
"""Early warning reads every reading of a month: what it names does not change by the minute."""
BY = ("whole", "node")


def layout(by: str | None = None, **_query: Any) -> html.Div:
    """The page before its figures; the address may say whether nodes are told apart."""
    return html.Div(
        [
            dcc.Interval(id="reliability-tick", interval=EVERY_MS),
            markup.store("reliability"),
            dcc.Store(id="reliability-warned"),
            html.Div(id="reliability-notice"),
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(id="reliability-answer"),
                            html.P(id="reliability-scope", className="scope"),
                        ],
                        className="answer",
                    ),
                    html.Section(id="reliability-figures", className="span-all"),
                    html.Div(
                        [
                            html.Div(
                                dcc.RadioItems(
                                    id="reliability-by",
                                    options=[
                                        {"label": _("Whole"), "value": "whole"},
                                        {"label": _("By node"), "value": "node"},
                                    ],
                                    value=by if by in BY else BY[0],
                                    className="segments",
                                    inline=True,
                                ),
                                className="controls",
                                role="group",
                                **marks(aria_label=_("Told apart by")),
                            ),
                            chart("reliability-strip", 320),
                        ],
                        className="area-strip",
                    ),
                    chart("reliability-causes", causes.height(3), class_name="area-causes"),
                    chart("reliability-outcomes", causes.height(5), class_name="area-outcomes"),
                    _table_section("reliability-incidents", "area-incidents"),
                    _table_section("reliability-lemons", "area-lemons"),
                ],
                id="reliability-page",
                className="drawn reliability waiting",
            ),
        ]
    )


def render(answer: Answer, mode: Mode, zone: ZoneInfo) -> dict[str, Any]:
    """All that an answer fills, by name; `parts` are components by the id they fill."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"reliability-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn reliability waiting"}
    said = answer.value
    figures = stats.listed(said)
    told = _mapping(said.get("incidents"))
    grid = hours.grid(_mapping(said.get("strip")), zone)
    ended = [one for one in stats.every(figures, "A07") if stats.value_of(one) is not None]
    of_causes = incidents.rows_of(told, "causes")
    parts |= {
        "reliability-answer": finding(figures, told),
        "reliability-scope": period_line.scope(said, zone),
        "reliability-figures": stats.stats(figures, wanted(said)),
        "reliability-strip-finding": _strip_finding(_mapping(said.get("strip"))),
        "reliability-strip-note": _strip_note(_mapping(said.get("strip"))),
        "reliability-strip-legend": legend(grid),
        "reliability-causes-finding": incidents.finding(told),
        "reliability-causes-note": incidents.note(told),
        "reliability-outcomes-finding": _outcomes_finding(ended),
        "reliability-outcomes-note": _outcomes_note(figures),
        "reliability-incidents-finding": _("Incidents"),
        "reliability-incidents": incidents.incidents(told, zone),
    }
    return changes | {
        "class": notice.stale_class(answer) + " reliability",
        "strip": hours.figure(grid, mode, zone),
        "strip_style": {"height": f"{grid.height}px"},
        "causes": causes.incidents(of_causes, mode),
        "causes_style": {"height": f"{causes.height(len(of_causes))}px"},
        "no_causes": not of_causes,
        "outcomes": causes.outcomes(ended, mode),
        "outcomes_style": {"height": f"{causes.height(len(ended))}px"},
        "no_outcomes": not ended,
    }


def warned(answer: Answer, zone: ZoneInfo) -> dict[str, Any]:
    """What early warning fills, by id."""
    if answer.value is None and answer.error is not None:
        return {
            "reliability-lemons-finding": _("Early warning does not answer"),
            "reliability-lemons-note": answer.error[:400],
            "reliability-lemons": None,
        }
    return {
        "reliability-lemons-finding": incidents.lemons_finding(answer.value),
        "reliability-lemons-note": incidents.lemons_note(answer.value, zone),
        "reliability-lemons": incidents.lemons(answer.value),
    }


def wanted(said: Mapping[str, Any]) -> list[Wanted]:
    """The figures the page opens with; MTTI and MTTF are a system's."""
    figures = stats.listed(said)
    systems = sorted({stats.dim(one, "system") for one in stats.every(figures, "A03")})
    times = [
        Wanted("A03", f"{name}{f' {system[:40]}' if len(systems) > 1 else ''}",
               {"figure": figure, "system": system})
        for system in systems[:4]
        for figure, name in (("mtti", "MTTI"), ("mttf", "MTTF"))
    ]  # fmt: skip
    return [
        Wanted("A01", _("Scheduled availability")),
        Wanted("A02", _("Overall availability")),
        Wanted("A06", _("Node availability")),
        *times,
        Wanted("A04", _("Job MTTI"), {"per": "job"}),
        Wanted("A04", _("MTTI of 1,000 GPUs"), {"per": "1000_gpus"}),
        Wanted("A05", _("Repair, mean"), {"figure": "mean"}),
        Wanted("A08", _("SLA kept")),
    ]


def finding(figures: Sequence[Figure], told: Mapping[str, Any]) -> str:
    """The sentence the page opens with."""
    planned = stats.value_of(stats.picked(figures, "A01"))
    if planned is None:
        ledger = stats.value_of(stats.picked(figures, "A06"))
        if ledger is None:
            return _("Availability is not known: nothing was observed, and no outage is logged.")
        return _("Nodes were usable {share} of the time; nobody logs outages.").format(
            share=format_percent(ledger / 100)
        )
    said = _("Available {share} of the planned time").format(share=format_percent(planned / 100))
    causes_of = incidents.rows_of(told, "causes")
    count = sum(int(number(r.get("count")) or 0) for r in causes_of if not r.get("scheduled"))
    if not count:
        return f"{said}."
    more = ngettext("{count} unplanned incident", "{count} unplanned incidents", count)
    incidents_said = more.format(count=count)
    return _("{said}, with {incidents}.").format(said=said, incidents=incidents_said)


def legend(grid: hours.Grid) -> html.Div | None:
    """The accounts that the strip shows."""
    found = hours.accounts(grid)
    if not found:
        return None
    return html.Div(
        [
            html.Span([swatch(account.value), words.account(account)], className="legend-item")
            for account, _count in found
        ],
        className="legend",
    )


def _strip_finding(strip: Mapping[str, Any]) -> str:
    rows = incidents.rows_of(strip, "rows")
    out = sum(number(row.get("out_hours")) or 0.0 for row in rows)
    whole = sum(number(row.get("device_hours")) or 0.0 for row in rows)
    if not whole:
        return _("No device time is booked")
    if strip.get("by") == "node":
        worst = rows[0]
        return _("{node} was out of service longest: {hours}").format(
            node=str(worst.get("node"))[:60],
            hours=format_number(number(worst.get("out_hours")), "GPU-h"),
        )
    return _("{share} of device time was out of service").format(share=format_percent(out / whole))


def _strip_note(strip: Mapping[str, Any]) -> str:
    rows, cell = incidents.rows_of(strip, "rows"), int(number(strip.get("hours")) or 1)
    each = ngettext("A cell is {count} hour", "A cell is {count} hours", cell).format(count=cell)
    said = _("{each}, in the colour of what took most of it; from 5 % out of service, of that.")
    parts = [said.format(each=each)]
    nodes = int(number(strip.get("nodes")) or 0)
    if strip.get("by") == "node" and nodes > len(rows):
        parts.append(
            _("The {shown} of {count} nodes that were out of service longest.").format(
                shown=len(rows), count=format_number(nodes)
            )
        )
    return " ".join(parts)


def _outcomes_finding(ended: Sequence[Figure]) -> str:
    infra = next((one for one in ended if stats.dim(one, "cause") == "infra"), None)
    if not ended:
        return _("How jobs ended is not known")
    if infra is None:
        return _("The infrastructure ended no job")
    return _("The infrastructure ended jobs of {share} of the GPU-hours").format(
        share=format_percent((stats.value_of(infra) or 0.0) / 100)
    )


def _outcomes_note(figures: Sequence[Figure]) -> str:
    told = stats.every(figures, "A07")
    if not any(stats.value_of(one) is not None for one in told):
        return next((text(one.get("note")) or "" for one in told), "")
    return _("GPU-hours of the jobs that ended in this period, by their scheduler's word.")


def _table_section(id: str, class_name: str) -> html.Section:
    return html.Section(
        [
            html.Div(
                [html.H2(id=f"{id}-finding"), files(id, picture=False)], className="section-head"
            ),
            html.P(id=f"{id}-note", className="muted note"),
            html.Div(id=id),
        ],
        className=class_name,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


OUTPUTS = {
    "parts": Output("reliability-drawing", "data"),
    "class": Output("reliability-page", "className"),
    "strip": Output("reliability-strip", "figure"),
    "strip_style": Output("reliability-strip", "style"),
    "causes": Output("reliability-causes", "figure"),
    "causes_style": Output("reliability-causes", "style"),
    "no_causes": Output("reliability-causes-place", "hidden"),
    "outcomes": Output("reliability-outcomes", "figure"),
    "outcomes_style": Output("reliability-outcomes", "style"),
    "no_outcomes": Output("reliability-outcomes-place", "hidden"),
}


def sheet(name: str, said: Mapping[str, Any]) -> exports.Sheet | None:
    """The rows behind one of the page's parts, in base units."""
    heads: tuple[str, ...]
    if name == "strip":
        strip = _mapping(said.get("strip"))
        first, cell = number(strip.get("start_unix_ms")) or 0.0, number(strip.get("hours")) or 1
        rows = [
            (row.get("system"), row.get("node"), moments.iso(first + place * cell * 3.6e6), cell,
             account.value)
            for row in incidents.rows_of(strip, "rows")
            for place, letter in enumerate(str(row.get("cells") or ""))
            if (account := hours.account_of(letter)) is not None
        ]  # fmt: skip
        heads = ("system", "node", "from (UTC)", "length (h)", "account")
        return exports.Sheet("reliability-strip", heads, rows)
    if name == "outcomes":
        return stats.sheet("reliability-outcomes", stats.every(stats.listed(said), "A07"))
    told = _mapping(said.get("incidents"))
    if name == "causes":
        keys = ("cause", "scheduled", "count", "hours", "gpu_hours")
        heads = ("cause", "scheduled", "incidents", "time (h)", "GPU-hours (GPU-h)")
        rows_of = [[row.get(key) for key in keys] for row in incidents.rows_of(told, "causes")]
        return exports.Sheet("reliability-causes", heads, rows_of)
    columns = (
        "scheduled", "cause", "system", "scope", "name", "text", "nodes", "hours", "gpu_hours",
    )  # fmt: skip
    heads = (
        "from (UTC)", "to (UTC)", "scheduled", "cause", "system", "scope", "name", "text", "nodes",
        "time (h)", "GPU-hours (GPU-h)",
    )  # fmt: skip
    listed = [
        [*(moments.iso(number(row.get(key))) for key in ("start_unix_ms", "end_unix_ms")),
         *(row.get(key) for key in columns)]
        for row in incidents.rows_of(told, "rows")
    ]  # fmt: skip
    return exports.Sheet("reliability-incidents", heads, listed)


def lemon_sheet(said: Mapping[str, Any]) -> exports.Sheet:
    """Whom early warning names, as a file."""
    keys = ("system", "node", "device", "kind", "chance", "effect", "evidence", "meaning", "next")
    rows = [
        [moments.iso(number(row.get("since_unix_ms"))), *(row.get(key) for key in keys)]
        for row in incidents.rows_of(said, "findings")
    ]
    return exports.Sheet("reliability-warnings", ("since (UTC)", *keys), rows)


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def of_system(pick: Asked) -> list[tuple[str, str]]:
        return [("system", pick.system)] if pick.system else []

    def asked(picked: object, by: object) -> Answer | None:
        pick = context.asked(picked)
        if pick is None:
            return None
        query = [*pick.query, *of_system(pick), *([("by", "node")] if by == "node" else [])]
        return context.answers.ask("/v1/reliability", query, KEPT_SECONDS)

    def warnings(picked: object) -> Answer | None:
        pick = context.asked(picked)
        if pick is None:
            return None
        until = [("until", pick.query[-1][1])] if pick.end is not None else []
        query = [*until, *of_system(pick)]
        return context.answers.ask("/v1/reliability/warnings", query, WARNING_SECONDS)

    def fill(_tick: int | None, picked: object, mode: str, by: object) -> dict[str, Any]:
        answer = asked(picked, by)
        if answer is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(answer, theme.mode_named(mode), context.zone)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def warn(_tick: int | None, picked: object) -> Any:
        answer = warnings(picked)
        return no_update if answer is None else markup.drawing(warned(answer, context.zone))

    def sheet_of(name: str) -> Any:
        def made(picked: object, by: object) -> exports.Sheet | None:
            answer = asked(picked, by)
            return None if answer is None or answer.value is None else sheet(name, answer.value)

        return made

    def lemons_of(picked: object) -> exports.Sheet | None:
        answer = warnings(picked)
        return None if answer is None or answer.value is None else lemon_sheet(answer.value)

    for store in ("reliability-drawing", "reliability-warned"):
        app.clientside_callback(ClientsideFunction("wattline", "draw"), Input(store, "data"))
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("reliability-tick", "n_intervals"),
            Input("shell-asked", "data"),
            Input("shell-mode", "data"),
            Input("reliability-by", "value"),
        ],
    )(fill)
    app.callback(
        Output("reliability-warned", "data"),
        Input("reliability-tick", "n_intervals"),
        Input("shell-asked", "data"),
    )(warn)
    pickers.remember(app, "reliability-by")
    state = [Input("shell-asked", "data"), Input("reliability-by", "value")]
    for name in ("strip", "causes", "outcomes", "incidents"):
        exports.connect(app, f"reliability-{name}", state, sheet_of(name))
    exports.connect(app, "reliability-lemons", [Input("shell-asked", "data")], lemons_of)
