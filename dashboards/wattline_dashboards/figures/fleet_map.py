"""The map of the fleet: what `assets/fleet_map.js` draws, a cell per device on a canvas.

What stays from tick to tick is its plan: where each device stands, the names beside them, and what
a byte means. With every tick comes one byte per device: the account it is in, or how high its value
stands on the ramp. Unknown has a byte of its own, which is hatched and in no colour of a value.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS as PALETTE
from wattline_collector.palette import format_number
from wattline_dashboards.figures.floor import Floor, Label
from wattline_dashboards.figures.packed import held
from wattline_dashboards.figures.views import ACCOUNT, Values, View
from wattline_dashboards.language import _, language
from wattline_dashboards.picture import ACCOUNTS, Picture

UNKNOWN = 255
"""The byte of a device whose value is not known."""

LEVELS = 250
"""The byte of the highest value; steps of colour an eye could tell apart are fewer."""

_MOST_NAMES = 100
"""Of racks or groups, told to whoever hears the page: more is a list that nobody listens to."""

Found = Sequence[bool]
"""Whether somebody looks for each device."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """A device as the browser names it, and where its cell is.

    Attributes:
        place: Its row in the picture.
        box: Its edges on the map, `x0`, `y0`, `x1` and `y1` in pixels.
        left: Whether there is more room left of it.
    """

    place: int
    box: dict[str, float]
    left: bool


def cells(view: View, picture: Picture) -> bytes:
    """A byte per device, in the order devices came in."""
    if view is ACCOUNT:
        return picture.codes  # a code is an account's place in `ACCOUNTS`
    return _scaled(view.values(picture), view.scale(picture))


def plan(floor: Floor, view: View) -> dict[str, Any]:
    """What stays from tick to tick, for the browser.

    Args:
        floor: Where devices stand.
        view: What their colours are.
    """
    count = format_number(len(floor.spots))
    title = _("{view} of {n} devices: {meaning}")
    return {
        "key": floor.key, "rows": floor.rows, "columns": floor.columns, "cell": floor.cell,
        "gap": floor.gap, "spots": packed(floor.packed), "racks": _labels(floor.racks),
        "nodes": _labels(floor.nodes),
        "levels": 0 if view is ACCOUNT else LEVELS,
        "accounts": [account.value for account in ACCOUNTS] if view is ACCOUNT else [],
        "hatched": [account.value for account in Account if PALETTE[account].hatched],
        "title": title.format(view=_(view.label), n=count, meaning=_(view.meaning)),
        "names": ", ".join(label.text for label in floor.racks[:_MOST_NAMES]),
    }  # fmt: skip


def packed(values: bytes | Sequence[bool] | None) -> str:
    """Bytes as they travel; empty where there are none."""
    return "" if values is None else base64.b64encode(bytes(values)).decode("ascii")


def drawn(floor: Floor, view: View) -> str:
    """A name for everything that `plan` says: as long as it is the same, only cells are sent."""
    return f"{floor.key} {view.id} {language()}"


def pointed(floor: Floor, said: object) -> Pointed | None:
    """The device that the browser says is under the pointer; None: none, or one of another plan."""
    if not isinstance(said, dict) or said.get("plan") != floor.key:
        return None
    place, box = said.get("place"), said.get("box")
    if type(place) is not int or not 0 <= place < len(floor.spots) or not isinstance(box, dict):
        return None
    edges = {name: box.get(name) for name in ("x0", "y0", "x1", "y1")}
    if not all(type(edge) in (int, float) for edge in edges.values()):
        return None
    return Pointed(place, {name: float(edge or 0) for name, edge in edges.items()},
                   said.get("left") is True)  # fmt: skip


def _labels(labels: Sequence[Label]) -> list[tuple[str, float, float]]:
    return [(label.text, round(label.row, 3), round(label.column, 3)) for label in labels]


def _scaled(values: Values, scale: tuple[float, float]) -> bytes:
    """Values as steps of the scale, all at once: this is done with every tick."""
    low, high = scale
    steps = pc.multiply(pc.subtract(pa.array(values, pa.float64()), low), LEVELS / (high - low))
    steps = pc.min_element_wise(pc.max_element_wise(steps, 0.0, skip_nulls=False), float(LEVELS),
                                skip_nulls=False)  # fmt: skip
    whole = pc.floor(pc.add(pc.fill_null(steps, float(UNKNOWN)), 0.5))
    return bytes(held(whole.cast(pa.uint8())))
