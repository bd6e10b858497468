"""What is planted in a simulated factory is found, and in a healthy one nobody is named."""

from __future__ import annotations

from random import Random

import pytest

from wattline_collector.simulated.ailing import Ailment, evidence, planted
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import DAY_MS, Shape
from wattline_collector.warning.finding import DRIFTS, LEMONS, Kind
from wattline_collector.warning.report import Report, report, table

START_MS = 1_761_955_200_000


def factory(nodes: int, days: int, seed: int) -> Schedule:
    end_ms = START_MS + days * DAY_MS
    return plan(
        Shape(
            nodes=nodes, devices=4, seed=seed, start_ms=START_MS, present_ms=end_ms,
            end_ms=end_ms + DAY_MS,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def drifting() -> tuple[Schedule, list[Ailment], Report]:
    schedule, rng = factory(24, 16, 3), Random(3)
    # Devices of nodes that are given whole to large jobs always have peers.
    ailments = [
        Ailment(kind, node, node * 4 + 1, START_MS + 8 * DAY_MS, size)
        for node, (kind, size) in enumerate(
            zip(DRIFTS, (0.12, 9.0, 0.15, 0.09), strict=True), start=2
        )
    ]
    return schedule, ailments, report(evidence(schedule, ailments, rng))


def test_devices_that_drift_are_found_and_no_others(
    drifting: tuple[Schedule, list[Ailment], Report],
) -> None:
    schedule, ailments, found = drifting
    named = {(one.kind, one.device) for one in found.findings}
    wanted = {(one.kind, schedule.device_names[one.device]) for one in ailments}
    heat = next(device for kind, device in wanted if kind is Kind.THROTTLE)
    assert wanted <= named <= wanted | {(Kind.CLOCK, heat)}  # heat lowers the clock


def test_since_when_is_told_to_the_day_or_two(
    drifting: tuple[Schedule, list[Ailment], Report],
) -> None:
    for one in drifting[2].findings:
        assert one.since_ms == pytest.approx(START_MS + 8 * DAY_MS, abs=2 * DAY_MS)


def test_the_table_names_them_and_says_what_to_do(
    drifting: tuple[Schedule, list[Ailment], Report],
) -> None:
    text = table(drifting[2])
    for one in drifting[2].findings:
        assert f"{one.device}" in text
    assert "temperature: Look at its fan or coolant" in text
    assert "nobody is named" not in text


def test_a_healthy_factory_names_nobody() -> None:
    schedule = factory(24, 12, 4)
    assert report(evidence(schedule, [], Random(4))).findings == ()


def test_lemons_of_every_kind_are_found_and_nearly_no_others_over_seeds() -> None:
    schedule = factory(64, 90, 5)
    found = right = wanted = false = 0
    for seed in range(5):
        rng = Random(seed)
        ailments = planted(schedule, rng, LEMONS, size=4)
        told = report(evidence(schedule, ailments, rng, with_hours=False)).findings
        ill = {(one.kind, schedule.shape.node_name(one.node)) for one in ailments}
        named = {(one.kind, one.node) for one in told}
        wanted += len(ill)
        found += len(ill & named)
        right += len(named & ill)
        false += len(named - ill)
    assert (wanted, false) == (25, 0)
    assert found == right >= 20


def test_healthy_fleets_are_silent_over_twenty_seeds() -> None:
    schedule = factory(64, 90, 5)
    named = [
        seed
        for seed in range(20)
        if report(evidence(schedule, [], Random(seed), with_hours=False)).findings
    ]
    assert len(named) <= 1  # one of a hundred is what is stated


def test_ailments_are_on_nodes_of_their_own() -> None:
    schedule = factory(20, 2, 6)
    ailments = planted(schedule, Random(1), a_kind=2)
    nodes = [one.node for one in ailments]
    assert len(nodes) == len(set(nodes)) == 18
    assert {one.kind for one in ailments} == set(Kind)
    assert all(one.device // 4 == one.node for one in ailments)
