"""dcgm-exporter: activity of NVIDIA GPUs that NVML does not tell before Hopper, and more.

Names are those of DCGM's fields (`dcgm_fields.h`). DCGM 4.6 renamed many and kept their numbers,
types and units: `GPU_UTIL_RATIO` is field 203 as `GPU_UTIL` was, and counts percent. Only fields
that always were ratios (`PROF_*`) are. The names of the exporter's first version, `dcgm_*`, mean
the same fields. Each series carries `UUID`, and `GPU_I_ID` if it is of a MIG instance.

`PROF_PCIE_TX_BYTES` and its like are bytes per second, and no counter can be made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wattline_agents.sources.scraped.devices import Devices, label, number, nvidia_uuid
from wattline_agents.sources.scraped.page import Page, Sample, parse
from wattline_agents.sources.scraped.source import EVERY_SECONDS, Address, ScrapedSource
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value

URL = "http://127.0.0.1:9400/metrics"

_MIB = 2.0**20
_DEV, _PROF = "DCGM_FI_DEV_", "DCGM_FI_PROF_"

_FIELDS: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("energy_joules_total", 1e-3,
     ("DEV_TOTAL_ENERGY_CONSUMPTION", "dcgm_total_energy_consumption")),
    ("power_limit_watts", 1, ("DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS", "DEV_ENFORCED_POWER_LIMIT")),
    ("power_limit_default_watts", 1,
     ("DEV_BOARD_POWER_LIMIT_DEFAULT_WATTS", "DEV_POWER_MGMT_LIMIT_DEF")),
    ("busy_ratio", 1e-2, ("DEV_GPU_UTIL_RATIO", "DEV_GPU_UTIL", "dcgm_gpu_utilization")),
    ("memory_busy_ratio", 1e-2, ("DEV_MEM_COPY_UTIL", "dcgm_mem_copy_utilization")),
    ("sm_active_ratio", 1, ("PROF_SM_UTIL_RATIO", "PROF_SM_ACTIVE", "dcgm_fi_prof_sm_active")),
    ("sm_occupancy_ratio", 1,
     ("PROF_SM_OCCUPANCY_RATIO", "PROF_SM_OCCUPANCY", "dcgm_fi_prof_sm_occupancy")),
    ("tensor_active_ratio", 1,
     ("PROF_TENSOR_UTIL_RATIO", "PROF_PIPE_TENSOR_ACTIVE", "dcgm_fi_prof_pipe_tensor_active")),
    ("dram_active_ratio", 1,
     ("PROF_DRAM_UTIL_RATIO", "PROF_DRAM_ACTIVE", "dcgm_fi_prof_dram_active")),
    ("fp64_active_ratio", 1, ("PROF_FP64_UTIL_RATIO", "PROF_PIPE_FP64_ACTIVE")),
    ("fp32_active_ratio", 1, ("PROF_FP32_UTIL_RATIO", "PROF_PIPE_FP32_ACTIVE")),
    ("fp16_active_ratio", 1, ("PROF_FP16_UTIL_RATIO", "PROF_PIPE_FP16_ACTIVE")),
    ("memory_used_bytes", _MIB, ("DEV_FB_USED", "dcgm_fb_used")),
    ("memory_size_bytes", _MIB, ("DEV_FB_TOTAL",)),
    ("memory_reserved_bytes", _MIB, ("DEV_FB_RESERVED",)),
    ("temperature_celsius", 1, ("DEV_GPU_TEMP_CELSIUS", "DEV_GPU_TEMP", "dcgm_gpu_temp")),
    ("memory_temperature_celsius", 1,
     ("DEV_MEMORY_TEMP_CELSIUS", "DEV_MEMORY_TEMP", "dcgm_memory_temp")),
    ("temperature_margin_celsius", 1, ("DEV_GPU_TEMP_MARGIN_CELSIUS", "DEV_GPU_TEMP_LIMIT")),
    ("sm_clock_hertz", 1e6, ("DEV_SM_CLOCK", "dcgm_sm_clock")),
    ("memory_clock_hertz", 1e6, ("DEV_MEM_CLOCK", "dcgm_memory_clock")),
    ("performance_state", 1, ("DEV_GPU_PSTATE", "DEV_PSTATE")),
    # Nanoseconds, as the exporter says; the header of older versions called them microseconds.
    ("throttle_power_cap_seconds_total", 1e-9,
     ("DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS", "DEV_POWER_VIOLATION", "dcgm_power_violation")),
    ("throttle_power_brake_seconds_total", 1e-9,
     ("DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS",)),
    ("pcie_transmit_bytes_total", 1, ("PROF_PCIE_TX_BYTES_TOTAL",)),
    ("pcie_receive_bytes_total", 1, ("PROF_PCIE_RX_BYTES_TOTAL",)),
    ("nvlink_transmit_bytes_total", 1,
     ("DEV_NVLINK_TX_BYTES_TOTAL", "DEV_NVLINK_COUNT_TX_BYTES")),
    ("nvlink_receive_bytes_total", 1,
     ("DEV_NVLINK_RX_BYTES_TOTAL", "DEV_NVLINK_COUNT_RX_BYTES")),
    ("nvlink_replay_errors_total", 1,
     ("DEV_NVLINK_REPLAY_ERROR_TOTAL", "DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
      "DEV_NVLINK_REPLAY_TOTAL", "DEV_NVLINK_ERROR_DL_REPLAY",
      "dcgm_nvlink_replay_error_count_total")),
    ("nvlink_recovery_errors_total", 1,
     ("DEV_NVLINK_RECOVERY_ERROR_TOTAL", "DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
      "DEV_NVLINK_RECOVERY_TOTAL", "DEV_NVLINK_ERROR_DL_RECOVERY",
      "dcgm_nvlink_recovery_error_count_total")),
    ("pcie_replays_total", 1,
     ("DEV_PCIE_REPLAY_TOTAL", "DEV_PCIE_REPLAY_COUNTER", "dcgm_pcie_replay_counter")),
    ("pcie_link_generation", 1, ("DEV_PCIE_LINK_GEN",)),
    ("pcie_link_width", 1, ("DEV_PCIE_LINK_WIDTH",)),
    ("ecc_corrected_volatile_total", 1,
     ("DEV_ECC_SBE_VOL_TOTAL", "dcgm_ecc_sbe_volatile_total")),
    ("ecc_uncorrected_volatile_total", 1,
     ("DEV_ECC_DBE_VOL_TOTAL", "dcgm_ecc_dbe_volatile_total")),
    ("ecc_corrected_aggregate_total", 1,
     ("DEV_ECC_SBE_AGG_TOTAL", "dcgm_ecc_sbe_aggregate_total")),
    ("ecc_uncorrected_aggregate_total", 1,
     ("DEV_ECC_DBE_AGG_TOTAL", "dcgm_ecc_dbe_aggregate_total")),
    ("row_remaps_corrected", 1,
     ("DEV_ROW_REMAP_CORRECTABLE_TOTAL", "DEV_CORRECTABLE_REMAPPED_ROWS")),
    ("row_remaps_uncorrected", 1,
     ("DEV_ROW_REMAP_UNCORRECTABLE_TOTAL", "DEV_UNCORRECTABLE_REMAPPED_ROWS")),
    ("row_remap_pending", 1, ("DEV_ROW_REMAP_PENDING",)),
    ("row_remap_failed", 1, ("DEV_ROW_REMAP_FAILED", "DEV_ROW_REMAP_FAILURE")),
    ("recovery_action", 1, ("DEV_GPU_RECOVERY_ACTION", "DEV_GET_GPU_RECOVERY_ACTION")),
)  # fmt: skip
"""Column, factor to its unit, and the fields that give it, the newest name first."""


def _full(name: str) -> str:
    return name if name.startswith("dcgm_") else f"DCGM_FI_{name}"


_COLUMNS = {_full(name): (column, factor) for column, factor, names in _FIELDS for name in names}

_POWER = (_DEV + "BOARD_POWER_WATTS", _DEV + "POWER_USAGE", "dcgm_power_usage")
"""Field 155: a one-second average, but an instant on chips that do not average."""
_POWER_INSTANT = (_DEV + "BOARD_POWER_RAW_WATTS", _DEV + "POWER_USAGE_INSTANT")
"""Field 157."""
_MEMORY_FREE = (_DEV + "FB_FREE", "dcgm_fb_free")
_SUMMED: Mapping[
    str, tuple[Callable[[list[float]], float], float, tuple[tuple[str, ...], ...]]
] = {
    "throttle_thermal_seconds_total": (
        max, 1e-9,
        ((_DEV + "CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS",),
         (_DEV + "CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS",),
         (_DEV + "THERMAL_VIOLATION", "dcgm_thermal_violation")),
    ),
    "nvlink_crc_errors_total": (
        sum, 1.0,
        ((_DEV + "NVLINK_CRC_FLIT_ERROR_TOTAL", _DEV + "NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
          "dcgm_nvlink_flit_crc_error_count_total"),
         (_DEV + "NVLINK_CRC_DATA_ERROR_TOTAL", _DEV + "NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
          "dcgm_nvlink_data_crc_error_count_total"),
         (_DEV + "NVLINK_CRC_ERROR_TOTAL", _DEV + "NVLINK_ERROR_DL_CRC")),
    ),
}  # fmt: skip
"""Columns that several fields make together. The two thermal counters run at the same time, so
their sum would count seconds twice."""
_REASONS = (_DEV + "CLOCKS_EVENT_REASONS", _DEV + "CLOCK_THROTTLE_REASONS")
_REASON_BITS = {"power_cap": 0x4, "thermal": 0x20 | 0x40, "power_brake": 0x80, "sync_boost": 0x10}
_XID = (_DEV + "XID_ERROR", _DEV + "XID_ERRORS", "dcgm_xid_errors")
_XID_TOTAL = "DCGM_EXP_XID_ERRORS_TOTAL"
_MIG_MODE = _DEV + "MIG_MODE"

_OTHERS = frozenset(
    name
    for names in (
        _POWER, _POWER_INSTANT, _MEMORY_FREE, _REASONS, _XID, (_XID_TOTAL, _MIG_MODE),
        *(group for _, _, groups in _SUMMED.values() for group in groups),
    )
    for name in names
)  # fmt: skip
NAMES = frozenset(_COLUMNS) | _OTHERS

_LINK_LABELS = ("nvlink", "link", "link_id")
"""A series per link; those columns are sums over links."""

_OF_INSTANCE = {
    "sm_active_ratio": "sm_active_ratio",
    "sm_occupancy_ratio": "sm_occupancy_ratio",
    "tensor_active_ratio": "tensor_active_ratio",
    "dram_active_ratio": "dram_active_ratio",
    "memory_used_bytes": "memory_used_bytes",
    "memory_size_bytes": "memory_size_bytes",
}
"""What a series of a MIG instance says of the instance alone: column of `device` -> of `mig`."""
_NOT_OF_DEVICE = frozenset(_OF_INSTANCE) | {
    "busy_ratio", "memory_busy_ratio", "memory_reserved_bytes",
    "fp64_active_ratio", "fp32_active_ratio", "fp16_active_ratio",
    "pcie_transmit_bytes_total", "pcie_receive_bytes_total",
    "nvlink_transmit_bytes_total", "nvlink_receive_bytes_total",
}  # fmt: skip
"""The rest (power, energy, clocks, heat, health) is the whole GPU's, repeated per instance."""

