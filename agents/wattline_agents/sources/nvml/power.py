"""Power and energy of one device: which sensor, of what, and whether to believe it.

Power is asked for by mode and scope, and the best there is is taken: of the GPU before that of its
module, of this instant before the average of a second. Energy comes from the hardware's counter;
beside it the integral of power is kept, and their ratio says how far to trust either.
"""

from __future__ import annotations

import ctypes

from wattline_agents.sources.integral import GAP_SECONDS, Integral
from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.fields import Field
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import Asked, Ledger, NvmlFailed, Off
from wattline_agents.sources.nvml.ring import NO_SAMPLES, PowerRing, Samples
from wattline_agents.sources.stale import PAUSE_MS, Standstill

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from wattline_agents.wire import Value

INSTANT, AVERAGE = "power instant", "power average"
MODULE_INSTANT, MODULE_AVERAGE = "module power instant", "module power average"
ENERGY = "energy"

_POWERS = (
    (INSTANT, ids.FIELD_POWER_INSTANT_MILLIWATTS, ids.SCOPE_GPU, "power_watts"),
    (AVERAGE, ids.FIELD_POWER_AVERAGE_MILLIWATTS, ids.SCOPE_GPU, "power_average_watts"),
    (MODULE_INSTANT, ids.FIELD_POWER_INSTANT_MILLIWATTS, ids.SCOPE_MODULE, "module_power_watts"),
    (MODULE_AVERAGE, ids.FIELD_POWER_AVERAGE_MILLIWATTS, ids.SCOPE_MODULE, "power_average_watts"),
)
"""In the order they are preferred for `power_watts`."""

_ALWAYS_INSTANT = ("A100", "A30", "A800", "GA100")
"""GA100, the one Ampere chip whose plain power reading is no one-second average."""
_MODULE_WIDE = ("GH200",)
"""Superchips whose energy counter is that of GPU, processor and memory together."""

_MISSED_TICKS = 3
"""Readings that are further apart than so many ticks say nothing of the time between."""
_RATIO_SECONDS = 30.0
"""Before this much time is covered, the ratio says more of the readings' timing than of either."""
_JOIN_SECONDS = 0.5
"""The integral may lag or lead a tick by this much, as the ring is filled; it evens out."""
_COUNTER_STILL_MS = 10_000
_MOST_WATTS = 10_000.0


