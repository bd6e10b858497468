"""Logs of benchmarks of a planted year, kept as `wattline capability ... --keep` keeps them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wattline_collector.capability import hpl_log, keeping, projection, training_log
from wattline_collector.capability.hpl_mxp import Declared, judge
from wattline_collector.capability.keeping import Said
from wattline_collector.capability.training_benchmark import outcome
from wattline_collector.capability.training_log import Energy, Level
from wattline_collector.simulated.shape import MINUTE_MS
from wattline_collector.simulated.year.extent import Extent

RATE_DIGITS = 4
"""Decimals of the rate, as the benchmark's harness prints it."""
_DECLARED_BY = "operations"


@dataclass(frozen=True, slots=True)
class Mixed:
    """A solve of HPL-MxP, at a share of the year.

    Attributes:
        order: Of the matrix.
        seconds: To the solution.
        error: The scaled backward error; over 16 the solve does not stand.
        share: When.
    """

    order: int
    seconds: float
    error: float
    share: float

    @property
    def flops(self) -> float:
        """Its rate, (2/3 n^3 + 3/2 n^2) / t."""
        return (2 / 3 * self.order**3 + 1.5 * self.order**2) / self.seconds


@dataclass(frozen=True, slots=True)
class Trained:
    """A run of a training benchmark.

    Attributes:
        minutes: From the first touch of the data to the target.
        init_minutes: Before that; what is over twenty is on the clock.
        kilowatt_hours: What it took.
    """

    minutes: float
    init_minutes: float
    kilowatt_hours: float


MIXED = (
    Mixed(353_280, 6.40, 1.7e-5, 0.2),
    Mixed(420_000, 9.75, 2.1e-5, 0.4),
    Mixed(430_000, 5.00, 17.5, 0.6),
)
"""The last is the fastest, and its solution is wrong."""
TRAINED_MODEL = "planted-pretraining"
TRAINED = (
    Trained(61.5, 8, 95.0), Trained(58.25, 6, 91.5), Trained(70.0, 9, 108.0),
    Trained(55.0, 24, 93.0), Trained(57.0, 7, 90.0),
)  # fmt: skip
"""One took 24 minutes to begin: four of them count."""
FREE_INIT_MINUTES = 20
TRAINED_AT = 0.35
PROJECTED_TOKENS, PROJECTED_PARAMETERS = 1e12, 10e9
PROJECTED_MFU, PROJECTED_ETTR = 0.4, 0.9


def keep(store: Path, extent: Extent, now_ms: int) -> None:
    """Write logs, have them judged by the rules, and keep what stands.

    Args:
        store: Its directory.
        extent: The year.
        now_ms: When they are kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, one in enumerate(MIXED):
            path = Path(folder) / f"hpl-mxp-{number}.out"
            path.write_text(_mixed_log(one))
            judged = [judge(solve, Declared(None, "fp16", True)) for solve in hpl_log.read(path)]
            said = Said(extent.system, _DECLARED_BY, extent.at(one.share))
            rows = keeping.hpl_rows(judged, said)
            if rows:
                keeping.keep(store, rows, now_ms)
        runs = []
        for number, trained in enumerate(TRAINED):
            path = Path(folder) / f"training-{number}.log"
            path.write_text("".join(_training_log(trained, number, extent)))
            energy = Energy(trained.kilowatt_hours * 3.6e6, Level.L2)
            runs.append(replace(training_log.read(path), energy=energy))
        said = Said(extent.system, _DECLARED_BY)
        keeping.keep(store, keeping.training_rows(outcome(runs), said), now_ms)
    devices, peak = extent.nodes * extent.devices, extent.profile.peak_flops
    planned = projection.Plan(
        PROJECTED_PARAMETERS, PROJECTED_TOKENS, devices, peak, PROJECTED_MFU, PROJECTED_ETTR
    )
    said = Said(extent.system, _DECLARED_BY, extent.at(0.5))
    keeping.keep(store, keeping.projection_rows(projection.project(planned), said, now_ms), now_ms)


def _mixed_log(one: Mixed) -> str:
    word = "PASSED" if one.error <= 16 else "FAILED"
    rate = f"{one.flops / 1e9:.{RATE_DIGITS}e}"
    return f"""\
HPL-MxP  --  mixed-precision benchmark
- The relative machine precision (eps) is taken to be               1.110223e-16
T/V                N    NB     P     Q               Time                 Gflops
WR11C2R4  {one.order:>8}  1024     4     4  {one.seconds:>17.2f}  {rate:>21}
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=   {one.error:.8e} ...... {word}
"""


def _training_log(one: Trained, number: int, extent: Extent) -> Iterator[str]:
    start_ms = extent.at(TRAINED_AT) + number * 3 * 60 * MINUTE_MS
    stop_ms = start_ms + round(one.minutes * MINUTE_MS)
    events: tuple[tuple[str, int, object, dict[str, str]], ...] = (
        ("init_start", start_ms - round(one.init_minutes * MINUTE_MS), None, {}),
        ("submission_benchmark", start_ms, TRAINED_MODEL, {}),
        ("seed", start_ms, 1000 + number, {}),
        ("run_start", start_ms, None, {}),
        ("eval_accuracy", stop_ms, 2.68, {}),
        ("run_stop", stop_ms, None, {"status": "success"}),
    )
    for key, time_ms, value, metadata in events:
        line = {"key": key, "time_ms": time_ms, "value": value, "metadata": metadata}
        yield f":::MLLOG {json.dumps(line)}\n"
