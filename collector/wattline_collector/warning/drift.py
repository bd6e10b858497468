"""Devices that drift from their like at the same work. Pure, over hours of devices.

Every hour of a device is held against others in the same hour: its power against what its model
draws at that activity and then against the devices of its job, its temperature against what its
model has at that power and then against its rack, its throttling against its rack, its clock
against its job. What is left, the median of a day, is its own. Two things are looked for in it:

    a shift     the days after some day differ from those before it
    a level     the last week differs from the fleet, whenever that began

Each must be large (a stated least effect), sure (against the fleet's own scatter, adjusted for all
devices, kinds and days that were tried) and still so on the last days. A device that was always a
little thirstier than others is none: boards differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from wattline_collector.warning.exact import beyond
from wattline_collector.warning.finding import ALPHA, Finding, Kind

DAY_MS = 86_400_000
LEAST_DEVICES = 16
"""Of a model, for its scatter to be known."""
LEAST_PEERS = 3
"""Beside a device, to be compared with."""
LEAST_HOURS = 2
"""Of work in a day that counts."""
BEFORE_DAYS, AFTER_DAYS, LEVEL_DAYS = 5, 3, 7
_LEAST_ACTIVITY = 0.2
_ACTIVITY_STEP = 0.02
_WATTS_STEP = 20.0
_SPREAD = 1.4826
"""A normal's standard deviation over its median absolute deviation."""
_MEDIAN = 1.2533
"""How much less sure a median is than a mean: the root of half of pi."""

HOURS = pl.Schema(
    {
        "system": pl.String(),
        "node": pl.String(),
        "device": pl.String(),
        "model": pl.String(),
        "rack": pl.String(),
        "job": pl.String(),
        "hour_ms": pl.Int64(),
        "activity": pl.Float64(),
        "watts": pl.Float64(),
        "celsius": pl.Float64(),
        "throttled": pl.Float64(),
        "hertz": pl.Float64(),
    }
)
"""One hour of a device at work: means, the highest temperature, the share of the hour in which heat
held it back; null: not known."""


@dataclass(frozen=True, slots=True)
class _Limits:
    """What is much of a kind.

    Attributes:
        shift: Least effect of a shift.
        level: Least effect of a level.
        floor: Scatter is never taken for less: sensors round.
        sides: Which way it may go: 1 up, -1 down, 0 both.
        words: How an effect is written.
    """

    shift: float
    level: float
    floor: float
    sides: int
    words: str


LIMITS: Mapping[Kind, _Limits] = MappingProxyType(
    {
        Kind.POWER: _Limits(0.06, 0.12, 0.005, 0, "{:+.0%} power at the same activity"),
        Kind.TEMPERATURE: _Limits(5.0, 9.0, 0.5, 1, "{:+.1f} degrees at the same power"),
        Kind.THROTTLE: _Limits(0.05, 0.08, 0.005, 1, "{:+.0%} of its time held back by heat"),
        Kind.CLOCK: _Limits(0.04, 0.06, 0.003, -1, "{:+.0%} clock against its job's devices"),
    }
)


def drifts(hours: pl.DataFrame, alpha: float = ALPHA) -> list[Finding]:
    """The devices that drift, the surest first.

    Args:
        hours: `HOURS`.
        alpha: As of `lemons`.
    """
    working = hours.filter(pl.col("activity") >= _LEAST_ACTIVITY)
    if working.is_empty():
        return []
    daily = {kind: _daily(working, kind) for kind in LIMITS}
    device = ["system", "node", "device"]
    found: list[Finding] = []
    for kind, days in daily.items():
        if days["device"].n_unique() < LEAST_DEVICES:
            continue
        scatter = _scatter(days, kind)
        devices = days["device"].n_unique()
        tries = devices * len(LIMITS) * 2 * max(1, days["day"].n_unique())
        for key, mine in days.partition_by(device, as_dict=True, maintain_order=True).items():
            one = _judged(kind, key, mine, scatter, tries)
            if one is not None and one.chance <= alpha:
                found.append(one)
    return sorted(found, key=lambda one: (one.chance, one.system, one.node, str(one.device)))


