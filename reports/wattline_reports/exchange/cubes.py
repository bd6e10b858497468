"""The tables of a bundle, as CSV with SDMX's column names.

A cube has dimensions whose words are fixed, and measures. `OBS_STATUS` is empty or `A` where the
value is hidden; `CONF_STATUS` is `F` (free) or `C` (confidential). A hidden cell's measures are
empty. Nothing else can stand in a cube: no free text, so no name.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from wattline_collector.kpi.declared import COORDINATION
from wattline_collector.profile.factories import load_factories
from wattline_collector.registers.schema.outages import CAUSES
from wattline_collector.registers.words import (
    ACCESS_MODES,
    SECTORS,
    STATES,
    USER_CATEGORIES,
)
from wattline_reports.exchange.disclosure.table import TOTAL, Key, Link
from wattline_reports.exchange.refused import Reason, Refused

UNKNOWN = "_U"
"""What stands in a dimension where nobody said it, as in SDMX."""
HIDDEN, FREE, CONFIDENTIAL = "A", "F", "C"
MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of a cube.

    Attributes:
        name: Its column.
        words: What it may hold, beside a total and `UNKNOWN`; empty for months, `2026-11`.
    """

    name: str
    words: tuple[str, ...] = ()

    def allows(self, word: str) -> bool:
        """Whether it may hold this."""
        if word in (TOTAL, UNKNOWN):
            return True
        if self.words:
            return word in self.words
        year, dash, month = word.partition("-")
        return (
            dash == "-" and len(word) == 7 and year.isdigit() and month.isdigit()
            and 1 <= int(month) <= 12
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cube:
    """What one table of a bundle holds.

    Attributes:
        name: Of its file.
        dimensions: In order.
        measures: Columns of numbers, in order, with their units in their names.
        counts: Measures that are counts of projects: at least the fewest that may be shown.
        protected: Whether its cells are of projects, so that some have to be hidden.
        help: What it is.
    """

    name: str
    dimensions: tuple[Dimension, ...]
    measures: tuple[str, ...]
    counts: tuple[str, ...]
    protected: bool
    help: str

    @property
    def file(self) -> str:
        """Its entry in the bundle."""
        return f"cubes/{self.name}.csv"

    @property
    def columns(self) -> tuple[str, ...]:
        """Its header."""
        names = (dimension.name for dimension in self.dimensions)
        return (*names, *self.measures, "OBS_STATUS", "CONF_STATUS")


SIZE_CLASSES = ("0", "1", "2-4", "5-8", "9-32", "33-128", "129-512", "513-2048", ">2048")
"""GPUs of a job."""
_BOUNDARIES = ("gpu", "module", "node", "it", "facility")
COUNTERPARTS = tuple(sorted(one.id for one in load_factories()))
"""Factories and antennas by the ids that everybody has for them: the only ones a bundle names."""
EXCHANGES = "exchanges"
CUBES: Mapping[str, Cube] = MappingProxyType(
    {
        cube.name: cube
        for cube in (
            Cube(
                "access",
                (
                    Dimension("PARTICIPATING_STATE", STATES),
                    Dimension("USER_CATEGORY", USER_CATEGORIES),
                    Dimension("ACCESS_MODE", ACCESS_MODES),
                    Dimension("COMMERCIAL", ("yes", "no")),
                ),
                ("GRANTED_GPU_HOURS", "USED_GPU_HOURS", "PROJECTS"),
                ("PROJECTS",),
                True,
                "GPU-hours granted and used",
            ),
            Cube(
                "sectors",
                (Dimension("SECTOR", SECTORS), Dimension("COMMERCIAL", ("yes", "no"))),
                ("GRANTED_GPU_HOURS", "USED_GPU_HOURS", "PROJECTS"),
                ("PROJECTS",),
                True,
                "GPU-hours granted and used, by section of NACE",
            ),
            Cube(
                "energy",
                (Dimension("MONTH"), Dimension("BOUNDARY", _BOUNDARIES)),
                ("ENERGY_KWH", "COVERAGE_RATIO"),
                (),
                False,
                "Energy by month and boundary",
            ),
            Cube(
                "incidents",
                (Dimension("CAUSE", CAUSES), Dimension("SCHEDULED", ("yes", "no"))),
                ("INCIDENTS", "HOURS"),
                (),
                False,
                "Outages by cause, and how long they took",
            ),
            Cube(
                "waiting",
                (
                    Dimension("SIZE_CLASS", SIZE_CLASSES),
                    Dimension("ACCESS_MODE", ACCESS_MODES),
                ),
                ("JOBS", "WAIT_HOURS", "PROJECTS"),
                ("PROJECTS",),
                True,
                "How long jobs waited that started in the period, by their GPUs",
            ),
            Cube(
                EXCHANGES,
                (Dimension("KIND", COORDINATION), Dimension("COUNTERPART", COUNTERPARTS)),
                ("ACTIVITIES", "PERSON_DAYS"),
                (),
                False,
                "What was done with other factories and antennas, as declared",
            ),
        )
    }
)
"""Every table a bundle can hold, by name."""

FAMILIES: tuple[tuple[str, ...], ...] = (("access", "sectors"), ("waiting",))
"""Protected cubes that are split by different things and of the same sums: hidden together."""

LINKS: Mapping[tuple[str, ...], tuple[Link, ...]] = MappingProxyType(
    {
        FAMILIES[0]: tuple(
            ((TOTAL, TOTAL, TOTAL, sold), (TOTAL, sold)) for sold in ("yes", "no", TOTAL)
        ),
        FAMILIES[1]: (),
    }
)
"""Totals that two cubes of a family have both: what one hides, the other must not tell."""

Row = tuple[float | None, ...]


def to_csv(cube: Cube, rows: Mapping[Key, Row | None]) -> bytes:
    """Write a cube.

    Args:
        cube: Which.
        rows: Measures by cell; None for a hidden cell, None in it for a number nobody knows.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(cube.columns)
    for key in sorted(rows):
        values = rows[key]
        if values is None:
            writer.writerow((*key, *("" for _ in cube.measures), HIDDEN, CONFIDENTIAL))
        else:
            writer.writerow((*key, *(_written(value) for value in values), "", FREE))
    return buffer.getvalue().encode()


def from_csv(cube: Cube, data: bytes, path: object) -> dict[Key, Row | None]:
    """Read a cube.

    Raises:
        Refused: It is not exactly as `to_csv` writes them.
    """
    try:
        lines = list(csv.reader(io.StringIO(data.decode("ascii"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(
            Reason.SCHEMA, f"no CSV: {error}"[:160], path=path, field=cube.file
        ) from error
    if not lines or tuple(lines[0]) != cube.columns:
        raise Refused(
            Reason.SCHEMA,
            f"its columns are not {', '.join(cube.columns)}",
            path=path,
            field=cube.file,
        )
    if len(lines) > MOST_ROWS:
        raise Refused(Reason.SCHEMA, f"more than {MOST_ROWS:,} rows", path=path, field=cube.file)
    found: dict[Key, Row | None] = {}
    for number, line in enumerate(lines[1:], start=2):
        key, row = _row(cube, line, path, number)
        if key in found:
            raise Refused(
                Reason.DUPLICATE, "the cell stands twice", path=path, line=number, field=cube.file
            )
        found[key] = row
    if to_csv(cube, found) != data:
        raise Refused(
            Reason.NOT_CANONICAL, "not written in the one way", path=path, field=cube.file
        )
    return found


def _row(cube: Cube, line: Sequence[str], path: object, number: int) -> tuple[Key, Row | None]:
    def wrong(reason: str, column: str) -> Refused:
        return Refused(Reason.SCHEMA, reason, path=path, line=number, field=f"{cube.file} {column}")

    if len(line) != len(cube.columns):
        raise wrong(f"has {len(line)} cells, not {len(cube.columns)}", "row")
    size = len(cube.dimensions)
    key = tuple(line[:size])
    for dimension, word in zip(cube.dimensions, key, strict=True):
        if not dimension.allows(word):
            raise wrong("a word that no cube holds", dimension.name)
    values, (observed, confidential) = line[size:-2], line[-2:]
    if (observed, confidential) == (HIDDEN, CONFIDENTIAL):
        if any(values):
            raise Refused(
                Reason.DISCLOSURE,
                "a hidden cell with a value",
                path=path,
                line=number,
                field=cube.file,
            )
        return key, None
    if (observed, confidential) != ("", FREE):
        raise wrong("neither free nor hidden", "OBS_STATUS")
    return key, tuple(
        _number(text, wrong, column) for text, column in zip(values, cube.measures, strict=True)
    )


def _number(text: str, wrong: Callable[[str, str], Refused], column: str) -> float | None:
    if text == "":
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise wrong("no number", column) from error
    if not math.isfinite(value) or value < 0:
        raise wrong("no number that can stand there", column)
    return value


def _written(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(value)
