"""How a figure is written for people: three digits, a unit, an en dash where it is not known."""

from __future__ import annotations

from datetime import UTC, datetime

from wattline_collector.kpi.figure import Figure
from wattline_collector.palette import (
    THIN_SPACE,
    UNKNOWN,
    format_celsius,
    format_number,
    format_percent,
    format_si,
    format_value,
)

_PLAIN = {"{gpu}", "{node}", "{core}", "{step}", "{request}", "{checkpoint}", "{core}/{gpu}"}
_TIMES = frozenset(
    {"step_spread", "checkpoint_interval_over_best", "cpus_over_fair", "memory_over_fair"}
)
"""Ratios that are read as `1.4 times`, because they are over 1."""


def written(figure: Figure) -> str:
    """A figure's value."""
    return quantity(figure.value, figure.unit, figure.id)


def quantity(value: float | None, unit: str, id: str = "") -> str:
    """A value in its unit."""
    if value is None:
        return UNKNOWN
    if id in _TIMES:
        return f"{format_number(float(value))}{THIN_SPACE}times"
    if unit in _PLAIN:
        whole = float(value).is_integer()
        return format_number(round(value)) if whole else format_number(float(value))
    match unit:
        case "s":
            return duration(value)
        case "Cel":
            return format_celsius(value)
        case "1":
            return format_percent(value)
        case "{parameter}":
            return scale(value)
        case "EUR":
            return format_number(float(value), "€")
        case "gCO2e":
            return format_si(float(value), "g CO₂e")
        case "J/tok":
            return format_number(float(value), "J/token")
        case _:
            return format_value(float(value) if unit != "tok" else value, unit)


def duration(seconds: float) -> str:
    """How long, in the two largest units: `850 ms`, `42.3 s`, `12 min 30 s`, `3 d 4 h`."""
    if seconds < 0.9995:
        return format_number(seconds * 1000, "ms")
    if seconds < 59.95:
        return format_number(float(seconds), "s")
    whole = round(seconds)
    for large, big, small, little in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= large:
            # Rounded to the smaller unit first, so that 59.9 min is 1 h and not 60 min.
            units = round(whole / small)
            first, rest = divmod(units, large // small)
            parts = [f"{first}{THIN_SPACE}{big}"]
            return " ".join(parts + ([f"{rest}{THIN_SPACE}{little}"] if rest else []))
    return format_number(float(seconds), "s")


def told(seconds: float) -> str:
    """How long something took whose ends a scheduler told: its clock knows whole seconds."""
    return f"under{THIN_SPACE}1{THIN_SPACE}s" if seconds < 1 else duration(seconds)


def scale(count: float) -> str:
    """A model's size as its name has it: `8.03 B`, `70 B`, `350 M`."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if count >= size:
            return f"{count / size:.3g}{THIN_SPACE}{letter}"
    return format_number(round(count))


def moment(ms: int | None) -> str:
    """A moment in UTC, to the minute."""
    if ms is None:
        return UNKNOWN
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"


def clock(ms: int, of_day_ms: int) -> str:
    """A moment in UTC, with its day where that is not the day of another moment."""
    at, other = (datetime.fromtimestamp(t / 1000, UTC) for t in (ms, of_day_ms))
    return f"{at:%H:%M}" if at.date() == other.date() else f"{at:%m-%d %H:%M}"
