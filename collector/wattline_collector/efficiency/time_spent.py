"""Where a job's device time went, when, and what each device did over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.figures import Bag
from wattline_collector.efficiency.report import (
    AccountTime,
    DeviceRow,
    Stretch,
    Strip,
    Timeline,
)
from wattline_collector.kpi.production import all_tokens
from wattline_collector.kpi.sums import ratio, total
from wattline_collector.ledger.accounts import ASSIGNED, Account

IDLE_PART = 0.95
"""Held for so much of the time that its activity was measured: the device did nothing."""
MOST_STRETCHES = 50
MOST_STRIPS = 64
STEPS = 240
"""Steps of the timeline at most: more than a wide terminal has columns."""
_MS_PER_HOUR = 3_600_000
_MEASURED = tuple(a for a in ASSIGNED if a is not Account.UNMEASURED)


def accounts(evidence: Evidence) -> tuple[AccountTime, ...]:
    """Device time and energy by account, with the minutes it happened in."""
    sums = evidence.device.group_by("account").agg(
        pl.col("duration_ms").sum(), total("energy_joules").alias("joules")
    )
    found = {Account(name): (ms, joules) for name, ms, joules in sums.iter_rows()}
    return tuple(
        AccountTime(account, found[account][0], found[account][1], *_when(evidence, account))
        for account in Account
        if account in found
    )


def _when(evidence: Evidence, account: Account) -> tuple[tuple[Stretch, ...], int]:
    """Merged stretches in which any device's time went to the account; the longest are kept."""
    grain = evidence.grain_ms
    starts = (
        evidence.device.filter(pl.col("account") == account.value)
        .select(pl.col("minute").dt.epoch("ms").unique().sort())
        .to_series()
    )
    new = starts.diff().fill_null(grain + 1) > grain
    merged = (
        pl.DataFrame({"at": starts, "run": new.cum_sum()})
        .group_by("run", maintain_order=True)
        .agg(pl.col("at").min().alias("start"), pl.col("at").max().alias("end") + grain)
    )
    kept = merged.with_columns((pl.col("end") - pl.col("start")).alias("length"))
    kept = kept.top_k(MOST_STRETCHES, by="length").sort("start")
    stretches = tuple(
        Stretch(max(start, evidence.start_ms), min(end, evidence.end_ms))
        for start, end in kept.select("start", "end").iter_rows()
    )
    return stretches, merged.height - len(stretches)


def put_accounts(
    bag: Bag, spent: Sequence[AccountTime], rows: Sequence[DeviceRow], expected_ms: float
) -> None:
    """Put in how much of the device time went where."""
    hours = {one.account: one.device_ms / _MS_PER_HOUR for one in spent}
    assigned = sum(hours.get(account, 0.0) for account in ASSIGNED)
    if not assigned:
        return
    measured = sum(hours.get(account, 0.0) for account in _MEASURED)
    expected = max(assigned, expected_ms / _MS_PER_HOUR)
    coverage, n = measured / expected, len(rows)
    bag.put("gpu_time", assigned, n=n, coverage=assigned / expected, method="ledger")
    bag.put("unmeasured", hours.get(Account.UNMEASURED, 0.0), assigned, n=n, method="ledger")
    for account in (Account.BUSY, Account.SLOWED, Account.HELD, Account.LOST):
        part = hours.get(account, 0.0) if measured else None
        bag.put(account.value, part, assigned, n=n, coverage=coverage, method="ledger",
                note="" if measured else "no activity was measured")  # fmt: skip
    idle = sum(row.idle for row in rows) if measured else None
    bag.put("idle_gpus", idle, n=n, coverage=coverage, method="ledger")
    wasted = hours.get(Account.HELD, 0.0) + hours.get(Account.LOST, 0.0)
    bag.put("wasted_gpu_hours", wasted if measured else None, n=n, coverage=coverage,
            method="ledger")  # fmt: skip


def devices(evidence: Evidence) -> tuple[DeviceRow, ...]:
    """One row per device, by node and place."""
    entries = evidence.device
    sums = entries.group_by("device").agg(
        pl.col("node").last().alias("node_booked"),
        total("energy_joules").alias("joules"),
        pl.col("energy_ms").sum(),
        pl.col("measured_ms").sum(),
        pl.col("sm_active_ms").sum(),
        pl.col("busy_measured_ms").sum(),
        pl.col("busy_ms").sum(),
        pl.col("power_max_watts").max(),
        pl.col("temperature_max_celsius").max(),
    )
    by_account: dict[str, dict[Account, int]] = {}
    for device, account, ms in (
        entries.group_by("device", "account").agg(pl.col("duration_ms").sum()).iter_rows()
    ):
        by_account.setdefault(device, {})[Account(account)] = ms
    joined = (
        sums.join(evidence.readings.drop("node"), on="device", how="left")
        .join(evidence.devices, on="device", how="left")
        .with_columns(pl.coalesce("node", "node_booked").alias("node"))
        .sort("node", "index", "device", nulls_last=True)
    )
    return tuple(_row(row, by_account[row["device"]]) for row in joined.iter_rows(named=True))


