"""A table as the collector sends it: a frame, or a list per column, all of one length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl


class _Frame(Mapping[str, Sequence[object]]):
    """A frame's columns as lists, each made when it is first asked for: a page reads few."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._lists: dict[str, list[object]] = {}

    def __getitem__(self, name: str) -> Sequence[object]:
        found = self._lists.get(name)
        if found is None:
            if name not in self.frame.columns:
                raise KeyError(name)
            found = self._lists[name] = self.frame[name].to_list()
        return found

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Frame):
            return self.frame.equals(other.frame)
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # as of every mapping

    def __iter__(self) -> Iterator[str]:
        return iter(self.frame.columns)

    def __len__(self) -> int:
        return self.frame.width


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
        """Take a frame, or a JSON object of lists; its length is that of column `key`."""
        if isinstance(data, pl.DataFrame):
            return cls(_Frame(data), data.height) if key in data.columns else cls({}, 0)
        if not isinstance(data, Mapping):
            return cls({}, 0)
        lists = {name: column for name, column in data.items() if isinstance(column, list)}
        rows = len(lists.get(key, ()))
        return cls({name: column for name, column in lists.items() if len(column) == rows}, rows)

    def numbers(self, name: str) -> Sequence[float | None]:
        """A column of numbers; what is no finite number is unknown."""
        if isinstance(self.data, _Frame):
            kept = self.data.frame.get_column(name, default=None)
            if kept is None or not kept.dtype.is_numeric():
                return [None] * self.rows
            return self.data[name]  # type: ignore[return-value]  # its type says so
        return [number(value) for value in self._column(name)]

    def texts(self, name: str) -> Sequence[str | None]:
        """A column of texts."""
        if isinstance(self.data, _Frame):
            kept = self.data.frame.get_column(name, default=None)
            if kept is None or kept.dtype != pl.String:
                return [None] * self.rows
            return self.data[name]  # type: ignore[return-value]  # its type says so
        return [value if isinstance(value, str) else None for value in self._column(name)]

    def row(self, place: int, names: Sequence[str] | None = None) -> dict[str, object]:
        """One row as a mapping, of these columns if not of all: a device has some seventy."""
        if names is not None:
            return {name: self.data[name][place] for name in names if name in self.data}
        if isinstance(self.data, _Frame):
            return self.data.frame.row(place, named=True)
        return {name: column[place] for name, column in self.data.items()}

    def only(self, names: Sequence[str]) -> Columns:
        """These columns alone, those of them that there are."""
        if isinstance(self.data, _Frame):
            frame = self.data.frame
            return Columns(_Frame(frame.select(n for n in names if n in frame.columns)), self.rows)
        return Columns({name: self.data[name] for name in names if name in self.data}, self.rows)

    def _column(self, name: str) -> Sequence[object]:
        column = self.data.get(name)
        return [None] * self.rows if column is None else column


def number(value: object) -> float | None:
    """A finite number, or unknown; whole numbers stay whole."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def text(value: object) -> str | None:
    """A text with something in it, or unknown."""
    return value if isinstance(value, str) and value else None
