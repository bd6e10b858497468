"""Readings as their columns hold them."""

from __future__ import annotations

from collections.abc import Mapping

from wattline_agents.catalogue import Table, Type
from wattline_agents.wire import Value


def typed(table: Table, values: Mapping[str, float]) -> dict[str, Value]:
    """The values, with those of whole-number columns cut to whole numbers."""
    columns = table.columns
    return {
        name: int(value) if columns[name] is Type.INT else value for name, value in values.items()
    }
