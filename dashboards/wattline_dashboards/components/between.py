"""From when to when, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from wattline_dashboards.columns import text
from wattline_dashboards.components.moment import moment
from wattline_dashboards.language import _
from wattline_dashboards.times import parsed


def between(period: object, zone: ZoneInfo) -> list[Any]:
    """`1 Nov 2026 14:05 to 8 Nov 2026 14:05 Europe/Helsinki`; nothing where it is not known."""
    said: Mapping[str, Any] = period if isinstance(period, Mapping) else {}
    bounds = [parsed(text(said.get(name))) for name in ("from", "to")]
    if not all(bounds):
        return []
    first, last = (moment(at.timestamp() * 1000, zone) for at in bounds if at)
    return [first, _(" to "), last, f" {zone.key}"]
