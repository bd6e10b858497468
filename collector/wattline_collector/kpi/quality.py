"""Service quality of the telemetry itself (Q03)."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.sums import grouped, shaped
from wattline_collector.kpi.view import View


def completeness(view: View, by: list[str]) -> pl.DataFrame:
    """Q03: samples received over samples expected, of devices and nodes.

    Something installed that never said how often it samples is left out: how many samples to
    expect of it is not known.
    """
    columns = [*dict.fromkeys(["system", "node", *by]), "samples", "samples_expected"]
    known = pl.col("samples_expected").is_not_null()
    key = list(dict.fromkeys(["system", "node", *by]))
    sums = pl.col("samples", "samples_expected").sum()
    of_devices = view.collected(lambda part: part.filter(known).group_by(key).agg(sums))
    frames = [of_devices.with_columns(pl.col("samples").cast(pl.Float64))]
    if "device" not in by:  # samples of a node are of none of its devices
        frames.append(view.node.filter(known).select(columns))
    both = pl.concat(frames)
    expected = pl.col("samples_expected").sum()
    found = grouped(
        both,
        by,
        # Sampling jitters by a little around its period; more than all is all.
        numerator=pl.when(expected > 0).then(pl.min_horizontal(pl.col("samples").sum(), expected)),
        denominator=pl.when(expected > 0).then(expected),
        n=pl.struct("system", "node").n_unique(),
    )
    return shaped(found.with_columns(pl.lit("sample counts").alias("method")), by)
