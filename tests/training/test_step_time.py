"""The benchmark runs; what it finds is not asked here, as other work shares the machine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.training

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "training" / "step_time.py"


def test_the_benchmark_reports_what_a_step_spends_in_our_code() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "torch", "--steps", "3", "--pairs", "1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.match(r"torch +step +[\d.]+ ms, in our code +([\d.]+) us of it", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) > 0
