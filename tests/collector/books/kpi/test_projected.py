from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.figure import Status

HOUR = 3600
PEAK = 989e12
TEN = {"parameters": 10**10, "dtype": "bf16", "model": "ten"}


def _train(factory: Any, hours: int, tokens: float = 1000.0) -> None:
    rates = {"tokens_trained_total": tokens, "phase_step_seconds_total": 0.8}
    factory.device("a", "b", until_s=hours * HOUR)
    factory.job("train", 0, hours * HOUR, "a", rates=rates, model=TEN)
    factory.book(hours * HOUR)


def test_days_follow_from_what_the_books_measured(factory: Any) -> None:
    _train(factory, 2)
    figure = factory.one("C03", way="measured", tokens="1 T")
    # One device makes 1,000 tok/s of such a model; two are installed.
    assert figure.value == pytest.approx(1e12 / 2000 / 86_400)
    assert (figure.n, figure.unit, figure.level) == (1, "d", "derived")
    mfu = 6e10 * 1000 / 0.8 / PEAK
    assert f"MFU {mfu:.3g} x ETTR 0.8" in figure.method
    assert f"{45 / (1e12 / 2000 / 86_400):.3g} times" in figure.note
    assert (figure.low, figure.high) == (None, None)
    assert "no interval: 2 values are too few" in figure.method
    tokens = [f.dims["tokens"] for f in factory.figures("C03")]
    assert tokens == ["0.2 T", "1 T", "2 T", "15 T"]


def test_training_that_tells_no_rate_lowers_the_coverage_of_the_projection(factory: Any) -> None:
    factory.device("b", until_s=2 * HOUR)
    factory.job("silent", 0, 2 * HOUR, "b")
    _train(factory, 2)
    figure = factory.one("C03", way="measured", tokens="1 T")
    assert figure.value == pytest.approx(1e12 / 2000 / 86_400)
    assert (figure.coverage, figure.status) == (pytest.approx(0.5), Status.PARTIAL)


def test_an_even_rate_of_many_hours_has_a_narrow_interval(factory: Any) -> None:
    factory.every_s = 600
    _train(factory, 51)
    figure = factory.one("C03", system="test", way="measured", tokens="2 T")
    assert figure.low == pytest.approx(figure.value, rel=1e-4)
    assert figure.low <= figure.value <= figure.high


def test_what_was_projected_and_kept_stands_beside_it(factory: Any) -> None:
    _train(factory, 1)
    factory.register(
        "results",
        {"id": "p", "kind": "projection", "when": "2026-10-01", "parameters": "1e10",
         "tokens": "1e12", "value": "36", "low": "35", "high": "42", "unit": "d"},
    )  # fmt: skip
    figure = factory.one("C03", way="declared", tokens="1 T")
    assert (figure.value, figure.low, figure.high) == (
        pytest.approx(36), pytest.approx(35), pytest.approx(42)
    )  # fmt: skip
    assert figure.note.startswith("45 days are 1.25 times that; measured on 2026-10-01")


def test_nothing_measured_is_unknown_with_the_reason(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    factory.book(HOUR)
    for figure in factory.figures("C03"):
        assert (figure.value, figure.status) == (None, Status.UNKNOWN)
        assert figure.note == "no training job tells its tokens, its model and its phases"
