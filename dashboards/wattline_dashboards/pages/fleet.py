"""What is happening now: every device, the jobs that run, the hosts.

The map stands in order by racks, or by what else devices have in common, and is coloured by what
they do or by a metric. A device opens by click, or by the arrow keys and Enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from wattline_dashboards import exports, markup
from wattline_dashboards.access import viewing
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import (
    devices,
    fleet_order,
    fleet_sheet,
    hosts,
    notice,
    pickers,
    works,
)
from wattline_dashboards.components.chart import files
from wattline_dashboards.components.legend import legend
from wattline_dashboards.components.live_jobs import live_jobs
from wattline_dashboards.components.own import DeviceMap
from wattline_dashboards.components.parts import marks
from wattline_dashboards.components.totals import totals
from wattline_dashboards.context import Context
from wattline_dashboards.figures import fleet_map, floor, views
from wattline_dashboards.language import N_, _, language
from wattline_dashboards.opening import Room
from wattline_dashboards.picture import Live, Picture

PATH = "/"
TITLE = N_("Fleet")
GROUP = "operators"
PICKERS: tuple[str, ...] = ()
EVERY_MS = 1000
"""A reading is on the screen within two seconds, the memories on its way included."""

TABLES_EVERY = 5
"""Ticks after which the tables are drawn anew. The line of figures and the map are with each: a
table is read row by row, and agents send every five seconds."""

_ON_MAP = ("account", "age_ms", "index", "job", "name", "period_ms", "power_watts", "rack")
"""What the line of figures and a map by state are made of: an update asks for nothing else."""

_IN_TABLES = (
    *_ON_MAP, "cpu_busy_ratio", "devices", "kind", "memory_size_bytes", "memory_used_bytes",
    "network_receive_bytes_per_second", "network_transmit_bytes_per_second", "state",
    "temperature_celsius", "tokens_per_joule", "tokens_per_second",
)  # fmt: skip
"""The same with the tables."""

_ORDER_SECONDS = 10.0
"""Partitions hardly change, and a job holds its devices for minutes at least."""

_WIDEST = 4000
_NARROWEST = 320


@dataclass(frozen=True, slots=True)
class Asked:
    """What the controls of the map say.

    Attributes:
        view: What devices are coloured by.
        group: What they stand in order by.
        search: What is looked for.
        said: `GET /v1/fleet`, where the order needs it.
    """

    view: object = views.ACCOUNT.id
    group: object = "rack"
    search: str = ""
    said: Mapping[str, Any] | None = None


def layout(
    view: object = None,
    group: object = None,
    search: object = None,
    begun: Mapping[str, Any] | None = None,
    **_query: Any,
) -> html.Div:
    """The page; the address may set its controls.

    Args:
        view: What devices are coloured by.
        group: What they stand in order by.
        search: What is looked for.
        begun: What `begin` gave; None: the page waits for its first reading.
    """
    said = begun or {}
    orders = fleet_order.offered(viewing.viewer())
    chosen = str(group) if group in [one["value"] for one in orders] else "rack"
    sought = str(search)[: fleet_order.LONGEST_SEARCH] if search else ""
    controls = _controls(views.view_named(view).id, orders, chosen, sought)
    return html.Div(
        [
            dcc.Interval(id="fleet-tick", interval=EVERY_MS),
            dcc.Store(id="fleet-width", data=said.get("width")),
            dcc.Store(id="fleet-drawn", data=said.get("drawn")),
            dcc.Store(id="fleet-key"),
            dcc.Store(id="fleet-at"),
            dcc.Location(id="fleet-go", refresh="callback-nav"),
            html.Div(id="fleet-notice"),
            html.Div(
                [
                    html.Div(
                        [html.H1(id="fleet-answer"), html.Div(id="fleet-totals")],
                        className="answer",
                    ),
                    _map(controls, said),
                    html.Section(
                        [html.H2(_("Devices")), html.Div(id="fleet-cards")],
                        id="fleet-few",
                        className="span-all area-map",
                        hidden=said.get("no_cards", True),
                    ),
                    html.Section(
                        [html.H2(_("Running jobs")), html.Div(id="fleet-jobs")],
                        className="area-jobs",
                    ),
                    html.Section(
                        [html.H2(_("Needs attention")), html.Div(id="fleet-attention")],
                        id="fleet-attention-section",
                        hidden=said.get("no_attention"),
                        className="area-attention",
                    ),
                    _hosts(said),
                ],
                id="fleet-page",
                className=said.get("class", "drawn fleet waiting"),
            ),
            markup.shown("fleet", said.get("parts")),
        ]
    )


def _map(controls: html.Div, said: Mapping[str, Any]) -> html.Section:
    """The map with all that goes with it, as `layout` was given it."""
    return html.Section(
        [
            html.Div(
                [
                    html.H2(_("Devices")),
                    controls,
                    files("fleet-map"),
                ],
                className="section-head",
            ),
            html.Div(id="fleet-results"),
            html.Div(id="fleet-legend", className="legend-place"),
            html.Div(
                [
                    DeviceMap(
                        id="fleet-map",
                        plan=said.get("plan"),
                        cells=said.get("cells"),
                        found=said.get("found"),
                    ),
                    dcc.Tooltip(
                        id="fleet-tooltip",
                        className="tooltip",
                        background_color="var(--background)",
                        border_color="var(--line)",
                    ),
                    html.Div(
                        id="fleet-cursor",
                        className="fleet-cursor",
                        hidden=True,
                        **marks(aria_hidden="true"),
                    ),
                ],
                id="fleet-frame",
                className="map-frame",
                role="application",
                tabIndex="0",
                **marks(
                    aria_label=_("Map of all devices"),
                    aria_describedby="fleet-hint",
                    aria_roledescription=_("map"),
                ),
            ),
            html.P(
                _(
                    "Click a device to open it, or move with the arrow keys and "
                    "press Enter. Those that need attention are in a list of "
                    "their own."
                ),
                id="fleet-hint",
                className="muted note fleet-hint",
            ),
            html.P(
                id="fleet-said",
                className="hidden",
                role="status",
                **marks(aria_live="polite"),
            ),
        ],
        id="fleet-devices",
        className="span-all area-map",
        hidden=said.get("no_map"),
    )


def _hosts(said: Mapping[str, Any]) -> html.Section:
    """The hosts, and the filter of many."""
    return html.Section(
        [
            html.Div(
                [
                    html.H2(_("Hosts")),
                    html.Label(
                        id="fleet-host-place",
                        hidden=said.get("no_filter"),
                        children=[
                            html.Span(_("Filter hosts by name"), className="hidden"),
                            dcc.Input(
                                id="fleet-host",
                                type="text",
                                placeholder=_("Filter by name"),
                                debounce=True,
                                maxLength=64,
                                className="filter",
                            ),
                        ],
                    ),
                ],
                className="section-head",
            ),
            html.Div(id="fleet-hosts"),
        ],
        className="area-hosts",
    )


def _controls(view: str, orders: list[dict[str, str]], group: str, search: str) -> html.Div:
    return html.Div(
        [
            html.Div(
                [
                    html.Span(_("Order by"), className="fleet-label"),
                    dcc.RadioItems(
                        id="fleet-group", options=orders, value=group, className="segments",
                        inline=True,
                    ),
                ],
                role="group", **marks(aria_label=_("Order by")),
            ),
            html.Div(
                [
                    html.Span(_("Colour by"), className="fleet-label"),
                    dcc.Dropdown(
                        id="fleet-view",
                        options=[{"label": _(one.label), "value": one.id} for one in views.VIEWS],
                        value=view, clearable=False, className="fleet-colour",
                    ),
                ],
                role="group", **marks(aria_label=_("Colour by")),
            ),
            html.Label(
                [
                    html.Span(_("Find a device, node or job"), className="hidden"),
                    dcc.Input(
                        id="fleet-search", type="search", value=search, className="filter",
                        placeholder=_("Find device, node, job"), debounce=0.3,
                        maxLength=fleet_order.LONGEST_SEARCH,
                    ),
                ]
            ),
        ],
        className="fleet-controls",
    )  # fmt: skip


def render(
    picture: Picture | None,
    answer: Answer,
    view_id: object,
    width: object,
    host: str,
    drawn: object,
    *,
    asked: Asked | None = None,
    tables: bool = True,
) -> dict[str, Any]:
    """All that one tick changes, by name; `parts` are components by the id they fill.

    Those that all who look at a picture share are functions that make them.

    Args:
        picture: The fleet; None before the first answer.
        answer: How the collector answered.
        view_id: What devices are coloured by.
        width: Of the map, pixels.
        host: What the names of hosts that are listed hold.
        drawn: What the browser has drawn.
        asked: What else the controls of the map say.
        tables: Whether the tables are drawn, too.
    """
    asked = asked or Asked(view_id)
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"fleet-notice": notice.away(answer)}
    changes["parts"] = parts
    changes["class"] = notice.stale_class(answer) + " fleet"
    if picture is None:
        return changes | {"class": "drawn fleet waiting"}
    count = picture.devices.rows
    few = 0 < count <= devices.CARDS_UP_TO
    if not count:
        changes["class"] += " hosts-only"
    changes |= {
        "no_map": few or not count,
        "no_cards": not few,
        "no_attention": not count,
        "no_filter": picture.nodes.rows <= hosts.CARDS_UP_TO,
    }
    parts |= {
        "fleet-answer": lambda: works.of_picture(picture) if count else _("Hosts"),
        "fleet-totals": lambda: totals(picture),
        "fleet-cards": lambda: devices.cards(picture) if few else None,
    }
    if tables:
        parts |= {
            "fleet-jobs": lambda: live_jobs(picture.jobs),
            "fleet-attention": lambda: devices.attention(picture),
            "fleet-hosts": lambda: hosts.hosts(picture, host),
        }
    if not few and count and isinstance(width, int | float):
        view = views.view_named(view_id)
        plan = _plan(picture, width, asked)
        found = fleet_order.search(picture, asked.search)
        name = fleet_map.drawn(plan, view)
        parts["fleet-legend"] = legend(view, picture)
        parts["fleet-results"] = fleet_order.found(picture, found)
        changes["cells"] = fleet_map.packed(fleet_map.cells(view, picture))
        changes["found"] = fleet_map.packed(found)
        if name != drawn:  # what is told of it, `moved` is asked for: not with every tick
            changes["plan"] = fleet_map.plan(plan, view)
            changes["drawn"] = name
    return changes


class _Drawing:
    """Parts that are the same for all who look at one picture, drawn once for all of them.

    Once for each language, that is.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[Picture | None, str, dict[str, str]]] = {}

    def of(self, picture: Picture | None, host: str, parts: Mapping[str, Any]) -> dict[str, Any]:
        """The parts, drawn; those that are functions only where nobody had them drawn before."""
        known, named, drawn = self._last.get(language(), (None, "", {}))
        if known is not picture or named != host:
            drawn = {}
        shared = {id: make for id, make in parts.items() if callable(make)}
        if missing := {id: make for id, make in shared.items() if id not in drawn}:
            drawn = drawn | markup.written(missing)
            self._last[language()] = (picture, host, drawn)
        own = markup.drawing({id: part for id, part in parts.items() if id not in shared})
        return own | {id: drawn[id] for id in shared}


