"""What booking needs of a store, and what earlier rows told that holds for every hour."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from wattline_collector.jobs.condense import ACCOUNTED, NODE_STATES
from wattline_collector.ledger import inventory, replay
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.records import SERIES
from wattline_collector.ledger.undone import UNDONE
from wattline_collector.registers.kept import outages


class Telemetry(Protocol):
    """What booking needs of a store."""

    path: Path

    def read(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Rows of a table over a stretch of time."""
        ...

    def rows(
        self,
        table: str,
        start_ms: int,
        end_ms: int,
        columns: Collection[str],
        only: pl.Expr | None = None,
    ) -> pl.DataFrame:
        """Some columns of them in the order they came; what was sent twice stands there twice.

        `only` these rows, by `system`, `node` and the table's key.
        """
        ...

    def take_dirty(self) -> set[tuple[str, int]]:
        """(system, hour) touched since the last call."""
        ...

    def confirm_booked(self) -> None:
        """The hours taken are in the books, durably."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier rows told of all systems; the same for every chunk of a round.

    Attributes:
        jobs: `records.JOBS`.
        assignments: `inventory.ASSIGNMENTS`.
        ended: `system`, `job`, `ended_ms`: what accounting says.
        accounting: `jobs.condense.ACCOUNTED`, and with it:
        states: `jobs.condense.NODE_STATES`.
        outages: The register of outages.
        before: What `replay.committed_before` returned.
        undone: `undone.UNDONE`.
        series: `records.SERIES`.
    """

    jobs: pl.DataFrame
    assignments: pl.DataFrame
    ended: pl.DataFrame
    accounting: pl.DataFrame
    states: pl.DataFrame
    outages: pl.DataFrame
    before: pl.DataFrame
    undone: pl.DataFrame
    series: pl.DataFrame


def known_so_far(store: Telemetry, books: Books) -> Known:
    """Gather what earlier rows told."""
    accounting = books.frame("accounting", ACCOUNTED)
    jobs = books.jobs
    return Known(
        jobs=jobs,
        assignments=books.frame("assignments", inventory.ASSIGNMENTS),
        ended=job_ends(accounting),
        accounting=accounting,
        states=books.frame("node_states", NODE_STATES),
        outages=outages(store.path),
        before=replay.committed_before(jobs),
        undone=books.frame("undone", UNDONE),
        series=books.frame("series", SERIES),
    )


def job_ends(accounting: pl.DataFrame) -> pl.DataFrame:
    """When jobs ended, by accounting: `system`, `job`, `ended_ms`.

    Args:
        accounting: `jobs.condense.ACCOUNTED`.
    """
    return accounting.filter(pl.col("end_ms").is_not_null()).select(
        "system", "job", pl.col("end_ms").alias("ended_ms")
    )
