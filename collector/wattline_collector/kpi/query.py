"""Figures for whoever asks: the command line, the API, the pages and the reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.overview import Overview, notes, of_view
from wattline_collector.kpi.view import DIMENSIONS, load


def figures(
    store: Path, ids: Sequence[str], period: Period | None = None, by: str | None = None
) -> list[Figure]:
    """Compute KPIs from a store's books; see `figures_with_notes`."""
    return figures_with_notes(store, ids, period, by)[0]


def figures_with_notes(
    store: Path, ids: Sequence[str], period: Period | None = None, by: str | None = None
) -> tuple[list[Figure], list[str]]:
    """Compute KPIs from a store's books, and what their reader must know.

    Args:
        store: The store's directory.
        ids: Which, in order; all if empty.
        period: Over what time; all that the store holds if None.
        by: One of `DIMENSIONS` to split by.

    Raises:
        UsageError: An id or dimension there is not, a period that ends before it starts, or a
            store without books.
    """
    kpis = [registry.find(id) for id in ids] or list(registry.REGISTRY.values())
    checked(period)
    if by is not None and by not in DIMENSIONS:
        raise UsageError(f"cannot split by {by[:20]!r}; there are {', '.join(DIMENSIONS)}")
    if by is not None and not ids:
        kpis = [kpi for kpi in kpis if by in kpi.by]
    view = load(store, period)
    found = [
        figure
        for kpi in kpis
        for figure in registry.evaluate(kpi, view, [] if by is None else [by])
    ]
    return found, notes(view)


def overview(store: Path, period: Period | None = None) -> Overview:
    """Everything the pages and the report show of a period.

    Raises:
        UsageError: As for `figures`.
    """
    checked(period)
    return of_view(load(store, period))


def checked(period: Period | None) -> None:
    """Refuse a period that does not end after it starts.

    Raises:
        UsageError: It does not.
    """
    if period is not None and period.end <= period.start:
        ends = period.to_json()
        raise UsageError(
            f"the period ends before it starts: from {ends['from']} to {ends['to']}; swap them"
        )
