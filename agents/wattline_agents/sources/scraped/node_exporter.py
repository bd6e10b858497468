"""node_exporter: the node itself, where a site would rather not read it twice.

Disks are whole ones and network interfaces hardware ones, told by their names: a partition or a
bond would count the same bytes again. Counters of RAPL and meters of hwmon become rows of `meter`;
none of them is the whole node. `MemAvailable` and not free memory tells what is in use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from wattline_agents.catalogue import METER, NODE
from wattline_agents.sources.scraped.devices import label
from wattline_agents.sources.scraped.page import Page, Sample, parse
from wattline_agents.sources.scraped.source import EVERY_SECONDS, Address, ScrapedSource
from wattline_agents.sources.scraped.values import value_of
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value

URL = "http://127.0.0.1:9100/metrics"

_CPU = "node_cpu_seconds_total"
_AVAILABLE, _TOTAL = "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"
_NETWORK = {
    "node_network_receive_bytes_total": "network_receive_bytes_total",
    "node_network_transmit_bytes_total": "network_transmit_bytes_total",
}
_DISK = {
    "node_disk_read_bytes_total": "disk_read_bytes_total",
    "node_disk_written_bytes_total": "disk_write_bytes_total",
}
_TEMPERATURES = ("node_hwmon_temp_celsius", "node_thermal_zone_temp")
_OS = "node_os_info"
_RAPL = re.compile(r"node_rapl_([a-z][a-z0-9_]{0,30})_joules_total\Z")
_HWMON = {
    "node_hwmon_energy_joule_total": "energy_joules_total",
    "node_hwmon_power_average_watt": "power_watts",
    "node_hwmon_power_input_watt": "power_watts",
}
_SENSOR_LABEL = "node_hwmon_sensor_label"
_NAMES = frozenset((
    _CPU, _AVAILABLE, _TOTAL, *_NETWORK, *_DISK, *_TEMPERATURES, _OS, *_HWMON, _SENSOR_LABEL,
))  # fmt: skip
_MODES = ("user", "system", "idle", "iowait")

_NO_WHOLE_DISK = re.compile(
    r"(?:loop|ram|zram|dm-|md|sr|fd|nbd)|(?:sd|hd|vd|xvd)[a-z]+\d+\Z|(?:nvme\d+n\d+|mmcblk\d+)p\d+\Z"
)
_NO_HARDWARE = re.compile(
    r"(?:lo|bond|team|br-|bridge|virbr|docker|veth|cali|cni|flannel|cilium|lxc|vxlan|geneve|genev"
    r"|tun|tap|dummy|wg|ovs|vnet|kube|nodelocaldns|sit|gre|ip6|ifb|macvlan|ipvlan|nm-)|.*[.:@]"
)
_NO_DOMAIN = re.compile(r"[^A-Za-z0-9._+-]+")
_MOST_METERS = 256


def wants(name: str) -> bool:
    """Whether a metric of node_exporter matters here."""
    return name in _NAMES or _RAPL.match(name) is not None


def rows_of_page(text: str, now_ms: int) -> Readings:
    """The rows of one page: `node`, `meter` and `node_info`.

    Args:
        text: The page.
        now_ms: The rows' time.

    Raises:
        UsageError: The library that reads pages is not installed.
    """
    return rows(parse(text, wants), now_ms)


def rows(page: Page, now_ms: int) -> Readings:
    """The rows of one page that has been parsed."""
    if not (page.of(_CPU) or page.of(_TOTAL)):
        return {}
    node: dict[str, Value] = {"time_unix_ms": now_ms}
    for column, number in _figures(page).items():
        value = value_of(NODE, column, number)
        if value is not None:
            node[column] = value
    found: Readings = {"node": [node]}
    meters = _meters(page, now_ms)
    if meters:
        found["meter"] = meters
    info = _info(page, now_ms)
    if len(info) > 1:
        found["node_info"] = [info]
    return found


class NodeExporterSource(ScrapedSource):
    """Reads a node_exporter."""

    name = "node-exporter"
    default_url = URL
    names = _NAMES

    def __init__(self, address: Address, *, every_seconds: float = EVERY_SECONDS) -> None:
        """Read nothing yet; see `ScrapedSource`."""
        super().__init__(address, every_seconds=every_seconds)
        self._before: tuple[float, float] | None = None

    def rows(self, page: Page, now_ms: int) -> Readings:
        """The page's rows, and how busy the processors were since the page before."""
        found = rows(page, now_ms)
        busy = self._busy_ratio(page)
        if busy is not None:
            found["node"] = [{**row, "cpu_busy_ratio": busy} for row in found["node"]]
        return found

    def _page(self, text: str) -> Page:
        return parse(text, wants)

    def _busy_ratio(self, page: Page) -> float | None:
        samples = page.of(_CPU)
        if not samples:
            return None
        total = sum(_cpu_seconds(samples, lambda _: True))
        idle = sum(_cpu_seconds(samples, lambda mode: mode in ("idle", "iowait")))
        before, self._before = self._before, (total, idle)
        if before is None or total <= before[0]:
            return None
        return min(1.0, max(0.0, 1.0 - (idle - before[1]) / (total - before[0])))


