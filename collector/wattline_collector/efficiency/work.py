"""What it made: tokens, steps, requests; goodput, checkpoints, and what a token cost."""

from __future__ import annotations

import statistics
from functools import partial

import polars as pl

from wattline_agents.catalogue import PHASES
from wattline_collector.capability.checkpoints import checkpoints, node_mtti
from wattline_collector.efficiency.adding import added, known
from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.figures import FIGURES, Bag
from wattline_collector.efficiency.site import Site
from wattline_collector.ledger import goodput
from wattline_collector.ledger.job import TOKENS

_COUNTERS = "job counters"
_SUMMED = (
    *TOKENS, "tokens_prompt_cached", "tokens_replayed", "steps", "steps_replayed", "requests",
    "requests_failed", "requests_good", "checkpoints",
)  # fmt: skip


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
    _put_phases(bag, evidence, sums, _counted(made, "phase_step_ms"))
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


def _put_phases(
    bag: Bag, evidence: Evidence, sums: dict[str, float | None], coverage: float
) -> None:
    """Where its processes' time went, as the ledger's goodput has it (KPI E03)."""
    told = {phase: ms for phase in PHASES if (ms := sums[f"phase_{phase}_ms"]) is not None}
    if not told:
        return
    spent = _spent(bag, evidence)
    if spent is None:
        return
    count, whole = round(spent["members"]), spent["elapsed_ms"] / 1000
    method = f"phases of {count} process{'' if count == 1 else 'es'}"
    put = partial(bag.put, n=count, coverage=coverage, method=method)
    seconds = {
        "step": (spent["productive_ms"] + spent["wasted_ms"]) / 1000,
        **{phase: spent[f"{phase}_ms"] / 1000 for phase in PHASES if phase != "step"},
    }
    for phase in told:
        put(f"phase_{phase}", seconds[phase], whole)
    put("phase_other", spent["other_ms"] / 1000, whole)
    steps, replayed = sums["steps"] or 0, sums["steps_replayed"] or 0
    if "step" in told:
        put("step_seconds", seconds["step"], steps + replayed)
        put("goodput", spent["productive_ms"] / 1000, whole,
            note="replayed steps are not in it" if replayed else "")  # fmt: skip


def _spent(bag: Bag, evidence: Evidence) -> dict[str, float] | None:
    """`goodput.of_jobs` of this job, over the time it is booked as running."""
    key = ["system", "job"]
    running = (
        evidence.made.group_by(key)
        .agg(pl.col("running_ms").sum().alias("end"))
        .with_columns(pl.lit(0, pl.Int64).alias("start"))
    )
    nodes, devices = bag.value("nodes"), bag.value("gpus")
    sizes = running.select(
        *key, pl.lit(nodes, pl.Float64).alias("nodes"), pl.lit(devices, pl.Float64).alias("devices")
    )
    found = goodput.of_jobs(evidence.made, running, sizes)
    return found.row(0, named=True) if found.height else None


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
    """What checkpoints cost, and how far their interval is from the best one (KPI E08)."""
    nodes = bag.value("nodes") or 1
    mtti = node_mtti(site.node_mtti_hours, evidence.node_seconds, evidence.interruptions)
    if mtti is not None:
        bag.put("mtti_seconds", mtti.node_seconds / nodes, mtti.interruptions,
                n=mtti.interruptions, method=mtti.method)  # fmt: skip
    saved, save = bag.value("checkpoints"), bag["phase_checkpoint_save"]
    if not saved:
        return
    bag.put("checkpoint_interval_seconds", running, saved, method=_COUNTERS)
    if save.numerator is None:
        return
    bag.put("checkpoint_save_seconds", save.numerator, saved,
            coverage=save.coverage, method=save.method)  # fmt: skip
    found = checkpoints(
        bag.value("checkpoint_interval_seconds"),
        bag.value("checkpoint_save_seconds"),
        None if mtti is None else mtti.of_job(nodes),
    )
    if found is None or mtti is None:
        return
    bag.put("checkpoint_best_seconds", found.best_seconds, coverage=save.coverage,
            method=mtti.method, note=found.note or "Young 1974, Daly 2006")  # fmt: skip
    if found.best_seconds:
        bag.put("checkpoint_interval_over_best", found.interval_seconds, found.best_seconds,
                coverage=save.coverage, method=mtti.method)  # fmt: skip
