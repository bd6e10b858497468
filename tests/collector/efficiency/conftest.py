from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.wire import Header, encode
from wattline_collector.access import STAFF
from wattline_collector.efficiency import evidence as known
from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.gather import Question
from wattline_collector.history import write_history
from wattline_collector.ledger import schema
from wattline_collector.ledger.booking import book
from wattline_collector.receive.intake import Intake
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, Shape
from wattline_collector.store.store import Store

START_MS = 1_793_491_200_000  # 2026-11-01T00:00Z, on the hour
MINUTE = 60_000


def _frame(of: pl.Schema, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    columns = {
        name: pl.Series([row.get(name) for row in rows], dtype=_loose(type))
        for name, type in of.items()
    }
    return pl.DataFrame(columns).cast(of)


def _loose(type: Any) -> Any:
    return pl.Int64 if type == schema.TIME else pl.String if isinstance(type, pl.Enum) else type


@dataclass
class Told:
    """Puts together what is known of a job, a minute at a time."""

    minutes: int = 60
    devices: int = 2

    def device_minute(self, device: int, minute: int, account: str = "busy", **more: Any) -> Any:
        return {
            "system": "test", "minute": START_MS + minute * MINUTE, "node": f"n{device // 4}",
            "device": f"gpu{device}", "job": "1", "account": account, "duration_ms": MINUTE,
            "energy_joules": 24_000.0, "energy_method": "counter", "energy_ms": MINUTE,
            "measured_ms": MINUTE, "sm_active_ms": 0.5 * MINUTE, "busy_measured_ms": MINUTE,
            "busy_ms": 0.9 * MINUTE, "power_max_watts": 500.0, "temperature_max_celsius": 60.0,
            "samples": 6, "samples_expected": 6.0,
        } | more  # fmt: skip

    def made_minute(self, minute: int, **more: Any) -> Any:
        return {"system": "test", "minute": START_MS + minute * MINUTE, "job": "1",
                "running_ms": MINUTE} | more  # fmt: skip

    def entries(self, **more: Any) -> pl.DataFrame:
        return self.device_frame(
            self.device_minute(device, minute, **more)
            for device in range(self.devices)
            for minute in range(self.minutes)
        )

    def device_frame(self, rows: Any) -> pl.DataFrame:
        return _frame(schema.DEVICE, list(rows))

    def node_frame(self, rows: Any) -> pl.DataFrame:
        return _frame(schema.NODE, list(rows))

    def made_frame(self, rows: Any) -> pl.DataFrame:
        return _frame(schema.JOB, list(rows))

    def frame(self, of: pl.Schema, *rows: Mapping[str, Any]) -> pl.DataFrame:
        return _frame(of, rows)

    def inventory(self, per_node: int = 4, model: str = "NVIDIA H100 80GB HBM3") -> pl.DataFrame:
        nodes = -(-self.devices // per_node)
        return _frame(
            known.DEVICES,
            [
                {"device": f"gpu{i}", "node": f"n{i // per_node}", "index": i % per_node,
                 "model": model, "scope": "gpu"}
                for i in range(nodes * per_node)
            ],
        )  # fmt: skip

    def evidence(self, **more: Any) -> Evidence:
        end = START_MS + self.minutes * MINUTE
        usual: dict[str, Any] = {
            "system": "test", "job": "1", "start_ms": START_MS, "end_ms": end, "now_ms": end,
            "as_of_ms": end, "device": self.entries(), "devices": self.inventory(),
            "about": {"start_ms": START_MS, "end_ms": end, "state": "completed",
                      "kind": "training", "name": "train", "user": "anna"},
        }  # fmt: skip
        return Evidence(**(usual | more))


@pytest.fixture
def told() -> Callable[..., Told]:
    return Told


@pytest.fixture
def start_ms() -> int:
    return START_MS


PRESENT_MS = 1_795_000_000_000 // DAY_MS * DAY_MS + 7 * HOUR_MS


@pytest.fixture(scope="session")
def factory() -> Schedule:
    return plan(Shape.living(nodes=3, devices=8, seed=11, present_ms=PRESENT_MS, history_ms=DAY_MS))


@pytest.fixture(scope="session")
def factory_store(factory: Schedule, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A day of a simulated factory, sent and booked the way live data goes."""
    path = tmp_path_factory.mktemp("factory")
    with Store.open(path, write=True) as store:
        write_history(store, factory, factory.shape.start_ms, PRESENT_MS)
        book(store, until_ms=PRESENT_MS)
    yield path


@pytest.fixture
def ask() -> Callable[..., Question]:
    def ask(id: str, **more: Any) -> Question:
        usual: dict[str, Any] = {"id": id, "viewer": STAFF, "now_ms": PRESENT_MS}
        return Question(**(usual | more))

    return ask


@pytest.fixture
def send() -> Callable[..., None]:
    """Sends rows to a store as an agent or a reader would, seals and books them."""

    def send(path: Path, *batches: tuple[str, Sequence[Mapping[str, Any]]], until_ms: int) -> None:
        with Store.open(path, write=True) as store:
            intake = Intake(store)
            for number, (table, rows) in enumerate(batches, start=1):
                period = 60_000 if table in ("device", "node", "job") else 0
                header = Header("test", "n0", f"boot-{until_ms}", number, period)
                assert intake.accept(table, header, encode(TABLES[table], rows))
            store.commit()
            store.seal()
            book(store, until_ms=until_ms)

    return send
