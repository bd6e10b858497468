"""The frame and the parts that the pages of one node and of one device share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    Mode,
    format_age,
    format_energy,
    format_number,
    format_percent,
)
from wattline_dashboards import exports, markup, words
from wattline_dashboards.access.audit import Seen
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import severity
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.inside import link
from wattline_dashboards.components.job_list import state
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import (
    Column,
    Row,
    coverage_note,
    marks,
    nothing,
    swatch,
    table,
)
from wattline_dashboards.components.short import WHOLE, cut, short
from wattline_dashboards.figures import moments
from wattline_dashboards.figures.occupied import job_name, kind_name
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.trust import COMFORT

Json = Mapping[str, Any]

EVERY_MS = 15_000
"""As often as the collector brings its books up to date."""

_MOST_LISTED = 200


def layout(page: str, name: object, height: int, *, devices: bool) -> html.Div:
    """The page before its figures.

    Args:
        page: Its word, which its ids begin with.
        name: What the address says it is about.
        height: Of the strips before they are drawn, pixels.
        devices: Whether it lists devices.
    """
    listed = [_listed(page, "devices", _("Devices"))] if devices else []
    return html.Div(
        [
            dcc.Interval(id=f"{page}-tick", interval=EVERY_MS),
            dcc.Store(id=f"{page}-name", data=str(name)[:WHOLE] if name else None),
            dcc.Store(id=f"{page}-drawn"),
            markup.store(page),
            html.Div(id=f"{page}-notice"),
            html.Div(
                [
                    html.Div(
                        [
                            html.P(id=f"{page}-path", className="one-path"),
                            html.H1(id=f"{page}-answer"),
                            html.P(id=f"{page}-scope", className="scope"),
                        ],
                        className="answer",
                    ),
                    chart(f"{page}-strips", height, class_name="area-strips", title=_("Over time")),
                    html.Div(
                        [
                            html.Section(
                                [html.H2(_("Time by account")), html.Div(id=f"{page}-accounts")]
                            ),
                            html.Section(
                                [html.H2(_("Open alerts")), html.Div(id=f"{page}-alerts")],
                                id=f"{page}-alerts-section",
                            ),
                            html.Section(
                                [html.H2(_("What it is")), html.Div(id=f"{page}-identity")]
                            ),
                            *listed,
                        ],
                        className="area-beside",
                    ),
                    html.Div(
                        [
                            _listed(page, "jobs", _("Jobs that held it")),
                            _listed(page, "events", _("Errors")),
                        ],
                        className="area-lists",
                    ),
                ],
                id=f"{page}-page",
                className="drawn one waiting",
            ),
        ]
    )


def _listed(page: str, name: str, title: str) -> html.Section:
    id = f"{page}-{name}"
    return html.Section(
        [
            html.Div([html.H2(title), files(id, picture=False)], className="section-head"),
            html.Div(id=id),
        ]
    )


def job_link(row: Json) -> Any:
    """The job's page, where whoever looks may see the job."""
    shown = short(job_name(row))
    if text(row.get("job")) is None:
        return html.Span(shown, className="muted", title=_("Not shown to your roles"))
    return link("/job", shown, job=row.get("job"), system=row.get("system"))


def facts(rows: Sequence[tuple[str, Any]]) -> html.Dl:
    """Names and values; what nobody said is left out."""
    return html.Dl(
        [
            part
            for label, value in rows
            if value is not None and value != ""
            for part in (html.Dt(label), html.Dd(value))
        ],
        className="facts",
    )


def hours(sums: Json) -> Any:
    """How long it was in each account, as bars with their share."""
    found: Json = sums.get("device_hours") or {}
    known = [(a, number(found.get(a.value)) or 0.0) for a in Account if found.get(a.value)]
    total = sum(value for _account, value in known)
    if not total:
        return nothing(_("The books have nothing of it in this period."))
    bars = html.Div(
        [
            html.Span(
                className=f"swatch-{account.value}", style={"width": f"{value / total * 100:.3f}%"}
            )
            for account, value in known
        ],
        className="one-bar",
        **marks(aria_hidden="true"),
    )
    rows = [
        Row(
            {
                "account": html.Span(
                    [swatch(account.value), words.account(account)],
                    className="state", title=words.meaning(account),
                ),
                "hours": format_number(value, "GPU-h"),
                "share": format_percent(value / total),
            }
        )
        for account, value in known
    ]  # fmt: skip
    columns = (
        Column("account", _("Account")),
        Column("hours", _("Time"), numeric=True),
        Column("share", _("Share"), numeric=True),
    )
    joules = number(sums.get("energy_joules"))
    energy = html.P(
        [_("Energy, by the devices' own meters: "), html.Strong(format_energy(joules)),
         " ", coverage_note(number(sums.get("observed_ratio")))],
        className="one-energy",
    )  # fmt: skip
    return [bars, table(_("Time by account"), columns, rows, "accounts"), energy]


