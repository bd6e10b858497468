from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from wattline_agents.errors import WattlineError
from wattline_collector.client import Refused, Unreachable
from wattline_dashboards.answers import Answers


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def unix_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Counting:
    """A source that counts what it is asked, and fails on demand."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.error: WattlineError | None = None
        self.hold: Callable[[], object] | None = None

    def _answer(self, question: object) -> dict[str, Any]:
        self.asked.append(question)
        if self.hold is not None:
            self.hold()
        if self.error is not None:
            raise self.error
        return {"number": len(self.asked)}

    def live(self, columns: Sequence[str] = ()) -> dict[str, Any]:
        return self._answer(("latest", *columns) if columns else "latest")

    def overview(self, start: datetime | None, end: datetime | None) -> dict[str, Any]:
        return self._answer((start, end))

    def explain(self, id: str) -> dict[str, Any]:
        return self._answer(id)

    def ask(self, path: str, query: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        return self._answer((path, tuple(query)))


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def source() -> Counting:
    return Counting()


def test_ten_pages_cost_one_question_a_second(clock: Hand, source: Counting) -> None:
    answers = Answers(source, clock)
    assert {id(answers.latest().value) for _ in range(10)} == {id(answers.latest().value)}
    assert source.asked == ["latest"]
    clock.now += 1.0
    answers.latest()
    assert source.asked == ["latest"] * 2


def test_pages_that_draw_the_same_columns_share_one_answer(clock: Hand, source: Counting) -> None:
    answers = Answers(source, clock)
    whole, some = answers.latest().value, answers.latest(["account", "index"]).value
    assert whole is not some
    assert answers.latest(("account", "index")).value is some
    assert answers.latest().value is whole
    assert source.asked == ["latest", ("latest", "account", "index")]


def test_a_collector_that_goes_away_leaves_its_last_answer_with_its_age(
    clock: Hand, source: Counting
) -> None:
    answers = Answers(source, clock)
    first = answers.latest().value
    source.error = Unreachable("http://127.0.0.1:8600: no answer")
    clock.now += 42
    answer = answers.latest()
    assert answer.value is first
    assert answer.age_ms == 42_000
    assert answer.error == "http://127.0.0.1:8600: no answer"
    assert not answer.reached
    source.error = None
    clock.now += 1
    assert answers.latest().error is None


def test_a_refusal_is_not_taken_for_absence(clock: Hand, source: Counting) -> None:
    source.error = Refused("/v1/latest: 401: a token is needed", 401)
    answer = Answers(source, clock).latest()
    assert (answer.value, answer.age_ms, answer.reached) == (None, None, True)


def test_each_period_and_each_kpi_is_a_question_of_its_own(clock: Hand, source: Counting) -> None:
    answers = Answers(source, clock)
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    for _ in range(2):
        answers.overview(start, end)
        answers.overview(None, None)
        answers.explain("S10")
    assert source.asked == [(start, end), (None, None), "S10"]


def test_a_failed_explanation_is_asked_for_again_soon(clock: Hand, source: Counting) -> None:
    answers = Answers(source, clock)
    source.error = Unreachable("no answer")
    assert answers.explain("S10").value is None
    source.error = None
    clock.now += 1
    assert answers.explain("S10").value is not None


def test_who_comes_while_another_waits_for_the_collector_is_not_held_up(
    clock: Hand, source: Counting
) -> None:
    answers = Answers(source, clock)
    first = answers.latest()
    clock.now += 5
    asking, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        asking.set()
        go_on.wait(30)

    source.hold = hold
    slow = threading.Thread(target=answers.latest)
    slow.start()
    assert asking.wait(30)
    meanwhile = answers.latest()
    go_on.set()
    slow.join()
    assert meanwhile.value is first.value
    assert meanwhile.age_ms == 5_000


def test_the_memory_of_periods_is_bounded(clock: Hand, source: Counting) -> None:
    answers = Answers(source, clock)
    for day in range(1, 29):
        for hour in range(24):
            answers.overview(datetime(2026, 2, day, hour, tzinfo=UTC), None)
    assert len(answers._slots) <= 256
