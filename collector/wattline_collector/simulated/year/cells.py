"""A planted year tick by tick: what every device does, and what is seen of it.

One row for each device and tick, made from the plan a stretch at a time. Both the telemetry and the
truth are made of these rows: the telemetry says what agents would, the truth adds up what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import polars as pl

from wattline_agents.sources.simulated.physics import HOST_WATTS_PER_DEVICE_WATT
from wattline_collector.simulated.shape import DAY_MS
from wattline_collector.simulated.year.extent import TICK_MS
from wattline_collector.simulated.year.plan import Plan, stages_of
from wattline_collector.simulated.year.planted import Hole, What

_FLOOR = 0.12
_SLOPE = 0.88
"""Power of a working device: so much of its range at once, the rest with its activity."""
_RANKS = {
    What.SCHEDULED: 0, What.UNSCHEDULED: 1, What.FAILURE: 1, What.DRAIN: 2,
}  # fmt: skip
STANDINGS = ("maintenance", "down", "draining")


class Cells:
    """Makes the rows of a plan."""

    def __init__(self, plan: Plan) -> None:
        """Of that plan."""
        self.plan = plan

    def days(self) -> Iterator[tuple[int, int]]:
        """The year in days."""
        extent = self.plan.extent
        for start_ms in range(extent.start_ms, extent.end_ms, DAY_MS):
            yield start_ms, start_ms + DAY_MS

    def rows(self, low_ms: int, high_ms: int) -> pl.DataFrame:
        """Every device at every tick of a stretch.

        Args:
            low_ms: Its start, on a tick.
            high_ms: Its end.

        Returns:
            `node`, `device` (numbers), `end` (of the tick, ms), `job` (number; null: none), `held`,
            `activity`, `slowed`, `lost` (its work was thrown away), `up`, `standing` (of
            `STANDINGS`, null: none), `dark` (no evidence of this time), `quiet` (no sample at its
            end), `blind` (activity not measured), `watts`; sorted by device and time.
        """
        extent = self.plan.extent
        ends = pl.DataFrame(
            {"end": pl.int_range(low_ms + TICK_MS, high_ms + TICK_MS, TICK_MS, eager=True)}
        )
        every = self._devices.join(ends, how="cross")
        at_work = _marked(self._stages, low_ms, high_ms).join(self._holding, on="job")
        nodes = self._overlays(low_ms, high_ms)
        lost = _marked(self._losses, low_ms, high_ms).with_columns(pl.lit(False).alias("up"))
        profile = extent.profile
        off = pl.col("off").fill_null(False)
        up = pl.col("up").fill_null(True)
        span = profile.peak_watts - profile.idle_watts
        watts = (
            pl.when(off | ~up)
            .then(0.0)
            .when(pl.col("job").is_null())
            .then(profile.idle_watts)
            .when(pl.col("held"))
            .then(profile.held_watts)
            .otherwise(profile.idle_watts + span * (_FLOOR + _SLOPE * pl.col("activity")))
        )
        return (
            every.join(at_work, on=["device", "end"], how="left")
            .join(nodes, on=["node", "end"], how="left")
            .join(lost, on=["device", "end"], how="left")
            .sort("device", "end")
            .select(
                "node", "device", "end", "job",
                pl.col("held").fill_null(False),
                pl.when(off | ~up).then(0.0).otherwise(pl.col("activity").fill_null(0.0))
                .alias("activity"),
                pl.col("slowed").fill_null(0.0),
                (pl.col("end") > pl.col("lost_from")).fill_null(False).alias("lost"),
                up.alias("up"),
                pl.col("rank").replace_strict(
                    dict(enumerate(STANDINGS)), default=None, return_dtype=pl.String
                ).alias("standing"),
                *(pl.col(name).fill_null(False) for name in ("off", "dark", "quiet", "blind")),
                (watts * pl.col("thirst")).alias("watts"),
            )
        )  # fmt: skip

    def node_watts(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Power of whole nodes: `node`, `end`, `watts`, `quiet`, from what `rows` returned."""
        host = pl.when("off").then(0.0).otherwise(self.plan.extent.profile.host_watts)
        return (
            rows.group_by("node", "end", maintain_order=True)
            .agg(pl.col("watts").sum(), pl.col("off", "quiet").first())
            .with_columns(
                (pl.col("watts") * (1 + HOST_WATTS_PER_DEVICE_WATT) + host).alias("watts")
            )
            .drop("off")
        )

    @cached_property
    def _devices(self) -> pl.DataFrame:
        extent = self.plan.extent
        device = pl.int_range(extent.nodes * extent.devices, dtype=pl.Int32, eager=True)
        # No two devices are alike: a few per cent in power, and the same every time.
        thirst = 0.97 + (device.cast(pl.Int64) * 7919 % 61) / 1000
        return pl.DataFrame({"device": device, "thirst": thirst}).with_columns(
            (pl.col("device") // extent.devices).alias("node")
        )

    @cached_property
    def _stages(self) -> pl.DataFrame:
        rows = [
            (job.number, stage.start_ms, stage.end_ms, stage.held, stage.activity, stage.slowed,
             job.lost_from_ms)
            for job, stage in stages_of(self.plan.jobs)
        ]  # fmt: skip
        return pl.DataFrame(
            rows,
            schema={
                "job": pl.Int32, "start_ms": pl.Int64, "end_ms": pl.Int64, "held": pl.Boolean,
                "activity": pl.Float64, "slowed": pl.Float64, "lost_from": pl.Int64,
            },
            orient="row",
        )  # fmt: skip

    @cached_property
    def _holding(self) -> pl.DataFrame:
        rows = {
            "job": [job.number for job in self.plan.jobs],
            "device": [list(job.devices) for job in self.plan.jobs],
        }
        schema = pl.Schema({"job": pl.Int32(), "device": pl.List(pl.Int32())})
        return pl.DataFrame(rows, schema=schema).explode("device", empty_as_null=False)

    @cached_property
    def _losses(self) -> pl.DataFrame:
        rows = [(loss.device, loss.start_ms, loss.end_ms) for loss in self.plan.planted.losses]
        schema = {"device": pl.Int32, "start_ms": pl.Int64, "end_ms": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    @cached_property
    def _events(self) -> pl.DataFrame:
        """What happens to nodes, and the holes in what is seen of them."""
        rows = [
            (node, event.start_ms, event.end_ms, _RANKS.get(event.what), event.powers_off,
             event.powers_off, False)
            for event in self.plan.planted.events
            for node in event.nodes
        ]  # fmt: skip
        for missing in self.plan.planted.missing:
            if missing.node is not None:
                dark = missing.hole is not Hole.NO_ACTIVITY
                rows.append(
                    (missing.node, missing.start_ms, missing.end_ms, None, False, dark, not dark)
                )
        schema = {
            "node": pl.Int32, "start_ms": pl.Int64, "end_ms": pl.Int64, "rank": pl.Int64,
            "off": pl.Boolean, "dark": pl.Boolean, "blind": pl.Boolean,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _overlays(self, low_ms: int, high_ms: int) -> pl.DataFrame:
        """`node`, `end`, `rank`, `off`, `dark`, `quiet`, `blind` of ticks in which anything is."""
        marked = _marked(self._events, low_ms, high_ms, keep=("end_ms",))
        return marked.group_by("node", "end").agg(
            pl.col("rank").min(),
            pl.col("off", "dark", "blind").any(),
            # The sample that ends a silence is sent, and says nothing of the time before it.
            (pl.col("dark") & (pl.col("end") < pl.col("end_ms"))).any().alias("quiet"),
        )


def _marked(
    stretches: pl.DataFrame, low_ms: int, high_ms: int, keep: tuple[str, ...] = ()
) -> pl.DataFrame:
    """A row for every tick of stretches that lies in a time, by its end."""
    low = pl.max_horizontal("start_ms", pl.lit(low_ms))
    high = pl.min_horizontal("end_ms", pl.lit(high_ms))
    return (
        stretches.filter((pl.col("start_ms") < high_ms) & (pl.col("end_ms") > low_ms))
        .with_columns(pl.int_ranges(low + TICK_MS, high + TICK_MS, TICK_MS).alias("end"))
        .explode("end", empty_as_null=False)
        .drop([name for name in ("start_ms", "end_ms") if name not in keep])
    )
