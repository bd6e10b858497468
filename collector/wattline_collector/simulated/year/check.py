"""Hold figures that the books give of a planted year against what they must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wattline_agents.errors import UsageError
from wattline_collector.kpi.declare import Kpi
from wattline_collector.kpi.figure import Figure
from wattline_collector.kpi.registry import evaluate
from wattline_collector.kpi.view import View
from wattline_collector.simulated.year import known_books, known_jobs, known_site
from wattline_collector.simulated.year.expected import Expected
from wattline_collector.simulated.year.truth import Happened


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
        """Whether it is near enough."""
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
        *known_jobs.of_step_time(found),
        *known_jobs.of_queues(found),
        *known_jobs.of_reliability(found),
        *known_site.of_outages(found),
        *known_site.of_access(found),
        *known_site.of_activities(found),
    )


def compare(
    wanted: Sequence[Expected], view: View, registry: Mapping[str, Kpi]
) -> Iterator[Compared]:
    """Hold what is expected against a view's figures, by id and dimensions.

    Args:
        wanted: What is expected.
        view: Of the whole year.
        registry: The KPIs there are; what is expected of others is passed over.
    """
    cache: dict[tuple[str, tuple[str, ...]], list[Figure]] = {}
    for one in wanted:
        kpi = registry.get(one.id)
        if kpi is None:
            continue
        by = tuple(name for name in one.dims if name not in kpi.parts)
        if (one.id, by) not in cache:
            try:
                cache[one.id, by] = evaluate(kpi, view, by)
            except UsageError:
                cache[one.id, by] = []
        figures = [
            figure
            for figure in cache[one.id, by]
            if all(figure.dims.get(name) == value for name, value in one.dims.items())
        ]
        # Several are left where the KPI tells more figures apart than are expected.
        yield Compared(one, figures[0] if len(figures) == 1 else None)
