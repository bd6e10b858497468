"""One meter for several devices: its readings, in equal parts to each of them.

The two dies of an MI250X have one meter, which one of them reports; so have the partitions of other
cards. Booked as it is read, one die would be charged for both, and half of the time would count as
not metered. Nothing tells how much of it each used, so they get equal parts, as devices do of what
their node used beside them.
"""

from __future__ import annotations

import polars as pl

_METERED = ("energy_joules_total", "power_watts")


def spread(samples: pl.DataFrame, devices: pl.DataFrame) -> pl.DataFrame:
    """Samples with the readings of shared meters in equal parts.

    Devices that name the same module share a meter where just one of them ever has a reading. Where
    more of them have, each has a meter of its own.

    Args:
        samples: `subject`, `time`, and the device table's metrics, sorted.
        devices: `subject`, `node`, `module` (null: it shares nothing).

    Returns:
        The same rows in the same order.
    """
    module = ["node", "module"]
    members = (
        devices.filter(pl.col("module").is_not_null())
        .select("subject", *module, pl.len().over(module).alias("devices"))
        .filter(pl.col("devices") > 1)
    )
    if members.is_empty():
        return samples
    whole = samples.join(members, on="subject", how="left", maintain_order="left")
    for column in _METERED:
        known = whole.filter(pl.col("devices").is_not_null() & pl.col(column).is_not_null())
        parts = known.filter(pl.col("subject").n_unique().over(module) == 1).select(
            *module, "time", (pl.col(column) / pl.col("devices")).alias("part")
        )
        whole = (
            whole.join(parts, on=[*module, "time"], how="left", maintain_order="left")
            .with_columns(pl.coalesce("part", column).alias(column))
            .drop("part")
        )
    return whole.select(samples.columns)
