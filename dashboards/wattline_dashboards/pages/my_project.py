"""A project: how its grant is being used, by whom, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from wattline_collector.palette import (
    THIN_SPACE,
    UNKNOWN,
    Mode,
    format_energy,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import notice, pickers, stats
from wattline_dashboards.components.between import between
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import (
    Column,
    Row,
    marks,
    meter,
    nothing,
    quantity,
    stat,
    table,
)
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.components.stats import Wanted
from wattline_dashboards.context import Asked, Context
from wattline_dashboards.figures import burn, moments
from wattline_dashboards.language import N_, _, ngettext

PATH = "/my-project"
TITLE = N_("My project")
GROUP = "jobs"
PICKERS = ("period", "system")
EVERY_MS = 15_000
KEPT_SECONDS = 30.0
_CAUSES = ("ok", "user", "timeout", "infra", "preempt", "other")
_MOST_TYPED = 200


def layout(project: object = None, **_query: Any) -> html.Div:
    """The page before its figures; the address may name the project."""
    return html.Div(
        [
            dcc.Interval(id="my_project-tick", interval=EVERY_MS),
            markup.store("my_project"),
            html.Div(id="my_project-notice"),
            html.Div(
                dcc.Dropdown(
                    id="my_project-project",
                    # A value that is none of the options would be taken out.
                    options=[_typed(project)] if _typed(project) else [],
                    value=_typed(project) or None,
                    placeholder=_("Choose a project"),
                    clearable=False,
                    className="project-picker",
                ),
                id="my_project-choice",
                role="group",
                className="controls",
                hidden=True,
                **marks(aria_label=_("Project")),
            ),
            html.Div(
                [html.H1(id="my_project-answer"), html.P(id="my_project-scope", className="scope")],
                className="answer",
            ),
            html.Div(
                [
                    html.Section(id="my_project-figures", className="span-all"),
                    chart("my_project-burn", burn.HEIGHT, class_name="area-burn"),
                    html.Section(
                        [html.H2(_("How its jobs ended")), html.Div(id="my_project-outcomes")],
                        className="area-outcomes",
                    ),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2(id="my_project-users-finding"),
                                    files("my_project-users", picture=False),
                                ],
                                className="section-head",
                            ),
                            html.Div(id="my_project-users"),
                        ],
                        className="area-users",
                    ),
                ],
                id="my_project-page",
                className="drawn project waiting",
            ),
        ]
    )


def render(answer: Answer, mode: Mode, zone: ZoneInfo) -> dict[str, Any]:
    """All that an answer fills, by name; `parts` are components by the id they fill."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"my_project-notice": notice.away(answer)}
    changes["parts"] = parts
    changes["class"] = "drawn project waiting"
    if answer.value is None:
        return changes
    said = answer.value
    names = [str(name) for name in said.get("projects") or ()]
    changes["options"] = [{"label": cut(name), "value": name} for name in names]
    changes["no_choice"] = len(names) < 2
    changes["named"] = cut(said.get("project") or _("Choose a project"))
    if text(said.get("project")) is None:
        parts |= {"my_project-answer": _("No project of yours is known."),
                  "my_project-scope": _("A project is yours when a scheduler charged a job of "
                                        "yours to it, or when you lead it.")}  # fmt: skip
        return changes
    grants = [one for one in said.get("grants") or () if isinstance(one, Mapping)]
    grant = grants[0] if grants else {}
    parts |= {
        "my_project-answer": finding(said, grant),
        "my_project-scope": _scope(said, grant, zone),
        "my_project-figures": _figures(said, grant),
        "my_project-burn-finding": burn_finding(grant),
        "my_project-burn-note": _burn_note(grants, zone),
        "my_project-outcomes": _outcomes(said),
        "my_project-users-finding": _users_finding(said),
        "my_project-users": _users(said),
    }
    return changes | {
        "class": notice.stale_class(answer) + " project",
        "burn": burn.figure(grant, mode, zone),
        "no_burn": not grant,
    }


def finding(said: Mapping[str, Any], grant: Mapping[str, Any]) -> str:
    """The sentence the page opens with."""
    name = cut(said.get("project"), 60)
    used, elapsed = number(grant.get("used_share")), number(grant.get("elapsed_share"))
    if used is None or elapsed is None:
        hours = number((said.get("totals") or {}).get("gpu_hours"))
        if hours is None:
            return _("{project} used no GPU-hours in this period.").format(project=name)
        return _("{project} used {hours} in this period.").format(
            project=name, hours=format_number(hours, "GPU-h")
        )
    return _("{project} has used {used} of its grant in {elapsed} of its time.").format(
        project=name, used=format_percent(used), elapsed=format_percent(elapsed)
    )


