"""How long the clocks were held back.

By the device's own counters; else by adding up the moments at which they were seen to be.
"""

from __future__ import annotations

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.fields import Field
from wattline_agents.sources.nvml.off import Ledger
from wattline_agents.sources.nvml.slow import REASONS, Reasons

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from wattline_agents.wire import Value

_CAP, _BRAKE = "throttle power cap", "throttle power brake"
_SOFTWARE, _HARDWARE = "throttle thermal software", "throttle thermal hardware"
_COUNTERS = (
    (_CAP, ids.FIELD_THROTTLE_POWER_CAP_NS, "throttle_power_cap_seconds_total"),
    (_SOFTWARE, ids.FIELD_THROTTLE_SW_THERMAL_NS, "throttle_thermal_seconds_total"),
    (_HARDWARE, ids.FIELD_THROTTLE_HW_THERMAL_NS, "throttle_thermal_seconds_total"),
    (_BRAKE, ids.FIELD_THROTTLE_POWER_BRAKE_NS, "throttle_power_brake_seconds_total"),
)
_SECONDS_OF = {
    "throttle_power_cap_seconds_total": ("power_cap", (_CAP,)),
    "throttle_thermal_seconds_total": ("thermal", (_SOFTWARE, _HARDWARE)),
    "throttle_power_brake_seconds_total": ("power_brake", (_BRAKE,)),
}
_ACTIVE_OF = {f"throttle_{reason}_active": mask for reason, mask in REASONS.items()}
_NANO = 1e9
_LONGEST_TICK_MS = 15_000
"""Over a longer pause the bits read at both ends say nothing about the time between."""


class Throttling:
    """Of one device, from one attachment to the next."""

    def __init__(self) -> None:
        """Nothing was read yet; `attach` before `read`."""
        self._seconds: dict[str, float] = {}
        self._before: tuple[int, int] | None = None
        # Columns that no counter fills, and their reasons.
        self._missing: dict[str, str] = {}

    def attach(self, reasons: Reasons, ledger: Ledger) -> list[Field]:
        """Begin (again); the fields it wants read with what moves slowly."""
        self._reasons = reasons
        self._before = None
        self._missing = {}
        self._fields = {
            name: Field(ledger.ask_for(name, column), number) for name, number, column in _COUNTERS
        }
        return list(self._fields.values())

    def read(self, row: dict[str, Value], values: dict[str, float] | None, now_ms: int) -> None:
        """Put seconds and states into the row.

        Args:
            row: The device's row.
            values: What its fields answered; None where they were not read this time. What no
                counter tells is looked at each time.
            now_ms: The tick's time.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if values is not None:
            self._missing = self._read_counters(row, values)
        elif not self._missing:
            return
        bits = self._reasons.read(now_ms)
        for column, mask in _ACTIVE_OF.items():
            row[column] = None if bits is None else int(bits & mask != 0)
        if self._missing:
            self._integrate(bits, now_ms)
            if bits is not None:
                for column, reason in self._missing.items():
                    row[column] = self._seconds.get(reason, 0.0)

    def _read_counters(self, row: dict[str, Value], values: dict[str, float]) -> dict[str, str]:
        """Put into the row what counters tell; the columns that none tells, and their reasons."""
        missing: dict[str, str] = {}
        # The two thermal counters run at the same time, so their sum would count seconds twice.
        for column, (reason, counters) in _SECONDS_OF.items():
            known = [values[name] for name in counters if name in values]
            row[column] = max(known) / _NANO if known else None
            if len(known) < len(counters) and self._lacks(values, counters):
                row[column] = None
            if not known and not self._may_count(counters):
                missing[column] = reason
        return missing

    def _lacks(self, values: dict[str, float], counters: tuple[str, ...]) -> bool:
        """Whether a counter that answered before did not; the most of the rest may be less."""
        return any(self._fields[name].asked.answered for name in counters if name not in values)

    def _may_count(self, counters: tuple[str, ...]) -> bool:
        """Whether a counter of the device's own is there, and only failed this time."""
        asked = [self._fields[name].asked for name in counters]
        return any(one.off is None or one.answered for one in asked)

    def _integrate(self, bits: int | None, now_ms: int) -> None:
        """A bit seen at one end of the time between two ticks counts half of it."""
        before, self._before = self._before, None if bits is None else (now_ms, bits)
        if bits is None or before is None or not 0 < now_ms - before[0] <= _LONGEST_TICK_MS:
            return
        for reason, _counters in _SECONDS_OF.values():
            mask = REASONS[reason]
            ends = bool(bits & mask) + bool(before[1] & mask)
            seconds = (now_ms - before[0]) / 1e3 * ends / 2
            self._seconds[reason] = self._seconds.get(reason, 0.0) + seconds
