"""Node energy: what a node's own meter saw, to the jobs and accounts of its devices.

Rule: what a node's devices metered themselves stays where it is booked; the rest, the node's
overhead and devices that were not metered, is shared over its devices by time. Where no device is
metered the node's energy as a whole is shared like that: at every moment in equal parts over the
installed devices, each part to the job that holds the device, and within a minute to the accounts
that job's time on the node went to. A node held by one job alone gives it all either way. A node
without devices is booked as `free`: nobody says that anything held it.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger import intervals, shares
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.schema import ACCOUNT, MINUTE_MS, NODE
from wattline_collector.ledger.standing import Standing


def pieces(
    window: Window, samples: pl.DataFrame, bounds: pl.DataFrame, marks: pl.DataFrame
) -> pl.DataFrame:
    """Every piece of every node's time, with its energy.

    Args:
        window: What to book.
        samples: `subject`, `time`, `period_ms`, `energy_joules_total`, `power_watts`, sorted.
        bounds: `subject`, `low`, `high`: when each node was installed.
        marks: `subject`, `time`: where an assignment of one of its devices starts or ends.

    Returns:
        `subject`, `start`, `end`, `duration_ms`, `reading`, `joules_per_ms` (null: not metered),
        `integrated`.
    """
    cut = intervals.cut(window, bounds, [samples, marks])
    energy = intervals.ending_at_or_after(cut, intervals.energy_rates(samples)).select(
        pl.col("time").alias("reading"), "joules_per_ms", "integrated"
    )
    return pl.concat([cut, energy], how="horizontal").with_columns(
        (pl.col("end") - pl.col("start")).alias("duration_ms")
    )


def held_shares(
    whole: pl.DataFrame, devices: pl.DataFrame, held: pl.DataFrame, members: pl.DataFrame
) -> pl.DataFrame:
    """Which part of a node each job holds, piece by piece.

    Args:
        whole: What `pieces` returned.
        devices: `device` (its subject number), `node` (its node's), `low`, `high`.
        held: `subject` (device), `group`, `start`, `end`.
        members: `group`, `job`, `share`.

    Returns:
        `piece` (row number in `whole`), `job`, `part` (0-1); parts of a piece add up to 1.
    """
    numbered = whole.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("piece"), "subject", "start", "end"
    )
    installed = numbered.join(
        devices.select(pl.col("node").alias("subject"), "device", "low", "high"), on="subject"
    ).filter((pl.col("low") < pl.col("end")) & (pl.col("high") > pl.col("start")))
    of_device = installed.select(pl.col("device").alias("subject"), "piece", "start", "end").sort(
        "subject", "start"
    )
    of_device = of_device.with_columns(intervals.within(of_device, held, "group"))
    devices_of = of_device.group_by("piece", "group").agg(pl.len().alias("count"))
    # What nobody holds is nobody's: a device that none holds, and the rest of one that is shared.
    parts = pl.concat([members, shares.rests(members), _NOBODY])
    counted = devices_of.join(parts, on="group", nulls_equal=True).with_columns(
        (pl.col("count") * pl.col("share")).alias("count")
    )
    return (
        counted.group_by("piece", "job")
        .agg(pl.col("count").sum())
        .with_columns((pl.col("count") / pl.col("count").sum().over("piece")).alias("part"))
        .select("piece", "job", "part")
    )


_NOBODY = pl.DataFrame(
    [(None, None, 1.0)],
    schema={"group": pl.Int32, "job": pl.String, "share": pl.Float64},
    orient="row",
)


def entries(
    window: Window,
    nodes: pl.DataFrame,
    whole: pl.DataFrame,
    shares: pl.DataFrame,
    samples: pl.DataFrame,
    accounts: pl.DataFrame,
) -> pl.DataFrame:
    """Add pieces up to entries, one per minute x node x job x account.

    Args:
        window: What to book.
        nodes: `subject`, `system`, `node`, `period_ms`.
        whole: What `pieces` returned.
        shares: What `held_shares` returned.
        samples: As for `pieces`.
        accounts: What `accounts_of` and `bare_accounts` returned.

    Returns:
        A frame of `schema.NODE`.
    """
    of_account = pl.col("account_part").fill_null(1.0)
    minute = ["minute", "subject"]
    booked = (
        _by_job(window, whole, shares)
        .join(_seen(window, samples), on=minute, how="left")
        .with_columns(
            (
                pl.col("seen").fill_null(0)
                * pl.col("duration_ms")
                / pl.col("duration_ms").sum().over(minute)
            ).alias("samples"),
            pl.col("joules").sum().over(minute).alias("node_joules"),
            (pl.col("energy_ms").sum() >= pl.col("duration_ms").sum() - 1)
            .over(minute)
            .alias("covered"),
        )
        .join(nodes, on="subject", how="left")
        .join(accounts, on=["minute", "node", "job"], how="left", nulls_equal=True)
        .with_columns(
            pl.col("device_energy_joules").sum().over(minute).alias("devices_joules"),
            pl.col("device_energy_joules").is_not_null().any().over(minute).alias("some_known"),
            (pl.col("device_ms") / pl.col("device_ms").sum().over(minute)).alias("time_part"),
        )
        .with_columns(_shared(of_account).alias("shared_joules"))
    )
    booked = intervals.with_pace(booked, intervals.paces(samples))
    metered = pl.col("energy_ms") > 0
    return (
        booked.select(
            "system",
            pl.col("minute").cast(NODE["minute"]),
            "node",
            "job",
            pl.col("account").fill_null(pl.lit(Account.FREE, dtype=ACCOUNT)),
            (pl.col("duration_ms") * of_account).alias("duration_ms"),
            pl.when(metered).then(pl.col("shared_joules").round(6)).alias("energy_joules"),
            intervals.energy_method(metered),
            (pl.col("energy_ms") * of_account).alias("energy_ms"),
            "device_energy_joules",
            (pl.col("samples") * of_account).alias("samples"),
            pl.when(pl.col("period_ms") > 0)
            .then((pl.col("duration_ms") * of_account / pl.col("period_ms")).round(9))
            .alias("samples_expected"),
        )
        .sort("node", "minute", "job", "account", nulls_last=True)
        .cast(NODE)
    )


def _by_job(window: Window, whole: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """A node's time and joules per minute and job, each piece by the parts jobs have in it."""
    held = shares.filter(pl.col("job").is_not_null()).select("piece").unique()
    numbered = whole.with_row_index("piece").with_columns(
        pl.col("piece").is_in(held["piece"].implode()).alias("assigned")
    )
    part = pl.col("part").fill_null(1.0)
    time = pl.col("duration_ms") * part
    inside = (
        numbered.with_columns(intervals.settle(numbered))
        .join(shares, on="piece", how="left")
        .filter((pl.col("start") >= window.start_ms) & (pl.col("end") <= window.end_ms))
        .with_columns((pl.col("start") // MINUTE_MS * MINUTE_MS).alias("minute"))
    )
    return inside.group_by("minute", "subject", "job").agg(
        time.sum().alias("duration_ms"),
        (pl.col("joules") * part).sum().alias("joules"),
        pl.when(pl.col("joules").is_not_null()).then(time).otherwise(0).sum().alias("energy_ms"),
        pl.when(pl.col("integrated")).then(time).otherwise(0).sum().alias("integrated_ms"),
    )


def accounts_of(device_entries: pl.DataFrame) -> pl.DataFrame:
    """Which accounts a job's device-time on a node went to, and what its devices metered.

    Args:
        device_entries: The same hours' entries of the node's devices.

    Returns:
        `minute` (ms), `node`, `job`, `account`, `device_ms`, `device_energy_joules` (null: no meter
        saw it), `account_part` (0-1, of the job's time).
    """
    known = pl.col("energy_joules")
    whole = pl.col("device_ms").sum().over("minute", "node", "job")
    return (
        device_entries.group_by("minute", "node", "job", "account")
        .agg(
            pl.col("duration_ms").sum().alias("device_ms"),
            pl.when(known.is_not_null().any()).then(known.sum()).alias("device_energy_joules"),
        )
        .with_columns(
            (pl.col("device_ms") / whole).alias("account_part"), pl.col("minute").dt.epoch("ms")
        )
    )


def bare_accounts(
    window: Window, nodes: pl.DataFrame, whole: pl.DataFrame, standing: pl.DataFrame
) -> pl.DataFrame:
    """The same of nodes without devices, of which only their scheduler and outages say anything.

    Args:
        window: What to book.
        nodes: `subject`, `node`.
        whole: What `pieces` returned.
        standing: `subject`, `start`, `end`, `standing`: when such nodes were out of use.
    """
    none = pl.lit(None, dtype=pl.Float64)
    mine = whole.join(standing.select("subject").unique(), on="subject", how="semi").filter(
        (pl.col("start") >= window.start_ms) & (pl.col("end") <= window.end_ms)
    )
    stood = intervals.within(mine, standing, "standing")
    account = (
        pl.when(stood == Standing.MAINTENANCE)
        .then(pl.lit(Account.MAINTENANCE))
        .when(stood.is_not_null())
        .then(pl.lit(Account.DOWN))
        .otherwise(pl.lit(Account.FREE))
    )
    minute = pl.col("start") // MINUTE_MS * MINUTE_MS
    return (
        mine.group_by(
            minute.alias("minute"), "subject", account.cast(ACCOUNT).alias("account")
        )
        .agg(pl.col("duration_ms").sum().alias("device_ms"))
        .join(nodes.select("subject", "node"), on="subject")
        .select(
            "minute", "node", pl.lit(None, dtype=pl.String).alias("job"), "account", "device_ms",
            none.alias("device_energy_joules"),
            (pl.col("device_ms") / pl.col("device_ms").sum().over("minute", "node"))
            .alias("account_part"),
        )
    )  # fmt: skip


def _seen(window: Window, samples: pl.DataFrame) -> pl.DataFrame:
    """Samples per minute and node; one on the minute belongs to the minute before.

    Of a node with a meter its readings count; what other sources say of the node comes at a pace
    of its own.
    """
    metered = intervals.tells_energy()
    return (
        samples.filter(metered | ~metered.any().over("subject"))
        .filter((pl.col("time") > window.start_ms) & (pl.col("time") <= window.end_ms))
        .group_by(((pl.col("time") - 1) // MINUTE_MS * MINUTE_MS).alias("minute"), "subject")
        .agg(pl.len().alias("seen"))
    )


def _shared(of_account: pl.Expr) -> pl.Expr:
    """A row's part of its node's joules in its minute."""
    own = pl.col("device_energy_joules").fill_null(0)
    overhead = pl.col("node_joules") - pl.col("devices_joules")
    return (
        pl.when(pl.col("covered") & pl.col("some_known") & (overhead >= 0))
        .then(own + overhead * pl.col("time_part"))
        # Two meters that disagree: the node's counts, and the devices' say how to share it.
        .when(pl.col("covered") & (pl.col("devices_joules") > 0))
        .then(pl.col("node_joules") * own / pl.col("devices_joules"))
        .otherwise(pl.col("joules") * of_account)
    )
