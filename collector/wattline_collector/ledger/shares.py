"""Devices that several jobs hold parts of: their time and joules, split by share.

What one job did on its part is not metered; a MIG instance, a time slice or a shard has no meter of
its own. So all that is split by share is an estimate, and says so (`shared_ms`). Milliseconds stay
whole and add up: each part gets the whole milliseconds of its share, and those that are left go to
the largest remainders. Joules follow the milliseconds: a part rounded away takes none along.
"""

from __future__ import annotations

import polars as pl

LEAST_REST = 1e-9
"""A rest below this part of a device is rounding, not room."""


def sharing(members: pl.DataFrame) -> pl.DataFrame:
    """Groups that do not hold a whole device for one job.

    Args:
        members: `group`, `job`, `share`.

    Returns:
        `group`, `held` (the part of the device that is held, 0-1).
    """
    return (
        members.group_by("group")
        .agg(pl.col("share").sum().clip(upper_bound=1.0).alias("held"), pl.len().alias("jobs"))
        .filter((pl.col("jobs") > 1) | (pl.col("held") < 1 - LEAST_REST))
        .select("group", "held")
        .sort("group")
    )


def rests(members: pl.DataFrame) -> pl.DataFrame:
    """What nobody holds of shared devices, as members without a job.

    Args:
        members: `group`, `job`, `share`.

    Returns:
        `group`, `job` (null), `share`.
    """
    return (
        sharing(members)
        .select(
            "group",
            pl.lit(None, dtype=pl.String).alias("job"),
            (1 - pl.col("held")).alias("share"),
        )
        .filter(pl.col("share") > LEAST_REST)
    )


def jobs_of(groups: pl.Series, members: pl.DataFrame) -> pl.Series:
    """The job of each group that holds devices whole, null where it is null or shares.

    Args:
        groups: Numbers of groups.
        members: `group`, `job`, `share`; groups are numbered from 0 on.

    Returns:
        `job`, an enumeration of all members' jobs.
    """
    kinds = pl.Enum(members["job"].unique().sort())
    firsts = members.unique("group", keep="first").sort("group")
    return firsts["job"].cast(kinds).gather(groups).alias("job")


def split(pieces: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Split pieces of shared devices among the jobs that hold parts of them, and the rest.

    Args:
        pieces: `group`, `duration_ms`, `account`, `rest_account` (that of the part nobody holds).
        members: `group`, `job`, `share`.

    Returns:
        The pieces, those of shared devices once per job and rest, with `job` (an enumeration),
        `part` (of the piece's joules), `counts` (whether the sample that ends the piece counts
        here) and `shared`.
    """
    whole = pieces.with_columns(
        jobs_of(pieces["group"], members),
        pl.lit(1.0).alias("part"),
        pl.lit(True).alias("counts"),
        pl.lit(False).alias("shared"),
    )
    groups = sharing(members)
    if groups.is_empty():
        return whole
    is_shared = pl.col("group").is_in(groups["group"].implode()).fill_null(False)
    kinds = whole.schema["job"]
    parts = (
        pl.concat(
            [
                members.join(groups, on="group", how="semi"),
                rests(members),
            ]
        )
        .with_columns(pl.col("job").cast(kinds))
        .sort("group", "job", nulls_last=True)
    )
    exact = pl.col("duration_ms") * pl.col("share")
    left = pl.col("duration_ms") - pl.col("low").sum().over("piece")
    place = (exact - pl.col("low")).rank("ordinal", descending=True).over("piece")
    own = pl.col("low") + (place <= left).cast(pl.Int64)
    shared = (
        whole.filter(is_shared)
        .drop("job")
        .with_row_index("piece")
        .join(parts, on="group", how="inner", maintain_order="left_right")
        .with_columns(exact.floor().cast(pl.Int64).alias("low"))
        .with_columns(
            own.alias("duration_ms"),
            (own / pl.col("duration_ms")).alias("part"),
            pl.col("piece").is_first_distinct().alias("counts"),
            pl.lit(True).alias("shared"),
            pl.when(pl.col("job").is_null())
            .then("rest_account")
            .otherwise("account")
            .alias("account"),
        )
    )
    return pl.concat([whole.filter(~is_shared), shared.select(whole.columns)])
