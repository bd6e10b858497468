"""Intervals that overlap, cut to those that count: at every moment the best ranked of a subject.

Claims on a device, states of a node and outages all come from several who speak of the same time.
"""

from __future__ import annotations

import polars as pl


def overlay(claims: pl.DataFrame, key: str) -> pl.DataFrame:
    """Cut intervals where others of their subject start or end, and keep the best ranked.

    Args:
        claims: `key`, `start`, `end`, `rank` (the least counts) and anything else; none is empty.
        key: Whose intervals they are.

    Returns:
        The same columns. Of one subject, intervals are the same or apart; those of one time have
        one rank.
    """
    ordered = claims.sort(key, "start")
    before = pl.col("end").cum_max().shift(1).over(key)
    crossed = ordered.filter(pl.col("start") < before).select(key).unique()
    if crossed.is_empty():
        return ordered
    apart = ordered.join(crossed, on=key, how="anti")
    among = ordered.join(crossed, on=key, how="semi")
    edges = (
        pl.concat([among.select(key, pl.col(edge).alias("time")) for edge in ("start", "end")])
        .unique()
        .sort(key, "time")
        .with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("edge"))
    )
    # The edge after a subject's last one is never looked up: nothing begins there.
    pieces = edges.with_columns(pl.col("time").shift(-1).alias("until"))
    numbered = among.join(
        edges.rename({"time": "start", "edge": "first"}), on=[key, "start"], how="left"
    ).join(edges.rename({"time": "end", "edge": "last"}), on=[key, "end"], how="left")
    cut = (
        numbered.with_columns(pl.int_ranges("first", "last").alias("edge"))
        .explode("edge", empty_as_null=False)
        .filter(pl.col("rank") == pl.col("rank").min().over("edge"))
        .drop("start", "end", "first", "last")
        .join(pieces.select("edge", pl.col("time").alias("start"), pl.col("until").alias("end")),
              on="edge")
    )  # fmt: skip
    return pl.concat([apart, cut.select(ordered.columns)]).sort(key, "start")


def joined(pieces: pl.DataFrame, key: str) -> pl.DataFrame:
    """Lay neighbouring intervals together that differ in nothing but their time.

    Args:
        pieces: `key`, `start`, `end` and anything else; apart within a subject.
        key: Whose intervals they are.
    """
    same = [column for column in pieces.columns if column not in ("start", "end")]
    ordered = pieces.sort(key, "start")
    goes_on = pl.all_horizontal(
        *(pl.col(column).eq_missing(pl.col(column).shift(1)) for column in same),
        pl.col("start") == pl.col("end").shift(1),
    ).fill_null(False)
    return (
        ordered.with_columns((~goes_on).cum_sum().alias("stretch"))
        .group_by("stretch", maintain_order=True)
        .agg(*(pl.col(c).first() for c in same), pl.col("start").first(), pl.col("end").last())
        .select(pieces.columns)
    )
