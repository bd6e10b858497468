"""Power sensors that stand still in a recording: known afterwards, and so from their first moment.

The agent finds out after a while that a sensor stands still, and leaves its readings out from then
on. In a recording what came before is at hand, too. So rows wait while their power does not change,
until it does, or until it is known to be dead: then it is left out of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from wattline_agents.sources.stale import LEAST_LOOKS, STILL_MS, Standstill
from wattline_agents.wire import Value

Row = dict[str, Value]


class Stillness:
    """Watches one device's power, and holds its rows back while it stands still."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._sensor = Standstill()
        self._waiting: list[Row] = []
        self.left_out = 0

    def take(self, row: Row) -> Iterator[Row]:
        """Take in a device's next row; gives out those of which enough is known."""
        watts = row.get("power_watts")
        if not isinstance(watts, int | float):
            yield from self.rest()
            yield row
            return
        time_ms = int(row["time_unix_ms"] or 0)
        busy, celsius = row.get("busy_ratio"), row.get("temperature_celsius")
        is_stale = self._sensor.look(
            time_ms,
            round(watts * 1000),
            busy=busy if isinstance(busy, int | float) else None,
            celsius=celsius if isinstance(celsius, int | float) else None,
        )
        row["power_stale"] = 0
        if self._sensor.since_ms == time_ms:
            yield from self.rest()
        self._waiting.append(row)
        if is_stale:
            for one in self._waiting:
                one["power_watts"], one["power_stale"] = None, 1
            self.left_out += len(self._waiting)
            yield from self.rest()
        elif (
            len(self._waiting) > LEAST_LOOKS
            and time_ms - int(self._waiting[0]["time_unix_ms"] or 0) > STILL_MS
        ):
            # A sensor of whole watts may say the same for hours and be right.
            yield self._waiting.pop(0)

    def rest(self) -> Iterator[Row]:
        """The rows that still wait."""
        waiting, self._waiting = self._waiting, []
        yield from waiting
