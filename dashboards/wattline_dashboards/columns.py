"""A table as the collector sends it: Arrow's, or a list per column, all of one length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa


class _Table(Mapping[str, Sequence[object]]):
    """A table's columns as lists, each made when it is first asked for: a page reads few of them.

    Column by column: a frame of all would wake threads for what is done before they come.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._names = frozenset(table.schema.names)
        self._series: dict[str, pl.Series] = {}
        self._lists: dict[str, list[object]] = {}

    def series(self, name: str) -> pl.Series | None:
        """A column; None where it was not sent."""
        found = self._series.get(name)
        if found is None and name in self._names:
            made = pl.from_arrow(self.table.column(name))
            assert isinstance(made, pl.Series)
            found = self._series[name] = made
        return found

    def column(self, name: str) -> pa.Array | None:
        """A column as it was sent, in one piece; None where it was not sent."""
        if name not in self._names:
            return None
        pieces = self.table.column(name)
        # To combine one alone copies it.
        return pieces.chunk(0) if pieces.num_chunks == 1 else pieces.combine_chunks()

    def __getitem__(self, name: str) -> Sequence[object]:
        found = self._lists.get(name)
        if found is None:
            series = self.series(name)
            if series is None:
                raise KeyError(name)
            found = self._lists[name] = series.to_list()
        return found

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Table):
            return bool(self.table.equals(other.table))
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # as of every mapping

    def __contains__(self, name: object) -> bool:
        return name in self._names  # a mapping's own would make the list to see

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.schema.names)

    def __len__(self) -> int:
        return int(self.table.num_columns)


@dataclass(frozen=True, slots=True)
class Columns:
    """Read-only columns; one that was not sent reads as all unknown.

    Attributes:
        data: The columns by name.
        rows: How many values each has.
    """

    data: Mapping[str, Sequence[object]]
    rows: int

    @classmethod
    def of(cls, data: object, key: str) -> Columns:
        """Take a table, or a JSON object of lists; its length is that of column `key`."""
        if isinstance(data, pa.Table):
            return cls(_Table(data), data.num_rows) if key in data.schema.names else cls({}, 0)
        if not isinstance(data, Mapping):
            return cls({}, 0)
        lists = {name: column for name, column in data.items() if isinstance(column, list)}
        rows = len(lists.get(key, ()))
        return cls({name: column for name, column in lists.items() if len(column) == rows}, rows)

    def numbers(self, name: str) -> Sequence[float | None]:
        """A column of numbers; what is no finite number is unknown."""
        if isinstance(self.data, _Table):
            kept = self.data.series(name)
            if kept is None or not kept.dtype.is_numeric():
                return [None] * self.rows
            return self.data[name]  # type: ignore[return-value]  # its type says so
        return [number(value) for value in self._column(name)]

    def texts(self, name: str) -> Sequence[str | None]:
        """A column of texts."""
        if isinstance(self.data, _Table):
            kept = self.data.series(name)
            if kept is None or kept.dtype != pl.String:
                return [None] * self.rows
            return self.data[name]  # type: ignore[return-value]  # its type says so
        return [value if isinstance(value, str) else None for value in self._column(name)]

    def vector(self, name: str) -> pa.Array:
        """A column of numbers as 64-bit floats, for what is computed of all of it at once."""
        if isinstance(self.data, _Table):
            kept = self.data.column(name)
            if kept is None or not (_whole(kept.type) or pa.types.is_floating(kept.type)):
                return pa.nulls(self.rows, pa.float64())
            return kept.cast(pa.float64(), safe=False)
        known = [None if one is None else float(one) for one in self.numbers(name)]
        return pa.array(known, pa.float64())

    def words(self, name: str) -> pa.DictionaryArray:
        """A column of texts of which there are few different ones."""
        if isinstance(self.data, _Table):
            kept = self.data.column(name)
            if kept is not None and _worded(kept.type):
                return kept.dictionary_encode()
        return pa.array(self.texts(name), pa.large_string()).dictionary_encode()

    def some(self, places: Sequence[int], names: Sequence[str]) -> dict[str, Sequence[object]]:
        """A few rows by column; what was not sent is unknown."""
        if not isinstance(self.data, _Table):
            columns = {name: self._column(name) for name in names}
            return {name: [column[at] for at in places] for name, column in columns.items()}
        rows = pa.array(places, pa.int64())
        kept = {name: self.data.column(name) for name in names}
        return {
            name: [None] * len(places) if column is None else column.take(rows).to_pylist()
            for name, column in kept.items()
        }

    def row(self, place: int) -> dict[str, object]:
        """One row as a mapping."""
        if isinstance(self.data, _Table):
            table = self.data.table
            return {name: table.column(name)[place].as_py() for name in table.schema.names}
        return {name: column[place] for name, column in self.data.items()}

    def only(self, names: Sequence[str]) -> Columns:
        """These columns alone, those of them that there are."""
        if isinstance(self.data, _Table):
            return Columns(
                _Table(self.data.table.select([name for name in names if name in self.data])),
                self.rows,
            )
        return Columns({name: self.data[name] for name in names if name in self.data}, self.rows)

    def _column(self, name: str) -> Sequence[object]:
        column = self.data.get(name)
        return [None] * self.rows if column is None else column


def _whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind))


def _worded(kind: pa.DataType) -> bool:
    return any(
        is_of(kind)
        for is_of in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def number(value: object) -> float | None:
    """A finite number, or unknown; whole numbers stay whole."""
    kind = type(value)
    if kind is not float and kind is not int:
        return None
    return value if math.isfinite(value) else None  # type: ignore[arg-type,return-value]


def text(value: object) -> str | None:
    """A text with something in it, or unknown."""
    return value if isinstance(value, str) and value else None
