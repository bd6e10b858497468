"""One screen of what is happening now, for a wall as well as for a desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from dash import Dash, Input, Output, State, dcc, html, no_update

from wattline_collector.palette import (
    Mode,
)
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import notice, parts_now, works
from wattline_dashboards.components.chart import chart
from wattline_dashboards.components.feeds import feeds
from wattline_dashboards.components.ladder import ladder
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import (
    nothing,
)
from wattline_dashboards.components.short import short
from wattline_dashboards.context import Context
from wattline_dashboards.figures import power_now
from wattline_dashboards.language import N_, _
from wattline_dashboards.opening import Room

PATH = "/now"
TITLE = N_("Now")
GROUP = "operators"
PICKERS = ("system",)
EVERY_MS = 5_000
KEEP_SECONDS = 2.0
_AT_DESK, _ON_WALL = 12, 4
"""Devices that are named, so that a wall needs no scrolling; where a window is narrow, `now.css`
leaves half of them out."""


def layout(
    wall: str | None = None, begun: Mapping[str, Any] | None = None, **more: Any
) -> html.Div:
    """The page; with `?wall=1` for a screen on a wall.

    Args:
        wall: `1` for a screen on a wall.
        begun: What `begin` gave; None: the page waits for its first reading.
        more: What else the address says.
    """
    on_wall, said = wall == "1", begun or {}
    return html.Div(
        [
            dcc.Interval(id="now-tick", interval=EVERY_MS),
            dcc.Store(id="now-drawn"),
            dcc.Store(id="now-wall", data=on_wall),
            html.Div(id="now-notice"),
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(id="now-answer"),
                            html.P(
                                [
                                    html.Span(id="now-moment"),
                                    None if on_wall else html.A(
                                        _("Wall display"), href="?wall=1", id="now-to-wall",
                                        title=_("This page alone, larger, without controls"),
                                    ),
                                ],
                                className="scope",
                            ),
                        ],
                        className="answer",
                    ),
                    html.Div(
                        [
                            _section("ladder", _("Devices")),
                            chart(
                                "now-power", power_now.HEIGHT, class_name="area-power", later=True
                            ),
                            _section("hot", _("Hottest and throttled")),
                        ],
                        className="now-side now-left",
                    ),
                    html.Div(
                        [
                            html.Div(id="now-figures", className="area-figures"),
                            _section("alerts", _("Alerts")),
                            _section("feeds", _("Freshness")),
                        ],
                        className="now-side now-right",
                    ),
                ],
                id="now-page",
                className=said.get("class", "drawn now waiting"),
            ),
            markup.shown("now", said.get("parts")),
        ],
        className="on-wall" if on_wall else None,
    )  # fmt: skip


def _section(name: str, title: str) -> html.Section:
    return html.Section([html.H2(title), html.Div(id=f"now-{name}")], className=f"area-{name}")


def render(answer: Answer, zone: ZoneInfo, *, wall: bool = False) -> dict[str, Any]:
    """All that an answer of `/v1/now` fills but the chart, by name.

    `parts` are components by the id they fill.

    Args:
        answer: What the collector says.
        zone: The site's time zone.
        wall: Whether nobody stands near enough to click.
    """
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"now-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn now waiting"}
    told = answer.value
    devices, power = told.get("devices") or {}, told.get("power") or {}
    alerts = told.get("alerts")
    now_ms = number(told.get("time_unix_ms")) or 0
    parts |= {
        "now-answer": sentence(told),
        "now-moment": [
            html.Span([short(told["name"]), " · "]) if text(told.get("name")) else None,
            moment(now_ms, zone, seconds=True),
            html.Span([" · ", short(told["problem"], "caution", 200)])
            if text(told.get("problem")) else None,
        ],
        "now-ladder": ladder(devices) if number(devices.get("installed")) else nothing(
            _("No device is known yet. `wattline agent` on a node sends what it finds there.")
        ),
        "now-figures": parts_now.figures(told),
        "now-power-finding": parts_now.power(power),
        "now-power-note": parts_now.note(power),
        "now-alerts": parts_now.alerts(alerts, zone, link=not wall),
        "now-hot": parts_now.hot(told, _ON_WALL if wall else _AT_DESK),
        "now-feeds": feeds(told.get("feeds") or {}, alerts, now_ms),
    }  # fmt: skip
    changes["class"] = f"{notice.stale_class(answer)} now"
    changes["no_power"] = not power_now.series(power)[0]
    return changes


def course(answer: Answer, zone: ZoneInfo, mode: Mode, drawn: object = None) -> dict[str, Any]:
    """The chart of power, by name.

    Args:
        answer: What the collector says.
        zone: The site's time zone.
        mode: Light or dark.
        drawn: Which course of power the chart shows already; the same is not sent again.
    """
    power = (answer.value or {}).get("power") or {}
    told = power.get("course") or {}
    name = f"{mode} {zone} {told.get('start_ms')} {told.get('coverage')} {power.get('caps')}"
    if answer.value is None or name == drawn:
        return dict.fromkeys(CHART, no_update)
    return {"power": power_now.figure(power, zone, mode), "drawn": name}


def sentence(told: Mapping[str, Any]) -> str:
    """What a reader came for: how many devices work, and whether anything is wrong."""
    devices, alerts = told.get("devices") or {}, told.get("alerts")
    known = {name: number(devices.get(name)) for name in ("installed", "silent", "down")}
    critical = None
    if isinstance(alerts, Mapping):
        critical = number((alerts.get("counts") or {}).get("critical")) or 0
    return works.sentence(
        known["installed"] or 0,
        number(devices.get("working")),
        known["silent"] or 0,
        known["down"] or 0,
        critical,
    )


def sheet(answer: Answer) -> exports.Sheet | None:
    """The course of power as rows: time (UTC) and watts of each system."""
    power = (answer.value or {}).get("power") or {}
    moments, watts = power_now.series(power)
    if not moments:
        return None
    heads = ["time (unix ms)", *(f"{system} (W)" for system in watts)]
    rows: Sequence[Sequence[object]] = list(zip(moments, *watts.values(), strict=True))
    return exports.Sheet("power", heads, rows)


OUTPUTS = {
    "parts": Output("now-drawing", "data"),
    "class": Output("now-page", "className"),
    "no_power": Output("now-power-place", "hidden"),
}

CHART = {"power": Output("now-power", "figure"), "drawn": Output("now-drawn", "data")}
"""Asked for apart: a browser asks for nothing that has to do with a chart before it has loaded what
draws charts, and the figures need not wait for that."""


def begin(context: Context, room: Room, **query: Any) -> dict[str, Any] | None:
    """What the page shows with its first frame, as `layout` takes it; None: nothing is known yet.

    Args:
        context: Where its figures come from.
        room: How much room there is; this page goes by none of it.
        query: The address's.
    """
    answer = _answer(context, query)
    if answer is None or answer.value is None:
        return None
    changes = render(answer, context.zone, wall=query.get("wall") == "1")
    return {"class": changes["class"], "parts": markup.drawing(changes["parts"])}


def _answer(context: Context, picked: object) -> Answer | None:
    asked = context.asked(picked)
    if asked is None:
        return None
    query = [("system", asked.system)] if asked.system else []
    return context.answers.ask("/v1/now", query, KEEP_SECONDS)


def register(app: Dash, context: Context) -> None:
    """Connect the page."""
    asked = partial(_answer, context)

    def tick(_: int | None, picked: object, wall: object) -> dict[str, Any]:
        answer = asked(picked)
        if answer is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(answer, context.zone, wall=wall is True)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def draw(_: int | None, picked: object, mode: str, drawn: object) -> dict[str, Any]:
        answer = asked(picked)
        if answer is None:
            return dict.fromkeys(CHART, no_update)
        return course(answer, context.zone, theme.mode_named(mode), drawn)

    def rows(picked: object) -> exports.Sheet | None:
        answer = asked(picked)
        return None if answer is None else sheet(answer)

    when = [Input("now-tick", "n_intervals"), Input("shell-asked", "data")]
    app.callback(output=OUTPUTS, inputs=[*when, State("now-wall", "data")])(tick)
    app.callback(
        output=CHART, inputs=[*when, Input("shell-mode", "data"), State("now-drawn", "data")]
    )(draw)
    exports.connect(app, "now-power", [State("shell-asked", "data")], rows)