_INSTANT_MODELS = frozenset(
    ("A100", "A800", "A30", "V100", "V100S", "P100", "P40", "P4", "T4", "T4G", "M60", "M40", "K80")
)
"""Chips whose field 155 is an instant: GA100 and everything before Ampere."""
_AVERAGE_MODELS = frozenset(
    (
        "H100", "H200", "H800", "H20", "GH200", "B100", "B200", "B300", "GB200", "GB300",
        "L4", "L40", "L40S", "L20", "L2", "A2", "A10", "A10G", "A10M", "A16", "A40",
    )
)  # fmt: skip
_MODULE_MODELS = frozenset(("GH200", "GB200", "GB300"))
"""Superchips, whose energy counter takes in processor and memory."""


def rows_of_page(text: str, now_ms: int) -> Readings:
    """The rows of one page: `device`, `mig`, `device_info`, and `xid` where the page counts them.

    Args:
        text: The page.
        now_ms: The rows' time.

    Raises:
        UsageError: The library that reads pages is not installed.
    """
    return rows(parse(text, NAMES.__contains__), now_ms)


def rows(page: Page, now_ms: int) -> Readings:
    """The rows of one page that has been parsed."""
    devices = Devices(now_ms)
    for name, samples in page.samples.items():
        for sample in samples:
            _note_identity(devices, name, sample)
    _put_power(devices, page)
    for name, (column, factor) in _COLUMNS.items():
        if column.startswith("nvlink_") and any(_link(sample) for sample in page.of(name)):
            _put_links(devices, page.of(name), column)
            continue
        for sample in page.of(name):
            _put(devices, sample, column, factor)
    _put_joined(devices, page)
    _put_reasons(devices, page)
    _put_sizes(devices, page)
    for row in devices.rows.values():
        if row.get("memory_temperature_celsius") == 0:
            del row["memory_temperature_celsius"]  # what boards without that sensor say
    found = devices.readings()
    counted = _xid_rows(page, now_ms)
    if counted:
        found["xid"] = counted
    return found


