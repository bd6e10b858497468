"""What a number must be to stand in a column; what comes from outside is not taken on trust."""

from __future__ import annotations

from collections.abc import Mapping

from wattline_agents.catalogue import TABLES, Table, Type

_RANGES: Mapping[str, tuple[float, float]] = {
    "W": (0.0, 100_000.0),  # a rack of GPUs; a single device is an order of magnitude below
    "J": (0.0, 1e15),  # a megawatt for thirty years
    "Cel": (-50.0, 150.0),
    "Hz": (0.0, 2e10),
    "s": (0.0, 1e10),
    "1": (0.0, 1e6),
}
"""By unit; what is outside is a mark for "no value", or nonsense."""
_COUNT_RANGE = (0.0, 9e18)
_MOST = {"performance_state": 15.0}
"""Of columns whose numbers end before their unit's do: 32 says that a state is not known."""
_ROUNDING = 0.01
"""Shares of time are measured over windows that do not quite match: 1.003 is 1."""


_METRICS = {
    name: {metric.column: metric for metric in table.metrics} for name, table in TABLES.items()
}


def value_of(table: Table, column: str, number: float) -> int | float | None:
    """The number as the column holds it; None if it cannot be one.

    Args:
        table: Whose column it is.
        column: One of its metrics.
        number: In the column's unit.
    """
    metric = _METRICS[table.name][column]
    least, most = _RANGES.get(metric.unit, _COUNT_RANGE)
    if column.endswith("_ratio") and column != "energy_counter_over_integral":
        if not -_ROUNDING <= number <= 1 + _ROUNDING:
            return None
        return min(1.0, max(0.0, number))
    if not least <= number <= _MOST.get(column, most):
        return None
    # 0.1 + 0.2 mJ: what the factor added to the sixteenth digit was never measured.
    return round(number) if metric.type is Type.INT else float(f"{number:.15g}")


def trimmed(text: str, most_bytes: int) -> str:
    """The text, cut off where it would take more bytes than it may."""
    return text.encode(errors="replace")[:most_bytes].decode(errors="ignore")
