"""How hard its devices worked, how much power and energy they took."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial

import polars as pl

from wattline_collector.efficiency.adding import added, known, most
from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.figures import Bag
from wattline_collector.efficiency.report import DeviceRow
from wattline_collector.efficiency.site import Site
from wattline_collector.kpi.view import NODE_METER_FROM
from wattline_collector.ledger.accounts import Account

_MS_PER_HOUR = 3_600_000
_WASTED = (Account.HELD.value, Account.LOST.value)


def put_activity(bag: Bag, evidence: Evidence, rows: Sequence[DeviceRow]) -> None:
    """Put in how hard its devices worked."""
    entries, read = evidence.device, evidence.readings
    assigned = evidence.expected_ms
    if entries.is_empty() or not assigned:
        return
    names = ("sm_active_ms", "measured_ms", "busy_ms", "busy_measured_ms")
    active, measured, busy, busy_measured = (added(entries, name) for name in names)
    fine = ("sm_active", active, measured, "counters of the compute units")
    coarse = ("gpu_busy", busy, busy_measured, "driver's busy ratio")
    # The finer one where it is known for at least half of the time that the coarser one is.
    best = fine if measured and measured * 2 >= busy_measured else coarse
    tensor, dram = (
        (f"{name}_active", added(read, f"{name}_ms"), added(read, f"{name}_known_ms"), "telemetry")
        for name in ("tensor", "dram")
    )
    for id, above, below, method in (fine, coarse, ("activity", *best[1:]), tensor, dram):
        if below:
            bag.put(
                id,
                above / _MS_PER_HOUR,
                below / _MS_PER_HOUR,
                n=len(rows),
                coverage=below / assigned,
                method=method,
            )
    _put_spread(bag, rows, max(measured, busy_measured) / assigned)
    _put_memory(bag, evidence, assigned)
    _put_throttling(bag, evidence, assigned)


def _put_spread(bag: Bag, rows: Sequence[DeviceRow], coverage: float) -> None:
    """The least active device that worked against the median one: a rank that waits, or is lame."""
    active = [row.activity for row in rows if row.activity is not None and not row.idle]
    if len(active) < 2:
        return
    median = statistics.median(active)
    bag.put(
        "lowest_activity",
        min(active),
        median or None,
        n=len(active),
        coverage=coverage,
        method="per device",
    )


def _put_memory(bag: Bag, evidence: Evidence, assigned: float) -> None:
    read = evidence.readings.drop_nulls("memory_peak_bytes").with_columns(
        (pl.col("memory_peak_bytes") / pl.col("memory_size_bytes")).alias("part")
    )
    if read.is_empty():
        return
    by = ["part", "memory_peak_bytes"]
    fullest = read.sort(by, descending=True, nulls_last=True).row(0, named=True)
    peak, size = fullest["memory_peak_bytes"], fullest["memory_size_bytes"]
    coverage = added(read, "memory_known_ms") / assigned
    put = partial(bag.put, n=read.height, coverage=coverage, method="telemetry")
    put("gpu_memory_peak_bytes", peak)
    put("gpu_memory_size_bytes", size)
    put("gpu_memory_peak", None if size is None else peak, size)


def _put_throttling(bag: Bag, evidence: Evidence, assigned: float) -> None:
    for id, column in (
        ("throttled_power", "throttle_power_cap_seconds"),
        ("throttled_heat", "throttle_thermal_seconds"),
        ("throttled_brake", "throttle_power_brake_seconds"),
    ):
        read = evidence.readings.drop_nulls(column)
        if of := added(read, "read_ms"):
            bag.put(
                id,
                added(read, column) / 3600,
                of / _MS_PER_HOUR,
                n=read.height,
                coverage=of / assigned,
                method="the hardware's own clocks",
            )


def put_energy(bag: Bag, evidence: Evidence, rows: Sequence[DeviceRow], site: Site) -> None:
    """Put in power and energy, at each boundary that is metered, and what was wasted of it."""
    entries, nodes = evidence.device, evidence.node
    assigned = evidence.expected_ms
    if entries.height and assigned:
        metered = added(entries, "energy_ms")
        joules = known(entries, "energy_joules")
        put = partial(bag.put, n=len(rows), coverage=metered / assigned, method=_method(entries))
        put("gpu_energy", joules)
        put("power_mean_watts", joules, metered / 1000)
        for id in ("power_max_watts", "temperature_max_celsius"):
            bag.put(id, most(entries, id), n=len(rows), coverage=_seen(entries), method="telemetry")
        _put_limit(bag, evidence, assigned)
    part = metered_part(nodes)
    bag.put(
        "node_energy",
        known(nodes, "energy_joules"),
        n=nodes["node"].n_unique(),
        coverage=part,
        method=_method(nodes),
    )
    boundary = "node" if part >= NODE_METER_FROM else "gpu"
    # Once, at the node where that is metered for half of the time or more: as the KPIs take it.
    figure = bag[f"{boundary}_energy"]
    where = boundary if boundary == "node" else _scopes(evidence)
    method = f"{figure.method}, {where} boundary"
    bag.put("energy", figure.numerator, n=figure.n, coverage=figure.coverage, method=method)
    beside = "of whole nodes, and other jobs ran on them" if evidence.shared_nodes else ""
    scheduler = evidence.accounting.get("energy_joules")
    if scheduler is not None:
        bag.put("scheduler_energy", scheduler, method="scheduler", note=beside)
    _put_wasted(bag, nodes if boundary == "node" else entries, site)


def _scopes(evidence: Evidence) -> str:
    """What the meters of its devices see, by the words of the KPIs: `gpu`, `module`, or both."""
    read = evidence.device.filter(pl.col("energy_joules").is_not_null())["device"].unique()
    mine = evidence.devices.filter(pl.col("device").is_in(read.implode()))
    return " + ".join(mine["scope"].drop_nulls().unique().sort()) or "gpu"


def metered_part(nodes: pl.DataFrame) -> float:
    """The part of its nodes' time, 0-1, in which their own meters were read."""
    of_nodes = added(nodes, "duration_ms")
    return added(nodes, "energy_ms") / of_nodes if of_nodes else 0.0


