"""What jobs say of themselves, for those who would say it of them otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wattline_agents.light import NamedTuple


class Spoken(NamedTuple):
    """What one job says of itself through the library.

    Attributes:
        counters: Columns of table `job` that it counts.
        has_model: Whether it said what its model is.
    """

    counters: frozenset[str]
    has_model: bool


SpokenOf = Callable[[], Mapping[str, Spoken] | None]
"""Jobs that speak for themselves, for any thread to ask; None while it is not known which do."""
