"""Production: what was made, and how fast (P01-P09)."""

from __future__ import annotations

from wattline_collector.kpi import production
from wattline_collector.kpi.declare import Kpi

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "P01",
        "training tokens",
        "sum of tokens in committed steps, as the jobs count them",
        "tok",
        "tokens trained on",
        "tok",
        "",
        "",
        "up",
        "J, O, M",
        "dictionary P01",
        production.training_tokens,
        by=("system", "job", "day"),
        floor=0.0,
    ),
    Kpi(
        "P02",
        "AI token throughput",
        "(training tokens + inference tokens) / time in which at least one job that counts tokens "
        "ran",
        "tok/s",
        "tokens trained on, prompt tokens and generated tokens",
        "tok",
        "time in which a job that counts tokens ran",
        "s",
        "up",
        "M, O, J",
        "dictionary P02",
        production.throughput,
        by=("system", "job", "day"),
        floor=0.0,
        note="Prompt tokens answered from a cache are counted as prompt tokens.",
    ),
    Kpi(
        "P03",
        "inference tokens served",
        "sum of prompt and generated tokens",
        "tok",
        "prompt tokens and generated tokens",
        "tok",
        "",
        "",
        "up",
        "O, M",
        "dictionary P03",
        production.inference_tokens,
        by=("system", "job", "day"),
        floor=0.0,
        note="Prompt tokens answered from a cache are counted as prompt tokens.",
    ),
)
