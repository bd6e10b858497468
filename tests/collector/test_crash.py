"""The real collector process, killed at any moment: what was answered is there, once."""

from __future__ import annotations

import http.client
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.wire import Header, Row, encode
from wattline_collector.store.store import Store

ROUNDS = 5
SENDERS = 4
ROWS = 3


class Collector:
    """A collector process."""

    def __init__(self, store: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "wattline_agents.cli", "collector", "--store", str(store),
                "--listen", "127.0.0.1:0", *options,
            ],
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self.process.stderr is not None
        self.said = [self.process.stderr.readline()]
        assert self.said[0].startswith("collector: http://"), self.said
        self.address = self.said[0].split()[1].removeprefix("http://")
        self.token = (store / "tokens" / "write").read_text().strip()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=20)
        self.said += rest.splitlines()
        return self.process.returncode


@pytest.fixture
def start() -> Iterator[Callable[..., Collector]]:
    started: list[Collector] = []

    def start(store: Path, *options: str) -> Collector:
        started.append(Collector(store, *options))
        return started[-1]

    yield start
    for collector in started:
        if collector.process.poll() is None:
            collector.process.kill()
            collector.process.communicate()


@dataclass
class Agent:
    """Sends batches in order, each until it is answered, and remembers which were."""

    node: str
    now_ms: int
    sent: int = 0
    acknowledged: set[int] = field(default_factory=set)

    def body(self, sequence: int) -> bytes:
        rows: list[Row] = [
            {
                "time_unix_ms": self.now_ms + sequence,
                "device": f"GPU-{self.node}-{place}",
                "power_watts": sequence * 1000.0 + place,
            }
            for place in range(ROWS)
        ]
        return encode(TABLES["device"], rows)

    def send(self, collector: Collector, sequences: Iterator[int]) -> None:
        """Send until the collector is gone or there is nothing to send."""
        connection = http.client.HTTPConnection(collector.address, timeout=20)
        try:
            for sequence in sequences:
                self.sent = max(self.sent, sequence)
                header = Header("sys", self.node, "boot", sequence, 1000)
                fields = header.to_http() | {"Authorization": f"Bearer {collector.token}"}
                connection.request("POST", "/v1/batches/device", self.body(sequence), fields)
                response = connection.getresponse()
                response.read()
                if response.status == 204:
                    self.acknowledged.add(sequence)
                else:
                    assert response.status == 503
        except (OSError, http.client.HTTPException):
            pass  # killed; what was not answered is sent again in the next round
        finally:
            connection.close()


def counting(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


def again(agent: Agent, chance: random.Random) -> Iterator[int]:
    """All that was never answered, some that was, then new ones."""
    old = [n for n in range(1, agent.sent + 1) if n not in agent.acknowledged]
    old += chance.sample(sorted(agent.acknowledged), min(10, len(agent.acknowledged)))
    yield from old
    yield from counting(agent.sent + 1)


def rows_on_disk(store: Path) -> int:
    """Counted before any dedupe: a sealed store's files only."""
    return sum(pl.read_parquet(path).height for path in (store / "raw").rglob("*.parquet"))


def test_killed_at_any_moment_every_answered_batch_is_there_exactly_once(
    tmp_path: Path, start: Callable[..., Collector]
) -> None:
    store = tmp_path / "store"
    chance = random.Random(20261121)
    now_ms = time.time_ns() // 1_000_000 - 3_600_000
    agents = [Agent(f"n{number}", now_ms) for number in range(SENDERS)]
    for _ in range(ROUNDS):
        collector = start(store, "--seal-every", "0.02", "--book-every", "3600")
        threads = [
            threading.Thread(target=agent.send, args=(collector, again(agent, chance)))
            for agent in agents
        ]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.05, 0.6))
        assert collector.end(signal.SIGKILL) == -signal.SIGKILL
        for thread in threads:
            thread.join()

    collector = start(store, "--seal-every", "3600")
    for agent in agents:  # everything once more, answered or not
        agent.send(collector, iter(range(1, agent.sent + 1)))
        assert agent.acknowledged == set(range(1, agent.sent + 1))
    assert collector.end(signal.SIGTERM) == 0
    assert len(collector.said) == 1, collector.said  # recovery found nothing damaged

    total = sum(agent.sent for agent in agents)
    assert total > 50
    with Store.open(store, write=True) as opened:
        opened.seal()
        rows = opened.read("device", 0, 2**62)
    expected = {
        (agent.node, now_ms + sequence, sequence * 1000.0 + place)
        for agent in agents
        for sequence in range(1, agent.sent + 1)
        for place in range(ROWS)
    }
    assert set(rows.select("node", "time_unix_ms", "power_watts").iter_rows()) == expected
    assert rows.height == rows_on_disk(store) == total * ROWS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_ends_well(
    tmp_path: Path, start: Callable[..., Collector], number: signal.Signals
) -> None:
    collector = start(tmp_path / "store")
    assert collector.end(number) == 0
    assert collector.said[0].endswith(f"(store {tmp_path / 'store'})\n")
    assert len(collector.said) == 1


def test_a_second_collector_on_one_store_says_who_has_it(
    tmp_path: Path, start: Callable[..., Collector]
) -> None:
    collector = start(tmp_path / "store")
    second = subprocess.run(
        [
            sys.executable, "-m", "wattline_agents.cli", "collector", "--store",
            str(tmp_path / "store"), "--listen", "127.0.0.1:0",
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )  # fmt: skip
    assert second.returncode == 2
    assert second.stderr.splitlines() == [
        f"wattline: {tmp_path / 'store'} is being written by process {collector.process.pid}; "
        "end it first, or send batches to it over HTTP"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--listen", "8600"], "--listen: '8600' is not HOST:PORT"),
        (["--listen", "300.1.1.1:1"], "--listen: 300.1.1.1:1: "),
        (["--book-every", "0"], "--book-every and --seal-every must be more than nought"),
    ],
)
def test_a_wrong_option_is_named_in_one_line(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from wattline_agents.cli import main

    assert main(["collector", "--store", str(tmp_path / "store"), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"wattline: {message}")
