"""Device time and device energy: each second and each joule to exactly one account.

Precedence, first that holds (design 9): node in maintenance -> `maintenance`; node down -> `down`;
node draining and no job -> `down`; no evidence -> `unobserved`, or `unmeasured` inside a job;
device lost -> `down`; no job -> `free`; activity not measured -> `unmeasured`; activity under the
idle limit for the grace time -> `held`; else working, of which the throttled share is `slowed` and
the rest `busy`. A device that jobs hold parts of has one account, which is all of theirs; what no
job holds of it has the account it would have if none held any.
"""

from __future__ import annotations

import polars as pl

from wattline_agents.catalogue import THROTTLE_REASONS
from wattline_collector.ledger import intervals, shares
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.schema import ACCOUNT, DEVICE, MINUTE_MS
from wattline_collector.ledger.standing import Standing

IDLE_LIMIT = 0.05
GRACE_MS = 600_000
"""Under 5 % active for over 10 minutes is idle: KPI E06 of the dictionary."""

LOOK_MS = GRACE_MS + 300_000
"""An idle stretch that reaches into the window shows at least its grace time outside it."""

THROTTLE_COLUMNS = [f"throttle_{reason}_seconds_total" for reason in THROTTLE_REASONS]

METRICS = (
    "up",
    "energy_joules_total",
    "power_watts",
    "sm_active_ratio",
    "busy_ratio",
    "temperature_celsius",
    *THROTTLE_COLUMNS,
)
"""Metrics of the device table that booking looks at."""

_MAXIMA = ["power_max_watts", "temperature_max_celsius"]
_KEY = ["minute", "subject", "job", "account"]


def pieces(
    window: Window,
    samples: pl.DataFrame,
    bounds: pl.DataFrame,
    held: pl.DataFrame,
    members: pl.DataFrame,
    standing: pl.DataFrame,
) -> pl.DataFrame:
    """Every piece of every device's time in the window looked at, with its account.

    Args:
        window: What to book.
        samples: `subject`, `time`, `period_ms` and the device table's metrics, sorted.
        bounds: `subject`, `low`, `high`: when each device was installed, clipped to the window.
        held: `subject`, `group`, `start`, `end`: who held it, without overlap.
        members: `group`, `job`, `share`: see `assignments.Held`.
        standing: `subject`, `start`, `end`, `standing`: when its node was out of use.

    Returns:
        `subject`, `start`, `end`, `time` (of the sample that describes it), `duration_ms`, `group`
        (null: nobody holds it), `account`, `rest_account` (of what nobody holds of it),
        `throttled` (0-1), `sm_active`, `busy`, `power_max_watts`, `temperature_max_celsius`,
        `joules`, `integrated`.
    """
    state = samples.with_columns(
        (pl.col("time") - intervals.before("time")).alias("elapsed"),
        intervals.gap_limit().alias("limit"),
    ).select(
        "subject", "time", "elapsed", "limit", "up",
        pl.col("sm_active_ratio").alias("sm_active"), pl.col("busy_ratio").alias("busy"),
        pl.col("power_watts").alias("power_max_watts"),
        pl.col("temperature_celsius").alias("temperature_max_celsius"),
    )  # fmt: skip
    marks = [samples, *(
        known.select("subject", pl.col(edge).alias("time"))
        for known in (held, standing) for edge in ("start", "end")
    )]  # fmt: skip
    cut = intervals.cut(window, bounds, marks)
    found = intervals.ending_at_or_after(cut, state)
    energy = intervals.ending_at_or_after(cut, intervals.energy_rates(samples)).select(
        pl.col("time").alias("reading"), "joules_per_ms", "integrated"
    )
    throttle = intervals.ending_at_or_after(
        cut, intervals.throttle_rates(samples, THROTTLE_COLUMNS)
    ).select("throttled")
    newest = intervals.last_samples(samples, bounds.height)
    whole = pl.concat([cut, found, energy, throttle], how="horizontal").with_columns(
        intervals.within(cut, held, "group"),
        (pl.col("end") - pl.col("start")).alias("duration_ms"),
    )
    if standing.height:
        whole = whole.with_columns(intervals.within(cut, standing, "standing"))
    whole = _extend_tail(whole, state, newest, window)
    return _hold(_accounts(whole, shares.sharing(members))).with_columns(
        intervals.settle(whole.with_columns(pl.col("group").is_not_null().alias("assigned")))
    )


