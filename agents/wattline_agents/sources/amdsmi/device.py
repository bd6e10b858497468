"""One processor as the library lists them: a GPU, a die of a module, or a partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wattline_agents.sources.amdsmi.counters import Energy, Throttling
from wattline_agents.sources.amdsmi.figures import (
    MIB,
    RESIDENCIES,
    VIOLATIONS,
    most,
    number_of,
    pages_of,
    put_plain,
    resolution,
    text_of,
    whole_of,
)
from wattline_agents.sources.amdsmi.library import AmdFailed, call
from wattline_agents.wire import Row, Value

_SLOW_MS = 5_000
_STATIC_MS = 60_000
_REFUSED_MS = 300_000
"""What may not be read changes when an administrator acts."""
_PAIRED = ("MI250",)
"""Names of cards whose modules hold two dies."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "metrics": ("temperature_celsius", "sm_clock_hertz", "memory_clock_hertz"),
    "activity": ("busy_ratio", "memory_busy_ratio"),
    "power": ("power_watts",),
    "energy": ("energy_joules_total",),
    "violations": tuple(f"throttle_{reason}_seconds_total" for reason in VIOLATIONS),
    "memory": ("memory_used_bytes", "memory_size_bytes"),
    "ecc": ("ecc_corrected_volatile_total", "ecc_uncorrected_volatile_total"),
    "bad pages": ("row_remaps_uncorrected", "row_remap_pending", "row_remap_failed"),
    "limits": ("power_limit_watts", "power_limit_default_watts"),
}
"""What is asked for -> the columns it gives, where that is not the column of the same name."""


