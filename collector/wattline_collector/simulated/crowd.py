"""The agents of many simulated nodes in one process: one thread reads, a few send.

A thread or two for each node would do for a hundred; a thousand nodes need thousands of threads,
which cost more in switching than the nodes cost in reading.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wattline_agents.agent import Agent
from wattline_agents.clock import Clock
from wattline_agents.config import AgentConfig
from wattline_agents.sinks.push import Pusher
from wattline_agents.sinks.sink import Health
from wattline_agents.sinks.spool import MemorySpool
from wattline_collector.simulated.node import FactoryNode
from wattline_collector.simulated.schedule import Schedule

if TYPE_CHECKING:
    from wattline_agents.sinks.transport import Transport
    from wattline_agents.wire import Row

SENDERS = 8
"""Enough to wait for a collector's group commits at once, and few enough to cost nothing."""
_SPOOL_BYTES = 4 * 1024 * 1024
_SILENT_WAIT_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 0.5
"""How soon a sender notices that there is something new, or that all is over."""


class _Pushed:
    """Hands rows to a pusher that a sender pumps."""

    def __init__(self, pusher: Pusher) -> None:
        self.pusher = pusher

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        self.pusher.accept(table, rows, period_ms)

    def health(self) -> Health:
        return self.pusher.health()

    def close(self) -> None:
        """The sender ends it."""


@dataclass(slots=True)
class _Node:
    number: int
    config: AgentConfig
    agent: Agent | None = None
    pusher: Pusher | None = None
    is_quiet: bool = False


@dataclass(slots=True)
class _Sender:
    """The pushers one thread looks after, by when they are due."""

    due: list[tuple[float, int, Pusher]] = field(default_factory=list)
    leaving: list[Pusher] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Crowd:
    """All agents of a factory."""

    def __init__(
        self,
        schedule: Schedule,
        configs: Sequence[AgentConfig],
        transport: Callable[[], Transport],
        clock: Clock,
        say: Callable[[str], None],
        push_every_seconds: float,
    ) -> None:
        """Prepare; `run` plays.

        Args:
            schedule: Of the factory.
            configs: One of each node, in order.
            transport: Makes a connection to the collector; each node has its own.
            clock: Where time comes from.
            say: Takes the few lines meant for a person.
            push_every_seconds: How much time one batch holds.
        """
        self._schedule, self._clock, self._say = schedule, clock, say
        self._transport, self._every = transport, push_every_seconds
        self._nodes = [_Node(number, config) for number, config in enumerate(configs)]
        self._senders = [_Sender() for _ in range(min(SENDERS, len(configs)))]
        self._stop = threading.Event()

    def run(self, until: Callable[[], bool]) -> None:
        """Play until told to end, then send what is left.

        Args:
            until: Asked between readings; true ends it.
        """
        threads = [
            threading.Thread(target=self._send, args=(sender,), name=f"send {number}")
            for number, sender in enumerate(self._senders)
        ]
        for thread in threads:
            thread.start()
        try:
            self._read(until)
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _read(self, until: Callable[[], bool]) -> None:
        now = self._clock.monotonic()
        due = [(now, node.number) for node in self._nodes]
        while due and not until():
            at, number = due[0]
            wait = at - self._clock.monotonic()
            if wait > 0:
                self._clock.sleep(min(wait, _LONGEST_WAIT_SECONDS))
                continue
            seconds = self._play(self._nodes[number])
            heapq.heapreplace(due, (self._clock.monotonic() + seconds, number))
        for node in self._nodes:
            self._leave(node)

    def _play(self, node: _Node) -> float:
        """Let a node's agent do what is due; returns the seconds until there is more."""
        now_ms = self._clock.unix_ms()
        silence = self._schedule.silence(node.number, now_ms)
        if silence is None:
            node.is_quiet = False
            if node.agent is None:
                self._join(node)
            return node.agent.step() if node.agent is not None else 0.0
        if not node.is_quiet:
            if node.agent is None:
                # A collector that started since does not know of the node, and could not miss it.
                source, pusher = self._join(node)
                at_ms = silence.start_ms
                period_ms = round(node.config.period_seconds * 1000)
                for table, rows in (source.read(at_ms) | source.describe(at_ms)).items():
                    pusher.accept(table, rows, period_ms)
            self._leave(node)
            node.is_quiet = True
        return _SILENT_WAIT_SECONDS

    def _join(self, node: _Node) -> tuple[FactoryNode, Pusher]:
        source = FactoryNode(self._schedule, node.number, node.config.period_seconds)

        def say(message: str) -> None:
            self._say(f"{node.config.node}: {message}")

        pusher = Pusher(
            node.config,
            self._transport(),
            MemorySpool(_SPOOL_BYTES),
            every_seconds=self._every,
            clock=self._clock,
            say=say,
        )
        node.pusher = pusher
        node.agent = Agent(node.config, [source], [_Pushed(pusher)], self._clock, say=say)
        sender = self._sender_of(node)
        with sender.lock:
            heapq.heappush(sender.due, (self._clock.monotonic(), id(pusher), pusher))
        return source, pusher

    def _leave(self, node: _Node) -> None:
        if node.agent is None or node.pusher is None:
            return
        node.agent.close()
        sender = self._sender_of(node)
        with sender.lock:
            sender.leaving.append(node.pusher)
        node.agent = node.pusher = None

    def _sender_of(self, node: _Node) -> _Sender:
        return self._senders[node.number % len(self._senders)]

    def _send(self, sender: _Sender) -> None:
        while True:
            # Asked first: what left before the end was told is then surely in the list.
            over = self._stop.is_set()
            with sender.lock:
                leaving, sender.leaving = sender.leaving, []
                gone = {id(pusher) for pusher in leaving}
                sender.due = [one for one in sender.due if one[1] not in gone]
                heapq.heapify(sender.due)
            for pusher in leaving:
                pusher.finish(1.0)
            if over:
                return
            now = self._clock.monotonic()
            with sender.lock:
                is_due = bool(sender.due) and sender.due[0][0] <= now
                first = heapq.heappop(sender.due)[2] if is_due else None
                next_at = sender.due[0][0] if sender.due else now + _LONGEST_WAIT_SECONDS
            if first is None:
                self._stop.wait(min(max(0.0, next_at - now), _LONGEST_WAIT_SECONDS))
                continue
            seconds = first.pump()
            with sender.lock:
                heapq.heappush(sender.due, (self._clock.monotonic() + seconds, id(first), first))
