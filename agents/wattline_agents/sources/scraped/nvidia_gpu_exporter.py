"""nvidia_gpu_exporter: what nvidia-smi or NVML tells, in base units already.

Its page keys devices by `uuid` without the vendor's `GPU-`. Fields that nvidia-smi does not know
are absent from it. `_seconds` of the throttle counters, `_ratio`, `_bytes` and `_hertz` are what
they say. The NVML backend adds energy, MIG instances and XIDs counted by number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wattline_agents.sources.scraped.devices import (
    Columns,
    Devices,
    label,
    nvidia_uuid,
)
from wattline_agents.sources.scraped.devices import number as whole
from wattline_agents.sources.scraped.page import Page, Sample, parse
from wattline_agents.sources.scraped.source import ScrapedSource
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value

URL = "http://127.0.0.1:9835/metrics"

_P = "nvidia_smi_"
_REASON = _P + "clocks_event_reasons_"
_COUNTER = _P + "clocks_event_reasons_counters_"

COLUMNS: Columns = {
    _P + "energy_joules_total": ("energy_joules_total", 1),
    _P + "power_draw_instant_watts": ("power_watts", 1),
    _P + "power_draw_average_watts": ("power_average_watts", 1),
    _P + "enforced_power_limit_watts": ("power_limit_watts", 1),
    _P + "power_limit_watts": ("power_limit_watts", 1),
    _P + "power_default_limit_watts": ("power_limit_default_watts", 1),
    _P + "module_power_draw_instant_watts": ("module_power_watts", 1),
    _P + "module_power_draw_average_watts": ("module_power_watts", 1),
    _P + "utilization_gpu_ratio": ("busy_ratio", 1),
    _P + "utilization_memory_ratio": ("memory_busy_ratio", 1),
    _P + "memory_used_bytes": ("memory_used_bytes", 1),
    _P + "memory_total_bytes": ("memory_size_bytes", 1),
    _P + "memory_reserved_bytes": ("memory_reserved_bytes", 1),
    _P + "temperature_gpu": ("temperature_celsius", 1),
    _P + "temperature_memory": ("memory_temperature_celsius", 1),
    _P + "temperature_gpu_tlimit": ("temperature_margin_celsius", 1),
    _P + "clocks_current_sm_clock_hz": ("sm_clock_hertz", 1),
    _P + "clocks_current_memory_clock_hz": ("memory_clock_hertz", 1),
    _P + "pstate": ("performance_state", 1),
    _COUNTER + "sw_power_cap_seconds": ("throttle_power_cap_seconds_total", 1),
    _COUNTER + "hw_power_brake_slowdown_seconds": ("throttle_power_brake_seconds_total", 1),
    _REASON + "sw_power_cap": ("throttle_power_cap_active", 1),
    _REASON + "hw_power_brake_slowdown": ("throttle_power_brake_active", 1),
    _REASON + "sync_boost": ("throttle_sync_boost_active", 1),
    _P + "pcie_link_gen_gpucurrent": ("pcie_link_generation", 1),
    _P + "pcie_link_gen_current": ("pcie_link_generation", 1),
    _P + "pcie_link_width_current": ("pcie_link_width", 1),
    _P + "ecc_errors_corrected_volatile_total": ("ecc_corrected_volatile_total", 1),
    _P + "ecc_errors_corrected_aggregate_total": ("ecc_corrected_aggregate_total", 1),
    _P + "ecc_errors_uncorrected_volatile_total": ("ecc_uncorrected_volatile_total", 1),
    _P + "ecc_errors_uncorrected_aggregate_total": ("ecc_uncorrected_aggregate_total", 1),
    _P + "remapped_rows_correctable": ("row_remaps_corrected", 1),
    _P + "remapped_rows_uncorrectable": ("row_remaps_uncorrected", 1),
    _P + "remapped_rows_pending": ("row_remap_pending", 1),
    _P + "remapped_rows_failure": ("row_remap_failed", 1),
    _P + "gpu_recovery_action": ("recovery_action", 1),
    _P + "compute_apps": ("processes", 1),
}
_THERMAL_SECONDS = (
    _COUNTER + "sw_thermal_slowdown_seconds",
    _COUNTER + "hw_thermal_slowdown_seconds",
)
_THERMAL_ACTIVE = (_REASON + "sw_thermal_slowdown", _REASON + "hw_thermal_slowdown")
_POWER = _P + "power_draw_watts"
"""`power.draw`: the average where the driver knows one, an instant elsewhere."""
_AVERAGE, _INSTANT = _P + "power_draw_average_watts", _P + "power_draw_instant_watts"
_INFO, _MIG_MODE = _P + "gpu_info", _P + "mig_mode_current"
_PROCESS = _P + "compute_app_used_memory_bytes"
_PROCESS_INFO = _P + "compute_app_info"
_XID, _XID_TIME = _P + "xid_errors_total", _P + "xid_last_timestamp_seconds"
_MIG_INFO = _P + "mig_info"
_MIG_COLUMNS: Columns = {
    _P + "mig_memory_used_bytes": ("memory_used_bytes", 1),
    _P + "mig_memory_total_bytes": ("memory_size_bytes", 1),
    _P + "mig_sm_activity_ratio": ("sm_active_ratio", 1),
    _P + "mig_sm_occupancy_ratio": ("sm_occupancy_ratio", 1),
    _P + "mig_tensor_activity_ratio": ("tensor_active_ratio", 1),
}
NAMES = frozenset((
    *COLUMNS, *_THERMAL_SECONDS, *_THERMAL_ACTIVE, *_MIG_COLUMNS, _POWER, _INFO, _MIG_MODE,
    _PROCESS, _PROCESS_INFO, _XID, _XID_TIME, _MIG_INFO,
))  # fmt: skip


def rows_of_page(text: str, now_ms: int) -> Readings:
    """The rows of one page: `device`, `mig`, `process`, `xid` and `device_info`.

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
    for name, (column, factor) in COLUMNS.items():
        for device, sample in _by_device(page, name):
            if name == _INSTANT and sample.value <= 0:
                continue  # at 0 W nothing runs that could be asked
            devices.put(device, column, sample.value * factor)
    for column, names in (
        ("throttle_thermal_seconds_total", _THERMAL_SECONDS),
        # Both thermal counters run at the same time: the sum would count seconds twice.
        ("throttle_thermal_active", _THERMAL_ACTIVE),
    ):
        most: dict[str, float] = {}
        for name in names:
            for device, sample in _by_device(page, name):
                most[device] = max(sample.value, most.get(device, 0.0))
        for device, value in most.items():
            devices.put(device, column, value)
    _put_identity(devices, page)
    _put_power(devices, page)
    _put_instances(devices, page)
    found = devices.readings()
    for table, more in (
        ("process", _processes(devices, page)),
        ("xid", _xids(devices, page)),
    ):
        if more:
            found[table] = more
    return found