@dataclass(slots=True)
class Device:
    """One processor as the library lists them: a GPU, a die, or a partition."""

    uuid: str
    handle: Any
    pci: str
    index: int
    partition: int = 0
    identity: dict[str, Value] = field(default_factory=dict)
    shares_socket: bool = False
    is_paired: bool = False
    module: str | None = None
    mode: str | None = None
    has_energy: bool = False
    resolution_uj: float | None = None
    energy: Energy = field(default_factory=Energy)
    throttling: Throttling = field(default_factory=Throttling)
    kept: dict[str, Value] = field(default_factory=dict)
    read_ms: dict[str, int] = field(default_factory=dict)
    off: dict[str, tuple[str, int]] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)
    errors: int = 0
    is_lost: bool = False
    _answered: bool = False

    @property
    def scope(self) -> str:
        """Of what its power and energy are."""
        return "module" if self.is_paired or self.shares_socket else "gpu"

    @property
    def meters(self) -> bool:
        """Whether a meter is this device's at all: a later partition has none."""
        return self.partition == 0

    @property
    def has_two_dies(self) -> bool:
        """Whether its module holds another die."""
        model = self.identity.get("model")
        return isinstance(model, str) and any(name in model for name in _PAIRED)

    def attach(self, smi: Any, handle: Any, pci: str, index: int) -> None:
        """Begin (again) with this handle: what was found out about the old one is forgotten."""
        self.handle, self.pci, self.index, self.is_lost = handle, pci, index, False
        self.off.clear()
        self.read_ms.clear()
        self.identity = _identity(smi, handle)

    def read(self, smi: Any, now_ms: int, at: float) -> Row:
        """Its row of `device`: readings in base units, null where there is none.

        Args:
            smi: The library.
            now_ms: The row's time.
            at: The same in seconds that never run backwards.

        Raises:
            AmdFailed: The device or the driver is gone.
        """
        row: dict[str, Value] = {"time_unix_ms": now_ms, "device": self.uuid, "up": 1}
        self.why_not, self._answered, errors = {}, False, self.errors
        metrics = self._metrics(smi, now_ms)
        put_plain(row, metrics, self.meters)
        self._put_power(smi, row, metrics, now_ms)
        self._put_energy(smi, row, metrics, at, now_ms)
        self._note_throttling(smi, metrics, at, now_ms)
        self._read_slow(smi, row, now_ms)
        for column, value in self.kept.items():
            row.setdefault(column, value)
        for reason, seconds in self.throttling.seconds.items():
            row[f"throttle_{reason}_seconds_total"] = seconds
        for reason, active in self.throttling.active.items():
            row[f"throttle_{reason}_active"] = int(active)
        if not self._answered and self.errors > errors:
            # Everything that was asked failed: a device that answers nothing is not up.
            return self.lost_row(now_ms)
        row["read_errors_total"] = self.errors
        for what, (reason, _) in self.off.items():
            self._say_why(what, reason)
        self.why_not = {c: why for c, why in self.why_not.items() if row.get(c) is None}
        return row

    def lost_row(self, now_ms: int) -> Row:
        """Its row while it does not answer."""
        return {
            "time_unix_ms": now_ms,
            "device": self.uuid,
            "up": 0,
            "read_errors_total": self.errors,
        }

    def _metrics(self, smi: Any, now_ms: int) -> Mapping[str, Any]:
        found = self.ask(smi, "metrics", now_ms, "amdsmi_get_gpu_metrics_info")
        if isinstance(found, Mapping):
            return found
        # Older cards have no table of metrics; a few figures have calls of their own.
        activity = self.ask(smi, "activity", now_ms, "amdsmi_get_gpu_activity")
        if not isinstance(activity, Mapping):
            return {}
        return {
            "average_gfx_activity": activity.get("gfx_activity"),
            "average_umc_activity": activity.get("umc_activity"),
        }

    def _put_power(
        self, smi: Any, row: dict[str, Value], metrics: Mapping[str, Any], now_ms: int
    ) -> None:
        if not self.meters:
            self.why_not["power_watts"] = "the first partition of this socket meters for all"
            self.why_not["energy_joules_total"] = self.why_not["power_watts"]
            return
        current = number_of(metrics.get("current_socket_power"))
        average = number_of(metrics.get("average_socket_power"))
        if not current and not average:
            told = self.ask(smi, "power", now_ms, "amdsmi_get_power_info")
            if isinstance(told, Mapping):
                current = number_of(told.get("current_socket_power"))
                average = number_of(told.get("average_socket_power"))
        # At 0 W nothing runs that could be asked: it means "not measured here".
        watts, mode = (current, "instant") if current else (average, "average")
        if watts and watts < 10_000:
            self.mode = mode
            row["power_watts"] = watts
        elif self.is_paired:
            self.why_not["power_watts"] = "the other die of this module meters for both"

    def _put_energy(
        self,
        smi: Any,
        row: dict[str, Value],
        metrics: Mapping[str, Any],
        at: float,
        now_ms: int,
    ) -> None:
        if not self.meters:
            return
        raw = whole_of(metrics.get("energy_accumulator"))
        if raw is None or self.resolution_uj is None:
            told = self.ask(smi, "energy", now_ms, "amdsmi_get_energy_count")
            if not isinstance(told, Mapping):
                return
            # The key was `power` before ROCm 6.2.1.
            counted = whole_of(told.get("energy_accumulator", told.get("power")))
            self.resolution_uj = resolution(told.get("counter_resolution"))
            raw = counted if raw is None else raw
        if not raw or self.resolution_uj is None:
            if self.is_paired:
                self.why_not["energy_joules_total"] = "the other die of this module meters for both"
            return
        watts = row.get("power_watts")
        if not self.energy.note(raw, at, watts if isinstance(watts, float) else None):
            self.why_not["energy_joules_total"] = "the counter stands still while power is drawn"
            return
        self.has_energy = True
        row["energy_resets_total"] = self.energy.resets
        row["energy_joules_total"] = raw * self.resolution_uj / 1e6

    def _note_throttling(
        self, smi: Any, metrics: Mapping[str, Any], at: float, now_ms: int
    ) -> None:
        ticks = number_of(metrics.get("accumulation_counter"))
        counts = most(metrics, RESIDENCIES)
        if ticks is None or not counts:
            if not self._due("violations", _SLOW_MS, now_ms):
                return
            told = self.ask(smi, "violations", now_ms, "amdsmi_get_violation_status")
            if not isinstance(told, Mapping):
                self.throttling.active = {}
                return
            ticks, counts = number_of(told.get("acc_counter")), most(told, VIOLATIONS)
        if ticks is not None and counts:
            self.throttling.note(ticks, counts, at)

    def _read_slow(self, smi: Any, row: Row, now_ms: int) -> None:
        if self._due("slow", _SLOW_MS, now_ms):
            vram = self.ask(smi, "memory", now_ms, "amdsmi_get_gpu_vram_usage")
            if isinstance(vram, Mapping):
                self._keep("memory_used_bytes", whole_of(vram.get("vram_used")), MIB)
                self._keep("memory_size_bytes", whole_of(vram.get("vram_total")) or None, MIB)
        if not self._due("static", _STATIC_MS, now_ms):
            return
        ecc = self.ask(smi, "ecc", now_ms, "amdsmi_get_gpu_total_ecc_count")
        if isinstance(ecc, Mapping):
            self._keep("ecc_corrected_volatile_total", whole_of(ecc.get("correctable_count")))
            self._keep("ecc_uncorrected_volatile_total", whole_of(ecc.get("uncorrectable_count")))
        pages = self.ask(smi, "bad pages", now_ms, "amdsmi_get_gpu_bad_page_info")
        if isinstance(pages, list):
            self.kept |= pages_of(pages)
        if not self.meters:
            return
        limits = self.ask(smi, "limits", now_ms, "amdsmi_get_power_cap_info")
        if isinstance(limits, Mapping):
            for column, key in (
                ("power_limit_watts", "power_cap"),
                ("power_limit_default_watts", "default_power_cap"),
            ):
                microwatts = number_of(limits.get(key))
                self.kept[column] = microwatts / 1e6 if microwatts else None
        if row.get("pcie_replays_total") is None:
            what = "pcie_replays_total"
            replays = self.ask(smi, what, now_ms, "amdsmi_get_gpu_pci_replay_counter")
            self._keep(what, whole_of(replays))

    def ask(self, smi: Any, what: str, now_ms: int, name: str) -> Any:
        """The answer, or None; what is refused for good is asked again after minutes only.

        Raises:
            AmdFailed: The device or the driver is gone.
        """
        off = self.off.get(what)
        if off is not None and not is_time(off[1], _REFUSED_MS, now_ms):
            return None
        try:
            answer = call(smi, name, self.handle)
        except AmdFailed as error:
            if error.is_of_all:
                raise
            if error.is_final:
                self.off[what] = (error.reason, now_ms)
            else:
                self.errors += 1
            self._say_why(what, error.reason)
            return None
        self.off.pop(what, None)
        self._answered = True
        return answer

    def _say_why(self, what: str, reason: str) -> None:
        for column in _COLUMNS.get(what, (what,)):
            self.why_not[column] = reason

    def _due(self, tier: str, every_ms: int, now_ms: int) -> bool:
        if not is_time(self.read_ms.get(tier), every_ms, now_ms):
            return False
        self.read_ms[tier] = now_ms
        return True

    def _keep(self, column: str, value: int | None, factor: int = 1) -> None:
        self.kept[column] = None if value is None else value * factor


