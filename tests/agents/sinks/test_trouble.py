from typing import Any

import pytest

from wattline_agents.sinks.trouble import Trouble, reason_of


def test_a_failure_is_told_once_in_ten_minutes(clock: Any, said: list[str]) -> None:
    trouble = Trouble("otlp", clock, said.append)
    for _ in range(130):
        trouble.failed("Connection refused")
        clock.sleep(10)
    assert said[0] == "otlp: Connection refused"
    assert (
        said[1:] == ["otlp: Connection refused (and 59 failures more since the last such line)"] * 2
    )


def test_the_end_of_a_trouble_is_told_once(clock: Any, said: list[str]) -> None:
    trouble = Trouble("otlp", clock, said.append)
    trouble.worked()
    trouble.failed("gone")
    assert trouble.is_on
    trouble.worked()
    trouble.worked()
    assert not trouble.is_on
    assert said == ["otlp: gone", "otlp: works again"]


def test_what_comes_and_goes_does_not_fill_a_journal(clock: Any, said: list[str]) -> None:
    trouble = Trouble("otlp", clock, said.append)
    for _ in range(60):
        trouble.failed("gone")
        trouble.worked()
        clock.sleep(5)
    assert said == ["otlp: gone", "otlp: works again"]


def wrapped(inner: BaseException) -> Exception:
    outer = RuntimeError("Max retries exceeded with url: /very/long")
    outer.reason = inner  # type: ignore[attr-defined]  # as urllib3 does
    return RuntimeError(outer)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (wrapped(ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        (wrapped(TimeoutError()), "no answer in time"),
        (ValueError("a\nb"), "a b"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_reason_is_the_innermost_that_says_something(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_errors_that_name_each_other_come_to_an_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert reason_of(one) == "one"
