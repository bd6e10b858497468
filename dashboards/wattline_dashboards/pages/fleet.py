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

from wattline_collector.palette import Mode
from wattline_dashboards import markup, theme
from wattline_dashboards.access import viewing
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import devices, fleet_order, hosts, notice, pickers
from wattline_dashboards.components.legend import legend
from wattline_dashboards.components.live_jobs import live_jobs
from wattline_dashboards.components.parts import marks
from wattline_dashboards.components.totals import totals
from wattline_dashboards.context import Context
from wattline_dashboards.figures import fleet_map, floor, views
from wattline_dashboards.language import N_, _, language
from wattline_dashboards.picture import Picture

PATH = "/"
TITLE = N_("Fleet")
GROUP = "operators"
PICKERS: tuple[str, ...] = ()
EVERY_MS = 1000
"""A reading is on the screen within two seconds, the memories on its way included."""

TABLES_EVERY = 2
"""Ticks after which the tables are drawn anew. The line of figures and the map are with each: a
table is read row by row, and its agents send every few seconds."""

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


def layout(view: object = None, group: object = None, search: object = None, **_query: Any
           ) -> html.Div:  # fmt: skip
    """The page before its first reading; the address may set its controls."""
    orders = fleet_order.offered(viewing.viewer())
    chosen = str(group) if group in [one["value"] for one in orders] else "rack"
    words = str(search)[: fleet_order.LONGEST_SEARCH] if search else ""
    return html.Div(
        [
            dcc.Interval(id="fleet-tick", interval=EVERY_MS),
            dcc.Store(id="fleet-width"),
            dcc.Store(id="fleet-drawn"),
            dcc.Store(id="fleet-key"),
            dcc.Store(id="fleet-at"),
            dcc.Location(id="fleet-go", refresh="callback-nav"),
            markup.store("fleet"),
            html.H1(_("Fleet"), className="hidden"),
            html.Div(id="fleet-notice"),
            html.Div(
                [
                    html.Div(id="fleet-totals", className="answer"),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2(_("Devices")),
                                    _controls(views.view_named(view).id, orders, chosen, words),
                                ],
                                className="section-head",
                            ),
                            html.Div(id="fleet-results"),
                            html.Div(id="fleet-legend", className="legend-place"),
                            html.Div(
                                [
                                    dcc.Graph(
                                        id="fleet-map",
                                        config=theme.GRAPH_CONFIG,
                                        clear_on_unhover=True,
                                        responsive=False,
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
                                    "press Enter. Those that need attention are listed below."
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
                    ),
                    html.Section(
                        [html.H2(_("Devices")), html.Div(id="fleet-cards")],
                        id="fleet-few",
                        className="span-all area-map",
                        hidden=True,
                    ),
                    html.Section(
                        [html.H2(_("Running jobs")), html.Div(id="fleet-jobs")],
                        className="area-jobs",
                    ),
                    html.Section(
                        [html.H2(_("Needs attention")), html.Div(id="fleet-attention")],
                        id="fleet-attention-section",
                        className="area-attention",
                    ),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2(_("Hosts")),
                                    html.Label(
                                        id="fleet-host-place",
                                        children=[
                                            html.Span(
                                                _("Filter hosts by name"), className="hidden"
                                            ),
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
                    ),
                ],
                id="fleet-page",
                className="drawn fleet waiting",
            ),
        ]
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
    mode: Mode,
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
        mode: Light or dark.
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
        name = fleet_map.drawn(plan, view, mode, found)
        parts["fleet-legend"] = legend(view, picture)
        parts["fleet-results"] = fleet_order.found(picture, found)
        if name == drawn:
            changes["map"] = fleet_map.patch(plan, view, picture, found)
        else:  # what is told of it, `moved` is asked for: not with every tick
            changes["map"] = fleet_map.figure(plan, view, picture, mode, found)
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


def pressed(
    picture: Picture | None, click: dict[str, Any] | None, width: object, asked: Asked
) -> Any:
    """The address of the device that was clicked."""
    place = _place_of(picture, click, width, asked)
    return no_update if place is None or picture is None else device_address(picture, place)


def _place_of(
    picture: Picture | None, event: dict[str, Any] | None, width: object, asked: Asked
) -> int | None:
    """Which device stands where the pointer is."""
    if not event or picture is None or not isinstance(width, int | float):
        return None
    try:
        x, y = (float(event["points"][0][name]) for name in ("x", "y"))
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return fleet_map.device_at(_plan(picture, width, asked), x, y)


def pointed(
    picture: Picture | None,
    hover: dict[str, Any] | None,
    width: object,
    asked: Asked | None = None,
) -> tuple[bool, Any, Any, Any]:
    """What stands beside the device under the pointer: shown or not, where, what, which side."""
    nothing = (False, no_update, no_update, no_update)
    asked = asked or Asked()
    place = _place_of(picture, hover, width, asked)
    if place is None or picture is None or hover is None or not isinstance(width, int | float):
        return nothing
    box = hover["points"][0].get("bbox")
    if box is None:
        return nothing
    plan = _plan(picture, width, asked)
    side = "left" if plan.spots[place][1] > plan.columns / 2 else "right"
    return True, box, devices.details(picture, place), side


OUTPUTS = {
    "parts": Output("fleet-drawing", "data"),
    "class": Output("fleet-page", "className"),
    "map": Output("fleet-map", "figure"),
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
        said = None
        if group in fleet_order.ASKED:
            said = context.answers.ask("/v1/fleet", keep_seconds=_ORDER_SECONDS).value
        return Asked(view, group, str(search or ""), said)

    drawing = _Drawing()

    def tick(
        count: int | None, view: str, group: str, search: str | None, width: int | None,
        mode: str, host: str | None, drawn: str | None,
    ) -> dict[str, Any]:  # fmt: skip
        picture, answer = live.now()
        changes = render(
            picture, answer, view, width, theme.mode_named(mode), host or "", drawn,
            asked=asked(view, group, search),
            tables=[*ctx.triggered_prop_ids.values()] != ["fleet-tick"]
            or not (count or 0) % TABLES_EVERY,
        )  # fmt: skip
        return changes | {"parts": drawing.of(picture, host or "", changes["parts"])}

    def point(
        hover: dict[str, Any] | None, width: int | None, group: str
    ) -> tuple[bool, Any, Any, Any]:
        return pointed(live.now()[0], hover, width, asked(None, group, None))

    def move(
        key: object, _drawn: object, click: dict[str, Any] | None, at: object, width: object,
        view: object, group: object,
    ) -> dict[str, Any]:  # fmt: skip
        how = asked(view, group, None)
        picture = live.now()[0]
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
    app.clientside_callback(ClientsideFunction("wattline", "draw"), Input("fleet-drawing", "data"))
    pickers.remember(app, "fleet-view", "fleet-group", "fleet-search")
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("fleet-tick", "n_intervals"),
            Input("fleet-view", "value"),
            Input("fleet-group", "value"),
            Input("fleet-search", "value"),
            Input("fleet-width", "data"),
            Input("shell-mode", "data"),
            Input("fleet-host", "value"),
            State("fleet-drawn", "data"),
        ],
    )(tick)
    app.callback(
        Output("fleet-tooltip", "show"),
        Output("fleet-tooltip", "bbox"),
        Output("fleet-tooltip", "children"),
        Output("fleet-tooltip", "direction"),
        Input("fleet-map", "hoverData"),
        State("fleet-width", "data"),
        State("fleet-group", "value"),
    )(point)
    app.callback(
        output=MOVED,
        inputs=[
            Input("fleet-key", "data"),
            Input("fleet-drawn", "data"),
            Input("fleet-map", "clickData"),
            State("fleet-at", "data"),
            State("fleet-width", "data"),
            State("fleet-view", "value"),
            State("fleet-group", "value"),
        ],
        prevent_initial_call=True,
    )(move)
