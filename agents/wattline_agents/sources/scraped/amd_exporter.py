"""AMD Device Metrics Exporter: AMD Instinct GPUs, one series per device or partition.

Names are the exporter's fields in lower case, with or without the prefix `amd_` that a site may
set. Power is that of a whole socket: partitions other than the first, and the second die of an
MI250X, show 0, which means "not measured here". Energy is in microjoules, memory in MiB, clocks in
MHz, activity in percent, xGMI in KiB per link.

Devices are keyed by the label `gpu_uuid`; where the exporter is not told to give it (`GPU_UUID` in
its Labels) by serial number and `gpu_id`, which is less sure.
"""

from __future__ import annotations

from wattline_agents.sources.scraped.devices import Columns, Devices, label, number, sums
from wattline_agents.sources.scraped.page import Page, Sample, parse
from wattline_agents.sources.scraped.source import ScrapedSource
from wattline_agents.sources.source import Readings

URL = "http://127.0.0.1:5000/metrics"

_PREFIXES = ("", "amd_")
_KIB, _MIB = 2.0**10, 2.0**20

COLUMNS: Columns = {
    "gpu_energy_consumed": ("energy_joules_total", 1e-6),
    "gpu_gfx_activity": ("busy_ratio", 1e-2),
    "gpu_umc_activity": ("memory_busy_ratio", 1e-2),
    "gpu_prof_tensor_active_percent": ("tensor_active_ratio", 1e-2),
    "gpu_prof_occupancy_percent": ("sm_occupancy_ratio", 1e-2),
    "gpu_used_vram": ("memory_used_bytes", _MIB),
    "gpu_total_vram": ("memory_size_bytes", _MIB),
    "gpu_junction_temperature": ("temperature_celsius", 1),
    "gpu_edge_temperature": ("temperature_celsius", 1),
    "gpu_memory_temperature": ("memory_temperature_celsius", 1),
    "gpu_ecc_correct_total": ("ecc_corrected_volatile_total", 1),
    "gpu_ecc_uncorrect_total": ("ecc_uncorrected_volatile_total", 1),
    "pcie_replay_count": ("pcie_replays_total", 1),
}
_POWERS = (
    ("gpu_package_power", "instant"),
    ("gpu_average_package_power", "average"),
    ("gpu_power_usage", None),
)
"""The first two are of MI300 and of MI200; the other generation's is 0."""
_LINKS = {
    "gpu_xgmi_link_rx": "nvlink_receive_bytes_total",
    "gpu_xgmi_link_tx": "nvlink_transmit_bytes_total",
}
_CLOCK, _PCIE_SPEED = "gpu_clock", "pcie_speed"
_CLOCKS = {
    "system": "sm_clock_hertz",
    "GPU_CLOCK_TYPE_SYSTEM": "sm_clock_hertz",
    "memory": "memory_clock_hertz",
    "GPU_CLOCK_TYPE_MEMORY": "memory_clock_hertz",
}
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
"""GT/s of a lane -> generation of PCI Express."""
_SENSORS = frozenset(
    ("energy_joules_total", "temperature_celsius", "memory_temperature_celsius")
)  # fmt: skip
"""What shows 0 where it is not measured."""
_PLAIN = frozenset(
    (*COLUMNS, *(name for name, _ in _POWERS), *_LINKS, _CLOCK, _PCIE_SPEED, "gpu_nodes_total")
)
NAMES = frozenset(prefix + name for prefix in _PREFIXES for name in _PLAIN)


def rows_of_page(text: str, now_ms: int) -> Readings:
    """The rows of one page: `device` and `device_info`.

    Args:
        text: The page.
        now_ms: The rows' time.

    Raises:
        UsageError: The library that reads pages is not installed.
    """
    return rows(parse(text, NAMES.__contains__), now_ms)


