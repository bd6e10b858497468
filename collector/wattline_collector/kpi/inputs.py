"""What KPIs need beside the ledger of a period: registers, the profile, what is kept of jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector import registers
from wattline_collector.jobs.condense import NODE_STATES
from wattline_collector.ledger.books import Books
from wattline_collector.profile.kept import readable_profile
from wattline_collector.profile.schema import FactoryProfile

T = TypeVar("T")


@dataclass(frozen=True)
class Inputs:
    """What is kept in a store beside its entries, each read once and only when it is asked for.

    A register that is not there is an empty frame; one that whoever asks may not read is None, so
    that a KPI can say which of the two it is.

    Attributes:
        store: The store's directory.
        start_ms: First moment of the period.
        end_ms: First moment no longer in it.
    """

    store: Path
    start_ms: int
    end_ms: int

    @cached_property
    def profile(self) -> FactoryProfile | None:
        """What the factory says of itself."""
        return readable_profile(self.store)

    @cached_property
    def outages(self) -> pl.DataFrame | None:
        """The register of outages."""
        return _readable(lambda: registers.outages(self.store))

    @cached_property
    def activities(self) -> pl.DataFrame | None:
        """The register of activities: what people declare."""
        return _readable(lambda: registers.activities(self.store))

    @cached_property
    def meters(self) -> pl.DataFrame | None:
        """The register of meters' readings, in J, m3, Cel and W."""
        return _readable(lambda: registers.meters(self.store))

    @cached_property
    def latency(self) -> pl.DataFrame:
        """Histograms of the hours of the period, `schema.LATENCY`."""
        return Books(self.store).latency(self.start_ms, self.end_ms)

    @cached_property
    def models(self) -> pl.DataFrame:
        """The model of each job, `records.MODELS`."""
        return Books(self.store).models

    @cached_property
    def node_states(self) -> pl.DataFrame:
        """States that schedulers put nodes in, `condense.NODE_STATES`."""
        return Books(self.store).frame("node_states", NODE_STATES)


def _readable(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except InputError:
        return None  # it may name people and is its owner's to read
