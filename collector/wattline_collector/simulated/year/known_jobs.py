"""True values of figures of jobs: what they made, how they ended, how long they waited."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from statistics import median

from wattline_collector.simulated.year.expected import EXACT, Expected
from wattline_collector.simulated.year.plan import Charged, Plan
from wattline_collector.simulated.year.planted import Hole
from wattline_collector.simulated.year.telemetry import LATENCIES
from wattline_collector.simulated.year.truth import MS_PER_HOUR, Happened
from wattline_collector.simulated.year.work import Job

_TOKENS = ("tokens_trained_total", "tokens_prompt_total", "tokens_generated_total")
_CAUSES = {
    "completed": "ok", "failed": "user", "cancelled": "user", "timeout": "timeout",
    "preempted": "preempt", "node_fail": "infra",
}  # fmt: skip
CAPABILITY = 0.2
SIZES = {"1": 1, "2-4": 4, "5-8": 8, "9-32": 32, "33-128": 128, "129-512": 512, "513-2048": 2048}
BEYOND = ">2048"
"""Classes of size and the most devices of each, as the dictionary has them."""


def of_production(found: Happened) -> Iterator[Expected]:
    """What was made."""
    plan = found.plan
    training = [job for job in plan.jobs if job.kind == "training"]
    trained = sum(map(committed, training))
    served = sum(
        job.made(column) for job in plan.jobs for column in _TOKENS[1:]
    )  # of all kinds: only services count them
    unseen = untold(plan, committed)
    share = unseen / trained
    yield Expected("P01", trained, absolute=unseen, relative=EXACT, adds_up=True,
                   why="tokens of planned steps, each step once; a job that ends unseen tells"
                   " nothing of its last hours")  # fmt: skip
    counting = [job for job in plan.jobs if any(job.made(column) for column in _TOKENS)]
    seconds = _union(counting) / 1000
    yield Expected("P02", (trained + served) / seconds, relative=EXACT + share,
                   why="all tokens over the time in which any job counted them")  # fmt: skip
    held = sum(job.gpu_hours for job in counting)
    unheard = untold(plan, lambda job: job.gpu_hours) / held
    yield Expected("P02_GPU", (trained + served) / (held * 3600), relative=EXACT + share + unheard,
                   why="all tokens over the device time of the jobs that count them; a job of which"
                   " nothing is heard is in neither")  # fmt: skip
    yield Expected("P03", served, why="planned requests", relative=EXACT, adds_up=True)
    flops = sum(
        job.model.flops_trained * committed(job) for job in training if job.model is not None
    )
    lost = untold(plan, lambda job: job.model.flops_trained * committed(job) if job.model else 0.0)
    inference = sum(
        job.model.flops_served
        * (
            job.made("tokens_prompt_total")
            - job.made("tokens_prompt_cached_total")
            + job.made("tokens_generated_total")
        )
        for job in plan.jobs
        if job.model is not None and job.kind == "inference"
    )
    yield Expected("P04", flops + inference, absolute=lost, adds_up=True,
                   why="6 N and 2 N by planned tokens")  # fmt: skip
    for kind, made in (("training", flops), ("inference", inference)):
        able = sum(
            job.gpu_hours * 3600 * plan.extent.profile.peak_flops
            for job in plan.jobs
            if job.kind == kind
        )
        yield Expected("E01", 100 * made / able, dims={"kind": kind},
                       relative=EXACT + (lost / flops if kind == "training" else 0),
                       why="model operations over the peak of the devices jobs had")  # fmt: skip
    joules = sum(
        row["node_joules"]
        for row in found.by_job.iter_rows(named=True)
        if any(plan.jobs[row["job"]].made(column) for column in _TOKENS)
    )
    dark = found.total("node_joules", "unmeasured", "unobserved") / found.total("node_joules")
    yield Expected("S10", (trained + served) / joules, relative=1e-3 + share + dark,
                   why="tokens over the energy of the jobs that count them")  # fmt: skip
    hours = sum(job.gpu_hours for job in plan.jobs)
    for kind in ("training", "inference", "other"):
        of_kind = sum(job.gpu_hours for job in plan.jobs if job.kind == kind)
        yield Expected("P09", 100 * of_kind / hours, dims={"stage": kind},
                       why="GPU-hours of planned jobs")  # fmt: skip
    yield from _latencies()


def _latencies() -> Iterator[Expected]:
    """Of each kind of latency the bucket a quantile lies in; any value in it is right."""
    for kind, buckets in LATENCIES.items():
        for name, wanted in (("p50", 500), ("p95", 950), ("p99", 990)):
            low = 0.0
            for bound, count in buckets:
                if bound is None or count >= wanted:
                    break
                low = bound
            assert bound is not None
            middle = (low + bound) / 2
            yield Expected("P06", middle * 1000, absolute=(bound - low) / 2 * 1000,
                           dims={"kind": kind, "quantile": name}, why="its bucket")  # fmt: skip


def of_queues(found: Happened) -> Iterator[Expected]:
    """Sizes and waits, by what the scheduler accounts for."""
    plan = found.plan
    hours = sum(job.gpu_hours for job in plan.jobs)
    devices = plan.extent.nodes * plan.extent.devices
    large = sum(j.gpu_hours for j in plan.jobs if len(j.devices) >= CAPABILITY * devices - 1e-9)
    yield Expected("U06", 100 * large / hours, why="GPU-hours of jobs of a fifth of the system")
    sized = sum(job.gpu_hours * len(job.devices) for job in plan.jobs)
    yield Expected("U09", sized / hours, why="devices of jobs, by GPU-hours")
    for size, charged in _by_size(plan).items():
        waits = sorted(map(_wait, charged))
        of_size = sum(one.job.gpu_hours for one in charged)
        expanded = sum(
            one.job.gpu_hours * (1 + _wait(one) * MS_PER_HOUR / (one.job.end_ms - one.job.start_ms))
            for one in charged
        )
        for figure, value in (
            ("median", median(waits)),
            ("p95", waits[math.ceil(0.95 * len(waits)) - 1]),
            ("expansion", expanded / of_size),
        ):
            yield Expected("U07", value, dims={"size": size, "figure": figure}, why="planned waits")
    yield from _parity(plan)
    for who, those in (
        ("users", {charged.user for charged in plan.charged}),
        ("leads", {charged.grant.lead for charged in plan.charged}),
        ("projects", {charged.grant.project for charged in plan.charged}),
    ):
        yield Expected("I05", len(those), dims={"who": who}, why="owners of planned jobs")


def _by_size(plan: Plan) -> dict[str, list[Charged]]:
    """Jobs by class of size, all of them first."""
    found: dict[str, list[Charged]] = {"all": list(plan.charged)}
    for charged in plan.charged:
        devices = len(charged.job.devices)
        name = next((name for name, most in SIZES.items() if devices <= most), BEYOND)
        found.setdefault(name, []).append(charged)
    return found


def _parity(plan: Plan) -> Iterator[Expected]:
    """Medians of organisations of one category, of those with five jobs."""
    waits: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in plan.charged:
        waits[one.grant.user_category][one.grant.organisation].append(_wait(one))
    for category, groups in sorted(waits.items()):
        medians = [median(each) for each in groups.values() if len(each) >= 5]
        comparable = len(medians) > 1 and min(medians) > 0
        yield Expected("Q05", max(medians) / min(medians) if comparable else None,
                       dims={"user_category": category},
                       why="planned waits; one organisation alone has no parity")  # fmt: skip


def of_reliability(found: Happened) -> Iterator[Expected]:
    """How jobs ended."""
    jobs = found.plan.jobs
    hours: Counter[str] = Counter()
    for job in jobs:
        hours[_CAUSES[job.outcome]] += job.gpu_hours  # type: ignore[assignment]
    total = sum(hours.values())
    for cause, of_cause in sorted(hours.items()):
        yield Expected("A07", 100 * of_cause / total, dims={"cause": cause}, why="planned outcomes")
    died = sum(job.outcome == "node_fail" for job in jobs)
    if died:
        job_hours = sum((job.end_ms - job.start_ms) / MS_PER_HOUR for job in jobs)
        yield Expected("A04", job_hours / died, dims={"per": "job"}, why="planned failures")
        yield Expected("A04", total / died / 1000, dims={"per": "1000_gpus"},
                       why="planned failures")  # fmt: skip
    else:
        for per in ("job", "1000_gpus"):
            yield Expected("A04", None, dims={"per": per}, why="no job died with its node")


def committed(job: Job) -> int:
    """Tokens of its steps that no earlier job of its run had done."""
    tokens, steps = job.made("tokens_trained_total"), job.made("steps_total")
    return tokens if not job.replayed else tokens // steps * (steps - job.replayed)


def untold(plan: Plan, value: Callable[[Job], float]) -> float:
    """The most that jobs made while nobody heard of it.

    That is, all that those made which ended while the only node they had was silent.
    """
    silent = [m for m in plan.planted.missing if m.hole is Hole.SILENT_BUSY]
    total = 0.0
    for job in plan.jobs:
        nodes = {device // plan.extent.devices for device in job.devices}
        for hole in silent:
            if nodes == {hole.node} and hole.start_ms < job.end_ms < hole.end_ms:
                total += value(job)
    # A hair more, so that the last digit of a difference of large sums does not decide.
    return total * 1.001


def _wait(charged: Charged) -> float:
    return (charged.job.start_ms - charged.submit_ms) / MS_PER_HOUR


def _union(jobs: Iterable[Job]) -> int:
    """Milliseconds in which any of them ran."""
    total, until = 0, 0
    for start, end in sorted((job.start_ms, job.end_ms) for job in jobs):
        total += max(0, end - max(start, until))
        until = max(until, end)
    return total
