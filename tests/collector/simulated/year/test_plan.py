from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.sources.simulated.profile import profile_named
from wattline_collector.simulated.shape import DAY_MS
from wattline_collector.simulated.year.extent import TICK_MS, Extent
from wattline_collector.simulated.year.grants import COMMERCIAL
from wattline_collector.simulated.year.plan import COMMERCIAL_SHARE, UNION_SHARE, Plan, plan
from wattline_collector.simulated.year.planted import Hole, What
from wattline_collector.simulated.year.work import KEPT_A_DOUBLING, STEPS_A_CHECKPOINT

YEAR_2025_MS = 1_735_689_600_000


def test_the_same_extent_is_the_same_year_and_another_seed_is_not(planned: Plan) -> None:
    again = plan(planned.extent)
    other = plan(Extent(6, 4, 8, YEAR_2025_MS, planned.extent.days))
    assert again.charged == planned.charged
    assert again.planted == planned.planted
    assert other.charged != planned.charged


def test_holes_change_what_is_seen_and_nothing_that_happens(
    planned: Plan, planned_whole: Plan
) -> None:
    assert planned.charged == planned_whole.charged
    assert planned.planted.events == planned_whole.planted.events
    assert {missing.hole for missing in planned.planted.missing} == set(Hole)
    assert planned_whole.planted.missing == ()


def test_no_device_is_held_by_two_jobs_at_once(planned: Plan) -> None:
    holders: dict[int, list[tuple[int, int]]] = {}
    for job in planned.jobs:
        for device in job.devices:
            holders.setdefault(device, []).append((job.start_ms, job.end_ms))
    assert len(holders) == 24
    for spans in holders.values():
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(spans)))


def test_stages_are_without_gaps_and_everything_lies_on_ticks(planned: Plan) -> None:
    for job in planned.jobs:
        assert all(one.end_ms == two.start_ms for one, two in pairwise(job.stages))
        assert all(stage.end_ms > stage.start_ms for stage in job.stages)
        edges = [job.start_ms, *(stage.end_ms for stage in job.stages), job.lost_from_ms or 0]
        assert all(edge % TICK_MS == 0 for edge in edges)


def test_nothing_runs_in_an_outage_and_what_it_takes_away_died_with_it(planned: Plan) -> None:
    died = 0
    for event in planned.planted.events:
        devices = {d for node in event.nodes for d in planned.extent.devices_of(node)}
        for job in planned.jobs:
            if not devices & set(job.devices):
                continue
            if event.what is What.DRAIN:
                assert not event.start_ms <= job.start_ms < event.end_ms
            else:
                assert job.end_ms <= event.start_ms or job.start_ms >= event.end_ms
            if event.kills and job.end_ms == event.start_ms:
                died += job.outcome == "node_fail"
    assert died == sum(job.outcome == "node_fail" for job in planned.jobs) > 0


def test_a_run_goes_on_from_its_newest_checkpoint(planned: Plan) -> None:
    runs: dict[str, list[Any]] = {}
    for job in planned.jobs:
        if job.run is not None:
            runs.setdefault(job.run, []).append(job)
    restarts = replayed = 0
    for jobs in runs.values():
        for before, after in pairwise(jobs):
            done = before.resumed + before.made("steps_total")
            kept = (done - before.resumed) // STEPS_A_CHECKPOINT * STEPS_A_CHECKPOINT
            assert after.resumed == before.resumed + kept
            assert after.replayed <= done - after.resumed
            assert before.outcome == "failed"
            restarts, replayed = restarts + 1, replayed + after.replayed
    assert restarts > 3
    assert replayed > 0


def test_the_commercial_project_has_its_part(planned: Plan) -> None:
    extent = planned.extent
    sold = sum(one.job.gpu_hours for one in planned.charged if one.grant is COMMERCIAL)
    installed = extent.nodes * extent.devices * extent.hours
    assert sold == pytest.approx(COMMERCIAL_SHARE * UNION_SHARE * installed, rel=0.03)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"nodes": 5}, "6 nodes or more"),
        ({"devices": 1}, "2 devices"),
        ({"days": 20}, "from 28 to"),
        ({"period_ms": 900_000}, "every 1m, 2m, 5m, 10m, not 15m"),
        ({"start_ms": YEAR_2025_MS + 1}, "UTC day"),
        ({"profile": profile_named("lumi-g")}, "not lumi-g"),
    ],
)
def test_what_cannot_be_planned_is_said(change: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {"nodes": 6, "devices": 4, "seed": 1, "start_ms": YEAR_2025_MS}
    with pytest.raises(UsageError, match=says):
        Extent(**(good | change))


@pytest.mark.parametrize("days", [28, 90, 365])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_year_has_everything_planted(days: int, seed: int) -> None:
    found = plan(Extent(8, 2, seed, YEAR_2025_MS, days))
    happens = {event.what for event in found.planted.events}
    assert happens == set(What)
    for missing in found.planted.missing:
        assert found.extent.start_ms + DAY_MS <= missing.start_ms < missing.end_ms
        assert missing.end_ms + DAY_MS <= found.extent.end_ms
    free = next(m for m in found.planted.missing if m.hole is Hole.SILENT_FREE)
    assert free.node is not None
    of_node = set(found.extent.devices_of(free.node))
    for job in found.jobs:
        if of_node & set(job.devices):
            assert job.end_ms <= free.start_ms or job.start_ms >= free.end_ms


def test_a_run_on_more_devices_makes_less_of_each(planned: Plan) -> None:
    paces: dict[str, dict[int, float]] = {}
    for job in planned.jobs:
        if job.kind == "training" and job.model is not None:
            of_all = max(stage.per_tick.get("tokens_trained_total", 0) for stage in job.stages)
            each = paces.setdefault(job.model.name, {})
            each[len(job.devices)] = max(of_all / len(job.devices), each.get(len(job.devices), 0))
    compared = [(each[8], each[4]) for each in paces.values() if {4, 8} <= each.keys()]
    assert compared
    for more, fewer in compared:
        assert more / fewer == pytest.approx(KEPT_A_DOUBLING, rel=1e-4)
