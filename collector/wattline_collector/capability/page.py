"""What `wattline capability` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wattline_collector.capability.hpl_mxp import Result
from wattline_collector.capability.projection import Projection
from wattline_collector.capability.training_benchmark import Outcome


def hpl(result: Result) -> str:
    """A result with why it stands or does not."""
    solve = result.solve
    known = [
        f"n {solve.n:,}" if solve.n else "",
        f"{solve.processes:,} processes" if solve.processes else "",
        f"{result.seconds:,.2f} s" if result.seconds is not None else "",
        f"error {result.error:.3g}" if result.error is not None else "",
        f"{result.bits} bit" if result.bits else "",
    ]
    head = f"{solve.benchmark.value}  {rate(result.flops) if result.is_valid else 'not valid'}"
    lines = [f"{_shown(solve.path)}:{solve.line}", f"  {head}   {', '.join(filter(None, known))}"]
    lines += [f"  refused    {_plain(reason)}" for reason in result.refusals]
    lines += [f"  not shown  {_plain(what)}" for what in result.unseen]
    lines += [f"  remark     {_plain(remark)}" for remark in result.remarks]
    return "\n".join(lines)


def training(found: Outcome) -> str:
    """Runs, what each counts as, and what they come to."""
    lines = [f"{_plain(found.benchmark or 'benchmark not told')}, MLPerf-style, not reviewed"]
    for judged in found.runs:
        run = judged.run
        quality = "" if run.quality is None else f"quality {run.quality:.5g}"
        over = f"{run.init_over_ms / 1000:.0f} s of it initialisation" if run.init_over_ms else ""
        state = "kept" if judged.is_kept else judged.why or "not counted"
        told = ", ".join(filter(None, (quality, over, _plain(state))))
        lines.append(f"  {run.seconds / 60:10.2f} min  {_shown(run.path)}: {told}")
    lines += [f"  refused    {_plain(reason)}" for reason in found.refusals]
    lines += [f"  not shown  {_plain(what)}" for what in found.unseen]
    if found.seconds is None:
        return "\n".join([*lines, "No result."])
    mean = f"Mean of the kept runs: {found.seconds / 60:.3f} min"
    if found.joules is not None and found.level is not None:
        mean += f", {found.joules / 3.6e6:,.4g} kWh at level {found.level.value}"
    return "\n".join([*lines, mean])


def projection(found: Projection) -> str:
    """A time to train, with all that it rests on."""
    plan = found.plan
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f"   ({found.low:.4g} to {found.high:.4g}, {found.confidence:.0%})"
    rows = [
        ("time to train", f"{found.days:.4g} days{interval}"),
        ("margin", f"{found.margin:.3g}: {plan.budget_days:g} days over that"),
        ("devices needed", f"{found.devices:,} ({plan.devices_needed:.4g})"),
        ("parameters", f"{plan.parameters:.4g}"),
        ("tokens", f"{plan.tokens:.4g}"),
        ("devices", f"{plan.devices:,.6g} of {plan.peak_flops / 1e12:,.6g} TFLOP/s"),
        ("MFU", f"{plan.mfu:.4g}" + (f", of {found.steps:,} steps" if found.steps else ", stated")),
        ("ETTR", f"{plan.ettr:.4g}, stated"),
        ("operations", f"{plan.flops:.4g} FLOP"),
        *(("assumes", text) for text in found.assumptions),
    ]
    return "\n".join(f"{name:<16}{text}" for name, text in rows)


def requirements(
    rows: Sequence[dict[str, Any]], names: Sequence[str], parameters: float, days: float,
    mfu: float, ettr: float,
) -> str:  # fmt: skip
    """A table of devices needed, by tokens."""
    lines = [
        f"{parameters:.4g} parameters in {days:g} days, MFU {mfu:g}, ETTR {ettr:g}: devices needed",
        f"{'tokens':>8}  {'FLOP':>8}  {'PFLOP/s':>8}" + "".join(f"  {name:>27}" for name in names),
    ]
    for row in rows:
        needed = "".join(f"  {count:>27,.1f}" for count in row["devices"])
        sustained = row["sustained_flops"] / 1e15
        lines.append(f"{row['tokens']:>8.3g}  {row['flops']:>8.3g}  {sustained:>8.3g}{needed}")
    return "\n".join(lines)


def rate(flops: float | None) -> str:
    """A score."""
    return "unknown" if flops is None else f"{flops / 1e12:,.5g} TFLOP/s"


def _shown(path: Path) -> str:
    return _plain(str(path))


def _plain(text: str) -> str:
    """Text that moves no cursor: a file's name and what stands in it are others' words."""
    return "".join(c if c.isprintable() else "?" for c in text)[:300]
