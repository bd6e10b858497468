"""What a KPI is declared as.

A KPI's `compute` is a pure function of a `View` and the dimensions to split by. It returns one row
per combination: `numerator`, `denominator` (null for a plain sum), `n`, `coverage` (null where
coverage has no meaning), `method`, `note`. Dividing, rounding off and withholding is done once, for
all of them, in `registry.evaluate`.

A KPI that is no sum over a sum (a percentile, a median) returns `value` too, in its unit, and no
numerator or denominator. One whose facts give an uncertainty returns `low` and `high` with it, in
the unit of the value. One that stands for several figures at once (percentiles, ways of counting
carbon) names in `parts` the columns that tell them apart; they come back as dimensions. Where these
differ in unit, it returns `unit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from wattline_collector.kpi.view import View

Compute = Callable[[View, list[str]], pl.DataFrame]

COMFORT = 0.95
"""Coverage from which a figure needs no remark beside it."""

TIME = ("hour", "day", "week", "month", "quarter", "year")
PLACE = ("system", "partition", "rack", "node", "device", "device_model")
WORK = (
    "job",
    "service",
    "project",
    "user_category",
    "access_mode",
    "participating_state",
    "sector",
)
DIMENSIONS = (*PLACE, *WORK, *TIME)
"""What figures can be split by; what each means stands in `dimensions`."""

DAYS = TIME[1:]
"""Dimensions of time of what is no sum over entries: days and longer."""
SEASONS = TIME[3:]
"""Dimensions of time of what happens a few times a year: months and longer."""
OF_GRANTS = ("project", "user_category", "access_mode", "participating_state", "sector")
"""What can be split that the register of projects tells."""

OF_DEVICES = (*PLACE, *TIME)
"""What device time can be split by, whoever's it is."""
OF_NODES = (*(name for name in PLACE if name != "device"), *TIME)
"""What can be split that is only known of nodes, energy by their meters among it."""
OF_HELD = (*PLACE, *WORK, *TIME)
"""What device time of jobs can be split by."""
OF_ENERGY = (*(name for name in PLACE if name != "device"), *WORK, *TIME)
"""What energy of jobs can be split by: a node's meter knows no device."""
OF_JOBS = ("system", "partition", *WORK, *TIME)
"""What can be split that jobs say themselves: where they ran is more than one node."""


class Level(StrEnum):
    """How a figure comes to be known."""

    MEASURED = "measured"  # by meters and counters
    DERIVED = "derived"  # from what was measured, by a formula with assumptions of its own
    DECLARED = "declared"  # by people, in a register or the factory's profile


@dataclass(frozen=True, slots=True)
class Kpi:
    """A declared KPI.

    Attributes:
        id: Its id in the dictionary.
        name: Its name.
        formula: In words, for people.
        unit: Unit of the value.
        numerator: What is above the line.
        numerator_unit: Its unit.
        denominator: What is below the line; empty for a plain sum.
        denominator_unit: Its unit.
        direction: `up` if more is better, `down` if less is, `none`.
        audience: `O` operators, `M` management, `J` job owners.
        authority: Where the definition comes from.
        compute: How.
        scale: The value is numerator / denominator (or the numerator) times this.
        by: What it can be split by.
        floor: Coverage under which the value is withheld.
        note: What else a reader should know.
        level: How it comes to be known.
        parts: Columns that tell its several figures apart; none for one figure.
    """

    id: str
    name: str
    formula: str
    unit: str
    numerator: str
    numerator_unit: str
    denominator: str
    denominator_unit: str
    direction: str
    audience: str
    authority: str
    compute: Compute
    scale: float = 1.0
    by: tuple[str, ...] = ("system", "node", "job", "day")
    floor: float = 0.5
    note: str = ""
    level: Level = Level.MEASURED
    parts: tuple[str, ...] = ()
