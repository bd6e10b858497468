"""Counts that go on when the process that counts is replaced by another, which begins at zero.

What the old process said last is added to what the new one says. Until there is a new one nothing
is added, and all that is kept is the newest row of each device.
"""

from __future__ import annotations

from wattline_agents.columns import ColumnRow
from wattline_agents.wire import Value

COUNTS = (
    "energy_resets_total",
    "energy_integral_joules_total",
    "xid_events_total",
    "read_errors_total",
)
"""Columns of `device` that are counted where it is read; the others are the device's own."""
_ENERGY, _RESETS = "energy_joules_total", "energy_resets_total"
_REPEAT_SECONDS = 600.0
"""As the catalogue promises of rows that are sent on change."""
_MOST_XIDS = 4096

_Number = int | float
_Xid = tuple[Value, Value]


class Carried:
    """What one source's devices have counted, whichever process counted it."""

    def __init__(self) -> None:
        """Nothing was counted yet."""
        self._last: dict[str, ColumnRow] = {}
        self._bases: dict[str, dict[str, _Number]] = {}
        self._xids: dict[_Xid, ColumnRow] = {}
        self._xid_bases: dict[_Xid, _Number] = {}
        # Those that the process of now knows nothing of, and when they are told again.
        self._untold: dict[_Xid, ColumnRow] = {}
        self._tell_at = 0.0

    def replaced(self, now: float) -> None:
        """Another process begins, and counts from zero."""
        for device, last in self._last.items():
            base = self._bases.setdefault(device, {})
            for column in (*COUNTS, _ENERGY):
                value = last.get(column)
                if isinstance(value, int | float):
                    base[column] = value
        for key, row in self._xids.items():
            count = row.get("count_total")
            if isinstance(count, int | float):
                self._xid_bases[key] = count
        self._untold, self._tell_at = dict(self._xids), now + _REPEAT_SECONDS

    def device(self, device: str, row: ColumnRow) -> None:
        """Add what was counted before to a row of `device`."""
        if self._bases and (base := self._bases.get(device)) is not None:
            _add(row, base)
        if not row.get("up"):
            # It does not say all that it has counted.
            last = self._last.get(device)
            told = {} if last is None else last.as_dict()
            kept = {column: told[column] for column in (*COUNTS, _ENERGY) if column in told}
            self._last[device] = ColumnRow.of(kept | row.as_dict())
        else:
            self._last[device] = row

    def xid(self, row: ColumnRow) -> None:
        """Add what was counted before to a row of `xid`."""
        key = row.get("device"), row.get("xid")
        count = row.get("count_total")
        if key in self._xid_bases and isinstance(count, int | float):
            row.set("count_total", count + self._xid_bases[key])
        if len(self._xids) < _MOST_XIDS or key in self._xids:
            self._xids[key] = row
            self._untold.pop(key, None)

    def repeated(self, now_ms: int, now: float) -> list[dict[str, Value]]:
        """Rows of `xid` that only a process of before knew, every ten minutes."""
        if not self._untold or now < self._tell_at:
            return []
        self._tell_at = now + _REPEAT_SECONDS
        return [{**row.as_dict(), "time_unix_ms": now_ms} for row in self._untold.values()]

    def forget(self, device: str) -> None:
        """The device is no longer there."""
        self._last.pop(device, None)
        self._bases.pop(device, None)


def _add(row: ColumnRow, base: dict[str, _Number]) -> None:
    joules = row.get(_ENERGY)
    if isinstance(joules, int | float) and (before := base.pop(_ENERGY, None)) is not None:
        if joules < before:  # it began again while nobody looked
            base[_RESETS] = base.get(_RESETS, 0) + 1
    for column in COUNTS:
        value = row.get(column)
        if isinstance(value, int | float):
            total = value + base.get(column, 0)
            row.set(column, total if isinstance(total, int) else round(total, 3))
