"""Whatever order rows come in, and however they are split over bookings: the same books."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.booking import book
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS

HOUR = 3600
HOURS = 3
END = (HOURS + 2) * HOUR
_KEY = ("minute", "node", "device", "job", "account")
Rows = Mapping[str, list[Mapping[str, Any]]]


def _devices(telemetry: Any, dice: random.Random) -> list[str]:
    devices = [f"gpu{i}" for i in range(dice.choice([1, 2, 3]))]
    every = dice.choice([30, 60])
    for device in devices:
        node = "n2" if device == "gpu2" else "n1"
        telemetry.add("device_info", [_row(0, device=device)], node=node, period_ms=0)
        counts = dice.random() < 0.5
        joules, second, rows = dice.random() * 1e6, dice.uniform(0, 9), []
        while second <= HOURS * HOUR:
            joules += 300 * every
            rows.append(_row(
                second, device=device, up=1, power_watts=300.0,
                energy_joules_total=joules if counts else None,
                sm_active_ratio=0.8 if int(second / 1500) % 3 else 0.0,
            ))  # fmt: skip
            second += every + (dice.choice([400, 1500, 4000]) if dice.random() < 0.003 else 0)
        telemetry.add("device", rows, node=node, period_ms=every * 1000)
    return devices


def _row(second: float, **more: Any) -> dict[str, Any]:
    return {"time_unix_ms": 1_793_491_200_000 + round(second * 1000), **more}


def _job(telemetry: Any, dice: random.Random, job: str, devices: list[str]) -> None:
    start = dice.uniform(0, HOURS * HOUR - 100)
    end = start + dice.choice([30, 300, 1200, 4000, 9000])
    mine = dice.sample(devices, dice.randint(1, len(devices)))
    share = dice.choice([None, None, None, 0.5, 0.3])
    for method in dice.sample(["prolog", "slurm", "cgroup", "process", "job"], dice.randint(1, 3)):
        since = start + dice.choice([0, 2, 200])
        until = max(since + 10, end + dice.choice([0, -3, 200, 900]))
        for device in mine:
            said = {"device": device, "method": method, "share": share}
            for second in range(round(since) + 1, round(min(until, HOURS * HOUR)), 600):
                telemetry.assign(job, since, None, said_s=second, **said)
            if dice.random() < 0.7:
                telemetry.assign(job, since, until, said_s=until, **said)
            if dice.random() < 0.2:
                telemetry.assign(job, since, until + 50, said_s=until + 700, **said)
    if dice.random() < 0.5:
        telemetry.account(job, int(start), None, said_s=start + 60, state="running")
    if dice.random() < 0.5:
        telemetry.account(job, int(start), int(end), said_s=end + dice.choice([1, 60, 3000]))
    for node in dice.sample(["n1", "n2"], dice.randint(0, 2)):
        total, moment = 0, start + dice.choice([3, 60, 2000])
        rows: dict[float, dict[str, int]] = {}
        while moment < min(end, HOURS * HOUR):
            total += dice.randint(0, 1000)
            rows[moment] = {"tokens_trained_total": total}
            moment += dice.choice([60, 60, 60, 60, 2000])
        telemetry.counts(job, rows, node=node)


def _scenario(telemetry: Any, seed: int) -> Rows:
    dice = random.Random(seed)
    devices = _devices(telemetry, dice)
    for number in range(dice.choice([2, 4, 6])):
        _job(telemetry, dice, f"j{number}", devices)
    for state in dice.sample(["down", "drain", "maint"], dice.randint(0, 2)):
        start = int(dice.uniform(0, HOURS * HOUR))
        telemetry.node_state(state, start, None, said_s=start + 10)
        if dice.random() < 0.7:
            telemetry.node_state(state, start, start + 4000, said_s=start + 4010)
    latest = _row(END)["time_unix_ms"]
    sent = {
        table: [row for row in rows if row["time_unix_ms"] <= latest]
        for table, rows in telemetry.sent.items()
    }
    telemetry.sent = {}
    return sent


def _split(rows: Rows, dice: random.Random, *, in_order: bool) -> list[tuple[float, Any]]:
    """Batches with when they are booked: as time goes by with some late, or in no order at all."""
    cuts = [*sorted(dice.uniform(0, END) for _ in range(dice.choice([1, 3, 6]))), END]
    batches: list[dict[str, list[Any]]] = [{} for _ in cuts]
    for table, each in rows.items():
        for row in each:
            second = (row["time_unix_ms"] - _row(0)["time_unix_ms"]) / 1000
            place = next(i for i, cut in enumerate(cuts) if second <= cut)
            if not in_order or dice.random() < 0.1:
                place = dice.randint(place if in_order else 0, len(cuts) - 1)
            batches[place].setdefault(table, []).append(row)
    for batch in batches:
        for each in batch.values():
            dice.shuffle(each)
    return [(cut if in_order else END, batch) for cut, batch in zip(cuts, batches, strict=True)]


def _booked(telemetry: Any, path: Path, batches: list[tuple[float, Any]]) -> Books:
    mine = type(telemetry)(path)
    read = mine.read

    def once(table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """What was sent twice is read once, as a store does it."""
        key = ["system", "node", *TABLES[table].key, "time_unix_ms"]
        found: pl.DataFrame = read(table, start_ms, end_ms)
        return found.unique(key, keep="first", maintain_order=True)

    mine.read = once
    for second, batch in batches:
        for table, rows in batch.items():
            mine.sent.setdefault(table, []).extend(rows)
        touched = {
            ("test", row["time_unix_ms"] // HOUR_MS * HOUR_MS)
            for rows in batch.values()
            for row in rows
        }
        mine.take_dirty = lambda touched=touched: touched
        book(mine, until_ms=_row(second)["time_unix_ms"])
    return Books(path)


def _entries(books: Books, table: str) -> pl.DataFrame:
    parts = [books.minutes(table, hour) for hour in books.hours()]
    whole = pl.concat([ENTRIES[table].to_frame(), *(part for part in parts if part is not None)])
    keys = [name for name in _KEY if name in whole.columns]
    numbers = [name for name, type in whole.schema.items() if type == pl.Float64()]
    return whole.sort(keys, nulls_last=True).with_columns(pl.col(numbers).round(2))


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_split_give_the_same_books(
    telemetry: Any, tmp_path: Path, seed: int
) -> None:
    rows = _scenario(telemetry, seed)
    dice = random.Random(seed)
    at_once = _booked(telemetry, tmp_path / "once", [(END, rows)])
    assert audit(tmp_path / "once") == []
    seconds = _entries(at_once, "device").group_by("device").agg(pl.col("duration_ms").sum())
    assert set(seconds["duration_ms"]) == {END * 1000}
    counted: dict[tuple[str, str], int] = {}
    for row in rows.get("job", ()):
        series = (row["job"], row["node"])
        counted[series] = max(counted.get(series, 0), row["tokens_trained_total"])
    made = _entries(at_once, "job")["tokens_trained"].sum()
    assert made == sum(counted.values())
    for in_order in (True, False):
        name = f"in-order-{in_order}"
        later = _booked(telemetry, tmp_path / name, _split(rows, dice, in_order=in_order))
        assert audit(tmp_path / name) == []
        for table in ENTRIES:
            assert _entries(later, table).equals(_entries(at_once, table)), (name, table)
