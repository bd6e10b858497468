"""What stands around every page: the name, the pages, the systems, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dash import dcc, html

from wattline_dashboards.access.people import Person
from wattline_dashboards.components.parts import marks
from wattline_dashboards.language import LANGUAGES, _, language

GROUPS = ("operators", "management", "jobs")
"""Whose pages there are, in the order of the navigation."""


@dataclass(frozen=True, slots=True)
class Link:
    """A page's path, its name, and whose it is."""

    path: str
    name: str
    group: str


def header(links: Sequence[Link], here: str, person: Person | None = None) -> html.Header:
    """The head of every page; `person` is who is signed in."""
    return html.Header(
        [
            html.A(_("Skip to content"), href="#content", className="skip"),
            dcc.Link(
                [html.Span(className="logo", **marks(aria_hidden="true")), "Wattline"],
                href="/",
                className="brand",
                title=_("Wattline: the fleet now"),
            ),
            html.Nav(navigation(links, here), id="shell-pages", **marks(aria_label=_("Pages"))),
            html.Div(id="shell-systems", className="systems"),
            _languages(),
            html.Button(
                html.Span(className="theme-icon", **marks(aria_hidden="true")),
                id="shell-theme",
                className="icon-button",
                title=_("Switch between light and dark"),
                **marks(aria_label=_("Switch between light and dark")),
            ),
            *([] if person is None else [_account(person)]),
        ],
        className="header",
    )


def _languages() -> html.Div:
    """The choice of a language: a link for each, for a page is asked for anew in another one."""
    return html.Div(
        [
            html.Button(
                code.upper(),
                type="button",
                className="language current" if code == language() else "language",
                title=name,
                lang=code,
                **marks(data_language=code, aria_label=name),
            )
            for code, name in LANGUAGES.items()
        ],
        className="languages",
        role="group",
        **marks(aria_label=_("Language")),
    )


def _account(person: Person) -> html.A:
    return html.A(
        person.shown, href="/account", className="who", title=_("Who you are here, and signing out")
    )


def not_yours(title: str, links: Sequence[Link]) -> html.Div:
    """In place of a page that whoever looks may not see: why, and where else to go."""
    others = [html.Li(dcc.Link(_(link.name), href=link.path)) for link in links]
    return html.Div(
        [
            html.H1(_("{page} is not for your roles").format(page=title)),
            html.P(
                [
                    _("What you may see goes by your roles, which the operators give. "),
                    html.A(_("Your account"), href="/account"),
                    _(" says which are yours. A job of yours: "),
                    html.Code("wattline job ID"),
                    _(" on the terminal."),
                ]
            ),
            *([html.Ul(others)] if others else []),
        ],
        id="shell-refused",
        className="answer",
    )


def navigation(links: Sequence[Link], here: str, address: str = "") -> list[html.Span]:
    """Links to the pages by whose they are, the current one marked.

    Args:
        links: The pages.
        here: The path of the current one.
        address: The query that takes period and system along, such as `?period=30d`.
    """
    return [
        html.Span(
            [
                dcc.Link(
                    _(link.name),
                    href=link.path + address,
                    className="page-link current" if link.path == here else "page-link",
                )
                for link in group
            ],
            className="page-group",
        )
        for _name, group in groupby(links, key=lambda link: link.group)
    ]


def systems(names: Sequence[str], simulated: Sequence[str], away: bool) -> list[html.Span]:
    """The systems that report; the simulated ones say so wherever they are named."""
    parts = []
    for name in names:
        label: list[str | html.Span] = [name]
        if name in simulated:
            label.append(
                html.Span(
                    _("simulated"),
                    className="tag",
                    title=_("No hardware stands behind these figures: a simulation made them."),
                )
            )
        parts.append(html.Span(label, className="system"))
    if away:
        parts.append(html.Span(_("collector away"), className="tag tag-warning"))
    return parts
