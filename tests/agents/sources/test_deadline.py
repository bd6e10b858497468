import select
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wattline_agents.agent import Agent, ReadsElsewhere
from wattline_agents.config import AgentConfig
from wattline_agents.errors import ReadFailed
from wattline_agents.sources.deadline import WithDeadline
from wattline_agents.sources.source import Given, Waits

PATIENCE_MS = 60_000


class Slow:
    """A source that answers when it is let."""

    name = "bmc"
    every_seconds = 30.0

    def __init__(self) -> None:
        self.let = threading.Semaphore(0)
        self.error: Exception | None = None
        self.model = "A"
        self.is_closed = threading.Event()
        self.reads: list[int] = []

    def read(self, now_ms: int) -> Given:
        self.reads.append(now_ms)
        assert self.let.acquire(timeout=60)
        if self.error is not None:
            raise self.error
        return {"meter": [{"domain": "node", "time_unix_ms": now_ms}]}

    def describe(self, now_ms: int) -> Given:
        return {"node_info": [{"power_source": self.model, "time_unix_ms": now_ms}]}

    def why_not(self) -> dict[str, dict[str, str]]:
        return {"": {"energy_joules_total": self.model}}

    def close(self) -> None:
        self.is_closed.set()


@pytest.fixture
def inner() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.let.release(100)


@pytest.fixture
def source(inner: Slow, clock: Any) -> Iterator[WithDeadline]:
    made = WithDeadline(inner, 5, clock)
    yield made
    inner.let.release(100)
    made.close()


def rung(source: WithDeadline) -> Given:
    """What comes with the next ring."""
    poll = select.poll()
    for descriptor, events in source.descriptors().items():
        poll.register(descriptor, events)
    ((descriptor, events),) = poll.poll(PATIENCE_MS)
    return source.handle(descriptor, events)


def test_it_asks_now_and_hands_over_later(source: WithDeadline, inner: Slow) -> None:
    assert isinstance(source, Waits)
    assert isinstance(source, ReadsElsewhere)
    assert (source.name, source.every_seconds) == ("bmc", 30.0)
    assert source.read(1000) == {}
    inner.let.release()
    assert rung(source)["meter"] == [{"domain": "node", "time_unix_ms": 1000}]
    assert source.read(2000) == {}
    inner.let.release()
    assert rung(source)["meter"][0]["time_unix_ms"] == 2000


def test_an_answer_that_nobody_was_woken_for_comes_with_the_next_reading(
    source: WithDeadline, inner: Slow
) -> None:
    source.read(1000)
    inner.let.release()
    poll = select.poll()
    (descriptor,) = source.descriptors()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(PATIENCE_MS)
    assert source.read(2000)["meter"][0]["time_unix_ms"] == 1000


def test_it_is_not_asked_again_while_it_owes_an_answer(
    source: WithDeadline, inner: Slow, clock: Any
) -> None:
    for now_ms in (1000, 2000, 3000):
        assert source.read(now_ms) == {}
        clock.sleep(1)
    inner.let.release()
    rung(source)
    assert inner.reads == [1000]


def test_an_answer_that_takes_too_long_is_given_up_and_counted(
    source: WithDeadline, inner: Slow, clock: Any
) -> None:
    source.read(1000)
    clock.sleep(6)
    with pytest.raises(ReadFailed, match="bmc: no answer within 5 s"):
        source.read(7000)
    with pytest.raises(ReadFailed, match="bmc: still no answer"):
        source.read(8000)
    assert source.read_timeouts == 1
    inner.let.release()
    assert rung(source) == {}, "it is of a time long gone"
    assert source.read(9000) == {}
    inner.let.release()
    assert rung(source)["meter"][0]["time_unix_ms"] == 9000


def test_a_late_answer_that_nobody_missed_is_given_up_too(
    source: WithDeadline, inner: Slow, clock: Any
) -> None:
    source.read(1000)
    clock.sleep(6)
    inner.let.release()
    with pytest.raises(ReadFailed, match="no answer within 5 s"):
        rung(source)
    assert source.read_timeouts == 1


def test_what_waits_behind_a_slow_reading_is_not_late(
    source: WithDeadline, inner: Slow, clock: Any
) -> None:
    source.read(1000)
    source.describe(1000)
    clock.sleep(4)
    inner.let.release()
    rung(source)
    clock.sleep(4)
    source.read(9000)
    assert source.read_timeouts == 0


def test_an_error_of_the_source_is_its_error(
    source: WithDeadline, inner: Slow, lost: ReadFailed
) -> None:
    inner.error = lost
    source.read(1000)
    inner.let.release()
    with pytest.raises(ReadFailed, match="the sensor is gone"):
        rung(source)


def described(source: WithDeadline, is_enough: Callable[[Given], bool]) -> Given:
    found: Given = {}
    while not is_enough(found):
        found = rung(source)
    return found


def test_who_it_is_is_news_once(source: WithDeadline, inner: Slow) -> None:
    assert source.describe(1) == {}
    described(source, bool)
    assert source.describe(7) == {"node_info": [{"power_source": "A", "time_unix_ms": 7}]}
    assert source.why_not() == {"": {"energy_joules_total": "A"}}
    assert rung(source) == {}
    inner.model = "B"
    source.describe(8)
    assert rung(source)["node_info"][0]["power_source"] == "B"


def test_a_reading_now_waits_for_the_answer(inner: Slow) -> None:
    source = WithDeadline(inner, 60)
    inner.let.release()
    assert list(source.read_now(1000, 60)) == ["meter"]
    assert source.describe(1)["node_info"]
    source.close()
    source = WithDeadline(inner, 0.01)
    with pytest.raises(ReadFailed, match=r"no answer within 0\.01 s"):
        source.read_now(1000, 60)
    inner.let.release()
    source.close()


def test_it_closes_what_is_inside(inner: Slow) -> None:
    WithDeadline(inner, 5).close()
    assert inner.is_closed.is_set()


def test_it_does_not_wait_for_what_is_stuck(inner: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattline_agents.sources.deadline._CLOSE_SECONDS", 0.01)
    source = WithDeadline(inner, 5)
    source.read(1)
    source.close()
    assert not inner.is_closed.is_set()
    inner.let.release()
    assert inner.is_closed.wait(60)


def test_an_agent_does_not_wait_for_it(
    source: WithDeadline, inner: Slow, clock: Any, make_source: Any, make_sink: Any
) -> None:
    host, sink = make_source(readings={"device": [{"device": "GPU-1"}]}), make_sink()
    agent = Agent(AgentConfig(), [source, host], [sink], clock)
    for _ in range(40):
        clock.sleep(agent.step())
    assert len(sink.rows("device")) == 40
    assert sink.rows("agent")[-1]["read_timeouts_total"] == 1
