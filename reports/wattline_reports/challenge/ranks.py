"""The order of entrants.

Points are the weighted geometric mean of an entrant's measures. The order it gives depends on no
unit, and not on who else entered: a measure scaled by any factor scales the points of all, and an
entrant that leaves changes nothing between the others. Those who differ by no more than the tie of
the rules are not told apart: an entrant's rank is one more than the number of those surely better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from wattline_reports.challenge.measures import Measures
from wattline_reports.challenge.rules import Rules


def points(rules: Rules, measures: Measures) -> float | None:
    """Points of an entrant; None where a measure with a weight is not known."""
    told = measures.to_json()
    total = sum(rules.weights.values())
    sum_ = 0.0
    for name, weight in rules.weights.items():
        if not weight:
            continue
        value = told[name]
        if value is None or value <= 0:
            return None
        sign = -1 if name == "score" and rules.is_lower_better else 1
        sum_ += sign * weight * math.log(value)
    return math.exp(sum_ / total)


def ranks(points: Mapping[str, float | None], tie: float) -> dict[str, int | None]:
    """Rank by entrant; None for those without points.

    Args:
        points: By entrant.
        tie: Share by which one must be ahead to be better.
    """
    known = {entrant: value for entrant, value in points.items() if value is not None}
    return {
        entrant: None
        if value is None
        else 1 + sum(other > value * (1 + tie) for other in known.values())
        for entrant, value in points.items()
    }