def _plan(picture: Picture, width: float, asked: Asked) -> floor.Floor:
    order = fleet_order.order(asked.group, picture, asked.said)
    return floor.plan(picture.devices, int(min(_WIDEST, max(_NARROWEST, width))), order)


def _seen(live: Live, view: object, *, tables: bool) -> tuple[Picture | None, Answer]:
    """The newest picture, with no more columns than are drawn of it."""
    if views.view_named(view) is not views.ACCOUNT:
        return live.now()
    picture, answer = live.now(_IN_TABLES if tables else _ON_MAP)
    # A few devices or hosts are cards, which say everything.
    if picture is not None and (
        picture.devices.rows <= devices.CARDS_UP_TO or picture.nodes.rows <= hosts.CARDS_UP_TO
    ):
        return live.now()
    return picture, answer


def moved(
    picture: Picture | None, key: object, at: object, width: object, asked: Asked
) -> dict[str, Any]:
    """Where a key leads to from the device the reader is at, and what is said of it there.

    Args:
        picture: The fleet.
        key: Which; empty: none, but the map may have changed under the reader.
        at: Where they are: a device's system and id.
        width: Of the map, pixels.
        asked: What its controls say.
    """
    changes: dict[str, Any] = dict.fromkeys(MOVED, no_update)
    if picture is None or not isinstance(width, int | float) or not picture.devices.rows:
        return changes
    plan = _plan(picture, width, asked)
    systems, ids = picture.devices.texts("system"), picture.devices.texts("device")
    keys = list(zip(systems, ids, strict=True))
    here = tuple(at) if isinstance(at, list) else None
    place = next((row for row, one in enumerate(keys) if one == here), None)
    if key == "Enter":
        return changes | ({} if place is None else {"go": device_address(picture, place)})
    if key:
        spot = floor.neighbour(plan, None if place is None else plan.spots[place], str(key))
        place = None if spot is None else plan.spots.index(spot)
    if place is None:
        return changes | {"hidden": True}
    row, column = plan.spots[place]
    order = fleet_order.order(asked.group, picture, asked.said)
    group = None if order.groups is None else order.groups[place] or order.rest
    changes |= {
        "hidden": False,
        "style": {
            "left": f"{column * plan.cell}px", "top": f"{row * plan.cell}px",
            "width": f"{plan.cell - plan.gap}px", "height": f"{plan.cell - plan.gap}px",
        },
    }  # fmt: skip
    if key:
        view = views.view_named(asked.view)
        changes |= {
            "at": list(keys[place]),
            "said": fleet_order.said(picture, place, view, group),
        }
    return changes


