"""Large or live parts of a page, past Dash's own drawing.

Dash's renderer walks the whole tree of components for every component it adds: a table of 200 jobs
kept a browser busy for over 25 seconds. So parts that are long, or that change with every tick,
are still made of `dash.html` components here, but travel as plain nested lists in a store, and
`assets/draw.js` makes elements of them and changes in place what differs: the same page is whole
in 2 seconds.
Text arrives as text: nothing a job or a node is called can become markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dash import dcc
from dash.development.base_component import Component

from wattline_dashboards.components.own import Drawing
from wattline_dashboards.elements import Element

Markup = str | list[Any]
"""A text, or an element as `[tag, attributes, child, ...]`."""

_NAMES = {"className": "class", "colSpan": "colspan", "tabIndex": "tabindex"}
_HTML = "dash_html_components"


class Drawn:
    """A part that is drawn already: it is the same every second, and taken as it is."""

    __slots__ = ("markup",)

    def __init__(self, part: Any) -> None:
        """Draw a part."""
        self.markup = _children(part)


def store(page: str) -> dcc.Store:
    """The store that a page's drawing travels in."""
    return dcc.Store(id=f"{page}-drawing")


def shown(page: str, parts: Mapping[str, Any] | None = None) -> Drawing:
    """In place of the store: a drawing that can come with its page, and needs no callback.

    Args:
        page: The page's word.
        parts: What `drawing` or `written` gave of its parts; None: nothing yet.
    """
    return Drawing(id=f"{page}-drawing", data=parts)


def drawing(parts: Mapping[str, Any]) -> dict[str, list[Markup]]:
    """Parts of a page by the id of the element they fill; a function is called to make its part."""
    return {id: _children(part() if callable(part) else part) for id, part in parts.items()}


def written(parts: Mapping[str, Any]) -> dict[str, str]:
    """The same, each part as the JSON that it travels as: written once for all who look."""
    return {
        id: json.dumps(drawn, ensure_ascii=False, separators=(",", ":"))
        for id, drawn in drawing(parts).items()
    }


def _children(part: Any) -> list[Markup]:
    # Thousands of parts a second: what is most frequent is asked first.
    if isinstance(part, str):
        return [part] if "`" not in part else _words(part)
    if isinstance(part, Element):
        return [[part.tag, _attributes(part.properties), *_children(part.children)]]
    if isinstance(part, list | tuple):
        drawn: list[Markup] = []
        for child in part:
            drawn += _children(child)
        return drawn
    if part is None:
        return []
    if isinstance(part, Drawn):
        return part.markup
    return [_markup(part)]


def typed(text: str) -> list[tuple[bool, str]]:
    """A text in parts, each with whether it is to be typed: such stand between backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one that has no other is a letter like any
        parts[-2:] = ["`".join(parts[-2:])]
    return [(place % 2 == 1, part) for place, part in enumerate(parts) if part]


def _words(text: str) -> list[Markup]:
    return [["code", {}, part] if is_typed else part for is_typed, part in typed(text)]


def _markup(part: Any) -> Markup:
    if not isinstance(part, Component):
        return str(part)
    described = part.to_plotly_json()
    if described["namespace"] != _HTML:
        raise TypeError(f"{described['type']} needs Dash to draw it")
    properties = dict(described["props"])
    children = _children(properties.pop("children", None))
    return [str(described["type"]).lower(), _attributes(properties), *children]


def _attributes(properties: Mapping[str, Any]) -> dict[str, str]:
    return {
        _NAMES.get(name, name): value if isinstance(value, str) else _attribute(value)
        for name, value in properties.items()
        if value is not None and value is not False
    }


def _attribute(value: Any) -> str:
    if value is True:
        return ""
    if isinstance(value, Mapping):
        return ";".join(f"{_hyphened(name)}:{setting}" for name, setting in value.items())
    return str(value)


def _hyphened(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"-{letter.group().lower()}", name)
