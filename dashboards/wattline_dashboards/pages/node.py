"""One node: its own metrics, each of its devices, what failed, and who had it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from dash import Dash, html, no_update

from wattline_collector.palette import Mode, format_number, format_percent
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number
from wattline_dashboards.components import notice, one_thing
from wattline_dashboards.components.inside import link
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import Column, Row, nothing, table
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.context import Asked, Context
from wattline_dashboards.figures import moments, node_strips
from wattline_dashboards.language import N_, _, ngettext
from wattline_dashboards.pages import fleet

PATH = "/node"
TITLE = N_("Node")
GROUP = ""
PICKERS = ("period",)

_HEIGHT = 880
_BETWEEN = " / "

Json = Mapping[str, Any]


def layout(node: object = None, **_query: Any) -> html.Div:
    """The page before its figures; the address says which node."""
    return one_thing.layout("node", node, _HEIGHT, devices=True)


def render(
    answer: Answer, zone: ZoneInfo, mode: Mode, now_ms: float, drawn: object
) -> dict[str, Any]:
    """All that an answer of `GET /v1/node` fills, by name."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"node-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn one waiting"}
    said = answer.value
    identity: Json = said.get("identity") or {}
    devices = said.get("devices") or ()
    names = {str(one.get("device")): node_strips.place_of(one) for one in devices}
    alerts = one_thing.alerts(said.get("alerts"), now_ms, zone)
    parts |= {
        "node-path": [link(fleet.PATH, _("Fleet")), _BETWEEN, cut(identity.get("node"))],
        "node-answer": sentence(said),
        "node-scope": _scope(said, zone),
        "node-strips-note": _note(said),
        "node-accounts": one_thing.hours(said.get("sums") or {}),
        "node-alerts": alerts,
        "node-identity": _identity(identity),
        "node-devices": _devices(said),
        "node-jobs": one_thing.jobs(
            said.get("jobs") or (), int(number(said.get("jobs_left_out")) or 0), zone,
            devices=True,
        ),
        "node-events": one_thing.events(
            said.get("events") or (), int(number(said.get("events_left_out")) or 0), zone, names
        ),
    }  # fmt: skip
    changes |= {"class": notice.stale_class(answer) + " one", "no_alerts": alerts is None}
    name = one_thing.drawn(said, mode)
    if name != drawn:
        figure = node_strips.figure(said, mode, zone)
        height = {"height": f"{figure['layout']['height']}px"}
        changes |= {"strips": figure, "drawn": name, "style": height}
    return changes


def sentence(said: Json) -> str:
    """The answer: how much of their time its devices worked, and what went wrong."""
    name = cut((said.get("identity") or {}).get("node"))
    work = one_thing.work(said.get("sums") or {})
    count = sum(int(number(row.get("count")) or 0) for row in said.get("events") or ())
    if not said.get("devices"):
        answer = _("{name} has no accelerators").format(name=name)
    elif not work.is_booked:
        answer = _("{name}: nothing of it is booked in this period").format(name=name)
    elif work.share is None:
        answer = _("{name}: whether its devices worked was not measured").format(name=name)
    else:
        answer = (
            _("The devices of {name} worked at least {share} of their time")
            if work.is_least
            else _("The devices of {name} worked {share} of their time")
        ).format(name=name, share=format_percent(work.share))
    if not count:
        return answer
    errors = ngettext("{n} error", "{n} errors", count).format(n=format_number(count))
    return f"{answer}, {errors}"


def _scope(said: Json, zone: ZoneInfo) -> list[Any]:
    identity: Json = said.get("identity") or {}
    period: Json = said.get("period") or {}
    count = len(said.get("devices") or ()) + int(number(said.get("devices_left_out")) or 0)
    devices = ngettext("{n} device", "{n} devices", count).format(n=format_number(count))
    return [short(identity.get("system")), f" · {devices} · ",
            moment(number(period.get("start_ms")), zone), _(" to "),
            moment(number(period.get("end_ms")), zone), f" {zone.key}"]  # fmt: skip


def _note(said: Json) -> str:
    step, coarse = (
        one_thing.lasting((number((said.get(name) or {}).get("step_ms")) or 0) / 1000)
        for name in ("grid", "device_grid")
    )
    return _(
        "Lines are means of {step}, rows of devices of {coarse}; hatched or blank: nothing is "
        "known. Hours are the site's, UTC stands under the pointer."
    ).format(step=step, coarse=coarse)


def _identity(identity: Json) -> html.Dl:
    def of(key: str) -> Any:
        value = identity.get(key)
        return None if value is None else short(value)

    cores = number(identity.get("cores"))
    return one_thing.facts(
        [
            (_("Node"), of("node")),
            (_("System"), of("system")),
            (_("Rack"), of("rack")),
            (_("Partition"), of("partition")),
            (_("Operating system"), of("os")),
            (_("Processor cores"), None if cores is None else format_number(cores)),
            (_("Metered by"), of("power_source")),
            (_("Agent"), of("agent_version")),
        ]
    )


def _devices(said: Json) -> Any:
    devices = said.get("devices") or ()
    if not devices:
        return nothing(_("No accelerator was ever seen on it."))
    system = (said.get("identity") or {}).get("system")
    columns = (
        Column("place", _("Place")), Column("model", _("Model")), Column("device", _("Device")),
    )  # fmt: skip
    rows = [
        Row(
            {
                "place": link(
                    "/device", node_strips.place_of(one), device=one.get("device"), system=system
                ),
                "model": short(one.get("model") or ""),
                "device": html.Span(short(one.get("device"), most=24), className="muted"),
            }
        )
        for one in devices
    ]
    return table(_("Devices"), columns, rows, "node-devices")


OUTPUTS = one_thing.outputs("node")


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def answered(name: object, asked: Asked, page: str = "node") -> Answer:
        query = [*asked.query, ("node", str(name or ""))]
        query += [("system", asked.system)] if asked.system else []
        answer = context.answers.ask("/v1/node", query)
        return context.told(answer, page, one_thing.seen)

    def fill(
        _tick: int | None, name: object, picked: object, mode: str, drawn: object
    ) -> dict[str, Any]:
        asked = context.asked(picked)
        if asked is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(
            answered(name, asked), context.zone, theme.mode_named(mode),
            context.now.timestamp() * 1000, drawn,
        )  # fmt: skip
        return changes | {"parts": markup.drawing(changes["parts"])}

    def said(name: object, picked: object) -> Json | None:
        asked = context.asked(picked)
        return None if asked is None else answered(name, asked, "node, saved").value

    def strips(name: object, picked: object) -> exports.Sheet | None:
        found = said(name, picked)
        if found is None:
            return None
        heads, rows = node_strips.sheet_rows(found)
        start = moments.iso(number((found.get("period") or {}).get("start_ms")))
        return exports.Sheet(f"node-{(start or '')[:10]}", heads, rows)

    def devices(name: object, picked: object) -> exports.Sheet | None:
        found = said(name, picked)
        if found is None:
            return None
        keys = ("index", "device", "model")
        rows = [[one.get(key) for key in keys] for one in found.get("devices") or ()]
        return exports.Sheet("node-devices", keys, rows)

    def jobs(name: object, picked: object) -> exports.Sheet | None:
        return one_thing.jobs_sheet(said(name, picked), "node-jobs")

    def events(name: object, picked: object) -> exports.Sheet | None:
        return one_thing.events_sheet(said(name, picked), "node-errors")

    sheets = {"strips": strips, "devices": devices, "jobs": jobs, "events": events}
    one_thing.register(app, "node", fill, sheets, OUTPUTS)
