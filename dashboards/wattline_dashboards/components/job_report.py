"""One job in words and numbers: everything `wattline job` says, for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    UNKNOWN,
    format_celsius,
    format_energy,
    format_number,
    format_percent,
    format_si,
    format_value,
)
from wattline_dashboards import words
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.job_list import state
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import (
    Column,
    Row,
    coverage_note,
    marks,
    meter,
    nothing,
    quantity,
    stat,
    swatch,
    table,
)
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.times import parsed

Json = Mapping[str, Any]
Figures = Mapping[str, Json]

PHASES = (
    "phase_step", "phase_data_wait", "phase_checkpoint_save", "phase_init", "phase_restore",
    "phase_eval", "phase_other",
)  # fmt: skip
_LISTED = 3
"""Stretches named beside an account; the chart shows all."""
_MOST_ADVICE = 12


def figures_of(report: Json) -> dict[str, Json]:
    """The report's figures by id."""
    rows = report.get("figures") or ()
    return {str(row.get("id")): row for row in rows if isinstance(row, Mapping)}


def value(figures: Figures, id: str) -> float | None:
    """A figure's value in its unit; null where it is not known."""
    return number((figures.get(id) or {}).get("value"))


def shown(figures: Figures, id: str) -> str:
    """A figure as people read it."""
    unit = text((figures.get(id) or {}).get("unit")) or ""
    found = value(figures, id)
    if unit == "gCO2e":
        return format_si(found, "g CO₂e")
    if unit == "EUR":
        return UNKNOWN if found is None else f"{found:,.2f}\N{THIN SPACE}€"
    return format_value(found, unit)


def working(figures: Figures) -> float | None:
    """The share of its device time that it worked: busy and slowed."""
    parts = [value(figures, id) for id in ("busy", "slowed")]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def answer(report: Json, figures: Figures) -> str:
    """The sentence the page opens with."""
    identity = report.get("identity") or {}
    name = cut(identity.get("job_id") or identity.get("job"), 40)
    share, hours = working(figures), value(figures, "gpu_time")
    if share is None:
        if identity.get("state") == "pending":
            return _("Job {job} waits to start.").format(job=name)
        if hours is None:
            return _("Job {job}: no device of it was seen.").format(job=name)
        return _("Job {job} held {hours}; whether they worked was not measured.").format(
            job=name, hours=format_number(hours, "GPU-h")
        )
    wasted = value(figures, "wasted_gpu_hours")
    if share == 0 and wasted and hours:
        return _("Job {job} held {hours}, and nothing of it was of use.").format(
            job=name, hours=format_number(hours, "GPU-h")
        )
    said = _("Job {job} worked for {share} of the time it held its GPUs").format(
        job=name, share=format_percent(share)
    )
    if wasted:
        brought = format_number(wasted, "GPU-h")
        return _("{said}; {wasted} brought nothing.").format(said=said, wasted=brought)
    return f"{said}."


def facts(report: Json, zone: ZoneInfo) -> list[Any]:
    """Who, what, where and when: a line under the answer."""
    identity = report.get("identity") or {}
    parts: list[Any] = []
    for label, said in (
        ("", identity.get("name")),
        (_("user"), identity.get("user")),
        (_("project"), identity.get("project_title") or identity.get("project")),
        (_("system"), identity.get("system")),
        (_("partition"), identity.get("partition")),
        ("", identity.get("kind")),
        (_("model"), identity.get("model")),
    ):
        if text(said):
            parts.append(html.Span([f"{label} " if label else "", html.B(short(said))]))
    devices = identity.get("devices") or {}
    nodes = len(identity.get("nodes") or ())
    if devices:
        each = ", ".join(
            f"{count} \N{MULTIPLICATION SIGN} {cut(model, 40)}" for model, count in devices.items()
        )
        on = ngettext("{count} node", "{count} nodes", nodes).format(count=nodes)
        parts.append(html.Span(_("{devices} on {nodes}").format(devices=each, nodes=on)))
    times = [_ms(identity.get(name)) for name in ("start", "end")]
    if times[0] is not None:
        until = moment(times[1], zone) if times[1] is not None else _("now")
        parts.append(html.Span([moment(times[0], zone), _(" to "), until, f" {zone.key}"]))
    parts.append(state(text(identity.get("state"))))
    if reason := text(identity.get("exit")) or text(identity.get("reason")):
        parts.append(short(reason))
    if len(identity.get("attempts") or ()) > 1:
        count = len(identity["attempts"])
        parts.append(html.Span(_("started {count} times").format(count=count)))
    return _dotted(parts)


