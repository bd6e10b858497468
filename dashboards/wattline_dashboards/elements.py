"""Elements of long parts of a page, without what Dash does for each component it makes.

A table of forty hosts is a thousand elements, and making them anew with every tick took longer than
all else together. These are described alike, so that `markup`, and Dash itself, draw them alike.
"""

from __future__ import annotations

from typing import Any


class Element:
    """An element: its children, and its properties as Dash names them (`className`)."""

    __slots__ = ("children", "properties")

    def __init__(self, children: Any = None, **properties: Any) -> None:
        """Describe one; properties that are None are left out when it is drawn."""
        self.children = children
        self.properties = properties

    @property
    def tag(self) -> str:
        """Its name, such as `td`."""
        return type(self).__name__.lower()

    def to_plotly_json(self) -> dict[str, Any]:
        """As Dash describes a component."""
        known = {name: value for name, value in self.properties.items() if value is not None}
        return {
            "props": {"children": self.children, **known},
            "type": type(self).__name__,
            "namespace": "dash_html_components",
        }


class Div(Element):
    """A part."""

    __slots__ = ()


class Span(Element):
    """A part of a line."""

    __slots__ = ()


class A(Element):
    """A way to another page."""

    __slots__ = ()


class Tr(Element):
    """A row of a table."""

    __slots__ = ()


class Td(Element):
    """A cell of a table."""

    __slots__ = ()


class Th(Element):
    """A head of a table's column."""

    __slots__ = ()
