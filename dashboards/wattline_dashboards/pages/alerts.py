"""What needs a person: alerts that are on, with what to do about each, and those that were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from wattline_collector.palette import format_age
from wattline_dashboards import exports, markup
from wattline_dashboards.access.audit import Seen
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number
from wattline_dashboards.components import notice, pickers
from wattline_dashboards.components.alerts import open_alerts, past
from wattline_dashboards.components.chart import files
from wattline_dashboards.components.feeds import count
from wattline_dashboards.components.parts import marks, nothing
from wattline_dashboards.components.severity import SEVERITIES, name
from wattline_dashboards.components.short import cut
from wattline_dashboards.context import Context
from wattline_dashboards.language import N_, _, ngettext

PATH = "/alerts"
TITLE = N_("Alerts")
GROUP = "operators"
PICKERS = ("period", "system")
EVERY_MS = 5_000

ALL = ""
_MOST_NODE = 120


def layout(severity: str | None = None, node: str | None = None, **more: Any) -> html.Div:
    """The page before its first answer; the address may say which alerts are meant."""
    chosen = severity if severity in SEVERITIES else ALL
    return html.Div(
        [
            dcc.Interval(id="alerts-tick", interval=EVERY_MS),
            markup.store("alerts"),
            html.Div(id="alerts-notice"),
            html.Div(
                [
                    html.Div(
                        [html.H1(id="alerts-answer"), html.P(id="alerts-scope", className="scope")],
                        className="answer",
                    ),
                    html.Div(
                        [
                            dcc.RadioItems(
                                id="alerts-severity",
                                options=[
                                    {"label": _("All"), "value": ALL},
                                    *({"label": name(one).capitalize(), "value": one}
                                      for one in SEVERITIES),
                                ],
                                value=chosen, className="segments", inline=True,
                            ),
                            html.Label(
                                [
                                    html.Span(_("Node"), className="muted"),
                                    dcc.Input(
                                        id="alerts-node", type="search", className="filter",
                                        value=(node or "")[:_MOST_NODE], debounce=0.4,
                                        maxLength=_MOST_NODE, placeholder=_("part of its name"),
                                    ),
                                ],
                                className="labelled",
                            ),
                        ],
                        className="controls", role="group",
                        **marks(aria_label=_("Which alerts")),
                    ),
                    html.Section(
                        [html.H2(_("On now")), html.Div(id="alerts-open")], className="area-on"
                    ),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2(_("Ended in the period")),
                                    files("alerts-past", picture=False),
                                ],
                                className="section-head",
                            ),
                            html.Div(id="alerts-past"),
                        ],
                        className="area-ended",
                    ),
                ],
                id="alerts-page",
                className="drawn alerts waiting",
            ),
        ]
    )  # fmt: skip


def render(answer: Answer, zone: ZoneInfo, *, filtered: bool = False) -> dict[str, Any]:
    """All that an answer of `/v1/alerts/log` fills; `parts` are components by the id they fill.

    Args:
        answer: What the collector says.
        zone: The site's time zone.
        filtered: Whether only some alerts were asked for.
    """
    parts: dict[str, Any] = {"alerts-notice": notice.away(answer)}
    if answer.value is None:
        return {"parts": parts, "class": "drawn alerts waiting"}
    told = answer.value
    shown = open_alerts(told, zone)
    parts |= {
        "alerts-answer": sentence(told),
        "alerts-scope": _scope(told),
        "alerts-open": shown or nothing(_quiet(told, filtered=filtered)),
        "alerts-past": past(told, zone),
    }
    return {"parts": parts, "class": f"{notice.stale_class(answer)} alerts"}


def sentence(told: Mapping[str, Any]) -> str:
    """How many alerts fire, by urgency."""
    if number(told.get("judged_ms")) is None:
        return _("This collector judges no alerts")
    counts = told.get("counts") or {}
    known = [(one, number(counts.get(one)) or 0) for one in SEVERITIES]
    if not any(many for _one, many in known):
        waiting = sum(1 for one in told.get("open") or () if not one.get("firing"))
        said = _("Nothing fires")
        if not waiting:
            return said
        rules = ngettext("{n} rule is pending", "{n} rules are pending", waiting)
        return f"{said}; {rules.format(n=count(waiting))}"
    words = {
        "critical": lambda n: ngettext("{n} critical alert fires", "{n} critical alerts fire", n),
        "warning": lambda n: ngettext("{n} warning", "{n} warnings", n),
        "info": lambda n: _("{n} for information"),
    }
    said = ", ".join(words[one](many).format(n=count(many)) for one, many in known if many)
    return said if counts.get("critical") else _("No critical alert fires; {others}").format(
        others=said
    )  # fmt: skip


def _scope(told: Mapping[str, Any]) -> str:
    judged, now_ms = number(told.get("judged_ms")), number(told.get("time_unix_ms")) or 0
    if judged is None:
        return _("It was started with --no-alerts; what ended before is kept below.")
    if not judged:
        return _("{n} rules, first judged within a minute").format(n=count(told.get("rules")))
    said = _("{n} rules, judged {age} ago").format(
        n=count(told.get("rules")), age=format_age(max(0.0, now_ms - judged))
    )
    for one in told.get("notifiers") or ():
        failed = number(one.get("failed")) or 0
        said += _("; {name}: {sent} messages sent").format(
            name=cut(one.get("name"), 40), sent=count(one.get("sent"))
        )
        if failed:
            said += _(", {failed} given up").format(failed=count(failed))
    return said


def _quiet(told: Mapping[str, Any], *, filtered: bool) -> str:
    if filtered:
        return _("No alert is on that this filter lets through.")
    if number(told.get("judged_ms")) is None:
        return _("Start the collector without --no-alerts to have them judged.")
    return _("No alert is on. A figure that is not known raises none: see Data quality.")


def sheet(answer: Answer) -> exports.Sheet | None:
    """What ended in the period, as rows."""
    rows = (answer.value or {}).get("past") or []
    if not rows:
        return None
    heads = ("severity", "rule", "system", "node", "alert", "last figure", "fired (unix ms)",
             "ended (unix ms)", "why")  # fmt: skip
    return exports.Sheet(
        "alerts",
        heads,
        [
            [
                one.get("severity"), one.get("rule"), (one.get("labels") or {}).get("system"),
                (one.get("labels") or {}).get("node"), one.get("title"), one.get("shown"),
                one.get("fired_ms"), one.get("ended_ms"), one.get("why"),
            ]
            for one in rows
        ],
    )  # fmt: skip


OUTPUTS = {
    "parts": Output("alerts-drawing", "data"),
    "class": Output("alerts-page", "className"),
}


def query(severity: object, node: object, system: str | None) -> list[tuple[str, str]]:
    """What the page's controls say, as parameters of the question."""
    asked = [("severity", str(severity))] if severity in SEVERITIES else []
    if isinstance(node, str) and node.strip():
        asked.append(("node", node.strip()[:_MOST_NODE]))
    return asked + ([("system", system)] if system else [])


