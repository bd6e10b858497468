"""Where every device stands: racks side by side, nodes as rows, devices as columns.

Other orders put devices side by side that have something else in common: a node, a partition, a
job, a project. Position is identity: the same device is in the same place until devices come or go,
so an outlier is a dot that an operator finds again. Everything is placed on one grid of square
cells of a whole number of pixels, which keeps 25,000 of them sharp.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import groupby, takewhile
from threading import Lock

from wattline_dashboards.columns import Columns

LARGEST_CELL, SMALLEST_CELL = 40, 4
TALLEST = 640
"""Pixels: a map no taller than this leaves the heading and the first jobs on one screen."""

_ONE_BAND_FROM = 18
"""Racks in one row read better than larger cells, as long as cells are no smaller than this."""

_LABEL_PX = 20
_CHARACTER_PX = 7.2
_FEWEST_CHARACTERS = 5
_NODE_NAMES_FROM = 14
_NODES_WITHOUT_RACK = 8
"""Nodes whose rack nobody told us are stacked by eight, as most racks of accelerators are."""
_TALLEST_RACK = 48
"""Nodes above each other in a rack; one with more, as a row of racks under one name may have, is in
several columns side by side, so that the map stays as high as a screen."""
_WIDEST_NODE = 16
"""The most accelerators a node is built with today; a recording may put more under one name."""


@dataclass(frozen=True, slots=True)
class Label:
    """A name on the floor, at a cell's coordinates."""

    text: str
    row: float
    column: float


@dataclass(frozen=True)
class Floor:
    """The plan.

    Attributes:
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        cell: Pixels of a cell's edge, its gap included.
        bands: Rows of racks.
        spots: Row and column of each device, in the order devices came in.
        racks: Names over racks.
        nodes: Names left of rows; none where cells are too small to read them by.
        key: Equal for floors that are drawn the same.
    """

    rows: int
    columns: int
    cell: int
    bands: int
    spots: tuple[tuple[int, int], ...]
    racks: tuple[Label, ...]
    nodes: tuple[Label, ...]
    key: str = ""

    @property
    def gap(self) -> int:
        """Pixels between cells."""
        return 2 if self.cell >= 14 else 1 if self.cell >= 5 else 0

    @cached_property
    def packed(self) -> bytes:
        """Row and column of each device, two 16-bit numbers after another, little-endian."""
        numbers = array("H", [number for spot in self.spots for number in spot])
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tobytes()


Place = tuple[str, str, str, float, str]
"""A device: system, rack, node, index, device."""


_Line = tuple[str, tuple[int, ...]]
"""A row of a rack: a node's name and its devices."""


@dataclass(frozen=True, slots=True)
class _Rack:
    system: str
    name: str
    nodes: tuple[_Line, ...]
    width: int


@dataclass(frozen=True, slots=True)
class Order:
    """What devices stand together by.

    Attributes:
        id: Its word.
        groups: What each device belongs to, in the order devices come in; null: to nothing. None:
            racks and nodes.
        rest: The name of what belongs to nothing.
    """

    id: str = "rack"
    groups: tuple[str | None, ...] | None = None
    rest: str = ""


RACKS = Order()

_PLACED_BY = ("system", "rack", "node", "index", "device")


def plan(devices: Columns, width: int, order: Order = RACKS) -> Floor:
    """Place devices on a floor `width` pixels wide."""
    # Comparing what was placed before costs a tenth of placing it, or of a digest of it.
    given = (width, order, devices.only(_PLACED_BY))
    return _plans.get(given, lambda: _made(devices, width, order))


