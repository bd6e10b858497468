"""How far a number may be trusted, as pages say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattline_dashboards.columns import number

COMFORT = 0.95
"""Coverage under this is said beside the number; the registry marks such a figure `partial`."""


def observed(row: Mapping[str, Any]) -> float | None:
    """Observed over expected time of a node; null where nothing was expected."""
    seen, expected = number(row.get("observed_hours")), number(row.get("expected_hours"))
    return None if seen is None or not expected else min(1.0, seen / expected)
