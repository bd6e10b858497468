from __future__ import annotations

from pathlib import Path

import pytest

from wattline_collector.capability.hpl_log import Solve, parse
from wattline_collector.capability.hpl_mxp import (
    Declared,
    best,
    bits_of,
    judge,
    operations,
    score,
)

COUNTED = Declared(is_scaling_counted=True)


def harness(
    n: int = 100_000,
    seconds: str = "680.50",
    gflops: str = "9.7970e+02",
    error: str = "1.7256e-03",
    word: str = "PASSED",
    eps: str = "1.110223e-16",
) -> Solve:
    return only(
        f"- The relative machine precision (eps) is taken to be  {eps}\n"
        f"WR11C2R4  {n}   192     6     8      {seconds}     {gflops}\n"
        f"||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=  {error} ...... {word}\n"
    )


def block(
    precision: str = "FP16",
    error: str = "1.717556E-05",
    gflops: str = "4.5777e+06",
    lu: str = "4.82",
    n: int = 353280,
    residual: str = "3.663736E-15",
) -> Solve:
    return only(
        f"LU seconds: AVG = {lu}, MAX = {lu} (3->n01), MIN = {lu} (12->n02)\n"
        "Iterative Solver seconds: AVG = 1.60, MAX = 1.60 (3->n01), MIN = 1.60 (0->n01)\n"
        " ****** HPL MxP Result    ******\n"
        "    EPS           . . . . . . . . .          =    2.000000E-16\n"
        f"  ||Ax-b||_oo     . . . . . . . . .          =    {residual}\n"
        "  ||A   ||_oo     . . . . . . . . .          =    3.549787E+05\n"
        "  ||x   ||_oo     . . . . . . . . .          =    5.687732E-06\n"
        "  ||b   ||_oo     . . . . . . . . .          =    9.999851E-01\n"
        f"  ||Ax-b||_oo / (EPS * (||A||_oo * ||x||_oo + ||b||_oo) * N) =  {error} ...... PASSED\n"
        f"    N = {n}, NB = 3072, NPROW = 4, NPCOL = 4, SLOPPY-TYPE = {precision}\n"
        f"       GFLOPS = {gflops}, per GPU =  286105.60 ------ The performance to report\n"
        " ****** HPL MxP Result    ******\n"
    )


def only(text: str) -> Solve:
    (solve,) = parse(enumerate(text.splitlines(), start=1), Path("run.out"))
    return solve


def test_the_score_is_the_operations_over_the_time() -> None:
    assert operations(1000) == pytest.approx(2 / 3 * 1e9 + 1.5e6)
    assert score(1000, 2.0) == pytest.approx((2 / 3 * 1e9 + 1.5e6) / 2)
    assert score(1000, 0.0) is None


def test_a_good_hpl_log_stands_at_its_own_rate() -> None:
    result = judge(harness())
    assert result.is_valid
    assert result.flops == pytest.approx(979.7e9)
    assert (result.refusals, result.unseen, result.bits) == ((), (), None)


def test_a_good_hpl_mxp_log_stands_and_its_error_is_scaled_with_the_right_eps() -> None:
    result = judge(block(), COUNTED)
    assert result.refusals == ()
    assert result.flops == pytest.approx(4.5777e15)
    assert result.bits == 16
    # NVIDIA's program divides by 2e-16, the rule by 2^-53: the rule's error is 1.8 times as large.
    assert result.error == pytest.approx(1.717556e-5 * 2e-16 / 2**-53)
    assert any("2^-53" in remark for remark in result.remarks)


@pytest.mark.parametrize(
    ("solve", "reason"),
    [
        (harness(error="17.0"), "backward error 17 is over 16"),
        (harness(error="16.1", word="FAILED"), "over 16"),
        (harness(word="FAILED"), "says FAILED"),
        (harness(word="SKIPPED"), "neither PASSED nor FAILED"),
        (harness(error="nan"), "the solution was not found"),
        (harness(gflops="9.9970e+02"), "is not what n = 100000"),
        (harness(seconds="480.50"), "is not what n = 100000"),
        (harness(n=110_000), "is not what n = 110000"),
        (harness(seconds="0.00"), "the time is 0 s"),
        # An error of 10 with an eps of twice the right size is one of 18.
        (harness(error="10.0", eps="2.000000e-16"), "backward error 18.0144 is over 16"),
        (block(precision="FP8"), "precision FP8 has 8 bit, under 16"),
        (block(precision="1"), "precision 1 has 8 bit"),
        (block(precision="FP4"), "under 16"),
        (block(error="1.217556E-05"), "is not that of the printed norms"),
        (block(residual="3.663736E-05"), "is not that of the printed norms"),
        (block(gflops="5.5777e+06"), "is not what n = 353280"),
        (block(lu="3.82"), "is not what n = 353280"),
        (block(n=363280), "is not"),
    ],
)
def test_a_log_that_was_tampered_with_or_breaks_a_rule_has_no_score(
    solve: Solve, reason: str
) -> None:
    result = judge(solve, COUNTED)
    assert not result.is_valid
    assert result.flops is None
    assert any(reason in refusal for refusal in result.refusals), result.refusals


