"""Who the job is, what it asked for, and what it got."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from wattline_collector.efficiency.adding import most
from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.figures import Bag
from wattline_collector.efficiency.report import DeviceRow, Identity
from wattline_collector.efficiency.site import Site

_SCHEDULER = "scheduler"
_MS_PER_HOUR = 3_600_000


def identity(evidence: Evidence, rows: Sequence[DeviceRow]) -> Identity:
    """Which job it is, the scheduler's word before the job's own."""
    said, accounting = evidence.said, evidence.accounting
    models = Counter(row.model or "unknown model" for row in rows)
    return Identity(
        system=evidence.system,
        job=evidence.job,
        job_id=accounting.get("job_id") or evidence.job,
        name=said("name"),
        user=said("user"),
        project=accounting.get("account") or evidence.about.get("project"),
        project_title=evidence.project.get("title"),
        kind=evidence.about.get("kind"),
        state=said("state"),
        reason=accounting.get("reason"),
        exit=_exit(accounting),
        partition=accounting.get("partition"),
        submit_ms=accounting.get("submit_ms"),
        start_ms=said("start_ms"),
        end_ms=said("end_ms"),
        nodes=tuple(sorted({row.node for row in rows} | {*evidence.node["node"].unique()})),
        models=dict(models.most_common()),
        attempts=tuple((attempt.key, attempt.state) for attempt in evidence.attempts),
        model=evidence.model.get("model"),
    )


_LAST_SIGNAL = 64
"""Of Linux. Slurm puts codes of its own in the same place, as 125 for a job out of memory."""


def _exit(accounting: Mapping[str, int | None]) -> str | None:
    signal = accounting.get("exit_signal")
    if signal:
        return f"signal {signal}" if signal <= _LAST_SIGNAL else f"scheduler's code {signal}"
    code = accounting.get("exit_code")
    return None if code is None else f"exit code {code}"


def put_asked(bag: Bag, evidence: Evidence, rows: Sequence[DeviceRow], site: Site) -> None:
    """Put in what it asked for and got."""
    accounting = evidence.accounting
    start, end = evidence.said("start_ms"), evidence.said("end_ms")
    gpus = accounting.get("gpus")
    told = _SCHEDULER if accounting else "agents"
    if start is not None:
        until = evidence.end_ms if end is None else end
        ran = max(0, until - start) / 1000
        bag.put("run_seconds", ran, method=told)
        limit = accounting.get("time_limit_seconds")
        bag.put("time_limit_seconds", limit, method=_SCHEDULER)
        bag.put("time_limit_used", None if limit is None else ran, limit, method=_SCHEDULER)
        submitted = accounting.get("submit_ms")
        if submitted is not None:
            bag.put("wait_seconds", max(0, start - submitted) / 1000, method=_SCHEDULER)
    gpus = len(rows) or None if gpus is None else gpus
    nodes = accounting.get("nodes")
    if nodes is None:
        nodes = len({row.node for row in rows} | {*evidence.node["node"].unique()}) or None
    bag.put("gpus", gpus, method=told)
    bag.put("nodes", nodes, method=told)
    cpus, memory = accounting.get("cpus"), accounting.get("memory_bytes")
    bag.put("cpus", cpus, method=_SCHEDULER)
    bag.put("memory_bytes", memory, method=_SCHEDULER)
    if gpus:
        bag.put("cpus_per_gpu", cpus, gpus, method=_SCHEDULER)
        bag.put("memory_per_gpu_bytes", memory, gpus, method=_SCHEDULER)
    peak = accounting.get("memory_peak_bytes")
    bag.put("memory_peak_bytes", peak, method=_SCHEDULER)
    if memory is not None and nodes:
        # The peak is one step's on one node, the memory that of all its nodes.
        bag.put("memory_used", peak, memory / nodes, method=_SCHEDULER)
    _put_places(bag, evidence, gpus)
    _put_processors(bag, evidence, cpus)
    name = f"{evidence.said('name') or ''} {accounting.get('partition') or ''}".lower()
    words = re.split(r"[^a-z0-9]+", name[:512])
    bag.put("interactive", int(any(word in site.interactive for word in words)), method=told)


def _put_places(bag: Bag, evidence: Evidence, gpus: int | None) -> None:
    per_node = evidence.devices.group_by("node").len()["len"]
    smallest = per_node.min()
    if not isinstance(smallest, int):
        return
    bag.put("node_gpus", smallest, n=per_node.len(), method="inventory")
    if not gpus:
        return
    bag.put("least_nodes", -(-gpus // smallest), method="inventory")
    # What goes with a device, by the node that has most of it, so that nobody is told off wrongly.
    for id, got, column in (
        ("cpus_over_fair", bag.value("cpus_per_gpu"), "cores"),
        ("memory_over_fair", bag.value("memory_per_gpu_bytes"), "memory_size_bytes"),
    ):
        there = evidence.hosts.join(evidence.devices.group_by("node").len(), on="node")
        share = most(there.select((pl.col(column) / pl.col("len")).alias(column)), column)
        if got is not None and share:
            bag.put(id, got, share, n=there.height, method="scheduler and agents")


def _put_processors(bag: Bag, evidence: Evidence, cpus: int | None) -> None:
    """Processor time used, where it can only have been this job's."""
    if evidence.shared_nodes is not False or evidence.hosts.is_empty():
        return
    known = evidence.hosts.drop_nulls("busy_core_ms")
    cores = known["cores"].sum() if known["cores"].null_count() == 0 else None
    if cpus is not None and cores is not None and cpus < cores:
        return  # it got a part of the node, and what ran beside it is not known
    seconds = evidence.seconds * max(1, evidence.hosts.height)
    sums = known.select(pl.col("busy_core_ms").sum(), pl.col("known_ms").sum()).row(0)
    if not sums[1] or not seconds:
        return
    coverage = min(1.0, sums[1] / 1000 / seconds)
    method = "processors of its nodes"
    # Core time over wall time of the nodes is cores at work on one node; times nodes, of all.
    nodes = known.height
    busy_hours, hours = sums[0] * nodes / _MS_PER_HOUR, sums[1] / _MS_PER_HOUR
    bag.put("cpu_used_cores", busy_hours, hours, n=nodes, coverage=coverage, method=method)
    of = cpus if cpus is not None else cores
    if of:
        bag.put("cpu_used", busy_hours, hours * of, n=nodes, coverage=coverage, method=method)