def burn_finding(grant: Mapping[str, Any]) -> str:
    """Where the grant is going at this pace."""
    if not grant:
        return _("Its grant")
    granted, forecast = (
        number(grant.get("granted_gpu_hours")),
        number(grant.get("forecast_gpu_hours")),
    )
    if forecast is None or not granted:
        return _("Too early for a forecast")
    if number(grant.get("now_ms")) == number(grant.get("end_ms")):
        return _("{share} was used when its time was over").format(
            share=format_percent(forecast / granted)
        )
    return _("At this pace {share} is used when its time is over").format(
        share=format_percent(forecast / granted)
    )


def _burn_note(grants: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> list[Any]:
    if not grants:
        return [_("No grant with hours and dates runs at the end of the period. The register of "
                  "projects holds grants; the operators keep it.")]  # fmt: skip
    grant = grants[0]
    parts: list[Any] = [moment(number(grant.get("start_ms")), zone), _(" to "),
                        moment(number(grant.get("end_ms")), zone), "."]  # fmt: skip
    if (when := number(grant.get("exhausted_ms"))) is not None:
        parts += [" ", html.Span([_("Used up"), " ", moment(when, zone), "."], className="caution")]
    if len(grants) > 1:
        more = _("{count} more grants of it run.").format(count=len(grants) - 1)
        parts.append(f" {more}")
    return parts


def _scope(said: Mapping[str, Any], grant: Mapping[str, Any], zone: ZoneInfo) -> list[Any]:
    parts: list[Any] = []
    if title := text(said.get("title")):
        parts += [short(title, "strong"), f" {THIN_SPACE}·{THIN_SPACE} "]
    jobs = int(number(said.get("jobs")) or 0)
    parts.append(ngettext("{count} job", "{count} jobs", jobs).format(count=format_number(jobs)))
    parts += [_(" in the period "), *between(said.get("period"), zone)]
    return parts


def _figures(said: Mapping[str, Any], grant: Mapping[str, Any]) -> html.Dl:
    rows = stats.listed(said)
    sums = said.get("totals") or {}
    hours = number(sums.get("gpu_hours"))
    euro = number(said.get("energy_euro"))
    note = text(said.get("energy_euro_note"))
    own = said.get("own") or {}
    share = number(own.get("gpu_hours"))
    first = [
        stat(_("Tokens"), quantity(format_si(number(sums.get("tokens")), "tok")), None),
        stat(
            _("GPU-hours"),
            quantity(format_number(hours, "GPU-h")),
            None if share is None or not hours
            else _("yours: {share}").format(share=format_percent(share / hours)),
        ),
    ]  # fmt: skip
    wanted = (
        Wanted("E04", _("GPU activity")),
        Wanted("E06", _("Wasted")),
        Wanted("S10", _("Tokens per joule")),
        Wanted("S12", _("Energy")),
        Wanted("S13", _("Carbon"), {"way": "location_annual"}),
    )
    cost = stat(
        _("Energy cost"),
        quantity(UNKNOWN if euro is None else f"{format_number(round(euro))}{THIN_SPACE}€"),
        _("by the tariffs") if euro is not None else cut(note or _("not known")),
    )
    return html.Dl(
        [*first, *(stats.one(rows, one) for one in wanted), cost], className="totals job-stats"
    )


def _outcomes(said: Mapping[str, Any]) -> list[Any]:
    """Of what cause its GPU-hours ended (A07), and how many jobs in which state."""
    words = {
        "ok": _("completed"), "user": _("its own failure"), "timeout": _("out of time"),
        "infra": _("the machine's failure"), "preempt": _("preempted"), "other": _("other"),
    }  # fmt: skip
    rows = {stats.dim(row, "cause"): row for row in stats.every(stats.listed(said), "A07")}
    known = [(cause, rows[cause]) for cause in (*_CAUSES, *rows) if cause in rows]
    parts: list[Any] = []
    lines: list[Any] = []
    for cause, row in dict(known).items():
        value = number(row.get("value"))
        share = None if value is None else value / 100
        lines += [
            html.Span(words.get(cause, cut(cause, 32))),
            meter(share, ""),
            explained("A07", format_percent(share), words.get(cause, cause)),
        ]
    if lines:
        parts.append(html.P(_("Share of its GPU-hours"), className="muted note"))
        parts.append(html.Div(lines, className="outcome-bar"))
    states = said.get("states") or {}
    if states:
        counted = ", ".join(f"{cut(name, 32)} {count}" for name, count in states.items())
        parts.append(html.P(_("Jobs by state: {states}").format(states=counted), className="scope"))
    return parts or [nothing(_("No job of it ended in this period."))]


def _users_finding(said: Mapping[str, Any]) -> str:
    if not said.get("people"):
        return _("Your part")
    users = [row for row in said.get("users") or () if number(row.get("gpu_hours"))]
    whole = sum(number(row.get("gpu_hours")) or 0.0 for row in users)
    if not users or not whole:
        return _("Who used what")
    share = (number(users[0].get("gpu_hours")) or 0.0) / whole
    return _("{user} used {share} of its GPU-hours").format(
        user=cut(users[0].get("user") or UNKNOWN, 32), share=format_percent(share)
    )


def _people(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if said.get("people"):
        return [row for row in said.get("users") or () if isinstance(row, Mapping)]
    own = said.get("own")
    return [own] if isinstance(own, Mapping) else []


def _users(said: Mapping[str, Any]) -> list[Any]:
    rows = _people(said)
    if not rows:
        return [nothing(_("Who used it is shown to whoever leads the project, and to staff."))]
    whole = number((said.get("totals") or {}).get("gpu_hours")) or 0.0
    columns = [
        Column("user", _("User")),
        Column("jobs", _("Jobs"), numeric=True),
        Column("tokens", _("Tokens"), numeric=True),
        Column("gpu_hours", _("GPU-hours"), numeric=True),
        Column("share", _("Share"), numeric=True),
        Column("working", _("Working"), numeric=True),
        Column("wasted", _("Wasted GPU-h"), numeric=True, title=_("Held idle or lost")),
        Column("energy", _("Energy"), numeric=True),
    ]
    return [table(_("Who used what"), columns, [_user(row, whole) for row in rows], "users")]


def _user(row: Mapping[str, Any], whole: float) -> Row:
    hours = number(row.get("gpu_hours"))
    working = number(row.get("working"))
    user = text(row.get("user"))
    share = hours / whole if hours is not None and whole else None
    return Row(
        {
            "user": _("nobody known, or others") if user is None else short(user),
            "jobs": format_number(number(row.get("jobs"))),
            "tokens": format_si(number(row.get("tokens")), "tok"),
            "gpu_hours": format_number(hours),
            "share": meter(share, format_percent(share)),
            "working": format_percent(working),
            "wasted": format_number(number(row.get("wasted_gpu_hours"))),
            "energy": format_energy(number(row.get("energy_joules"))),
        },
        marks(data_user=cut(user)),
    )


def users_sheet(said: Mapping[str, Any]) -> exports.Sheet:
    """The table of users as a file."""
    names = ("user", "jobs", "gpu_hours", "working", "wasted_gpu_hours", "energy_joules", "tokens",
             "tokens_per_joule")  # fmt: skip
    heads = ("user", "jobs", "used (GPU-h)", "working (0-1)", "wasted (GPU-h)", "energy (J)",
             "tokens (tok)", "efficiency (tok/J)")  # fmt: skip
    return exports.Sheet("users", heads, [[row.get(n) for n in names] for row in _people(said)])


def burn_sheet(said: Mapping[str, Any]) -> exports.Sheet:
    """The use of each grant by day as a file."""
    rows = [
        (moments.iso(number(grant.get("start_ms"))), grant.get("granted_gpu_hours"),
         moments.iso(at), hours)
        for grant in said.get("grants") or ()
        for at, hours in grant.get("days") or ()
    ]  # fmt: skip
    heads = ("grant from (UTC)", "granted (GPU-h)", "until (UTC)", "used since its start (GPU-h)")
    return exports.Sheet("grant", heads, rows)


def _typed(value: object) -> str:
    return value.strip()[:_MOST_TYPED] if isinstance(value, str) else ""


OUTPUTS = {
    "parts": Output("my_project-drawing", "data"),
    "class": Output("my_project-page", "className"),
    "options": Output("my_project-project", "options"),
    "named": Output("my_project-project", "placeholder"),
    "no_choice": Output("my_project-choice", "hidden"),
    "burn": Output("my_project-burn", "figure"),
    "no_burn": Output("my_project-burn-place", "hidden"),
}


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def ask(asked: Asked, project: object) -> Answer:
        more = [("system", asked.system or ""), ("project", _typed(project))]
        query = [*asked.query, *((name, value) for name, value in more if value)]
        return context.answers.ask("/v1/my-project", query, KEPT_SECONDS)

    def fill(_tick: int | None, picked: object, project: object, mode: str) -> dict[str, Any]:
        asked = context.asked(picked)
        if asked is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(ask(asked, project), theme.mode_named(mode), context.zone)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def saved(make: Any) -> Any:
        def sheet(picked: object, project: object) -> exports.Sheet | None:
            asked = context.asked(picked)
            answer = None if asked is None else ask(asked, project)
            if answer is None or answer.value is None:
                return None
            made: exports.Sheet = make(answer.value)
            return made

        return sheet

    app.clientside_callback(
        ClientsideFunction("wattline", "draw"), Input("my_project-drawing", "data")
    )
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("my_project-tick", "n_intervals"),
            Input("shell-asked", "data"),
            Input("my_project-project", "value"),
            Input("shell-mode", "data"),
        ],
    )(fill)
    pickers.remember(app, "my_project-project")
    state = [State("shell-asked", "data"), State("my_project-project", "value")]
    exports.connect(app, "my_project-users", state, saved(users_sheet))
    exports.connect(app, "my_project-burn", state, saved(burn_sheet))
