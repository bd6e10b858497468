"""The fleet as a file: a row per device."""

from __future__ import annotations

from typing import Any

from wattline_dashboards import exports, words
from wattline_dashboards.columns import number
from wattline_dashboards.picture import Picture

_FIGURES = (
    "sm_active_ratio", "busy_ratio", "tensor_active_ratio", "dram_active_ratio",
    "sm_occupancy_ratio", "power_watts", "power_limit_watts", "temperature_celsius",
    "memory_temperature_celsius", "temperature_margin_celsius", "memory_used_bytes",
    "memory_size_bytes", "sm_clock_hertz", "memory_clock_hertz", "throttled_ratio",
    "xid_events_total", "ecc_uncorrected_aggregate_total", "read_errors_total", "read_seconds",
)  # fmt: skip
"""Columns whose name says their unit, as the collector's API and its files call them."""


def sheet(picture: Picture | None) -> exports.Sheet | None:
    """Every device as a row, in base units: what the map can be coloured by, and where it stands.

    What is not known now is an empty cell.
    """
    if picture is None or not picture.devices.rows:
        return None
    told = picture.devices
    columns: dict[str, Any] = {
        "system": told.texts("system"), "rack": told.texts("rack"),
        "node": told.texts("node"), "place": told.numbers("index"),
        "device": told.texts("device"),
        "state": [words.state(account) for account in picture.accounts],
        "job": told.texts("job"),
    } | {name: picture.known(name) for name in _FIGURES} | {
        "reading (unix ms)": [
            None if (age := number(one)) is None else round(picture.time_unix_ms - age)
            for one in told.numbers("age_ms")
        ],
    }  # fmt: skip
    rows = list(zip(*columns.values(), strict=True))
    return exports.Sheet("fleet", list(columns), rows)
