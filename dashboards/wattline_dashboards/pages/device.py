"""One device: what it drew and did, what held it back, what failed, and who had it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from dash import Dash, html, no_update

from wattline_collector.palette import (
    Mode,
    format_celsius,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import notice, one_thing
from wattline_dashboards.components.devices import state_name
from wattline_dashboards.components.inside import link
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import swatch
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.context import Asked, Context
from wattline_dashboards.figures import device_strips, moments
from wattline_dashboards.language import N_, _, ngettext
from wattline_dashboards.pages import fleet
from wattline_dashboards.picture import Picture

PATH = "/device"
TITLE = N_("Device")
GROUP = ""
PICKERS = ("period",)

_HEIGHT = 880
_BETWEEN = " / "

Json = Mapping[str, Any]


def layout(device: object = None, **_query: Any) -> html.Div:
    """The page before its figures; the address says which device."""
    return one_thing.layout("device", device, _HEIGHT, devices=False)


def render(
    answer: Answer,
    picture: Picture | None,
    zone: ZoneInfo,
    mode: Mode,
    now_ms: float,
    drawn: object,
) -> dict[str, Any]:
    """All that an answer of `GET /v1/device` fills, by name."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"device-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn one waiting"}
    said = answer.value
    identity: Json = said.get("identity") or {}
    sums: Json = said.get("sums") or {}
    alerts = one_thing.alerts(said.get("alerts"), now_ms, zone)
    parts |= {
        "device-path": _path(identity),
        "device-answer": sentence(said),
        "device-scope": _scope(said, picture, zone),
        "device-strips-note": _note(said),
        "device-accounts": one_thing.hours(sums),
        "device-alerts": alerts,
        "device-identity": _identity(identity, zone),
        "device-jobs": one_thing.jobs(
            said.get("jobs") or (), int(number(said.get("jobs_left_out")) or 0), zone,
            devices=False,
        ),
        "device-events": one_thing.events(
            said.get("events") or (), int(number(said.get("events_left_out")) or 0), zone, {}
        ),
    }  # fmt: skip
    changes |= {"class": notice.stale_class(answer) + " one", "no_alerts": alerts is None}
    name = one_thing.drawn(said, mode)
    if name != drawn:
        figure = device_strips.figure(said, mode, zone)
        height = {"height": f"{figure['layout']['height']}px"}
        changes |= {"strips": figure, "drawn": name, "style": height}
    return changes


def called(identity: Json) -> str:
    """A device as people call it: its node and its place there, else its id."""
    node, index = text(identity.get("node")), number(identity.get("index"))
    if node is None or index is None:
        return cut(text(identity.get("device")) or "")
    return f"{cut(node)} #{index:.0f}"


def sentence(said: Json) -> str:
    """The answer: how much of the period it worked, and what went wrong."""
    work = one_thing.work(said.get("sums") or {})
    name = called(said.get("identity") or {})
    count = sum(int(number(row.get("count")) or 0) for row in said.get("events") or ())
    if not work.is_booked:
        answer = _("{name}: nothing of it is booked in this period").format(name=name)
    elif work.share is None:
        answer = _("{name}: whether it worked was not measured").format(name=name)
    else:
        answer = (
            _("{name} worked at least {share} of its time")
            if work.is_least
            else _("{name} worked {share} of its time")
        ).format(name=name, share=format_percent(work.share))
    if not count:
        return answer
    errors = ngettext("{n} error", "{n} errors", count).format(n=format_number(count))
    return f"{answer}, {errors}"


def _path(identity: Json) -> list[Any]:
    node = text(identity.get("node"))
    parts: list[Any] = [link(fleet.PATH, _("Fleet"))]
    if node is not None:
        parts += [_BETWEEN, link("/node", short(node), node=node,
                                        system=identity.get("system"))]  # fmt: skip
    return [*parts, _BETWEEN, called(identity)]


def _scope(said: Json, picture: Picture | None, zone: ZoneInfo) -> list[Any]:
    """What it is and how it is now, then the period."""
    identity: Json = said.get("identity") or {}
    period: Json = said.get("period") or {}
    parts: list[Any] = [short(identity.get("model") or _("model not known")), " · "]
    parts += _now(identity, picture)
    return [*parts, moment(number(period.get("start_ms")), zone), _(" to "),
            moment(number(period.get("end_ms")), zone), f" {zone.key}"]  # fmt: skip


