"""Capability and challenges (C01-C05)."""

from __future__ import annotations

from wattline_collector.kpi import challenges, projected, results
from wattline_collector.kpi.declare import Kpi, Level

_BY = ("system",)

KPIS: tuple[Kpi, ...] = (
    Kpi(
        "C01",
        "HPL-MxP and HPL",
        "(2/3 n^3 + 3/2 n^2) / t of the best run that stands",
        "FLOP/s",
        "the rate",
        "FLOP/s",
        "",
        "",
        "up",
        "M",
        "dictionary C01; hpl-mxp.org",
        results.hpl,
        by=_BY,
        parts=("benchmark",),
        level=Level.DECLARED,
        note="Kept by `wattline capability hpl LOG --keep`. Holds until it is measured again.",
    ),
    Kpi(
        "C02",
        "time and energy to train",
        "mean over runs to a target, the fastest and the slowest left out; mean energy of the same "
        "runs at its level of measurement",
        "min, kWh",
        "time, or energy",
        "min, kWh",
        "",
        "",
        "down",
        "M, J",
        "dictionary C02; MLPerf-style, not reviewed by MLCommons",
        results.time_to_train,
        by=_BY,
        parts=("benchmark", "of"),
        level=Level.DECLARED,
        note="Kept by `wattline capability training LOGS --keep`. Holds until it is measured "
        "again.",
    ),
    Kpi(
        "C03",
        "days to train 10 billion parameters",
        "6 N D / (devices x peak x MFU x ETTR x 86,400), N 10e9, D the tokens named; 45 days over "
        "that is the margin, in the note",
        "d",
        "the time",
        "d",
        "",
        "",
        "down",
        "M",
        "dictionary C03; arXiv 2204.02311 appendix B; arXiv 2410.21680",
        projected.days_to_train,
        by=_BY,
        floor=0.0,
        parts=("way", "tokens"),
        level=Level.DERIVED,
        note="Way measured: MFU in steps that lasted and ETTR of the period's training jobs, all "
        "installed devices; low and high are 95 % of how the rate of an hour scatters, and the "
        "coverage is the part of training's device time that tells its rate. Way "
        "declared: kept by `wattline capability projection --keep`.",
    ),
    Kpi(
        "C04",
        "score on secret benchmarks",
        "mean score of an entrant's own runs on the secret items; the public one less that one "
        "(of public_over_hidden) shows who learned the public items by heart",
        "as declared",
        "the score",
        "as declared",
        "",
        "",
        "none",
        "M",
        "dictionary C04; register of results, kind score",
        challenges.scores,
        by=_BY,
        parts=("event", "entrant", "benchmark", "of"),
        level=Level.DECLARED,
    ),
    Kpi(
        "C05",
        "validity and reproducibility",
        "commits whose reveal agrees / commits; scatter over an entrant's runs; distance of a "
        "second site's result from the entrant's",
        "%",
        "commits whose reveal agrees",
        "{commit}",
        "commits",
        "{commit}",
        "none",
        "M",
        "dictionary C05; register of results, kinds commit and score",
        challenges.validity,
        scale=100,
        by=_BY,
        parts=("event", "of"),
        level=Level.DECLARED,
    ),
)
