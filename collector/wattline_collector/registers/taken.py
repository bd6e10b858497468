"""What was taken out of a file or an answer: good rows, and damaged ones with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.registers.declare import Malformed, Register, Value, Values

MOST_DAMAGED = 0.01
"""Share of damaged rows above which nothing is kept: see `imports.lines`."""
MOST_ROWS = 200_000
"""Of one file; a meter read every quarter of an hour makes 35,000 a year."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Damage:
    """A row that was set aside.

    Attributes:
        line: Where it stands: its line, or its place in a list.
        field: The column, if it is one.
        reason: What is wrong.
        cells: What stood there.
    """

    line: int
    field: str | None
    reason: str
    cells: tuple[str, ...] = ()


@dataclass(slots=True)
class Taken:
    """Rows as they are read.

    Attributes:
        register: Whose rows they are.
        origin: Where they are from, for messages.
        rows: The good ones.
        damaged: The others.
        header: The columns as the file has them.
        delimiter: What is between its cells.
        unkept: Columns that have no place in the register.
    """

    register: Register
    origin: str
    rows: list[Values] = field(default_factory=list)
    damaged: list[Damage] = field(default_factory=list)
    header: tuple[str, ...] = ()
    delimiter: str = ","
    unkept: tuple[str, ...] = ()
    _seen: dict[tuple[Value, ...], tuple[int, Values]] = field(default_factory=dict)

    def add(self, values: Values, line: int) -> None:
        """Take a good row in; one that says the same again is the same row.

        Raises:
            Malformed: An earlier row with the same key says otherwise.
            InputError: There are too many.
        """
        key = tuple([values[column] for column in self.register.key])
        before = self._seen.setdefault(key, (line, values))
        if before[1] is values:
            if len(self.rows) >= MOST_ROWS:
                raise InputError(f"has more than {MOST_ROWS} rows", path=self.origin)
            self.rows.append(values)
        elif before[1] != values:
            names = ", ".join(column.removesuffix("_ms") for column in self.register.key)
            raise Malformed(None, f"row {before[0]} has the same {names} and says otherwise")

    def refuse(self, line: int, error: Malformed, cells: Sequence[str] = ()) -> None:
        """Set a row aside."""
        self.damaged.append(Damage(line, error.field, error.reason, tuple(cells)))

    @property
    def frame(self) -> pl.DataFrame:
        """The good rows, typed."""
        return pl.DataFrame(self.rows, schema=self.register.schema, orient="row")

    @property
    def is_mostly_damaged(self) -> bool:
        """Whether more than one row in a hundred is damaged: it is not what it was taken for."""
        return len(self.damaged) > MOST_DAMAGED * (len(self.rows) + len(self.damaged))

    def error(self, damage: Damage) -> InputError:
        """A damaged row as an error, with file, line and field."""
        return InputError(damage.reason, path=self.origin, line=damage.line, field=damage.field)

    def notes(self) -> list[str]:
        """Lines for people; none if there is nothing to say."""
        lines = []
        if self.unkept:
            lines.append(f"columns without a place here, left out: {', '.join(self.unkept)}")
        if self.damaged:
            total = len(self.rows) + len(self.damaged)
            lines.append(f"{len(self.damaged):,} damaged of {total:,} rows set aside")
            lines += [f"  {self.error(damage)}" for damage in self.damaged[:_SHOWN]]
            more = len(self.damaged) - _SHOWN
            lines += [f"  and {more:,} more"] if more > 0 else []
        return lines