def _daily(hours: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """What is a device's own, by day: `system`, `node`, `device`, `day`, `own`."""
    match kind:
        case Kind.POWER:
            own = _against_peers(_of_model(hours), ["system", "job", "hour_ms"])
        case Kind.TEMPERATURE:
            own = _against_peers(_of_power(hours), ["system", "rack", "hour_ms"])
        case Kind.THROTTLE:
            left = hours.with_columns(pl.col("throttled").alias("left"))
            own = _against_peers(left, ["system", "rack", "hour_ms"])
        case _:
            left = hours.with_columns((pl.col("hertz").log()).alias("left"))
            own = _against_peers(left, ["system", "job", "hour_ms"])
    return (
        own.group_by("system", "node", "device", (pl.col("hour_ms") // DAY_MS).alias("day"))
        .agg(pl.col("own").median(), pl.len().alias("hours"))
        .filter(pl.col("hours") >= LEAST_HOURS)
        .drop("hours")
        .sort("system", "node", "device", "day")
    )


def _of_model(hours: pl.DataFrame) -> pl.DataFrame:
    """`left`: by how much, of its logarithm, power is not what the model draws at that activity."""
    step = (pl.col("activity") / _ACTIVITY_STEP).floor()
    usual = pl.col("watts").median().over("system", "model", step)
    return hours.filter(pl.col("watts") > 0).with_columns(
        (pl.col("watts") / usual).log().alias("left")
    )


def _of_power(hours: pl.DataFrame) -> pl.DataFrame:
    """`left`: degrees over what the model has at that power."""
    step = (pl.col("watts") / _WATTS_STEP).floor()
    usual = pl.col("celsius").median().over("system", "model", step)
    return hours.drop_nulls(["watts", "celsius"]).with_columns(
        (pl.col("celsius") - usual).alias("left")
    )


def _against_peers(hours: pl.DataFrame, alike: list[str]) -> pl.DataFrame:
    """`own`: what is left, less the median of the devices that are alike in these and its own."""
    known = hours.filter(pl.col("left").is_finite()).drop_nulls(alike)
    return known.with_columns(
        (pl.col("left") - pl.col("left").median().over(alike)).alias("own"),
        pl.col("device").n_unique().over(alike).alias("peers"),
    ).filter(pl.col("peers") > LEAST_PEERS)


@dataclass(frozen=True, slots=True)
class _Scatter:
    """How much devices differ: from day to day, and from one another."""

    day: float
    device: float


def _scatter(days: pl.DataFrame, kind: Kind) -> _Scatter:
    own, middle = pl.col("own"), pl.col("own").median().over("system", "node", "device")
    between = days.group_by("system", "node", "device").agg(own.median())
    within = days.select((own - middle).abs().median() * _SPREAD).item()
    apart = between.select((own - own.median()).abs().median() * _SPREAD).item()
    floor = LIMITS[kind].floor
    return _Scatter(max(within or 0.0, floor), max(apart or 0.0, floor))


def _judged(
    kind: Kind, key: tuple[object, ...], mine: pl.DataFrame, scatter: _Scatter, tries: int
) -> Finding | None:
    values: list[float] = mine["own"].to_list()
    days: list[int] = mine["day"].to_list()
    limits = LIMITS[kind]
    split = _parted(values)
    if split is not None:
        effect = _middle(values[split:]) - _middle(values[:split])
        sd = _MEDIAN * scatter.day * math.sqrt(1 / split + 1 / (len(values) - split))
        goes_on = all(
            _beyond(v - _middle(values[:split]), effect / 2) for v in values[-AFTER_DAYS:]
        )
        if _is_much(effect, limits.shift, limits.sides) and goes_on:
            how = f"{len(values) - split} days against {split} before"
            return _finding(kind, key, days[split], effect, effect / sd, tries, how)
    if len(values) < LEVEL_DAYS:
        return None
    effect = _middle(values[-LEVEL_DAYS:])
    if not _is_much(effect, limits.level, limits.sides) or not all(
        _beyond(v, effect / 2) for v in values[-AFTER_DAYS:]
    ):
        return None
    # It was so already when the days began, or grew too slowly for a day to be named.
    first = len(values) - AFTER_DAYS
    while first and _beyond(values[first - 1], effect / 2):
        first -= 1
    how = f"over the last {LEVEL_DAYS} days"
    return _finding(kind, key, days[first], effect, effect / scatter.device, tries, how)


def _parted(values: list[float]) -> int | None:
    """Where days before and after differ most; None where there are too few on a side.

    The least-squares point of change: the largest n1 n2 / n (difference of the means) squared.
    """
    total, count = sum(values), len(values)
    best: tuple[float, int] | None = None
    before = sum(values[: BEFORE_DAYS - 1])
    for split in range(BEFORE_DAYS, count - AFTER_DAYS + 1):
        before += values[split - 1]
        apart = before / split - (total - before) / (count - split)
        weight = split * (count - split) * apart * apart
        if best is None or weight > best[0]:
            best = weight, split
    return None if best is None else best[1]


def _finding(
    kind: Kind, key: tuple[object, ...], day: int, effect: float, deviation: float, tries: int,
    how: str,
) -> Finding:  # fmt: skip
    shown = math.expm1(effect) if kind in (Kind.POWER, Kind.CLOCK) else effect
    system, node, device = (str(word) for word in key)
    evidence = f"{LIMITS[kind].words.format(shown)}, {how}"
    chance = min(1.0, beyond(deviation) * tries)
    return Finding(kind, system, node, device, day * DAY_MS, chance, shown, evidence)


def _is_much(effect: float, least: float, sides: int) -> bool:
    return effect * sides >= least if sides else abs(effect) >= least


def _beyond(value: float, level: float) -> bool:
    return value >= level if level > 0 else value <= level


def _middle(values: list[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