def _row(row: Mapping[str, object], spent: Mapping[Account, int]) -> DeviceRow:
    sm, busy = _part(row, "sm_active_ms", "measured_ms"), _part(row, "busy_ms", "busy_measured_ms")
    measured = sum(spent.get(account, 0) for account in _MEASURED)
    idle = measured > 0 and spent.get(Account.HELD, 0) >= IDLE_PART * measured
    watts = _part(row, "joules", "energy_ms")
    more: dict[str, object] = {
        name: row[name]
        for name in ("index", "model", "memory_peak_bytes", "memory_size_bytes",
                     "power_max_watts", "temperature_max_celsius", "joules")
    }  # fmt: skip
    return DeviceRow(
        device=str(row["device"]),
        node=str(row["node"]),
        account_ms={account: spent[account] for account in Account if account in spent},
        activity=busy if sm is None else sm,
        sm_active=sm,
        busy=busy,
        tensor=_part(row, "tensor_ms", "tensor_known_ms"),
        dram=_part(row, "dram_ms", "dram_known_ms"),
        power_mean_watts=None if watts is None else watts * 1000,
        idle=idle,
        **more,  # type: ignore[arg-type]  # as the frames' schemas hold them
    )


def _part(row: Mapping[str, object], above: str, below: str) -> float | None:
    up, down = row.get(above), row.get(below)
    if not isinstance(up, int | float) or not isinstance(down, int | float) or not down:
        return None
    return up / down


def timeline(evidence: Evidence, rows: Sequence[DeviceRow]) -> Timeline:
    """Activity, power and account of its devices, and tokens, step by step."""
    grain = evidence.grain_ms
    first = evidence.start_ms // grain * grain
    count = max(1, -(-(evidence.end_ms - first) // grain))
    step = -(-count // STEPS) * grain
    steps = -(-(evidence.end_ms - first) // step) if evidence.end_ms > first else 0
    number = ((pl.col("minute").dt.epoch("ms") - first) // step).alias("step")
    chosen = [row.device for row in remarkable(rows, MOST_STRIPS)]
    entries = evidence.device.filter(pl.col("device").is_in(chosen)).with_columns(number)
    sums = entries.group_by("device", "step").agg(
        _ratio("sm_active_ms", "measured_ms").alias("sm"),
        _ratio("busy_ms", "busy_measured_ms").alias("busy"),
        (_ratio("energy_joules", "energy_ms") * 1000).alias("watts"),
        pl.col("account").sort_by("duration_ms").last(),
    )
    found: dict[str, dict[int, tuple[float | None, float | None, str]]] = {}
    for device, at, active, power, account in sums.select(
        "device", "step", pl.coalesce("sm", "busy").alias("activity"), "watts", "account"
    ).iter_rows():
        found.setdefault(device, {})[at] = (active, power, account)
    # Devices may be the job's for a part of a step only; most of the step's time tells.
    strips = []
    for device in chosen:
        at = found.get(device, {})
        cells = [at.get(i, (None, None, None)) for i in range(steps)]
        strips.append(
            Strip(
                device,
                tuple(cell[0] for cell in cells),
                tuple(cell[1] for cell in cells),
                tuple(None if cell[2] is None else Account(cell[2]) for cell in cells),
            )
        )
    return Timeline(first, step, _speed(evidence, number, steps), tuple(strips))


def _ratio(above: str, below: str) -> pl.Expr:
    return ratio(pl.col(above).sum(), pl.col(below).sum())


def _speed(evidence: Evidence, number: pl.Expr, steps: int) -> tuple[float | None, ...]:
    sums = (
        evidence.made.with_columns(number, all_tokens().alias("tokens"))
        .group_by("step")
        .agg(total("tokens").alias("tokens"), pl.col("running_ms").sum())
        .filter(pl.col("running_ms") > 0)
    )
    speed = {
        at: None if tokens is None else tokens * 1000 / ms for at, tokens, ms in sums.iter_rows()
    }
    return tuple(speed.get(i) for i in range(steps))


def remarkable(rows: Sequence[DeviceRow], most: int) -> list[DeviceRow]:
    """At most so many devices, in their order: of many, the least and some of the most active."""
    if len(rows) <= most:
        return list(rows)
    ranked = sorted(rows, key=lambda row: (row.activity is not None, row.activity or 0.0))
    highest = max(1, most // 4)
    kept = {row.device for row in [*ranked[: most - highest], *ranked[-highest:]]}
    return [row for row in rows if row.device in kept]
