"""Makes rows again of what a process that reads has packed; see `frames`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from struct import error as StructError
from sys import intern

from wattline_agents.columns import ColumnRow, Columns, columns_of
from wattline_agents.sources.isolated.frames import (
    MOST_SHAPES,
    NULL,
    NUMBER,
    Garbage,
    split_texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Unpacker:
    """Makes rows of frames again."""

    def __init__(self, check: Callable[[str, Sequence[str]], bool]) -> None:
        """Begin without shapes.

        Args:
            check: Whether there is such a table with such columns.
        """
        self._check = check
        self._shapes: dict[int, tuple[str, Columns, Struct, list[int], list[None]]] = {}

    def shape(self, payload: bytes) -> None:
        """Learn a shape.

        Raises:
            Garbage: It is none, or of no table of the catalogue.
        """
        try:
            number = NUMBER.unpack_from(payload)[0]
            # One text for one name, wherever it is: they are compared all the time.
            table, codes, *names = map(intern, split_texts(payload[NUMBER.size :]))
            packed = codes.rstrip(NULL)
            if number >= MOST_SHAPES or len(codes) != len(names) or packed.strip("qdH"):
                raise Garbage("a shape that cannot be")
            if len(set(names)) < len(names):
                raise Garbage("a shape that names a column twice")
            if not self._check(table, names):
                raise Garbage(f"a shape of no table: {table[:40]!r}")
            texts = [place for place, code in enumerate(packed) if code == "H"]
            nulls = [None] * (len(codes) - len(packed))
            columns = columns_of(tuple(names))
            self._shapes[number] = table, columns, Struct("<" + packed), texts, nulls
        except (StructError, ValueError) as error:
            raise Garbage(f"a shape: {error}") from error

    def row(self, payload: bytes) -> tuple[str, ColumnRow]:
        """A row, and the table it belongs to.

        Raises:
            Garbage: It is none.
        """
        try:
            table, columns, packed, texts, nulls = self._shapes[NUMBER.unpack_from(payload)[0]]
            cells: list[Any] = [*packed.unpack_from(payload, NUMBER.size), *nulls]
            end = NUMBER.size + packed.size
            for place in texts:
                start, end = end, end + cells[place]
                # Names of devices come again and again, and are compared all the time, too.
                cells[place] = intern(str(payload[start:end], "utf-8"))
            if end != len(payload):
                raise Garbage("a row of another length than its shape")
            return table, ColumnRow(columns, cells)
        except (StructError, KeyError, ValueError) as error:
            raise Garbage(f"a row: {error!r}") from error
