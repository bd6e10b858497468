from __future__ import annotations

from dataclasses import replace

from wattline_agents.sources.serving.lumps import Since, is_due

BUSY = Since(
    seconds=5,
    has_moved=True,
    finished=1,
    in_flight=2,
    at_end=True,
    is_waited_for=False,
    is_idle=False,
)


def test_tokens_counted_as_they_are_made_are_told_at_once() -> None:
    assert is_due(replace(BUSY, at_end=False))


def test_tokens_counted_at_the_end_wait_while_others_are_in_flight() -> None:
    assert not is_due(BUSY)
    assert is_due(replace(BUSY, is_idle=True))
    assert is_due(replace(BUSY, finished=8))
    assert is_due(replace(BUSY, seconds=600))


def test_nothing_is_told_while_requests_run_and_nothing_is_counted() -> None:
    still = replace(BUSY, has_moved=False, finished=0)
    assert not is_due(still)
    assert not is_due(replace(still, at_end=False))
    assert not is_due(replace(still, seconds=600))
    assert is_due(replace(still, seconds=1800))
    assert is_due(replace(still, is_idle=True))


def test_where_nobody_says_what_is_in_flight_a_row_does_not_wait() -> None:
    assert is_due(replace(BUSY, in_flight=None))
    assert is_due(replace(BUSY, in_flight=None, has_moved=False))


def test_an_engine_that_does_not_answer_is_waited_for_but_not_for_ever() -> None:
    assert not is_due(replace(BUSY, is_waited_for=True, at_end=False))
    assert is_due(replace(BUSY, is_waited_for=True, seconds=600))