def _figures(page: Page) -> dict[str, float]:
    found: dict[str, float] = {}
    for mode in _MODES:
        seconds = _cpu_seconds(page.of(_CPU), lambda one, mode=mode: one == mode)  # type: ignore[misc]
        if seconds:
            found[f"cpu_{mode}_seconds_total"] = sum(seconds)
    total, available = _single(page, _TOTAL), _single(page, _AVAILABLE)
    if total is not None:
        found["memory_size_bytes"] = total
        if available is not None:
            found["memory_used_bytes"] = total - available
    for name, column in _NETWORK.items():
        cards = _by_label(page.of(name), "device")
        hardware = {card: value for card, value in cards.items() if not _NO_HARDWARE.match(card)}
        # In a container no interface is hardware, and all but the loopback count.
        counted = hardware or {card: value for card, value in cards.items() if card != "lo"}
        if counted:
            found[column] = sum(counted.values())
    for name, column in _DISK.items():
        disks = _by_label(page.of(name), "device")
        whole = [value for disk, value in disks.items() if not _NO_WHOLE_DISK.match(disk)]
        if whole:
            found[column] = sum(whole)
    hot = [
        sample.value
        for name in _TEMPERATURES
        for sample in page.of(name)
        if value_of(NODE, "temperature_celsius", sample.value) is not None
    ]
    if hot:
        found["temperature_celsius"] = max(hot)
    return found


def _cpu_seconds(samples: Iterable[Sample], counts: Callable[[str], bool]) -> list[float]:
    found: dict[tuple[str, str], float] = {}
    for sample in samples:
        cpu, mode = sample.labels.get("cpu", ""), sample.labels.get("mode", "")
        if counts(mode) and sample.value >= 0:
            found.setdefault((cpu, mode), sample.value)
    return list(found.values())


def _single(page: Page, name: str) -> float | None:
    return next((sample.value for sample in page.of(name)), None)


def _by_label(samples: Iterable[Sample], name: str) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for sample in samples:
        key = label(sample.labels.get(name))
        if key is not None and sample.value >= 0:
            found.setdefault(key, sample.value)
    return found


def _meters(page: Page, now_ms: int) -> list[Row]:
    found: dict[tuple[str, str], dict[str, Value]] = {}

    def put(source: str, domain: str, column: str, number: float) -> None:
        domain = _NO_DOMAIN.sub("-", domain).strip("-")[:64]
        value = value_of(METER, column, number)
        if not domain or value is None or len(found) >= _MOST_METERS:
            return
        row = found.setdefault(
            (source, domain), {"time_unix_ms": now_ms, "source": source, "domain": domain}
        )
        row.setdefault(column, value)

    for name, samples in page.samples.items():
        zone = _RAPL.match(name)
        for sample in samples if zone else ():
            assert zone is not None
            index = label(sample.labels.get("index"), 16)
            kind = zone.group(1).replace("_", "-")
            domain = kind if kind == "psys" or index is None else f"{kind}-{index}"
            put("rapl", domain, "energy_joules_total", sample.value)
    called = {
        (sample.labels.get("chip"), sample.labels.get("sensor")): sample.labels.get("label")
        for sample in page.of(_SENSOR_LABEL)
    }
    for name, column in _HWMON.items():
        for sample in page.of(name):
            chip, sensor = sample.labels.get("chip"), sample.labels.get("sensor")
            if chip and sensor and (sample.value > 0 or column != "power_watts"):
                word = label(called.get((chip, sensor)), 40) or sensor
                put("hwmon", f"{chip}-{word}", column, sample.value)
    return list(found.values())


def _info(page: Page, now_ms: int) -> dict[str, Value]:
    info: dict[str, Value] = {"time_unix_ms": now_ms}
    for sample in page.of(_OS):
        name = label(sample.labels.get("pretty_name"), 128)
        if name is not None:
            info["os"] = name
    cores = {sample.labels.get("cpu") for sample in page.of(_CPU)}
    if cores:
        info["cores"] = len(cores)
    return info