def xids(page: Page) -> dict[str, int]:
    """The last XID of each device, 0 where there was none: a gauge, which tells no time."""
    found: dict[str, int] = {}
    for name in _XID:
        for sample in page.of(name):
            device = _device(sample)
            if device is not None and 0 <= sample.value < 100_000:
                found.setdefault(device, int(sample.value))
    return found


_MOST_COUNTED = 1_024


@dataclass(slots=True)
class XidChanges:
    """Counts XIDs by a gauge of the last one: a change to another is one more.

    What stood there at first is of a time unknown and is not counted; the same XID twice in a row
    cannot be seen.
    """

    last: dict[str, int] = field(default_factory=dict)
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    times: dict[tuple[str, int], float] = field(default_factory=dict)

    def note(self, seen: Mapping[str, int], now_ms: int) -> bool:
        """Take in what a page says; returns whether anything occurred."""
        occurred = False
        for device, xid in seen.items():
            before = self.last.get(device)
            if before is None and len(self.last) >= _MOST_COUNTED:
                continue
            self.last[device] = xid
            if before is None or xid in (before, 0):
                continue
            if (device, xid) not in self.counts and len(self.counts) >= _MOST_COUNTED:
                continue
            occurred = True
            self.counts[device, xid] = self.counts.get((device, xid), 0) + 1
            self.times[device, xid] = now_ms / 1e3
        return occurred

    def total(self, device: str) -> int:
        """All that occurred on a device."""
        return sum(count for (of, _), count in self.counts.items() if of == device)

    def rows(self, now_ms: int) -> list[Row]:
        """Rows of `xid`."""
        return [
            {
                "time_unix_ms": now_ms,
                "device": device,
                "xid": xid,
                "count_total": count,
                "last_unix_seconds": self.times[device, xid],
            }
            for (device, xid), count in self.counts.items()
        ]


