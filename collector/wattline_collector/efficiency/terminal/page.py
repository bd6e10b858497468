"""One job as lines of text: the answer first, then what it stands on, findings and advice last."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from wattline_collector.advice.evaluate import Advice
from wattline_collector.efficiency.figures import FIGURES
from wattline_collector.efficiency.report import JobReport, Latency, Stretch
from wattline_collector.efficiency.terminal.devices import device_lines
from wattline_collector.efficiency.terminal.ink import COLOURS, Ink, padded
from wattline_collector.efficiency.terminal.strips import bar
from wattline_collector.efficiency.terminal.top import headline, top
from wattline_collector.efficiency.words import columns
from wattline_collector.efficiency.writing import clock, quantity, written
from wattline_collector.kpi.declare import COMFORT
from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import format_number, format_percent, format_si

MOST_FINDINGS = 5
"""More at once and nobody begins with the first."""
_MOST_WHEN = 3
_BAR = 24
_LATENCY_NAMES = {
    "first_token": "first token", "per_token": "per token", "inter_token": "between tokens",
    "request": "whole request", "queue": "in the queue",
}  # fmt: skip


def page(report: JobReport, advice: Advice, ink: Ink) -> list[str]:
    """The page of a job.

    Args:
        report: The job.
        advice: What its owner is told.
        ink: What the terminal can show.
    """
    lines: list[str] = [*top(report, ink), ""]
    lines += wrapped(headline(report), ink)
    for section in (
        _made(report, ink),
        _accounts(report, ink),
        _use(report, ink),
        _energy(report, ink),
        _latencies(report.latencies, ink),
        device_lines(report, ink),
        _known(report, ink),
        _findings(advice, ink),
        _actions(advice, ink),
    ):
        found = list(section)
        lines += ["", *found] if found else []
    return [ink.finished(line) for line in lines]


def wrapped(text: str, ink: Ink, first: str = "", rest: str | None = None) -> list[str]:
    """Running text in lines; names in it may be long and are broken then."""
    rest = " " * len(first) if rest is None else rest
    return textwrap.wrap(
        text, ink.text_width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def flowed(parts: Iterable[tuple[str, str]], ink: Ink) -> Iterator[str]:
    """Names and values one after the other, as many as go in a line."""
    line, wide = "", 0
    for name, value in parts:
        length = columns(name) + 1 + columns(value)
        if wide and wide + 3 + length > ink.text_width:
            yield line
            line, wide = "", 0
        line += ("  " if not wide else "   ") + f"{ink.faint(name)} {value}"
        wide += (2 if not wide else 3) + length
    if line:
        yield line


def _values(report: JobReport, *ids: str) -> Iterator[tuple[str, str]]:
    """Names and values of the figures that are known.

    For how much of the time they are known is said beside them where it is less than that of all.
    """
    usual = _thin(report, "gpu_time")
    for id in ids:
        figure = report.figure(id)
        if figure.value is None:
            continue
        thin = _thin(report, id)
        beside = f" (known {thin} of the time)" if thin and thin != usual else ""
        yield FIGURES[id].name, written(figure) + beside


def _thin(report: JobReport, id: str) -> str | None:
    coverage = report.figure(id).coverage
    return format_percent(coverage) if coverage is not None and coverage < COMFORT else None


def _titled(report: JobReport, title: str, rest: str, ink: Ink) -> str:
    """A section's title, with for how much of the time all of it is known where that is little."""
    thin = _thin(report, "gpu_time")
    known = ink.faint(f"  known for {thin} of the time") if thin else ""
    return ink.bold(title) + (f"  {rest}" if rest else "") + known