def test_the_threshold_of_the_input_file_changes_nothing() -> None:
    # Whoever sets 100 there gets PASSED for an error of 17.
    assert not judge(harness(error="17.0", word="PASSED")).is_valid
    assert judge(harness(error="15.9")).is_valid
    assert judge(harness(error="16.0")).is_valid


def test_rounding_of_the_printed_time_is_no_tampering() -> None:
    # 0.335 s is printed as 0.33 or 0.34, and the rate knows better.
    rate = operations(4096) / 0.335 / 1e9
    assert judge(harness(n=4096, seconds="0.33", gflops=f"{rate:.3e}")).is_valid
    assert not judge(harness(n=4096, seconds="0.30", gflops=f"{rate:.3e}")).is_valid


def test_a_log_that_ends_early_lacks_its_check() -> None:
    solve = only("WR11C2R4  100000   192     6     8      680.50     9.7970e+02")
    result = judge(solve)
    assert result.refusals == (
        "no backward error: the log ends before the check, or the check was off",
    )


def test_what_no_log_tells_is_said_and_can_be_declared() -> None:
    text = (
        "rocHPL-MxP\n"
        "WC0            61440  2560     1     1              10.00          1.546e+04\n"
        "||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        0.0000342 ...... PASSED\n"
    )
    result = judge(only(text))
    assert result.is_valid
    assert [what.split(";")[0] for what in result.unseen] == [
        "the lowest precision (at least 16 bit)",
        "that the time for scaling is counted",
    ]
    full = judge(only(text), Declared(precision="fp16", is_scaling_counted=True))
    assert (full.unseen, full.bits) == ((), 16)
    assert not judge(only(text), Declared(precision="fp8")).is_valid
    not_counted = judge(only(text), Declared(precision="fp16", is_scaling_counted=False))
    assert not_counted.refusals == ("the time for scaling is not in the time to solution",)


def test_an_older_list_allowed_eight_bits() -> None:
    assert judge(block(precision="FP8"), COUNTED, least_bits=8).is_valid


REFERENCE = """\
HPL-AI Mixed-Precision Benchmark, LU factorization in single and GMRES in double
Time spent in conversion to single:        0.500 second
Time spent in factorization       :        8.000 second
Time spent in conversion to double:        0.400 second
Time spent in GMRES               :        1.100 second
Total time                        :        9.500 second
Effective operation per sec       :    70.184210 GFLOPs
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)= 0.004321 ...PASSED
"""


def test_conversion_that_the_total_leaves_out_is_counted() -> None:
    n = 10_000
    rate = operations(n) / 9.5 / 1e9
    text = REFERENCE.replace("70.184210", f"{rate:.6f}")
    result = judge(only(text), Declared(n=n))
    assert result.refusals == ()
    assert result.seconds == pytest.approx(10.0)
    assert result.flops == pytest.approx(operations(n) / 10.0)
    assert (result.bits, result.unseen) == (32, ())
    assert any("0.500 s of conversion" in remark for remark in result.remarks)


def test_an_order_nobody_tells_is_asked_for() -> None:
    assert any("--order" in reason for reason in judge(only(REFERENCE)).refusals)


def test_the_best_is_the_fastest_that_stands() -> None:
    slow, fast = judge(harness()), judge(harness(error="17.0"))
    assert best([fast, slow]) is slow
    assert best([fast]) is None


def test_a_judgement_can_be_read_by_programs() -> None:
    told = judge(harness(error="nan")).to_json()
    assert (told["kpi"], told["valid"], told["flops_per_second"]) == ("C01", False, None)
    assert told["backward_error"] is None


@pytest.mark.parametrize(
    ("name", "bits"), [("FP16", 16), ("bf16", 16), (" Single ", 32), ("2", 16), ("?", None)]
)
def test_precisions_are_known_by_their_names(name: str, bits: int | None) -> None:
    assert bits_of(name) == bits
