"""What is happening now: every device, the jobs that run, the hosts."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from wattline_collector.palette import Mode
from wattline_dashboards import markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import devices, hosts, notice
from wattline_dashboards.components.legend import legend
from wattline_dashboards.components.live_jobs import live_jobs
from wattline_dashboards.components.parts import marks
from wattline_dashboards.components.totals import totals
from wattline_dashboards.context import Context
from wattline_dashboards.figures import fleet_map, floor, views
from wattline_dashboards.picture import Picture

PATH = "/"
TITLE = "Fleet"
GROUP = "operators"
PICKERS: tuple[str, ...] = ()
EVERY_MS = 2000

_WIDEST = 4000
_NARROWEST = 320


def layout(**_: Any) -> html.Div:
    """The page before its first reading."""
    return html.Div(
        [
            dcc.Interval(id="fleet-tick", interval=EVERY_MS),
            dcc.Store(id="fleet-width"),
            dcc.Store(id="fleet-drawn"),
            markup.store("fleet"),
            html.H1("Fleet", className="hidden"),
            html.Div(id="fleet-notice"),
            html.Div(
                [
                    html.Div(id="fleet-totals", className="answer"),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2("Devices"),
                                    dcc.RadioItems(
                                        id="fleet-view",
                                        options=[
                                            {"label": view.label, "value": view.id}
                                            for view in views.VIEWS
                                        ],
                                        value=views.ACCOUNT.id,
                                        className="segments",
                                        inline=True,
                                    ),
                                ],
                                className="section-head",
                            ),
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
                                ],
                                id="fleet-frame",
                                className="map-frame",
                                role="group",
                                **marks(
                                    aria_label="Map of all devices by rack and node; those that "
                                    "need attention are listed below"
                                ),
                            ),
                        ],
                        id="fleet-devices",
                        className="span-all area-map",
                    ),
                    html.Section(
                        [html.H2("Devices"), html.Div(id="fleet-cards")],
                        id="fleet-few",
                        className="span-all area-map",
                        hidden=True,
                    ),
                    html.Section(
                        [html.H2("Running jobs"), html.Div(id="fleet-jobs")],
                        className="area-jobs",
                    ),
                    html.Section(
                        [html.H2("Needs attention"), html.Div(id="fleet-attention")],
                        id="fleet-attention-section",
                        className="area-attention",
                    ),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2("Hosts"),
                                    html.Label(
                                        id="fleet-host-place",
                                        children=[
                                            html.Span("Filter hosts by name", className="hidden"),
                                            dcc.Input(
                                                id="fleet-host",
                                                type="text",
                                                placeholder="Filter by name",
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


def render(
    picture: Picture | None,
    answer: Answer,
    view_id: object,
    width: object,
    mode: Mode,
    host: str,
    drawn: object,
) -> dict[str, Any]:
    """All that one tick changes, by name; `parts` are components by the id they fill."""
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
        "fleet-totals": totals(picture),
        "fleet-jobs": live_jobs(picture.jobs),
        "fleet-attention": devices.attention(picture),
        "fleet-hosts": hosts.hosts(picture, host),
        "fleet-cards": devices.cards(picture) if few else None,
    }
    if not few and count and isinstance(width, int | float):
        view = views.view_named(view_id)
        plan = floor.plan(picture.devices, int(min(_WIDEST, max(_NARROWEST, width))))
        name = fleet_map.drawn(plan, view, mode)
        parts["fleet-legend"] = legend(view, picture)
        changes["drawn"] = name
        changes["map"] = (
            fleet_map.patch(plan, view, picture)
            if name == drawn
            else fleet_map.figure(plan, view, picture, mode)
        )
    return changes


def pointed(
    picture: Picture | None, hover: dict[str, Any] | None, width: object
) -> tuple[bool, Any, Any, Any]:
    """What stands beside the device under the pointer: shown or not, where, what, which side."""
    nothing = (False, no_update, no_update, no_update)
    if not hover or picture is None or not isinstance(width, int | float):
        return nothing
    try:
        point = hover["points"][0]
        x, y, box = float(point["x"]), float(point["y"]), point["bbox"]
    except (KeyError, IndexError, TypeError, ValueError):
        return nothing
    plan = floor.plan(picture.devices, int(min(_WIDEST, max(_NARROWEST, width))))
    place = fleet_map.device_at(plan, x, y)
    if place is None:
        return nothing
    side = "left" if x > plan.columns / 2 else "right"
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


def register(app: Dash, context: Context) -> None:
    """Connect the page."""
    live = context.live

    def tick(
        _: int | None, view: str, width: int | None, mode: str, host: str | None, drawn: str | None
    ) -> dict[str, Any]:
        picture, answer = live.now()
        changes = render(picture, answer, view, width, theme.mode_named(mode), host or "", drawn)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def point(hover: dict[str, Any] | None, width: int | None) -> tuple[bool, Any, Any, Any]:
        return pointed(live.now()[0], hover, width)

    app.clientside_callback(
        ClientsideFunction("wattline", "watchWidth"),
        Output("fleet-width", "data"),
        Input("fleet-frame", "id"),
    )
    app.clientside_callback(ClientsideFunction("wattline", "draw"), Input("fleet-drawing", "data"))
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("fleet-tick", "n_intervals"),
            Input("fleet-view", "value"),
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
    )(point)
