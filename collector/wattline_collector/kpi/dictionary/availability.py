"""Availability and reliability (A01-A08)."""

from __future__ import annotations

from wattline_collector.kpi import interrupts, uptime
from wattline_collector.kpi.declare import DAYS, OF_NODES, SEASONS, WORK, Kpi, Level

_OF_JOBS = ("system", "partition", *(name for name in WORK if name != "job"), *DAYS)
"""What jobs and their ends can be split by."""

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "A01",
        "scheduled availability",
        "(T - S - U) / (T - S): T the period, S scheduled and U unscheduled outage, as "
        "node-hours over the nodes of the system",
        "%",
        "T - S - U",
        "h",
        "T - S",
        "h",
        "up",
        "M, O",
        "dictionary A01; DOE operational assessment reports",
        uptime.scheduled_availability,
        scale=100,
        by=("system", *DAYS),
        level=Level.DECLARED,
        note=(
            "T ends where the books do. Outages that overlap count once; scheduled goes before "
            "unscheduled."
        ),
    ),
    Kpi(
        "A02",
        "overall availability",
        "(T - S - U) / T",
        "%",
        "T - S - U",
        "h",
        "T",
        "h",
        "up",
        "M, O",
        "dictionary A02; DOE operational assessment reports",
        uptime.overall_availability,
        scale=100,
        by=("system", *DAYS),
        level=Level.DECLARED,
    ),
    Kpi(
        "A03",
        "MTTI and MTTF of the system",
        "MTTI = (T - S - U) / (n_s + n_u + 1); MTTF = (T - U) / (n_u + 1); n_s and n_u count "
        "what took the whole system away",
        "h",
        "T - S - U, or T - U",
        "h",
        "interruptions, or failures, and one",
        "1",
        "up",
        "O, M",
        "dictionary A03; DOE operational assessment reports",
        uptime.time_between,
        by=("system", *DAYS),
        level=Level.DECLARED,
        parts=("system", "figure"),
    ),
    Kpi(
        "A04",
        "mean time to interruption of jobs",
        "time jobs with devices ran / interruptions by the infrastructure (node_fail, "
        "boot_fail); per 1,000 GPUs: GPU-hours over 1,000 and interruptions",
        "h",
        "time jobs ran, or GPU-hours over 1,000",
        "h",
        "interruptions",
        "1",
        "up",
        "O, J",
        "dictionary A04; arXiv 2410.21680",
        interrupts.job_time_between,
        by=_OF_JOBS,
        level=Level.DERIVED,
        parts=("per",),
        note=(
            "With the 95 % interval of a Poisson count. Without an interruption the note tells "
            "what the mean is over."
        ),
    ),
    Kpi(
        "A05",
        "time to repair",
        "mean and p95 of unscheduled outages that ended in the period, each whole",
        "h",
        "hours of those outages",
        "h",
        "outages that ended",
        "1",
        "down",
        "O",
        "dictionary A05",
        uptime.time_to_repair,
        by=("system", *DAYS),
        level=Level.DECLARED,
        parts=("figure",),
    ),
    Kpi(
        "A06",
        "node availability",
        "usable / installed node-hours; not usable is down and maintenance; a node counts by "
        "its devices; time nobody observed is in neither and lowers the coverage",
        "%",
        "usable node time",
        "node-h",
        "installed node time that was observed",
        "node-h",
        "up",
        "O, M",
        "dictionary A06; DeiC",
        uptime.node_availability,
        scale=100,
        by=OF_NODES,
    ),
    Kpi(
        "A07",
        "job outcome by cause",
        "GPU-hours of jobs that ended in the period, by why: ok, user, infra, timeout, "
        "preempt, other / GPU-hours of all of them, each job whole",
        "%",
        "GPU-hours of jobs that ended so",
        "GPU-h",
        "GPU-hours of all jobs that ended",
        "GPU-h",
        "none",
        "O, M",
        "dictionary A07",
        interrupts.job_outcomes,
        scale=100,
        by=_OF_JOBS,
        parts=("cause",),
        note="By the state in which the scheduler says that the job ended.",
    ),
    Kpi(
        "A08",
        "SLA compliance",
        "months (quarters, years) in which the figure the agreement is on kept its threshold /"
        " those that are over",
        "%",
        "periods in which the agreement was kept",
        "1",
        "periods that are over",
        "1",
        "up",
        "M",
        "dictionary A08; Regulation (EU) 2021/1173 Article 10(2)(c)",
        uptime.sla_compliance,
        scale=100,
        by=("system", *SEASONS),
        level=Level.DECLARED,
        note="By the profile's agreement on A01, else on A02.",
    ),
)