def seen(told: Mapping[str, Any]) -> list[Seen]:
    """The jobs that alerts are about; an alert does not say whose they are."""
    open_ = [one for group in told.get("open") or () for one in group.get("subjects") or ()]
    labels = [one.get("labels") or {} for one in (*open_, *(told.get("past") or ()))]
    return [
        Seen(str(one.get("system") or ""), str(one["job"]), None)
        for one in labels
        if one.get("job")
    ]


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def asked(
        picked: object, severity: object, node: object, page: str = "alerts"
    ) -> tuple[Answer, bool] | None:
        asked = context.asked(picked)
        if asked is None:
            return None
        own = query(severity, node, asked.system)
        answer = context.answers.ask("/v1/alerts/log", [*asked.query, *own])
        return context.told(answer, page, seen), bool(own)

    def tick(_: int | None, picked: object, severity: object, node: object) -> dict[str, Any]:
        found = asked(picked, severity, node)
        if found is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(found[0], context.zone, filtered=found[1])
        return changes | {"parts": markup.drawing(changes["parts"])}

    def rows(picked: object, severity: object, node: object) -> exports.Sheet | None:
        found = asked(picked, severity, node, "alerts, saved")
        return None if found is None else sheet(found[0])

    inputs = [
        Input("shell-asked", "data"),
        Input("alerts-severity", "value"),
        Input("alerts-node", "value"),
    ]
    app.clientside_callback(ClientsideFunction("wattline", "draw"), Input("alerts-drawing", "data"))
    app.callback(output=OUTPUTS, inputs=[Input("alerts-tick", "n_intervals"), *inputs])(tick)
    states = [State(one.component_id, one.component_property) for one in inputs]
    exports.connect(app, "alerts-past", states, rows)
    pickers.remember(app, "alerts-severity", "alerts-node")
