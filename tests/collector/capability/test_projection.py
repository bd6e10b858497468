from __future__ import annotations

import math
import random

import pytest

from wattline_collector.capability.projection import (
    Plan,
    Window,
    project,
    project_from,
    requirement_table,
)

H100, A100 = 989e12, 312e12


@pytest.mark.parametrize(
    ("tokens", "flops", "petaflops", "h100", "a100"),
    [
        (0.2e12, 1.2e22, 3.1, 9, 27),
        (1e12, 6e22, 15.4, 43, 137),
        (2e12, 1.2e23, 30.9, 87, 275),
        (15e12, 9e23, 231, 650, 2061),
    ],
)
def test_devices_for_ten_billion_parameters_in_45_days(
    tokens: float, flops: float, petaflops: float, h100: int, a100: int
) -> None:
    (row,) = requirement_table([tokens], [H100, A100])
    assert row["flops"] == pytest.approx(flops)
    assert row["sustained_flops"] / 1e15 == pytest.approx(petaflops, rel=0.01)
    assert [round(count) for count in row["devices"]] == [h100, a100]


def test_whole_devices_keep_the_budget_and_one_less_does_not() -> None:
    for tokens in (0.2e12, 1e12, 2e12, 15e12):
        needed = project(Plan(10e9, tokens, 1, H100, 0.4, 0.9)).devices
        assert project(Plan(10e9, tokens, needed, H100, 0.4, 0.9)).days <= 45
        assert project(Plan(10e9, tokens, needed - 1, H100, 0.4, 0.9)).days > 45


def test_days_and_margin_are_those_of_the_formula() -> None:
    found = project(Plan(10e9, 1e12, 64, H100, 0.40, 0.90))
    assert found.days == pytest.approx(6 * 10e9 * 1e12 / (64 * H100 * 0.4 * 0.9 * 86_400))
    assert found.margin == pytest.approx(45 / found.days)
    assert (found.low, found.high, found.steps) == (None, None, 0)
    assert "stated, not measured" in found.assumptions[0]


def test_exactly_the_devices_needed_are_no_device_more() -> None:
    plan = Plan(10e9, 1e12, 1, 6e22 / (45 * 86_400 * 0.4 * 0.9 * 40), 0.4, 0.9)
    assert project(plan).devices == 40


def test_attention_is_added_to_six_n() -> None:
    extra = 12 * 32 * 32 * 128 * 4096.0
    plain, full = (
        project(Plan(8e9, 1e12, 64, H100, 0.4, 0.9, extra_flops_per_token=e)) for e in (0.0, extra)
    )
    assert full.days / plain.days == pytest.approx(1 + extra / 48e9)


@pytest.mark.parametrize(
    "wrong",
    [{"parameters": 0.0}, {"tokens": -1.0}, {"devices": 0.0}, {"peak_flops": math.nan},
     {"mfu": 0.0}, {"mfu": 40.0}, {"ettr": 1.1}, {"budget_days": 0.0},
     {"extra_flops_per_token": -1.0}],
)  # fmt: skip
def test_a_plan_that_makes_no_sense_names_what_does_not(wrong: dict[str, float]) -> None:
    right = {"parameters": 10e9, "tokens": 1e12, "devices": 64, "peak_flops": H100, "mfu": 0.4,
             "ettr": 0.9}  # fmt: skip
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Plan(**(right | wrong))


def steps(random_: random.Random, n: int, mean: float = 10.0) -> list[float]:
    """Step times that stay slow for a while when they are, with a rare long one."""
    state, found = 0.0, []
    for _ in range(n):
        state = 0.8 * state + random_.gauss(0, 0.012)
        found.append(mean * math.exp(state) + (mean if random_.random() < 0.002 else 0.0))
    return found