_HINTS = {
    "sm_active_ratio": _PROF + "SM_ACTIVE",
    "sm_occupancy_ratio": _PROF + "SM_OCCUPANCY",
    "tensor_active_ratio": _PROF + "PIPE_TENSOR_ACTIVE",
    "dram_active_ratio": _PROF + "DRAM_ACTIVE",
    "energy_joules_total": _DEV + "TOTAL_ENERGY_CONSUMPTION",
    "power_watts": _DEV + "POWER_USAGE",
    "throttle_power_cap_seconds_total": _DEV + "CLOCKS_EVENT_REASON_SW_POWER_CAP_NS",
}
"""What is worth adding to the exporter's list of counters, where it is not."""
_REPEAT_MS = 600_000
"""Ten minutes, as the catalogue promises for `xid`."""


class DcgmSource(ScrapedSource):
    """Reads a dcgm-exporter."""

    name = "dcgm"
    default_url = URL
    names = NAMES
    hints = _HINTS

    def __init__(self, address: Address, *, every_seconds: float = EVERY_SECONDS) -> None:
        """Read nothing yet; see `ScrapedSource`."""
        super().__init__(address, every_seconds=every_seconds)
        self._xids = XidChanges()
        self._xids_sent_ms: int | None = None

    def rows(self, page: Page, now_ms: int) -> Readings:
        """The page's rows, and XIDs counted from page to page."""
        found = rows(page, now_ms)
        if "xid" in found:  # the exporter counts them itself
            return found
        seen = xids(page)
        if not seen:
            return found
        changes, sent = self._xids, self._xids_sent_ms
        occurred = changes.note(seen, now_ms)
        found["device"] = [
            row | {"xid_events_total": changes.total(str(row["device"]))}
            if row["device"] in seen
            else row
            for row in map(dict, found["device"])
        ]
        is_time = sent is None or not 0 <= now_ms - sent < _REPEAT_MS
        if changes.counts and (occurred or is_time):
            self._xids_sent_ms = now_ms
            found["xid"] = changes.rows(now_ms)
        return found


