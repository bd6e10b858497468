"""Rows whose columns are named once, for all that have the same.

A device's rows have the same columns at nearly every tick. So what travels is a reference to these
columns and a list of values: to make a dictionary of each row, and to look every value up in it by
its name, would cost more than all else that is done with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import overload

    from wattline_agents.wire import Row, Value

_MOST_COLUMNS = 1_024
"""Sets of columns that are remembered; a node's rows have some dozens."""


class Columns:
    """Columns that are read together: mostly one and the same object whenever they are.

    Attributes:
        names: As they follow each other in a row.
        places: Where each of them stands.
    """

    __slots__ = ("_extended", "names", "places")

    def __init__(self, names: tuple[str, ...]) -> None:
        """Name them."""
        self.names = names
        self.places = {name: place for place, name in enumerate(names)}
        self._extended: dict[str, Columns] = {}

    def extended(self, name: str) -> Columns:
        """These, and one more behind them."""
        found = self._extended.get(name)
        if found is None:
            found = self._extended[name] = columns_of((*self.names, name))
        return found


@lru_cache(maxsize=_MOST_COLUMNS)
def columns_of(names: tuple[str, ...]) -> Columns:
    """The columns of these names: the same object as before, unless that was long ago."""
    return Columns(names)


class ColumnRow:
    """One row.

    Attributes:
        columns: Its columns.
        cells: Their values, in the same order.
    """

    __slots__ = ("cells", "columns")

    def __init__(self, columns: Columns, cells: list[Value]) -> None:
        """Take both."""
        self.columns, self.cells = columns, cells

    @classmethod
    def of(cls, row: Row) -> ColumnRow:
        """The same as a row of names and values."""
        return cls(columns_of(tuple(row)), list(row.values()))

    def get(self, name: str) -> Value:
        """The value of a column; None also where there is no such column."""
        place = self.columns.places.get(name)
        return None if place is None else self.cells[place]

    def set(self, name: str, value: Value) -> None:
        """Put a value in the place of another.

        Raises:
            KeyError: There is no such column.
        """
        self.cells[self.columns.places[name]] = value

    def extended(self, name: str, value: Value) -> ColumnRow:
        """This row with another column behind the others, or in its place if it is there."""
        if name in self.columns.places:
            self.set(name, value)
        else:
            self.columns = self.columns.extended(name)
            self.cells.append(value)
        return self

    def as_dict(self) -> dict[str, Value]:
        """Its values by name."""
        return dict(zip(self.columns.names, self.cells, strict=True))


class ColumnRows(Sequence["Row"]):
    """Rows of one table, in order; to those who do not know of columns, dictionaries.

    Attributes:
        rows: What it holds.
    """

    __slots__ = ("rows",)

    def __init__(self) -> None:
        """Begin empty."""
        self.rows: list[ColumnRow] = []

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, place: int) -> Row: ...

        @overload
        def __getitem__(self, place: slice) -> Sequence[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        """The row at that place, or some."""
        if isinstance(place, slice):
            return [row.as_dict() for row in self.rows[place]]
        return self.rows[place].as_dict()

    def __iter__(self) -> Iterator[Row]:
        """The rows, made as they are asked for."""
        return (row.as_dict() for row in self.rows)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        """Whether these are the same rows, however they are held."""
        if isinstance(other, ColumnRows | list | tuple):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """The rows, as a list shows them."""
        return repr(list(self))


def by_columns(rows: Sequence[Row]) -> Sequence[ColumnRow]:
    """Rows as columns and values, however they are held."""
    return rows.rows if isinstance(rows, ColumnRows) else [ColumnRow.of(row) for row in rows]
