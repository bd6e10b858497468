"""Intel XPU Daemon: Intel GPUs under OpenTelemetry's `hw.*` names, as Prometheus writes them.

`hw_id` is the device's UUID as Level Zero tells it, `hw_gpu_info` who it is. Values come with the
place of their sensor and, on devices of several tiles, with the tile; what is of the whole card
goes before what is of its package or chip.
"""

from __future__ import annotations

from collections.abc import Iterable

from wattline_agents.sources.scraped.devices import Devices, label, number
from wattline_agents.sources.scraped.page import Page, Sample, parse
from wattline_agents.sources.scraped.source import ScrapedSource
from wattline_agents.sources.source import Readings

URL = "http://127.0.0.1:8080/metrics"

_TILE = "com_intel_subdevice_id"
_WHOLE = ("card", "package", "", "gpu")
"""Where power is measured, the outermost first."""

_INFO, _ENERGY, _POWER = "hw_gpu_info", "hw_energy_joules_total", "hw_power_watts"
_LIMIT, _TEMPERATURE = "hw_power_limit_watts", "hw_temperature_celsius"
_FREQUENCY, _BUSY = "hw_frequency_hertz", "hw_gpu_utilization_ratio"
_USED, _SIZE = "hw_memory_usage_bytes", "hw_memory_size_bytes"
_BANDWIDTH, _IO = "hw_memory_bandwidth_utilization_ratio", "hw_gpu_io_bytes_total"
_ERRORS, _THROTTLE = "hw_errors_total", "hw_frequency_throttle_status"
NAMES = frozenset((
    _INFO, _ENERGY, _POWER, _LIMIT, _TEMPERATURE, _FREQUENCY, _BUSY, _USED, _SIZE, _BANDWIDTH, _IO,
    _ERRORS, _THROTTLE,
))  # fmt: skip

_IDLE_TASKS = ("copy", "media", "encode", "decode", "enhance")
"""Engines that move or show data; kernels run on the others."""
_REASONS = {"power": "power_cap", "pwr": "power_cap", "therm": "thermal", "psu": "power_brake"}
"""Part of a throttle reason's name -> what we call it."""
_ERROR_KINDS = {
    "correctable": "ecc_corrected_volatile_total",
    "uncorrectable": "ecc_uncorrected_volatile_total",
}
_DIRECTIONS = {"receive": "pcie_receive_bytes_total", "transmit": "pcie_transmit_bytes_total"}


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
    devices = Devices(now_ms)
    ignored = {
        sample.labels.get("hw_id")
        for sample in page.of(_INFO)
        # What draws the screen of a server is no accelerator, and tiles are parts of one.
        if sample.labels.get("hw_gpu_type") in ("integrated", "subdevice")
    }
    by_device: dict[str, dict[str, list[Sample]]] = {}
    for name, samples in page.samples.items():
        for sample in samples:
            device = label(sample.labels.get("hw_id"))
            if device is not None and device not in ignored and devices.add(device) is not None:
                by_device.setdefault(device, {}).setdefault(name, []).append(sample)
    for device, found in by_device.items():
        _put(devices, device, Page(found))
    return devices.readings()


class XpumdSource(ScrapedSource):
    """Reads an Intel XPU Daemon."""

    name = "xpumd"
    default_url = URL
    names = NAMES

    def rows(self, page: Page, now_ms: int) -> Readings:
        """The page's rows."""
        return rows(page, now_ms)


def _put(devices: Devices, device: str, page: Page) -> None:
    for sample in page.of(_INFO):
        labels = sample.labels
        devices.info(
            device,
            model=label(labels.get("hw_model")),
            pci=label(labels.get("pci_bdf"), 32),
            serial=label(labels.get("hw_serial_number"), 64),
        )
        generation, width = number(labels.get("pci_link_gen")), number(labels.get("pci_lanes"))
        if generation is not None:
            devices.put(device, "pcie_link_generation", generation)
        if width is not None:
            devices.put(device, "pcie_link_width", width)
    devices.info(device, vendor="intel", source=XpumdSource.name)
    for sample in _outermost(page.of(_ENERGY)):
        devices.put(device, "energy_joules_total", sample.value)
        devices.info(device, energy_scope="gpu")
    for sample in _outermost(page.of(_POWER)):
        if sample.value > 0:
            devices.put(device, "power_watts", sample.value)
            devices.info(device, power_scope="gpu", power_mode="instant")
    for sample in page.of(_POWER):
        if _place(sample) == "memory" and not sample.labels.get(_TILE) and sample.value > 0:
            devices.put(device, "memory_power_watts", sample.value)
    for sample in _sustained(_outermost(page.of(_LIMIT))):
        devices.put(device, "power_limit_watts", sample.value)
    _put_temperatures(devices, device, page.of(_TEMPERATURE))
    _put_frequencies(devices, device, page.of(_FREQUENCY))
    _put_memory(devices, device, page)
    _put_counts(devices, device, page)