class _Plans:
    """Floors that were planned lately; the places of a fleet hardly ever change."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._kept: tuple[tuple[object, Floor], ...] = ()

    def get(self, given: object, make: Callable[[], Floor]) -> Floor:
        for known, floor in self._kept:
            if known == given:
                return floor
        floor = make()
        with self._lock:
            self._kept = ((given, floor), *self._kept[: self._most - 1])
        return floor


_plans = _Plans(16)


def _made(devices: Columns, width: int, order: Order) -> Floor:
    places = tuple(
        (system or "", rack or "", node or "", math.inf if index is None else index, device or "")
        for system, rack, node, index, device in zip(
            devices.texts("system"),
            devices.texts("rack"),
            devices.texts("node"),
            devices.numbers("index"),
            devices.texts("device"),
            strict=True,
        )
    )
    digest = hashlib.sha256(repr((places, width, order)).encode()).hexdigest()
    floor = _plan(places, width, order)
    return replace(floor, key=digest[:16])


def _plan(places: tuple[Place, ...], width: int, order: Order) -> Floor:
    racks = _racks(places) if order.groups is None else _groups(places, order)
    if not racks:
        return Floor(0, 0, LARGEST_CELL, 0, (), (), ())
    longest = max(len(name) for rack in racks for name, _ in rack.nodes)
    fitting: Floor | None = None
    for cell in range(LARGEST_CELL, SMALLEST_CELL - 1, -1):
        if fitting is not None and cell < _ONE_BAND_FROM:
            break
        margin = math.ceil(longest * _CHARACTER_PX / cell) if cell >= _NODE_NAMES_FROM else 0
        # Most sizes do not fit: the devices are placed only in the one that does.
        floor = _placed(racks, width // cell, cell, margin, 0)
        if floor is None or floor.rows * cell > TALLEST:
            continue
        if floor.bands == 1 or fitting is None:
            fitting = _placed(racks, width // cell, cell, margin, len(places))
        if floor.bands == 1:
            break
    if fitting is not None:
        return fitting
    # More than fits without scrolling: the page grows downwards, never sideways.
    columns = max(width // SMALLEST_CELL, max(rack.width for rack in racks))
    fallback = _placed(racks, columns, SMALLEST_CELL, 0, len(places))
    assert fallback is not None  # one rack a band always fits in its own width
    return fallback


def _racks(places: Sequence[Place]) -> list[_Rack]:
    order = sorted(range(len(places)), key=lambda at: _rank(places[at]))
    racks = []
    for (system, name), members in groupby(order, key=lambda at: places[at][:2]):
        nodes = [
            line
            for node, group in groupby(members, key=lambda at: places[at][2])
            for line in _lines(node, tuple(group))
        ]
        nodes = _shortened(nodes)
        columns = math.ceil(len(nodes) / _TALLEST_RACK)
        step = math.ceil(len(nodes) / columns) if name else _NODES_WITHOUT_RACK
        for start in range(0, len(nodes), step):
            chunk = tuple(nodes[start : start + step])
            width = max(len(devices) for _, devices in chunk)
            racks.append(_Rack(system, name, chunk, width))
    return racks


def _groups(places: Sequence[Place], order: Order) -> list[_Rack]:
    """Blocks of devices that have something in common, in the order people count; the rest last."""
    groups = order.groups or ()
    members: dict[tuple[str, str | None], list[int]] = {}
    for at in sorted(range(len(places)), key=lambda at: _rank(places[at])):
        members.setdefault((places[at][0], groups[at]), []).append(at)
    keys = sorted(members, key=lambda key: (natural(key[0]), key[1] is None, natural(key[1] or "")))
    blocks = []
    for key in keys:
        devices = members[key]
        width = _block_width(len(devices))
        rows = tuple(
            ("", tuple(devices[start : start + width])) for start in range(0, len(devices), width)
        )
        name = order.rest if key[1] is None else key[1]
        blocks.append(_Rack(key[0], name, rows, min(width, len(devices))))
    return blocks


def _block_width(devices: int) -> int:
    """Devices side by side in a block: about twice as wide as high, in whole nodes of eight."""
    if devices <= _WIDEST_NODE // 2:
        return max(devices, 1)
    return -(-math.ceil(math.sqrt(devices * 2)) // 8) * 8


def _lines(node: str, devices: tuple[int, ...]) -> list[_Line]:
    """A node's rows: one, unless it has more devices than fit side by side."""
    starts = range(0, len(devices), _WIDEST_NODE)
    return [("" if start else node, devices[start : start + _WIDEST_NODE]) for start in starts]