def stats(figures: Figures) -> html.Dl:
    """The numbers of the answer, in the order they stand everywhere."""
    wanted = (
        ("tokens", _("Tokens"), None),
        ("tokens_per_second", _("Speed"), None),
        ("joules_per_token", _("Energy per token"), None),
        ("gpu_time", _("GPU-hours"), None),
        ("working", _("Working"), format_percent(working(figures))),
        ("mfu", _("MFU"), None),
        ("energy", _("Energy"), None),
        ("energy_co2", _("Carbon"), None),
        ("energy_euro", _("Cost"), None),
    )
    return html.Dl(
        [_stat(figures, id, label, said) for id, label, said in wanted],
        className="totals job-stats",
    )


def waste(report: Json, figures: Figures) -> list[Any]:
    """What brought nothing, four ways."""
    wanted = (
        ("wasted_gpu_hours", _("GPU-hours"), None),
        ("wasted_energy", _("Energy"), None),
        ("wasted_co2", _("Carbon"), None),
        ("wasted_euro", _("Cost"), None),
    )
    return [
        html.Dl(
            [_stat(figures, id, label, said) for id, label, said in wanted],
            className="totals job-stats",
        )
    ]


def waste_finding(figures: Figures) -> str:
    """What was wasted, in a sentence."""
    hours, all_hours = value(figures, "wasted_gpu_hours"), value(figures, "gpu_time")
    if hours is None or not all_hours:
        return _("Waste: not measured")
    if not hours:
        return _("Nothing was wasted")
    return _("{share} of its GPU-hours brought nothing").format(
        share=format_percent(hours / all_hours)
    )


def accounts(report: Json, zone: ZoneInfo) -> list[Any]:
    """Where its device time went, with the longest stretches each happened in."""
    rows = [row for row in report.get("accounts") or () if isinstance(row, Mapping)]
    whole = sum(number(row.get("device_seconds")) or 0.0 for row in rows)
    if not whole:
        return [nothing(_("No device of it was seen: there is only what its scheduler says."))]
    bar, lines = [], []
    for row in rows:
        name = str(row.get("account"))
        seconds = number(row.get("device_seconds")) or 0.0
        label = words.account(Account(name))
        bar.append(
            html.Span(
                className=f"swatch-{name}", style={"width": f"{100 * seconds / whole:.2f}%"},
                title=f"{label} {format_percent(seconds / whole)}",
            )
        )  # fmt: skip
        # When it worked is no news; when something else happened is.
        when = [] if name == Account.BUSY else _when(row, zone)
        lines += [
            html.Dt([swatch(name), label]),
            html.Dd(when, className="when"),
            html.Dd(format_number(seconds / 3600, "GPU-h")),
            html.Dd(format_percent(seconds / whole)),
        ]
    return [
        html.Div(bar, className="share-bar", **marks(aria_hidden="true")),
        html.Dl(lines, className="shares"),
    ]


def phases(figures: Figures) -> list[Any]:
    """What its processes did, as the job told."""
    known = [(place, id, found) for place, id in enumerate(PHASES)
             if (found := value(figures, id)) is not None]  # fmt: skip
    if not known:
        return [nothing(_("It tells of no phases; the callbacks in docs/training.md do."))]
    bar = [
        html.Span(className=f"phase-{place}", style={"width": f"{100 * share:.2f}%"})
        for place, _id, share in known
    ]
    lines: list[Any] = []
    for place, id, share in known:
        name = _phase_name(id) or text(figures[id].get("name")) or id
        lines += [
            html.Dt([html.Span(className=f"swatch phase-{place}", **marks(aria_hidden="true")),
                     name]),
            html.Dd("", className="when"),
            html.Dd(""),
            html.Dd(format_percent(share)),
        ]  # fmt: skip
    return [
        html.Div(bar, className="share-bar", **marks(aria_hidden="true")),
        html.Dl(lines, className="shares"),
    ]


def _phase_name(id: str) -> str | None:
    return {
        "phase_step": _("stepping"),
        "phase_data_wait": _("waiting for data"),
        "phase_checkpoint_save": _("saving checkpoints"),
        "phase_init": _("starting up"),
        "phase_restore": _("restoring"),
        "phase_eval": _("evaluating"),
        "phase_other": _("in none of these"),
    }.get(id)