def _put_temperatures(devices: Devices, device: str, samples: list[Sample]) -> None:
    hottest: dict[str, float] = {}
    for sample in samples:
        if sample.labels.get("statistic", "max") == "max" and sample.value > 0:
            place = _place(sample)
            hottest[place] = max(sample.value, hottest.get(place, sample.value))
    for column, places in (
        ("temperature_celsius", ("gpu", "global")),
        ("memory_temperature_celsius", ("memory",)),
    ):
        for place in places:
            if place in hottest:
                devices.put(device, column, hottest[place])


def _put_frequencies(devices: Devices, device: str, samples: list[Sample]) -> None:
    """The mean over tiles of each domain's average."""
    for domain, column in (("gpu", "sm_clock_hertz"), ("memory", "memory_clock_hertz")):
        tiles = {
            (sample.labels.get(_TILE, ""), sample.labels.get("hw_name", "")): sample.value
            for sample in samples
            if sample.labels.get("hw_frequency_domain") == domain
            and sample.labels.get("aggregation", "avg") == "avg"
        }
        if tiles:
            devices.put(device, column, sum(tiles.values()) / len(tiles))


def _put_memory(devices: Devices, device: str, page: Page) -> None:
    for name, column in ((_USED, "memory_used_bytes"), (_SIZE, "memory_size_bytes")):
        modules = _modules(page.of(name))
        if modules:
            devices.put(device, column, sum(modules))
    shares = _modules(page.of(_BANDWIDTH))
    if shares:
        devices.put(device, "dram_active_ratio", sum(shares) / len(shares))


def _put_counts(devices: Devices, device: str, page: Page) -> None:
    busy = [
        sample.value
        for sample in page.of(_BUSY)
        if not any(word in sample.labels.get("hw_gpu_task", "").lower() for word in _IDLE_TASKS)
    ]
    if busy:
        # At least one engine ran for as long as the busiest did.
        devices.put(device, "busy_ratio", max(busy))
    for sample in page.of(_IO):
        column = _DIRECTIONS.get(sample.labels.get("network_io_direction", ""))
        if column is not None:
            devices.put(device, column, sample.value)
    errors: dict[str, dict[tuple[str, ...], float]] = {}
    for sample in page.of(_ERRORS):
        column = _ERROR_KINDS.get(sample.labels.get("error_type", ""))
        category = sample.labels.get("error_category", "").lower()
        if column is not None and "memory" in category and sample.value >= 0:
            key = (sample.labels.get(_TILE, ""), sample.labels.get("hw_name", ""), category)
            errors.setdefault(column, {}).setdefault(key, sample.value)
    for column, parts in errors.items():
        devices.put(device, column, sum(parts.values()))
    for sample in page.of(_THROTTLE):
        reason = sample.labels.get("com_intel_speed_throttle_reason", "").lower()
        for word, ours in _REASONS.items():
            if word in reason and sample.value == 1:
                devices.put(device, f"throttle_{ours}_active", 1)


def _place(sample: Sample) -> str:
    return sample.labels.get("hw_sensor_location", "").lower()


def _outermost(samples: Iterable[Sample]) -> list[Sample]:
    """Of the samples of a whole device those measured furthest out."""
    of_device = [sample for sample in samples if not sample.labels.get(_TILE)]
    for place in _WHOLE:
        found = [sample for sample in of_device if _place(sample) == place]
        if found:
            return found
    return []


def _sustained(samples: list[Sample]) -> list[Sample]:
    """Of limits over several spans of time the one that holds for long."""
    found = [
        sample
        for sample in samples
        if sample.labels.get("com_intel_power_limit_level", "sustained").lower() == "sustained"
    ]
    return found or sorted(samples, key=lambda sample: sample.value)


def _modules(samples: Iterable[Sample]) -> list[float]:
    """One value per memory module on the device."""
    found: dict[tuple[str, str], float] = {}
    for sample in samples:
        labels = sample.labels
        if labels.get("hw_memory_location", "device") == "device" and sample.value >= 0:
            key = (labels.get(_TILE, ""), labels.get("hw_name", ""))
            found.setdefault(key, sample.value)
    return list(found.values())
