from __future__ import annotations

from collections.abc import Iterable
from random import Random

import polars as pl
import pytest

from wattline_collector.warning.finding import ALPHA, LEMONS, Kind
from wattline_collector.warning.lemons import DAY_MS, EVENTS, EXPOSURE, lemons

HOUR_MS = 3_600_000
DAYS = 28


def exposure(nodes: int = 32, days: float = DAYS, kinds: Iterable[Kind] = LEMONS) -> pl.DataFrame:
    rows = [(kind.value, "s", f"n{node:02d}", days) for kind in kinds for node in range(nodes)]
    return pl.DataFrame(rows, schema=EXPOSURE, orient="row")


def events(
    times: Iterable[float], node: str = "n00", kind: Kind = Kind.XID, owner: str | None = None
) -> pl.DataFrame:
    rows = [(kind.value, "s", node, "d0", round(at * DAY_MS), "XID 79", owner) for at in times]
    return pl.DataFrame(rows, schema=EVENTS, orient="row")


def test_a_lemon_is_named_with_its_evidence() -> None:
    (found,) = lemons(events(range(1, 9)), exposure())
    assert (found.kind, found.node, found.device) == (Kind.XID, "n00", "d0")
    assert found.since_ms == DAY_MS
    assert found.chance < 1e-6
    assert "8 incidents in 28 days, where others have 0 (XID 79 x8)" in found.evidence


def test_what_comes_in_a_burst_is_one_incident() -> None:
    burst = [1 + minute / 1440 for minute in range(300)]
    assert lemons(events(burst), exposure()) == []


@pytest.mark.parametrize(("apart_hours", "is_named"), [(5.9, False), (25, True)])
def test_incidents_are_hours_apart_and_on_three_days(apart_hours: float, is_named: bool) -> None:
    times = [1 + place * apart_hours / 24 for place in range(8)]
    assert bool(lemons(events(times), exposure())) is is_named


def test_three_incidents_on_two_days_are_too_few() -> None:
    assert lemons(events([1.0, 1.5, 2.0]), exposure(nodes=500)) == []
    assert lemons(events([1.0, 2.0, 3.0]), exposure(nodes=500))


def test_two_incidents_name_nobody_however_rare_they_are() -> None:
    assert lemons(events([1.0, 9.0]), exposure(nodes=5000)) == []


def test_a_fleet_that_is_small_or_young_is_not_judged() -> None:
    assert lemons(events(range(1, 9)), exposure(nodes=7)) == []
    assert lemons(events(range(1, 4)), exposure(nodes=8, days=3.7)) == []


def test_trouble_that_all_have_is_nobodys() -> None:
    everywhere = pl.concat([events(range(1, 9), f"n{node:02d}") for node in range(32)])
    assert lemons(everywhere, exposure()) == []


def test_a_node_that_was_there_for_longer_may_have_more() -> None:
    longer = exposure().with_columns(
        pl.when(pl.col("node") == "n00").then(28.0).otherwise(1.0).alias("days")
    )
    others = pl.concat([events([1.0, 2.0], f"n{node:02d}") for node in range(1, 20)])
    both = pl.concat([events(range(1, 14)), others])
    assert lemons(both, exposure())
    assert lemons(both, longer) == []


def test_events_of_a_node_that_was_not_observed_count_for_nothing() -> None:
    assert lemons(events(range(1, 9), "gone"), exposure()) == []


def test_one_project_that_fails_again_and_again_is_no_broken_node() -> None:
    of = Kind.JOB_FAILURE
    assert lemons(events(range(1, 9), kind=of, owner="p1"), exposure()) == []
    two = pl.concat(
        [
            events(range(1, 9, 2), kind=of, owner="p1"),
            events(range(2, 9, 2), kind=of, owner="p2"),
        ]
    )
    assert lemons(two, exposure())
    assert lemons(events(range(1, 9), kind=of), exposure())  # projects are not known


def healthy(seed: int, nodes: int = 64) -> pl.DataFrame:
    """Incidents at random, at one rate for all, in bursts."""
    rng = Random(seed)
    parts = []
    for kind in LEMONS:
        for node in range(nodes):
            at = 0.0
            while (at := at + rng.expovariate(4 / 365)) < 90:
                burst = [at + n / 1000 for n in range(rng.randrange(1, 20))]
                parts.append(events(burst, f"n{node:02d}", kind))
    return pl.concat(parts)


def test_a_healthy_fleet_is_silent_over_twenty_seeds() -> None:
    # At the stated rate one report of a hundred may name somebody: two of twenty would be a fault.
    named = sum(bool(lemons(healthy(seed), exposure(64, 90))) for seed in range(20))
    assert named <= 1
    assert ALPHA == 0.01


def test_a_lemon_is_found_on_a_fleet_that_has_its_share_of_trouble() -> None:
    rng = Random(5)
    times = []
    at = 0.0
    while (at := at + rng.expovariate(60 / 365)) < 90:
        times.append(at)
    with_lemon = pl.concat([healthy(5), events(times, "n07", Kind.LOST)])
    assert [(one.kind, one.node) for one in lemons(with_lemon, exposure(64, 90))] == [
        (Kind.LOST, "n07")
    ]
