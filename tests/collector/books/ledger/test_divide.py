from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger import chunks
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.divide import divide
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS

HOUR = 3600
HOURS = 4
START_MS = 1_793_491_200_000
END_MS = START_MS + HOURS * HOUR_MS


@pytest.fixture
def factory(telemetry: Any) -> Any:
    """Four nodes: a device is moved, one is silent for hours, two share a meter, one goes away."""

    def info(name: str, node: str, second: float = 0, **more: object) -> None:
        row = {"time_unix_ms": START_MS + round(second * 1000), "device": name, **more}
        telemetry.add("device_info", [row], node=node, period_ms=0)

    def read(name: str, node: str, first_s: float, last_s: float, **more: Any) -> None:
        before = len(telemetry.sent.get("device", []))
        telemetry.samples(
            name, first_s=first_s, last_s=last_s, every_s=30, sm_active_ratio=0.6, **more
        )
        for row in telemetry.sent["device"][before:]:
            row["node"] = node

    for place, node in enumerate(("n1", "n2", "n3", "n4")):
        row = {"time_unix_ms": START_MS, "rack": "r"}
        telemetry.add("node_info", [row], node=node, period_ms=0)
        power = [
            {"time_unix_ms": START_MS + second * 1000, "power_watts": 900.0 + place}
            for second in range(0, HOURS * HOUR, 60)
        ]
        telemetry.add("node", power, node=node, period_ms=60_000)
    info("d1", "n1")
    read("d1", "n1", 0, HOURS * HOUR, counter=lambda s: 300 * s)
    # Moved from the first node to the third within an hour.
    info("d2", "n1")
    read("d2", "n1", 0, 1.4 * HOUR, counter=lambda s: 200 * s)
    info("d2", "n3", 1.5 * HOUR)
    read("d2", "n3", 1.5 * HOUR, HOURS * HOUR, counter=lambda s: 250 * s)
    # Silent from one hour to the next but one, and nobody announced it.
    read("d3", "n2", 0, 0.7 * HOUR, counter=lambda s: 100 * s)
    read("d3", "n2", 2.8 * HOUR, HOURS * HOUR, counter=lambda s: 100 * s)
    for name, watts in (("d4", 500.0), ("d5", None)):
        info(name, "n3", module="m")
        read(name, "n3", 0, HOURS * HOUR, watts=watts)
    info("d6", "n4")
    read("d6", "n4", 0, 1.2 * HOUR)
    info("d6", "n4", 1.2 * HOUR, installed_until_unix_ms=START_MS + round(1.2 * HOUR_MS))
    telemetry.assign("a", 600, 3 * HOUR, device="d1")
    telemetry.assign("a", 600, 3 * HOUR, device="d4")
    telemetry.assign("b", 0.5 * HOUR, 2 * HOUR, device="d2")
    made = [
        {"time_unix_ms": START_MS + second * 1000, "job": "a", "tokens_trained_total": 7 * second}
        for second in range(600, 3 * HOUR, 60)
    ]
    telemetry.add("job", made, node="n1", period_ms=60_000)
    return telemetry


def test_an_hour_booked_part_by_part_is_the_same_as_booked_at_once(
    factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MOST_PIECES", 1)
    whole = _all(factory.book(HOURS * HOUR))
    assert whole["job"].height and whole["holes"].height
    monkeypatch.setattr(chunks, "MOST_SAMPLES", 1)
    factory.path = factory.path / "again"
    divided: list[int] = []
    monkeypatch.setattr("wattline_collector.ledger.divide.divide", _counting(divided))
    parts = _all(factory.book(HOURS * HOUR))
    assert max(divided) > 3
    assert audit(factory.path) == []
    for name, frame in whole.items():
        assert frame.equals(parts[name]), name


def test_a_running_hour_is_booked_part_by_part_again_and_again(
    factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _all(factory.book(HOURS * HOUR))
    monkeypatch.setattr(chunks, "MOST_PIECES", 1)
    monkeypatch.setattr(chunks, "MOST_SAMPLES", 1)
    factory.path = factory.path / "again"
    for second in range(HOUR // 2, HOURS * HOUR + 1, HOUR // 2):
        books = factory.book(second)
    parts = _all(books)
    for table in ENTRIES:
        assert whole[table].equals(parts[table]), table


def test_a_device_that_was_moved_is_in_the_part_of_its_new_node_alone(factory: Any) -> None:
    window = Window(START_MS, START_MS + 2 * HOUR_MS, 900_000, END_MS)
    books = Books(factory.path)
    parts = divide(factory, books, "test", window, 1)
    assert [(part.first, part.until) for part in parts] == [
        (None, "n2"), ("n2", "n3"), ("n3", "n4"), ("n4", None),
    ]  # fmt: skip
    rows = factory.rows("device", 0, 2**62, ("node", "device", "time_unix_ms"))
    seen = [rows.filter(part.devices())["device"].unique().sort().to_list() for part in parts]
    assert seen == [["d1"], ["d3"], ["d2", "d4", "d5"], ["d6"]]
    assert rows.filter(parts[2].devices() & (pl.col("device") == "d2"))["node"].n_unique() == 2
    assert [part.leads for part in parts] == [True, False, False, False]
    assert set(books.inventory.filter(pl.col("kind") == "device")["key"]) >= {"d2", "d3"}


def test_nodes_are_put_together_as_far_as_there_is_room(factory: Any) -> None:
    window = Window(START_MS, START_MS + HOUR_MS, 900_000, END_MS)
    assert len(divide(factory, Books(factory.path), "test", window, 10**9)) == 1
    few = divide(factory, Books(factory.path), "test", window, 500)
    assert 1 < len(few) < 4


@pytest.mark.parametrize(
    ("pieces", "hours", "minutes", "too_large"),
    [
        (2_000_000, 1, 60, True),
        (1_700_000, 1, 1, False),
        (1_500_000, 1, 60, False),
        (4_000_000, 2, 120, False),
    ],
)
def test_what_is_too_large_for_memory_is_told_by_what_there_is_so_far(
    pieces: int, hours: int, minutes: int, too_large: bool
) -> None:
    named = tuple(Hour("s", START_MS + hour * HOUR_MS) for hour in range(hours))
    chunk = chunks.Chunk("s", named, pieces)
    assert chunk.is_too_large(START_MS + minutes * 60_000) is too_large


def _counting(counts: list[int]) -> Any:
    def counted(*asked: Any) -> Any:
        parts = divide(*asked)
        counts.append(len(parts))
        return parts

    return counted


def _all(books: Any) -> dict[str, pl.DataFrame]:
    found = {table: books.read(table, START_MS, END_MS) for table in ENTRIES}
    controls = [books.control(hour) for hour in books.hours()]
    return found | {
        "control": pl.concat(controls), "holes": books.holes, "inventory": books.inventory,
    }  # fmt: skip
