"""Elements of long parts of a page, without what Dash does for each component it makes.

A table of forty hosts is a thousand elements, and making them anew with every tick took longer than
all else together. These are described alike, so that `markup`, and Dash itself, draw them alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "H3",
    "A",
    "Caption",
    "Dd",
    "Div",
    "Dl",
    "Dt",
    "Element",
    "Li",
    "P",
    "Section",
    "Span",
    "Table",
    "Tbody",
    "Td",
    "Th",
    "Thead",
    "Tr",
    "Ul",
]


class Element:
    """An element: its children, and its properties as Dash names them (`className`)."""

    __slots__ = ("children", "properties")
    tag = ""
    """Its name, such as `td`."""

    def __init__(self, children: Any = None, **properties: Any) -> None:
        """Describe one; properties that are None are left out when it is drawn."""
        self.children = children
        self.properties = properties

    def to_plotly_json(self) -> dict[str, Any]:
        """As Dash describes a component."""
        known = {name: value for name, value in self.properties.items() if value is not None}
        return {
            "props": {"children": self.children, **known},
            "type": type(self).__name__,
            "namespace": "dash_html_components",
        }


if TYPE_CHECKING:
    # They stand where Dash's own would, and take what those take.
    from dash.html import (
        H3,
        A,
        Caption,
        Dd,
        Div,
        Dl,
        Dt,
        Li,
        P,
        Section,
        Span,
        Table,
        Tbody,
        Td,
        Th,
        Thead,
        Tr,
        Ul,
    )
else:
    globals().update(
        (name, type(name, (Element,), {"__slots__": (), "tag": name.lower()}))
        for name in __all__
        if name != "Element"
    )
