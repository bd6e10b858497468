"""Values in the JSON of Kubernetes, whose objects come from anybody: taken for what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from wattline_collector.receive.check import AHEAD_MS, EARLIEST_MS

Json = object

_QUANTITY = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(m|k|[KMGTPE]i|[MGTPE]|[eE][+-]?[0-9]{1,2})?"
)
_FACTORS: Mapping[str, float] = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)
_MOST_ITEMS = 500
"""Of one list inside an object: containers, conditions, taints."""
_MOST_AMOUNT = 1e15
"""A petabyte of memory; that much for each of the most containers still fits a column."""


def mapping(value: Json) -> Mapping[str, Json]:
    """An object; an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def items(value: Json) -> Iterator[Mapping[str, Json]]:
    """The objects of a list; none where it is no list."""
    for one in value[:_MOST_ITEMS] if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield one


def at(value: Json, *path: str) -> Json:
    """What stands at a path of names; None where nothing does."""
    for name in path:
        value = mapping(value).get(name)
    return value


def text(value: Json) -> str | None:
    """Text that is not empty."""
    return value if isinstance(value, str) and value else None


def first(labels: Json, names: Sequence[str]) -> str | None:
    """The first of several labels that is there."""
    return next((found for name in names if (found := text(at(labels, name))) is not None), None)


def number(value: Json) -> int | None:
    """A whole number of sane size."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**53:
        return None
    return value


def moment(value: Json, now_ms: int) -> int | None:
    """Milliseconds since 1970 of `2026-11-21T05:30:00Z`; None where it is no time that can be.

    Args:
        value: The text.
        now_ms: What lies more than a day after is no time.
    """
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        time = datetime.fromisoformat(value[:19]).replace(tzinfo=UTC)
    except ValueError:
        return None
    time_ms = int(time.timestamp()) * 1000
    return time_ms if EARLIEST_MS <= time_ms <= now_ms + AHEAD_MS else None


def quantity(value: Json) -> float | None:
    """An amount such as `500m`, `64Gi`, `2`, in the unit of what it is of."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if 0 <= value < _MOST_AMOUNT else None
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    unit = match[2] or ""
    factor = 10.0 ** int(unit[1:]) if unit not in _FACTORS else _FACTORS[unit]
    amount = float(match[1]) * factor
    return amount if amount < _MOST_AMOUNT else None