def device_address(picture: Picture, place: int) -> str:
    """The address of a device's page."""
    row = picture.devices.row(place)
    named = [(name, str(row.get(name) or "")[:400]) for name in ("device", "system")]
    return f"/device?{urlencode(named)}"


def pressed(picture: Picture | None, said: object, width: object, asked: Asked) -> Any:
    """The address of the device that was clicked."""
    cell = _pointed(picture, said, width, asked)
    return no_update if cell is None or picture is None else device_address(picture, cell.place)


def _pointed(
    picture: Picture | None, said: object, width: object, asked: Asked
) -> fleet_map.Pointed | None:
    """The device that the browser names."""
    if not said or picture is None or not isinstance(width, int | float):
        return None
    return fleet_map.pointed(_plan(picture, width, asked), said)


def pointed(
    picture: Picture | None, said: object, width: object, asked: Asked | None = None
) -> tuple[bool, Any, Any, Any]:
    """What stands beside the device under the pointer: shown or not, where, what, which side."""
    cell = _pointed(picture, said, width, asked or Asked())
    if cell is None or picture is None:
        return False, no_update, no_update, no_update
    side = "left" if cell.left else "right"
    return True, cell.box, devices.details(picture, cell.place), side


def begin(context: Context, room: Room, **query: Any) -> dict[str, Any] | None:
    """What the page shows with its first frame, as `layout` takes it; None: nothing is known yet.

    Args:
        context: Where its figures come from.
        room: How much room there is; a map that does not fit it exactly is drawn anew.
        query: The address's.
    """
    width, view = room.columns(8, 12), query.get("view")
    picture, answer = _seen(context.live, view, tables=True)
    if picture is None:
        return None
    asked = _asked(context, view, query.get("group"), query.get("search"))
    changes = render(picture, answer, view, width, "", None, asked=asked)
    known = {name: value for name, value in changes.items() if value is not no_update}
    return known | {"parts": markup.drawing(changes["parts"]), "width": width}