def is_time(last_ms: int | None, every_ms: int, now_ms: int) -> bool:
    """Whether what was done last then is to be done again.

    A clock set back must not stop anything until it has caught up.
    """
    return last_ms is None or not last_ms <= now_ms < last_ms + every_ms


def tell(smi: Any, name: str, handle: Any) -> Mapping[str, Any]:
    """What a call tells of a device; nothing where it fails, as it is for people only.

    Raises:
        AmdFailed: The device or the driver is gone.
    """
    try:
        found = call(smi, name, handle)
    except AmdFailed as error:
        if error.is_of_all:
            raise
        return {}
    return found if isinstance(found, Mapping) else {}


def _identity(smi: Any, handle: Any) -> dict[str, Value]:
    render = whole_of(tell(smi, "amdsmi_get_gpu_enumeration_info", handle).get("drm_render"))
    return {
        "model": text_of(tell(smi, "amdsmi_get_gpu_asic_info", handle).get("market_name")),
        "driver": text_of(tell(smi, "amdsmi_get_gpu_driver_info", handle).get("driver_version")),
        "serial": text_of(tell(smi, "amdsmi_get_gpu_board_info", handle).get("product_serial")),
        "vbios": text_of(tell(smi, "amdsmi_get_gpu_vbios_info", handle).get("version")),
        "minor": render - 128 if render is not None and render >= 128 else None,
    }