def _extend_tail(
    whole: pl.DataFrame, state: pl.DataFrame, newest: pl.Series, window: Window
) -> pl.DataFrame:
    """Let a device's last sample stand for the moments since, while the next is not yet due.

    Only at the edge of what is known: elsewhere the next sample tells.
    """
    if window.high < window.now_ms:
        return whole
    last = state.group_by("subject", maintain_order=True).last()
    last = last.filter(window.now_ms - pl.col("time") <= pl.col("limit")).select(
        "subject",
        pl.col("time").alias("last_time"),
        *(pl.col(column).alias(f"last_{column}") for column in ("up", "sm_active", "busy")),
    )
    joined = whole.join(last, on="subject", how="left", maintain_order="left")
    after = pl.col("time").is_null() & (pl.col("start") >= pl.col("last_time"))
    return joined.with_columns(
        pl.when(after).then(0).otherwise(pl.col("elapsed")).alias("elapsed"),
        pl.when(after).then(1).otherwise(pl.col("limit")).alias("limit"),
        *(
            pl.when(after).then(f"last_{column}").otherwise(pl.col(column)).alias(column)
            for column in ("up", "sm_active", "busy")
        ),
    ).select(whole.columns)


def _accounts(whole: pl.DataFrame, sharing: pl.DataFrame) -> pl.DataFrame:
    observed = pl.col("elapsed").is_not_null() & (pl.col("elapsed") <= pl.col("limit"))
    is_seen = observed.fill_null(False)
    held = pl.lit(1.0)
    rest = pl.lit(None, dtype=ACCOUNT)
    if sharing.height:
        # A small part of a device that works hard is a little activity of the device.
        whole = whole.join(sharing, on="group", how="left", maintain_order="left")
        held = pl.col("held").fill_null(1.0)
        rest = _account(pl.lit(False), is_seen, "standing" in whole.columns)
    account = _account(pl.col("group").is_not_null(), is_seen, "standing" in whole.columns)
    activity = pl.coalesce("sm_active", "busy")
    return whole.with_columns(
        account.cast(ACCOUNT).alias("account"),
        rest.cast(ACCOUNT).alias("rest_account"),
        is_seen.alias("observed"),
        (activity < IDLE_LIMIT * held).fill_null(False).alias("idle"),
    ).with_columns(
        # What a device did before it vanished says nothing of the hole it left.
        *(
            pl.when("observed").then(column).alias(column)
            for column in ("sm_active", "busy", "throttled")
        ),
        # Nor does the reading that ends a hole, but for its own moment.
        *(
            pl.when(pl.col("observed") | (pl.col("end") == pl.col("time")))
            .then(column)
            .alias(column)
            for column in _MAXIMA
        ),
    )


def _account(assigned: pl.Expr, is_seen: pl.Expr, knows_standing: bool) -> pl.Expr:
    """The account of a piece, but for `held` and `slowed`, which more than one piece shows."""
    account = (
        pl.when(~is_seen & assigned)
        .then(pl.lit(Account.UNMEASURED))
        .when(~is_seen)
        .then(pl.lit(Account.UNOBSERVED))
        .when(pl.col("up") == 0)
        .then(pl.lit(Account.DOWN))
        .when(~assigned)
        .then(pl.lit(Account.FREE))
        .when(pl.coalesce("sm_active", "busy").is_null())
        .then(pl.lit(Account.UNMEASURED))
        .otherwise(pl.lit(Account.BUSY))
    )
    if not knows_standing:
        return account
    standing = pl.col("standing")
    return (
        pl.when(standing == Standing.MAINTENANCE)
        .then(pl.lit(Account.MAINTENANCE))
        .when((standing == Standing.DOWN) | ((standing == Standing.DRAINING) & ~assigned))
        .then(pl.lit(Account.DOWN))
        .otherwise(account)
    )


def _hold(whole: pl.DataFrame) -> pl.DataFrame:
    """Turn working pieces of an idle stretch at least as long as the grace time into `held`."""
    idle = (pl.col("account") == Account.BUSY) & pl.col("idle")
    stretch = pl.struct("subject", "group", idle).rle_id()
    long = pl.col("duration_ms").sum().over(stretch) >= GRACE_MS
    return whole.with_columns(
        pl.when(idle & long)
        .then(pl.lit(Account.HELD, dtype=ACCOUNT))
        .otherwise("account")
        .alias("account")
    )


