"""What moves slowly: memory, heat and clocks every five seconds, health once a minute.

Each class reads one device; what it read stands in the row until it is read again.
"""

from __future__ import annotations

import ctypes
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.fields import Field, Fields
from wattline_agents.sources.nvml.library import Function, Library
from wattline_agents.sources.nvml.memory import Memory
from wattline_agents.sources.nvml.off import Asked, Ledger, Off, why_off

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattline_agents.wire import Value

TEMPERATURE = Struct("=IIi")
"""c_nvmlTemperature_v1_t: version, sensor, degrees."""
MARGIN = Struct("=Ii")
"""c_nvmlMarginTemperature_v1_t: version, degrees."""

REASONS = {
    "power_cap": ids.REASON_SW_POWER_CAP,
    "thermal": ids.REASON_SW_THERMAL | ids.REASON_HW_THERMAL,
    "power_brake": ids.REASON_HW_POWER_BRAKE,
    "sync_boost": ids.REASON_SYNC_BOOST,
}
"""Why clocks are held back, and the bits that say so."""

_MEMORY_POWER = ("memory power instant", "memory power average")
_NVLINK = ("nvlink transmit", "nvlink receive")
_NVLINK5 = ("nvlink 5 transmit", "nvlink 5 receive")
_PCIE = ("pcie transmit", "pcie receive")
_KIBI = 1024
_WRAPS_AT = 1 << 32
_MOST_COUNT = 1 << 63


class Number:
    """One function that gives one unsigned number."""

    __slots__ = ("_arguments", "_asked", "_function", "_value")

    def __init__(self, function: Function, asked: Asked, handle: object, *more: int) -> None:
        """Of this device, with these further arguments before the number's place."""
        self._function, self._asked = function, asked
        self._value = ctypes.c_uint(0)
        self._arguments = (handle, *more, ctypes.byref(self._value))

    def read(self, now_ms: int) -> int | None:
        """The number; None where there is none.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        asked = self._asked
        if not asked.wanted(now_ms) or not asked.took(self._function(*self._arguments), now_ms):
            return None
        return self._value.value


class Reasons:
    """Why the clocks are held back at this moment."""

    def __init__(self, library: Library, handle: object, ledger: Ledger) -> None:
        """Nothing is read yet."""
        self._asked = ledger.ask_for(
            "throttle reasons", *(f"throttle_{reason}_active" for reason in REASONS)
        )
        self._function = library.function("nvmlDeviceGetCurrentClocksEventReasons")
        self._old = library.function("nvmlDeviceGetCurrentClocksThrottleReasons")
        self._handle = handle
        self._bits = ctypes.c_ulonglong(0)
        self._bits_ref = ctypes.byref(self._bits)

    def read(self, now_ms: int) -> int | None:
        """The bits; None where they cannot be told.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if not self._asked.wanted(now_ms):
            return None
        code = self._function(self._handle, self._bits_ref)
        if code == ids.FUNCTION_NOT_FOUND:
            self._function = self._old
            code = self._function(self._handle, self._bits_ref)
        return self._bits.value if self._asked.took(code, now_ms) else None


