"""C03: how long a 10-billion-parameter model would train here, by what the books measured.

MFU in steps that lasted and ETTR are those of the period's training jobs, the devices and their
peak those installed; the number of tokens has to be stated, so the answer is given for four. Days
that somebody projected with facts of their own (`wattline capability projection --keep`) stand
beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_collector.capability.batch_means import mean_of
from wattline_collector.capability.projection import (
    BUDGET_DAYS,
    CONFIDENCE,
    DAY_SECONDS,
    Plan,
    project,
)
from wattline_collector.efficiency.peaks import Unknown
from wattline_collector.kpi import results
from wattline_collector.kpi.dimensions import with_dimensions
from wattline_collector.kpi.model_work import KEY, TRAINING, able_jobs
from wattline_collector.kpi.step_time import effective_training_time, spent_of_jobs
from wattline_collector.kpi.sums import shaped
from wattline_collector.kpi.view import View
from wattline_collector.profile.peaks import peak_of

PARAMETERS = 10e9
TOKENS = (0.2e12, 1e12, 2e12, 15e12)
"""Twenty a parameter, and what models of today are trained on."""
DTYPE = "bf16"
_HOURS_A_DAY = 24


def days_to_train(view: View, by: list[str]) -> pl.DataFrame:
    """C03: days by number of tokens, measured by the books and as declared."""
    parts = [*by, "way", "tokens"]
    frames = [_declared(view, by)]
    for system in sorted(view.inventory["system"].unique()):
        mine = view.only_system(system)
        frames.append(_measured(mine, system).select(*parts, pl.exclude(parts)))
    found = pl.concat([frame for frame in frames if frame is not None], how="diagonal_relaxed")
    if not by:
        # Of several systems none trains the model together with another: the fastest counts.
        found = found.sort("value", nulls_last=True).unique(
            ["way", "tokens"], keep="first", maintain_order=True
        )
    order = pl.col("tokens").str.extract(r"^([0-9.]+)").cast(pl.Float64)
    return shaped(found.sort(*by, "way", order, nulls_last=True), parts)


@dataclass(frozen=True, slots=True)
class _Rate:
    """What training achieves here.

    Attributes:
        mfu: In steps that lasted.
        ettr: Share of the time that these are.
        jobs: How many it is of.
        coverage: Which part of the device time of training jobs it is of, 0-1.
        hourly: MFU of each hour, in their order.
    """

    mfu: float
    ettr: float
    jobs: int
    coverage: float
    hourly: tuple[float, ...]


def _measured(view: View, system: str) -> pl.DataFrame:
    devices, peak, unknown = _installed(view)
    rate = _rate(view)
    rows = []
    for tokens in TOKENS:
        row: dict[str, object] = {
            "system": system, "way": "measured", "tokens": _named(tokens), "n": 0,
            "value": None, "low": None, "high": None, "coverage": None, "method": None,
            "note": unknown or "no training job tells its tokens, its model and its phases",
        }  # fmt: skip
        if rate is not None and unknown is None:
            row |= _projected(rate, devices, peak, tokens)
        rows.append(row)
    numbers = dict.fromkeys(("value", "low", "high", "coverage"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides={**numbers, "method": pl.String})


def _projected(rate: _Rate, devices: int, peak: float, tokens: float) -> dict[str, object]:
    plan = Plan(PARAMETERS, tokens, devices, peak, min(rate.mfu, 1.0), rate.ettr)
    found = project(plan)
    mean = mean_of(rate.hourly)
    half = mean.half_width(CONFIDENCE, ahead=max(1.0, found.days * _HOURS_A_DAY))
    low = high = None
    interval = f"no interval: {mean.why}"
    if half is not None and half < mean.value:
        # A rate that is higher by so much is a time that is shorter by so much.
        low, high = (found.days / (1 + side * half / mean.value) for side in (1, -1))
        interval = f"interval {CONFIDENCE:.0%}, of how the rate of an hour scatters"
    return {
        "n": rate.jobs,
        "coverage": rate.coverage,
        "value": found.days,
        "low": low,
        "high": high,
        "method": (
            f"6 N D / ({devices:,} devices x {peak / 1e12:.4g} TFLOP/s {DTYPE} x MFU {rate.mfu:.3g}"
            f" x ETTR {rate.ettr:.3g}); {interval}"
        ),
        "note": f"{BUDGET_DAYS:g} days are {found.margin:.3g} times that; devices scale linearly",
    }


def _installed(view: View) -> tuple[int, float, str | None]:
    """Devices, the mean peak of one, and why it is not known."""
    present = view.totals.select("device").unique()
    models = (
        view.inventory.filter(pl.col("kind") == "device")
        .select(pl.col("key").alias("device"), "model")
        .unique("device", keep="last")
        .join(present, on="device")
        .group_by("model")
        .len()
    )
    total, count = 0.0, 0
    for model, n in models.iter_rows():
        peak = peak_of(view.profile, model, DTYPE)
        if isinstance(peak, Unknown):
            return 0, 0.0, str(peak)
        total, count = total + n * peak.flops, count + n
    return (count, total / count, None) if count else (0, 0.0, "no device is installed")


def _rate(view: View) -> _Rate | None:
    by_hour = with_dimensions(view, ["hour"])
    able = able_jobs(by_hour, ["hour"]).filter(pl.col("kind") == TRAINING)
    spent = spent_of_jobs(by_hour, ["hour"]).filter(pl.col("goodput").is_not_null())
    lasting = pl.col("able") * pl.col("productive_ms") / pl.col("elapsed_ms")
    hours = (
        able.join(spent, on=[*KEY, "hour"])
        .with_columns(lasting.alias("lasting"))
        .filter(pl.col("made").is_not_null() & (pl.col("lasting") > 0))
    )
    ettr = effective_training_time(view, []).row(0, named=True)
    if hours.is_empty() or not ettr["numerator"]:
        return None
    each = (
        hours.group_by("hour")
        .agg((pl.col("made").sum() / pl.col("lasting").sum()).alias("mfu"))
        .sort("hour")
    )
    made, lasted = hours.select(pl.col("made", "lasting").sum()).row(0)
    mfu = made / lasted
    if not mfu > 0:
        return None
    jobs = hours.select(KEY).unique().height
    covered = float(hours["able_ms"].sum()) / float(able["able_ms"].sum())
    ettr_of_runs = ettr["numerator"] / ettr["denominator"]
    return _Rate(mfu, ettr_of_runs, jobs, covered, tuple(each["mfu"]))


def _declared(view: View, by: list[str]) -> pl.DataFrame | None:
    holding = results.holding(view, "projection", ["system", "parameters", "tokens"])
    if holding is None or holding.is_empty():
        return None
    ten = holding.filter(pl.col("parameters") == PARAMETERS)
    margin = (BUDGET_DAYS * DAY_SECONDS / pl.col("value")).round_sig_figs(3)
    return ten.select(
        pl.col("system").fill_null("unknown"),
        pl.lit("declared").alias("way"),
        pl.col("tokens").map_elements(_named, return_dtype=pl.String),
        *((pl.col(name) / DAY_SECONDS).alias(name) for name in ("value", "low", "high")),
        pl.lit(1).alias("n"),
        results.declared(),
        pl.concat_str(
            pl.format("{} days are {} times that", pl.lit(f"{BUDGET_DAYS:g}"), margin), "note",
            separator="; ", ignore_nulls=True,
        ).alias("note"),
    ).select("way", "tokens", pl.exclude("way", "tokens"))  # fmt: skip


def _named(tokens: float) -> str:
    return f"{tokens / 1e12:g} T"
