"""What a register is: a table that people fill in, declared once.

From a declaration come the parser with its messages, the template, the page of documentation and
the typed frame, so that none of them can say otherwise than another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

Value = str | int | float | bool | None
Values = dict[str, Value]
"""One row by the names of its columns; times are milliseconds since 1970 UTC."""


class Kind(StrEnum):
    """What may stand in a cell."""

    NAME = "name"  # letters, digits and . _ : @ + -
    TEXT = "text"
    WORD = "word"  # one of a list
    WORDS = "words"  # some of a list, separated by spaces
    NUMBER = "number"
    WHOLE = "whole number"
    FLAG = "yes or no"
    TIME = "time"  # a date, or a date and a time of day

    @property
    def type(self) -> pl.DataType:
        """How it is held."""
        return _TYPES.get(self, pl.String())


_TYPES: Mapping[Kind, pl.DataType] = {
    Kind.NUMBER: pl.Float64(),
    Kind.WHOLE: pl.Int64(),
    Kind.FLAG: pl.Boolean(),
    Kind.TIME: pl.Int64(),
}


class Malformed(Exception):
    """A cell, or a row, that is not what it should be; never leaves this package."""

    def __init__(self, field: str | None, reason: str) -> None:
        """Say what is wrong, and in which column if it is one cell."""
        super().__init__(reason)
        self.field, self.reason = field, reason


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: How the header names it.
        kind: What may stand in its cells.
        help: One sentence for people.
        example: What the template shows.
        required: Whether a row without it is damaged.
        unit: Of a number, as people write it.
        words: The words allowed.
        synonyms: What else people write, and the word it means.
        least: The least number.
        most: The largest number.
        closes: Of a time that ends something: a date alone means the end of that day.
        personal: Whether it may name a person.
    """

    name: str
    kind: Kind
    help: str
    example: str = ""
    required: bool = False
    unit: str | None = None
    words: tuple[str, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)
    least: float = 0.0
    most: float = 1e15
    closes: bool = False
    personal: bool = False

    @property
    def held_as(self) -> str:
        """The name of its column in a frame; times carry their unit there."""
        return f"{self.name}_ms" if self.kind is Kind.TIME else self.name


def _as_it_is(values: Values) -> Values:
    return values


@dataclass(frozen=True, slots=True)
class Register:
    """A table that people fill in.

    Attributes:
        name: Its name: that of its file and of the template.
        help: What a row is, in one sentence.
        columns: Its columns in order.
        key: The columns (as held) that make a row the same row as one imported before.
        finish: Looks at a row as a whole: fills in what follows from the rest, converts units,
            and raises `Malformed` where cells contradict one another.
    """

    name: str
    help: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    finish: Callable[[Values], Values] = _as_it_is

    @property
    def schema(self) -> pl.Schema:
        """The columns of its frame."""
        return pl.Schema({column.held_as: column.kind.type for column in self.columns})

    @property
    def by_name(self) -> Mapping[str, Column]:
        """Its columns by the names that a header has."""
        return {column.name: column for column in self.columns}


def in_order(values: Values, first: str, second: str) -> None:
    """Make sure that of two times of a row, where both are told, the second is later.

    Args:
        values: The row.
        first: Name of the earlier column without `_ms`.
        second: Name of the later one.

    Raises:
        Malformed: It is not.
    """
    start, end = values.get(f"{first}_ms"), values.get(f"{second}_ms")
    if isinstance(start, int) and isinstance(end, int) and end <= start:
        raise Malformed(second, f"is not after {first}")
