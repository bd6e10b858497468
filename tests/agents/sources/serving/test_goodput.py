from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from wattline_agents.sources.serving.counts import Counts
from wattline_agents.sources.serving.goodput import Targets, good, unanswerable
from wattline_agents.sources.serving.reading import read

Page = Callable[..., str]
BOUNDS = (0.1, 0.5, 1.0)


def histogram(name: str, values: Sequence[float]) -> dict[str, float]:
    series: dict[str, float] = {
        f'{name}_bucket{{le="{bound}"}}': sum(v <= bound for v in values) for bound in BOUNDS
    }
    return series | {f"{name}_count": len(values), f"{name}_sum": sum(values)}


def counts(page: Page, first: Sequence[float], per_token: Sequence[float]) -> Counts:
    found = Counts()
    series = {"vllm:generation_tokens_total": 1.0}
    series |= histogram("vllm:time_to_first_token_seconds", first)
    series |= histogram("vllm:request_time_per_output_token_seconds", per_token)
    found.take(read(page(series)))
    return found


def test_the_bound_never_exceeds_the_truth_and_is_exact_where_one_target_is_kept_by_all(
    page: Page,
) -> None:
    draw = random.Random(5)
    targets = Targets(0.5, 0.1)
    for _ in range(50):
        first = [draw.choice([0.05, 0.3, 0.7, 2.0]) for _ in range(40)]
        per = [draw.choice([0.05, 0.3]) for _ in first]
        truth = sum(a <= 0.5 and b <= 0.1 for a, b in zip(first, per, strict=True))
        bound = good(counts(page, first, per), targets)
        assert bound is not None and bound <= truth
    fast = [0.05] * 40
    assert good(counts(page, first, fast), targets) == sum(a <= 0.5 for a in first)
    assert good(counts(page, fast, per), targets) == sum(b <= 0.1 for b in per)


def test_requests_that_still_run_are_not_good_yet(page: Page) -> None:
    assert good(counts(page, [0.05] * 10, [0.05] * 4), Targets(0.5, 0.1)) == 4


def test_one_target_alone_is_counted_exactly(page: Page) -> None:
    found = counts(page, [0.05, 0.3, 2.0], [])
    assert good(found, Targets(first_token=0.5)) == 2


def test_a_target_between_bounds_has_no_number_and_the_bounds_are_named(page: Page) -> None:
    found = counts(page, [0.05], [0.05])
    assert good(found, Targets(0.4, 0.1)) is None
    assert unanswerable(found, Targets(0.4, 0.1)) == {"first_token": BOUNDS}


def test_without_targets_nothing_is_good_or_bad(page: Page) -> None:
    assert good(counts(page, [0.05], [0.05]), Targets()) is None


def test_an_engine_without_times_per_request_knows_nothing(page: Page) -> None:
    found = Counts()
    series = {"sglang:generation_tokens_total": 1.0}
    series |= histogram("sglang:time_to_first_token_seconds", [0.05])
    series |= histogram("sglang:inter_token_latency_seconds", [0.05])
    found.take(read(page(series)))
    assert good(found, Targets(0.5, 0.1)) is None
    assert good(found, Targets(first_token=0.5)) == 1


@pytest.mark.parametrize("prefix", ["inference_objective_", "llm_d_epp_"])
def test_a_router_that_counts_misses_is_believed(page: Page, prefix: str) -> None:
    found = Counts()
    series = {
        f"{prefix}request_total": 100.0,
        f"{prefix}request_error_total": 5.0,
        f"{prefix}request_ttft_slo_violation_total": 10.0,
        f"{prefix}request_tpot_slo_violation_total": 20.0,
    }
    found.take(read(page(series)))
    assert good(found, Targets()) == 65
    found.take(read(page(dict(list(series.items())[:3]))))
    assert good(found, Targets()) is None
