"""Parts of pages that are drawn by scripts of ours: `assets/draw.js`, `assets/fleet_map.js`.

For Dash they are components like any: what they are given comes with a page's layout or with the
answer of a callback, and what a reader does with them can call one.
"""

from __future__ import annotations

from typing import Any

from dash.development.base_component import Component


class _Own(Component):
    """A component whose script is one of our assets."""

    _namespace = "wattline_parts"
    _children_props = []  # noqa: RUF012
    _base_nodes = ["children"]  # noqa: RUF012
    _valid_wildcard_attributes = []  # noqa: RUF012
    _names: tuple[str, ...] = ()

    def __init__(self, **given: Any) -> None:
        """Take what is given of `_names`; what is None is left out."""
        self._prop_names = list(self._names)
        self.available_properties = list(self._names)
        self.available_wildcard_properties: list[str] = []
        known = {name: value for name, value in given.items() if value is not None}
        super().__init__(**known)  # type: ignore[no-untyped-call]


class Drawing(_Own):
    """What `markup` describes, drawn into the elements whose ids it names; itself not to be seen.

    Properties:
        id: Of the component.
        data: Markup by the id of the element that it fills.
    """

    _type = "Drawing"
    _names = ("id", "data")


class Later(_Own):
    """Parts that come in after the first frame: what draws charts takes a browser its time to read.

    Properties:
        id: Of the component.
        children: The parts.
    """

    _type = "Later"
    _names = ("id", "children")


class DeviceMap(_Own):
    """A canvas with one cell per device.

    Properties:
        id: Of the component.
        plan: What stays from tick to tick, from `figures.fleet_map.plan`.
        cells: Base64 of a byte per device, in the order of the plan: a level or an account's code.
        found: Base64 of a byte per device, 1 where somebody looks for it; empty: nobody looks.
        pointed: The device under the pointer, and where its cell is; null where there is none.
        pressed: The device that was clicked last.
    """

    _type = "DeviceMap"
    _names = ("id", "plan", "cells", "found", "pointed", "pressed")
