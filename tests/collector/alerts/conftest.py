from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.wire import Header, Row, encode
from wattline_collector.receive.intake import Batch


@dataclass
class MovedClock:
    """Says what it was told; shared by the tests of a module."""

    now_ms: int = 0

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@dataclass
class Agent:
    """Makes the batches of one agent."""

    node: str
    system: str
    period_ms: int
    sequence: int = 0

    def batch(self, table: str, rows: Sequence[Row]) -> Batch:
        self.sequence += 1
        header = Header(self.system, self.node, "boot-1", self.sequence, self.period_ms)
        return Batch(table, header, encode(TABLES[table], rows))


@pytest.fixture(scope="module")
def module_clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="module")
def module_sender() -> Callable[..., Any]:
    return Agent
