"""One job: how each of its devices worked, what was wasted and when, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from wattline_collector.palette import Mode, format_age, format_percent, format_si
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.access.audit import NotWritten, Seen
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import job_report, notice
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.job_list import link
from wattline_dashboards.components.parts import marks
from wattline_dashboards.components.short import cut
from wattline_dashboards.context import Context
from wattline_dashboards.figures import job_strips, moments, packed
from wattline_dashboards.figures import like as like_figure
from wattline_dashboards.language import N_, _

PATH = "/job"
TITLE = N_("Job")
GROUP = ""
PICKERS: tuple[str, ...] = ()
EVERY_MS = 15_000
KEPT_SECONDS = 14.0
LIKE_KEPT_SECONDS = 300.0
_MOST_TYPED = 256


def layout(job: object = None, system: object = None, **_query: Any) -> html.Div:
    """The page before its job; the address names it."""
    which = {"job": _typed(job), "system": _typed(system)}
    return html.Div(
        [
            dcc.Interval(id="job-tick", interval=EVERY_MS),
            dcc.Store(id="job-which", data=which),
            markup.store("job"),
            html.Div(id="job-notice"),
            html.Div(
                [html.H1(id="job-answer"), html.Div(id="job-facts", className="job-facts")],
                className="answer",
            ),
            html.Form(
                [
                    html.Label(
                        [
                            html.Span(_("Id of a job"), className="hidden"),
                            dcc.Input(
                                type="text", name="job", className="filter", maxLength=_MOST_TYPED,
                                placeholder=_("Id of a job"), value=which["job"],
                            ),
                        ]
                    ),
                    html.Button(_("Show"), type="submit"),
                ],
                className="find-job",
                hidden=bool(which["job"]),
            ),
            html.Div(
                [
                    html.Section(id="job-figures", className="span-all"),
                    chart("job-strips", 480, class_name="span-all"),
                    html.Section(
                        [html.H2(id="job-waste-finding"), html.Div(id="job-waste"),
                         html.Div(id="job-accounts")],
                        className="area-waste",
                    ),
                    html.Section(
                        [html.H2(_("What its processes did")), html.Div(id="job-phases")],
                        className="area-phases",
                    ),
                    html.Section(
                        [html.H2(_("What to change")), html.Div(id="job-advice")],
                        className="area-advice",
                    ),
                    chart("job-like", like_figure.HEIGHT, class_name="area-like"),
                    html.Section(
                        [
                            html.Div(
                                [html.H2(_("Its devices")), files("job-devices", picture=False)],
                                className="section-head",
                            ),
                            html.Div(id="job-devices"),
                            html.Div(id="job-notes"),
                        ],
                        className="area-devices",
                    ),
                ],
                id="job-page",
                className="drawn job-page waiting",
            ),
        ]
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page is drawn from.

    Attributes:
        answer: Of `/v1/job`; without a value where it must not be shown.
        like: Of `/v1/job/like`.
    """

    answer: Answer
    like: Mapping[str, Any]


