from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import InputError
from wattline_collector.kpi.controls import NODES, Controls
from wattline_collector.kpi.view import load
from wattline_collector.ledger.books import Books

HOUR = 3600


@pytest.fixture
def books(telemetry: Any) -> Books:
    """Three and a half hours of a node with a device, and of a system that stopped after one."""
    telemetry.device()
    telemetry.samples(last_s=3.5 * HOUR, counter=lambda s: 400 * s)
    telemetry.add(
        "node",
        [{"time_unix_ms": s * 1000 + _start(telemetry), "energy_joules_total": 900.0 * s}
         for s in range(0, 12_601, 10)],
    )  # fmt: skip
    telemetry.system = "gone"
    telemetry.device("gpu9")
    telemetry.samples("gpu9", last_s=HOUR, counter=lambda s: 100 * s)
    telemetry.system = "test"
    found = telemetry.book(3.5 * HOUR)
    assert isinstance(found, Books)
    return found


def _start(telemetry: Any) -> int:
    return int(telemetry.sent["device_info"][0]["time_unix_ms"])


def _both(books: Books, start_ms: int, end_ms: int) -> list[Controls]:
    at_hand = books.controls(start_ms - HOUR * 1000 + 1, end_ms)
    return [Controls.of_books(books, start_ms, end_ms), Controls.of_frame(at_hand)]


def test_hours_are_those_that_the_period_touches(books: Books, start_ms: int) -> None:
    low, high = start_ms + HOUR * 1500, start_ms + HOUR * 2500
    for controls in _both(books, low, high):
        mine = controls.only("test").hours
        assert [hour.start_ms for hour in mine] == [start_ms + HOUR * 1000, start_ms + HOUR * 2000]


def test_nodes_are_read_without_devices_and_jobs(books: Books, start_ms: int) -> None:
    for controls in _both(books, start_ms, start_ms + 4 * HOUR * 1000):
        nodes = controls.only("test").nodes
        assert nodes.columns == list(NODES)
        assert nodes["node"].to_list() == ["n1"] * 4
        assert nodes["energy_joules"].sum() == pytest.approx(900 * 3.5 * HOUR)


def test_each_system_has_books_as_far_as_its_newest_hour_has(books: Books, start_ms: int) -> None:
    for controls in _both(books, start_ms, start_ms + 4 * HOUR * 1000):
        until = dict(controls.booked_until.iter_rows())
        assert until["test"] == start_ms + round(3.5 * HOUR * 1000)
    for controls in _both(books, start_ms, start_ms + HOUR * 1000):
        assert dict(controls.booked_until.iter_rows())["test"] == start_ms + HOUR * 1000


def test_what_does_not_balance_is_found_without_reading_the_rest(
    books: Books, start_ms: int
) -> None:
    path = books.path("control", books.hours()[-2])
    control = pl.read_parquet(path)
    control.with_columns(pl.col("metered_joules") + 2.0).write_parquet(path)
    for controls in _both(books, start_ms, start_ms + 4 * HOUR * 1000):
        assert {one.subject for one in controls.findings} == {"device gpu0", "node n1"}


def test_a_damaged_control_is_named_by_the_figure_that_needs_it(books: Books) -> None:
    path = books.path("control", books.hours()[0])
    path.write_bytes(b"nothing of the kind")
    view = load(books.root.parent, None)
    with pytest.raises(InputError, match=Path(path).name):
        _ = view.control.nodes


def test_a_view_without_hours_has_no_control() -> None:
    assert Controls().nodes.is_empty()
    assert Controls().booked_until.is_empty()
    assert Controls().findings == []
