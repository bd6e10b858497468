"""What the public variant may show: no more than a public bundle of the same period would.

Access time comes from the same cubes, with the same cells hidden. A cell of State and category is
shown only where each cell of the cube that it is made of is: then it tells nothing that those do
not. A figure made of fewer projects, jobs or people than the rules ask for is withheld.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Figure, Status
from wattline_reports.asked import Asked
from wattline_reports.exchange import scan, tables
from wattline_reports.exchange.cubes import FAMILIES, LINKS, UNKNOWN
from wattline_reports.exchange.disclosure.suppress import suppress
from wattline_reports.exchange.disclosure.table import (
    TOTAL,
    Cell,
    Key,
    cells_of,
    rounded_count,
)
from wattline_reports.exchange.export import DIMENSIONS
from wattline_reports.exchange.manifest import Parameters
from wattline_reports.exchange.refused import Refused
from wattline_reports.exchange.sensitive import hides, is_in_a_cube, tells_hidden
from wattline_reports.quoted import Quoted, stated

STATE, CATEGORY, MODE, SOLD = "participating_state", "user_category", "access_mode", "commercial"
_ACCESS = (STATE, CATEGORY, MODE, SOLD)
WITHHELD = "too few projects or organisations stand behind it, or one or two make nearly all of it"
NAMING = "the note on it names a project or a node, and is not for the public"
_BOTH = "granted", "used"

Row = tuple[float, float, int]
"""Granted and used GPU-hours, and projects."""


class Shown(Enum):
    """What becomes of a figure."""

    AS_IT_IS = "as it is"
    WITHHELD = "withheld"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What may be told of access time, and the rule for everything else.

    Attributes:
        rules: The parameters.
        margins: Cells of one dimension: dimension, word, and the row; None for a hidden one.
        grid: Cells of State and category; None for a hidden one.
        figures: The numbers of the shown cells.
        cubes: Cells by cube, None for a hidden one, for sums that other figures are made of.
        count: Cells of the cubes, and how many of them are hidden.
        names: Names of the store that no text may hold.
    """

    rules: Parameters
    margins: Mapping[tuple[str, str], Row | None]
    grid: Mapping[tuple[str, str], Row | None]
    figures: tuple[Quoted, ...]
    cubes: Mapping[str, Mapping[Key, object]]
    count: tuple[int, int]
    names: frozenset[str] = frozenset()

    def fit(self, text: str) -> str:
        """A note as the public may read it: one that names a project or a node is left out."""
        try:
            scan.check({"note.txt": text.encode()}, self.names)
        except Refused:
            return NAMING
        return text

    def hides(self, figure: Figure) -> bool:
        """Whether a figure's value must not be shown."""
        told = {"id": figure.id, "n": figure.n}
        return hides(told, self.rules) or tells_hidden(figure.id, self.cubes)

    def told(self, one: Quoted) -> tuple[Quoted, Shown]:
        """A figure as the public may read it, and what became of it."""
        parts = set(registry.find(one.kpi).parts) | set(one.figure.dims)
        if is_in_a_cube(one.kpi) or not parts <= DIMENSIONS:
            # It is not even said what it would be split by: a model's name, a challenge's entrant.
            return one, Shown.LEFT_OUT
        if not self.hides(one.figure):
            fit = replace(one.figure, note=self.fit(one.figure.note) if one.figure.note else "")
            return Quoted(one.id, one.kpi, fit), Shown.AS_IT_IS
        nothing = replace(
            one.figure, value=None, numerator=None, denominator=None, low=None, high=None, n=0,
            coverage=None, status=Status.WITHHELD, note=WITHHELD,
        )  # fmt: skip
        return Quoted(f"{one.id}/withheld", "", nothing), Shown.WITHHELD


