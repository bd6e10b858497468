"""The KPI dictionary by its digest, so that two bundles mean the same by the same id."""

from __future__ import annotations

from typing import Any

from wattline_collector.kpi.registry import REGISTRY
from wattline_reports.exchange import canonical

_MEANING = (
    "id", "name", "formula", "unit", "numerator", "numerator_unit", "denominator",
    "denominator_unit", "direction", "authority", "scale", "floor",
)  # fmt: skip

KNOWN: tuple[str, ...] = ()
"""Digests of dictionaries of earlier programs whose figures still mean the same."""


def definitions() -> list[dict[str, Any]]:
    """What every KPI of this program means, by id."""
    return [
        {**{name: getattr(kpi, name) for name in _MEANING}, "parts": list(kpi.parts)}
        for _, kpi in sorted(REGISTRY.items())
    ]


def digest() -> str:
    """The SHA-256 of the dictionary."""
    return canonical.digest(definitions())


def accepted() -> tuple[str, ...]:
    """Digests of the dictionaries whose bundles can be read here."""
    return (digest(), *KNOWN)
