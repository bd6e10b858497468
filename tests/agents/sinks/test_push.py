import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.arrow import decode
from wattline_agents.catalogue import TABLES
from wattline_agents.config import AgentConfig
from wattline_agents.sinks import push
from wattline_agents.sinks.answer import Answer, Backoff, Verdict
from wattline_agents.sinks.batch import Batch
from wattline_agents.sinks.push import MOST_ROWS, Pusher, PushSink
from wattline_agents.sinks.spool import DirectorySpool, MemorySpool
from wattline_agents.sinks.transport import HttpTransport, NotReached

CONFIG = AgentConfig(system="test", node="n01")


class FakeTransport:
    """Answers what it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[Answer | NotReached] = []
        self.sent: list[Batch] = []
        self.tries = 0

    def send(self, batch: Batch) -> tuple[Answer, str]:
        self.tries += 1
        answer = self.answers.pop(0) if self.answers else Answer(Verdict.DELIVERED)
        if isinstance(answer, NotReached):
            raise answer
        if answer.verdict is Verdict.DELIVERED:
            self.sent.append(batch)
        return answer, "told so"

    def close(self) -> None: ...

    @property
    def order(self) -> list[int]:
        return [batch.header.sequence for batch in self.sent]


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def make_pusher(clock: Any, transport: FakeTransport, said: list[str]) -> Callable[..., Pusher]:
    def make(**more: Any) -> Pusher:
        arguments: dict[str, Any] = {
            "transport": transport,
            "spool": MemorySpool(1_000_000),
            "clock": clock,
            "say": said.append,
            "backoff": Backoff(chance=lambda: 0.5),
            "chance": lambda: 0.0,
        }
        return Pusher(CONFIG, **(arguments | more))

    return make


def row(time_ms: int = 1) -> dict[str, Any]:
    return {"time_unix_ms": time_ms, "device": "GPU-1", "up": 1}


def rows_of(batch: Batch) -> list[dict[str, Any]]:
    return decode(batch.body)


def times(transport: FakeTransport) -> list[int]:
    return [row["time_unix_ms"] for batch in transport.sent for row in rows_of(batch)]


def pump_for(pusher: Pusher, clock: Any, seconds: float) -> None:
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        clock.sleep(min(max(pusher.pump(), 0.001), end - clock.monotonic() + 1e-6))


def test_ticks_are_gathered_into_batches(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(every_seconds=5)
    for second in range(16):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    assert transport.order == [1, 2, 3, 4], "the first after a second, then every five"
    first = transport.sent[0].header
    assert (first.system, first.node, first.period_ms) == ("test", "n01", 1000)


def test_every_table_and_period_has_batches_of_its_own(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher()
    pusher.accept("device", [row()], 1000)
    pusher.accept("node", [{"time_unix_ms": 1}], 5000)
    pusher.accept("node_info", [{"time_unix_ms": 1}], 0)
    pump_for(pusher, clock, 2)
    sent = {(batch.table, batch.header.period_ms) for batch in transport.sent}
    assert sent == {("device", 1000), ("node", 5000), ("node_info", 0)}
    assert sorted(transport.order) == [1, 2, 3]


def test_agents_that_start_together_do_not_send_together(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(every_seconds=10, chance=lambda: 0.7)
    times = []
    for _ in range(300):
        pusher.accept("device", [row()], 1000)
        before = len(transport.sent)
        pump_for(pusher, clock, 0.1)
        if len(transport.sent) > before:
            times.append(clock.monotonic() - 100)
    assert times == pytest.approx([1, 4, 14, 24], abs=0.25)


def test_a_collector_that_is_away_costs_nothing_but_time(
    clock: Any, transport: FakeTransport, make_pusher: Any, said: list[str]
) -> None:
    pusher = make_pusher(every_seconds=1)
    transport.answers = [NotReached("refused")] * 5
    for second in range(60):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    assert transport.order == list(range(1, len(transport.order) + 1)), "in order, none missing"
    assert len(transport.order) >= 59
    assert pusher.health().spool_bytes == 0
    assert len(said) == 2, "once when it went, once when it came back"
    assert "takes batches again" in said[1]


def test_waits_grow_while_it_is_away(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(every_seconds=1)
    transport.answers = [NotReached("refused")] * 1000
    pusher.accept("device", [row()], 1000)
    pump_for(pusher, clock, 600)
    assert 12 <= transport.tries <= 18, "1, 2, 4, ... 60 seconds apart"


def test_a_spool_that_overflows_drops_the_oldest_and_counts(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(every_seconds=1, spool=MemorySpool(5_000))
    transport.answers = [NotReached("refused")] * 8
    for second in range(300):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    dropped = pusher.health().batches_dropped
    assert dropped is not None
    assert dropped > 0
    assert transport.order == list(range(dropped + 1, dropped + len(transport.order) + 1))


def test_a_refused_batch_is_set_aside_and_the_next_goes(
    clock: Any, transport: FakeTransport, make_pusher: Any, said: list[str]
) -> None:
    pusher = make_pusher(every_seconds=1)
    transport.answers = [Answer(Verdict.REFUSED)]
    for second in range(5):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    assert pusher.health().batches_refused == 1
    assert transport.order[0] == 2
    assert said == ["push: a batch of device was refused and set aside: told so"]


def test_a_batch_too_large_goes_in_halves(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(every_seconds=1)
    transport.answers = [Answer(Verdict.TOO_LARGE), Answer(Verdict.TOO_LARGE)]
    pusher.accept("device", [row(second) for second in range(8)], 1000)
    pump_for(pusher, clock, 3)
    assert len(transport.sent) == 3
    assert transport.order == [4, 5, 3], "the first half was halved again, and all are new"
    assert pusher.health().batches_refused == 0


def test_a_row_too_large_by_itself_is_set_aside(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(every_seconds=1)
    transport.answers = [Answer(Verdict.TOO_LARGE)]
    pusher.accept("device", [row()], 1000)
    pump_for(pusher, clock, 3)
    assert pusher.health().batches_refused == 1
    assert transport.tries == 1


def test_a_busy_collector_is_left_alone_as_long_as_it_asks(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(every_seconds=1)
    transport.answers = [Answer(Verdict.LATER, wait_seconds=30.0)]
    pusher.accept("device", [row()], 1000)
    pump_for(pusher, clock, 30)
    assert transport.tries == 1
    pump_for(pusher, clock, 8)
    assert transport.order == [1]


def test_a_wrong_token_keeps_everything_and_says_so_once(
    clock: Any, transport: FakeTransport, make_pusher: Any, said: list[str]
) -> None:
    pusher = make_pusher(every_seconds=1)
    transport.answers = [Answer(Verdict.DENIED)] * 4
    for second in range(40):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    assert len(said) == 2
    assert "refuses this agent: told so" in said[0]
    assert transport.order == list(range(1, len(transport.order) + 1))
    assert pusher.health().batches_dropped == 0


def test_very_many_rows_become_several_batches(
    clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(every_seconds=1)
    pusher.accept("device", [row()] * (2 * MOST_ROWS + 1), 1000)
    pump_for(pusher, clock, 2)
    assert transport.order == [1, 2, 3]


def test_rows_of_an_unknown_shape_are_dropped_and_the_others_stay(
    clock: Any, transport: FakeTransport, make_pusher: Any, said: list[str]
) -> None:
    pusher = make_pusher(every_seconds=1)
    pusher.accept("device", [{"time_unix_ms": 1, "volts": 2}], 1000)
    pusher.accept("node", [{"time_unix_ms": 1}], 1000)
    pump_for(pusher, clock, 2)
    assert [batch.table for batch in transport.sent] == ["node"]
    assert pusher.health().batches_dropped == 1
    assert "volts" in said[0]


@pytest.mark.parametrize("values", [{"processes": 2**63}, {"up": float("nan")}, {"up": "\udcff"}])
def test_rows_with_a_value_that_no_column_holds_are_dropped_and_the_others_stay(
    clock: Any, transport: FakeTransport, make_pusher: Any, said: list[str], values: Any
) -> None:
    pusher = make_pusher(every_seconds=1)
    pusher.accept("device", [row() | values], 1000)
    pusher.accept("node", [{"time_unix_ms": 1}], 1000)
    pump_for(pusher, clock, 2)
    assert [batch.table for batch in transport.sent] == ["node"]
    assert pusher.health().batches_dropped == 1
    assert said[0].startswith("push: device: ")
    assert said[0].endswith("; these rows are dropped")


def test_at_the_end_the_rest_is_sent(transport: FakeTransport, make_pusher: Any) -> None:
    pusher = make_pusher()
    pusher.accept("device", [row()], 1000)
    pusher.accept("node", [{"time_unix_ms": 1}], 1000)
    pusher.finish(5)
    assert transport.order == [1, 2]


def test_at_the_end_what_cannot_be_sent_stays_in_the_spool(
    tmp_path: Path, transport: FakeTransport, make_pusher: Any
) -> None:
    pusher = make_pusher(spool=DirectorySpool(tmp_path, 1_000_000))
    transport.answers = [NotReached("refused")] * 10
    pusher.accept("device", [row()], 1000)
    pusher.accept("node", [{"time_unix_ms": 1}], 1000)
    pusher.finish(5)
    assert transport.tries == 1, "nobody waits for a collector that is away"
    after = DirectorySpool(tmp_path, 1_000_000)
    assert len(after) == 2
    after.close()


# An agent that is killed.


def killed(path: Path, into: Path) -> DirectorySpool:
    """The spool as the next agent finds it if the one that has it open were killed now."""
    shutil.copytree(path, into)
    return DirectorySpool(into, 1_000_000)


def test_while_the_collector_is_away_a_kill_costs_less_than_a_second(
    tmp_path: Path, clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    transport.answers = [NotReached("refused")] * 100
    pusher = make_pusher(spool=DirectorySpool(tmp_path / "spool", 1_000_000), every_seconds=30)
    for second in range(100):
        pusher.accept("device", [row(second)], 1000)
        pusher.accept("node", [{"time_unix_ms": second}], 1000)
        pump_for(pusher, clock, 1)
    found = killed(tmp_path / "spool", tmp_path / "found")
    transport.answers = []
    after = make_pusher(spool=found)
    after.accept("device", [row(1000)], 1000)
    after.finish(60)
    pusher.finish(0)
    sent = [r["time_unix_ms"] for b in transport.sent if b.table == "device" for r in rows_of(b)]
    assert sent == [*range(99), 1000] or sent == [*range(100), 1000]
    names = [(batch.header.boot, batch.header.sequence) for batch in transport.sent]
    assert len(names) == len(set(names))
    assert after.health().batches_dropped == 1, "what the kill cost is counted"


def test_while_the_spool_is_emptied_new_rows_are_written_down_too(
    tmp_path: Path, clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    transport.answers = [NotReached("refused")] * 3
    pusher = make_pusher(spool=DirectorySpool(tmp_path / "spool", 1_000_000), every_seconds=2)
    for second in range(6):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    while transport.tries < 4:  # the first of several that wait was delivered
        clock.sleep(0.01)
        pusher.pump()
    assert len(transport.sent) == 1
    pusher.accept("device", [row(6)], 1000)
    clock.sleep(1)
    pusher.pump()
    found = killed(tmp_path / "spool", tmp_path / "found")
    after = make_pusher(spool=found)
    after.finish(60)
    pusher.finish(0)
    assert times(transport) == list(range(7))


def test_a_batch_that_reached_the_spool_and_stands_in_the_journal_has_one_name(
    tmp_path: Path, clock: Any, transport: FakeTransport, make_pusher: Any
) -> None:
    transport.answers = [NotReached("refused")] * 100
    spool = DirectorySpool(tmp_path / "spool", 1_000_000)
    pusher = make_pusher(spool=spool, every_seconds=5)
    for second in range(9):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    journal = (tmp_path / "spool/journal").read_bytes()
    pump_for(pusher, clock, 5)
    assert not (tmp_path / "spool/journal").exists()
    (tmp_path / "spool/journal").write_bytes(journal)  # killed just before it was removed
    found = killed(tmp_path / "spool", tmp_path / "found")
    transport.answers = []
    after = make_pusher(spool=found)
    after.finish(60)
    pusher.finish(0)
    taken: dict[tuple[str, int], Batch] = {}
    for batch in transport.sent:  # as the collector does: the first of a name counts
        taken.setdefault((batch.header.boot, batch.header.sequence), batch)
    assert len(taken) == len(transport.sent) - 1
    assert [r["time_unix_ms"] for b in taken.values() for r in rows_of(b)] == list(range(9))


def test_nothing_is_written_down_as_long_as_the_collector_answers(
    tmp_path: Path, clock: Any, make_pusher: Any
) -> None:
    pusher = make_pusher(spool=DirectorySpool(tmp_path / "spool", 1_000_000))
    before = sorted(path.name for path in (tmp_path / "spool").iterdir())
    for second in range(30):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
        assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == before
    pusher.finish(5)


# Against a real server over HTTP.


def real(url: str, spool: Any, clock: Any, said: list[str], token: Path | None = None) -> Pusher:
    return Pusher(
        CONFIG,
        HttpTransport(url, token),
        spool,
        every_seconds=1,
        clock=clock,
        say=said.append,
        backoff=Backoff(chance=lambda: 0.5),
        chance=lambda: 0.0,
    )


def test_what_arrives_is_what_was_read(
    clock: Any, collector: Any, said: list[str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    pusher = real(collector.url, MemorySpool(10_000), clock, said, token)
    pusher.accept("device", [row(1), {**row(2), "power_watts": 7.5, "busy_ratio": None}], 1000)
    pusher.finish(5)
    (batch,) = collector.received
    assert batch.table == "device"
    assert batch.header.sequence == 1
    assert batch.fields["Authorization"] == "Bearer secret"
    assert batch.rows == [
        {"time_unix_ms": 1, "device": "GPU-1", "up": 1, "power_watts": None},
        {"time_unix_ms": 2, "device": "GPU-1", "up": 1, "power_watts": 7.5},
    ]
    assert set(batch.rows[0]) <= set(TABLES["device"].columns)


def test_the_connection_is_kept(clock: Any, collector: Any, said: list[str]) -> None:
    pusher = real(collector.url, MemorySpool(10_000), clock, said)
    for second in range(10):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    assert len(collector.received) >= 9
    assert collector.connections == 1
    pusher.finish(5)


def test_nothing_is_lost_or_sent_twice_over_refusals_waits_and_an_absence(
    clock: Any, collector: Any, said: list[str], tmp_path: Path
) -> None:
    pusher = real(collector.url, DirectorySpool(tmp_path, 1_000_000), clock, said)
    collector.answers = [(204, {}), (503, {"Retry-After": "4"}), (500, {}), (400, {}), (429, {})]
    for second in range(60):
        pusher.accept("device", [row(second)], 1000)
        pump_for(pusher, clock, 1)
    pusher.finish(5)
    sequences = [batch.header.sequence for batch in collector.received]
    refused = set(range(1, max(sequences) + 1)) - set(sequences)
    assert len(refused) == 1, "the one that was answered with 400"
    assert sequences == sorted(set(sequences))
    assert pusher.health().batches_refused == 1
    assert len(list((tmp_path / "refused").glob("*.reason"))) == 1


def test_batches_spooled_by_an_agent_that_ended_arrive_from_the_next(
    clock: Any, collector: Any, said: list[str], tmp_path: Path
) -> None:
    gone = real("http://127.0.0.1:9", DirectorySpool(tmp_path, 1_000_000), clock, said)
    gone.accept("device", [row(1)], 1000)
    pump_for(gone, clock, 3)
    gone.accept("device", [row(2)], 1000)
    gone.finish(5)
    assert "http://127.0.0.1:9: Connection refused" in said[0]

    now = real(collector.url, DirectorySpool(tmp_path, 1_000_000), clock, said)
    now.accept("device", [row(3)], 1000)
    pump_for(now, clock, 3)
    now.finish(5)
    assert [batch.rows[0]["time_unix_ms"] for batch in collector.received] == [1, 2, 3]
    boots = [batch.header.boot for batch in collector.received]
    assert boots[0] == boots[1] != boots[2]
    assert [batch.header.sequence for batch in collector.received] == [1, 2, 1]


def test_a_disk_that_fails_again_and_again_is_said_once(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(push, "_DISK_SECONDS", 0.001)
    tries = threading.Semaphore(0)

    class Sick(Pusher):
        def pump(self) -> float:
            tries.release()
            raise OSError(5, "Input/output error")

    sink = PushSink(Sick(CONFIG, HttpTransport("http://127.0.0.1:9"), MemorySpool(1)), said.append)
    for _ in range(5):
        assert tries.acquire(timeout=30)
    sink.close()
    assert said == ["push: [Errno 5] Input/output error"]


def test_the_thread_sends_by_itself_and_ends(collector: Any, said: list[str]) -> None:
    pusher = Pusher(CONFIG, HttpTransport(collector.url), MemorySpool(10_000), every_seconds=0.01)
    sink = PushSink(pusher, said.append)
    sink.accept("device", [row()], 1000)
    sink.close()
    assert [batch.table for batch in collector.received] == ["device"]
    assert sink.health().spool_bytes == 0
    assert said == []
