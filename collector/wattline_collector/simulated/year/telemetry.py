"""The samples that the agents of a planted year sent, as batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import polars as pl

from wattline_agents.catalogue import DEVICE, JOB, LATENCY, NODE
from wattline_collector.simulated.batches import Body, by_node
from wattline_collector.simulated.year.cells import Cells
from wattline_collector.simulated.year.extent import TICK_MS
from wattline_collector.simulated.year.plan import Plan
from wattline_collector.simulated.year.planted import rooms
from wattline_collector.simulated.year.statements import nodes_of
from wattline_collector.simulated.year.work import STEPS_A_CHECKPOINT, Job, Stage

LATENCIES: Mapping[str, tuple[tuple[float | None, int], ...]] = {
    "first_token": ((0.1, 50), (0.25, 560), (0.5, 860), (1.0, 965), (2.5, 996), (None, 1000)),
    "per_token": ((0.01, 30), (0.02, 610), (0.05, 970), (0.1, 995), (None, 1000)),
    "request": ((1.0, 40), (2.5, 380), (5.0, 720), (10.0, 965), (30.0, 997), (None, 1000)),
}
"""Of a thousand requests, how many took at most that long, by kind; by day and by night."""
MEAN_SECONDS = {"first_token": 0.31, "per_token": 0.021, "request": 4.1}
_COUNTERS = (
    "tokens_trained_total", "steps_total", "tokens_prompt_total", "tokens_prompt_cached_total",
    "tokens_generated_total", "requests_total", "requests_failed_total", "requests_good_total",
)  # fmt: skip
_PHASES = ("init", "step", "data_wait", "checkpoint_save")
_TIME = pl.col("time_unix_ms")


class Telemetry:
    """Makes the batches of a plan, day after day: counters go on from the day before."""

    def __init__(self, plan: Plan) -> None:
        """Of that plan, from its start."""
        self.plan = plan
        self._cells = Cells(plan)
        extent = plan.extent
        devices = pl.int_range(extent.nodes * extent.devices, dtype=pl.Int32, eager=True)
        # The counters began when the driver was loaded, some time before.
        self._counters = pl.DataFrame(
            {"device": devices, "joules_before": 1e8 + devices * 1e5, "slow_before": 0.0}
        )
        nodes = pl.int_range(extent.nodes, dtype=pl.Int32, eager=True)
        self._node_counters = pl.DataFrame({"node": nodes, "joules_before": 1e9 + nodes * 1e6})
        self._names = pl.DataFrame(
            {"device": devices, "id": extent.device_names},
        )

    def first(self) -> Iterator[Body]:
        """The samples of the year's first moment, so that the first tick has a beginning."""
        extent = self.plan.extent
        cells = self._cells.rows(extent.start_ms, extent.start_ms + TICK_MS)
        yield from self._samples(cells.with_columns(pl.lit(extent.start_ms).alias("end"),
                                                    pl.lit(0.0).alias("watts")), 1)  # fmt: skip

    def day(self, low_ms: int, high_ms: int) -> Iterator[Body]:
        """All samples after one moment up to and including another."""
        cells = self._cells.rows(low_ms, high_ms)
        yield from self._samples(cells, TICK_MS // self.plan.extent.period_ms)
        jobs = self._job_rows(cells, low_ms, high_ms)
        names = self.plan.extent.node_names
        yield from by_node(JOB, jobs, names)
        yield from by_node(LATENCY, self._latency_rows(jobs), names)

    def _samples(self, cells: pl.DataFrame, a_tick: int) -> Iterator[Body]:
        """Rows of devices and nodes; what their counters reached is remembered."""
        extent, seconds = self.plan.extent, TICK_MS / 1000
        summed = cells.join(self._counters, on="device", maintain_order="left").with_columns(
            (pl.col("joules_before") + (pl.col("watts") * seconds).cum_sum().over("device"))
            .alias("joules"),
            (pl.col("slow_before") + (pl.col("slowed") * seconds).cum_sum().over("device"))
            .alias("slow"),
        )  # fmt: skip
        self._counters = summed.group_by("device", maintain_order=True).agg(
            pl.col("joules").last().alias("joules_before"),
            pl.col("slow").last().alias("slow_before"),
        )
        nodes = (
            self._cells.node_watts(cells)
            .join(self._node_counters, on="node", maintain_order="left")
            .with_columns(
                (pl.col("joules_before") + (pl.col("watts") * seconds).cum_sum().over("node"))
                .alias("joules")
            )
        )  # fmt: skip
        self._node_counters = nodes.group_by("node", maintain_order=True).agg(
            pl.col("joules").last().alias("joules_before")
        )
        dark = cells.group_by("node", "end").agg(pl.col("dark").first())
        nodes = nodes.join(dark, on=["node", "end"], maintain_order="left")
        period = extent.period_ms
        node_rows = _sampled(nodes, a_tick, period).select(
            "node", "time_unix_ms", pl.col("joules").alias("energy_joules_total"),
            pl.col("watts").alias("power_watts"),
        )  # fmt: skip
        yield from by_node(NODE, node_rows, extent.node_names)
        up = pl.col("up")
        seen = up & ~pl.col("blind")
        device_rows = (
            _sampled(summed, a_tick, period)
            .join(self._names, on="device", maintain_order="left")
            .select(
                "node",
                "time_unix_ms",
                pl.col("id").alias("device"),
                up.cast(pl.Int64).alias("up"),
                pl.when(up).then("joules").alias("energy_joules_total"),
                pl.when(up).then("watts").alias("power_watts"),
                pl.when(seen).then("activity").alias("sm_active_ratio"),
                pl.when(seen).then(pl.col("activity").ceil() * 0.97).alias("busy_ratio"),
                pl.when(seen).then(pl.col("activity") * 0.8).alias("tensor_active_ratio"),
                pl.when(seen).then(pl.col("activity") * 0.6).alias("dram_active_ratio"),
                pl.when(up).then(30 + pl.col("watts") * 0.058).alias("temperature_celsius"),
                pl.when(up).then("slow").alias("throttle_thermal_seconds_total"),
            )
        )
        yield from by_node(DEVICE, device_rows, extent.node_names)

    def _job_rows(self, cells: pl.DataFrame, low_ms: int, high_ms: int) -> pl.DataFrame:
        """Rows of table `job` of a day, with the node that sends them."""
        period = self.plan.extent.period_ms
        low = pl.max_horizontal("start_ms", pl.lit(low_ms))
        high = pl.min_horizontal("end_ms", pl.lit(high_ms))
        inside = self._stages.filter((pl.col("start_ms") < high_ms) & (pl.col("end_ms") > low_ms))
        marked = inside.with_columns(
            pl.int_ranges(low + period, high + period, period).alias("time_unix_ms")
        ).explode("time_unix_ms", empty_as_null=False)
        # A node that is in the dark sends nothing but what ends it.
        tick = (-(-_TIME // TICK_MS) * TICK_MS).alias("end")
        dark = cells.filter("dark").select("node", "end", "quiet").unique()
        sent = marked.with_columns(tick).join(dark, on=["node", "end"], how="left").filter(
            pl.col("quiet").is_null() | (~pl.col("quiet") & (_TIME == pl.col("end")))
        )  # fmt: skip
        elapsed = _TIME - pl.col("start_ms")
        counted = sent.with_columns(
            *(
                (pl.col(f"made_{name}") + pl.col(f"each_{name}") * elapsed // TICK_MS).alias(name)
                for name in _COUNTERS
            ),
            *(
                # In whole milliseconds, so that no counter falls by a last digit.
                ((pl.col(f"spent_{phase}") + pl.col(f"phase_{phase}") * elapsed // TICK_MS) / 1000)
                .alias(f"phase_{phase}_seconds_total")
                for phase in _PHASES
            ),
        )  # fmt: skip
        steps, resumed = pl.col("steps_total"), pl.col("resumed")
        saved = steps // STEPS_A_CHECKPOINT
        return counted.with_columns(
            pl.when(resumed.is_not_null()).then(saved).alias("checkpoints_total"),
            (resumed + steps).alias("step"),
            resumed.alias("step_resumed"),
            (resumed + saved * STEPS_A_CHECKPOINT).alias("step_saved"),
            (pl.col("tokens_trained_total") * pl.col("flops_a_token")).alias("flops_total"),
        ).sort("node", "time_unix_ms", "job")

    def _latency_rows(self, jobs: pl.DataFrame) -> pl.DataFrame:
        """Histograms of services, of some of the nodes that serve."""
        served = jobs.filter(pl.col("tells_latency")).select(
            "node", "job", "time_unix_ms", "requests_total"
        )
        parts = [
            served.with_columns(
                pl.lit("http://localhost:8000").alias("engine"),
                pl.lit(kind).alias("kind"),
                pl.lit(bound, dtype=pl.Float64).alias("le_seconds"),
                (pl.col("requests_total") * count // 1000).alias("latency_count_total"),
                pl.lit(None, dtype=pl.Float64).alias("latency_seconds_total")
                if bound is not None
                else (pl.col("requests_total") * MEAN_SECONDS[kind]).alias("latency_seconds_total"),
            )
            for kind, buckets in LATENCIES.items()
            for bound, count in buckets
        ]
        return pl.concat(parts).sort("node", "time_unix_ms", maintain_order=True)

    @cached_property
    def _stages(self) -> pl.DataFrame:
        """A row for each stage of each job that counts anything."""
        rows: list[tuple[object, ...]] = []
        for job in self.plan.jobs:
            own = {name for stage in job.stages for name in stage.per_tick}
            phases = {name for stage in job.stages for name in stage.phases}
            if not own:
                continue
            made = dict.fromkeys(own, 0)
            spent = dict.fromkeys(phases, 0)
            node = self._reporter(job)
            for stage in job.stages:
                rows.append(
                    (
                        node, job.key, stage.start_ms, stage.end_ms, job.resumed,
                        job.model.flops_trained if job.model and job.kind == "training" else None,
                        job.kind == "inference" and tells_latency(self.plan, job),
                        *(made.get(name) for name in _COUNTERS),
                        *(stage.per_tick.get(n, 0) if n in own else None for n in _COUNTERS),
                        *(spent.get(name) for name in _PHASES),
                        *(_tick_ms(stage, n) if n in phases else None for n in _PHASES),
                    )
                )  # fmt: skip
                for name in own:
                    made[name] += stage.per_tick.get(name, 0) * stage.ticks
                for name in phases:
                    spent[name] += _tick_ms(stage, name) * stage.ticks
        whole, real = pl.Int64(), pl.Float64()
        schema = {
            "node": pl.Int32(), "job": pl.String(), "start_ms": whole, "end_ms": whole,
            "resumed": whole, "flops_a_token": real, "tells_latency": pl.Boolean(),
            **{f"{of}_{name}": whole for of in ("made", "each") for name in _COUNTERS},
            **{f"{of}_{name}": whole for of in ("spent", "phase") for name in _PHASES},
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _reporter(self, job: Job) -> int:
        """The node that tells what a job made: one that is not silent meanwhile, if there is."""
        nodes = nodes_of(self.plan.extent, job)
        silent = {
            missing.node
            for missing in self.plan.planted.missing
            if missing.hole.startswith("silent")
            and missing.start_ms < job.end_ms
            and job.start_ms < missing.end_ms
        }
        return next((node for node in nodes if node not in silent), nodes[0])


def tells_latency(plan: Plan, job: Job) -> bool:
    """Whether a service has an engine that keeps histograms: on the first node and each eighth."""
    extent = plan.extent
    node = job.devices[0] // extent.devices
    return extent.nodes < 16 or (node - rooms(extent).service.start) % 8 == 0


def _tick_ms(stage: Stage, phase: str) -> int:
    """How long of a tick a stage spends in a phase."""
    return round(stage.phases.get(phase, 0.0) * TICK_MS)


def _sampled(ticks: pl.DataFrame, a_tick: int, period_ms: int) -> pl.DataFrame:
    """The samples of ticks that are sent: `joules` and `slow` as they stand at each."""
    offsets = pl.DataFrame({"ago": pl.int_range(a_tick, dtype=pl.Int64, eager=True).reverse()})
    spread = ticks if a_tick == 1 else ticks.join(offsets, how="cross", maintain_order="left")
    if a_tick == 1:
        spread = spread.with_columns(pl.lit(0, dtype=pl.Int64).alias("ago"))
    ago = pl.col("ago") * period_ms
    slow = (
        [(pl.col("slow") - pl.col("slowed") * ago / 1000).alias("slow")]
        if "slow" in ticks.columns
        else []
    )
    return (
        spread.filter(~pl.col("dark") | (~pl.col("quiet") & (pl.col("ago") == 0)))
        .with_columns(
            (pl.col("end") - ago).alias("time_unix_ms"),
            (pl.col("joules") - pl.col("watts") * ago / 1000).alias("joules"),
            *slow,
        )
        .sort("node", maintain_order=True)
    )
