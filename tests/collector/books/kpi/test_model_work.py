from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

HOUR = 3600
PEAK = 989e12
TEN = {"parameters": 10**10, "dtype": "bf16", "model": "ten"}
TRAINS = {"tokens_trained_total": 1000.0}


def test_model_flop_are_operations_of_a_token_times_tokens(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    factory.job("train", 0, HOUR, "a", rates=TRAINS, model=TEN)
    factory.book(HOUR)
    flop = factory.one("P04")
    assert flop.value == pytest.approx(6 * 1e10 * 1000 * HOUR)
    assert (flop.n, flop.coverage, flop.method, flop.level) == (1, 1.0, "6n", "derived")


def test_attention_is_counted_where_its_dimensions_are_known(factory: Any) -> None:
    told = {**TEN, "layers": 32, "heads": 32, "head_dimension": 128, "sequence_length": 4096}
    factory.device("a", until_s=HOUR)
    factory.job("train", 0, HOUR, "a", rates=TRAINS, model=told)
    factory.book(HOUR)
    each = 6 * 1e10 + 12 * 32 * 32 * 128 * 4096
    assert factory.one("P04").value == pytest.approx(each * 1000 * HOUR)


def test_serving_takes_a_forward_pass_and_cached_prompts_none(factory: Any) -> None:
    rates = {
        "tokens_prompt_total": 30.0, "tokens_prompt_cached_total": 20.0,
        "tokens_generated_total": 5.0,
    }  # fmt: skip
    factory.device("a", until_s=HOUR)
    factory.job("serve", 0, HOUR, "a", rates=rates, model=TEN, kind="inference")
    factory.book(HOUR)
    assert factory.one("P04").value == pytest.approx(2 * 1e10 * 15 * HOUR)
    mfu = factory.one("E01", kind="inference")
    assert mfu.value == pytest.approx(100 * 2e10 * 15 / PEAK)


def test_what_a_job_counted_itself_stands_where_its_model_is_not_known(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    factory.job("train", 0, HOUR, "a", rates={"flops_total": 4e14})
    factory.book(HOUR)
    assert factory.one("P04").value == pytest.approx(4e14 * HOUR)
    assert factory.one("P04").method == "as the job counted"
    assert factory.one("E01").value == pytest.approx(100 * 4e14 / PEAK)


def test_mfu_is_flop_over_the_peak_of_the_time_the_devices_were_held(factory: Any) -> None:
    factory.device("a", "b", until_s=2 * HOUR)
    factory.job("one", 0, HOUR, "a", rates={"tokens_trained_total": 5000.0}, model=TEN)
    factory.job("two", 0, 2 * HOUR, "b", rates=TRAINS, model=TEN)
    factory.book(2 * HOUR)
    made = 6e10 * (5000 * HOUR + 1000 * 2 * HOUR)
    figure = factory.one("E01")
    assert figure.value == pytest.approx(100 * made / (PEAK * 3 * HOUR))
    assert (figure.numerator, figure.denominator) == (
        pytest.approx(made), pytest.approx(PEAK * 3 * HOUR)
    )  # fmt: skip
    assert figure.dims == {"kind": "training"}
    assert figure.n == 2
    assert "989 TFLOP/s H100 SXM bf16" in figure.method
    assert factory.one("E01", job="one").value == pytest.approx(100 * 6e10 * 5000 / PEAK)


def test_jobs_of_unknown_models_are_left_out_and_lower_the_coverage(factory: Any) -> None:
    factory.device("a", "b", until_s=HOUR)
    factory.job("known", 0, HOUR, "a", rates=TRAINS, model=TEN)
    factory.job("silent", 0, HOUR, "b", rates=TRAINS)
    factory.book(HOUR)
    figure = factory.one("E01")
    assert figure.value == pytest.approx(100 * 6e10 * 1000 / PEAK)
    assert figure.coverage == pytest.approx(0.5)
    assert figure.status is Status.PARTIAL
    assert figure.note.startswith("1 job left out: the model's size is not known")
    assert factory.one("P04").coverage == pytest.approx(0.5)
    assert factory.one("E01", job="silent").status is Status.UNKNOWN


def test_a_device_whose_peak_is_not_known_has_no_mfu_and_the_reason(factory: Any) -> None:
    factory.device("a", model="Model T", until_s=HOUR)
    factory.job("train", 0, HOUR, "a", rates=TRAINS, model=TEN)
    factory.book(HOUR)
    figure = factory.one("E01")
    assert (figure.value, figure.coverage) == (None, 0.0)
    assert figure.note == "1 job left out: the peak of a Model T is not known"
    assert figure.method == ""


def test_a_node_that_fell_silent_was_the_jobs_all_the_same(factory: Any) -> None:
    factory.device("a", until_s=2 * HOUR)
    factory.device("b", until_s=HOUR)
    factory.job("train", 0, 2 * HOUR, "a", "b", rates=TRAINS, model=TEN)
    factory.book(2 * HOUR)
    # Four GPU-hours were its, of which three are in the books.
    figure = factory.one("E01")
    assert figure.denominator == pytest.approx(PEAK * 4 * HOUR)


def test_parts_of_a_period_and_of_the_jobs_add_up(factory: Any) -> None:
    factory.device("a", "b", until_s=3 * HOUR)
    factory.job("one", 0, 2 * HOUR, "a", rates=TRAINS, model=TEN)
    factory.job("two", HOUR, 3 * HOUR, "b", rates={"tokens_trained_total": 40.0}, model=TEN)
    factory.book(3 * HOUR)
    whole = factory.one("E01")
    for parts in (
        [factory.one("E01", factory.hours(*ends)) for ends in ((0, 1.25), (1.25, 3))],
        factory.figures("E01", by="job"),
        factory.figures("E01", by="hour"),
    ):
        assert sum(f.numerator for f in parts) == pytest.approx(whole.numerator)
        assert sum(f.denominator for f in parts) == pytest.approx(whole.denominator)


def test_hfu_needs_to_be_told_what_is_computed_again(factory: Any) -> None:
    factory.device("a", "b", until_s=HOUR)
    factory.job("one", 0, HOUR, "a", rates=TRAINS, model=TEN, run="r1")
    factory.job("two", 0, HOUR, "b", rates=TRAINS, model={**TEN, "model": "other"})
    factory.book(HOUR)
    mfu = 100 * 6e10 * 1000 / PEAK
    unknown = factory.one("E02")
    assert unknown.value is None
    assert unknown.note.endswith(f"it lies between {mfu:.3g} and {mfu * 4 / 3:.3g} %")
    factory.register(
        "results",
        {"id": "1", "kind": "recomputed", "when": "2026-11-01", "run": "r1", "value": "1"},
        {"id": "2", "kind": "recomputed", "when": "2026-11-01", "model": "other", "value": "0.5"},
    )
    figure = factory.one("E02")
    assert figure.value == pytest.approx(mfu * (4 / 3 + 3.5 / 3) / 2)
    assert figure.coverage == pytest.approx(1)
    assert factory.one("E02", job="one").value == pytest.approx(mfu * 4 / 3)


def test_nothing_to_count_is_unknown_and_says_how_it_could_be(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    factory.book(HOUR)
    for id in ("P04", "E01", "E02"):
        figure = factory.one(id)
        assert (figure.value, figure.status) == (None, Status.UNKNOWN)
        assert figure.note
    assert factory.figures("E01", by="job") == []


def test_throughput_of_a_gpu_is_over_the_device_time_of_jobs_that_count(factory: Any) -> None:
    factory.device("a", "b", "c", until_s=2 * HOUR)
    factory.job("one", 0, HOUR, "a", "b", rates=TRAINS)
    factory.job("silent", 0, 2 * HOUR, "c")
    factory.book(2 * HOUR)
    figure = factory.one("P02_GPU")
    assert (figure.numerator, figure.denominator) == (1000 * HOUR, pytest.approx(2 * HOUR))
    assert (figure.value, figure.unit) == (pytest.approx(500), "tok/GPU/s")


def test_served_tokens_are_told_apart_in_the_note(factory: Any) -> None:
    rates = {"tokens_prompt_total": 3.0, "tokens_prompt_cached_total": 1.0,
             "tokens_generated_total": 2.0}  # fmt: skip
    factory.device("a", until_s=HOUR)
    factory.job("serve", 0, HOUR, "a", rates=rates, kind="inference")
    factory.book(HOUR)
    assert factory.one("P03").note == (
        "10,800 prompt, 7,200 generated, 3,600 of the prompt tokens from a cache"
    )
