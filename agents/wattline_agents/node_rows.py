"""One row of `node` per time, from the sources that each know something of the node."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_agents.wire import Row, Value

METERED = ("energy_joules_total", "power_watts")
"""What only one source may say of a node: two meters never agree, and their sum is nobody's."""


class NodeRows:
    """Puts rows of one time together, and lets one source alone meter the node."""

    def __init__(self) -> None:
        """Begin without a meter."""
        self.meter: object | None = None
        """The source that was first to give energy or power, for as long as the agent runs."""

    def merged(self, given: Sequence[tuple[object, Row, int]]) -> dict[int, list[Row]]:
        """One row per time, by period.

        Args:
            given: Source, row and the period of that source, in milliseconds.

        Returns:
            Period -> rows. A row's period is its meter's, as gaps in energy are judged by it;
            without a metered value in it, the shortest of those who gave it.
        """
        for source, row, _ in given:
            if self.meter is None and _is_metered(row):
                self.meter = source
        if len(given) == 1:
            source, row, period_ms = given[0]
            return {period_ms: [row if self._may_say(source, row) else _without(row)]}
        rows: dict[Value, dict[str, Value]] = {}
        periods: dict[Value, int] = {}
        settled: set[Value] = set()
        for source, row, period_ms in given:
            time = row.get("time_unix_ms")
            kept = row if self._may_say(source, row) else _without(row)
            known: dict[str, Value] = {
                column: value for column, value in kept.items() if value is not None
            }
            rows[time] = rows.get(time, {}) | known
            if _is_metered(known):
                periods[time] = period_ms
                settled.add(time)
            elif time not in settled:
                periods[time] = min(period_ms, periods.get(time, period_ms))
        found: dict[int, list[Row]] = {}
        for time, one in rows.items():
            found.setdefault(periods[time], []).append(one)
        return found

    def _may_say(self, source: object, row: Row) -> bool:
        return source is self.meter or not _is_metered(row)


def _is_metered(row: Row) -> bool:
    return any(row.get(column) is not None for column in METERED)


def _without(row: Row) -> Row:
    return {column: value for column, value in row.items() if column not in METERED}
