"""What it made: tokens, steps, requests; goodput, checkpoints, and what a token cost."""

from __future__ import annotations

import math
import statistics
from functools import partial

import polars as pl

from wattline_agents.catalogue import PHASES
from wattline_collector.efficiency.adding import added, known
from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.figures import FIGURES, Bag
from wattline_collector.efficiency.site import Site
from wattline_collector.ledger.job import TOKENS

_COUNTERS = "job counters"
_SUMMED = (
    *TOKENS, "tokens_prompt_cached", "tokens_replayed", "steps", "steps_replayed", "requests",
    "requests_failed", "requests_good", "checkpoints",
)  # fmt: skip
LEAST_INTERRUPTIONS = 3
"""Fewer than this tell no rate: one failure in a quiet month may be chance."""


def put_work(bag: Bag, evidence: Evidence, site: Site) -> None:
    """Put in what it made, and what a token cost."""
    made = evidence.made
    if made.is_empty():
        return
    sums = {
        name: known(made, name) for name in (*_SUMMED, *(f"phase_{phase}_ms" for phase in PHASES))
    }
    running = added(made, "running_ms") / 1000
    for name in _SUMMED:
        if name in FIGURES:
            bag.put(name, sums[name], coverage=_counted(made, name), method=_COUNTERS)
    kinds = {kind: value for kind in TOKENS if (value := sums[kind]) is not None}
    if kinds:
        tokens = sum(kinds.values())
        coverage = max(_counted(made, kind) for kind in kinds)
        bag.put("tokens", tokens, n=len(kinds), coverage=coverage, method=_COUNTERS)
        bag.put("tokens_per_second", tokens, running, coverage=coverage, method=_COUNTERS)
        _put_cost(bag, "joules_per_token", tokens)
        if "tokens_generated" in kinds:
            _put_cost(bag, "joules_per_output_token", kinds["tokens_generated"])
    requests, good = sums["requests"], sums["requests_good"]
    failed = sums["requests_failed"]
    if requests is not None and failed is not None:
        coverage = _counted(made, "requests_failed")
        share = partial(bag.put, "requests_failed_share", coverage=coverage, method=_COUNTERS)
        share(failed, requests + failed)
    steps, replayed = sums["steps"], sums["steps_replayed"]
    if steps is not None and replayed is not None:
        coverage = _counted(made, "steps")
        bag.put("replayed", replayed, steps + replayed, coverage=coverage, method=_COUNTERS)
    if good is not None:
        bag.put("serving_goodput", good, requests, coverage=_counted(made, "requests_good"),
                method=_COUNTERS)  # fmt: skip
    _put_prompts(bag, sums)
    _put_phases(bag, sums, running, _counted(made, "phase_step_ms"))
    _put_spread(bag, evidence)
    _put_checkpoints(bag, evidence, site, running)


def _counted(made: pl.DataFrame, column: str) -> float:
    """Part of its running time in which it counted that."""
    if column not in made.columns:
        return 0.0
    running = pl.col("running_ms")
    known = running.filter(pl.col(column).is_not_null()).sum()
    above, below = made.select(known, running.sum().alias("all")).row(0)
    return above / below if below else 0.0


def _put_cost(bag: Bag, id: str, tokens: float) -> None:
    """Joules over the tokens made while energy was metered; nothing where there are none."""
    energy = bag["energy"]
    if energy.value is None or not tokens:
        return
    # As KPI S10: tokens of time without a reading would make a token look cheaper than it is.
    bag.put(id, energy.numerator, tokens * (energy.coverage or 0.0), n=energy.n,
            coverage=energy.coverage, method=energy.method)  # fmt: skip


def _put_prompts(bag: Bag, sums: dict[str, float | None]) -> None:
    prompt, generated = sums["tokens_prompt"], sums["tokens_generated"]
    if prompt is None or generated is None:
        return
    cached = sums["tokens_prompt_cached"]
    computed = prompt - (cached or 0)
    note = "" if cached is not None else "it does not tell cached prompt tokens apart"
    coverage = bag["tokens"].coverage
    bag.put("prefill_share", computed, computed + generated, coverage=coverage,
            method=_COUNTERS, note=note)  # fmt: skip
    if cached is not None:
        bag.put("cache_hit", cached, prompt, coverage=coverage, method=_COUNTERS)


