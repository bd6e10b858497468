"""What KPIs need beside the ledger of a period: registers, the profile, what is kept of jobs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from wattline_collector import registers
from wattline_collector.jobs.condense import NODE_STATES
from wattline_collector.ledger.books import Books
from wattline_collector.profile.kept import profile_at
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.registers.kept import readable
from wattline_collector.store.filenames import PROFILE


@dataclass(frozen=True)
class Inputs:
    """What is kept in a store beside its entries, each read once and only when it is asked for.

    A register that is not there is an empty frame; one that whoever asks may not read is None, so
    that a KPI can say which of the two it is.

    Attributes:
        store: The store's directory.
        start_ms: First moment of the period.
        end_ms: First moment no longer in it.
        as_of_ms: What was known at that moment counts; what is known now if None.
        without_profile: Do as if there were none.
    """

    store: Path
    start_ms: int
    end_ms: int
    as_of_ms: int | None = None
    without_profile: bool = False

    @cached_property
    def books(self) -> Books:
        """The books, as they stand or stood."""
        books = Books(self.store)
        return books if self.as_of_ms is None else books.as_of(_utc(self.as_of_ms))

    @cached_property
    def profile(self) -> FactoryProfile | None:
        """What the factory says of itself, by the profile that held when the period ended.

        None where there is none, or where it is not the reader's to read: it may name people.

        Raises:
            InputError: One of them is not right; names line and key.
        """
        if self.without_profile or not os.access(self.store / PROFILE, os.R_OK):
            return None
        known = None if self.as_of_ms is None else _utc(self.as_of_ms)
        return profile_at(self.store, _utc(self.end_ms), known)

    @cached_property
    def outages(self) -> pl.DataFrame | None:
        """The register of outages."""
        return readable(lambda: registers.outages(self.store, self.as_of_ms))

    @cached_property
    def activities(self) -> pl.DataFrame | None:
        """The register of activities: what people declare."""
        return readable(lambda: registers.activities(self.store, self.as_of_ms))

    @cached_property
    def meters(self) -> pl.DataFrame | None:
        """The register of meters' readings, in J, m3, Cel and W."""
        return readable(lambda: registers.meters(self.store, self.as_of_ms))

    @cached_property
    def results(self) -> pl.DataFrame | None:
        """The register of results: what benchmarks, evaluations and runs came to, in base units."""
        return readable(lambda: registers.results(self.store, self.as_of_ms))

    @cached_property
    def factors(self) -> pl.DataFrame | None:
        """The register of yearly carbon factors, in kg/kWh."""
        return readable(lambda: registers.factors(self.store, self.as_of_ms))

    @cached_property
    def hourly_factors(self) -> pl.DataFrame | None:
        """The register of hourly carbon factors, in kg/kWh."""
        return readable(lambda: registers.hourly_factors(self.store, self.as_of_ms))

    @cached_property
    def latency(self) -> pl.DataFrame:
        """Histograms of the hours of the period, `schema.LATENCY`."""
        return self.books.latency(self.start_ms, self.end_ms)

    @cached_property
    def models(self) -> pl.DataFrame:
        """The model of each job, `records.MODELS`."""
        return self.books.models

    @cached_property
    def node_states(self) -> pl.DataFrame:
        """States that schedulers put nodes in, `condense.NODE_STATES`."""
        return self.books.frame("node_states", NODE_STATES)


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
