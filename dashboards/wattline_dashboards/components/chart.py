"""A chart with all that belongs to it: its finding, a note, a legend, and its files."""

from __future__ import annotations

from dash import dcc, html

from wattline_dashboards import theme
from wattline_dashboards.components.own import Later
from wattline_dashboards.components.parts import marks
from wattline_dashboards.language import _


def chart(
    id: str, height: int, *, class_name: str = "", title: str = "", later: bool = False
) -> html.Section:
    """A section whose parts are filled by the page's callbacks.

    `ID-finding` is its title, a sentence that says what there is to see (or `title`, where it does
    not change); `ID-note` what it is drawn from; `ID-legend` its legend; `ID` the graph, in
    `ID-place`, which may be hidden. `exports.connect` makes its two buttons work.

    Args:
        id: Begins with the page's word, as `energy-flow` does on the page `energy`.
        height: Of the graph, pixels.
        class_name: Where it stands on the page.
        title: Its title, where that is no finding.
        later: Whether the rest of the page is not to wait for what draws charts.
    """
    graph = dcc.Graph(id=id, config=theme.GRAPH_CONFIG, style={"height": f"{height}px"})
    return html.Section(
        [
            html.Div(
                [html.H2(title or None, id=f"{id}-finding"), files(id)], className="section-head"
            ),
            html.P(id=f"{id}-note", className="muted note"),
            html.Div(id=f"{id}-legend"),
            html.Div(
                Later(id=f"{id}-later", children=graph) if later else graph,
                id=f"{id}-place",
            ),
        ],
        className=class_name,
    )


def files(id: str, *, picture: bool = True) -> html.Span:
    """The buttons that give a chart or a table as files; a table has no picture."""
    buttons = [_button(f"{id}-csv", "CSV", _("Save the figures as a CSV file"))]
    buttons.append(
        _button(f"{id}-png", "PNG", _("Save the chart as a picture"), hidden=not picture)
    )
    return html.Span([*buttons, dcc.Download(id=f"{id}-file")], className="files")


def _button(id: str, label: str, title: str, *, hidden: bool = False) -> html.Button:
    return html.Button(
        label, id=id, className="file-button", title=title, hidden=hidden, **marks(aria_label=title)
    )
