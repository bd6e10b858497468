"""S14: does the energy in the books add up to what meters above them counted? Parts: `meter`.

node   booked at the node boundary over the nodes' own meters, from the control of the hours
it     all that is booked over E_IT, in the hours that its meters cover; the rest is on no
       account: network, storage, and what no meter of the books sees
"""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi import facility
from wattline_collector.kpi.declare import TIME
from wattline_collector.kpi.dimensions import labelled
from wattline_collector.kpi.emissions import hour_of
from wattline_collector.kpi.sums import grouped, ratio, shaped, total
from wattline_collector.kpi.view import JOULES_PER_KWH, View

_SITE = frozenset(TIME)
"""What the IT meter can be split by; a meter of one system by the system too."""


def closure(view: View, by: list[str]) -> pl.DataFrame:
    """S14: booked over metered energy, against the nodes' meters and against the IT meter's.

    The second is there only where there is a meter of E_IT, and where what is asked for can be told
    of it.
    """
    made = [_of_nodes(view, by).with_columns(pl.lit("node").alias("meter"))]
    if not facility.absent(view, ["E_IT"]) and set(by) <= _SITE | {"system"}:
        made.append(_of_it(view, by).with_columns(pl.lit("it").alias("meter")))
    return shaped(pl.concat(made, how="diagonal_relaxed"), [*by, "meter"])


def _of_nodes(view: View, by: list[str]) -> pl.DataFrame:
    # Both sides are of the control of the hours that the period touches: they span the same time.
    control = labelled(view, view.control.nodes, by, "hour")
    metered = pl.col("metered_joules").is_not_null()
    found = grouped(
        control,
        by,
        numerator=pl.when(metered.any()).then(pl.col("energy_joules").filter(metered).sum()),
        denominator=total("metered_joules"),
        n=pl.struct("system", "node").filter(metered).n_unique(),
        coverage=ratio(pl.col("expected_ms").filter(metered).sum(), pl.col("expected_ms").sum()),
    )
    note = pl.when(pl.col("denominator").is_null()).then(pl.lit("no node has a meter"))
    return shaped(found.with_columns(pl.lit("node meters").alias("method"), note.alias("note")), by)


def _of_it(view: View, by: list[str]) -> pl.DataFrame:
    hours = facility.hours(view, ["E_IT"], by)
    whole = pl.col("covered_ms") >= pl.col("expected_ms")
    key = ["hour_ms", *(["system"] if "system" in by else [])]
    meters = facility.readings(view).filter(pl.col("eed") == "E_IT")["system"].unique()
    # Meters of single systems know nothing of the others.
    energy = view.energy.filter(
        pl.lit(meters.null_count() > 0) | pl.col("system").is_in(meters.implode())
    )
    booked = (
        energy.with_columns(hour_of("minute").alias("hour_ms"))
        .group_by(key)
        .agg(
            total("joules").alias("joules"),
            pl.col("known_ms").sum(),
            pl.col("device_ms").sum(),
            pl.struct("system", "node").n_unique().alias("nodes"),
        )
    )
    both = hours.join(booked, on=key, how="left").with_columns(
        pl.when(whole).then("joules").alias("joules"),
        pl.when(whole & pl.col("joules").is_not_null()).then("E_IT").alias("E_IT"),
    )
    seen = pl.when(whole & (pl.col("device_ms") > 0)).then(
        pl.col("expected_ms") * pl.col("known_ms") / pl.col("device_ms")
    )
    found = grouped(
        both, by,
        numerator=total("joules"),
        denominator=total("E_IT"),
        n=pl.col("nodes").max(),
        coverage=ratio(seen.sum(), pl.col("expected_ms").sum()),
    )  # fmt: skip
    rest = pl.col("denominator") - pl.col("numerator")
    told = pl.format(
        "{} kWh of {} kWh by the IT meter are on no account", (rest / JOULES_PER_KWH).round(3),
        (pl.col("denominator") / JOULES_PER_KWH).round(3),
    )  # fmt: skip
    over = pl.format(
        "the books have {} kWh more than the IT meter", (-rest / JOULES_PER_KWH).round(3)
    )
    lacks = pl.lit("no whole hour has both the IT meter's reading and booked energy")
    note = (
        pl.when(pl.col("denominator").is_null())
        .then(lacks)
        .when(rest < 0)
        .then(over)
        .otherwise(told)
    )
    return shaped(
        found.with_columns(pl.lit("E_IT, facility meters").alias("method"), note.alias("note")), by
    )
