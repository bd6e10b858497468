"""Reports: have one made, look at it, take it along, and see what was made before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from flask import Response

from wattline_agents.errors import WattlineError
from wattline_collector.client import Refused
from wattline_dashboards import exports, markup, report_files
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import made_reports, notice, pickers, report_form
from wattline_dashboards.components.chart import files
from wattline_dashboards.components.made_reports import rows_of
from wattline_dashboards.components.short import cut
from wattline_dashboards.context import Context
from wattline_dashboards.figures import moments
from wattline_dashboards.language import N_, _, ngettext

PATH = "/reports"
TITLE = N_("Reports")
GROUP = "management"
PICKERS = ("period",)
EVERY_MS = 2_000
OFFER_EVERY_MS = 30_000
KEPT_SECONDS = 0.5


def layout(show: object = None, kind: object = None, **_query: Any) -> html.Div:
    """The page before its figures; the address may say which report is shown, and which kind."""
    id = show if isinstance(show, str) and report_files.ID.fullmatch(show) else ""
    chosen = kind if isinstance(kind, str) and kind in made_reports.ABOUT else None
    return html.Div(
        [
            dcc.Interval(id="reports-tick", interval=EVERY_MS),
            dcc.Interval(id="reports-offer-tick", interval=OFFER_EVERY_MS),
            dcc.Store(id="reports-show", data=id),
            markup.store("reports"),
            html.Div(id="reports-notice"),
            html.Div(
                [
                    html.Div(
                        [html.H1(id="reports-answer"), html.P(id="reports-scope")],
                        className="answer",
                    ),
                    report_form.form(chosen),
                    *([_preview(id)] if id else []),
                    html.Section(
                        [
                            html.Div(
                                [html.H2(_("Made before")), files("reports-made", picture=False)],
                                className="section-head",
                            ),
                            html.Div(id="reports-made"),
                        ]
                    ),
                ],
                id="reports-page",
                className="drawn reports waiting",
            ),
        ]
    )


def _preview(id: str) -> html.Section:
    return html.Section(
        [
            html.Div(
                [
                    html.H2(id="reports-shown"),
                    html.Span(id="reports-shown-files", className="report-files"),
                    html.A(_("Close"), href=PATH, className="file-button"),
                ],
                className="section-head",
            ),
            html.Iframe(
                src=f"{made_reports.address(id, 'html')}?show",
                title=_("The report, as a page"),
                sandbox="",
                className="report-frame",
            ),
        ]
    )


# What the answer fills


def render(answer: Answer, zone: ZoneInfo, now_ms: float, show: str = "") -> dict[str, Any]:
    """All that an answer fills, by name; `parts` are components by the id they fill."""
    parts: dict[str, Any] = {"reports-notice": notice.away(answer)}
    changes: dict[str, Any] = {"parts": parts, "class": "drawn reports waiting", "no_form": True}
    if answer.value is None:
        return changes
    said = answer.value
    made = rows_of(said, "made")
    changes["class"] = notice.stale_class(answer) + " reports"
    changes["no_form"] = not said.get("installed")
    parts |= {
        "reports-answer": finding(said),
        "reports-scope": _scope(said),
        "reports-work": made_reports.works(rows_of(said, "work"), made, now_ms),
        "reports-made": made_reports.history(made, zone, show),
    }
    if show:
        one = next((row for row in made if row.get("id") == show), None)
        parts |= {
            "reports-shown": _("This report is not here, or not for your roles")
            if one is None
            else " · ".join([made_reports.title(one), made_reports.period(one.get("period"))]),
            "reports-shown-files": [] if one is None else made_reports.links(one),
        }
    return changes


def finding(said: Mapping[str, Any]) -> str:
    """The sentence the page opens with."""
    if not said.get("installed"):
        return _("This collector cannot make reports")
    made = rows_of(said, "made")
    count = len(made) + int(said.get("more_made") or 0)
    if not count:
        return _("No report has been made yet")
    newest = made[0]
    head = ngettext("{count} report is kept", "{count} reports are kept", count)
    return (
        head.format(count=count)
        + "; "
        + _("the newest is the {title} of {period}").format(
            title=made_reports.title(newest), period=made_reports.period(newest.get("period"))
        )
    )


def _scope(said: Mapping[str, Any]) -> Any:
    if said.get("installed"):
        more = int(said.get("more_made") or 0)
        text = _("The same books always give the same files. Whoever holds one can check its code.")
        if more:
            text += " " + _("{count} older ones are on the shelf, in STORE/reports.").format(
                count=more
            )
        return text
    return [
        _("Reports are a distribution of their own. Beside the collector: "),
        html.Code("pip install wattline-reports"),
        _(", then start the collector again. This page goes on by itself."),
    ]


def sheet(said: Mapping[str, Any]) -> exports.Sheet:
    """The history as a file."""
    heads = ("kind", "of", "period", "options", "made (UTC)", "again (count)", "again (UTC)",
             "by", "why", "code", "form", "size (B)", "SHA-256")  # fmt: skip
    rows = [
        (row.get("kind"), ", ".join(map(str, row.get("of") or ())), row.get("period"),
         made_reports.option(row), moments.iso(row.get("made_ms")), row.get("checked"),
         moments.iso(row.get("checked_ms")), row.get("by"), row.get("why"), row.get("code"),
         form, file.get("bytes"), file.get("sha256"))
        for row in rows_of(said, "made")
        for form, file in made_reports.forms(row).items()
    ]  # fmt: skip
    return exports.Sheet("reports", heads, rows)


# Connecting it

OUTPUTS = {
    "parts": Output("reports-drawing", "data"),
    "class": Output("reports-page", "className"),
    "no_form": Output("reports-form", "hidden"),
}
OFFERED = {
    "kinds": Output("reports-kind", "options"),
    "kind": Output("reports-kind", "value"),
    "about": Output("reports-about", "children"),
    "periods": Output("reports-period", "options"),
    "period": Output("reports-period", "value"),
    "options": Output("reports-option", "options"),
    "option": Output("reports-option", "value"),
    "no_option": Output("reports-option-place", "hidden"),
    "no_of": Output("reports-of-place", "hidden"),
}


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def ask() -> Answer:
        return context.answers.ask("/v1/reports", (), KEPT_SECONDS)

    def fill(_tick: int | None, show: object) -> dict[str, Any]:
        id = show if isinstance(show, str) else ""
        changes = render(ask(), context.zone, context.clock.unix_ms(), id)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def offer(_tick: int | None, kind: object, picked: object, *now_chosen: object) -> Any:
        said = ask().value
        if said is None:
            return dict.fromkeys(OFFERED, no_update)
        found = report_form.offered(said, kind, context.asked(picked), context.zone, context.now)
        return report_form.kept(found, *now_chosen, anew=ctx.triggered_id == "reports-kind")

    def note(option: object) -> str:
        text = made_reports.CHOICE_NOTES.get(str(option))
        return _(text) if text else ""

    def make(clicks: int | None, picked: object, *chosen: object) -> Any:
        if not clicks:
            return no_update
        said = ask().value
        if said is None:
            return _("The collector does not answer; try again when it does.")
        kind, period, option, of, forms = chosen
        pick = context.asked(picked)
        asked = report_form.order(kind, period, option, of, forms, said, pick, context.now)
        try:
            context.answers.send("/v1/reports/make", asked)
        except Refused as error:
            return _("Not made: {reason}").format(reason=cut(error.reason, 300))
        except WattlineError as error:
            return _("Not made: {reason}").format(reason=cut(error, 300))
        return ""

    def saved() -> exports.Sheet | None:
        said = ask().value
        return None if said is None else sheet(said)

    app.clientside_callback(
        ClientsideFunction("wattline", "draw"), Input("reports-drawing", "data")
    )
    app.callback(
        output=OUTPUTS,
        inputs=[Input("reports-tick", "n_intervals"), Input("reports-show", "data")],
    )(fill)
    app.callback(
        output=OFFERED,
        inputs=[Input("reports-offer-tick", "n_intervals"), Input("reports-kind", "value"),
                Input("shell-asked", "data")],
        state=[State("reports-period", "value"), State("reports-option", "value")],
    )(offer)  # fmt: skip
    app.callback(Output("reports-note", "children"), Input("reports-option", "value"))(note)
    app.callback(
        Output("reports-said", "children"),
        Input("reports-make", "n_clicks"),
        [State("shell-asked", "data"), State("reports-kind", "value"),
         State("reports-period", "value"), State("reports-option", "value"),
         State("reports-of", "value"), State("reports-forms", "value")],
        prevent_initial_call=True,
    )(make)  # fmt: skip
    exports.connect(app, "reports-made", [], saved)
    pickers.remember(app, "reports-kind")

    def file(made: str, form: str) -> Response:
        return report_files.answered(context, made, form)

    app.server.add_url_rule("/reports/files/<made>/<form>", "reports_file", file)