class NvidiaGpuExporterSource(ScrapedSource):
    """Reads a nvidia_gpu_exporter."""

    name = "nvidia-gpu-exporter"
    default_url = URL
    names = NAMES

    def rows(self, page: Page, now_ms: int) -> Readings:
        """The page's rows."""
        return rows(page, now_ms)


def _by_device(page: Page, name: str) -> Iterable[tuple[str, Sample]]:
    for sample in page.of(name):
        device = nvidia_uuid(sample.labels.get("uuid"))
        if device is not None:
            yield device, sample


def _put_identity(devices: Devices, page: Page) -> None:
    for device, sample in _by_device(page, _INFO):
        labels = sample.labels
        devices.add(device)
        devices.info(
            device,
            index=whole(labels.get("index")),
            model=label(labels.get("name")),
            pci=label(labels.get("pci_bus_id"), 32),
            driver=label(labels.get("driver_version"), 32),
            serial=_serial(labels.get("serial")),
            vbios=label(labels.get("vbios_version"), 64),
        )
    for device, sample in _by_device(page, _MIG_MODE):
        devices.info(device, mig="enabled" if sample.value == 1 else "disabled")
    for device in list(devices.rows):
        devices.info(device, vendor="nvidia", source=NvidiaGpuExporterSource.name)


def _serial(text: str | None) -> str | None:
    serial = label(text, 64)
    return serial if serial is not None and serial.strip("0") else None


def _put_power(devices: Devices, page: Page) -> None:
    averages = {device for device, _ in _by_device(page, _AVERAGE)}
    instants = {device for device, sample in _by_device(page, _INSTANT) if sample.value > 0}
    for device, sample in _by_device(page, _POWER):
        if sample.value > 0:
            devices.put(device, "power_watts", sample.value)
    for device, row in devices.rows.items():
        if row.get("power_watts") is None:
            continue
        mode = "instant" if device in instants else "average_1s" if device in averages else None
        devices.info(device, power_mode=mode, power_scope="gpu")


@dataclass(frozen=True, slots=True)
class _Instance:
    device: str
    instance: str
    number: int


def _put_instances(devices: Devices, page: Page) -> None:
    known: list[_Instance] = []
    for device, sample in _by_device(page, _MIG_INFO):
        number = whole(sample.labels.get("gpu_instance_id"))
        uuid = label(sample.labels.get("mig_uuid"))
        if number is None or uuid is None or devices.add(device) is None:
            continue
        instance = uuid if uuid.startswith("MIG-") else f"MIG-{uuid}"
        devices.add_instance(device, instance, number, label(sample.labels.get("profile"), 32))
        known.append(_Instance(device, instance, number))
    for name, (column, factor) in _MIG_COLUMNS.items():
        for device, sample in _by_device(page, name):
            number = whole(sample.labels.get("gpu_instance_id"))
            for one in known:
                if (one.device, one.number) == (device, number):
                    devices.put_instance(device, one.instance, column, sample.value * factor)


def _processes(devices: Devices, page: Page) -> list[Row]:
    """Processes with the memory they hold, where the driver tells that."""
    found: dict[tuple[str, int], dict[str, Value]] = {}
    for name in (_PROCESS, _PROCESS_INFO):
        for device, sample in _by_device(page, name):
            pid = whole(sample.labels.get("pid"))
            if pid is None or device not in devices.rows or len(found) >= 10_000:
                continue
            row = found.setdefault(
                (device, pid), {"time_unix_ms": devices.now_ms, "device": device, "pid": pid}
            )
            if name == _PROCESS and 0 <= sample.value < 2**53:
                row["memory_used_bytes"] = int(sample.value)
    return list(found.values())


def _xids(devices: Devices, page: Page) -> list[Row]:
    """XIDs by number, as the exporter counts them since it started."""
    found: dict[tuple[str, int], dict[str, Value]] = {}
    totals: dict[str, int] = {}
    for device, sample in _by_device(page, _XID):
        xid = whole(sample.labels.get("xid"))
        if xid is None or (device, xid) in found or not 0 <= sample.value < 2**53:
            continue
        count = int(sample.value)
        totals[device] = totals.get(device, 0) + count
        found[device, xid] = {
            "time_unix_ms": devices.now_ms,
            "device": device,
            "xid": xid,
            "count_total": count,
        }
    for device, sample in _by_device(page, _XID_TIME):
        row = found.get((device, whole(sample.labels.get("xid")) or -1))
        if row is not None and 0 < sample.value < 1e11:
            row["last_unix_seconds"] = sample.value
    for device, total in totals.items():
        devices.put(device, "xid_events_total", total)
    return list(found.values())
