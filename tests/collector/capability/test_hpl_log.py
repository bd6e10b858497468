from __future__ import annotations

from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.capability.hpl_log import Benchmark, Solve, parse, read

HARNESS = """\
================================================================================
HPLinpack 2.3  --  High-Performance Linpack benchmark  --   December 2, 2018
The following parameter values will be used:
N      :   50000   100000
- The relative machine precision (eps) is taken to be               1.110223e-16
- Computational tests pass if scaled residuals are less than                16.0
================================================================================
T/V                N    NB     P     Q               Time                 Gflops
--------------------------------------------------------------------------------
WR11C2R4       50000   192     6     8              86.44             9.6407e+02
HPL_pdgesv() start time Wed Apr 24 00:50:17 2024

HPL_pdgesv() end time   Wed Apr 24 01:50:38 2024

--------------------------------------------------------------------------------
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=   1.72560000e-03 ...... PASSED
================================================================================
WC0           100000  1024     4     2             680.50            9.797e+02 ( 1.225e+02)
--------------------------------------------------------------------------------
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        17.0000000 ...... FAILED
||Ax-b||_oo  . . . . . . . . . . . . . . . . . =           0.000001
"""

BLOCK = """\
HPL-MxP-NVIDIA 26.2.0  -- NVIDIA accelerated HPL-MxP benchmark benchmark -- NVIDIA
   --sloppy-type                      = FP16
 Prog=  99.99% N_left=    15360 Time=     4.71 Time_left=       0.00 iTF=     287.02
LU seconds: AVG = 4.81, MAX = 4.82 (3->n01), MIN = 4.80 (12->n02)
Solver iteration  2, L-infinite residual = 3.66373598e-15
Iterative Solver seconds: AVG = 1.60, MAX = 1.60 (3->n01), MIN = 1.60 (0->n01)

 ****** HPL MxP Result    ******

    EPS           . . . . . . . . . . . . . . . . .          =    2.000000E-16
    Threshold     . . . . . . . . . . . . . . . . .          =    1.600000E+01
  ||Ax-b||_oo     . . . . . . . . . . . . . . . . .          =    3.663736E-15
  ||A   ||_oo     . . . . . . . . . . . . . . . . .          =    3.549787E+05
  ||x   ||_oo     . . . . . . . . . . . . . . . . .          =    5.687732E-06
  ||b   ||_oo     . . . . . . . . . . . . . . . . .          =    9.999851E-01
  ||Ax-b||_oo / (EPS * (||A||_oo * ||x||_oo + ||b||_oo) * N) =    1.717556E-05 ...... PASSED

    N = 353280, NB = 3072, NPROW = 4, NPCOL = 4, SLOPPY-TYPE = FP16
       GFLOPS = 4.5777e+06, per GPU =  286105.60 ------ The HPL-MxP performance to report
    LU GFLOPS = 6.0980e+06, per GPU =  381127.94 ------ The performance excluding the solver

 ****** HPL MxP Result    ******
"""

REFERENCE = """\
                        HPL-AI Mixed-Precision Benchmark
mixed-precision solver with LU factorization in single and GMRES in double,
Time spent in conversion to single:        0.500 second
Time spent in factorization       :        8.000 second
Time spent in solve               :        0.100 second
Time spent in conversion to double:        0.400 second
Time spent in GMRES               :        1.000 second
Total time                        :        9.500 second
Effective operation per sec       :    70.18421053 GFLOPs
The relative machine precision (eps) is taken to be: 1.110223e-16
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)= 0.004321 ...PASSED
"""

AMD = """\
rocHPL-MxP version 1.0
================================================================================
T/V                N    NB     P     Q               Time                 Gflops
--------------------------------------------------------------------------------
WC0            61440  2560     1     1              10.00          1.546e+04
HPLMXP_pdgesv() start time Wed Apr 24 00:50:17 2024

--------------------------------------------------------------------------------
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        0.0000342 ...... PASSED
"""


def parsed(text: str) -> list[Solve]:
    return parse(enumerate(text.splitlines(), start=1), Path("run.out"))