class Temperature:
    """The temperature of the chip, by the newest function the driver has."""

    def __init__(self, library: Library, handle: object, ledger: Ledger) -> None:
        """Nothing is read yet."""
        self._asked = ledger.ask_for("temperature", "temperature_celsius")
        self._new = library.function("nvmlDeviceGetTemperatureV")
        self._old = Number(
            library.function("nvmlDeviceGetTemperature"), self._asked, handle, ids.TEMPERATURE_GPU
        )
        self._handle = handle
        self._buffer = ctypes.create_string_buffer(
            TEMPERATURE.pack(ids.TEMPERATURE_V1, ids.TEMPERATURE_GPU, 0), TEMPERATURE.size
        )
        self._is_old = False

    def read(self, now_ms: int) -> int | None:
        """Degrees Celsius; None where there are none.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if not self._asked.wanted(now_ms):
            return None
        if not self._is_old:
            code = self._new(self._handle, self._buffer)
            if code == ids.SUCCESS or why_off(code) is not Off.OLD_DRIVER:
                if not self._asked.took(code, now_ms):
                    return None
                return int(TEMPERATURE.unpack(self._buffer)[2])
            self._is_old = True
        return self._old.read(now_ms)


class Slow:
    """What is read of a device every five seconds.

    Attributes:
        counted: Columns of bytes that the device's own counters fill.
    """

    def __init__(
        self, library: Library, handle: object, ledger: Ledger, more: Sequence[Field] = ()
    ) -> None:
        """Nothing is read yet.

        Args:
            library: The open library.
            handle: The device.
            ledger: What it is asked for.
            more: Fields to be read along, for others.
        """
        self._ledger = ledger
        self.counted: set[str] = set()
        self._fields = Fields(library, handle, ledger, [*_slow_fields(ledger), *more])
        self._has_settled = False
        self._pcie_before: tuple[float, float] | None = None
        self._memory = Memory(
            library,
            handle,
            ledger.ask_for(
                "memory", "memory_used_bytes", "memory_size_bytes", "memory_reserved_bytes"
            ),
        )
        self._temperature = Temperature(library, handle, ledger)
        self._margin_asked = ledger.ask_for("temperature margin", "temperature_margin_celsius")
        self._margin = library.function("nvmlDeviceGetMarginTemperature")
        self._margin_buffer = ctypes.create_string_buffer(
            MARGIN.pack(ids.MARGIN_TEMPERATURE_V1, 0), MARGIN.size
        )
        self._handle = handle
        clock = library.function("nvmlDeviceGetClockInfo")
        self._sm_clock = Number(
            clock, ledger.ask_for("sm clock", "sm_clock_hertz"), handle, ids.CLOCK_SM
        )
        self._memory_clock = Number(
            clock, ledger.ask_for("memory clock", "memory_clock_hertz"), handle, ids.CLOCK_MEMORY
        )
        self._state = Number(
            library.function("nvmlDeviceGetPerformanceState"),
            ledger.ask_for("performance state", "performance_state"),
            handle,
        )

    def read(self, row: dict[str, Value], now_ms: int, *, reset: bool) -> dict[str, float]:
        """Put them into the row; returns what the fields answered, by name.

        Args:
            row: The device's row.
            now_ms: The tick's time.
            reset: Whether the device's counters began again since the reading before.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        values = self._fields.read(now_ms)
        self._settle(values)
        power = values.get(_MEMORY_POWER[0], values.get(_MEMORY_POWER[1]))
        row["memory_power_watts"] = None if power is None else power / 1e3
        row["memory_temperature_celsius"] = values.get("memory temperature") or None
        self._read_links(row, values, now_ms, reset)
        memory = self._memory.read(now_ms) or (None, None, None)
        row["memory_used_bytes"], row["memory_size_bytes"], row["memory_reserved_bytes"] = memory
        row["temperature_celsius"] = self._temperature.read(now_ms)
        row["temperature_margin_celsius"] = self._read_margin(now_ms)
        row["sm_clock_hertz"] = _times(self._sm_clock.read(now_ms), 1e6)
        row["memory_clock_hertz"] = _times(self._memory_clock.read(now_ms), 1e6)
        state = self._state.read(now_ms)
        row["performance_state"] = (
            state if state is not None and state <= ids.MOST_PERFORMANCE_STATE else None
        )
        return values

    def _settle(self, values: dict[str, float]) -> None:
        """Of two fields for the same thing, ask on only for the better that answered."""
        if self._has_settled or not values:
            return
        self._has_settled = True
        for better, worse in ((_MEMORY_POWER[:1], _MEMORY_POWER[1:]), (_NVLINK, _NVLINK5)):
            if all(name in values for name in better):
                self._fields.forget(*worse)
            elif all(name in values for name in worse):
                self._fields.forget(*better)
        if values.get("memory temperature") == 0:
            # Boards without the sensor answer 0 and call it a success; no memory is so cold.
            self._give_up("memory temperature", Off.NOT_SUPPORTED)

    def _give_up(self, name: str, off: str) -> None:
        """A field that answers, and not with what it should."""
        self._fields.drop(name)
        self._ledger.ask_for(name).switch_off(off)

    def _read_links(
        self, row: dict[str, Value], values: dict[str, float], now_ms: int, reset: bool
    ) -> None:
        sent, received = (values.get(name) for name in _NVLINK)
        if sent is None or received is None:
            sent, received = (values.get(name) for name in _NVLINK5)
        else:
            sent, received = sent * _KIBI, received * _KIBI
        self._count(row, "nvlink", sent, received)
        sent, received = (values.get(name) for name in _PCIE)
        if sent is not None and received is not None:
            before, self._pcie_before = self._pcie_before, (sent, received)
            if before is not None and not reset and _began_again(before, (sent, received)):
                for name in _PCIE:
                    self._give_up(name, Off.WRAPS)
                sent = received = None
                self.counted -= {"pcie_transmit_bytes_total", "pcie_receive_bytes_total"}
                row["pcie_transmit_bytes_total"] = row["pcie_receive_bytes_total"] = None
        self._count(row, "pcie", sent, received)

    def _count(
        self, row: dict[str, Value], link: str, sent: float | None, received: float | None
    ) -> None:
        for direction, value in (("transmit", sent), ("receive", received)):
            column = f"{link}_{direction}_bytes_total"
            if value is not None:
                self.counted.add(column)
                row[column] = whole(value)
            elif column in self.counted or column not in row:
                # What is made of rates is another count, and does not stand in for a while.
                row[column] = None

    def _read_margin(self, now_ms: int) -> int | None:
        asked = self._margin_asked
        if not asked.wanted(now_ms) or not asked.took(
            self._margin(self._handle, self._margin_buffer), now_ms
        ):
            return None
        return int(MARGIN.unpack(self._margin_buffer)[1])