def _shortened(nodes: list[_Line]) -> list[_Line]:
    """Node names without what all of a rack begin with: `n01` of `sim-r1-n01`."""
    names = [name for name, _ in nodes if name]
    # What the first and the last in order have in common, all between them have too.
    pairs = zip(min(names), max(names), strict=False) if len(names) > 1 else ()
    prefix = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    # Only whole words go, so that `n01` stays `n01` in a rack of `n01` to `n08`.
    length = max((prefix.rfind(mark) + 1 for mark in "-_.:"), default=0)
    return [(name[length:], devices) for name, devices in nodes]


def _rank(place: Place) -> tuple[object, ...]:
    system, rack, node, index, device = place
    return (natural(system), natural(rack), natural(node), index, device)


@lru_cache(maxsize=65_536)
def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sort key by which `n2` comes before `n10`."""
    return tuple(
        (0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"([0-9]+)", name)
    )


def _fitting(title: str, pixels: float) -> str:
    """As much of a name as there is room for; nothing where that would not tell it from others."""
    room = int(pixels / _CHARACTER_PX)
    if len(title) <= room:
        return title
    return f"{title[: room - 1]}…" if room >= _FEWEST_CHARACTERS else ""


def neighbour(floor: Floor, spot: tuple[int, int] | None, key: str) -> tuple[int, int] | None:
    """The cell that a key leads to from another; None on an empty floor.

    Left and right lead along the row and over its ends into the next one; up and down to the
    nearest row with a cell, and there to the one closest by.

    Args:
        floor: The plan.
        spot: Where the reader is; None: nowhere yet.
        key: `ArrowLeft`, `ArrowRight`, `ArrowUp`, `ArrowDown`, `Home` or `End`.
    """
    if not floor.spots:
        return None
    if key == "End":
        return max(floor.spots)
    if spot is None or key == "Home":
        return min(floor.spots)
    row, column = spot
    if key == "ArrowRight":
        return min((other for other in floor.spots if other > spot), default=spot)
    if key == "ArrowLeft":
        return max((other for other in floor.spots if other < spot), default=spot)
    sign = {"ArrowDown": 1, "ArrowUp": -1}.get(key)
    if sign is None:
        return spot
    return min(
        (other for other in floor.spots if (other[0] - row) * sign > 0),
        key=lambda other: ((other[0] - row) * sign, abs(other[1] - column)),
        default=spot,
    )


def _placed(
    racks: Sequence[_Rack], columns: int, cell: int, margin: int, devices: int
) -> Floor | None:
    """Racks in bands from left to right; null if one does not fit.

    With no `devices` only the size is told.
    """
    several = len({rack.system for rack in racks}) > 1
    head = math.ceil(_LABEL_PX / cell)
    aisle = 1 if cell >= 8 else 2
    spots: list[tuple[int, int]] = [(0, 0)] * devices
    names: list[Label] = []
    node_names: list[Label] = []
    top = column = band = widest = 0
    bands = 1
    for place, rack in enumerate(racks):
        new_system = place > 0 and rack.system != racks[place - 1].system
        if column and (column + margin + rack.width > columns or new_system):
            top, column, band, bands = top + head + band + aisle, 0, 0, bands + 1
        if margin + rack.width > columns:
            return None
        first = column + margin
        title = f"{rack.system} {rack.name}".strip() if several else rack.name
        title = _fitting(title, (rack.width + aisle) * cell)
        if title and devices:
            names.append(Label(title, top + head - 0.5 - _LABEL_PX / 2 / cell, first - 0.5))
        for line, (node, members) in enumerate(rack.nodes if devices else ()):
            row = top + head + line
            if margin:
                node_names.append(Label(node, row, first - 0.5 - 6 / cell))
            for offset, device in enumerate(members):
                spots[device] = (row, first + offset)
        column = first + rack.width + aisle
        widest = max(widest, first + rack.width)
        band = max(band, len(rack.nodes))
    rows, places = top + head + band, tuple(spots)
    return Floor(rows, widest, cell, bands, places, tuple(names), tuple(node_names))
