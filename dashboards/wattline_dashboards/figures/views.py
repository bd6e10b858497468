"""What the fleet can be coloured by: each view says its values, its scale and how they read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import format_celsius, format_number, format_percent, format_si
from wattline_dashboards.language import N_
from wattline_dashboards.picture import Picture

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class View:
    """One way to colour a device.

    Attributes:
        id: Its word in an address.
        label: Its name on the button.
        meaning: What the colour stands for.
        values: A value per device; null is not known.
        scale: The values at both ends of the ramp, from the fleet; the same from tick to tick.
        format: A value for people.
    """

    id: str
    label: str
    meaning: str
    values: Callable[[Picture], Values]
    scale: Callable[[Picture], tuple[float, float]]
    format: Callable[[float | None], str]


def _all_of_one(_: Picture) -> tuple[float, float]:
    return 0.0, 1.0


def _accounts(picture: Picture) -> Values:
    order = list(Account)
    return [float(order.index(account)) for account in picture.accounts]


def _filled(picture: Picture) -> Values:
    pairs = zip(picture.known("memory_used_bytes"), picture.known("memory_size_bytes"), strict=True)
    return [None if used is None or not size else used / size for used, size in pairs]


def _power_scale(picture: Picture) -> tuple[float, float]:
    """Zero to the highest limit, or where no limit is known to a round number over the highest."""
    limits = [value for value in picture.devices.numbers("power_limit_watts") if value]
    if limits:
        return 0.0, max(limits)
    drawn = [value for value in picture.devices.numbers("power_watts") if value]
    return 0.0, float(math.ceil(max(drawn, default=100.0) / 100) * 100)


def _watts(value: float | None) -> str:
    return format_si(value, "W")


def _hertz(value: float | None) -> str:
    return format_si(value, "Hz")


def _seconds(value: float | None) -> str:
    return format_number(value, "s")


def _column(name: str) -> Callable[[Picture], Values]:
    return lambda picture: picture.known(name)


def _to_highest(name: str) -> Callable[[Picture], tuple[float, float]]:
    """From nought to a round number over the highest, so that a scale stays for many ticks."""

    def scale(picture: Picture) -> tuple[float, float]:
        high = max((value for value in picture.known(name) if value), default=1.0)
        unit = 10.0 ** math.floor(math.log10(high))
        return 0.0, next(unit * step for step in (1, 2, 5, 10) if unit * step >= high)

    return scale


def _to_limit(picture: Picture) -> Values:
    pairs = zip(picture.known("power_watts"), picture.known("power_limit_watts"), strict=True)
    return [None if drawn is None or not limit else drawn / limit for drawn, limit in pairs]


VIEWS = (
    View(
        "account", N_("State"), N_("what each device is doing"), _accounts,
        lambda _: (-0.5, len(Account) - 0.5), lambda value: format_number(value),
    ),
    View(
        "active", N_("Compute active"), N_("share of the compute units that had work"),
        lambda picture: picture.known("sm_active_ratio"), _all_of_one, format_percent,
    ),
    View(
        "busy", N_("Kernel running"), N_("share of time any kernel ran, however small"),
        lambda picture: picture.known("busy_ratio"), _all_of_one, format_percent,
    ),
    View(
        "power", N_("Power"), N_("power drawn, up to the highest limit"),
        lambda picture: picture.known("power_watts"), _power_scale, _watts,
    ),
    View(
        "temperature", N_("Temperature"), N_("temperature of the chip"),
        lambda picture: picture.known("temperature_celsius"), lambda _: (20.0, 95.0),
        format_celsius,
    ),
    View(
        "memory", N_("Memory"), N_("share of device memory in use"), _filled, _all_of_one,
        format_percent,
    ),
    View(
        "throttled", N_("Throttled"),
        N_("share of the last seconds the hardware held the clocks back"),
        lambda picture: picture.known("throttled_ratio"), _all_of_one, format_percent,
    ),
    View(
        "tensor", N_("Tensor active"), N_("share of time the tensor cores worked"),
        _column("tensor_active_ratio"), _all_of_one, format_percent,
    ),
    View(
        "dram", N_("Memory active"), N_("share of time device memory moved data"),
        _column("dram_active_ratio"), _all_of_one, format_percent,
    ),
    View(
        "occupancy", N_("Occupancy"), N_("share of the threads there could be that there were"),
        _column("sm_occupancy_ratio"), _all_of_one, format_percent,
    ),
    View(
        "capped", N_("Power to limit"), N_("power drawn as a share of the device's own limit"),
        _to_limit, _all_of_one, format_percent,
    ),
    View(
        "limit", N_("Power limit"), N_("the power the device may draw"),
        _column("power_limit_watts"), _to_highest("power_limit_watts"), _watts,
    ),
    View(
        "memory-heat", N_("Memory temperature"), N_("temperature of the device memory"),
        _column("memory_temperature_celsius"), lambda _: (20.0, 105.0), format_celsius,
    ),
    View(
        "margin", N_("Room to throttling"), N_("degrees left until heat slows the device"),
        _column("temperature_margin_celsius"), lambda _: (0.0, 60.0), format_celsius,
    ),
    View(
        "clock", N_("Compute clock"), N_("frequency of the compute units"),
        _column("sm_clock_hertz"), _to_highest("sm_clock_hertz"), _hertz,
    ),
    View(
        "memory-clock", N_("Memory clock"), N_("frequency of the device memory"),
        _column("memory_clock_hertz"), _to_highest("memory_clock_hertz"), _hertz,
    ),
    View(
        "xids", N_("XID errors"), N_("XID errors since the agent started"),
        _column("xid_events_total"), _to_highest("xid_events_total"), format_number,
    ),
    View(
        "ecc", N_("Uncorrected memory errors"), N_("in the life of the device"),
        _column("ecc_uncorrected_aggregate_total"),
        _to_highest("ecc_uncorrected_aggregate_total"), format_number,
    ),
    View(
        "reads", N_("Failed reads"), N_("reads of the device that failed since its agent started"),
        _column("read_errors_total"), _to_highest("read_errors_total"), format_number,
    ),
    View(
        "read-time", N_("Time to read"), N_("how long one reading of the device took"),
        _column("read_seconds"), _to_highest("read_seconds"), _seconds,
    ),
)  # fmt: skip
"""The first seven are what somebody looks at most."""
ACCOUNT = VIEWS[0]


def view_named(name: object) -> View:
    """The view of that id; the first where there is none."""
    return next((view for view in VIEWS if view.id == name), ACCOUNT)
