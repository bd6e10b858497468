"""XID errors by device and number.

Each is counted once, whether it came as an event, in the kernel's log, or as both.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from wattline_agents.wire import Row

SAME_MS = 5_000
"""An event and a line of the log this near to each other tell of the same error."""
_REPEAT_MS = 600_000
_MOST_NUMBERS = 64
"""Kept for one device; there are some 150 numbers, and no device has shown many of them."""


class _Count:
    __slots__ = ("events", "last_ms", "lines", "near_ms", "total")

    def __init__(self) -> None:
        self.total = 0
        self.last_ms = 0
        self.near_ms = 0
        self.events = 0
        self.lines = 0


class XidBook:
    """Counts the XIDs of all devices."""

    def __init__(self) -> None:
        """None was seen yet."""
        self._counts: dict[str, dict[int, _Count]] = {}
        self._totals: dict[str, int] = {}
        self._news: set[str] = set()
        self._sent_ms: int | None = None

    def total(self, device: str) -> int:
        """How many there were on that device."""
        return self._totals.get(device, 0)

    def add(self, device: str, xid: int, at_ms: int, *, from_log: bool = False) -> None:
        """Count one.

        Args:
            device: The device's UUID.
            xid: Its number.
            at_ms: When it occurred, milliseconds since 1970.
            from_log: Whether the kernel's log told of it, and not the driver's event.
        """
        numbers = self._counts.setdefault(device, {})
        count = numbers.get(xid)
        if count is None:
            if len(numbers) >= _MOST_NUMBERS:
                return
            count = numbers[xid] = _Count()
        if abs(at_ms - count.near_ms) > SAME_MS:
            count.events = count.lines = 0
        known = max(count.events, count.lines)
        if from_log:
            count.lines += 1
        else:
            count.events += 1
        count.near_ms = at_ms
        if max(count.events, count.lines) > known:
            count.total += 1
            count.last_ms = at_ms
            self._totals[device] = self.total(device) + 1
            self._news.add(device)

    def rows(self, now_ms: int) -> list[Row]:
        """Rows of `xid`: of devices with news, and of all every ten minutes."""
        sent = self._sent_ms
        if sent is None or not sent <= now_ms < sent + _REPEAT_MS:
            self._sent_ms = now_ms
            devices = set(self._counts)
        else:
            devices = self._news
        rows: list[Row] = [
            {
                "time_unix_ms": now_ms,
                "device": device,
                "xid": xid,
                "count_total": count.total,
                "last_unix_seconds": count.last_ms / 1000,
            }
            for device in sorted(devices)
            for xid, count in sorted(self._counts[device].items())
        ]
        self._news = set()
        return rows
