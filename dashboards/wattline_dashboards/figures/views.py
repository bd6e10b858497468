"""What the fleet can be coloured by: each view says its values, its scale and how they read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import format_celsius, format_number, format_percent, format_si
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


VIEWS = (
    View(
        "account", "State", "what each device is doing", _accounts,
        lambda _: (-0.5, len(Account) - 0.5), lambda value: format_number(value),
    ),
    View(
        "active", "Compute active", "share of the compute units that had work",
        lambda picture: picture.known("sm_active_ratio"), _all_of_one, format_percent,
    ),
    View(
        "busy", "Kernel running", "share of time any kernel ran, however small",
        lambda picture: picture.known("busy_ratio"), _all_of_one, format_percent,
    ),
    View(
        "power", "Power", "power drawn, up to the highest limit",
        lambda picture: picture.known("power_watts"), _power_scale, _watts,
    ),
    View(
        "temperature", "Temperature", "temperature of the chip",
        lambda picture: picture.known("temperature_celsius"), lambda _: (20.0, 95.0),
        format_celsius,
    ),
    View(
        "memory", "Memory", "share of device memory in use", _filled, _all_of_one,
        format_percent,
    ),
    View(
        "throttled", "Throttled", "share of the last seconds the hardware held the clocks back",
        lambda picture: picture.known("throttled_ratio"), _all_of_one, format_percent,
    ),
)  # fmt: skip
ACCOUNT = VIEWS[0]


def view_named(name: object) -> View:
    """The view of that id; the first where there is none."""
    return next((view for view in VIEWS if view.id == name), ACCOUNT)
