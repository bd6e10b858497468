"""Which cells of a table tell too much of too few, and are not shown: pure.

A cell is hidden that fewer than `LEAST_PROJECTS` projects are behind. Where it would be the only
hidden one of its row or column, whoever knows the row's or column's sum could work it out: the
smallest of the others is hidden with it. That is a picture's protection. What leaves the site goes
through `wattline export`, which looks at what can be concluded from all of a bundle's tables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

LEAST_PROJECTS = 5
"""Projects that must be behind a cell: as many as bundles ask for."""

Place = tuple[str, str]
"""Row and column."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell.

    Attributes:
        value: Its sum; null counts as nothing.
        projects: How many are behind it.
    """

    value: float | None
    projects: int


def hidden(cells: Mapping[Place, Cell], least: int = LEAST_PROJECTS) -> frozenset[Place]:
    """The places that are not shown.

    Args:
        cells: Every cell that there is.
        least: Projects that must be behind one that is shown.

    Complexity: each round hides at least one cell more, in time linear in the cells.
    """
    found = {place for place, cell in cells.items() if cell.projects < least}
    while more := _beside(cells, found):
        found |= more
    return frozenset(found)


def _beside(cells: Mapping[Place, Cell], found: Collection[Place]) -> set[Place]:
    """For each line with one hidden cell, the smallest of its others."""
    more: set[Place] = set()
    for side in (0, 1):
        lines: dict[str, list[Place]] = {}
        for place in cells:
            lines.setdefault(place[side], []).append(place)
        for line in lines.values():
            shown = [place for place in line if place not in found]
            if len(line) - len(shown) == 1 and shown:
                more.add(min(shown, key=lambda place: (cells[place].value or 0.0, place)))
    return more