def rows(page: Page, now_ms: int) -> Readings:
    """The rows of one page that has been parsed."""
    plain = Page({name.removeprefix("amd_"): samples for name, samples in page.samples.items()})
    devices = Devices(now_ms)
    for samples in plain.samples.values():
        for sample in samples:
            _note_identity(devices, sample)
    for name, (column, factor) in COLUMNS.items():
        for sample in plain.of(name):
            device = _device(sample)
            if device is None or (column in _SENSORS and not _measures(sample)):
                continue
            devices.put(device, column, sample.value * factor)
    _put_power(devices, plain)
    _put_clocks(devices, plain)
    for name, column in _LINKS.items():
        samples = plain.of(name)
        keys = [_device(sample) or "" for sample in samples]
        for device, kib in sums(samples, keys, ("link_index",)).items():
            devices.put(device, column, kib * _KIB)
    for sample in plain.of(_PCIE_SPEED):
        device, generation = _device(sample), _GENERATIONS.get(sample.value)
        if device is not None and generation is not None:
            devices.put(device, "pcie_link_generation", generation)
    return devices.readings()


class AmdExporterSource(ScrapedSource):
    """Reads an AMD Device Metrics Exporter."""

    name = "amd-exporter"
    default_url = URL
    names = NAMES

    def rows(self, page: Page, now_ms: int) -> Readings:
        """The page's rows."""
        return rows(page, now_ms)


def _device(sample: Sample) -> str | None:
    labels = sample.labels
    uuid = label(labels.get("gpu_uuid"))
    if uuid is not None:
        return uuid
    serial, index = label(labels.get("serial_number"), 40), number(labels.get("gpu_id"))
    return None if serial is None or index is None else f"amd-{serial}-{index}"


def _is_first_partition(sample: Sample) -> bool:
    return (number(sample.labels.get("gpu_partition_id")) or 0) == 0


def _measures(sample: Sample) -> bool:
    """Whether the sensor is this device's: the others show the 0 of "not measured"."""
    return sample.value > 0 and _is_first_partition(sample)


def _is_partitioned(sample: Sample) -> bool:
    kind = label(sample.labels.get("gpu_compute_partition_type"), 16)
    return kind is not None and kind.lower() != "spx"


def _note_identity(devices: Devices, sample: Sample) -> None:
    device = _device(sample)
    if device is None or devices.add(device) is None:
        return
    labels = sample.labels
    devices.info(
        device,
        index=number(labels.get("gpu_id")),
        vendor="amd",
        model=label(labels.get("card_series")) or label(labels.get("card_model")),
        driver=label(labels.get("driver_version"), 32),
        serial=label(labels.get("serial_number"), 64),
        vbios=label(labels.get("vbios_version"), 64),
        source=AmdExporterSource.name,
    )


def _scope(sample: Sample) -> str:
    """Of what the power is: both dies of an MI250(X), all partitions of an MI300, or one GPU."""
    model = f"{sample.labels.get('card_series', '')} {sample.labels.get('card_model', '')}"
    return "module" if "MI250" in model or _is_partitioned(sample) else "gpu"


def _put_power(devices: Devices, page: Page) -> None:
    for name, mode in _POWERS:
        for sample in page.of(name):
            device = _device(sample)
            if device is None or not _measures(sample):
                continue
            row = devices.rows.get(device, {})
            if row.get("power_watts") is None:
                devices.put(device, "power_watts", sample.value)
                scope = _scope(sample)
                devices.info(device, power_mode=mode, power_scope=scope, energy_scope=scope)


def _put_clocks(devices: Devices, page: Page) -> None:
    """The mean over the chips of a device, which each have a clock."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for sample in page.of(_CLOCK):
        device, column = _device(sample), _CLOCKS.get(sample.labels.get("clock_type", ""))
        if device is not None and column is not None and sample.value > 0:
            index = sample.labels.get("clock_index", "")
            found.setdefault((device, column), {}).setdefault(index, sample.value)
    for (device, column), clocks in found.items():
        devices.put(device, column, sum(clocks.values()) / len(clocks) * 1e6)