def _slow_fields(ledger: Ledger) -> list[Field]:
    def field(name: str, number: int, scope: int, column: str) -> Field:
        return Field(ledger.ask_for(name, column), number, scope)

    links = ids.SCOPE_ALL_LINKS
    sent, received = "nvlink_transmit_bytes_total", "nvlink_receive_bytes_total"
    power = "memory_power_watts"
    return [
        field("memory temperature", ids.FIELD_MEMORY_TEMPERATURE_CELSIUS, 0,
              "memory_temperature_celsius"),
        field(_MEMORY_POWER[0], ids.FIELD_POWER_INSTANT_MILLIWATTS, ids.SCOPE_MEMORY, power),
        field(_MEMORY_POWER[1], ids.FIELD_POWER_AVERAGE_MILLIWATTS, ids.SCOPE_MEMORY, power),
        field(_NVLINK[0], ids.FIELD_NVLINK_TRANSMIT_KIBIBYTES, links, sent),
        field(_NVLINK[1], ids.FIELD_NVLINK_RECEIVE_KIBIBYTES, links, received),
        field(_NVLINK5[0], ids.FIELD_NVLINK5_TRANSMIT_BYTES, links, sent),
        field(_NVLINK5[1], ids.FIELD_NVLINK5_RECEIVE_BYTES, links, received),
        field(_PCIE[0], ids.FIELD_PCIE_TRANSMIT_BYTES, 0, "pcie_transmit_bytes_total"),
        field(_PCIE[1], ids.FIELD_PCIE_RECEIVE_BYTES, 0, "pcie_receive_bytes_total"),
    ]  # fmt: skip


def _began_again(before: tuple[float, float], now: tuple[float, float]) -> bool:
    """Whether a counter of 32 bits ran over; at the speed of PCI Express that takes a blink."""
    return any(b > n and b < _WRAPS_AT for b, n in zip(before, now, strict=True))


def whole(value: float) -> int | None:
    """A count as a column holds it; None for what is none, such as all bits set."""
    return int(value) if 0 <= value < _MOST_COUNT else None


def _times(value: int | None, factor: float) -> float | None:
    return None if value is None else value * factor
