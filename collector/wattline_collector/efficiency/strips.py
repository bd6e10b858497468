"""What each device of a job did over time, on one axis: as fine as somebody can see, and packed.

Made of the telemetry itself where it is there, and of the books, by the minute or the hour, where
it is not: telemetry is kept for weeks, the books for years.
"""

from __future__ import annotations

import base64
import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from wattline_collector.efficiency.evidence import Evidence
from wattline_collector.efficiency.report import DeviceRow, JobReport
from wattline_collector.efficiency.time_spent import MOST_STRIPS, remarkable

MOST_STEPS = 360
"""Steps at most: at two pixels each, the width of a strip on a small screen."""
LEAST_READ = 0.5
"""Of the time that the devices were held: where telemetry tells of less, the books tell."""
MOST_GAPS = 1_000
MOST_HELD = 20
"""Stretches of one device: a job is given its devices once, or once after each restart."""

_STEPS_MS = (
    10_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
    3_600_000, 7_200_000, 14_400_000, 28_800_000, 86_400_000,
)  # fmt: skip

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Strips:
    """Devices over time; a row per device, a column per step.

    Attributes:
        source: `telemetry` or `books`.
        start_ms: The first step's first moment.
        step_ms: Length of a step.
        steps: How many.
        activity: 0-1, row after row; NaN: not known, or not the job's then.
        watts: Likewise.
    """

    source: str
    start_ms: int
    step_ms: int
    steps: int
    activity: Sequence[float]
    watts: Sequence[float]


