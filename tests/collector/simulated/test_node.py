from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.sources.source import Readings
from wattline_agents.wire import encode
from wattline_collector.simulated.faults import Fault
from wattline_collector.simulated.jobs import Job
from wattline_collector.simulated.node import FactoryNode
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, MINUTE_MS, Shape


@pytest.fixture(scope="module")
def factory() -> Schedule:
    present_ms = 1_795_000_000_000 // MINUTE_MS * MINUTE_MS
    return plan(
        Shape.living(nodes=8, devices=4, seed=2, present_ms=present_ms, history_ms=2 * DAY_MS)
    )


def rows(readings: Readings, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in readings.get(table, [])]


def ends_alone(factory: Schedule) -> Job:
    """A job that ends while its reporting node speaks, with nothing right after it."""
    return next(
        job
        for job in factory.jobs
        if job.columns
        and job.kind == "training"
        and factory.shape.start_ms + HOUR_MS < job.end_ms < factory.shape.present_ms
    )


def test_everything_it_says_fits_the_catalogue(factory: Schedule) -> None:
    for node in range(8):
        source = FactoryNode(factory, node, 2.0)
        for now_ms in range(factory.shape.present_ms, factory.shape.present_ms + 20_000, 2000):
            for table, found in (source.read(now_ms) | source.describe(now_ms)).items():
                assert encode(TABLES[table], found)


def test_each_device_has_a_row_each_time_and_a_lost_one_says_only_that(factory: Schedule) -> None:
    outage = next(
        o
        for o in factory.faults.outages
        if o.fault is Fault.LOST and o.end_ms > factory.shape.present_ms
    )
    source = FactoryNode(factory, outage.node, 2.0)
    devices = rows(source.read(factory.shape.present_ms), "device")
    assert len(devices) == 4
    lost = [row for row in devices if row["up"] == 0]
    assert [row["device"] for row in lost] == [factory.device_names[outage.device or 0]]
    assert set(lost[0]) == {"time_unix_ms", "device", "up"}
    assert all(row["power_watts"] > 70 for row in devices if row["up"] == 1)


def test_counters_never_fall_and_agree_with_power(factory: Schedule) -> None:
    source = FactoryNode(factory, 0, 2.0)
    start_ms = factory.shape.present_ms + 10_000
    found = [source.read(start_ms + tick * 2000) for tick in range(400)]
    for device in range(4):
        series = [rows(readings, "device")[device] for readings in found]
        for one, other in pairwise(series):
            seconds = (other["time_unix_ms"] - one["time_unix_ms"]) / 1000
            grown = other["energy_joules_total"] - one["energy_joules_total"]
            powers = sorted((one["power_watts"], other["power_watts"]))
            assert powers[0] * 0.999 <= grown / seconds <= powers[1] * 1.001 or (
                powers[1] - powers[0] > 20  # a segment ended in between
            )
    nodes = [rows(readings, "node")[0] for readings in found]
    for one, other in pairwise(nodes):
        assert all(
            other[column] >= one[column] for column in TABLES["node"].counters if column in one
        )
        assert other["power_watts"] > 760


def test_activity_is_the_mean_since_the_reading_before_even_across_a_change(
    factory: Schedule,
) -> None:
    job = ends_alone(factory)
    device = job.devices[0]
    node = device // 4
    before_ms, after_ms = job.end_ms - 30_000, job.end_ms + 30_000
    source = FactoryNode(factory, node, 30.0)
    source.read(before_ms)
    row = rows(source.read(after_ms), "device")[device % 4]
    life = factory.life(device)
    worked = life.at(job.end_ms).active_seconds(job.end_ms) - life.at(before_ms).active_seconds(
        before_ms
    )
    assert row["sm_active_ratio"] == pytest.approx(worked / 60, rel=1e-6)


def test_an_assignment_is_repeated_while_it_lasts_and_closed_once(factory: Schedule) -> None:
    job = ends_alone(factory)
    device = job.devices[0]
    source = FactoryNode(factory, device // 4, 2.0)
    said: list[dict[str, Any]] = []
    for now_ms in range(job.end_ms - 100_000, job.end_ms + 100_000, 2000):
        said += rows(source.read(now_ms), "assignment")
    mine = [
        row
        for row in said
        if row["job"] == job.key and row["device"] == factory.device_names[device]
    ]
    still_open = [row["time_unix_ms"] for row in mine if row["end_unix_ms"] is None]
    closed = [row for row in mine if row["end_unix_ms"] is not None]
    assert len(still_open) == 4
    assert all(other - one <= 30_000 for one, other in pairwise(still_open))
    assert [row["end_unix_ms"] for row in closed] == [job.end_ms]


def test_a_job_is_reported_by_one_node_and_its_last_count_is_its_total(factory: Schedule) -> None:
    job = ends_alone(factory)
    counted: list[dict[str, Any]] = []
    states: list[str] = []
    for node in range(8):
        source = FactoryNode(factory, node, 2.0)
        for now_ms in range(job.end_ms - 20_000, job.end_ms + 20_000, 2000):
            readings = source.read(now_ms)
            mine = [row for row in rows(readings, "job") if row["job"] == job.key]
            assert not mine or node == job.reporter
            counted += mine
            states += [row["state"] for row in rows(readings, "job_info") if row["job"] == job.key]
    assert states == ["running", job.outcome]
    made = job.made(job.end_ms)
    last = counted[-1]
    assert last["time_unix_ms"] == job.end_ms
    assert last["tokens_trained_total"] == int(made["tokens_trained_total"])
    assert all(
        one["tokens_trained_total"] <= other["tokens_trained_total"]
        for one, other in pairwise(counted)
    )


def test_it_says_where_its_devices_stand_and_that_they_are_simulated(factory: Schedule) -> None:
    described = FactoryNode(factory, 7, 2.0).describe(factory.shape.present_ms)
    node = rows(described, "node_info")[0]
    assert node["rack"] == "r4"
    assert node["installed_from_unix_ms"] == factory.shape.start_ms
    assert [row["index"] for row in rows(described, "device_info")] == [0, 1, 2, 3]
    assert {row["vendor"] for row in rows(described, "device_info")} == {"simulated"}
