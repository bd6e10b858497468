"""GPU performance monitoring (GPM): how busy the parts of the chip were, on Hopper and newer.

Two samples are kept and swapped, so a tick costs one new sample; the figures are averages over the
time between the two. It does not take the lock that profilers need.
"""

from __future__ import annotations

from typing import Any

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.library import Library, NvmlFailed

COLUMNS = {
    ids.GPM_SM_UTIL: "sm_active_ratio",
    ids.GPM_ANY_TENSOR_UTIL: "tensor_active_ratio",
    ids.GPM_DRAM_BANDWIDTH_UTIL: "dram_active_ratio",
}

_MOST_PERCENT = 101.0
"""Rounding may pass 100 by a little; more than this is no percentage."""


class Gpm:
    """The GPM samples of one device."""

    def __init__(self, library: Library, handle: Any) -> None:
        """Ask whether the device can do it, and make room for the samples.

        Raises:
            NvmlFailed: It cannot, or may not.
        """
        self._library, self._handle = library, handle
        if not library.call("nvmlGpmQueryDeviceSupport", handle).isSupportedDevice:
            raise NvmlFailed(ids.NOT_SUPPORTED, "nvmlGpmQueryDeviceSupport", "older than Hopper")
        # One struct of 19 kB, made once: allocating it at each tick would cost more than the call.
        self._request = library.struct("c_nvmlGpmMetricsGet_t")
        self._request.version = ids.GPM_VERSION
        self._request.numMetrics = len(COLUMNS)
        for slot, metric in enumerate(COLUMNS):
            self._request.metrics[slot].metricId = metric
        self._new = library.call("nvmlGpmSampleAlloc")
        self._old = library.call("nvmlGpmSampleAlloc")
        self._has_old = False

    def read(self) -> dict[str, float]:
        """Ratios since the call before; nothing at the first call.

        Raises:
            NvmlFailed: A sample or the figures could not be had; the next call begins anew.
        """
        had, self._has_old = self._has_old, False
        self._library.call("nvmlGpmSampleGet", self._handle, self._new)
        self._new, self._old = self._old, self._new
        if not had:
            self._has_old = True
            return {}
        # After the swap the newest sample is `_old` and the one before it is `_new`.
        self._request.sample1, self._request.sample2 = self._new, self._old
        self._library.call("nvmlGpmMetricsGet", self._request)
        self._has_old = True
        ratios = {}
        for slot, column in enumerate(COLUMNS.values()):
            metric = self._request.metrics[slot]
            if metric.nvmlReturn == ids.SUCCESS and 0.0 <= metric.value <= _MOST_PERCENT:
                ratios[column] = min(1.0, metric.value / 100.0)
        return ratios

    def close(self) -> None:
        """Free the samples."""
        for sample in (self._new, self._old):
            try:
                self._library.call("nvmlGpmSampleFree", sample)
            except NvmlFailed:
                pass  # the driver went first and took them along