def _made(report: JobReport, ink: Ink) -> Iterator[str]:
    made = list(_values(report, "tokens", "tokens_per_second", "joules_per_token",
                        "joules_per_output_token"))  # fmt: skip
    kinds = list(_values(report, "tokens_trained", "tokens_prompt", "tokens_prompt_cached",
                         "tokens_generated", "tokens_replayed"))  # fmt: skip
    steps = list(_values(report, "steps", "step_seconds", "step_spread", "steps_replayed",
                         "checkpoints", "requests", "requests_failed"))  # fmt: skip
    mfu = list(_values(report, "mfu", "mfu_stepping"))
    goodput = list(_values(report, "goodput", "serving_goodput"))
    phases = [
        (FIGURES[id].name, written(report.figure(id)))
        for id in FIGURES
        if id.startswith("phase_") and (report.figures.value(id) or 0) >= 0.001
    ]
    if not (made or kinds or steps or mfu or goodput or phases):
        return
    yield ink.bold("What it made")
    yield from flowed(made, ink)
    yield from flowed(kinds if len(kinds) > 1 else (), ink)
    yield from flowed(steps, ink)
    if mfu and report.mfu is not None:
        yield from flowed(mfu, ink)
        basis = [report.mfu.formula, *report.mfu.peaks]
        if report.mfu.parameters is not None:
            basis.insert(0, f"{written(report.figure('parameters'))} parameters")
        yield from (ink.faint(line) for line in wrapped(", ".join(basis), ink, "  "))
    elif "mfu" in report.figures and made:
        why = f"MFU unknown: {report.figure('mfu').note}"
        yield from (ink.faint(line) for line in wrapped(why, ink, "  "))
    yield from flowed(goodput, ink)
    yield from flowed(phases, ink)


def _accounts(report: JobReport, ink: Ink) -> Iterator[str]:
    whole = sum(one.device_ms for one in report.accounts)
    if not whole:
        return
    hours = written(report.figure("gpu_time"))
    yield _titled(report, "Where the GPU time went", hours, ink)
    names = max(len(one.account.value) for one in report.accounts)
    wide = min(_BAR, max(6, ink.text_width - names - 36))
    for one in report.accounts:
        share = one.device_ms / whole
        drawn = padded(bar(share, wide), wide)
        line = (
            f"  {padded(one.account.value, names)} {ink.painted(drawn, COLOURS[one.account])}"
            f" {padded(quantity(one.device_ms / 3.6e6, 'GPU-h'), 11, right=True)}"
            f" {padded(format_percent(share), 8, right=True)}"
        )
        taken = 2 + names + 1 + wide + 1 + 11 + 1 + 8
        # When it worked is no news; when something else happened is.
        usual = one.account is Account.BUSY or share >= 0.9
        when = "" if usual else _when(one.stretches, one.omitted, report)
        if when and columns(when) <= ink.width - taken - 2:
            yield f"{line}  {ink.faint(when)}"
        else:
            yield line
            indent = " " * (3 + names)
            yield from (ink.faint(row) for row in wrapped(when, ink, indent))


def _when(stretches: Sequence[Stretch], omitted: int, report: JobReport) -> str:
    """When it happened: the longest stretches, in order of time."""
    longest = sorted(stretches, key=lambda s: s.start_ms - s.end_ms)[:_MOST_WHEN]
    start = round(report.period.start.timestamp() * 1000)
    texts = [
        f"{clock(s.start_ms, start)}–{clock(s.end_ms, s.start_ms)}"  # noqa: RUF001
        for s in sorted(longest, key=lambda s: s.start_ms)
    ]
    more = len(stretches) + omitted - len(longest)
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")


def _use(report: JobReport, ink: Ink) -> Iterator[str]:
    parts = list(_values(report, "sm_active", "tensor_active", "dram_active"))
    coarse = list(_values(report, "gpu_busy"))
    parts += coarse if not parts else []
    peak, size = (report.figures.value(f"gpu_memory_{name}_bytes") for name in ("peak", "size"))
    if peak is not None:
        of = "" if size is None else f" of {format_si(float(size), 'B')}"
        parts.append((FIGURES["gpu_memory_peak"].name, format_si(float(peak), "B") + of))
    hindered = ("throttled_power", "throttled_heat", "throttled_brake")
    parts += _values(report, *(id for id in hindered if (report.figures.value(id) or 0) >= 0.001))
    host = list(_values(report, "cpu_used", "memory_used"))
    if not parts and not host:
        return
    yield _titled(report, "How hard it worked", "", ink)
    yield from flowed(parts, ink)
    yield from flowed(host, ink)
    if coarse and not any(name == FIGURES["sm_active"].name for name, _ in parts):
        text = (
            "These devices only tell whether any kernel ran, which is not how much of them worked."
        )
        yield from (ink.faint(line) for line in wrapped(text, ink, "  "))


