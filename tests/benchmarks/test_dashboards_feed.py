"""The readings that the dashboards' benchmark sends: made once, and told on as if they were new."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from wattline_agents.sources.simulated.profile import profile_named
from wattline_collector.simulated.schedule import plan
from wattline_collector.simulated.shape import Shape

NOW_MS = 1_793_620_800_000
PERIOD_MS = 1000


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    return importlib.import_module("benchmarks.dashboards.feed")


@pytest.fixture
def shape() -> Shape:
    return Shape.living(
        nodes=2, devices=2, seed=7, present_ms=NOW_MS, history_ms=0, system="sim",
        profile=profile_named("h200"),
    )  # fmt: skip


@pytest.fixture
def node(feed: Any, shape: Shape) -> Any:
    return feed.read(plan(shape, []), 0, PERIOD_MS, 5, NOW_MS)


def told(body: bytes) -> pa.Table:
    with pa.ipc.open_stream(body) as stream:
        return stream.read_all()


def devices_of(node: Any, batch: int) -> Any:
    (found,) = [one for one in node.batches[batch] if one.table == "device"]
    return found


def test_a_batch_holds_five_readings_of_each_device(node: Any) -> None:
    rows = told(devices_of(node, 0).body(0, 0))
    assert rows.num_rows == 5 * 2
    assert max(rows["time_unix_ms"].to_pylist()) == node.last_ms[0]
    assert node.last_ms[1] - node.last_ms[0] == 5 * PERIOD_MS


def test_told_again_times_are_later_and_no_counter_falls(node: Any) -> None:
    rounds = [
        told(devices_of(node, batch).body(10_000 * again, again))
        for again in range(3)
        for batch in range(2)
    ]
    assert all(one.schema.equals(rounds[0].schema) for one in rounds)
    whole = pa.concat_tables(rounds)
    counters = [name for name in whole.schema.names if name.endswith("_total")]
    assert "energy_joules_total" in counters
    for device in set(whole["device"].to_pylist()):
        rows = [row for row in whole.to_pylist() if row["device"] == device]
        assert [row["time_unix_ms"] for row in rows] == list(
            range(NOW_MS - 9 * PERIOD_MS, NOW_MS + 20 * PERIOD_MS + 1, PERIOD_MS)
        )
        for name in counters:
            values = [row[name] for row in rows if row[name] is not None]
            assert values == sorted(values), name


def test_a_copy_has_devices_and_jobs_of_its_own(feed: Any, node: Any, shape: Shape) -> None:
    other = feed.copied(node, 1, 3, shape)
    assert (node.name, other.name) == (shape.node_name(0), shape.node_name(1))
    ours, theirs = (told(devices_of(one, 0).body(0, 0))["device"] for one in (node, other))
    assert theirs.to_pylist() == [f"{name}-3" for name in ours.to_pylist()]


def test_there_may_be_more_nodes_than_can_be_simulated(feed: Any) -> None:
    hall = feed.Copied(3125, "sim")
    assert len({hall.node_name(node) for node in range(3125)}) == 3125
