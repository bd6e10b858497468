"""What is aimed at with a KPI: possible in its unit, and the way that is better."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wattline_agents.nearest import instead

MOST_PER_CENT = 1000.0
"""A growth, or used over granted, may be over all of it; ten times that is another unit."""

_PARTS_OF_ONE = ("OEE", "OEE_A", "OEE_P", "OEE_Q", "LOADING")
"""KPIs that are parts of a whole and not written in per cent."""


def wrong(
    id: str, direction: str, told: Iterable[tuple[str, float]]
) -> Iterator[tuple[str | None, str]]:
    """What cannot be meant.

    Args:
        id: The KPI's id.
        direction: `up` or `down`, as it was told.
        told: Keys and values, in the KPI's own unit.

    Yields:
        The key it is about, None for all of them, and the reason.
    """
    # The registry knows all that computes KPIs, which reads profiles.
    from wattline_collector.kpi.registry import REGISTRY

    kpi = REGISTRY.get(id)
    if kpi is None:
        yield None, f"no KPI of that id is computed; {instead(id, REGISTRY)}"
        return
    is_directed = kpi.direction in ("up", "down")
    if is_directed and kpi.direction != direction:
        better = "more" if kpi.direction == "up" else "less"
        yield (
            "direction",
            f'"{direction}", and of {id} ({kpi.name}) {better} is better: write "{kpi.direction}"',
        )
    for key, value in told:
        if kpi.unit == "%" and kpi.direction == "up" and 0 < value <= 1:
            yield key, f"{value:g} of a KPI in per cent: is {value * 100:g} (per cent) meant?"
        elif kpi.unit == "%" and kpi.denominator and value > MOST_PER_CENT:
            yield key, f"{value:g} per cent; {id} ({kpi.name}) is a share of a whole"
        elif id in _PARTS_OF_ONE and value > 1:
            yield key, f"{value:g}; {id} ({kpi.name}) goes from 0 to 1: is {value / 100:g} meant?"
        elif value < 0 and is_directed:
            yield key, f"{value:g}: {id} ({kpi.name}) is never under nought"