def render(
    which: Mapping[str, str], shown: Shown | None, mode: Mode, zone: ZoneInfo
) -> dict[str, Any]:
    """All that an answer fills, by name; `parts` are components by the id they fill."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    waiting = changes | {"class": "drawn job-page waiting"}
    if shown is None:
        return waiting | {"parts": {"job-notice": None, "job-facts": None,
                                    "job-answer": _("Which job?")}}  # fmt: skip
    answer = shown.answer
    if answer.value is None:
        return waiting | {"parts": _absent(which, answer)}
    report = answer.value.get("report")
    if report is None:
        return waiting | {"parts": _several(answer.value)}
    figures, drawn = job_report.figures_of(report), answer.value.get("strips") or {}
    runs = (report.get("identity") or {}).get("end") is None
    parts: dict[str, Any] = {
        "job-notice": notice.away(answer),
        "job-answer": job_report.answer(report, figures),
        "job-facts": job_report.facts(report, zone),
        "job-figures": job_report.stats(figures),
        "job-strips-finding": strips_finding(report),
        "job-strips-note": _strips_note(drawn, report, runs=runs),
        "job-strips-legend": _legend(drawn),
        "job-waste-finding": job_report.waste_finding(figures),
        "job-waste": job_report.waste(report, figures),
        "job-accounts": job_report.accounts(report, zone),
        "job-phases": job_report.phases(figures),
        "job-advice": job_report.advice(report),
        "job-like-finding": like_finding(shown.like),
        "job-like-note": like_note(shown.like),
        "job-devices": job_report.devices(report),
        "job-notes": job_report.notes(report),
    }
    return {
        "parts": parts,
        "class": notice.stale_class(answer) + " job-page",
        "strips": job_strips.figure(drawn, report.get("accounts") or (), mode, zone),
        "height": {"height": f"{job_strips.height(drawn, report.get('accounts') or ())}px"},
        "no_strips": not drawn.get("devices"),
        "like": like_figure.figure(shown.like, mode),
        "no_like": bool(shown.like.get("withheld")) or not shown.like,
    }


def strips_finding(report: Mapping[str, Any]) -> str:
    """What the strips show: who did nothing, who was slower, or that all did alike."""
    rows = [row for row in report.get("devices") or () if isinstance(row, Mapping)]
    idle = [row for row in rows if row.get("idle")]
    if idle:
        names = ", ".join(_device(row) for row in idle[:3])
        if len(idle) > 3:
            names = _("{names} and {count} more").format(names=names, count=len(idle) - 3)
        return _("{count} of {all} devices did nothing: {names}").format(
            count=len(idle), all=len(rows), names=names
        )
    known = sorted(
        (activity, place)
        for place, row in enumerate(rows)
        if (activity := number(row.get("activity"))) is not None
    )
    if len(known) >= 2:
        middle = known[len(known) // 2][0]
        least, place = known[0]
        if middle > 0 and least < 0.8 * middle:
            return _("{device} was at {share} of the activity of the others").format(
                device=_device(rows[place]), share=format_percent(least / middle, 2)
            )
        return _("Its devices worked alike")
    return _("Its devices over time")


def like_finding(like: Mapping[str, Any]) -> str:
    """Where the job stands among those like it."""
    metric = (like.get("metrics") or {}).get("working") or {}
    below, count = number(metric.get("below")), number(metric.get("n"))
    if below is None or count is None:
        return _("Compared with like jobs")
    if below == 0:
        return _("No like job worked a smaller share of its time")
    return _("It worked a larger share of its time than {share} of like jobs").format(
        share=format_percent(below, 2)
    )


def like_note(like: Mapping[str, Any]) -> str:
    """What it is compared with, and how many they are; or why there is nothing."""
    if not like:
        return _("The comparison is not known yet.")
    if (why := text(like.get("withheld"))) is not None:
        return _("No comparison: {why}.").format(why=cut(why, 200))
    sizes = like.get("devices") or ("", "")
    told = [
        number((like.get("metrics") or {}).get(one, {}).get("n")) for one in like_figure.METRICS
    ]
    if not any(told):
        return _(
            "Others' {kind} jobs with {low} to {high} devices in the same four weeks are too few, "
            "or of fewer than five owners."
        ).format(kind=like.get("kind"), low=sizes[0], high=sizes[1])
    return _(
        "Others' {kind} jobs with {low} to {high} devices in the same four weeks; at most ten of "
        "one owner count, and never fewer than five owners."
    ).format(kind=like.get("kind"), low=sizes[0], high=sizes[1])


def _absent(which: Mapping[str, str], answer: Answer) -> dict[str, Any]:
    """No such job, or not theirs: the page cannot tell which, as it is not told."""
    away = notice.away(answer)
    if not answer.reached or answer.error is None:
        return {"job-notice": away, "job-answer": _("Job"), "job-facts": None}
    return {
        "job-notice": None,
        "job-answer": _("Job {job} cannot be shown").format(job=cut(which["job"], 40)),
        "job-facts": html.Span(cut(answer.error.split(": ", 3)[-1], 300)),
    }


def _several(value: Mapping[str, Any]) -> dict[str, Any]:
    found = [one for one in value.get("several") or () if isinstance(one, Mapping)]
    links = [part for one in found for part in (link(one), " ")]
    return {
        "job-notice": None,
        "job-answer": _("Which of these jobs?"),
        "job-facts": links,
    }


def _device(row: Mapping[str, Any]) -> str:
    place = number(row.get("index"))
    node = cut(row.get("node"), 32)
    return node if place is None else _("{node} GPU {place}").format(node=node, place=place)


def _strips_note(drawn: Mapping[str, Any], report: Mapping[str, Any], *, runs: bool) -> str:
    step = format_age(number(drawn.get("step_ms")))
    words = (
        _("Means over {step}, of what was read.") if drawn.get("source") == "telemetry"
        else _("Means over {step}, from the books.")
    ).format(step=step)  # fmt: skip
    left_out = int(number(drawn.get("left_out")) or 0)
    if left_out:
        words += " " + _("The least active and some of the most active are drawn; {count} more "
                         "are in the table.").format(count=left_out)  # fmt: skip
    age = number(report.get("age_seconds"))
    if runs and age is not None:
        words += " " + _("Data is {age} old.").format(age=format_age(age * 1000))
    return words


def _legend(drawn: Mapping[str, Any]) -> html.Div | None:
    if not drawn.get("devices"):
        return None
    most = format_si(job_strips.most_watts(drawn), "W")
    return html.Div(
        [
            html.Span(
                [html.Span("0"), html.Span(className="ramp", **marks(aria_hidden="true")),
                 html.Span(_("100 % active, {power}").format(power=most))],
                className="legend-item",
            ),
            html.Span(
                [html.Span(className="swatch swatch-unknown", **marks(aria_hidden="true")),
                 _("held, and not read")],
                className="legend-item",
            ),
            html.Span(
                [html.Span(className="swatch swatch-held", **marks(aria_hidden="true")),
                 _("held idle")],
                className="legend-item",
            ),
            html.Span(
                [html.Span(className="swatch swatch-lost", **marks(aria_hidden="true")),
                 _("work lost")],
                className="legend-item",
            ),
        ],
        className="legend",
    )  # fmt: skip


def strips_sheet(value: Mapping[str, Any]) -> exports.Sheet:
    """The strips as a file: a row per device and step in which anything is known."""
    drawn = value.get("strips") or {}
    start, step = number(drawn.get("start_unix_ms")) or 0, number(drawn.get("step_ms")) or 1
    steps = int(number(drawn.get("steps")) or 0)
    activity, watts = (packed.unpacked(drawn[name]) for name in ("activity", "power_watts"))
    rows: list[tuple[object, ...]] = []
    for place, device in enumerate(drawn.get("devices") or ()):
        for at in range(steps):
            cell = place * steps + at
            known = [None if one[cell] != one[cell] else one[cell] for one in (activity, watts)]
            if known != [None, None]:
                rows.append((device.get("node"), device.get("index"), device.get("device"),
                             moments.iso(start + at * step), *known))  # fmt: skip
    heads = ("node", "GPU", "device", "from (UTC)", "activity (0-1)", "power (W)")
    return exports.Sheet("job-devices-over-time", heads, rows)


def devices_sheet(value: Mapping[str, Any]) -> exports.Sheet:
    """The table of devices as a file."""
    names = ("node", "index", "device", "model", "activity", "sm_active", "busy",
             "power_mean_watts", "power_max_watts", "memory_peak_bytes",
             "temperature_max_celsius", "energy_joules")  # fmt: skip
    units = {"activity": "0-1", "sm_active": "0-1", "busy": "0-1", "power_mean_watts": "W",
             "power_max_watts": "W", "memory_peak_bytes": "B", "temperature_max_celsius": "Cel",
             "energy_joules": "J"}  # fmt: skip
    rows = (value.get("report") or {}).get("devices") or ()
    heads = [f"{name} ({units[name]})" if name in units else name for name in names]
    return exports.Sheet("job-devices", heads, [[row.get(n) for n in names] for row in rows])


def like_sheet(like: Mapping[str, Any]) -> exports.Sheet:
    """Both distributions as a file."""
    rows: list[tuple[object, ...]] = []
    for name in like_figure.METRICS:
        metric = (like.get("metrics") or {}).get(name) or {}
        start, width = number(metric.get("start")) or 0.0, number(metric.get("width")) or 0.0
        rows += [
            (name, start + width * place, start + width * (place + 1), count, metric.get("own"))
            for place, count in enumerate(metric.get("counts") or ())
        ]
    return exports.Sheet("like-jobs", ("figure", "from", "to", "jobs (count)", "this job"), rows)


def seen(value: Mapping[str, Any] | None) -> list[Seen]:
    """The job that an answer shows, if it shows one."""
    identity = ((value or {}).get("report") or {}).get("identity")
    if not isinstance(identity, Mapping):
        return []
    return [Seen(str(identity.get("system")), str(identity.get("job")), text(identity.get("user")))]


def _typed(value: object) -> str:
    return value.strip()[:_MOST_TYPED] if isinstance(value, str) else ""


OUTPUTS = {
    "parts": Output("job-drawing", "data"),
    "class": Output("job-page", "className"),
    "strips": Output("job-strips", "figure"),
    "height": Output("job-strips", "style"),
    "no_strips": Output("job-strips-place", "hidden"),
    "like": Output("job-like", "figure"),
    "no_like": Output("job-like-place", "hidden"),
}


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def ask(which: object, page: str) -> tuple[dict[str, str], Shown | None]:
        said: Mapping[str, Any] = which if isinstance(which, Mapping) else {}
        named = {name: _typed(said.get(name)) for name in ("job", "system")}
        if not named["job"]:
            return named, None
        query = [(name, value) for name, value in named.items() if value]
        answer = context.answers.ask("/v1/job", query, KEPT_SECONDS)
        if context.looks is not None:
            try:
                context.looks.shown(page, seen(answer.value))
            except NotWritten as error:
                return named, Shown(Answer(None, None, str(error)), {})
        if answer.value is None or answer.value.get("report") is None:
            return named, Shown(answer, {})
        like = context.answers.ask("/v1/job/like", query, LIKE_KEPT_SECONDS)
        return named, Shown(answer, like.value or {})

    def fill(_tick: int | None, which: object, mode: str) -> dict[str, Any]:
        named, shown = ask(which, "job")
        changes = render(named, shown, theme.mode_named(mode), context.zone)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def saved(make: Any, part: str) -> Any:
        def sheet(which: object) -> exports.Sheet | None:
            _named, shown = ask(which, "job, saved")
            if shown is None or shown.answer.value is None:
                return None
            if shown.answer.value.get("report") is None:
                return None
            made: exports.Sheet = make(shown.like if part == "like" else shown.answer.value)
            return made

        return sheet

    app.clientside_callback(ClientsideFunction("wattline", "draw"), Input("job-drawing", "data"))
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("job-tick", "n_intervals"),
            Input("job-which", "data"),
            Input("shell-mode", "data"),
        ],
    )(fill)
    which = [State("job-which", "data")]
    exports.connect(app, "job-strips", which, saved(strips_sheet, "job"))
    exports.connect(app, "job-like", which, saved(like_sheet, "like"))
    exports.connect(app, "job-devices", which, saved(devices_sheet, "job"))
