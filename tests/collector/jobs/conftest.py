from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.wire import Header, Row, encode
from wattline_collector.jobs.accounts import Typed, accounts
from wattline_collector.jobs.condense import ACCOUNTED, merge_accounting
from wattline_collector.receive.intake import Intake
from wattline_collector.store.store import Store

NOW_MS = 1_793_534_400_000  # 2026-11-01T12:00Z
SYSTEM = "sys"


@dataclass
class Clock:
    now_ms: int = NOW_MS

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


def _records(*rows: Mapping[str, str | None]) -> pl.DataFrame:
    """A frame of records as readers make them."""
    columns = sorted({name for row in rows for name in row})
    frame = pl.DataFrame(
        {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in columns}
    )
    return frame.with_columns(line=pl.Series(range(1, len(rows) + 1), dtype=pl.Int64))


def _record(**more: str | None) -> dict[str, str | None]:
    """A job that ran for an hour, two hours ago."""
    return {
        "job_raw": "100", "job_id": "100", "state": "COMPLETED", "submit": "2026-11-01T09:59:00",
        "start": "2026-11-01T10:00:00", "end": "2026-11-01T11:00:00", "nodes": "1", "cpus": "8",
        "node_list": "gpu00", "tres_allocated": "cpu=8,mem=4G,node=1,gres/gpu=2", **more,
    }  # fmt: skip


def _typed(*rows: Mapping[str, str | None], zone: str = "UTC", steps: bool = True) -> Typed:
    return accounts(_records(*rows), zone, NOW_MS, steps=steps)


def _one(*rows: Mapping[str, str | None], zone: str = "UTC") -> dict[str, Any]:
    """The only job of some records, without what is null."""
    found = _typed(*rows, zone=zone)
    assert found.damaged == []
    [row] = found.rows.to_dicts()
    return {name: value for name, value in row.items() if value is not None}


@dataclass
class Kept:
    """A store that takes in what a follower says."""

    store: Store
    clock: Any
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(self.store)

    def take(self, batches: Sequence[Any]) -> int:
        """Take batches in; how many rows were new."""
        before = self.intake.accepted_rows
        for result in self.intake.accept_many(batches):
            assert result is True, result
        self.store.commit()
        return self.intake.accepted_rows - before

    def say(self, table: str, rows: Sequence[Row], node: str = "gpu00") -> None:
        """Have an agent say something."""
        header = Header(SYSTEM, node, "agent", self.intake.accepted_batches + 1, 0)
        assert self.intake.accept(table, header, encode(TABLES[table], rows))
        self.store.commit()

    def devices(self, *nodes: str, count: int = 4) -> None:
        """Have agents say who their devices are."""
        for node in nodes:
            self.say(
                "device_info",
                [
                    {"time_unix_ms": self.clock.unix_ms() - 1000, "device": f"{node}-{minor}",
                     "index": minor, "minor": minor}
                    for minor in range(count)
                ],
                node,
            )  # fmt: skip

    def read(self, table: str) -> pl.DataFrame:
        return self.store.read(table, 0, 2**62)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """What is known of every job by its key."""
        frame = merge_accounting(ACCOUNTED.to_frame(), self.read("accounting"))
        return {row["job"]: row for row in frame.to_dicts()}


@pytest.fixture
def record() -> Callable[..., dict[str, str | None]]:
    return _record


@pytest.fixture
def typed() -> Callable[..., Typed]:
    return _typed


@pytest.fixture
def one() -> Callable[..., dict[str, Any]]:
    return _one


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the test's store, with the clock it is given."""
    opened: list[Store] = []

    def keep(clock: Any) -> Kept:
        for store in opened:
            store.close()
        opened[:] = [Store.open(tmp_path / "store", write=True, clock=clock)]
        return Kept(opened[0], clock)

    yield keep
    for store in opened:
        store.close()


@pytest.fixture
def kept(keep: Callable[..., Any], clock: Clock) -> Any:
    return keep(clock)
