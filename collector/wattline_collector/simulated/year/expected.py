"""A figure that is known beforehand, and how it is held against one that was computed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Side = Literal["value", "numerator"]
EXACT = 1e-6
"""Of figures that the books should give to the last digits that floats keep."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A figure of the year.

    Attributes:
        id: The KPI's id.
        value: What it is, in the KPI's unit; None: it cannot be known, and must be so told.
        relative: By how much of it a computed one may differ.
        absolute: Or by how much in its unit.
        dims: Which of several figures of the KPI.
        why: What the value follows from, and why it may differ by that much.
        adds_up: Whether it is a sum over the year: data that is missing makes it less. A ratio
            stays what it is, and its coverage tells what is missing.
        side: Whether it is the value that is meant, or what stands above the line.
    """

    id: str
    value: float | None
    relative: float = EXACT
    absolute: float = 0.0
    dims: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    adds_up: bool = False
    side: Side = "value"

    @property
    def tolerance(self) -> float:
        """By how much a computed figure may differ, in its unit."""
        return 0.0 if self.value is None else max(self.absolute, self.relative * abs(self.value))

    def holds(self, found: float | None) -> bool:
        """Whether a computed figure is near enough; what is not known is not."""
        if self.value is None or found is None:
            return self.value is found
        return abs(found - self.value) <= self.tolerance


def write(path: Path, figures: Sequence[Expected], about: Mapping[str, object]) -> None:
    """Write figures as JSON: `about` what they are, then `figures`."""
    rows = [asdict(one) | {"tolerance": one.tolerance} for one in figures]
    path.write_text(json.dumps({**about, "figures": rows}, indent=1) + "\n")
