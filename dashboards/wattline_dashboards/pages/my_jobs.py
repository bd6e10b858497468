"""The jobs that are somebody's own, their project's or, for staff, everybody's, at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from wattline_collector.access import Sight, sees
from wattline_collector.palette import format_energy, format_number, format_percent, format_si
from wattline_dashboards import exports, markup
from wattline_dashboards.access import viewing
from wattline_dashboards.access.audit import NotWritten, Seen
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import notice, pickers
from wattline_dashboards.components.between import between
from wattline_dashboards.components.chart import files
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.job_list import heads, job_list, sheet
from wattline_dashboards.components.parts import coverage_note, marks, nothing, quantity, stat
from wattline_dashboards.context import Asked, Context
from wattline_dashboards.language import N_, _, ngettext

PATH = "/my-jobs"
TITLE = N_("My jobs")
GROUP = "jobs"
PICKERS = ("period", "system")
EVERY_MS = 15_000
MOST_SAVED = 5_000
"""Jobs in a file, the first of the list as it is sorted."""

_STATES = ("running", "waiting", "completed", "failed")
_FIRST_SORT = "start-down"
_MOST_TYPED = 80

Controls = tuple[object, object, object, object, object]
"""What is searched for, the state, the user, the sort and the page."""


def layout(
    search: object = None,
    state: object = None,
    user: object = None,
    sort: object = None,
    page: object = None,
    **_query: Any,
) -> html.Div:
    """The page before its jobs; the address may say what is searched for and how it is sorted."""
    words = {
        "running": _("Running"), "waiting": _("Waiting"), "completed": _("Completed"),
        "failed": _("Failed or cancelled"),
    }  # fmt: skip
    everybody = sees(viewing.viewer(), Sight.JOBS) or bool(viewing.viewer().projects)
    return html.Div(
        [
            dcc.Interval(id="my_jobs-tick", interval=EVERY_MS),
            markup.store("my_jobs"),
            dcc.Input(id="my_jobs-sort", type="hidden", value="-".join(_sorted(sort))),
            dcc.Input(id="my_jobs-page", type="hidden", value=_typed(page, 6)),
            html.Div(id="my_jobs-notice"),
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(id="my_jobs-answer"),
                            html.P(id="my_jobs-scope", className="scope"),
                        ],
                        className="answer",
                    ),
                    html.Section(id="my_jobs-figures", className="span-all"),
                    html.Section(
                        [
                            html.Div(
                                [
                                    _labelled(
                                        _("Find jobs by id, name or project"),
                                        dcc.Input(
                                            id="my_jobs-search", type="text", debounce=0.4,
                                            value=_typed(search), maxLength=_MOST_TYPED,
                                            placeholder=_("Id, name or project"),
                                            className="filter",
                                        ),
                                    ),
                                    html.Div(
                                        dcc.Dropdown(
                                            id="my_jobs-state",
                                            options=[{"label": words[one], "value": one}
                                                     for one in _STATES],
                                            value=state if state in _STATES else None,
                                            placeholder=_("Any state"),
                                        ),
                                        role="group",
                                        **marks(aria_label=_("State")),
                                    ),
                                    html.Div(
                                        _labelled(
                                            _("Jobs of one user"),
                                            dcc.Input(
                                                id="my_jobs-user", type="text", debounce=0.4,
                                                value=_typed(user), maxLength=_MOST_TYPED,
                                                placeholder=_("User"), className="filter",
                                            ),
                                        ),
                                        hidden=not everybody,
                                    ),
                                    files("my_jobs-list", picture=False),
                                ],
                                className="job-filters",
                            ),
                            html.Div(id="my_jobs-list"),
                        ],
                        className="span-all",
                    ),
                ],
                id="my_jobs-page-body",
                className="drawn my-jobs waiting",
            ),
        ]
    )  # fmt: skip


def _labelled(label: str, field: dcc.Input) -> html.Label:
    return html.Label([html.Span(label, className="hidden"), field])


def render(answer: Answer, controls: Controls, zone: ZoneInfo) -> dict[str, Any]:
    """All that an answer fills, by name; `parts` are components by the id they fill."""
    parts: dict[str, Any] = {"my_jobs-notice": notice.away(answer)}
    if answer.value is None:
        return {"parts": parts, "class": "drawn my-jobs waiting"}
    said = answer.value
    rows = [row for row in said.get("rows") or () if isinstance(row, Mapping)]
    sort, order = _sorted(controls[3])
    several = bool(said.get("several_users"))
    parts |= {
        "my_jobs-answer": finding(said),
        "my_jobs-scope": _scope(said, zone),
        "my_jobs-figures": _figures(said),
        "my_jobs-list": [
            job_list(rows, sort, order, zone, with_user=several) if rows else _none(said),
            _pager(said),
        ],
    }
    return {"parts": parts, "class": notice.stale_class(answer) + " my-jobs"}


def finding(said: Mapping[str, Any]) -> str:
    """The sentence the page opens with."""
    count = int(number(said.get("jobs")) or 0)
    sums = said.get("totals") or {}
    hours, wasted = number(sums.get("gpu_hours")), number(sums.get("wasted_gpu_hours"))
    if not count:
        return _("No job in this period.")
    jobs = ngettext("{count} job", "{count} jobs", count).format(count=format_number(count))
    if hours is None:
        return _("{jobs}, none of which held a device.").format(jobs=jobs)
    used = _("{jobs} used {hours}").format(jobs=jobs, hours=format_number(hours, "GPU-h"))
    working = number(sums.get("working"))
    if working is None or wasted is None:
        return _("{used}; whether they worked was not measured.").format(used=used)
    return _("{used}: {working} of it working, {wasted} wasted.").format(
        used=used, working=format_percent(working), wasted=format_number(wasted, "GPU-h")
    )


def _scope(said: Mapping[str, Any], zone: ZoneInfo) -> list[Any]:
    whose = (
        _("Everybody's jobs, with what they used in the period; ")
        if said.get("everybody")
        else _("Your jobs and those of projects you lead, with what they used in the period; ")
        if said.get("several_users")
        else _("Your jobs, with what they used in the period; ")
    )
    return [whose, *between(said.get("period"), zone)]


def _figures(said: Mapping[str, Any]) -> html.Dl | None:
    sums = said.get("totals") or {}
    if not number(said.get("jobs")):
        return None

    def of(name: str) -> float | None:
        return number(sums.get(name))

    caution = coverage_note(of("coverage"))
    shown = (
        (_("Tokens"), "", format_si(of("tokens"), "tok"), None),
        (_("GPU-hours"), "", format_number(of("gpu_hours"), "GPU-h"), None),
        (_("Working"), "", format_percent(of("working")), caution),
        (_("Wasted"), "E06", format_number(of("wasted_gpu_hours"), "GPU-h"), None),
        (_("Energy"), "S12", format_energy(of("energy_joules")), None),
        (_("Tokens per joule"), "S10", format_number(of("tokens_per_joule"), "tok/J"), None),
    )
    return html.Dl(
        [
            stat(label, explained(kpi, quantity(value), f"{label} {value}") if kpi
                 else quantity(value), detail, **marks(data_figure=kpi or label))
            for label, kpi, value, detail in shown
        ],
        className="totals job-stats",
    )  # fmt: skip


def _none(said: Mapping[str, Any]) -> html.P:
    if number(said.get("all_jobs")):
        return nothing(_("No job fits. Take out a filter, or search for less."))
    return nothing(
        _("No job of yours is known in this period. Choose a longer one; a job appears within a "
          "minute of its start.")
    )  # fmt: skip


def _pager(said: Mapping[str, Any]) -> html.Div | None:
    page, pages = int(number(said.get("page")) or 1), int(number(said.get("pages")) or 1)
    if pages < 2:
        return None

    def button(label: str, to: int) -> html.Button:
        return html.Button(
            label, type="button", disabled=not 1 <= to <= pages, **marks(data_job_page=str(to))
        )

    where = _("Page {page} of {pages}").format(page=page, pages=format_number(pages))
    return html.Div(
        [button(_("Previous"), page - 1), html.Span(where), button(_("Next"), page + 1)],
        className="pager",
    )


def question(asked: Asked, controls: Controls, rows: int | None = None) -> list[tuple[str, str]]:
    """The controls as parameters of `/v1/my-jobs`; whatever cannot be meant is left out."""
    search, state, user, sort, page = controls
    column, order = _sorted(sort)
    said = [
        ("system", asked.system or ""),
        ("search", _typed(search)),
        ("state", str(state) if state in _STATES else ""),
        ("user", _typed(user)),
        ("sort", column),
        ("order", order),
    ]
    if rows is not None:
        said.append(("rows", str(rows)))
    elif (typed := _typed(page, 6)).isdecimal() and int(typed) > 0:
        said.append(("page", typed))
    return [*asked.query, *((name, value) for name, value in said if value)]


def seen(answer: Answer) -> list[Seen]:
    """The jobs that an answer shows."""
    rows = [] if answer.value is None else answer.value.get("rows") or []
    return [
        Seen(str(row.get("system")), str(row.get("job")), text(row.get("user"))) for row in rows
    ]


def _typed(value: object, most: int = _MOST_TYPED) -> str:
    return value.strip()[:most] if isinstance(value, str) else ""


def _sorted(value: object) -> tuple[str, str]:
    column, _dash, order = str(value or _FIRST_SORT).rpartition("-")
    known = [name for name, _label, _title in heads(with_user=True)]
    if column in known and order in ("up", "down"):
        return column, order
    column, _dash, order = _FIRST_SORT.rpartition("-")
    return column, order


OUTPUTS = {
    "parts": Output("my_jobs-drawing", "data"),
    "class": Output("my_jobs-page-body", "className"),
}
_CONTROLS = ("my_jobs-search", "my_jobs-state", "my_jobs-user", "my_jobs-sort", "my_jobs-page")


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def ask(asked: Asked, controls: Controls, page: str, rows: int | None = None) -> Answer:
        answer = context.answers.ask("/v1/my-jobs", question(asked, controls, rows))
        if context.looks is not None:
            try:
                context.looks.shown(page, seen(answer))
            except NotWritten as error:
                return Answer(None, None, str(error))
        return answer

    def fill(_tick: int | None, picked: object, *controls: object) -> dict[str, Any]:
        asked = context.asked(picked)
        if asked is None:
            return dict.fromkeys(OUTPUTS, no_update)
        held: Controls = controls  # type: ignore[assignment]  # as many as the inputs below
        changes = render(ask(asked, held, "my jobs"), held, context.zone)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def saved(picked: object, *controls: object) -> exports.Sheet | None:
        asked = context.asked(picked)
        if asked is None:
            return None
        held: Controls = controls  # type: ignore[assignment]
        answer = ask(asked, held, "my jobs, saved", MOST_SAVED)
        return None if answer.value is None else sheet(answer.value.get("rows") or [])

    app.clientside_callback(
        ClientsideFunction("wattline", "draw"), Input("my_jobs-drawing", "data")
    )
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("my_jobs-tick", "n_intervals"),
            Input("shell-asked", "data"),
            *(Input(id, "value") for id in _CONTROLS),
        ],
    )(fill)
    pickers.remember(app, *_CONTROLS)
    app.clientside_callback(
        ClientsideFunction("wattline", "firstPage"),
        Output("my_jobs-page", "value"),
        *(Input(id, "value") for id in _CONTROLS[:3]),
        prevent_initial_call=True,
    )
    exports.connect(
        app,
        "my_jobs-list",
        [State("shell-asked", "data"), *(State(id, "value") for id in _CONTROLS)],
        saved,
    )