def _energy(report: JobReport, ink: Ink) -> Iterator[str]:
    energy = report.figure("energy")
    rest = list(_values(report, "power_mean_watts", "power_max_watts", "power_limit_watts",
                        "temperature_max_celsius"))  # fmt: skip
    checks = []
    for id in ("gpu_energy", "node_energy", "scheduler_energy"):
        figure = report.figure(id)
        if figure.value is not None:
            note = f", {figure.note}" if figure.note else ""
            checks.append((FIGURES[id].name, f"{written(figure)} ({figure.method}{note})"))
    money = list(_values(report, "energy_co2", "energy_euro"))
    wasted = list(_values(report, "wasted_gpu_hours", "wasted_energy", "wasted_co2", "wasted_euro"))
    if energy.value is None and not rest and not checks and not wasted:
        return
    yield _titled(report, "Energy", "" if energy.value is None else written(energy), ink)
    yield from flowed(checks, ink)
    yield from flowed([*rest, *money], ink)
    if report.figures.value("wasted_gpu_hours"):
        yield from flowed(wasted, ink)


def _latencies(latencies: Sequence[Latency], ink: Ink) -> Iterator[str]:
    if not latencies:
        return
    yield ink.bold("Latency")
    for one in latencies:
        parts = [(f"p{part * 100:g}", str(found)) for part, found in one.quantiles]
        mean = [] if one.mean_seconds is None else [("mean", quantity(one.mean_seconds, "s"))]
        parts += [*mean, ("of", format_number(one.count))]
        label = padded(_LATENCY_NAMES.get(one.kind, one.kind), 14)
        cells = (ink.faint(name) + " " + padded(value, 12) for name, value in parts)
        yield f"  {label}" + " ".join(cells)


def _known(report: JobReport, ink: Ink) -> Iterator[str]:
    """How it is known whose the time was, how much of it was seen, and what to keep in mind."""
    parts = [
        (method, quantity(seconds / 3600, "GPU-h"))
        for method, seconds in sorted(report.attribution.items(), key=lambda item: -item[1])
    ]
    gpu_time = report.figure("busy").coverage
    energy = report.figure("energy").coverage
    if gpu_time is not None:
        parts.append(("activity known", format_percent(gpu_time)))
    if energy is not None:
        parts.append(("energy known", format_percent(energy)))
    if not parts and not report.notes:
        return
    yield ink.bold("How this is known")
    yield from flowed(parts, ink)
    for note in report.notes:
        yield from wrapped(f"{note[0].upper()}{note[1:]}.", ink, "  ")


def _findings(advice: Advice, ink: Ink) -> Iterator[str]:
    yield ink.bold("Findings")
    if not advice.findings:
        yield "  Nothing to change was found."
    for number, finding in enumerate(advice.findings[:MOST_FINDINGS], start=1):
        yield from wrapped(f"{finding.title}. {finding.text}", ink, f"  {number} ", "    ")
    more = len(advice.findings) - MOST_FINDINGS
    if more > 0:
        yield f"    and {more} more; --json has all"
    for thin in advice.unjudged:
        text = (
            f"Not judged: {FIGURES[thin.figure].name} is known for {format_percent(thin.coverage)} "
            f"of the time, and {format_percent(thin.needed)} is needed ({', '.join(thin.rules)})."
        )
        yield from (ink.faint(line) for line in wrapped(text, ink, "    "))


def _actions(advice: Advice, ink: Ink) -> Iterator[str]:
    said = advice.findings[:MOST_FINDINGS]
    if not said:
        return
    yield ink.bold("What to do")
    for number, finding in enumerate(said, start=1):
        more = f" See {finding.link}." if finding.link else ""
        yield from wrapped(finding.action + more, ink, f"  {number} ", "    ")
