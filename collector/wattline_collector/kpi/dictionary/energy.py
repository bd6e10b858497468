"""Energy and sustainability (S01-S14)."""

from __future__ import annotations

from wattline_collector.kpi import energy
from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "S10",
        "tokens per joule",
        "all tokens / energy of the jobs that count tokens, at the widest boundary that is "
        "metered; a job's tokens count by the share of its time whose energy is known",
        "tok/J",
        "tokens trained on, prompt tokens and generated tokens, of time with known energy",
        "tok",
        "energy of the jobs that made them",
        "J",
        "up",
        "J, O, M",
        "dictionary S10 (tokens per kWh is 3,600,000 times this)",
        energy.tokens_per_joule,
        by=("system", "job", "day"),
    ),
    Kpi(
        "S12",
        "job energy",
        "sum of energy booked to jobs, at the widest boundary that is metered: the node's own "
        "meter where there is one, else its devices'",
        "kWh",
        "energy booked to jobs",
        "J",
        "",
        "",
        "none",
        "J",
        "dictionary S12; AI Act Annex XI section 1(2)(e)",
        energy.job_energy,
        scale=1 / 3_600_000,
        note="Switches, storage and cooling are not in it.",
    ),
    Kpi(
        "S14",
        "attribution closure",
        "energy booked to jobs, free time and overhead / energy that the node meters counted",
        "%",
        "energy booked at the node boundary",
        "J",
        "energy by the node meters",
        "J",
        "none",
        "O, M",
        "dictionary S14",
        energy.closure,
        scale=100,
        by=("system", "node", "day"),
        note="100 % is balance. Until a facility meter is read, the node meters stand for IT.",
    ),
)
