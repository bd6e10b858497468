"""What stands around every page: the name, the pages, the systems, light or dark."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html

from wattline_dashboards.components.parts import marks

Link = tuple[str, str]
"""A page's path and its name."""


def header(links: Sequence[Link], here: str) -> html.Header:
    """The head of every page."""
    return html.Header(
        [
            html.A("Skip to content", href="#content", className="skip"),
            dcc.Link(
                [html.Span(className="logo", **marks(aria_hidden="true")), "Wattline"],
                href="/",
                className="brand",
                title="Wattline: the fleet now",
            ),
            html.Nav(navigation(links, here), id="shell-pages", **marks(aria_label="Pages")),
            html.Div(id="shell-systems", className="systems"),
            html.Button(
                html.Span(className="theme-icon", **marks(aria_hidden="true")),
                id="shell-theme",
                className="icon-button",
                title="Switch between light and dark",
                **marks(aria_label="Switch between light and dark"),
            ),
        ],
        className="header",
    )


def navigation(links: Sequence[Link], here: str) -> list[dcc.Link]:
    """Links to the pages, the current one marked."""
    return [
        dcc.Link(
            name,
            href=path,
            className="page-link current" if path == here else "page-link",
        )
        for path, name in links
    ]


def systems(names: Sequence[str], simulated: Sequence[str], away: bool) -> list[html.Span]:
    """The systems that report; the simulated ones say so wherever they are named."""
    parts = []
    for name in names:
        label: list[str | html.Span] = [name]
        if name in simulated:
            label.append(
                html.Span(
                    "simulated",
                    className="tag",
                    title="No hardware stands behind these figures: a simulation made them.",
                )
            )
        parts.append(html.Span(label, className="system"))
    if away:
        parts.append(html.Span("collector away", className="tag tag-warning"))
    return parts