def disclosed(asked: Asked, rules: Parameters | None = None) -> Disclosed:
    """Decide which cells of access time the public may see.

    Args:
        asked: The review that somebody asked for.
        rules: What cells have to satisfy; those of every bundle if None.
    """
    rules = rules or Parameters()
    view = asked.view
    names = scan.names_of(asked.store)
    if view.projects is None or view.projects.is_empty():
        return Disclosed(rules, {}, {}, (), {}, (0, 0), names)
    with asked.said("hiding small cells"):
        parts = {
            "access": tables.of_projects(view, _ACCESS),
            "sectors": tables.of_projects(view, ("sector", SOLD)),
        }
        cells = {name: cells_of(of) for name, of in parts.items()}
        ends = asked.period.to_json()
        every = {key: cell for found in cells.values() for key, cell in found.items()}
        shown = suppress(
            every, (ends["from"], ends["to"]), rules, links=LINKS[FAMILIES[0]]
        ).table  # fmt: skip
    rows: dict[Key, Row | None] = {
        key: None if key in shown.hidden else _row(shown.shown[key], cell, rules)
        for key, cell in every.items()
    }
    margins = {
        (name, key[place]): rows[key]
        for place, name in enumerate(_ACCESS)
        for key in cells["access"]
        if key[place] != TOTAL and all(k == TOTAL for i, k in enumerate(key) if i != place)
    }
    margins |= {
        ("sector", key[0]): rows[key]
        for key in cells["sectors"]
        if key[0] != TOTAL and key[1] == TOTAL
    }
    grid = _grid(cells["access"], rows, rules)
    return Disclosed(
        rules=rules,
        margins=margins,
        grid=grid,
        figures=_figures(asked, margins, grid),
        cubes={name: {key: rows[key] for key in found} for name, found in cells.items()},
        count=(len(rows), sum(row is None for row in rows.values())),
        names=names,
    )


def _row(values: Sequence[float], cell: Cell, rules: Parameters) -> Row:
    return values[0], values[1], rounded_count(cell.projects, rules.count_base)


def _grid(
    cells: Mapping[Key, Cell], rows: Mapping[Key, Row | None], rules: Parameters
) -> dict[tuple[str, str], Row | None]:
    parts: dict[tuple[str, str], list[Row | None]] = {}
    for key in cells:
        if TOTAL not in key:
            parts.setdefault((key[0], key[1]), []).append(rows[key])
    found: dict[tuple[str, str], Row | None] = {}
    for place, of in parts.items():
        known = [row for row in of if row is not None]
        found[place] = None if len(known) < len(of) else (
            sum(row[0] for row in known), sum(row[1] for row in known), sum(row[2] for row in known)
        )  # fmt: skip
    return found


def _figures(
    asked: Asked,
    margins: Mapping[tuple[str, str], Row | None],
    grid: Mapping[tuple[str, str], Row | None],
) -> tuple[Quoted, ...]:
    """The numbers that stand in tables; counts and hours are rounded, so they are no KPI's."""
    found = []
    for (name, word), row in margins.items():
        found += _numbers(asked, {name: word}, row)
    for (state, category), row in grid.items():
        found += _numbers(asked, {STATE: state, CATEGORY: category}, row)
    return tuple(found)


def _numbers(asked: Asked, dims: Mapping[str, str], row: Row | None) -> list[Quoted]:
    return [
        stated(
            f"access.{word}", f"GPU-hours {word}", "GPU-h", None if row is None else row[place],
            period=asked.period, method="cube access, to three digits", dims=dims,
            n=0 if row is None else row[2], note=WITHHELD if row is None else "", level="derived",
        )
        for place, word in enumerate(_BOTH)
    ]  # fmt: skip


def id_of(word: str, dims: Mapping[str, str]) -> str:
    """The id of a number of `Disclosed.figures`."""
    return "/".join([f"access.{word}", *(f"{name}={held}" for name, held in dims.items())])


_LETTERS = frozenset({"mtti", "mttf", "sme"})
"""Words that are read letter by letter."""


def spoken(word: str) -> str:
    """A word of a cube for people; symbols of a formula, such as E_DC, stay as they are."""
    if word in (UNKNOWN, "unknown"):
        return "not told"
    if word in _LETTERS or word.isupper():
        return word.upper()
    return word.replace("_", " ")