def _device(sample: Sample) -> str | None:
    labels = sample.labels
    return nvidia_uuid(labels.get("UUID") or labels.get("uuid"))


def _instance(sample: Sample, device: str) -> str | None:
    """A name for the MIG instance the series is of; its own UUID is not on the page."""
    number = label(sample.labels.get("GPU_I_ID"))
    return None if number is None else f"MIG-{device}/{number}"


def _link(sample: Sample) -> str:
    return next((sample.labels[name] for name in _LINK_LABELS if sample.labels.get(name)), "")


def _is_blank(value: float) -> bool:
    """Whether DCGM says "no value" by it: the ends of 32 and 64 bits, and 2^47."""
    return (
        2**31 - 16 <= value < 2**31 or 2**47 <= value <= 2**47 + 15 or value >= 2.0**63 - 2048
    )  # fmt: skip


def _note_identity(devices: Devices, name: str, sample: Sample) -> None:
    device = _device(sample)
    if device is None or devices.add(device) is None:
        return
    labels = sample.labels
    model = label(labels.get("modelName"))
    instance = _instance(sample, device)
    if instance is not None:
        devices.add_instance(
            device,
            instance,
            number(labels.get("GPU_I_ID")),
            label(labels.get("GPU_I_PROFILE"), 32),
        )
    mig = None
    if instance is not None:
        mig = "enabled"
    elif name == _MIG_MODE and sample.value in (0, 1):
        mig = "enabled" if sample.value else "disabled"
    devices.info(
        device,
        index=number(labels.get("gpu")),
        vendor="nvidia",
        model=model,
        pci=label(labels.get("pci_bus_id"), 32),
        driver=label(labels.get("DCGM_FI_DRIVER_VERSION"), 32),
        source=DcgmSource.name,
        energy_scope=None if model is None else _energy_scope(model),
        minor=_minor(labels.get("device")),
        serial=label(labels.get("DCGM_FI_DEV_SERIAL"), 64),
        vbios=label(labels.get("DCGM_FI_DEV_VBIOS_VERSION"), 64),
        mig=mig,
    )


def _minor(text: str | None) -> int | None:
    return number((text or "").removeprefix("nvidia"))


def _words(model: str) -> set[str]:
    return set(model.replace("-", " ").replace("/", " ").split())


def _energy_scope(model: str) -> str:
    return "module" if _words(model) & _MODULE_MODELS else "gpu"


def _power_scope(model: Value) -> str | None:
    """`gpu`; None for superchips, of which nobody says what field 155 takes in."""
    return None if isinstance(model, str) and _words(model) & _MODULE_MODELS else "gpu"


def _mode_of_usage(model: str | None) -> str | None:
    words = set() if model is None else _words(model)
    if words & _INSTANT_MODELS:
        return "instant"
    return "average_1s" if words & _AVERAGE_MODELS else None


