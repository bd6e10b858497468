"""What a site says about jobs: its prices and its habits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

INTERACTIVE = ("interactive", "bash", "sh", "zsh", "jupyter", "notebook", "jupyterhub", "debug")
"""Names and partitions of jobs that somebody sits in front of."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a site says; what it does not say is left out, not taken to be nought.

    Attributes:
        euro_per_kwh: Price of energy.
        euro_per_gpu_hour: Price of device time.
        grams_co2e_per_kwh: Carbon of its electricity.
        carbon_source: How that was found, and by whom.
        node_mtti_hours: How long one node runs between interruptions; null: taken from the
            accounting, where enough happened to tell.
        interactive: Words in a job's name or partition that tell that a person sits before it.
    """

    euro_per_kwh: float | None = None
    euro_per_gpu_hour: float | None = None
    grams_co2e_per_kwh: float | None = None
    carbon_source: str = "the site's own figure"
    node_mtti_hours: float | None = None
    interactive: tuple[str, ...] = INTERACTIVE

    def euro(self, joules: float | None, gpu_hours: float | None) -> float | None:
        """What energy and device time cost here; null where a price or an amount is not known."""
        parts = [
            (self.euro_per_kwh, None if joules is None else joules / 3_600_000),
            (self.euro_per_gpu_hour, gpu_hours),
        ]
        priced = [(price, amount) for price, amount in parts if price is not None]
        if not priced or any(amount is None for _, amount in priced):
            return None
        return sum(price * (amount or 0.0) for price, amount in priced)

    def grams(self, joules: float | None) -> float | None:
        """What energy is in carbon here."""
        if joules is None or self.grams_co2e_per_kwh is None:
            return None
        return joules / 3_600_000 * self.grams_co2e_per_kwh


PRICES: Mapping[str, tuple[float, float]] = {
    "euro_per_kwh": (0.0, 10.0),
    "euro_per_gpu_hour": (0.0, 1000.0),
    "grams_co2e_per_kwh": (0.0, 3000.0),
    "node_mtti_hours": (1.0, 10_000_000.0),
}
"""The numbers of table `[site]`, and between which ends they make sense."""
