"""GPU performance monitoring (GPM): how busy the parts of the chip were, on Hopper and newer.

Two samples are kept and swapped, so a tick costs one new sample; the figures are averages over the
time between the two. It does not take the lock that profilers need.
"""

from __future__ import annotations

import ctypes
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import Asked, NvmlFailed, Off, why_off

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from typing import Any

RATIOS = {
    ids.GPM_SM_UTIL: "sm_active_ratio",
    ids.GPM_SM_OCCUPANCY: "sm_occupancy_ratio",
    ids.GPM_ANY_TENSOR_UTIL: "tensor_active_ratio",
    ids.GPM_DRAM_BANDWIDTH_UTIL: "dram_active_ratio",
    ids.GPM_FP64_UTIL: "fp64_active_ratio",
    ids.GPM_FP32_UTIL: "fp32_active_ratio",
    ids.GPM_FP16_UTIL: "fp16_active_ratio",
}
"""Metrics in percent, and their columns."""

INSTANCE_RATIOS = dict(list(RATIOS.items())[:4])
"""What is read of each MIG instance."""

RATES = {
    ids.GPM_PCIE_RECEIVE: "pcie_receive_bytes_total",
    ids.GPM_PCIE_TRANSMIT: "pcie_transmit_bytes_total",
    ids.GPM_NVLINK_RECEIVE: "nvlink_receive_bytes_total",
    ids.GPM_NVLINK_TRANSMIT: "nvlink_transmit_bytes_total",
    ids.GPM_C2C_DATA_RECEIVE: "c2c_receive_bytes_total",
    ids.GPM_C2C_DATA_TRANSMIT: "c2c_transmit_bytes_total",
}
"""Metrics in MiB/s, and the columns of the counters that are made of them."""

HEAD = Struct("=II")
SAMPLES = Struct("=QQ")
"""c_nvmlGpmMetricsGet_t: version and number of metrics, the two samples, then the metrics."""
METRIC = Struct("=Iid24x")
"""c_nvmlGpmMetric_t: metric, return code, value, and three texts that are not looked at."""
METRICS_OFFSET = HEAD.size + SAMPLES.size

_MOST_PERCENT = 101.0
"""Rounding may pass 100 by a little; more than this is no percentage."""
_MOST_RATE = 1e8
"""In MiB/s: a hundred terabytes a second is no link's rate."""
_MEBI = 1 << 20
_LEAST_MS = 101
"""Two samples must be more than 100 ms apart."""


class Request:
    """What asks for metrics: 19 kB, made once for all devices that are asked for the same."""

    def __init__(self, library: Library, metrics: tuple[int, ...]) -> None:
        """Ask for these metrics.

        Raises:
            NvmlFailed: The binding does not know the struct.
        """
        self.metrics = metrics
        self._get = library.function("nvmlGpmMetricsGet")
        size = ctypes.sizeof(library.kind("c_nvmlGpmMetricsGet_t"))
        self._buffer = ctypes.create_string_buffer(
            max(size, METRICS_OFFSET + METRIC.size * len(metrics))
        )
        HEAD.pack_into(self._buffer, 0, ids.GPM_VERSION, len(metrics))
        for place, metric in enumerate(metrics):
            METRIC.pack_into(self._buffer, METRICS_OFFSET + place * METRIC.size, metric, 0, 0.0)
        self._codes = Struct("=" + "4xi32x" * len(metrics))
        self._values = Struct("=" + "8xd24x" * len(metrics))

    def __call__(self, older: int, newer: int) -> tuple[int, tuple[int, ...], tuple[float, ...]]:
        """The return code; and those of the metrics, and their values."""
        buffer = self._buffer
        SAMPLES.pack_into(buffer, HEAD.size, older, newer)
        code = self._get(buffer)
        if code:
            return code, (), ()
        codes = self._codes.unpack_from(buffer, METRICS_OFFSET)
        return 0, codes, self._values.unpack_from(buffer, METRICS_OFFSET)


class Requests:
    """The requests of a library, by what they ask for."""

    def __init__(self, library: Library) -> None:
        """None is made yet."""
        self._library = library
        self._made: dict[tuple[int, ...], Request] = {}

    def of(self, metrics: tuple[int, ...]) -> Request:
        """The request for these metrics."""
        request = self._made.get(metrics)
        if request is None:
            request = self._made[metrics] = Request(self._library, metrics)
        return request


def is_supported(library: Library, handle: object) -> bool:
    """Whether the device has it; those before Hopper have not.

    Raises:
        NvmlFailed: It could not be found out.
    """
    return bool(library.call("nvmlGpmQueryDeviceSupport", handle).isSupportedDevice)