def _put(devices: Devices, sample: Sample, column: str, factor: float) -> None:
    device = _device(sample)
    if device is None or _is_blank(sample.value):
        return
    instance = _instance(sample, device)
    if instance is not None:
        own = _OF_INSTANCE.get(column)
        if own is not None:
            devices.put_instance(device, instance, own, sample.value * factor)
        if column in _NOT_OF_DEVICE:
            return
    devices.put(device, column, sample.value * factor)


def _put_links(devices: Devices, samples: list[Sample], column: str) -> None:
    links: dict[str, dict[str, float]] = {}
    for sample in samples:
        device = _device(sample)
        if device is not None and not _is_blank(sample.value):
            links.setdefault(device, {}).setdefault(_link(sample), sample.value)
    for device, values in links.items():
        devices.put(device, column, sum(values.values()))


def _put_power(devices: Devices, page: Page) -> None:
    """Power as an instant where the page has it, the average beside it where the chip averages."""
    for names, is_instant in ((_POWER_INSTANT, True), (_POWER, False)):
        for name in names:
            for sample in page.of(name):
                device = _device(sample)
                # At 0 W nothing runs that could be asked: it means "not known".
                if device is None or sample.value <= 0 or _is_blank(sample.value):
                    continue
                model = devices.infos.get(device, {}).get("model")
                mode = _mode_of_usage(model if isinstance(model, str) else None)
                if not is_instant and mode == "average_1s":
                    devices.put(device, "power_average_watts", sample.value)
                devices.put(device, "power_watts", sample.value)
                if "power_watts" in devices.rows.get(device, {}):
                    devices.info(
                        device,
                        power_mode="instant" if is_instant else mode,
                        power_scope=_power_scope(model),
                    )


def _put_joined(devices: Devices, page: Page) -> None:
    for column, (join, factor, groups) in _SUMMED.items():
        parts: dict[str, list[float]] = {}
        for group in groups:
            seen: dict[str, float] = {}
            for name in group:
                for sample in page.of(name):
                    device = _device(sample)
                    if device is not None and not _is_blank(sample.value) and sample.value >= 0:
                        seen.setdefault(device, sample.value)
            for device, value in seen.items():
                parts.setdefault(device, []).append(value)
        for device, values in parts.items():
            devices.put(device, column, join(values) * factor)


def _put_reasons(devices: Devices, page: Page) -> None:
    for name in _REASONS:
        for sample in page.of(name):
            device = _device(sample)
            if device is None or _is_blank(sample.value) or not 0 <= sample.value < 2**31:
                continue
            bits = int(sample.value)
            for reason, mask in _REASON_BITS.items():
                devices.put(device, f"throttle_{reason}_active", float(bool(bits & mask)))


def _put_sizes(devices: Devices, page: Page) -> None:
    """Memory there is: what is used, free and reserved together, if all three are on the page.

    Without what is reserved the sum would fall short by what the driver keeps.
    """
    for name in _MEMORY_FREE:
        for sample in page.of(name):
            device = _device(sample)
            if device is None or _is_blank(sample.value) or _instance(sample, device) is not None:
                continue
            row = devices.rows.get(device, {})
            used, reserved = row.get("memory_used_bytes"), row.get("memory_reserved_bytes")
            if isinstance(used, int) and isinstance(reserved, int):
                devices.put(device, "memory_size_bytes", sample.value * _MIB + used + reserved)


def _xid_rows(page: Page, now_ms: int) -> list[Row]:
    """What newer exporters count themselves, one series per XID; 0 says there was none."""
    found: dict[tuple[str, int], Row] = {}
    for sample in page.of(_XID_TOTAL):
        device, xid = _device(sample), number(sample.labels.get("xid"))
        if device is not None and xid and 0 < sample.value < 2**53:
            row: Row = {
                "time_unix_ms": now_ms,
                "device": device,
                "xid": xid,
                "count_total": int(sample.value),
            }
            found.setdefault((device, xid), row)
    return list(found.values())
