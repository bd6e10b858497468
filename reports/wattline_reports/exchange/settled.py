"""Numbers as a bundle writes them."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")

DIGITS = 9
"""Significant digits of a number in a bundle."""

GUARD = 12
"""Significant digits that sums agree on in whatever order they were added."""


def settled(value: T) -> T | float:
    """Without the last digits of a sum, which depend on the order in which it was added.

    Rounded twice: sums of whole milliseconds or watts often lie half-way between two numbers of
    nine digits, where the last bit decides. To twelve digits the sums of every order are one
    number, which then always goes the same way.
    """
    return twice(value, DIGITS) if isinstance(value, float) else value


def twice(value: float, digits: int) -> float:
    """A number at so many significant digits, by way of `GUARD` of them."""
    return float(f"{float(f'{value:.{GUARD - 1}e}'):.{digits - 1}e}")