def test_mfu_is_measured_from_the_window() -> None:
    window = Window([10.0] * 100, tokens_per_step=4e6, devices=64)
    found = project_from(
        window, parameters=10e9, tokens=1e12, devices=64, peak_flops=H100, ettr=0.9
    )
    assert found.plan.mfu == pytest.approx(4e5 * 6e10 / (64 * H100))
    assert found.days == pytest.approx(1e12 / 4e5 / 0.9 / 86_400)
    assert found.low == pytest.approx(found.days)
    assert found.high == pytest.approx(found.days)
    assert (found.steps, len(found.assumptions)) == (100, 1)


def test_a_smaller_window_says_that_it_takes_scaling_to_be_linear() -> None:
    window = Window([10.0] * 100, tokens_per_step=4e6, devices=64)
    linear, stated = (
        project_from(
            window, parameters=10e9, tokens=1e12, devices=512, peak_flops=H100, ettr=0.9,
            scaling_efficiency=efficiency,
        )
        for efficiency in (None, 0.8)
    )  # fmt: skip
    assert linear.assumptions[1] == (
        "measured on 64 devices, planned on 512: linear scaling"
    )  # fmt: skip
    assert "scaling efficiency 0.8 as stated" in stated.assumptions[1]
    assert linear.days * 8 == pytest.approx(1e12 / 4e5 / 0.9 / 86_400)
    assert stated.days == pytest.approx(linear.days / 0.8)


def test_a_short_window_has_no_interval_and_says_why() -> None:
    found = project_from(
        Window([10.0, 11.0], 4e6, 64), parameters=10e9, tokens=1e12, devices=64, peak_flops=H100,
        ettr=0.9,
    )  # fmt: skip
    assert (found.low, found.high) == (None, None)
    assert "no interval: 2 values are too few" in found.assumptions[-1]
    assert found.to_json()["confidence"] is None


def test_steps_that_outdo_their_devices_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="more than the devices can"):
        project_from(
            Window([0.1] * 100, 4e6, 64), parameters=10e9, tokens=1e12, devices=64,
            peak_flops=H100, ettr=0.9,
        )  # fmt: skip


@pytest.mark.parametrize("window", [([], 1.0, 1.0), ([0.0], 1.0, 1.0), ([1.0], 0.0, 1.0),
                                    ([1.0], 1.0, 0.0), ([math.nan], 1.0, 1.0)])  # fmt: skip
def test_a_window_of_nothing_is_refused(window: tuple[list[float], float, float]) -> None:
    with pytest.raises(ValueError, match=r"(step_seconds|tokens_per_step|devices):"):
        Window(*window)


def simulated(random_: random.Random, total_steps: int) -> tuple[float, float]:
    """A whole run with failures: days it took, and the share of them that made lasting steps."""
    clock = productive = pending = 0.0
    done = saved = 0
    fails_at = random_.expovariate(1 / 30_000)
    each = steps(random_, total_steps)
    while done < total_steps:
        clock += each[done]
        pending += each[done]
        done += 1
        if clock >= fails_at:
            clock += 600
            done, pending = saved, 0.0
            fails_at = clock + random_.expovariate(1 / 30_000)
        elif done % 200 == 0 or done == total_steps:
            clock += 40
            productive += pending
            saved, pending = done, 0.0
    return clock / 86_400, productive / clock


@pytest.mark.parametrize("seed", range(3))
def test_a_projection_from_the_first_steps_is_within_5_percent_of_the_whole_run(seed: int) -> None:
    total, per_step = 120_000, 4e6
    days, truth = simulated(random.Random(seed), total)
    # Other runs on the same machine tell its ETTR; the window is 1 % of the run.
    _, known = simulated(random.Random(seed + 500), total)
    window = Window(steps(random.Random(seed + 1000), total // 100), per_step, 64)
    found, exact = (
        project_from(
            window, parameters=10e9, tokens=total * per_step, devices=64, peak_flops=H100, ettr=ettr
        )
        for ettr in (known, truth)
    )
    assert 0.8 < truth < 0.99
    assert found.days == pytest.approx(days, rel=0.05)
    # The interval is of the steps alone, so it is held against a run of that very ETTR.
    assert exact.low is not None
    assert exact.high is not None
    assert exact.low <= days <= exact.high
    assert exact.high - exact.low < 0.05 * days
