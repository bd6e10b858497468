"""One GPU: what it can be asked, and its row at one time.

Calls to the driver are what sampling costs, so a tick makes two or three: one for all fields, one
for utilisation, and GPM where there is. What moves slowly is read every five or sixty seconds, as
the catalogue declares, and its last value stands until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.gpm import COLUMNS as GPM_COLUMNS
from wattline_agents.sources.nvml.gpm import Gpm
from wattline_agents.sources.nvml.library import Capability, Library, NvmlFailed, Off, why_off
from wattline_agents.wire import Row, Value

_SLOW_MS = 5_000
_STATIC_MS = 60_000
_REFUSED_MS = 300_000
"""Permissions change when an administrator acts: ask again after minutes, not every tick. So too
what answered once: it is there, whatever the driver says of it now."""
_LONGEST_TICK_MS = 15_000
"""Over a longer pause the bits read at both ends say nothing about the time between."""

_POWER_FIELDS = (
    (ids.FIELD_POWER_INSTANT_MILLIWATTS, ids.SCOPE_GPU),
    (ids.FIELD_POWER_INSTANT_MILLIWATTS, ids.SCOPE_MODULE),
    (ids.FIELD_POWER_AVERAGE_MILLIWATTS, ids.SCOPE_GPU),
    (ids.FIELD_POWER_AVERAGE_MILLIWATTS, ids.SCOPE_MODULE),
)
"""In the order they are preferred."""

_COUNTER_FIELDS = {
    (ids.FIELD_ENERGY_MILLIJOULES, 0): "energy",
    (ids.FIELD_THROTTLE_POWER_CAP_NS, 0): "throttle power_cap",
    (ids.FIELD_THROTTLE_SW_THERMAL_NS, 0): "throttle thermal (software)",
    (ids.FIELD_THROTTLE_HW_THERMAL_NS, 0): "throttle thermal (hardware)",
    (ids.FIELD_THROTTLE_POWER_BRAKE_NS, 0): "throttle power_brake",
}

_REASONS = {
    "power_cap": ids.REASON_SW_POWER_CAP,
    "thermal": ids.REASON_SW_THERMAL | ids.REASON_HW_THERMAL,
    "power_brake": ids.REASON_HW_POWER_BRAKE,
}

_ALWAYS_INSTANT = ("A100", "A30", "A800", "GA100")
"""GA100, the one Ampere chip whose plain power reading is no one-second average."""

_FieldKey = tuple[int, int]


class Device:
    """One GPU, known by its UUID for as long as the agent runs."""

    def __init__(self, library: Library, handle: Any, uuid: str, index: int) -> None:
        """Take a handle of an open library."""
        self.uuid = uuid
        self.errors = 0
        self._library = library
        self.attach(handle, index)

    def attach(self, handle: Any, index: int) -> None:
        """Begin (again) with this handle: what was found out about the old one is forgotten."""
        self.index = index
        self.is_lost = False
        self._answered = False
        self._handle = handle
        self._off: dict[str, Off] = {}
        self._known: set[str] = set()
        self._ask_again_ms: dict[str, int] = {}
        self._power_fields = list(_POWER_FIELDS)
        self._counter_fields = dict(_COUNTER_FIELDS)
        self._gpm: Gpm | None = None
        self._kept: dict[str, Value] = {}
        self._read_ms: dict[str, int] = {}
        self._throttled: dict[str, float] = {}
        self._reasons: tuple[int, int] | None = None
        self.model = self._ask("name", 0, lambda: self._library.text("nvmlDeviceGetName", handle))
        pci = self._ask("pci", 0, lambda: self._library.call("nvmlDeviceGetPciInfo", handle))
        self.pci = None if pci is None else _text(pci.busId)

    def detach(self) -> None:
        """Give back what it holds, while the library is still open."""
        if self._gpm is not None:
            self._gpm.close()
            self._gpm = None

    @property
    def power_mode(self) -> str | None:
        """`instant` or `average_1s`; None until power was read once."""
        if "power" not in self._known:
            return None
        if self._power_fields:
            instant = self._power_fields[0][0] == ids.FIELD_POWER_INSTANT_MILLIWATTS
            return "instant" if instant else "average_1s"
        return "instant" if self._plain_power_is_instant() else "average_1s"

    @property
    def power_scope(self) -> str | None:
        """`gpu` or `module`; None until power was read once."""
        if "power" not in self._known:
            return None
        module = bool(self._power_fields) and self._power_fields[0][1] == ids.SCOPE_MODULE
        return "module" if module else "gpu"

    def capabilities(self) -> list[Capability]:
        """What can be read and what cannot, and why."""
        return [
            Capability(self.uuid, name, self._off.get(name))
            for name in sorted(self._known | self._off.keys())
        ]

    def read(self, now_ms: int) -> Row:
        """Its row of `device`: readings in base units, null where there is none.

        Raises:
            NvmlFailed: The driver is gone, and every device with it.
        """
        if self.is_lost:
            return self.lost_row(now_ms)
        readings: dict[str, Value] = {}
        errors, self._answered = self.errors, False
        try:
            self._read_fields(readings, now_ms)
            self._read_utilisation(readings, now_ms)
            self._read_gpm(readings, now_ms)
            self._read_slow(now_ms)
        except NvmlFailed as error:
            if error.driver_gone:
                raise
            self.is_lost = True
            self.errors += 1
            return self.lost_row(now_ms)
        readings |= self._kept
        if not self._answered and self.errors > errors:
            # Everything that was asked failed: a device that answers nothing is not up.
            return self.lost_row(now_ms)
        return {
            "time_unix_ms": now_ms,
            "device": self.uuid,
            "up": 1,
            **readings,
            "read_errors_total": self.errors,
        }

    def lost_row(self, now_ms: int) -> Row:
        """Its row while it does not answer."""
        return {"time_unix_ms": now_ms, "device": self.uuid, "up": 0}

    def _ask(self, capability: str, now_ms: int, question: Callable[[], Any]) -> Any:
        """The answer, or None; what was never supported is never asked again.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if capability in self._off and now_ms < self._ask_again_ms.get(capability, now_ms + 1):
            return None
        try:
            answer = question()
        except NvmlFailed as error:
            if error.device_gone or error.driver_gone:
                raise
            self._set_off(capability, error.off, now_ms)
            return None
        self._answered = True
        self._off.pop(capability, None)
        self._known.add(capability)
        return answer

    def _set_off(self, capability: str, off: Off, now_ms: int) -> None:
        self._off[capability] = off
        if off is Off.FAILED:
            self.errors += 1
            self._ask_again_ms[capability] = now_ms
        elif off is Off.NO_PERMISSION or capability in self._known:
            self._ask_again_ms[capability] = now_ms + _REFUSED_MS

    # Every tick: energy, power and throttling in one call, utilisation, GPM.

    def _read_fields(self, readings: dict[str, Value], now_ms: int) -> None:
        values = self._field_values(now_ms)
        power = next((values[key] for key in self._power_fields if key in values), None)
        if power is None and not self._power_fields:
            power = self._ask(
                "power", now_ms, lambda: self._library.call("nvmlDeviceGetPowerUsage", self._handle)
            )
        if power is not None:
            readings["power_watts"] = power / 1e3
        energy = values.get((ids.FIELD_ENERGY_MILLIJOULES, 0))
        if energy is None and (ids.FIELD_ENERGY_MILLIJOULES, 0) not in self._counter_fields:
            energy = self._ask(
                "energy",
                now_ms,
                lambda: self._library.call("nvmlDeviceGetTotalEnergyConsumption", self._handle),
            )
        if energy is not None:
            readings["energy_joules_total"] = energy / 1e3
        self._read_throttling(readings, values, now_ms)

    def _field_values(self, now_ms: int) -> dict[_FieldKey, float]:
        """The fields that answered, after dropping for good those that never will."""
        wanted = [*self._power_fields, *self._counter_fields]
        answers = self._ask(
            "fields",
            now_ms,
            lambda: self._library.call("nvmlDeviceGetFieldValues", self._handle, wanted),
        )
        if answers is None:
            if self._off.get("fields") in (Off.NOT_SUPPORTED, Off.OLD_DRIVER):
                self._power_fields, self._counter_fields = [], {}
            return {}
        found: dict[_FieldKey, float] = {}
        for key, answer in zip(wanted, answers, strict=False):
            if answer.nvmlReturn == ids.SUCCESS:
                member = ids.VALUE_MEMBERS.get(answer.valueType)
                if member is not None:
                    found[key] = float(getattr(answer.value, member))
                continue
            failed = NvmlFailed(answer.nvmlReturn, f"field {key[0]}", "refused")
            if failed.device_gone or failed.driver_gone:
                raise failed
            self._drop_field(key, why_off(answer.nvmlReturn), now_ms)
        self._settle_power(found)
        for key, capability in self._counter_fields.items():
            if key in found:
                self._off.pop(capability, None)
                self._known.add(capability)
        return found

    def _drop_field(self, key: _FieldKey, off: Off, now_ms: int) -> None:
        if off is Off.FAILED:
            self.errors += 1
        elif key in self._power_fields:
            self._power_fields.remove(key)
        elif self._counter_fields.pop(key) != "energy":  # which has a call of its own besides
            self._set_off(_COUNTER_FIELDS[key], off, now_ms)

    def _settle_power(self, found: dict[_FieldKey, float]) -> None:
        """Ask from now on only for the most preferred power that answered.

        Those refused were dropped, so the first is the most preferred there is; where only this
        reading of it failed, it is too early to settle for another.
        """
        if self._power_fields and self._power_fields[0] in found:
            del self._power_fields[1:]
            self._known.add("power")

    def _read_throttling(
        self, readings: dict[str, Value], values: dict[_FieldKey, float], now_ms: int
    ) -> None:
        thermal = [
            values[key]
            for key in (
                (ids.FIELD_THROTTLE_SW_THERMAL_NS, 0),
                (ids.FIELD_THROTTLE_HW_THERMAL_NS, 0),
            )
            if key in values
        ]
        counted = {
            "power_cap": values.get((ids.FIELD_THROTTLE_POWER_CAP_NS, 0)),
            # The two thermal counters run at the same time, so their sum would count seconds twice.
            "thermal": max(thermal, default=None),
            "power_brake": values.get((ids.FIELD_THROTTLE_POWER_BRAKE_NS, 0)),
        }
        integrated: dict[str, float] | None = None
        for reason, nanoseconds in counted.items():
            seconds = None if nanoseconds is None else nanoseconds / 1e9
            if seconds is None and not self._has_counter(reason):
                if integrated is None:
                    integrated = self._integrate_reasons(now_ms)
                seconds = integrated.get(reason)
            readings[f"throttle_{reason}_seconds_total"] = seconds

    def _has_counter(self, reason: str) -> bool:
        prefix = f"throttle {reason}"
        return any(name.startswith(prefix) for name in self._counter_fields.values())

    def _integrate_reasons(self, now_ms: int) -> dict[str, float]:
        """Seconds per reason, from the bits at this tick and the one before.

        A bit seen at one end of the time between counts half of it.
        """
        bits = self._ask(
            "throttle reasons",
            now_ms,
            lambda: self._library.call("nvmlDeviceGetCurrentClocksEventReasons", self._handle),
        )
        before, self._reasons = self._reasons, None if bits is None else (now_ms, int(bits))
        if bits is None:
            return {}
        for reason, mask in _REASONS.items():
            total = self._throttled.get(reason, 0.0)
            if before is not None and 0 < now_ms - before[0] <= _LONGEST_TICK_MS:
                ends = bool(bits & mask) + bool(before[1] & mask)
                total += (now_ms - before[0]) / 1e3 * ends / 2
            self._throttled[reason] = total
        return dict(self._throttled)

    def _read_utilisation(self, readings: dict[str, Value], now_ms: int) -> None:
        rates = self._ask(
            "utilisation",
            now_ms,
            lambda: self._library.call("nvmlDeviceGetUtilizationRates", self._handle),
        )
        if rates is not None:
            readings["busy_ratio"] = rates.gpu / 100
            readings["memory_busy_ratio"] = rates.memory / 100

    def _read_gpm(self, readings: dict[str, Value], now_ms: int) -> None:
        ratios = self._ask("gpm", now_ms, self._gpm_ratios)
        if ratios:
            readings |= {column: ratios.get(column) for column in GPM_COLUMNS.values()}

    def _gpm_ratios(self) -> dict[str, float]:
        if self._gpm is None:
            self._gpm = Gpm(self._library, self._handle)
        return self._gpm.read()

    # Every few seconds, or once a minute; the last value stands until then.

    def _read_slow(self, now_ms: int) -> None:
        if self._due("slow", _SLOW_MS, now_ms):
            self._keep_memory(now_ms)
            self._keep("temperature_celsius", now_ms, self._temperature, 1)
            self._keep("memory_temperature_celsius", now_ms, self._memory_temperature, 1)
            self._keep_clock("sm_clock_hertz", ids.CLOCK_SM, now_ms)
            self._keep_clock("memory_clock_hertz", ids.CLOCK_MEMORY, now_ms)
        if self._due("static", _STATIC_MS, now_ms):
            self._keep(
                "power_limit_watts",
                now_ms,
                lambda: self._library.call("nvmlDeviceGetEnforcedPowerLimit", self._handle),
                1e-3,
            )

    def _due(self, tier: str, every_ms: int, now_ms: int) -> bool:
        last = self._read_ms.get(tier)
        # A clock set back must not stop the tier until it has caught up.
        if last is not None and last <= now_ms < last + every_ms:
            return False
        self._read_ms[tier] = now_ms
        return True

    def _keep(self, column: str, now_ms: int, question: Callable[[], Any], factor: float) -> None:
        value = self._ask(column, now_ms, question)
        self._kept[column] = None if value is None else value * factor

    def _keep_clock(self, column: str, clock: int, now_ms: int) -> None:
        self._keep(
            column,
            now_ms,
            lambda: self._library.call("nvmlDeviceGetClockInfo", self._handle, clock),
            1e6,
        )

    def _keep_memory(self, now_ms: int) -> None:
        memory = self._ask("memory", now_ms, self._memory)
        self._kept["memory_used_bytes"] = None if memory is None else int(memory.used)
        self._kept["memory_size_bytes"] = None if memory is None else int(memory.total)

    def _memory(self) -> Any:
        """Version 2 leaves out what the driver keeps for itself; older drivers have only 1."""
        try:
            return self._library.call("nvmlDeviceGetMemoryInfo", self._handle, ids.MEMORY_INFO_V2)
        except NvmlFailed as error:
            if error.off is not Off.OLD_DRIVER:
                raise
            return self._library.call("nvmlDeviceGetMemoryInfo", self._handle)

    def _temperature(self) -> Any:
        """The plain function is deprecated, and on older drivers the only one."""
        try:
            return self._library.call(
                "nvmlDeviceGetTemperatureV", self._handle, ids.TEMPERATURE_GPU
            )
        except NvmlFailed as error:
            if error.off is not Off.OLD_DRIVER:
                raise
            return self._library.call("nvmlDeviceGetTemperature", self._handle, ids.TEMPERATURE_GPU)

    def _memory_temperature(self) -> Any:
        field = ids.FIELD_MEMORY_TEMPERATURE_CELSIUS
        (answer,) = self._library.call("nvmlDeviceGetFieldValues", self._handle, [field])
        if answer.nvmlReturn != ids.SUCCESS:
            raise NvmlFailed(answer.nvmlReturn, f"field {field}", "refused")
        # Boards without the sensor answer 0 and call it a success; no memory at work is that cold.
        value = getattr(answer.value, ids.VALUE_MEMBERS.get(answer.valueType, "uiVal"))
        if value == 0:
            raise NvmlFailed(ids.NOT_SUPPORTED, f"field {field}", "no sensor")
        return value

    def _plain_power_is_instant(self) -> bool:
        try:
            architecture = self._library.call("nvmlDeviceGetArchitecture", self._handle)
        except NvmlFailed:
            return False
        if architecture < ids.ARCHITECTURE_AMPERE:
            return True
        model = self.model or ""
        return architecture == ids.ARCHITECTURE_AMPERE and any(
            chip in model for chip in _ALWAYS_INSTANT
        )


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