def test_every_solve_of_a_sweep_is_read_from_the_harness() -> None:
    first, second = parsed(HARNESS)
    assert first.benchmark is Benchmark.HPL
    assert (first.n, first.nb, first.p, first.q, first.processes) == (50000, 192, 6, 8, 48)
    assert first.seconds is not None
    assert first.gflops is not None
    assert first.seconds.value == 86.44
    assert first.seconds.half_step == pytest.approx(0.005)
    assert first.gflops.value == 964.07
    assert first.gflops.half_step == pytest.approx(0.005)
    assert (first.error, first.word, first.line) == (1.7256e-3, "PASSED", 10)
    assert first.eps == pytest.approx(2**-53, rel=1e-6)
    assert (second.n, second.error, second.word) == (100000, 17.0, "FAILED")


def test_a_block_of_nvidias_program_is_read_with_its_phases_and_norms() -> None:
    (solve,) = parsed(BLOCK)
    assert solve.benchmark is Benchmark.HPL_MXP
    assert (solve.n, solve.nb, solve.processes, solve.precision) == (353280, 3072, 16, "FP16")
    assert solve.seconds is not None
    assert solve.seconds.value == pytest.approx(6.42)
    assert solve.gflops is not None
    assert solve.gflops.value == 4.5777e6
    assert solve.norms == {"Ax-b": 3.663736e-15, "A": 354978.7, "x": 5.687732e-6, "b": 0.9999851}
    assert (solve.error, solve.eps, solve.word) == (1.717556e-5, 2e-16, "PASSED")


def test_the_reference_implementation_tells_its_phases_and_no_order() -> None:
    (solve,) = parsed(REFERENCE)
    assert (solve.benchmark, solve.n, solve.precision) == (Benchmark.HPL_MXP, None, "single")
    assert solve.seconds is not None
    assert solve.seconds.value == 9.5
    assert {name: part.value for name, part in solve.parts.items()} == {
        "conversion to single": 0.5,
        "factorization": 8.0,
        "solve": 0.1,
        "conversion to double": 0.4,
        "GMRES": 1.0,
    }
    assert (solve.error, solve.word) == (0.004321, "PASSED")


def test_the_harness_of_rochpl_mxp_is_told_from_that_of_hpl() -> None:
    (solve,) = parsed(AMD)
    assert (solve.benchmark, solve.n, solve.precision) == (Benchmark.HPL_MXP, 61440, None)


def test_a_block_that_was_cut_off_is_still_found() -> None:
    lines = BLOCK.splitlines()
    (solve,) = parsed("\n".join(lines[:-2]))
    assert solve.n == 353280


def test_a_check_without_its_row_is_kept_to_be_refused() -> None:
    first, second = parsed(HARNESS + HARNESS.splitlines()[17])[:2]
    assert (first.n, second.n) == (50000, 100000)
    (alone,) = parsed("||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)= 0.1 ...... PASSED")
    assert (alone.n, alone.error) == (None, 0.1)


def test_the_ratios_of_older_releases_are_not_taken_for_the_error_of_the_rules() -> None:
    row = "W11C2R4       29   1   2   2               0.02              1.092e-03"
    first = "||Ax-b||_oo / ( eps * ||A||_1  * N        ) =        0.0335 ...... PASSED"
    third = "||Ax-b||_oo / ( eps * ||A||_oo * ||x||_oo ) =        0.0076 ...... PASSED"
    (solve,) = parsed(f"{row.replace('W11', 'WR11')}\n{first}\n{third}\n")
    assert (solve.n, solve.error, solve.word) == (29, None, None)


def test_a_log_of_something_else_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "slurm.out"
    path.write_bytes(b"\xff\x00 nothing here\n" * 10)
    with pytest.raises(InputError, match=r"slurm\.out: holds no result of HPL or HPL-MxP"):
        read(path)


def test_a_log_of_absurdly_many_solves_is_refused() -> None:
    row = "WR11C2R4       50000   192     6     8              86.44             9.6407e+02\n"
    with pytest.raises(InputError, match="more than 10,000 solves"):
        parsed(row * 10_001)


def test_a_line_of_megabytes_and_nonsense_numbers_break_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.out"
    path.write_text("N = " + "9" * 5_000_000 + "\n" + HARNESS.replace("86.44", "nan") + "W" * 9000)
    first, _ = read(path)
    assert first.seconds is not None
    assert first.seconds.value != first.seconds.value