def _now(identity: Json, picture: Picture | None) -> list[Any]:
    if picture is None:
        return []
    keys = zip(picture.devices.texts("system"), picture.devices.texts("device"), strict=True)
    wanted = (identity.get("system"), identity.get("device"))
    place = next((at for at, key in enumerate(keys) if key == wanted), None)
    if place is None:
        return [_("not among the devices that report now"), " · "]
    account, row = picture.accounts[place], picture.devices.row(place)
    watts, celsius = number(row.get("power_watts")), number(row.get("temperature_celsius"))
    label = state_name(account)
    if picture.accounts[place].value == "unobserved":
        watts = celsius = None
    values = f"{format_si(watts, 'W')}, {format_celsius(celsius)}"
    return [
        html.Span([swatch(account.value), _("now {state}").format(state=label)], className="state"),
        f", {values} · ",
    ]


def _note(said: Json) -> str:
    step = (number((said.get("grid") or {}).get("step_ms")) or 0) / 1000
    return _(
        "Lines are means of {step}, bands reach from the least to the greatest reading; "
        "hatched: nothing is known. Hours are the site's, UTC stands under the pointer."
    ).format(step=one_thing.lasting(step))


def _identity(identity: Json, zone: ZoneInfo) -> html.Dl:
    until = number(identity.get("installed_until_ms"))

    def of(key: str) -> Any:
        value = identity.get(key)
        return None if value is None else short(value)

    return one_thing.facts(
        [
            (_("Device"), of("device")),
            (_("Model"), of("model")),
            (_("System"), of("system")),
            (_("Rack"), of("rack")),
            (_("Driver"), of("driver")),
            (_("Firmware"), of("vbios")),
            (_("PCI"), of("pci")),
            (_("Serial"), of("serial")),
            (_("MIG"), of("mig")),
            (_("Power is"), of("power_mode")),
            (_("Meter sees"), of("power_scope")),
            (_("Read by"), of("source")),
            (_("Installed"), moment(number(identity.get("installed_from_ms")), zone)),
            (_("Taken out"), None if until is None else moment(until, zone)),
        ]
    )


OUTPUTS = one_thing.outputs("device")


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def answered(name: object, asked: Asked, page: str = "device") -> Answer:
        query = [*asked.query, ("device", str(name or ""))]
        query += [("system", asked.system)] if asked.system else []
        answer = context.answers.ask("/v1/device", query)
        return context.told(answer, page, one_thing.seen)

    def fill(
        _tick: int | None, name: object, picked: object, mode: str, drawn: object
    ) -> dict[str, Any]:
        asked = context.asked(picked)
        if asked is None:
            return dict.fromkeys(OUTPUTS, no_update)
        picture, _answer = context.live.now()
        changes = render(
            answered(name, asked), picture, context.zone, theme.mode_named(mode),
            context.now.timestamp() * 1000, drawn,
        )  # fmt: skip
        return changes | {"parts": markup.drawing(changes["parts"])}

    def said(name: object, picked: object) -> Json | None:
        asked = context.asked(picked)
        return None if asked is None else answered(name, asked, "device, saved").value

    def strips(name: object, picked: object) -> exports.Sheet | None:
        found = said(name, picked)
        if found is None:
            return None
        heads, rows = device_strips.sheet_rows(found)
        return exports.Sheet(_file(found), heads, rows)

    def jobs(name: object, picked: object) -> exports.Sheet | None:
        return one_thing.jobs_sheet(said(name, picked), "device-jobs")

    def events(name: object, picked: object) -> exports.Sheet | None:
        return one_thing.events_sheet(said(name, picked), "device-errors")

    one_thing.register(
        app, "device", fill, {"strips": strips, "jobs": jobs, "events": events}, OUTPUTS
    )


def _file(said: Json) -> str:
    start = moments.iso(number((said.get("period") or {}).get("start_ms")))
    return f"device-{(start or '')[:10]}"