def advice(report: Json) -> list[Any]:
    """What was found and what to do about it, most to gain first; and what could not be judged."""
    said = report.get("advice") or {}
    findings = [row for row in said.get("findings") or () if isinstance(row, Mapping)]
    unjudged = [row for row in said.get("unjudged") or () if isinstance(row, Mapping)]
    parts: list[Any] = []
    if findings:
        parts.append(
            html.Ol(
                [
                    html.Li(
                        [
                            html.H3(cut(row.get("title"), 200)),
                            html.P(cut(row.get("text"), 400), className="muted"),
                            html.P(cut(row.get("action"), 400)),
                            html.P(_("See {page}").format(page=cut(row.get("link"))),
                                   className="muted") if text(row.get("link")) else None,
                        ],
                        className="first" if place == 0 else None,
                    )
                    for place, row in enumerate(findings[:_MOST_ADVICE])
                ],
                className="advice",
            )
        )  # fmt: skip
    else:
        parts.append(nothing(_("There is nothing that the rules would change.")))
    if unjudged:
        names = ", ".join(
            f"{cut(row.get('figure'), 40)} ({format_percent(number(row.get('coverage')))})"
            for row in unjudged[:_MOST_ADVICE]
        )
        told = _("Not judged, as too little is known: {names}.").format(names=names)
        parts.append(html.P(told, className="muted note"))
    return parts


COLUMNS = ("node", "index", "model", "activity", "power", "memory", "held", "energy", "hottest")


def devices(report: Json) -> list[Any]:
    """Each device of it; one that did nothing says so."""
    rows = [row for row in report.get("devices") or () if isinstance(row, Mapping)]
    if not rows:
        return [nothing(_("No device of it was seen."))]
    columns = [
        Column("node", _("Node")),
        Column("index", _("GPU"), numeric=True),
        Column("activity", _("Activity"), numeric=True),
        Column("held", _("Held idle"), numeric=True),
        Column("power", _("Power"), numeric=True, title=_("Mean over its time")),
        Column("memory", _("Memory"), numeric=True, title=_("The most in use")),
        Column("hottest", _("Hottest"), numeric=True),
        Column("energy", _("Energy"), numeric=True),
    ]
    return [table(_("Devices of the job"), columns, [_device(row) for row in rows], "job-devices")]


def notes(report: Json) -> list[Any]:
    """What a reader must know."""
    said = report.get("notes") or ()
    return [html.P(f"{cut(note, 400)}.", className="muted note") for note in said]


def _device(row: Json) -> Row:
    activity = number(row.get("activity"))
    seconds = {
        name: number(said) or 0.0 for name, said in (row.get("device_seconds") or {}).items()
    }
    whole = sum(seconds.values())
    held = seconds.get(Account.HELD, 0.0) / whole if whole else None
    if activity is None and not held:
        held = None  # whether it was idle, nobody measured
    memory = number(row.get("memory_peak_bytes"))
    node: Any = short(row.get("node"), most=40)
    if row.get("idle"):
        node = [node, " ", html.Span(_("did nothing"), className="caution")]
    return Row(
        {
            "node": node,
            "index": format_number(number(row.get("index"))),
            "activity": meter(activity, format_percent(activity)),
            "held": format_percent(held),
            "power": format_si(number(row.get("power_mean_watts")), "W"),
            "memory": format_si(memory, "B"),
            "hottest": format_celsius(number(row.get("temperature_max_celsius"))),
            "energy": format_energy(number(row.get("energy_joules"))),
        },
        marks(data_device=cut(row.get("device"))),
    )


def _stat(figures: Figures, id: str, label: str, said: str | None) -> html.Div:
    figure = figures.get(id) or {}
    detail = coverage_note(number(figure.get("coverage")))
    found = shown(figures, id) if said is None else said
    note = text(figure.get("note")) if value(figures, id) is None else None
    about = text(figure.get("method")) or note
    return stat(
        label,
        quantity(found),
        detail if detail is not None else None if note is None else cut(note),
        title=None if about is None else cut(about, 400),
        **marks(data_figure=id),
    )


def _when(row: Json, zone: ZoneInfo) -> list[Any]:
    spans = [
        (datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["to"]))
        for one in row.get("when") or ()
    ]
    longest = sorted(spans, key=lambda span: span[0] - span[1])[:_LISTED]
    parts: list[Any] = []
    for first, last in sorted(longest):
        near = first.astimezone(zone).date() == last.astimezone(zone).date()
        parts += [
            ", " if parts else "",
            moment(first.timestamp() * 1000, zone),
            "\N{EN DASH}",
            html.Time(f"{last.astimezone(zone):%H:%M}", title=f"{last:%H:%M} UTC")
            if near else moment(last.timestamp() * 1000, zone),
        ]  # fmt: skip
    more = len(spans) - len(longest) + int(number(row.get("omitted")) or 0)
    if more > 0:
        parts.append(" " + _("and {count} shorter").format(count=format_number(more)))
    return parts


def _ms(iso: object) -> float | None:
    when = parsed(text(iso))
    return None if when is None else when.timestamp() * 1000


def _dotted(parts: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for part in parts:
        found += ["·", part] if found else [part]
    return found