def _asked(context: Context, view: object, group: object, search: object) -> Asked:
    said = None
    if group in fleet_order.ASKED:
        said = context.answers.ask("/v1/fleet", keep_seconds=_ORDER_SECONDS).value
    return Asked(view, group, str(search or ""), said)


OUTPUTS = {
    "parts": Output("fleet-drawing", "data"),
    "class": Output("fleet-page", "className"),
    "plan": Output("fleet-map", "plan"),
    "cells": Output("fleet-map", "cells"),
    "found": Output("fleet-map", "found"),
    "drawn": Output("fleet-drawn", "data"),
    "no_map": Output("fleet-devices", "hidden"),
    "no_cards": Output("fleet-few", "hidden"),
    "no_attention": Output("fleet-attention-section", "hidden"),
    "no_filter": Output("fleet-host-place", "hidden"),
}


MOVED = {
    "style": Output("fleet-cursor", "style"),
    "hidden": Output("fleet-cursor", "hidden"),
    "said": Output("fleet-said", "children"),
    "at": Output("fleet-at", "data"),
    "go": Output("fleet-go", "href"),
}


def register(app: Dash, context: Context) -> None:
    """Connect the page."""
    live = context.live

    def asked(view: object, group: object, search: object) -> Asked:
        return _asked(context, view, group, search)

    drawing = _Drawing()

    def tick(
        count: int | None, view: str, group: str, search: str | None, width: int | None,
        host: str | None, drawn: str | None,
    ) -> dict[str, Any]:  # fmt: skip
        ticked = [*ctx.triggered_prop_ids.values()] == ["fleet-tick"]
        tables = not ticked or not (count or 0) % TABLES_EVERY
        picture, answer = _seen(live, view, tables=tables)
        changes = render(
            picture, answer, view, width, host or "", drawn,
            asked=asked(view, group, search), tables=tables,
        )  # fmt: skip
        return changes | {"parts": drawing.of(picture, host or "", changes["parts"])}

    def point(hover: object, width: int | None, group: str) -> tuple[bool, Any, Any, Any]:
        return pointed(live.now()[0], hover, width, asked(None, group, None))

    def move(
        key: object, _drawn: object, click: object, at: object, width: object,
        view: object, group: object,
    ) -> dict[str, Any]:  # fmt: skip
        how = asked(view, group, None)
        picture = _seen(live, view, tables=False)[0]
        if ctx.triggered_id == "fleet-map":
            changes: dict[str, Any] = dict.fromkeys(MOVED, no_update)
            return changes | {"go": pressed(picture, click, width, how)}
        name = key.get("key") if isinstance(key, Mapping) else None
        return moved(picture, name if ctx.triggered_id == "fleet-key" else None, at, width, how)

    app.clientside_callback(
        ClientsideFunction("wattline", "watchWidth"),
        Output("fleet-width", "data"),
        Input("fleet-frame", "id"),
    )
    pickers.remember(app, "fleet-view", "fleet-group", "fleet-search")
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("fleet-tick", "n_intervals"),
            Input("fleet-view", "value"),
            Input("fleet-group", "value"),
            Input("fleet-search", "value"),
            Input("fleet-width", "data"),
            Input("fleet-host", "value"),
            State("fleet-drawn", "data"),
        ],
    )(tick)
    app.callback(
        Output("fleet-tooltip", "show"),
        Output("fleet-tooltip", "bbox"),
        Output("fleet-tooltip", "children"),
        Output("fleet-tooltip", "direction"),
        Input("fleet-map", "pointed"),
        State("fleet-width", "data"),
        State("fleet-group", "value"),
    )(point)
    app.callback(
        output=MOVED,
        inputs=[
            Input("fleet-key", "data"),
            Input("fleet-drawn", "data"),
            Input("fleet-map", "pressed"),
            State("fleet-at", "data"),
            State("fleet-width", "data"),
            State("fleet-view", "value"),
            State("fleet-group", "value"),
        ],
        prevent_initial_call=True,
    )(move)
    exports.connect(app, "fleet-map", [], lambda: fleet_sheet.sheet(live.now()[0]))