def alerts(rows: object, now_ms: float, zone: ZoneInfo) -> Any:
    """Alerts that fire for it; None where whoever looks may not see alerts."""
    if not isinstance(rows, list):
        return None
    if not rows:
        return nothing(_("No alert is open for it."))
    return [
        html.Div(
            [
                html.Div(
                    [
                        severity.badge(str(row.get("severity"))),
                        html.Span(cut(row.get("title"), 200), className="strong"),
                        html.Span(
                            [
                                _("since "),
                                moment(number(row.get("fired_ms")), zone),
                                _ago(now_ms, number(row.get("fired_ms"))),
                            ],
                            className="muted",
                        ),
                    ],
                    className="details-state",
                ),
                html.P(cut(row.get("action"), 600)),
            ],
            className="one-alert",
        )
        for row in rows[:_MOST_LISTED]
    ]


def _ago(now_ms: float, then_ms: float | None) -> str:
    return "" if then_ms is None else f" ({format_age(now_ms - then_ms)})"


def jobs(rows: Sequence[Json], left_out: int, zone: ZoneInfo, *, devices: bool) -> Any:
    """The jobs that held it, the newest first."""
    if not rows:
        return nothing(_("No job held it in this period."))
    columns = [
        Column("job", _("Job")),
        Column("state", _("State")),
        *([Column("devices", _("Devices"), numeric=True)] if devices else []),
        Column("from", _("From")),
        Column("to", _("To")),
    ]
    made = [
        Row(
            {
                "job": job_link(row),
                "state": state(text(row.get("state"))),
                "devices": format_number(number(row.get("devices"))),
                "from": moment(number(row.get("start_ms")), zone),
                # What is booked ends with a bucket, and a job that runs on does not.
                "to": _("now")
                if row.get("state") == "running"
                else moment(number(row.get("end_ms")), zone),
            }
        )
        for row in reversed(rows)
    ]
    return [table(_("Jobs that held it"), columns, made, "held"), _more(left_out)]


def events(rows: Sequence[Json], left_out: int, zone: ZoneInfo, names: Mapping[str, str]) -> Any:
    """Errors, the newest first."""
    if not rows:
        return nothing(_("No error was counted in this period."))
    columns = [
        Column("at", _("When")),
        Column("kind", _("What")),
        *([Column("device", _("Device"))] if names else []),
        Column("count", _("Times"), numeric=True),
        Column("class", _("Class"), title=_("By NVIDIA's catalogue of XIDs")),
    ]
    made = [
        Row(
            {
                "at": moment(number(row.get("at_ms")), zone, seconds=True),
                "kind": kind_name(row),
                "device": names.get(str(row.get("device"))),
                "count": format_number(number(row.get("count"))),
                "class": _class(text(row.get("class"))),
            }
        )
        for row in reversed(rows)
    ]
    return [table(_("Errors"), columns, made, "errors"), _more(left_out)]


def _class(name: str | None) -> Any:
    words = {
        "critical": _("critical"), "warning": _("warning"), "application": _("application"),
        "noted": _("to be noted"),
    }  # fmt: skip
    if name is None:
        return None
    said = words.get(name, name)
    return html.Span(said, className="caution") if name in ("critical", "warning") else said


def _more(left_out: int) -> Any:
    if not left_out:
        return None
    said = ngettext("{n} older one is left out.", "{n} older ones are left out.", left_out)
    return nothing(said.format(n=format_number(left_out)) + " " + _("Choose a shorter period."))


@dataclass(frozen=True, slots=True)
class Work:
    """How much of its booked time something worked.

    Attributes:
        share: In which it is known to have worked; None where nothing is booked, or where nobody
            measured whether it did.
        is_least: Whether of so much time nobody knows that the share may well be more.
        is_booked: Whether anything is.
    """

    share: float | None
    is_least: bool
    is_booked: bool


