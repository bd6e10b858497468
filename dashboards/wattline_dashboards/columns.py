"""A table as the collector sends it: a list per column, all of one length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


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
        """Take a JSON object of lists; its length is that of column `key`."""
        if not isinstance(data, Mapping):
            return cls({}, 0)
        lists = {name: column for name, column in data.items() if isinstance(column, list)}
        rows = len(lists.get(key, ()))
        return cls({name: column for name, column in lists.items() if len(column) == rows}, rows)

    def numbers(self, name: str) -> list[float | None]:
        """A column of numbers; what is no finite number is unknown."""
        return [number(value) for value in self._column(name)]

    def texts(self, name: str) -> list[str | None]:
        """A column of texts."""
        return [value if isinstance(value, str) else None for value in self._column(name)]

    def row(self, place: int, names: Sequence[str] | None = None) -> dict[str, object]:
        """One row as a mapping, of these columns if not of all: a device has some seventy."""
        if names is not None:
            return {name: self.data[name][place] for name in names if name in self.data}
        return {name: column[place] for name, column in self.data.items()}

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