def charged(evidence: Evidence) -> pl.DataFrame:
    """The entries whose energy is the job's: its nodes', where those are metered half of the time.

    Returns:
        `schema.NODE` or `schema.DEVICE`.
    """
    at_nodes = metered_part(evidence.node) >= NODE_METER_FROM
    return evidence.node if at_nodes else evidence.device


def _put_limit(bag: Bag, evidence: Evidence, assigned: float) -> None:
    read = evidence.readings.drop_nulls("power_limit_watts").sort("power_limit_watts")
    if read.is_empty():
        return
    lowest = read.row(0, named=True)
    limit, default = lowest["power_limit_watts"], lowest["power_limit_default_watts"]
    coverage = added(read, "read_ms") / assigned
    put = partial(bag.put, n=read.height, coverage=coverage, method="telemetry")
    put("power_limit_watts", limit)
    put("power_lowered", None if default is None else max(0.0, default - limit), default)


def _put_wasted(bag: Bag, entries: pl.DataFrame, site: Site) -> None:
    """Energy of wasted time, and what both come to at the site's prices."""
    wasted = entries.filter(pl.col("account").is_in(_WASTED))
    energy, hours = bag["energy"], bag.value("wasted_gpu_hours")
    joules = None
    if energy.value is not None and hours is not None:
        # No time wasted is no energy wasted; wasted time without a reading is not known.
        joules = 0.0 if wasted.is_empty() else known(wasted, "energy_joules")
    put = partial(bag.put, n=energy.n, coverage=energy.coverage, method=energy.method)
    put("wasted_energy", joules)
    put("wasted_euro", site.euro(joules, hours))
    put("energy_euro", site.euro(energy.numerator, bag.value("gpu_time")))
    put = partial(put, method="; ".join(filter(None, (energy.method, site.carbon_source))))
    put("wasted_co2", site.grams(joules))
    put("energy_co2", site.grams(energy.numerator))


def _seen(entries: pl.DataFrame) -> float | None:
    expected = added(entries, "samples_expected")
    return min(1.0, added(entries, "samples") / expected) if expected else None


def _method(entries: pl.DataFrame) -> str:
    methods = entries["energy_method"].cast(pl.String).drop_nulls().unique().sort()
    return " + ".join(methods)
