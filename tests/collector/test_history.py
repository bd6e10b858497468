from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES
from wattline_collector.history import write_history
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.booking import book
from wattline_collector.ledger.books import Books
from wattline_collector.simulated.faults import Fault
from wattline_collector.simulated.node import FactoryNode
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, MINUTE_MS, Shape
from wattline_collector.simulated.truth import Truth, truth
from wattline_collector.store.store import Store

PRESENT_MS = 1_795_000_000_000 // DAY_MS * DAY_MS + 7 * HOUR_MS
DAYS = 2
NODES = 4


@pytest.fixture(scope="module")
def factory() -> Schedule:
    return plan(
        Shape.living(
            nodes=NODES, devices=8, seed=11, present_ms=PRESENT_MS, history_ms=DAYS * DAY_MS
        )
    )


@pytest.fixture(scope="module")
def store(factory: Schedule, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with the factory's history, booked."""
    path = tmp_path_factory.mktemp("factory")
    with Store.open(path, write=True) as opened:
        write_history(opened, factory, factory.shape.start_ms, PRESENT_MS)
        book(opened, until_ms=PRESENT_MS)
    yield path


@pytest.fixture(scope="module")
def happened(factory: Schedule) -> Truth:
    return truth(factory, factory.shape.start_ms, PRESENT_MS)


def entries(store: Path, table: str) -> pl.DataFrame:
    return Books(store).read(table, PRESENT_MS - DAYS * DAY_MS, PRESENT_MS)


def by_account(store: Path, column: str) -> dict[str, float]:
    sums = entries(store, "device").group_by("account").agg(pl.col(column).sum())
    return dict(sums.iter_rows())


def test_the_books_find_the_seconds_of_every_account(store: Path, happened: Truth) -> None:
    found = by_account(store, "duration_ms")
    for account in ("busy", "slowed", "held", "free", "down"):
        assert found[account] == pytest.approx(happened.duration_ms[account], rel=0.005)


def test_the_books_find_the_energy_of_every_account(store: Path, happened: Truth) -> None:
    found = by_account(store, "energy_joules")
    for account in ("busy", "slowed", "held", "free"):
        assert found[account] == pytest.approx(happened.energy_joules[account], rel=0.005)


def test_the_books_find_the_energy_of_every_node(
    factory: Schedule, store: Path, happened: Truth
) -> None:
    sums = entries(store, "node").group_by("node").agg(pl.col("energy_joules").sum())
    found = dict(sums.iter_rows())
    used = dict(happened.node_energy_joules)
    # Nobody knows the energy of a silence that lasts; of one that ended, the counter does.
    for node in range(NODES):
        if factory.silence(node, PRESENT_MS - 1) is not None:
            name = factory.shape.node_name(node)
            assert 0 < found.pop(name) < used.pop(name)
    assert found == pytest.approx(used, rel=0.005)
    assert len(found) == NODES - 1


@pytest.mark.parametrize("kind", ["trained", "prompt", "prompt_cached", "generated"])
def test_the_books_find_the_tokens_of_every_job(store: Path, happened: Truth, kind: str) -> None:
    sums = entries(store, "job").group_by("job").agg(pl.col(f"tokens_{kind}").sum())
    found = {job: tokens for job, tokens in sums.iter_rows() if tokens}
    column = f"tokens_{kind}_total"
    made = {job: tokens[column] for job, tokens in happened.tokens.items() if tokens.get(column)}
    assert found == pytest.approx(made, rel=0.005)
    assert made


def test_every_device_second_is_in_the_books_once(store: Path) -> None:
    found = by_account(store, "duration_ms")
    assert sum(found.values()) == NODES * 8 * DAYS * DAY_MS
    assert audit(store) == []


def test_a_silent_node_is_unobserved_and_not_idle(factory: Schedule, store: Path) -> None:
    outage = next(
        o for o in factory.faults.outages if o.fault is Fault.SILENT and o.end_ms < PRESENT_MS
    )
    node = factory.shape.node_name(outage.node)
    silent = Books(store).read("device", outage.start_ms, outage.end_ms)
    found = dict(
        silent.filter(pl.col("node") == node)
        .group_by("account")
        .agg(pl.col("duration_ms").sum())
        .iter_rows()
    )
    whole = 8 * (outage.end_ms - outage.start_ms)
    assert sum(found.values()) == whole
    # What was said last, that a job holds the devices, is believed for a minute and a half.
    assert found["unobserved"] >= whole - 8 * 90_000
    assert "free" not in found
    assert "held" not in found


def test_a_lost_device_is_down_and_the_rest_of_its_node_is_not(
    factory: Schedule, store: Path
) -> None:
    outage = next(
        o for o in factory.faults.outages if o.fault is Fault.LOST and o.end_ms < PRESENT_MS
    )
    assert outage.device is not None
    down = Books(store).read("device", outage.start_ms, outage.end_ms)
    accounts = dict(
        down.filter(pl.col("node") == factory.shape.node_name(outage.node))
        .group_by("device")
        .agg(pl.col("account").cast(pl.String).unique())
        .iter_rows()
    )
    name = factory.device_names[outage.device]
    assert accounts.pop(name) == ["down"]
    assert not any("down" in others for others in accounts.values())


def test_history_and_live_agents_read_the_same_at_the_same_moment(
    factory: Schedule, store: Path
) -> None:
    at_ms = PRESENT_MS - 5 * HOUR_MS
    with Store.open(store, write=False) as opened:
        for node in range(NODES):
            live = FactoryNode(factory, node, 60.0)
            live.read(at_ms - MINUTE_MS)
            readings = live.read(at_ms)
            for table in ("device", "node", "job"):
                key = [*TABLES[table].key]
                stored = opened.read(table, at_ms, at_ms + 1).filter(
                    pl.col("node") == factory.shape.node_name(node)
                )
                expected = {
                    tuple(row[name] for name in key): row for row in readings.get(table, [])
                }
                found: dict[Any, Any] = {
                    tuple(row[name] for name in key): row for row in stored.to_dicts()
                }
                assert found.keys() == expected.keys()
                for subject, row in expected.items():
                    numbers = {n: v for n, v in row.items() if not isinstance(v, str)}
                    same = {name: found[subject][name] for name in numbers}
                    assert same == pytest.approx(numbers, rel=1e-9, abs=1e-9)
                    assert all(
                        found[subject][name] is None
                        for name in TABLES[table].columns
                        if name not in row
                    )


def test_written_again_it_changes_nothing(factory: Schedule, tmp_path: Path) -> None:
    start_ms, end_ms = PRESENT_MS - 2 * HOUR_MS, PRESENT_MS
    with Store.open(tmp_path, write=True) as opened:
        rows = write_history(opened, factory, start_ms, end_ms)
        assert rows > 0
        assert write_history(opened, factory, start_ms, end_ms) == 0


def test_two_stretches_make_the_same_rows_as_one(factory: Schedule, tmp_path: Path) -> None:
    start_ms, middle_ms, end_ms = PRESENT_MS - 3 * HOUR_MS, PRESENT_MS - 90_000 * 40, PRESENT_MS
    with (
        Store.open(tmp_path / "one", write=True) as one,
        Store.open(tmp_path / "two", write=True) as two,
    ):
        write_history(one, factory, start_ms, end_ms)
        write_history(two, factory, start_ms, middle_ms)
        write_history(two, factory, middle_ms, end_ms)
        for table in ("device", "node", "job"):
            rows = [found.read(table, start_ms, end_ms + 1) for found in (one, two)]
            assert rows[0].equals(rows[1])
            assert rows[0].height > 0


def test_progress_is_told_day_by_day(factory: Schedule, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with Store.open(tmp_path, write=True) as opened:
        write_history(
            opened,
            factory,
            PRESENT_MS - 9 * HOUR_MS,
            PRESENT_MS,
            lambda done, total: told.append((done, total)),
        )
    assert told == [(1, 2), (2, 2)]
