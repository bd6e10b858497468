"""Text that others chose, made fit for a store: printable and bounded, or left out.

A job's name is whatever its owner typed: markup, control characters, a megabyte. Names are cut and
cleaned, because they are only shown. What is read again (a list of nodes, a list of resources) is
whole or not there.
"""

from __future__ import annotations

import polars as pl

from wattline_agents.wire import MAX_TEXT_BYTES

_UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\x{2028}-\x{202e}\x{2066}-\x{2069}]"
"""What moves a cursor, begins a line or turns the direction of writing."""
_NOTHING = r"(?i)\A\s*(?:|none|unknown|n/a|\(null\)|none assigned|not_set|invalid)\s*\z"
"""How Slurm, by version and field, says that there is nothing to say."""
_CUT = 63
"""Characters kept of a text that is too long: at most 4 bytes each in UTF-8, and the ellipsis."""


def said(column: str) -> pl.Expr:
    """A column of text without the many ways to say nothing: those are null."""
    value = pl.col(column).str.strip_chars()
    return pl.when(~value.str.contains(_NOTHING)).then(value)


def shown(value: pl.Expr) -> pl.Expr:
    """Text that people see: unprintable characters are `?`, what is too long ends in `…`."""
    clean = value.str.replace_all(_UNPRINTABLE, "?")
    return (
        pl.when(clean.str.len_bytes() <= MAX_TEXT_BYTES)
        .then(clean)
        .otherwise(clean.str.slice(0, _CUT) + "…")
    )


def whole(value: pl.Expr) -> pl.Expr:
    """Text that programs read: as it is, or null where it is unprintable or too long to keep."""
    fits = (value.str.len_bytes() <= MAX_TEXT_BYTES) & ~value.str.contains(_UNPRINTABLE)
    return pl.when(fits).then(value)


def count(value: pl.Expr) -> pl.Expr:
    """A whole number from 0 to 10^18; null where it is none."""
    return pl.when(value.str.contains(r"\A[0-9]{1,18}\z")).then(value.cast(pl.Int64, strict=False))


def amount(value: pl.Expr, base: int) -> pl.Expr:
    """A number with one of Slurm's unit letters, such as `62.50G`.

    Args:
        value: The text.
        base: 1024 for memory, 1000 for energy.
    """
    parts = value.str.extract_groups(r"\A([0-9]{1,15}(?:\.[0-9]{1,9})?)([KMGTPE]?)[nc]?\z")
    number = parts.struct.field("1").cast(pl.Float64, strict=False)
    steps = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
    factor = parts.struct.field("2").replace_strict(
        {letter: float(base**power) for letter, power in steps.items()},
        default=None, return_dtype=pl.Float64,
    )  # fmt: skip
    return number * factor
