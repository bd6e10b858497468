"""The head of the page: which job it is, and the answer in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from wattline_collector.efficiency.report import Identity, JobReport
from wattline_collector.efficiency.terminal.ink import Ink
from wattline_collector.efficiency.words import columns, fitted, printable
from wattline_collector.efficiency.writing import duration, moment, quantity, told, written
from wattline_collector.kpi.declare import COMFORT
from wattline_collector.ledger.device import IDLE_LIMIT
from wattline_collector.palette import UNKNOWN, format_age, format_percent, format_si

_MOST_ATTEMPTS = 6


def top(report: JobReport, ink: Ink) -> Iterator[str]:
    """Name and state, whose it is, when it ran, what it asked for and got."""
    identity = report.identity
    state = fitted(_state(identity), ink.text_width // 2)
    room = ink.text_width - columns(state) - 2
    title = fitted(f"Job {printable(identity.job_id, 60)}", room)
    name = "" if identity.name is None else printable(identity.name, 120)
    left = room - columns(title) - 2
    name = "  " + fitted(name, left) if name and left > 4 else ""
    gap = " " * (ink.text_width - columns(title) - columns(name) - columns(state))
    yield ink.bold(title) + name + gap + ink.bold(state)
    project = identity.project and f"project {printable(identity.project, 60)}"
    if project and identity.project_title:
        project += f" ({printable(identity.project_title, 60)})"
    key = identity.job != identity.job_id and f"key {printable(identity.job, 60)}"
    partition = identity.partition and f"partition {printable(identity.partition, 40)}"
    system = f"system {printable(identity.system, 40)}"
    whose = (
        identity.user and printable(identity.user, 40), project, system,
        partition, key, identity.kind and printable(identity.kind, 20),
        identity.model and f"model {printable(identity.model, 60)}",
    )  # fmt: skip
    yield from joined([part for part in whose if part], ink)
    if identity.reason and identity.reason != "None":
        yield fitted(f"reason {printable(identity.reason, 90)}", ink.text_width)
    yield from _attempts(identity, ink)
    yield ""
    yield from joined(_when(report), ink, "  ")
    yield from joined(_got(report), ink, "  ")


def _state(identity: Identity) -> str:
    state = printable(identity.state or "state unknown", 30).replace("_", " ")
    ended = identity.exit and printable(identity.exit, 30)
    return f"{state}, {ended}" if ended and ended != "exit code 0" else state


def joined(parts: list[str], ink: Ink, indent: str = "") -> Iterator[str]:
    """Parts with dots between, in as many lines as they need."""
    line = ""
    for part in parts:
        part = fitted(part, ink.text_width - len(indent))
        if line and columns(line) + 3 + columns(part) > ink.text_width:
            yield line
            line = ""
        line = f"{line} · {part}" if line else indent + part
    if line:
        yield line


def _attempts(identity: Identity, ink: Ink) -> Iterator[str]:
    if len(identity.attempts) < 2:
        return
    shown = identity.attempts[-_MOST_ATTEMPTS:]
    earlier = len(identity.attempts) - len(shown)
    place = [job for job, _ in identity.attempts].index(identity.job) + 1
    parts = [f"start {place} of {len(identity.attempts)}"]
    parts += [f"{earlier} earlier"] if earlier else []
    parts += [f"{printable(job, 40)} {printable(state or UNKNOWN, 20)}" for job, state in shown]
    yield from joined(parts, ink)


def _when(report: JobReport) -> list[str]:
    identity, value = report.identity, report.figures.value
    parts = []
    if identity.submit_ms is not None:
        parts.append(f"submitted {moment(identity.submit_ms)}")
    if (waited := value("wait_seconds")) is not None:
        parts.append(f"waited {told(waited)}")
    if identity.start_ms is not None:
        parts.append(f"started {moment(identity.start_ms)}")
    if (ran := value("run_seconds")) is not None:
        limit = value("time_limit_seconds")
        of = "" if limit is None else f" of {duration(limit)}"
        used = value("time_limit_used")
        share = "" if used is None else f" ({format_percent(used)})"
        parts.append(f"ran {told(ran)}{of}{share}")
    if report.age_ms is not None:
        parts.append(f"data {format_age(report.age_ms)} old")
    low, high = (round(t.timestamp() * 1000) for t in (report.period.start, report.period.end))
    if identity.start_ms is not None and (
        low > identity.start_ms or (identity.end_ms is not None and high < identity.end_ms)
    ):
        parts.append(f"shown {moment(low)} to {moment(high)}")
    return parts


def _got(report: JobReport) -> list[str]:
    value = report.figures.value
    parts = []
    if (nodes := value("nodes")) is not None:
        parts.append(f"{nodes:.0f} node{'' if nodes == 1 else 's'}")
    models = report.identity.models
    for model, count in list(models.items())[:4]:
        parts.append(f"{count} × {printable(model, 60)}")  # noqa: RUF001
    gpus = value("gpus")
    if gpus is not None and gpus != sum(models.values()):
        seen = f", {sum(models.values())} seen" if models else ""
        parts.append(f"{gpus:.0f} GPU{'' if gpus == 1 else 's'} by the scheduler{seen}")
    if (cpus := value("cpus")) is not None:
        parts.append(f"{cpus:.0f} cores")
    if (memory := value("memory_bytes")) is not None:
        parts.append(f"{format_si(float(memory), 'B')} main memory")
    return parts


def headline(report: JobReport) -> str:
    """The answer: did it use what it was given?"""
    value = report.figures.value
    gpus, ran = value("gpus"), value("run_seconds")
    if ran is None:
        return "It has not started."
    if not gpus:
        cores = value("cpu_used")
        if cores is None:
            return f"It ran for {told(ran)} without GPUs."
        return f"It ran for {told(ran)} without GPUs; its cores were {format_percent(cores)} busy."
    many, were, they = f"Its {gpus:.0f} GPUs", "were", "they"
    if gpus == 1:
        many, were, they = "Its GPU", "was", "it"
    held, lost, busy, slowed = (value(id) for id in ("held", "lost", "busy", "slowed"))
    if held is None or lost is None or busy is None or slowed is None:
        sentence = f"{many} {were} held for {told(ran)}; nobody measured what {they} did"
    else:
        worked = busy + slowed + lost
        sentence = f"{many} {_did(report, worked, they, were)}"
        if lost > 0:
            sentence += ", and the job failed: that work is lost"
    if value("tokens"):
        sentence += f"; it made {written(report.figure('tokens'))}"
        if value("joules_per_token") is not None:
            sentence += f" at {written(report.figure('joules_per_token'))}"
    wasted = value("wasted_gpu_hours")
    if wasted and held:
        sentence += f"; {quantity(wasted, 'GPU-h')} brought nothing"
    return sentence + "."


def _did(report: JobReport, worked: float, they: str, were: str) -> str:
    """What its devices did with the time; never more than what was measured of them.

    The books call a device idle after ten minutes without work. Shorter pauses, and jobs that are
    shorter altogether, only show in how active it was.
    """
    activity, kernels = report.figure("activity"), report.figure("gpu_busy")
    if activity.value is not None and activity.value < IDLE_LIMIT and worked > 0:
        ran = report.figures.value("run_seconds")
        of = "" if ran is None else f"for {told(ran)} "
        return f"{were} held {of}and did next to nothing: {format_percent(activity.value)} active"
    if (
        kernels.value is not None
        and (kernels.coverage or 0) >= COMFORT
        and worked - kernels.value > IDLE_LIMIT
    ):
        return f"ran something for {format_percent(kernels.value)} of the time {they} {were} held"
    return f"worked for {format_percent(worked)} of the time {they} {were} held"
