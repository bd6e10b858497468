"""From all that is known of a job to the report of it: a pure function."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from wattline_agents.catalogue import LATENCIES
from wattline_collector.efficiency.adding import added
from wattline_collector.efficiency.adding import known as known_sum
from wattline_collector.efficiency.asked import identity, put_asked
from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.figures import Bag
from wattline_collector.efficiency.operations import put_mfu
from wattline_collector.efficiency.prices import priced
from wattline_collector.efficiency.report import JobReport, Latency
from wattline_collector.efficiency.site import Site
from wattline_collector.efficiency.time_spent import accounts, devices, put_accounts, timeline
from wattline_collector.efficiency.use import put_activity, put_energy
from wattline_collector.efficiency.work import put_work
from wattline_collector.kpi.declare import COMFORT
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.latency import mean_seconds, quantile
from wattline_collector.kpi.view import utc
from wattline_collector.ledger.schema import HOUR_MS
from wattline_collector.palette import format_percent
from wattline_collector.profile.schema import FactoryProfile

_SITE = Site()
PARTS = (0.5, 0.9, 0.99)
"""The quantiles of latencies that are told: the usual one, the bad one, the worst in a hundred."""


def report(
    evidence: Evidence,
    site: Site = _SITE,
    profile: FactoryProfile | None = None,
    factors: pl.DataFrame | None = None,
) -> JobReport:
    """Put the report of a job together.

    Args:
        evidence: All that is known of it.
        site: What its site says of prices and habits.
        profile: The profile of its factory: its prices and peaks are taken before all others.
        factors: The register of yearly carbon factors; None: there is none, or not to be read.
    """
    site = priced(site, profile, evidence, factors)
    period = Period(utc(evidence.start_ms), utc(evidence.end_ms))
    rows = devices(evidence)
    spent = accounts(evidence)
    bag = Bag(period)
    put_asked(bag, evidence, rows, site)
    put_accounts(bag, spent, rows, evidence.expected_ms)
    put_activity(bag, evidence, rows)
    put_energy(bag, evidence, rows, site)
    put_work(bag, evidence, site)
    basis = put_mfu(bag, evidence, rows, profile)
    return JobReport(
        identity=identity(evidence, rows),
        period=period,
        as_of_ms=evidence.as_of_ms,
        now_ms=evidence.now_ms,
        figures=bag,
        accounts=spent,
        devices=rows,
        timeline=timeline(evidence, rows),
        latencies=tuple(_latencies(evidence.buckets)),
        mfu=basis,
        attribution=_attribution(evidence),
        notes=tuple(_notes(evidence, bag)),
    )


def _attribution(evidence: Evidence) -> dict[str, float]:
    """Device seconds by method: of what is booked, as claims may reach beyond it at both ends."""
    told: dict[str, float] = dict(evidence.methods.iter_rows())
    booked = added(evidence.device, "duration_ms") / 1000
    part = booked / sum(told.values()) if 0 < booked < sum(told.values()) else 1.0
    return {method: seconds * part for method, seconds in told.items()}


def _latencies(buckets: pl.DataFrame) -> Iterator[Latency]:
    for kind in LATENCIES:
        mine = buckets.filter(pl.col("kind") == kind)
        counts = list(mine.select("le_seconds", "count").iter_rows())
        parts = [(part, quantile(counts, part)) for part in PARTS]
        known = tuple((part, found) for part, found in parts if found is not None)
        if known:
            count = max(count for _, count in counts)
            whole = known_sum(mine.filter(pl.col("le_seconds").is_null()), "seconds")
            yield Latency(kind, count, mean_seconds(whole, count), known)


def _notes(evidence: Evidence, bag: Bag) -> list[str]:
    notes = []
    if evidence.said("start_ms") is None:
        return ["it has not started: there is nothing to look at yet"]
    if evidence.device.is_empty() and evidence.accounting.get("gpus"):
        notes.append(
            "no agent measured its devices: what follows is the scheduler's accounting alone"
        )
    elif evidence.device.is_empty() and not evidence.accounting:
        notes.append("no device is known to have been its: only what it counted is shown")
    gpu_time = bag["gpu_time"]
    if gpu_time.numerator is not None and (gpu_time.coverage or 0) < COMFORT:
        notes.append(
            f"of the time it should have had its GPUs, {format_percent(gpu_time.coverage)} is in "
            "the books: a node fell silent, or not all of its devices were seen"
        )
    if evidence.grain_ms == HOUR_MS:
        notes.append("it ran for over a week: when things happened is told to the hour")
    if evidence.shared_nodes and evidence.node["energy_joules"].drop_nulls().len():
        notes.append(
            "other jobs ran on its nodes: their overhead is shared by device time (docs/ledger.md)"
        )
    tokens = bag["tokens"]
    if evidence.about.get("kind") in ("training", "inference") and tokens.value is None:
        notes.append("it counts no tokens: `docs/job.md` says how it can")
    return notes
