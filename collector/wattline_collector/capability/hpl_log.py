"""The logs of HPL and HPL-MxP: what they state, line by line, believed in nothing.

Four layouts are read, as their programs print them:

- the HPL harness (netlib HPL, vendors' HPL, rocHPL, rocHPL-MxP): a row `T/V N NB P Q Time Gflops`
  and a line `||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)= ... PASSED`;
- HPL-MxP of NVIDIA: a block between two lines `****** HPL MxP Result ******`, and the seconds of
  its two phases before it;
- the reference implementation of HPL-MxP: `Time spent in ...` for each phase. It does not print n,
  and its total leaves the first conversion out.

Whether a result may stand is decided in `hpl_mxp`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from wattline_agents.errors import InputError
from wattline_collector.imports import files

MOST_SOLVES = 10_000
"""Solves of one log; HPL's own input file allows 20 values of each of ten parameters, and nobody
waits for all of them."""
_MOST_LINE = 4096
_NUMBER = r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf))"

_ROW = re.compile(
    rf"\s*(W[RC]\w{{1,8}})\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+{_NUMBER}\s+{_NUMBER}(?:\s*\(.*\))?\s*\Z"
)
# HPL before 2.0 prints three other ratios, none of which is the one of the rules.
_ERROR = re.compile(
    rf"\s*\|\|Ax-b\|\|_oo\s*/\s*\(\s*eps\s*\*.*b\s*\|\|_oo.*\)\s*=\s*{_NUMBER}\s*\.{{3,}}\s*(\w+)",
    re.IGNORECASE,
)
_EPS = re.compile(
    rf".*relative machine precision \(eps\) is taken to be:?\s*{_NUMBER}|\s*EPS[\s.]+=\s*{_NUMBER}",
    re.IGNORECASE,
)
_NORM = re.compile(rf"\s*\|\|\s*(Ax-b|A|x|b)\s*\|\|_oo[\s.]+=\s*{_NUMBER}\s*\Z")
_BLOCK = re.compile(r"\s*\*+\s*HPL[ -]MxP Result\s*\*+\s*\Z", re.IGNORECASE)
_SIZES = re.compile(
    r"\s*N = (\d+), NB = (\d+), NPROW = (\d+), NPCOL = (\d+)(?:, SLOPPY-TYPE = (\w+))?"
)
_RATE = re.compile(rf"\s*GFLOPS = {_NUMBER}")
_PHASE = re.compile(rf"\s*(LU|Iterative Solver) seconds: AVG = {_NUMBER}, MAX = {_NUMBER}")
_SPENT = re.compile(rf"\s*Time spent in ([\w ]{{1,40}}?)\s*:\s*{_NUMBER} second")
_TOTAL = re.compile(rf"\s*Total time\s*:\s*{_NUMBER} second")
_EFFECTIVE = re.compile(rf"\s*Effective operation per sec\s*:\s*{_NUMBER} GFLOPs")
_MIXED = re.compile(r"HPL[- ]?MxP|HPL-AI", re.IGNORECASE)
_SINGLE = re.compile(r"LU factorization in single")


class Benchmark(StrEnum):
    """Which of the two it is."""

    HPL = "HPL"
    HPL_MXP = "HPL-MxP"


@dataclass(frozen=True, slots=True)
class Stated:
    """A number as a log prints it.

    Attributes:
        value: The number.
        half_step: Half a unit of its last printed place: the true value lies within that.
    """

    value: float
    half_step: float


@dataclass(frozen=True, slots=True)
class Solve:
    """One solve, as its log states it; what the log does not say is None.

    Attributes:
        benchmark: Which benchmark.
        path: The log.
        line: Where in it the solve begins to be told.
        n: Order of the matrix.
        nb: Blocking factor.
        p: Process rows.
        q: Process columns.
        seconds: Time to solution.
        parts: Seconds of its phases, where the log has them; then the time is their sum.
        gflops: The rate it claims.
        error: The scaled backward error it prints.
        eps: The machine precision it scaled that with.
        norms: `Ax-b`, `A`, `x` and `b`, infinity norms.
        word: `PASSED` or `FAILED`, as it prints.
        precision: The lowest precision, as it prints.
    """

    benchmark: Benchmark
    path: Path
    line: int
    n: int | None = None
    nb: int | None = None
    p: int | None = None
    q: int | None = None
    seconds: Stated | None = None
    parts: MappingProxyType[str, Stated] = field(default_factory=lambda: MappingProxyType({}))
    gflops: Stated | None = None
    error: float | None = None
    eps: float | None = None
    norms: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))
    word: str | None = None
    precision: str | None = None

    @property
    def processes(self) -> int | None:
        """Processes, which in GPU runs is devices."""
        return None if self.p is None or self.q is None else self.p * self.q


def read(path: Path) -> list[Solve]:
    """Every solve in a log, in its order.

    Raises:
        InputError: It cannot be read, or holds no result of either benchmark.
    """
    with files.opened(path) as stream:
        found = parse(((number, _text(line)) for number, line in files.lines(stream)), path)
    if not found:
        raise InputError(
            "holds no result of HPL or HPL-MxP: neither a row `T/V N NB P Q Time Gflops`, nor a "
            "block `HPL MxP Result`; give the whole output of the run",
            path=path,
        )
    return found


def parse(lines: Iterable[tuple[int, str]], path: Path) -> list[Solve]:
    """Every solve that numbered lines tell of.

    Raises:
        InputError: There are absurdly many.
    """
    reader = _Reader(path)
    for number, line in lines:
        reader.take(number, line)
        if len(reader.solves) > MOST_SOLVES:
            raise InputError(f"tells of more than {MOST_SOLVES:,} solves", path=path, line=number)
    return reader.done()


class _Reader:
    """Puts solves together from the lines that tell of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.solves: list[Solve] = []
        self._mixed = self._single = False
        self._eps: float | None = None
        self._phases: dict[str, Stated] = {}
        self._norms: dict[str, float] = {}
        self._block: Solve | None = None

    def take(self, number: int, line: str) -> None:
        self._mixed = self._mixed or _MIXED.search(line) is not None
        self._single = self._single or _SINGLE.search(line) is not None
        if _BLOCK.match(line):
            self._turn_block(number)
        elif match := _ERROR.match(line):
            self._take_error(number, float(match[1]), match[2].upper())
        elif match := _EPS.match(line):
            self._eps = float(match[1] or match[2])
        elif match := _NORM.match(line):
            self._norms[match[1]] = float(match[2])
        elif match := _PHASE.match(line):
            self._phases[match[1]] = _stated(match[3])
        elif match := _SPENT.match(line):
            self._phases[match[1].strip()] = _stated(match[2])
        elif match := _TOTAL.match(line):
            self._begin(number, seconds=_stated(match[1]))
        elif match := _EFFECTIVE.match(line):
            self._add(gflops=_stated(match[1]))
        elif self._block is not None:
            self._take_block(line)
        elif match := _ROW.match(line):
            self._begin(
                number, n=int(match[2]), nb=int(match[3]), p=int(match[4]), q=int(match[5]),
                seconds=_stated(match[6]), gflops=_stated(match[7]),
            )  # fmt: skip

    def done(self) -> list[Solve]:
        """What was found; a block that was never closed is a run that was cut off."""
        if self._block is not None and self._block.n is not None:
            self.solves.append(self._block)
        kind = Benchmark.HPL_MXP if self._mixed else Benchmark.HPL
        single = "single" if self._single else None
        return [
            replace(solve, benchmark=kind, precision=solve.precision or single)
            for solve in self.solves
        ]

    def _begin(self, number: int, **said: object) -> None:
        parts = MappingProxyType(self._phases)
        self._phases, self._norms = {}, {}
        new = Solve(Benchmark.HPL, self._path, number, parts=parts, eps=self._eps)
        self.solves.append(replace(new, **said))  # type: ignore[arg-type]

    def _add(self, **said: object) -> None:
        if self.solves:
            self.solves[-1] = replace(self.solves[-1], **said)  # type: ignore[arg-type]

    def _take_error(self, number: int, error: float, word: str) -> None:
        said = {"error": error, "word": word, "eps": self._eps}
        if self._block is not None:
            self._block = replace(self._block, **said)  # type: ignore[arg-type]
        elif self.solves and self.solves[-1].word is None:
            self._add(**said)
        else:
            # A check without the row that it belongs to: kept, and refused for what it lacks.
            self._begin(number, **said)

    def _turn_block(self, number: int) -> None:
        if self._block is None:
            self._block = Solve(Benchmark.HPL_MXP, self._path, number)
            self._norms = {}
            return
        self.solves.append(self._finished(self._block))
        self._block, self._phases = None, {}

    def _finished(self, block: Solve) -> Solve:
        parts, norms = MappingProxyType(dict(self._phases)), MappingProxyType(dict(self._norms))
        seconds = None
        if {"LU", "Iterative Solver"} <= parts.keys():
            # Each phase is the slowest process's; one starts when the other is over.
            seconds = Stated(
                sum(part.value for part in parts.values()),
                sum(part.half_step for part in parts.values()),
            )
        return replace(block, parts=parts, norms=norms, seconds=seconds)

    def _take_block(self, line: str) -> None:
        assert self._block is not None
        if match := _SIZES.match(line):
            n, nb, p, q = (int(match[i]) for i in range(1, 5))
            self._block = replace(self._block, n=n, nb=nb, p=p, q=q, precision=match[5])
        elif match := _RATE.match(line):
            self._block = replace(self._block, gflops=_stated(match[1]))


def _text(line: bytes | None) -> str:
    return (line or b"")[:_MOST_LINE].decode("utf-8", errors="replace").rstrip("\r\n")


def _stated(text: str) -> Stated:
    mantissa, _, exponent = text.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    value = float(text)
    # nan and inf are kept: they are refused with a reason where they are judged.
    return Stated(value, 0.5 * 10.0 ** (int(exponent or 0) - decimals) if value == value else 0.0)
