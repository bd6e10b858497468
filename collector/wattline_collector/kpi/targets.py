"""What a factory aims at with a KPI, and what it has promised: from its profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from wattline_collector.kpi.declare import TIME, Kpi
from wattline_collector.kpi.figure import Figure
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.service import Sla

WHOLE = ("system", *TIME)
"""Targets are of the factory or of a system; a figure split further has none."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What is aimed at with a KPI, in its unit.

    Attributes:
        value: The target; None where only a threshold is promised.
        direction: `up` if more is better, `down` if less is.
        threshold: What is promised and is still no breach; None where nothing is.
        by: The day by which the target is to be met.
        source: Who set it, or the clause it stands in.
    """

    value: float | None
    direction: str
    threshold: float | None = None
    by: date | None = None
    source: str | None = None

    def met(self, value: float | int | None) -> bool | None:
        """Whether the target is; None where either is not known."""
        return self._reached(value, self.value)

    def kept(self, value: float | int | None) -> bool | None:
        """Whether what was promised is; None where nothing was, or the value is not known."""
        return self._reached(value, self.threshold)

    def _reached(self, value: float | int | None, level: float | None) -> bool | None:
        if value is None or level is None:
            return None
        return value >= level if self.direction == "up" else value <= level

    def to_json(self, value: float | int | None) -> dict[str, object]:
        """As it leaves the program, beside a value."""
        return {
            "value": self.value,
            "direction": self.direction,
            "met": self.met(value),
            "threshold": self.threshold,
            "kept": self.kept(value),
            "by": None if self.by is None else self.by.isoformat(),
            "source": self.source,
        }


def aim_of(
    kpi: Kpi, figure: Figure, profile: FactoryProfile | None, systems: Sequence[str]
) -> Aim | None:
    """What is aimed at with a figure.

    A system's own service level comes before the factory's. A KPI of several figures, such as
    percentiles, has no one target.

    Args:
        kpi: The KPI.
        figure: One of its figures.
        profile: What the factory says of itself.
        systems: The systems that the figure is made of, where it is not split by them.
    """
    if profile is None or kpi.parts or not set(figure.dims) <= set(WHOLE):
        return None
    of = [figure.dims["system"]] if "system" in figure.dims else systems
    sla = _sla(profile, kpi.id, of)
    target = profile.targets.get(kpi.id)
    if target is not None:
        threshold = None if sla is None else sla.threshold
        return Aim(target.value, target.direction, threshold, target.by, target.source)
    if sla is not None:
        return Aim(sla.target, sla.direction, sla.threshold, None, sla.agreement)
    return None


def _sla(profile: FactoryProfile, id: str, systems: Sequence[str]) -> Sla | None:
    if len(systems) == 1 and systems[0] in profile.systems:
        own = profile.systems[systems[0]].sla.get(id)
        if own is not None:
            return own
    return profile.sla.get(id)
