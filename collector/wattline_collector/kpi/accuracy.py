"""How wrong meters may be: bounds that are added up, never set off against one another.

The bound of a sum is the sum of the bounds of its parts, as if all were wrong the same way: sensors
of one kind are, and a mean over many of them is no better than one. Where the facts give no bound
for a part, the sum has none.

A GPU's own sensor: against an external meter NVIDIA's read 5.7 % low over 14 s of a changing load
(Yang, Adamek and Armour, SC24), and 5 % is what the authors find typical; it looks at a quarter of
the time on A100 and H100. Whether the energy counter sees the rest nobody says, so it gets the same
bound. A facility's meter: its class, as the profile states it. Of the sensors of nodes, and of
other vendors' devices, no bound is known.
"""

from __future__ import annotations

import re

import polars as pl

from wattline_collector.kpi.view import View

SENSOR = {"nvidia": 0.06}
"""Relative bound of a device's own energy and power, by vendor."""

_CLASS = re.compile(r"class\s*([0-9]+(?:\.[0-9]+)?|[ABC]\b)", re.IGNORECASE)
_LETTERS = {"a": 0.02, "b": 0.01, "c": 0.005}
"""Accuracy classes of EN 50470-3."""


def with_errors(view: View, energy: pl.DataFrame) -> pl.DataFrame:
    """Energy with the joules that each row may be wrong by; null where no bound is known.

    Args:
        view: Whose energy.
        energy: Rows of `View.energy`.

    Returns:
        The same rows, with `error_joules`: 0 where the joules are not known.
    """
    vendors = (
        view.inventory.filter(pl.col("kind") == "device")
        .group_by("system", "node")
        .agg(
            pl.when(pl.col("vendor").n_unique() == 1).then(pl.col("vendor").first()).alias("vendor")
        )
        .with_columns(
            pl.col("vendor")
            .replace_strict(SENSOR, default=None, return_dtype=pl.Float64)
            .alias("bound")
        )
    )
    bound = pl.when(pl.col("boundary") != "node").then(pl.col("bound"))
    return (
        energy.join(
            vendors.select("system", "node", "bound"), on=["system", "node"], how="left",
            maintain_order="left",
        )
        .with_columns(
            pl.when(pl.col("joules").is_null())
            .then(0.0)
            .otherwise(pl.col("joules") * bound)
            .alias("error_joules")
        )
        .drop("bound")
    )  # fmt: skip


def error(column: str = "error_joules") -> pl.Expr:
    """The bound of a sum: null where any part has none."""
    return pl.when(pl.col(column).is_not_null().all()).then(pl.col(column).sum())


def of_meters(view: View, code: str) -> float | None:
    """The relative bound of an indicator: the worst class of its meters, as the profile has them.

    Args:
        view: With the profile.
        code: The indicator.

    Returns:
        Null where a meter of it has no class that is told, and where one is taken off: what a
        difference may be wrong by is no part of the difference.
    """
    profile = view.profile
    if profile is None:
        return None
    mine = [meter for meter in profile.meters.values() if meter.eed == code]
    if not mine or any(meter.counts == "subtracts" for meter in mine):
        return None
    bounds = []
    for meter in mine:
        devices = [one for one in profile.measuring_devices.values() if one.point == meter.point]
        classes = [class_of(one.accuracy) for one in devices]
        known = [one for one in classes if one is not None]
        if not known or len(known) < len(classes):
            return None
        bounds += known
    return max(bounds)


def class_of(text: str | None) -> float | None:
    """The relative bound that a class of accuracy stands for: `class 0.5S, EN 62053-22` is 0.005.

    Args:
        text: As people write it.
    """
    found = None if text is None else _CLASS.search(text)
    if found is None:
        return None
    word = found[1].lower()
    return _LETTERS[word] if word in _LETTERS else float(word) / 100
