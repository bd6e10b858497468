"""How long requests took: P06, from the histograms of all engines added up.

Engines keep different buckets. What is added up is not cut down to the bounds that all have: at a
bound that one does not have, as many of its requests were within it as at its own bound below, at
least, and as at its own bound above, at most. So a quantile lies between two bounds, and the answer
holds them; of engines of one kind it is the bucket, as `wattline job` tells it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.dimensions import labelled
from wattline_collector.kpi.model_work import INFERENCE, KEY
from wattline_collector.kpi.sums import grouped, ratio, shaped
from wattline_collector.kpi.view import View

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_SLACK = 1 - 1e-12
"""A product such as 0.9 * 10 is a hair above 9."""
_METHOD = "buckets of the engines' histograms; the value is the upper end of the bucket"
_NOTHING = (
    "no engine of this period told how long its requests took: docs/serving.md says which do, and "
    "what the agent needs"
)


def latency(view: View, by: list[str]) -> pl.DataFrame:
    """P06: quantiles of each kind of latency in ms; covers the services' running time."""
    parts = [*by, "kind", "quantile"]
    told = None if view.inputs is None else view.inputs.latency
    if told is None or told.is_empty():
        return lacking.unknown(parts, _NOTHING) if not by else lacking.unknown(parts, "").clear()
    told = told.rename({"hour": "at"})  # which is a dimension's name too
    series = labelled(view, told, by, "at")
    curves = _curves(series, [*by, "kind"])
    counts = curves.group_by(*by, "kind").agg(pl.col("total").first())
    frames = [_at(curves, counts, [*by, "kind"], name, q) for name, q in QUANTILES.items()]
    quantiles = pl.concat(frames)
    if quantiles.is_empty() and not by:
        return lacking.unknown(parts, "no request of this period came to its end")
    found = quantiles.join(_coverage(view, told, by), on=by or "_", how="left")
    beyond = pl.when(pl.col("value").is_null()).then(
        pl.format("longer than the last bucket of an engine, {} ms", pl.col("low").round(3))
    )
    return shaped(
        found.with_columns(pl.lit(_METHOD).alias("method"), beyond.alias("note")).sort(parts),
        parts,
    )


def _curves(series: pl.DataFrame, of: Sequence[str]) -> pl.DataFrame:
    """How many were within each bound, at least and at most.

    Returns:
        `of`, `bound` (s), `least`, `most`, `total`.
    """
    bound = pl.col("le_seconds").fill_null(math.inf).alias("bound")
    one = ["system", "at", "job", "kind"]
    shapes = (
        series.with_columns(bound)
        .sort("bound")
        .group_by(one, maintain_order=True)
        .agg(pl.col("bound").cast(pl.String).str.join(" ").alias("shape"))
    )
    added = (
        series.with_columns(bound)
        .join(shapes, on=one)
        .group_by(*of, "shape", "bound")
        .agg(pl.col("count").sum())
        .sort("bound")
    )
    bounds = added.select(*of, "bound").unique()
    asked = added.select(*of, "shape").unique().join(bounds, on=of, nulls_equal=True).sort("bound")
    key = [*of, "shape"]
    below = asked.join_asof(
        added.rename({"count": "least"}), on="bound", by=key, strategy="backward",
        check_sortedness=False,
    )  # fmt: skip
    both = below.join_asof(
        added.rename({"count": "most"}), on="bound", by=key, strategy="forward",
        check_sortedness=False,
    )  # fmt: skip
    largest = added.group_by(key).agg(pl.col("count").max().alias("total"))
    return (
        both.join(largest, on=key, nulls_equal=True)
        .group_by(*of, "bound")
        .agg(
            pl.col("least").fill_null(0).sum(),
            pl.coalesce("most", "total").sum().alias("most"),
            pl.col("total").sum(),
        )
        .sort("bound")
    )


def _at(
    curves: pl.DataFrame, counts: pl.DataFrame, of: list[str], name: str, q: float
) -> pl.DataFrame:
    """Between which bounds a quantile lies, in ms."""
    wanted = pl.col("total") * q * _SLACK
    bound = pl.col("bound") * 1000
    ends = curves.group_by(of).agg(
        bound.filter(pl.col("most") < wanted).max().alias("low"),
        bound.filter((pl.col("least") >= wanted) & pl.col("bound").is_finite())
        .min()
        .alias("value"),
    )
    return (
        counts.filter(pl.col("total") > 0)
        .join(ends, on=of, nulls_equal=True)
        .select(
            *of,
            pl.lit(name).alias("quantile"),
            "value",
            pl.col("low").fill_null(0.0),
            pl.col("value").alias("high"),
            pl.col("total").alias("n"),
            pl.lit("_").alias("_"),
        )
    )


def _coverage(view: View, told: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The part of the services' running time in whose hours their engines told."""
    hours = told.select(*KEY, "at").unique().with_columns(pl.lit(True).alias("told"))
    serving = (
        view.job.filter(pl.col("kind") == INFERENCE)
        .with_columns(pl.col("minute").dt.truncate("1h").alias("at"))
        .join(hours, on=[*KEY, "at"], how="left")
    )
    running = pl.col("running_ms")
    found = grouped(
        serving, by, coverage=ratio(running.filter(pl.col("told")).sum(), running.sum())
    )
    return found if by else found.with_columns(pl.lit("_").alias("_"))