def entries(
    window: Window,
    devices: pl.DataFrame,
    whole: pl.DataFrame,
    members: pl.DataFrame,
    samples: pl.DataFrame,
) -> pl.DataFrame:
    """Add pieces up to entries, one per minute x device x job x account.

    Args:
        window: What to book; pieces outside it are left out.
        devices: `subject`, `system`, `node`, `device`, `period_ms`, in subject order.
        whole: What `pieces` returned.
        members: `group`, `job`, `share`.
        samples: As for `pieces`.

    Returns:
        A frame of `schema.DEVICE`, sorted by device and minute.
    """
    inside = whole.filter(
        (pl.col("start") >= window.start_ms) & (pl.col("end") <= window.end_ms)
    ).with_columns((pl.col("start") // MINUTE_MS * MINUTE_MS).alias("minute"))
    # Grouping and sorting by a job's number is several times as fast as by its name.
    inside = shares.split(inside, members)
    summed = (
        _summed(_split(inside))
        .filter(pl.col("duration_ms") > 0)
        .sort("subject", "minute", "job", "account", nulls_last=True)
    )
    booked = summed.join(devices, on="subject", how="left", maintain_order="left")
    booked = intervals.with_pace(booked, intervals.paces(samples))
    known = pl.col("energy_ms") > 0
    return booked.select(
        "system",
        pl.col("minute").cast(DEVICE["minute"]),
        "node",
        "device",
        "job",
        pl.col("account"),
        "duration_ms",
        pl.when(known).then(pl.col("joules").round(6)).alias("energy_joules"),
        intervals.energy_method(known),
        "energy_ms",
        "measured_ms",
        pl.when(pl.col("measured_ms") > 0).then("sm_active_ms").alias("sm_active_ms"),
        "busy_measured_ms",
        pl.when(pl.col("busy_measured_ms") > 0).then("busy_ms").alias("busy_ms"),
        "power_max_watts",
        "temperature_max_celsius",
        "samples",
        pl.when(pl.col("period_ms") > 0)
        # Rounded: dividing by a column of one value may differ in the last bit from dividing by it.
        .then((pl.col("duration_ms") / pl.col("period_ms")).round(9))
        .alias("samples_expected"),
        "shared_ms",
    ).cast(DEVICE)


def _split(inside: pl.DataFrame) -> pl.DataFrame:
    """Make two of each throttled piece: what was slowed, and the busy rest.

    Returns:
        The pieces with their own `duration_ms`, `part` (of the joules of what they were cut from)
        and `counts` (whether the sample that ends it counts here: in the larger part).
    """
    slowed = ((pl.col("account") == Account.BUSY) & (pl.col("throttled") > 0)).fill_null(False)
    throttled = inside.filter(slowed)
    if throttled.is_empty():
        return inside
    share = pl.col("throttled")
    # The busy part takes what the rounded slowed one leaves, so that their milliseconds add up; and
    # joules follow the milliseconds, so that a part which is rounded away takes none along.
    milliseconds = (pl.col("duration_ms") * share).round().cast(pl.Int64)
    whole = pl.max_horizontal("duration_ms", 1)
    return pl.concat(
        [
            inside.filter(~slowed),
            throttled.with_columns(
                pl.lit(Account.SLOWED, dtype=ACCOUNT).alias("account"),
                milliseconds.alias("duration_ms"),
                (pl.col("part") * milliseconds / whole).alias("part"),
                (pl.col("counts") & (share >= 0.5)).alias("counts"),
            ),
            throttled.with_columns(
                (pl.col("duration_ms") - milliseconds).alias("duration_ms"),
                (pl.col("part") * (pl.col("duration_ms") - milliseconds) / whole).alias("part"),
                (pl.col("counts") & (share < 0.5)).alias("counts"),
            ),
        ]
    )


def _summed(parts: pl.DataFrame) -> pl.DataFrame:
    """Sums per minute, subject, job and account."""
    duration = pl.col("duration_ms")

    def where(condition: pl.Expr) -> pl.Expr:
        return pl.when(condition).then(duration).otherwise(0).sum()

    return parts.group_by(_KEY).agg(
        (pl.col("joules") * pl.col("part")).sum().alias("joules"),
        where(pl.col("joules").is_not_null()).alias("energy_ms"),
        where(pl.col("integrated")).alias("integrated_ms"),
        where(pl.col("sm_active").is_not_null()).alias("measured_ms"),
        (pl.col("sm_active") * duration).sum().alias("sm_active_ms"),
        where(pl.col("busy").is_not_null()).alias("busy_measured_ms"),
        (pl.col("busy") * duration).sum().alias("busy_ms"),
        where(pl.col("shared")).alias("shared_ms"),
        duration.sum(),
        # A sample ends exactly one piece.
        ((pl.col("end") == pl.col("time")) & pl.col("counts"))
        .sum()
        .cast(pl.Int64)
        .alias("samples"),
        pl.col(_MAXIMA).max(),
    )
