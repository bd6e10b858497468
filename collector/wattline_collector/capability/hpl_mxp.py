"""C01: HPL-MxP and HPL results: the score, and every reason why a result may not stand.

Rules of HPL-MxP (hpl-mxp.org, "Rules"): solve to 64-bit accuracy by a low-precision LU
factorisation and refinement; 2/3 n^3 + O(n^2) operations; a backward error over 16 makes the run
invalid; nothing lower than 16 bit, for results after the list of June 2025; the time for balancing
and scaling counts. The score is (2/3 n^3 + 3/2 n^2) / t, as the HPL harness computes it; HPL's own
score is the same.

A log is a text file, and a text file can be edited. What it prints twice must agree: the rate with
n and the time, the error with its norms, the word PASSED with the error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from wattline_collector.capability.hpl_log import Benchmark, Solve, Stated

MOST_ERROR = 16.0
"""Scaled backward error above which a run is invalid."""
LEAST_BITS = 16
"""Lowest precision allowed, for results after the list of June 2025."""
EPS = 2.0**-53
"""The machine precision the error is to be scaled with; some programs print another."""
_AGREES = 5e-3
"""How far an error may lie from that of its norms: they are printed with seven digits, and half a
per cent is room for programs that print fewer."""

_BITS = {
    "fp64": 64, "double": 64, "fp32": 32, "single": 32, "float": 32, "tf32": 19, "fp16": 16,
    "half": 16, "bf16": 16, "fp8": 8, "fp4": 4, "int8": 8,
    # Earlier releases of NVIDIA's program print a number of bytes.
    "1": 8, "2": 16,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Declared:
    """What the log does not say and whoever ran it does; declared, not measured.

    Attributes:
        n: Order of the matrix, for the reference implementation, which does not print it.
        precision: Lowest precision of the factorisation.
        is_scaling_counted: Whether the time for scaling and balancing is in the time.
    """

    n: int | None = None
    precision: str | None = None
    is_scaling_counted: bool | None = None


NOTHING_DECLARED = Declared()


@dataclass(frozen=True, slots=True)
class Result:
    """A solve, judged.

    Attributes:
        solve: What its log states.
        flops: The score in FLOP/s; None where it is invalid.
        seconds: The time that the score rests on.
        error: The backward error scaled with 2^-53.
        bits: The lowest precision in bits; None where nobody says.
        refusals: Why it is invalid; nothing, if it is valid.
        unseen: What a rule asks for and neither log nor owner tells.
        remarks: What was done to get the score.
    """

    solve: Solve
    flops: float | None
    seconds: float | None
    error: float | None
    bits: int | None
    refusals: tuple[str, ...]
    unseen: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def is_valid(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.refusals

    def to_json(self) -> dict[str, object]:
        """For programs."""
        solve = self.solve
        return {
            "kpi": "C01", "benchmark": solve.benchmark.value, "file": str(solve.path),
            "line": solve.line, "valid": self.is_valid, "flops_per_second": self.flops,
            "n": solve.n, "processes": solve.processes, "seconds": _finite(self.seconds),
            "backward_error": _finite(self.error), "precision_bits": self.bits,
            "refusals": list(self.refusals), "not_shown": list(self.unseen),
            "remarks": list(self.remarks),
        }  # fmt: skip


def operations(n: int) -> float:
    """What solving a system of order n counts as, FLOP: 2/3 n^3 + 3/2 n^2.

    Source: the HPL harness (2/3 n^3 - 1/2 n^2 for the factorisation, 2 n^2 for the solve).
    """
    return 2 / 3 * n**3 + 3 / 2 * n**2


def score(n: int, seconds: float) -> float | None:
    """FLOP/s of a solve of order n in a time; None where there was none."""
    return operations(n) / seconds if seconds > 0 else None


def bits_of(precision: str | None) -> int | None:
    """Bits of a number format as logs and people write it; None where it is not known."""
    return None if precision is None else _BITS.get(precision.strip().lower())


def judge(
    solve: Solve, declared: Declared = NOTHING_DECLARED, *, least_bits: int = LEAST_BITS
) -> Result:
    """Decide whether a solve may stand, and at what score.

    Args:
        solve: What its log states.
        declared: What its owner adds.
        least_bits: Lowest precision allowed; 8 for a list before June 2025.
    """
    refusals: list[str] = []
    unseen: list[str] = []
    remarks: list[str] = []
    n = solve.n if solve.n is not None else declared.n
    if n is None or n < 1:
        refusals.append("the log does not say n, the order of the matrix; state it with --order")
        n = None
    elif solve.n is None:
        remarks.append(f"n = {n} is declared: the log does not say it")
    error = _judge_error(solve, n, refusals, remarks)
    bits = None
    if solve.benchmark is Benchmark.HPL_MXP:
        bits = _judge_precision(solve, declared, least_bits, refusals, unseen)
    seconds = _judge_time(solve, refusals)
    flops = None
    if n is not None and seconds is not None:
        _judge_rate(solve, n, seconds, refusals)
        flops = _flops(solve, n, seconds)
    if solve.benchmark is Benchmark.HPL_MXP:
        counted = _judge_scaling(solve, declared, refusals, unseen, remarks)
        if counted is not None and n is not None:
            seconds, flops = Stated(counted, 0.0), score(n, counted)
    return Result(
        solve,
        flops if not refusals else None,
        None if seconds is None else seconds.value,
        error,
        bits,
        tuple(refusals),
        tuple(unseen),
        tuple(remarks),
    )


def best(results: Iterable[Result]) -> Result | None:
    """The valid result with the highest score; None if none is valid."""
    valid = [result for result in results if result.flops is not None]
    return max(valid, key=lambda result: result.flops or 0.0, default=None)


def _judge_error(
    solve: Solve, n: int | None, refusals: list[str], remarks: list[str]
) -> float | None:
    """The error scaled with 2^-53, after it was held against the rule and against its norms."""
    printed = solve.error
    if printed is None:
        refusals.append("no backward error: the log ends before the check, or the check was off")
        return None
    if not math.isfinite(printed) or printed < 0:
        refusals.append(f"the backward error is {printed}: the solution was not found")
        return None
    error = printed
    if solve.eps is not None and solve.eps > 0 and abs(solve.eps / EPS - 1) > 0.01:
        error = printed * solve.eps / EPS
        remarks.append(
            f"error {printed:g} was scaled with eps {solve.eps:g}; with 2^-53 it is {error:.4g}"
        )
    _judge_norms(solve, n, printed, refusals)
    if error > MOST_ERROR:
        refusals.append(f"the backward error {error:.6g} is over {MOST_ERROR:g}")
    if solve.word == "FAILED" and printed <= MOST_ERROR:
        refusals.append(f"the program says FAILED of an error of {printed:g}")
    elif solve.word not in ("PASSED", "FAILED"):
        refusals.append("the program says neither PASSED nor FAILED")
    return error


def _judge_norms(solve: Solve, n: int | None, printed: float, refusals: list[str]) -> None:
    norms = solve.norms
    if n is None or not {"Ax-b", "A", "x", "b"} <= norms.keys():
        return
    below = (norms["A"] * norms["x"] + norms["b"]) * n * (solve.eps or EPS)
    if not below > 0:
        refusals.append("the norms of the check are not those of a system that was solved")
    elif abs(norms["Ax-b"] / below - printed) > _AGREES * printed:
        refusals.append(
            f"the printed backward error {printed:g} is not that of the printed norms, "
            f"{norms['Ax-b'] / below:.6g}"
        )


def _judge_precision(
    solve: Solve, declared: Declared, least: int, refusals: list[str], unseen: list[str]
) -> int | None:
    named = solve.precision or declared.precision
    bits = bits_of(named)
    if named is None:
        unseen.append(f"the lowest precision (at least {least} bit); declare it with --precision")
    elif bits is None:
        unseen.append(f"what precision {named[:20]!r} is")
    elif bits < least:
        refusals.append(f"precision {named} has {bits} bit, under {least}")
    return bits


def _judge_time(solve: Solve, refusals: list[str]) -> Stated | None:
    seconds = solve.seconds
    if seconds is None:
        refusals.append("the log does not say how long the solve took")
        return None
    # A run under half of the last printed place is printed as 0.00 and has no rate.
    if not math.isfinite(seconds.value) or seconds.value <= 0:
        refusals.append(f"the time is {seconds.value:g} s")
        return None
    return seconds


def _judge_rate(solve: Solve, n: int, seconds: Stated, refusals: list[str]) -> None:
    rate = solve.gflops
    if rate is None:
        refusals.append("the log states no rate")
        return
    slowest = operations(n) / (seconds.value + seconds.half_step) / 1e9
    within = seconds.value - seconds.half_step
    fastest = operations(n) / within / 1e9 if within > 0 else math.inf
    # 0.1 % beside the rounding: some programs count the time of another process.
    low, high = (slowest - rate.half_step) * 0.999, (fastest + rate.half_step) * 1.001
    if not low <= rate.value <= high:
        refusals.append(
            f"the stated {rate.value:g} GFLOP/s is not what n = {n} in {seconds.value:g} s gives, "
            f"{operations(n) / seconds.value / 1e9:.6g}"
        )


def _flops(solve: Solve, n: int, seconds: Stated) -> float | None:
    """The stated rate, which knows the time better than it is printed; it was found to agree."""
    return score(n, seconds.value) if solve.gflops is None else solve.gflops.value * 1e9


def _judge_scaling(
    solve: Solve, declared: Declared, refusals: list[str], unseen: list[str], remarks: list[str]
) -> float | None:
    """Seconds with the phases that the stated time leaves out; None where it stands as it is."""
    if any(name.startswith("conversion") for name in solve.parts) and solve.seconds is not None:
        everything = sum(part.value for part in solve.parts.values())
        slack = sum(part.half_step for part in solve.parts.values()) + solve.seconds.half_step
        if everything > solve.seconds.value + slack:
            left_out = everything - solve.seconds.value
            remarks.append(f"{left_out:.3f} s of conversion was not in the total, and is now")
            return everything
        return None
    if declared.is_scaling_counted is False:
        refusals.append("the time for scaling is not in the time to solution")
    elif declared.is_scaling_counted is None:
        unseen.append("that the time for scaling is counted; declare it with --scaling-counted")
    return None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
