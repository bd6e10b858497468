"""Some nodes of a system, where memory has no room for all of them at once."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce

import polars as pl


@dataclass(frozen=True, slots=True)
class Part:
    """Some nodes of a system, by the order of their names, and what is at home there.

    Attributes:
        first: The first node's name; None: from the beginning.
        until: The first name after; None: to the end.
        moved: Devices at home here that sent from elsewhere, too.
        guests: Devices that sent from here and are at home elsewhere.
    """

    first: str | None = None
    until: str | None = None
    moved: tuple[str, ...] = ()
    guests: tuple[str, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether jobs are booked with it."""
        return self.first is None

    def nodes(self) -> pl.Expr:
        """Of rows with a `node`: those of its nodes."""
        node = pl.col("node")
        bounds = []
        if self.first is not None:
            bounds.append(node >= self.first)
        if self.until is not None:
            bounds.append(node < self.until)
        return reduce(operator.and_, bounds, pl.lit(True))

    def devices(self) -> pl.Expr:
        """Of rows with a `node` and a `device`: those of the devices at home here."""
        device, mine = pl.col("device"), self.nodes()
        if self.guests:
            mine = mine & ~device.is_in(list(self.guests))
        return mine | device.is_in(list(self.moved)) if self.moved else mine