def members(told_seconds: float, running: float, nodes: float | None, gpus: float | None) -> int:
    """How many processes tell their phases, by how much more time they tell than went by.

    Every process of a job tells its own phases, and a job is the sum of them; some jobs let one
    process speak for all. Jobs have one process, one per node, or one per device.
    """
    if running <= 0:
        return 1
    least = told_seconds / (running * 1.02)  # clocks of processes and of the ledger differ a little
    usual = sorted({1, round(nodes or 1), round(gpus or 1)})
    return next((count for count in usual if count >= least), math.ceil(least))


def _put_phases(bag: Bag, sums: dict[str, float | None], running: float, coverage: float) -> None:
    told = {phase: sums[f"phase_{phase}_ms"] for phase in PHASES}
    spent = {phase: ms / 1000 for phase, ms in told.items() if ms is not None}
    if not spent or running <= 0:
        return
    count = members(sum(spent.values()), running, bag.value("nodes"), bag.value("gpus"))
    whole = max(count * running, sum(spent.values()))
    method = f"phases of {count} process{'' if count == 1 else 'es'}"
    for phase, seconds in spent.items():
        bag.put(f"phase_{phase}", seconds, whole, n=count, coverage=coverage, method=method)
    bag.put("phase_other", whole - sum(spent.values()), whole, n=count, coverage=coverage,
            method=method)  # fmt: skip
    steps, replayed = sums["steps"] or 0, sums["steps_replayed"] or 0
    kept = steps / (steps + replayed) if steps + replayed else 1.0
    if "step" in spent:
        bag.put("step_seconds", spent["step"] / count, steps + replayed, n=count,
                coverage=coverage, method=method)  # fmt: skip
        bag.put("goodput", spent["step"] * kept, whole, n=count, coverage=coverage,
                method=method, note="replayed steps are not in it" if replayed else "")  # fmt: skip


def _put_spread(bag: Bag, evidence: Evidence) -> None:
    """How much longer steps take on the slowest node than on the median one.

    Not by time per step: processes of other nodes than the first count no steps. In the same time
    all do the same steps, so the part of it that a node spends in steps is as telling.
    """
    ranks = evidence.ranks.filter(pl.col("phase_seconds") > 0)
    each = [
        step / phases for step, phases in ranks.select("step_seconds", "phase_seconds").iter_rows()
    ]
    if len(each) > 1:
        method = "phases of its processes, by node"
        bag.put("step_spread", max(each), statistics.median(each), n=len(each), method=method)


def _put_checkpoints(bag: Bag, evidence: Evidence, site: Site, running: float) -> None:
    nodes = bag.value("nodes") or 1
    method, note = "", ""
    if site.node_mtti_hours is not None:
        bag.put("mtti_seconds", site.node_mtti_hours * 3600 / nodes, 1, method="the site's word")
    elif evidence.interruptions >= LEAST_INTERRUPTIONS:
        bag.put(
            "mtti_seconds",
            evidence.node_seconds / nodes,
            evidence.interruptions,
            n=evidence.interruptions,
            method="jobs of this system that a node ended",
        )
    checkpoints, save = bag.value("checkpoints"), bag["phase_checkpoint_save"]
    if not checkpoints:
        return
    bag.put("checkpoint_interval_seconds", running, checkpoints, method=_COUNTERS)
    if save.value is None:
        return
    bag.put("checkpoint_save_seconds", save.value * running, checkpoints,
            coverage=save.coverage, method=save.method)  # fmt: skip
    each, mtti = bag.value("checkpoint_save_seconds"), bag.value("mtti_seconds")
    if each is None or mtti is None:
        return
    best = math.sqrt(2 * each * mtti)
    method, note = bag["mtti_seconds"].method, "Young 1974, Daly 2006"
    bag.put("checkpoint_best_seconds", best, coverage=save.coverage, method=method, note=note)
    if best:
        bag.put("checkpoint_interval_over_best", running / checkpoints, best,
                coverage=save.coverage, method=method)  # fmt: skip
