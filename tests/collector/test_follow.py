import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from wattline_agents.errors import WattlineError
from wattline_collector import health
from wattline_collector.config import Settings
from wattline_collector.follow import on_thread
from wattline_collector.receive.intake import Batch
from wattline_collector.service import Service
from wattline_collector.store.store import Store

NOW_MS = 1_793_534_400_000


class Scripted:
    """Answers, or fails, as it is told; then tells the test that it has been asked."""

    name = "scripted"
    every_seconds = 0.0

    def __init__(self, *answers: Sequence[Batch] | Exception) -> None:
        self._answers = iter(answers)
        self.done = threading.Event()

    def ask(self) -> Sequence[Batch]:
        answer = next(self._answers, None)
        if answer is None:
            self.done.set()
            self.every_seconds = 3600.0
            return []
        if isinstance(answer, Exception):
            raise answer
        return answer


Run = Callable[..., Service]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(open_store: Callable[..., Store], said: list[str]) -> Iterator[Run]:
    """Runs a service until its follower has no more to answer."""
    with asyncio.Runner() as runner:

        def run(follower: Any) -> Service:
            store = open_store()
            quiet = Settings(store.path, book_every_seconds=3600.0, seal_every_seconds=3600.0)
            service = Service(store, quiet, said.append, [follower])

            async def whole() -> None:
                await service.start()
                await on_thread(lambda: follower.done.wait(20), "wait")
                await service.stop()

            runner.run(whole())
            return service

        yield run


def test_rows_of_a_follower_get_into_the_store(run: Run, sender: Any, open_store: Any) -> None:
    first, second = sender.devices(NOW_MS - 2000), sender.devices(NOW_MS - 1000)
    service = run(Scripted([first], [second, first]))
    (one,) = service.followed
    assert (one.asked, one.errors, one.refused) == (3, 0, 0)
    assert open_store(write=False).read("device", 0, 2**62).height == 4


def test_a_failure_is_counted_said_once_and_tried_again(
    run: Run, sender: Any, said: list[str]
) -> None:
    no = WattlineError("nobody there")
    service = run(Scripted(no, no, ValueError("a fault of ours"), [sender.devices(NOW_MS)]))
    (one,) = service.followed
    assert (one.asked, one.errors) == (2, 3)
    assert said == [
        "collector: asking scripted failed: nobody there",
        "collector: asking scripted failed: ValueError: a fault of ours",
    ]


def test_a_batch_that_is_none_does_not_stop_the_next(
    run: Run, sender: Any, said: list[str]
) -> None:
    bad = sender.devices(NOW_MS)
    bad = Batch("device", bad.header, b"noise")
    service = run(Scripted([bad, sender.devices(NOW_MS)]))
    (one,) = service.followed
    assert one.refused == 1
    assert service.intake.accepted_batches == 1
    assert len(said) == 1


def test_how_it_went_stands_on_the_page_of_metrics(run: Run) -> None:
    service = run(Scripted(WattlineError("no")))
    page = health.exposition(service)
    assert 'wattline_collector_follow_answers_total{of="scripted"} 1\n' in page
    assert 'wattline_collector_follow_errors_total{of="scripted"} 1\n' in page
    assert 'wattline_collector_follow_age_seconds{of="scripted"} 0.0\n' in page


def test_without_followers_the_page_says_nothing_of_them(serve: Callable[..., Any]) -> None:
    assert "follow" not in health.exposition(serve().service)


def test_a_service_ends_while_a_follower_hangs(run: Run) -> None:
    class Hanging(Scripted):
        goes = threading.Event()

        def ask(self) -> Sequence[Batch]:
            self.done.set()
            self.goes.wait(60)
            return []

    hanging = Hanging()
    try:
        service = run(hanging)  # returns, though nobody has answered
        assert service.followed[0].asked == 0
    finally:
        hanging.goes.set()


def test_what_a_thread_raises_reaches_who_waits() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(on_thread(fail, "t"))
    assert asyncio.run(on_thread(lambda: 7, "t")) == 7