def step_of(span_ms: int, grain_ms: int = 0) -> int:
    """The finest round length by which a time is at most `MOST_STEPS` long, milliseconds.

    Args:
        span_ms: The time.
        grain_ms: A step is no shorter than this.
    """
    least = max(grain_ms, span_ms / MOST_STEPS)
    fitting = next((step for step in _STEPS_MS if step >= least), None)
    return fitting or -(-math.ceil(least) // _STEPS_MS[-1]) * _STEPS_MS[-1]


def of_telemetry(
    readings: pl.DataFrame, held: pl.DataFrame, chosen: Sequence[str], start_ms: int, end_ms: int
) -> Strips | None:
    """Means over steps of what was read of devices while the job held them.

    Args:
        readings: As `Telemetry.over_time` gives them.
        held: `HELD`.
        chosen: Devices, in the order of the rows.
        start_ms: First moment.
        end_ms: The moment after the last.

    Returns:
        None where less than `LEAST_READ` of the time that they were held was read.
    """
    step_ms = step_of(end_ms - start_ms)
    start_ms = start_ms // step_ms * step_ms
    steps = max(1, -(-(end_ms - start_ms) // step_ms))
    # A reading is of the time before it, so one on the border belongs to the step that ends there.
    at = (pl.col("time_unix_ms") - 1 - start_ms) // step_ms
    mine = held.filter(pl.col("device").is_in(list(chosen))).select("device", "start_ms", "end_ms")
    inside = (
        readings.join(mine, on="device")
        .filter(
            pl.col("time_unix_ms") > pl.col("start_ms"), pl.col("time_unix_ms") <= pl.col("end_ms")
        )
        .with_columns(at.alias("step"))
    )
    held_ms = mine.select((pl.col("end_ms") - pl.col("start_ms")).sum()).item() or 0
    known = pl.col("activity").is_not_null() | pl.col("watts").is_not_null()
    if not held_ms or inside.filter(known)["ms"].sum() < LEAST_READ * held_ms:
        return None
    sums = inside.group_by("device", "step").agg(_mean("activity"), _mean("watts"))
    grid = (
        pl.DataFrame({"device": list(chosen)}, schema={"device": pl.String})
        .with_row_index("row")
        .join(pl.DataFrame({"step": range(steps)}, schema={"step": pl.Int64}), how="cross")
        .join(sums, on=["device", "step"], how="left")
        .sort("row", "step")
    )
    return Strips(
        "telemetry", start_ms, step_ms, steps, _numbers(grid["activity"]), _numbers(grid["watts"])
    )


def of_books(found: JobReport, chosen: Sequence[str]) -> Strips:
    """The report's own timeline, step by step."""
    line = found.timeline
    strips = {strip.device: strip for strip in line.strips}
    steps = max((len(strip.activity) for strip in line.strips), default=0)
    gap = (None,) * steps
    rows = [strips.get(device) for device in chosen]
    return Strips(
        "books",
        line.start_ms,
        line.step_ms,
        steps,
        _filled(value for row in rows for value in (gap if row is None else row.activity)),
        _filled(value for row in rows for value in (gap if row is None else row.watts)),
    )


def strips(evidence: Evidence, found: JobReport, readings: pl.DataFrame | None) -> Json:
    """As they leave the program, ready to be drawn.

    Args:
        evidence: All that is known of the job.
        found: Its report.
        readings: `Telemetry.over_time` of its devices; None where nobody looked.
    """
    rows = remarkable(found.devices, MOST_STRIPS)
    chosen = [row.device for row in rows]
    made = None
    if readings is not None and chosen:
        made = of_telemetry(readings, evidence.held, chosen, evidence.start_ms, evidence.end_ms)
    made = made or of_books(found, chosen)
    shape = (len(chosen), made.steps)
    named = [_named(row, evidence) for row in rows]
    return {
        "source": made.source,
        "start_unix_ms": made.start_ms,
        "step_ms": made.step_ms,
        "steps": made.steps,
        "devices": named,
        "left_out": len(found.devices) - len(rows),
        "activity": packed(made.activity, shape),
        "power_watts": packed(made.watts, shape),
        "unread": {
            "activity": unread(made, made.activity, named),
            "power_watts": unread(made, made.watts, named),
        },
        "power_most_watts": max((w for w in made.watts if not math.isnan(w)), default=None),
        "tokens": {
            "start_unix_ms": found.timeline.start_ms,
            "step_ms": found.timeline.step_ms,
            "per_second": list(found.timeline.tokens_per_second),
        },
    }


def unread(made: Strips, values: Sequence[float], devices: Sequence[Json]) -> list[list[int]]:
    """Time in which a device was held and nothing is known: row, start and end (Unix ms).

    Steps that touch merge into one; of very many gaps the longest are told.
    """
    found: list[list[int]] = []
    for row, device in enumerate(devices):
        held = device["held"]
        assert isinstance(held, list)
        for first, last in held:
            low = max(0, (first - made.start_ms) // made.step_ms)
            high = min(made.steps, -(-(last - made.start_ms) // made.step_ms))
            begun: int | None = None
            for step in range(low, high + 1):
                is_gap = step < high and math.isnan(values[row * made.steps + step])
                if is_gap and begun is None:
                    begun = step
                elif not is_gap and begun is not None:
                    start, end = (made.start_ms + at * made.step_ms for at in (begun, step))
                    found.append([row, max(first, start), min(last, end)])
                    begun = None
    longest = sorted(found, key=lambda gap: gap[1] - gap[2])[:MOST_GAPS]
    return sorted(longest)


def packed(values: Iterable[float], shape: tuple[int, int]) -> dict[str, str]:
    """Numbers as Plotly takes them: 32-bit floats, little-endian, base64; a tenth of a list."""
    numbers = array("f", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return {
        "dtype": "f4",
        "bdata": base64.b64encode(numbers.tobytes()).decode("ascii"),
        "shape": f"{shape[0]}, {shape[1]}",
    }


def _named(row: DeviceRow, evidence: Evidence) -> Json:
    held = evidence.held.filter(pl.col("device") == row.device).sort("start_ms").head(MOST_HELD)
    return {
        "device": row.device,
        "node": row.node,
        "index": row.index,
        "held": [
            [max(start, evidence.start_ms), min(end, evidence.end_ms)]
            for start, end in held.select("start_ms", "end_ms").iter_rows()
        ],
    }


def _mean(column: str) -> pl.Expr:
    """Over the time in which it is known; null where it is never."""
    known = pl.col("ms").filter(pl.col(column).is_not_null()).sum()
    mean = (pl.col(column) * pl.col("ms")).sum() / known
    return pl.when(known > 0).then(mean).alias(column)


def _numbers(series: pl.Series) -> list[float]:
    return series.fill_null(math.nan).to_list()


def _filled(values: Iterable[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