def work(sums: Json) -> Work:
    """How much of its booked time it worked, of what `sums` says of its accounts."""
    found: Json = sums.get("device_hours") or {}

    def share(*accounts: Account) -> float:
        return sum(number(found.get(one.value)) or 0.0 for one in accounts) / total

    total = sum(number(value) or 0.0 for value in found.values())
    if not total:
        return Work(None, False, False)
    worked = share(Account.BUSY, Account.SLOWED, Account.LOST)
    unknown = share(Account.UNMEASURED, Account.UNOBSERVED)
    is_least = unknown > 1 - COMFORT
    nothing_known = is_least and worked + share(Account.HELD) == 0
    return Work(None if nothing_known else worked, is_least, True)


def lasting(seconds: float) -> str:
    """A length of time: `30 s`, `10 min`, `6 h`, `2 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return format_number(_whole(seconds / length), unit)
    return format_number(round(seconds), "s")


def _whole(value: float) -> float:
    return int(value) if value == int(value) else round(value, 1)


def drawn(said: Json, mode: Mode) -> str:
    """A name for what the strips show: as long as it is the same, they need not be drawn again."""
    grid, period = said.get("grid") or {}, said.get("period") or {}
    names = ("readings", "jobs_left_out", "events_left_out")
    shown = [
        mode.value, *grid.values(), period.get("start_ms"), *(said.get(name) for name in names),
        *(len(said.get(name) or ()) for name in ("accounts", "jobs", "events")),
        (said.get("identity") or {}).get("device"), (said.get("identity") or {}).get("node"),
    ]  # fmt: skip
    return " ".join(map(str, shown))


def outputs(page: str) -> dict[str, Output]:
    """What a page's callback fills, by name."""
    return {
        "parts": Output(f"{page}-drawing", "data"),
        "class": Output(f"{page}-page", "className"),
        "strips": Output(f"{page}-strips", "figure"),
        "style": Output(f"{page}-strips", "style"),
        "drawn": Output(f"{page}-drawn", "data"),
        "no_alerts": Output(f"{page}-alerts-section", "hidden"),
    }


def register(
    app: Dash,
    page: str,
    fill: Callable[..., dict[str, Any]],
    sheets: Mapping[str, Callable[..., exports.Sheet | None]],
    filled: Mapping[str, Output],
) -> None:
    """Connect a page: its parts, and the files of its chart and lists by their ids."""
    app.clientside_callback(
        ClientsideFunction("wattline", "draw"), Input(f"{page}-drawing", "data")
    )
    app.callback(
        output=dict(filled),
        inputs=[
            Input(f"{page}-tick", "n_intervals"),
            Input(f"{page}-name", "data"),
            Input("shell-asked", "data"),
            Input("shell-mode", "data"),
            State(f"{page}-drawn", "data"),
        ],
    )(fill)
    asked = [State(f"{page}-name", "data"), State("shell-asked", "data")]
    for name, sheet in sheets.items():
        exports.connect(app, f"{page}-{name}", asked, sheet)


def seen(said: Json) -> list[Seen]:
    """The jobs that held it, as far as whoever looks is told which they are."""
    return [
        Seen(str(row.get("system")), job, text(row.get("user")))
        for row in said.get("jobs") or ()
        if (job := text(row.get("job"))) is not None
    ]


def jobs_sheet(said: Json | None, name: str) -> exports.Sheet | None:
    """The jobs as a file."""
    if said is None:
        return None
    heads = ("job", "name", "state", "devices", "from (UTC)", "to (UTC)")
    rows = [
        [row.get("job"), row.get("name"), row.get("state"), row.get("devices"),
         moments.iso(number(row.get("start_ms"))), moments.iso(number(row.get("end_ms")))]
        for row in said.get("jobs") or ()
    ]  # fmt: skip
    return exports.Sheet(name, heads, rows)


def events_sheet(said: Json | None, name: str) -> exports.Sheet | None:
    """The errors as a file."""
    if said is None:
        return None
    heads = ("at (UTC)", "device", "kind", "xid", "class", "times")
    rows = [
        [moments.iso(number(row.get("at_ms"))), row.get("device"), row.get("kind"),
         row.get("xid"), row.get("class"), row.get("count")]
        for row in said.get("events") or ()
    ]  # fmt: skip
    return exports.Sheet(name, heads, rows)
