from __future__ import annotations

from dataclasses import dataclass
from random import Random

import polars as pl
import pytest

from wattline_collector.warning.drift import DAY_MS, HOURS, drifts
from wattline_collector.warning.finding import Finding, Kind

HOUR_MS = 3_600_000
DAYS = 28


@dataclass(frozen=True)
class Ill:
    """What is wrong with device `d3`, from a day on."""

    watts: float = 1.0
    celsius: float = 0.0
    throttled: float = 0.0
    hertz: float = 1.0
    from_day: int = 15
    to_day: int = DAYS


def hours(
    seed: int, ill: Ill | None = None, devices: int = 24, days: int = DAYS, jobs: int = 3
) -> pl.DataFrame:
    """Devices of three jobs in two racks: boards differ, so do days and hours."""
    rng = Random(seed)
    rows = []
    thirst = [rng.uniform(0.96, 1.04) for _ in range(devices)]
    warmth = [rng.uniform(-2, 2) for _ in range(devices)]
    for day in range(days):
        load = [rng.uniform(0.4, 0.9) for _ in range(jobs)]
        inlet = [rng.uniform(-2, 2) for _ in range(2)]
        for device in range(devices):
            job, rack = device % jobs, device * 2 // devices
            now = ill if ill and device == 3 and ill.from_day <= day < ill.to_day else Ill()
            off = rng.gauss(1, 0.01)
            for hour in range(0, 24, 4):
                activity = load[job] * rng.uniform(0.97, 1.0)
                plain = (80 + 600 * activity) * (1 + 0.1 * job)  # jobs differ at one activity
                watts = plain * thirst[device] * off * rng.gauss(1, 0.01)
                rows.append(
                    (
                        "s", f"n{device // 4}", f"d{device}", "H200", f"r{rack}", f"j{job}",
                        day * DAY_MS + hour * HOUR_MS, activity, watts * now.watts,
                        25 + watts * 0.06 + inlet[rack] + warmth[device] + now.celsius
                        + rng.gauss(0, 0.7),
                        now.throttled, 1.8e9 * now.hertz * rng.gauss(1, 0.003),
                    )
                )  # fmt: skip
    return pl.DataFrame(rows, schema=HOURS, orient="row")


def test_a_healthy_fleet_is_silent_over_twenty_seeds() -> None:
    assert [seed for seed in range(20) if drifts(hours(seed))] == []


@pytest.mark.parametrize(
    ("ill", "kind", "effect"),
    [
        (Ill(watts=1.10), Kind.POWER, 0.10),
        (Ill(watts=0.90), Kind.POWER, -0.10),
        (Ill(celsius=8), Kind.TEMPERATURE, 8),
        (Ill(throttled=0.12), Kind.THROTTLE, 0.12),
        (Ill(hertz=0.92), Kind.CLOCK, -0.08),
    ],
    ids=["thirsty", "frugal", "warm", "held back", "slow"],
)
def test_a_device_that_begins_to_drift_is_named_with_the_day(
    ill: Ill, kind: Kind, effect: float
) -> None:
    found = drifts(hours(1, ill))
    assert [(one.kind, one.device) for one in found] == [(kind, "d3")]
    assert found[0].effect == pytest.approx(effect, rel=0.25)
    assert found[0].since_ms // DAY_MS == pytest.approx(ill.from_day, abs=1)


@pytest.mark.parametrize("ill", [Ill(hertz=1.08), Ill(celsius=-8)], ids=["fast", "cool"])
def test_what_is_better_than_others_is_no_fault(ill: Ill) -> None:
    assert drifts(hours(1, ill)) == []


@pytest.mark.parametrize(
    ("ill", "kind"),
    [
        (Ill(watts=1.25, from_day=0), Kind.POWER),
        (Ill(celsius=20, from_day=0), Kind.TEMPERATURE),
        (Ill(throttled=0.2, from_day=0), Kind.THROTTLE),
        (Ill(hertz=0.88, from_day=0), Kind.CLOCK),
    ],
)
def test_a_device_that_was_so_from_the_beginning_is_named_for_its_level(
    ill: Ill, kind: Kind
) -> None:
    (found,) = drifts(hours(1, ill))
    assert (found.kind, found.device, found.since_ms) == (kind, "d3", 0)
    assert "over the last 7 days" in found.evidence


def test_what_is_over_is_not_told() -> None:
    assert drifts(hours(1, Ill(celsius=8, from_day=8, to_day=20))) == []


def test_two_days_are_too_few() -> None:
    assert drifts(hours(1, Ill(celsius=8, from_day=26))) == []
    assert drifts(hours(1, Ill(celsius=8, from_day=25)))


def test_a_small_fleet_is_not_judged() -> None:
    assert drifts(hours(1, Ill(celsius=12), devices=12)) == []


def test_a_short_time_is_not_judged() -> None:
    assert drifts(hours(1, Ill(celsius=12, from_day=4, to_day=7), days=7)) == []


def test_hours_that_tell_nothing_name_nobody() -> None:
    assert drifts(HOURS.to_frame()) == []
    blind = hours(1, Ill(celsius=8)).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in ("celsius", "throttled", "hertz")
    )
    assert drifts(blind) == []


def test_a_device_without_peers_is_not_judged_by_power() -> None:
    alone = hours(1, Ill(watts=1.2)).with_columns(pl.format("j{}", "device").alias("job"))
    assert drifts(alone) == []


def test_a_whole_rack_that_grows_warm_is_no_devices_fault() -> None:
    warm = hours(1).with_columns(
        pl.when((pl.col("rack") == "r1") & (pl.col("hour_ms") >= 15 * DAY_MS))
        .then(pl.col("celsius") + 10)
        .otherwise("celsius")
        .alias("celsius")
    )
    assert drifts(warm) == []


def test_findings_are_in_order_and_bounded_in_chance() -> None:
    found: list[Finding] = drifts(hours(1, Ill(celsius=9, hertz=0.9)))
    assert {one.kind for one in found} == {Kind.TEMPERATURE, Kind.CLOCK}
    assert [one.chance for one in found] == sorted(one.chance for one in found)
    assert all(0 <= one.chance <= 0.01 for one in found)
