"""A figure beside that of another period, and beside what is aimed at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wattline_collector.kpi.declare import Kpi
from wattline_collector.kpi.figure import Figure
from wattline_collector.kpi.targets import Aim

_SAME = 1e-9
"""Relative difference under which two values are the same: sums of floats differ in their ends."""


class Verdict(StrEnum):
    """What a change means."""

    BETTER = "better"
    WORSE = "worse"
    CHANGED = "changed"  # neither way is better
    SAME = "same"
    UNCLEAR = "unclear"  # within what is not known of the two
    UNKNOWN = "unknown"  # one of the two is not known


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure, what it was, and what it is to be.

    Attributes:
        figure: The figure.
        previous: The same one of the other period; None where there was none such.
        aim: What is aimed at; None where nothing is.
        direction: That of its KPI.
    """

    figure: Figure
    previous: Figure | None
    aim: Aim | None
    direction: str

    @property
    def change(self) -> float | int | None:
        """Value less what it was, in its unit; null where either is not known."""
        then = None if self.previous is None else self.previous.value
        now = self.figure.value
        return None if now is None or then is None else now - then

    @property
    def change_ratio(self) -> float | None:
        """The change over what it was; null where that is nothing or not known."""
        then = None if self.previous is None else self.previous.value
        change = self.change
        return None if change is None or not then else change / abs(then)

    @property
    def verdict(self) -> Verdict:
        """What the change means, by the KPI's direction."""
        change = self.change
        if change is None or self.previous is None:
            return Verdict.UNKNOWN
        size = max(abs(self.figure.value or 0), abs(self.previous.value or 0))
        if abs(change) <= _SAME * size:
            return Verdict.SAME
        if _overlap(self.figure, self.previous):
            return Verdict.UNCLEAR
        if self.direction not in ("up", "down"):
            return Verdict.CHANGED
        return Verdict.BETTER if (change > 0) == (self.direction == "up") else Verdict.WORSE

    def to_json(self) -> dict[str, object]:
        """The figure as it leaves the program, with `target` and `previous`."""
        then = self.previous
        return self.figure.to_json() | {
            "target": None if self.aim is None else self.aim.to_json(self.figure.value),
            "previous": None
            if then is None
            else {
                "value": then.value,
                "numerator": then.numerator,
                "denominator": then.denominator,
                "n": then.n,
                "coverage": then.coverage,
                "status": then.status.value,
                "period": then.period.to_json(),
                "note": then.note,
                "low": then.low,
                "high": then.high,
                "change": self.change,
                "change_ratio": self.change_ratio,
                "verdict": self.verdict.value,
            },
        }


def side_by_side(
    now: Sequence[Figure],
    then: Sequence[Figure],
    kpis: Mapping[str, Kpi],
    aim: Callable[[Figure], Aim | None],
) -> list[Compared]:
    """Set figures beside those of another period, by id and dimensions.

    Args:
        now: The figures.
        then: Those of the other period; what is only among them is left out.
        kpis: The registry.
        aim: What is aimed at with a figure.
    """
    was = {_key(figure): figure for figure in then}
    return [
        Compared(figure, was.get(_key(figure)), aim(figure), kpis[figure.id].direction)
        for figure in now
    ]


def _key(figure: Figure) -> tuple[str, tuple[tuple[str, str], ...]]:
    return figure.id, tuple(sorted(figure.dims.items()))


def _overlap(now: Figure, then: Figure) -> bool:
    """Whether what is not known of the two is more than their difference; only where it is told."""
    bounds = [_bounds(one) for one in (now, then)]
    if all(low == high for low, high in bounds):
        return False
    (low, high), (was_low, was_high) = bounds
    return low <= was_high and was_low <= high


def _bounds(figure: Figure) -> tuple[float, float]:
    value = figure.value or 0
    low = value if figure.low is None else figure.low
    return low, value if figure.high is None else figure.high
