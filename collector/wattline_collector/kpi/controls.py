"""The control of the hours of a period, read as far as somebody asks.

It has a row for each device, node and job of each hour: more than all that figures are made of. Few
figures look at it, and none at more than a small part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import polars as pl

from wattline_collector.ledger.balance import off_balance, unbalanced
from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.finding import Finding
from wattline_collector.ledger.schema import CONTROL, HOUR_MS

NODES = ("system", "hour", "node", "expected_ms", "metered_joules", "energy_joules")
"""What is read of nodes."""

Rows = Callable[[Sequence[Hour], pl.Expr, Sequence[str]], pl.DataFrame]
"""Some columns of those rows of the control of hours of which something is true."""


def _none(hours: Sequence[Hour], wanted: pl.Expr, columns: Sequence[str]) -> pl.DataFrame:
    return CONTROL.to_frame().select(columns)


@dataclass(frozen=True)
class Controls:
    """The control of some hours.

    Attributes:
        hours: Which, in order.
        rows: Reads them.
    """

    hours: tuple[Hour, ...] = ()
    rows: Rows = field(default=_none, repr=False, compare=False)

    @classmethod
    def of_books(cls, books: Books, start_ms: int, end_ms: int) -> Controls:
        """Those of every booked hour that a period touches."""
        touched = (h for h in books.hours() if start_ms - HOUR_MS < h.start_ms < end_ms)
        return cls(tuple(touched), books.controls_of)

    @classmethod
    def of_frame(cls, control: pl.DataFrame) -> Controls:
        """Those that are at hand, as `schema.CONTROL`."""
        hour = pl.col("hour").dt.epoch("ms").alias("start_ms")
        keyed = control.with_columns(hour)

        def rows(hours: Sequence[Hour], wanted: pl.Expr, columns: Sequence[str]) -> pl.DataFrame:
            asked = pl.DataFrame(
                [(one.system, one.start_ms) for one in hours],
                schema={"system": pl.String, "start_ms": pl.Int64}, orient="row",
            )  # fmt: skip
            mine = keyed.join(asked, on=["system", "start_ms"], how="semi", maintain_order="left")
            return mine.filter(wanted).select(columns)

        there = keyed.select("system", "start_ms").unique().sort(pl.all())
        return cls(tuple(Hour(system, start_ms) for system, start_ms in there.iter_rows()), rows)

    def only(self, system: str) -> Controls:
        """Those of one system."""
        return replace(self, hours=tuple(hour for hour in self.hours if hour.system == system))

    @cached_property
    def nodes(self) -> pl.DataFrame:
        """The columns `NODES` of the rows of nodes."""
        return self.rows(self.hours, pl.col("kind") == "node", NODES)

    @cached_property
    def booked_until(self) -> pl.DataFrame:
        """`system`, `until` (ms): up to where its books go in these hours."""
        found: dict[str, int] = {}
        for hour in reversed(self.hours):
            if hour.system not in found:
                booked = self.rows([hour], pl.lit(True), ("booked_until",)).to_series()
                until = booked.dt.epoch("ms").max()
                # Of an hour in which nothing was installed and nothing ran there is no row.
                if isinstance(until, int):
                    found[hour.system] = until
        return pl.DataFrame(
            sorted(found.items()), schema={"system": pl.String, "until": pl.Int64}, orient="row"
        )

    @cached_property
    def findings(self) -> list[Finding]:
        """Where seconds, joules or tokens do not balance."""
        return unbalanced(self.rows(self.hours, off_balance(), CONTROL.names()))
