"""Hold figures that the books give of a planted year against what they must be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wattline_agents.errors import UsageError
from wattline_collector.kpi.declare import Kpi
from wattline_collector.kpi.figure import Figure, Status
from wattline_collector.kpi.registry import evaluate
from wattline_collector.kpi.view import View
from wattline_collector.simulated.year import (
    known_books,
    known_jobs,
    known_site,
    known_training,
    known_trials,
)
from wattline_collector.simulated.year.expected import Expected
from wattline_collector.simulated.year.truth import Happened

UNPLANTED: Mapping[str, str] = {}
"""KPIs of which no truth can be planted, and why that is impossible. There is none."""


@dataclass(frozen=True, slots=True)
class Compared:
    """An expected figure beside the one that was found.

    Attributes:
        expected: What it must be.
        found: The figure; None where the KPI gave none with these dimensions.
    """

    expected: Expected
    found: Figure | None

    @property
    def holds(self) -> bool:
        """Whether it is near enough; of what cannot be known, whether the KPI says so."""
        if self.expected.value is None:
            return self.found is not None and self.found.status is Status.UNKNOWN
        return self.expected.holds(self.value)

    @property
    def value(self) -> float | None:
        """What was found of what is expected; None where it is not known."""
        return None if self.found is None else getattr(self.found, self.expected.side)


def expectations(found: Happened) -> tuple[Expected, ...]:
    """All figures that the plan of a year determines."""
    return (
        *known_books.of_books(found),
        *known_books.of_energy(found),
        *known_jobs.of_production(found),
        *known_training.of_step_time(found),
        *known_training.of_rates(found),
        *known_training.of_runs(found),
        *known_trials.of_runs(found),
        *known_trials.of_models(),
        *known_trials.of_benchmarks(),
        *known_trials.of_challenge(),
        *known_jobs.of_queues(found),
        *known_jobs.of_reliability(found),
        *known_site.of_outages(found),
        *known_site.of_access(found),
        *known_site.of_waits_for_access(found),
        *known_site.of_activities(found),
        *known_site.of_energy_report(found),
    )


def compare(
    wanted: Sequence[Expected], view: View, registry: Mapping[str, Kpi]
) -> Iterator[Compared]:
    """Hold what is expected against a view's figures, and every figure against what is expected.

    A figure of which nothing is expected does not hold: each of the registry needs a truth, or its
    KPI a reason in `UNPLANTED`. Neither does what is expected and not there.

    Args:
        wanted: What is expected.
        view: Of the whole year.
        registry: The KPIs there are.
    """
    cache: dict[tuple[str, tuple[str, ...]], list[Figure]] = {}
    met: set[int] = set()
    for one in wanted:
        kpi = registry.get(one.id)
        if kpi is None:
            yield Compared(one, None)
            continue
        by = tuple(name for name in one.dims if name not in kpi.parts)
        figures = [
            figure
            for figure in _figures(cache, kpi, view, by)
            if all(figure.dims.get(name) == value for name, value in one.dims.items())
        ]
        met.update(map(id, figures))
        # Several are left where the KPI tells more figures apart than are expected.
        yield Compared(one, figures[0] if len(figures) == 1 else None)
    for kpi in registry.values():
        if kpi.id not in UNPLANTED:
            for figure in _figures(cache, kpi, view, ()):
                if id(figure) not in met:
                    yield Compared(_untrue(figure), figure)


def _figures(
    cache: dict[tuple[str, tuple[str, ...]], list[Figure]], kpi: Kpi, view: View,
    by: tuple[str, ...],
) -> list[Figure]:  # fmt: skip
    if (kpi.id, by) not in cache:
        try:
            cache[kpi.id, by] = evaluate(kpi, view, by)
        except UsageError:
            cache[kpi.id, by] = []
    return cache[kpi.id, by]


def _untrue(figure: Figure) -> Expected:
    """What no figure is: one of which no truth is planted."""
    return Expected(figure.id, math.nan, dims=figure.dims, why="no truth is planted")
