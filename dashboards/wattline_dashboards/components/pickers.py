"""Which period and which system the pages show: chosen once, the same on every page.

The choice stands in the address, so that a view can be sent to a colleague, and in the store
`shell-asked`, which pages take as an input and `Context.asked` reads. A page shows those pickers
that it goes by.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from dash import ClientsideFunction, Dash, Input, Output, dcc, html

from wattline_dashboards import times
from wattline_dashboards.components.parts import marks
from wattline_dashboards.language import N_, _

NAMES = ("period", "system")

PERIODS = (
    *((id, name) for id, name, _length in times.PRESETS),
    (times.ALL, N_("All")),
    (times.CUSTOM, N_("Dates")),
)


def pickers() -> html.Div:
    """The pickers, each hidden until a page wants it."""
    return html.Div(
        [
            dcc.Store(id="shell-asked"),
            html.Div(
                [
                    dcc.RadioItems(
                        id="shell-period",
                        options=[{"label": _(name), "value": id} for id, name in PERIODS],
                        value=times.DEFAULT,
                        className="segments",
                        inline=True,
                    ),
                    html.Div(
                        dcc.DatePickerRange(
                            id="shell-dates",
                            display_format="D MMM YYYY",
                            first_day_of_week=1,
                            minimum_nights=0,
                            start_date_placeholder_text=_("First day"),
                            end_date_placeholder_text=_("Last day"),
                            clearable=True,
                        ),
                        id="shell-dates-place",
                        hidden=True,
                    ),
                ],
                id="shell-period-place",
                className="controls",
                role="group",
                hidden=True,
                **marks(aria_label=_("Period"), data_usual=times.DEFAULT),
            ),
            html.Div(
                dcc.Dropdown(
                    id="shell-system",
                    options=[],
                    placeholder=_("All systems"),
                    className="system-picker",
                ),
                id="shell-system-place",
                role="group",
                hidden=True,
                **marks(aria_label=_("System")),
            ),
        ],
        className="pickers",
    )


def systems(names: object) -> list[dict[str, str]]:
    """The choices of systems."""
    known = names if isinstance(names, list | tuple) else ()
    return [{"label": str(name), "value": str(name)} for name in known]


def address(asked: object) -> str:
    """The query that takes the choice along to another page; empty where nothing was chosen."""
    said: Mapping[object, object] = asked if isinstance(asked, Mapping) else {}
    names = ("period", "first", "last", "system")
    chosen = [(name, str(said[name])) for name in names if said.get(name)]
    return f"?{urlencode(chosen)}" if chosen else ""


def register(app: Dash) -> None:
    """Have address, pickers and the store say the same."""
    app.clientside_callback(
        ClientsideFunction("wattline", "readAddress"),
        Output("shell-period", "value"),
        Output("shell-dates", "start_date"),
        Output("shell-dates", "end_date"),
        Output("shell-system", "value"),
        Input("shell-location", "search"),
    )
    app.clientside_callback(
        ClientsideFunction("wattline", "asked"),
        Output("shell-asked", "data"),
        Output("shell-dates-place", "hidden"),
        Input("shell-period", "value"),
        Input("shell-dates", "start_date"),
        Input("shell-dates", "end_date"),
        Input("shell-system", "value"),
    )


def remember(app: Dash, *ids: str) -> None:
    """Keep the values of a page's own controls in the address.

    The control `fleet-view` is kept as `view`; the page's `layout(view=...)` is given it back. An
    address that leaves a choice open stays as it was asked for until somebody chooses.
    """
    app.clientside_callback(
        ClientsideFunction("wattline", "remember"),
        [Input(id, "value") for id in ids],
        prevent_initial_call=True,
    )