class Gpm:
    """The activity of one device or one MIG instance.

    Attributes:
        asked: What came of asking.
        bytes: What the rates add up to so far, by column.
        unsupported: Columns of metrics that this device has not.
    """

    def __init__(
        self,
        library: Library,
        requests: Requests,
        handle: object,
        asked: Asked,
        metrics: tuple[int, ...],
        instance: int | None = None,
    ) -> None:
        """Make room for the samples.

        Args:
            library: The open library.
            requests: Its requests.
            handle: The device.
            asked: Keeps what comes of it.
            metrics: What to ask for; what there is not is left out after the first answer.
            instance: The number of a GPU instance, for that instance alone.

        Raises:
            NvmlFailed: There is no room.
        """
        self.asked = asked
        self.bytes: dict[str, float] = {}
        self.unsupported: list[str] = []
        self._library, self._requests = library, requests
        self._wanted: tuple[int, ...] = ()
        self._missing: set[int] = set()
        self.ask_for(metrics)
        samples = [library.call("nvmlGpmSampleAlloc") for _ in range(2)]
        self._new, self._old = (ctypes.cast(s, ctypes.c_void_p) for s in samples)
        self._new_address, self._old_address = self._new.value or 0, self._old.value or 0
        if instance is None:
            self._sample = library.function("nvmlGpmSampleGet")
            self._where: tuple[Any, ...] = (handle,)
        else:
            self._sample = library.function("nvmlGpmMigSampleGet")
            self._where = (handle, instance)
        self._sampled_ms: int | None = None

    def read(self, now_ms: int) -> dict[str, float | None] | None:
        """Ratios since the reading before; None where there are none.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if not self.asked.wanted(now_ms):
            return None
        before_ms = self._sampled_ms
        if before_ms is not None and before_ms <= now_ms < before_ms + _LEAST_MS:
            return None
        self._sampled_ms = None
        if not self.asked.took(self._sample(*self._where, self._new), now_ms):
            return None
        self._new, self._old = self._old, self._new
        newest, before = self._new_address, self._old_address
        self._new_address, self._old_address = before, newest
        if before_ms is None or now_ms < before_ms:
            self._sampled_ms = now_ms
            return None
        code, codes, values = self._request(before, newest)
        if not self.asked.took(code, now_ms):
            return None
        self._sampled_ms = now_ms
        if self._rates:
            self._add_rates(codes, values, now_ms - before_ms)
        # A sum is no number if any of its parts is none; the least and the most may pass over it.
        usual = 0.0 <= min(values) and max(values[: self._ratios]) <= 100.0 and sum(values) >= 0.0
        if usual and not any(codes):
            return {
                # Finer than a thousandth of a percent is noise that only costs to be written out.
                column: int(value * 1000.0 + 0.5) / 1e5
                for column, value in zip(self._columns, values, strict=False)
            }
        return self._sort_out(codes, values)

    def ask_for(self, metrics: tuple[int, ...]) -> None:
        """Read these from now on, as far as they are there."""
        if metrics == self._wanted:
            return
        self._wanted = metrics
        metrics = tuple(metric for metric in metrics if metric not in self._missing)
        ratios = tuple(metric for metric in metrics if metric in RATIOS)
        rates = tuple(metric for metric in metrics if metric in RATES)
        self._request = self._requests.of(ratios + rates)
        self._ratios = len(ratios)
        self._columns = tuple(RATIOS[metric] for metric in ratios)
        self._rates = tuple(RATES[metric] for metric in rates)

    def _add_rates(
        self, codes: tuple[float, ...], values: tuple[float, ...], window_ms: int
    ) -> None:
        for place, column in enumerate(self._rates, self._ratios):
            if not codes[place] and 0.0 <= values[place] <= _MOST_RATE:
                moved = values[place] * _MEBI * window_ms / 1000
                self.bytes[column] = self.bytes.get(column, 0.0) + moved

    def _sort_out(
        self, codes: tuple[float, ...], values: tuple[float, ...]
    ) -> dict[str, float | None]:
        """Ratios where something is not as it should be; what is not there is not asked again."""
        ratios: dict[str, float | None] = {}
        for metric, code, value in zip(self._request.metrics, codes, values, strict=True):
            column = RATIOS.get(metric)
            if code and why_off(int(code)) is not Off.FAILED:
                self._missing.add(metric)
                self.unsupported.append(column or RATES[metric])
            if column is not None:
                is_share = not code and 0.0 <= value <= _MOST_PERCENT
                ratios[column] = min(1.0, int(value * 1000.0 + 0.5) / 1e5) if is_share else None
        if self._missing:
            wanted, self._wanted = self._wanted, ()
            self.ask_for(wanted)
        return ratios

    def close(self) -> None:
        """Free the samples."""
        for sample in (self._new, self._old):
            try:
                self._library.call("nvmlGpmSampleFree", sample)
            except NvmlFailed:
                pass  # the driver went first and took them along