class PowerMeter:
    """What one device draws, from one attachment to the next.

    Attributes:
        resets: How often the energy counter began again.
        is_stale: Whether the power sensor stands still.
    """

    def __init__(self, period_seconds: float) -> None:
        """Nothing was read yet; `attach` before `read`.

        Args:
            period_seconds: How far apart readings are to be; some may be missed.
        """
        self.resets = 0
        longest = _MISSED_TICKS * period_seconds
        self._integral = Integral(max(GAP_SECONDS, longest))
        self._standstill = Standstill(max(PAUSE_MS, round(longest * 1000)))
        self._joules: float | None = None
        self._joules_ms = 0
        self._moved_ms: int | None = None
        self._counted = self._integrated = self._both_seconds = 0.0
        self._before: tuple[int, float, float, float] | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the power sensor stands still."""
        return self._standstill.is_stale

    def attach(
        self, library: Library, handle: object, ledger: Ledger, model: str | None
    ) -> list[Field]:
        """Begin (again) with this handle; the fields it wants read at every tick."""
        self._library, self._handle, self._ledger = library, handle, ledger
        self._model = model or ""
        self._is_module_wide = any(chip in self._model for chip in _MODULE_WIDE)
        self._chosen: str | None = None
        self._average = AVERAGE
        self._is_same_scope = False
        self._wants_all = True
        self._ring: PowerRing | None = None
        self._powers = [Field(ledger.ask_for(name, column), number, scope)
                        for name, number, scope, column in _POWERS]  # fmt: skip
        self._plain: Asked | None = None
        self._power_usage = library.function("nvmlDeviceGetPowerUsage")
        self._total_energy = library.function("nvmlDeviceGetTotalEnergyConsumption")
        self._milliwatts, self._millijoules = ctypes.c_uint(0), ctypes.c_ulonglong(0)
        self._milliwatts_ref = ctypes.byref(self._milliwatts)
        self._millijoules_ref = ctypes.byref(self._millijoules)
        self._energy = ledger.ask_for(ENERGY, "energy_joules_total")
        self._energy_field = Field(
            ledger.ask_for("energy field"), ids.FIELD_ENERGY_MILLIJOULES, ids.SCOPE_GPU
        )
        return [self._energy_field, *self._powers]

    @property
    def mode(self) -> str | None:
        """`instant` or `average_1s`; None until power was read."""
        if self._chosen is None:
            return None
        if self._chosen == "plain":
            return "instant" if self._plain_power_is_instant() else "average_1s"
        return "instant" if self._chosen in (INSTANT, MODULE_INSTANT) else "average_1s"

    @property
    def scope(self) -> str | None:
        """`gpu` or `module`; None until power was read."""
        if self._chosen is None:
            return None
        return "module" if self._chosen in (MODULE_INSTANT, MODULE_AVERAGE) else "gpu"

    @property
    def energy_scope(self) -> str | None:
        """`gpu` or `module`; None until energy was read."""
        if self._joules is None:
            return None
        return "module" if self.scope == "module" or self._is_module_wide else "gpu"

    def surplus(self, values: dict[str, float]) -> tuple[str, ...]:
        """Names of fields that need not be asked for any more, now that better ones answered."""
        if self._wants_all and INSTANT in values and MODULE_INSTANT in values:
            self._wants_all = False
            return (MODULE_AVERAGE,)
        return ()

    def read(
        self,
        row: dict[str, Value],
        values: dict[str, float],
        now_ms: int,
        busy: float | None,
        celsius: float | None,
    ) -> None:
        """Put power and energy into the row.

        Args:
            row: The device's row.
            values: What its fields answered.
            now_ms: The tick's time.
            busy: The share of time at work, as far as it is known.
            celsius: The chip's temperature, as far as it is known.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        power = self._power(values, now_ms)
        joules = self._count(values, now_ms)
        samples, least, most = self._samples(now_ms)
        stale = None
        if power is not None:
            stale = self._standstill.look(
                now_ms, int(power), busy=busy, celsius=celsius, joules=joules, alive=least != most
            )
        average = values.get(self._average)
        if stale:
            power = average = least = most = None
            samples = NO_SAMPLES
            self._integral.pause()
            if joules is not None and not self._counter_is_plausible(now_ms):
                joules = None
        module = values.get(MODULE_INSTANT)
        if module is None:
            module = values.get(MODULE_AVERAGE)
        row["power_stale"] = None if stale is None else int(stale)
        row["power_watts"] = None if power is None else power / 1e3
        row["power_average_watts"] = None if average is None else average / 1e3
        row["module_power_watts"] = None if module is None else module / 1e3
        row["power_min_watts"] = None if least is None else least / 1e3
        row["power_max_watts"] = None if most is None else most / 1e3
        row["energy_joules_total"] = joules
        row["energy_resets_total"] = self.resets
        self._integrate(row, power, samples, now_ms)
        self._note_both(joules, now_ms)

    def compare(self, row: dict[str, Value]) -> None:
        """Put the counter's joules over the integral's into the row, if it is time for that."""
        known = self._both_seconds >= _RATIO_SECONDS and self._integrated > 0
        # A millionth is finer than either is right.
        row["energy_counter_over_integral"] = (
            int(self._counted / self._integrated * 1e6 + 0.5) / 1e6 if known else None
        )

    def off_columns(self) -> dict[str, str]:
        """Columns that are empty for reasons of their own, and the reasons."""
        columns = {}
        if self.is_stale:
            names = ("power_watts", "power_average_watts", "power_min_watts", "power_max_watts",
                     "energy_joules_total")  # fmt: skip
            columns = dict.fromkeys(names, Off.STALE)
        if self.energy_scope is not None and self.scope is not None:
            same = self.energy_scope == self.scope
            columns["energy_counter_over_integral"] = Off.NOT_YET if same else Off.OTHER_SCOPE
        return columns

    # Power.

    def _power(self, values: dict[str, float], now_ms: int) -> float | None:
        chosen = self._chosen
        power = None if chosen is None else values.get(chosen)
        if power is None:
            power = self._choose(values, now_ms)
        # No device that answers draws nothing.
        return power if power is not None and power > 0 else None

    def _choose(self, values: dict[str, float], now_ms: int) -> float | None:
        """The best reading there is; settles for it where no better one failed only just now."""
        better_failed = False
        for field in self._powers:
            power = values.get(field.name)
            if power is not None:
                if not better_failed:
                    self._settle_for(field.name)
                # What is chosen already is not mixed with another kind for the sake of one tick.
                return power if self._chosen in (None, field.name) else None
            better_failed |= field.asked.off is Off.FAILED
        if better_failed or any(field.asked.off is None for field in self._powers):
            return None
        if self._plain is None:
            self._plain = self._ledger.ask_for("power", "power_watts")
        if self._plain.wanted(now_ms) and self._plain.took(
            self._power_usage(self._handle, self._milliwatts_ref), now_ms
        ):
            self._settle_for("plain")
            return self._milliwatts.value
        return None

    def _settle_for(self, name: str) -> None:
        self._chosen = name
        module = self.scope == "module"
        self._average = MODULE_AVERAGE if module else AVERAGE
        self._is_same_scope = module or not self._is_module_wide

    def _plain_power_is_instant(self) -> bool:
        try:
            architecture = self._library.call("nvmlDeviceGetArchitecture", self._handle)
        except NvmlFailed:
            return False
        if architecture < ids.ARCHITECTURE_AMPERE:
            return True
        return architecture == ids.ARCHITECTURE_AMPERE and any(
            chip in self._model for chip in _ALWAYS_INSTANT
        )

    def _samples(self, now_ms: int) -> tuple[Samples, int | None, int | None]:
        """Those since the tick before, and the least and the most of them."""
        ring = self._ring
        if ring is None:
            if self._chosen is None:
                return NO_SAMPLES, None, None
            module = self.scope == "module"
            ring = self._ring = PowerRing(
                self._library,
                self._handle,
                ids.SAMPLES_MODULE_POWER if module else ids.SAMPLES_TOTAL_POWER,
                self._ledger.ask_for("power samples", "power_min_watts", "power_max_watts"),
            )
        return ring.drain(now_ms), ring.least, ring.most

    # Energy.

    def _count(self, values: dict[str, float], now_ms: int) -> float | None:
        """The counter in joules; notes when it begins again."""
        millijoules = values.get("energy field")
        if millijoules is None:
            if self._energy_field.asked.off in (None, Off.FAILED):
                return None
            if not self._energy.wanted(now_ms) or not self._energy.took(
                self._total_energy(self._handle, self._millijoules_ref), now_ms
            ):
                return None
            millijoules = self._millijoules.value
        self._energy.answered = True
        joules = millijoules / 1e3
        before = self._joules
        if before is not None and joules < before:
            self.resets += 1
            self._before = None
        if joules != before:
            self._moved_ms = now_ms
            seconds = (now_ms - self._joules_ms) / 1e3
            if before is not None and joules > before + _MOST_WATTS * max(seconds, 1.0):
                self._moved_ms = None
        self._joules, self._joules_ms = joules, now_ms
        return joules

    def _counter_is_plausible(self, now_ms: int) -> bool:
        """Whether it still counts while the power sensor stands still."""
        return self._moved_ms is not None and now_ms - self._moved_ms <= _COUNTER_STILL_MS

    def _integrate(
        self, row: dict[str, Value], power: float | None, samples: Samples, now_ms: int
    ) -> None:
        if samples[0]:
            self._integral.extend(*samples)
        elif power is not None:
            self._integral.add(now_ms * 1000, int(power))
        integral = self._integral
        # Whole millijoules, as the counter has them: digits beyond only cost to be written out.
        row["energy_integral_joules_total"] = (
            int(integral.joules * 1e3) / 1e3 if integral.seconds > 0 else None
        )

    def _note_both(self, joules: float | None, now_ms: int) -> None:
        """Add up counter and integral over the time for which both are known."""
        before, self._before = self._before, None
        if joules is not None and self._is_same_scope:
            integrated, covered = self._integral.joules, self._integral.seconds
            self._before = now_ms, joules, integrated, covered
            if before is not None:
                before_ms, before_joules, before_integrated, before_covered = before
                covered -= before_covered
                if -_JOIN_SECONDS <= covered - (now_ms - before_ms) / 1e3 <= _JOIN_SECONDS:
                    self._counted += joules - before_joules
                    self._integrated += integrated - before_integrated
                    self._both_seconds += covered
