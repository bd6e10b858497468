from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import load, utc
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.lost import LOST, post
from wattline_collector.ledger.schema import ENTRIES

HOUR = 3600


@pytest.fixture
def store(telemetry: Any, start_ms: int) -> Path:
    """A job that works for four hours, saves after an hour and a half, and fails."""
    telemetry.device()
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.samples(last_s=5 * HOUR, sm_active_ratio=0.8, counter=lambda s: 400 * s)
    telemetry.assign("j", 0, 4 * HOUR)
    saved_s = 5430
    rows = {
        float(s): {"step": s // 30, "steps_total": s // 30, "step_resumed": 0,
                   "step_saved": saved_s // 30 if s >= saved_s else None}
        for s in range(0, 4 * HOUR + 1, 30)
    }  # fmt: skip
    telemetry.counts("j", rows)
    telemetry.info("j", 0, 4 * HOUR, state="failed")
    telemetry.book(5 * HOUR)
    path = telemetry.path
    assert isinstance(path, Path)
    return path


def _seconds(store: Path, start_ms: int, period: tuple[int, int] | None = None) -> dict[str, float]:
    asked = None
    if period is not None:
        asked = Period(*(utc(start_ms + second * 1000) for second in period))
    sums: dict[str, float] = {}
    for account, ms in load(store, asked).device.select("account", "duration_ms").iter_rows():
        sums[account] = sums.get(account, 0.0) + ms / 1000
    return sums


def test_only_what_came_after_the_newest_checkpoint_is_lost_to_the_minute(
    store: Path, start_ms: int
) -> None:
    # Saved half a minute into a minute: the rest of that minute is not called lost.
    assert _seconds(store, start_ms) == {
        "busy": 5460.0, "lost": 4.0 * HOUR - 5460, "free": float(HOUR),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("period", "busy", "lost"),
    [
        ((0, HOUR), HOUR, 0),
        ((HOUR, 2 * HOUR), 1860, 1740),
        ((5340, 5520), 120, 60),
        ((2 * HOUR, 4 * HOUR), 0, 2 * HOUR),
    ],
    ids=["before", "an hour in part", "minutes around it", "after"],
)
def test_a_part_of_the_time_has_its_part_of_what_was_lost(
    store: Path, start_ms: int, period: tuple[int, int], busy: float, lost: float
) -> None:
    booked = _seconds(store, start_ms, period)
    assert (booked.get("busy", 0.0), booked.get("lost", 0.0)) == (busy, lost)


def test_nodes_lose_what_their_devices_lose(store: Path) -> None:
    node = load(store, None).node
    assert node.filter(node["account"] == "lost")["duration_ms"].sum() == pytest.approx(
        (4 * HOUR - 5460) * 1000
    )


def test_joules_of_lost_work_stay_what_they_were(store: Path) -> None:
    view = load(store, None)
    lost = view.device.filter(view.device["account"] == "lost")
    assert lost["energy_joules"].sum() == pytest.approx(400 * (4 * HOUR - 5460))
    assert view.device["energy_joules"].sum() == pytest.approx(400 * 5 * HOUR)


def test_a_long_period_of_which_nothing_was_lost_is_as_it_was(tmp_path: Path) -> None:
    """So long that it is filtered by several threads."""
    entry = {"system": ["test"], "job": ["j"], "duration_ms": [60_000]}
    entries = pl.DataFrame(entry, schema_overrides=ENTRIES["device"]).select(
        pl.col(name).repeat_by(300_000).explode()
        if name in entry
        else pl.lit(None, kind).alias(name)
        for name, kind in ENTRIES["device"].items()
    )
    found = post(Books(tmp_path), "device", entries, LOST.to_frame(), 0, HOUR * 1000)
    assert found["duration_ms"].sum() == 300_000 * 60_000
