from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from wattline_collector.remembered import Remembered

PATIENCE = 60.0


def test_what_is_asked_again_soon_is_computed_once() -> None:
    remembered = Remembered[bytes](60.0)
    computed: list[int] = []

    def compute() -> bytes:
        computed.append(1)
        return b"answer"

    assert [remembered.get("q", compute) for _ in range(3)] == [b"answer"] * 3
    assert len(computed) == 1


def test_who_asks_while_it_is_computed_waits_for_it() -> None:
    remembered = Remembered[int](60.0)
    begun, go_on = threading.Event(), threading.Event()
    found: list[int] = []

    def compute() -> int:
        begun.set()
        assert go_on.wait(PATIENCE)
        return 1

    def ask(compute: Callable[[], int]) -> threading.Thread:
        thread = threading.Thread(target=lambda: found.append(remembered.get("q", compute)))
        thread.start()
        return thread

    first = ask(compute)
    assert begun.wait(PATIENCE)
    second = ask(lambda: 2)
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    for thread in (first, second):
        thread.join(PATIENCE)
    assert found == [1, 1]


def test_what_took_long_is_kept_for_longer_but_not_for_ever() -> None:
    now = [0.0]
    remembered = Remembered[int](5.0, times=10, monotonic=lambda: now[0])

    def ask(value: int, takes: float) -> int:
        def compute() -> int:
            now[0] += takes
            return value

        return remembered.get("q", compute)

    assert ask(1, takes=0.1) == 1
    now[0] = 4.9
    assert ask(2, takes=20.0) == 1
    now[0] = 5.0
    assert ask(2, takes=20.0) == 2
    now[0] = 5.0 + 199.0
    assert ask(3, takes=1000.0) == 2
    now[0] = 5.0 + 200.0
    assert ask(3, takes=1000.0) == 3
    now[0] = 205.0 + 1001.0
    assert ask(4, takes=1.0) == 4


def test_an_answer_that_failed_is_not_remembered() -> None:
    remembered = Remembered[bytes](60.0)

    def fails() -> bytes:
        raise ValueError

    with pytest.raises(ValueError):
        remembered.get("q", fails)
    assert remembered.get("q", lambda: b"better") == b"better"


def test_the_oldest_goes_where_there_are_too_many() -> None:
    remembered = Remembered[int](60.0, most=2)
    assert [remembered.get(name, lambda: 1) for name in "abc"] == [1, 1, 1]
    assert [remembered.get(name, lambda: 2) for name in "bca"] == [1, 1, 2]
