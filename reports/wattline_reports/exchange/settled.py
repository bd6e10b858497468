"""Numbers as a bundle writes them."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")

DIGITS = 9
"""Significant digits of a number in a bundle."""

_GUARD = 12


def settled(value: T) -> T | float:
    """Without the last digits of a sum, which depend on the order in which it was added.

    Rounded twice: sums of whole milliseconds or watts often lie half-way between two numbers of
    nine digits, where the last bit decides. To twelve digits the sums of every order are one
    number, which then always goes the same way.
    """
    if not isinstance(value, float):
        return value
    return float(f"{float(f'{value:.{_GUARD}g}'):.{DIGITS}g}")
