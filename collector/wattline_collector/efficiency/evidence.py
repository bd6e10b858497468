"""All that is known of one job, as frames: what the report of it is computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from wattline_collector.ledger import schema

Facts = Mapping[str, Any]
"""One row of a frame; a column there is not is null (`facts.get`)."""

READINGS = pl.Schema(
    {
        "device": pl.String(),
        "node": pl.String(),
        "read_ms": pl.Float64(),  # time its readings stand for
        "tensor_ms": pl.Float64(),  # integrals of the ratios over the time that they are known
        "tensor_known_ms": pl.Float64(),
        "dram_ms": pl.Float64(),
        "dram_known_ms": pl.Float64(),
        "memory_known_ms": pl.Float64(),
        "memory_peak_bytes": pl.Int64(),
        "memory_size_bytes": pl.Int64(),
        "power_limit_watts": pl.Float64(),  # the lowest seen
        "power_limit_default_watts": pl.Float64(),
        "throttle_power_cap_seconds": pl.Float64(),
        "throttle_thermal_seconds": pl.Float64(),
        "throttle_power_brake_seconds": pl.Float64(),
    }
)
"""What telemetry says of a device while the job held it, beyond what the ledger keeps."""

HOSTS = pl.Schema(
    {
        "node": pl.String(),
        "cores": pl.Int64(),
        "memory_size_bytes": pl.Int64(),
        "busy_core_ms": pl.Float64(),  # processor time at work
        "known_ms": pl.Float64(),  # wall time in which that is known
    }
)
"""What telemetry says of a node while the job ran on it."""

RANKS = pl.Schema(
    {"node": pl.String(), "step_seconds": pl.Float64(), "phase_seconds": pl.Float64()}
)
"""Time in steps and in phases of any kind, of the processes of each node together."""

HELD = pl.Schema(
    {
        "device": pl.String(),
        "start_ms": pl.Int64(),
        "end_ms": pl.Int64(),
        "share": pl.Float64(),  # 0-1
    }
)
"""Which devices the job held when."""

METHODS = pl.Schema({"method": pl.String(), "seconds": pl.Float64()})
"""How it is known that they were its: device time that each method decided."""

BUCKETS = pl.Schema(
    {
        "kind": pl.String(),
        "le_seconds": pl.Float64(),  # null: no bound
        "count": pl.Int64(),  # observations of at most that
        "seconds": pl.Float64(),  # sum of all; only where there is no bound
    }
)
"""Latencies of all its engines together, as cumulative buckets."""

DEVICES = pl.Schema(
    {
        "device": pl.String(),
        "node": pl.String(),
        "index": pl.Int64(),
        "model": pl.String(),
        "scope": pl.String(),  # what its own meter sees: gpu or module
    }
)
"""Every device of the nodes it ran on."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of the job: a requeued one has several."""

    key: str
    state: str | None


@dataclass(frozen=True)
class Evidence:
    """All that is known of one job in one period.

    Attributes:
        system: Where it ran.
        job: Its key.
        start_ms: First moment looked at: its start, or that of the period asked for.
        end_ms: The moment after the last: its end, or what is known up to now.
        now_ms: When it is asked.
        as_of_ms: Up to when the books of its system are kept; null: there are none.
        grain_ms: How fine the entries are: minutes, or hours of a long job.
        about: `books.JOBS`.
        accounting: `jobs.condense.ACCOUNTED`, if a scheduler spoke of it.
        model: The newest `job_model`, if it said what it trains or serves.
        project: Its row of the register of projects.
        attempts: All its starts, oldest first.
        device: `schema.DEVICE`, of the job; a failed job's work stands under `lost`.
        node: `schema.NODE`, of the job; likewise.
        made: `schema.JOB`, of the job.
        devices: `DEVICES`.
        shared_nodes: Whether another job held a device of its nodes meanwhile; null: not known.
        held: `HELD`.
        methods: `METHODS`, of all its time.
        readings: `READINGS`.
        hosts: `HOSTS`.
        ranks: `RANKS`.
        buckets: `BUCKETS`.
        interruptions: Jobs of the system that a node's failure ended.
        node_seconds: Node time that all jobs of the system ran; 0: not known.
    """

    system: str
    job: str
    start_ms: int
    end_ms: int
    now_ms: int
    as_of_ms: int | None
    grain_ms: int = schema.MINUTE_MS
    about: Facts = field(default_factory=dict)
    accounting: Facts = field(default_factory=dict)
    model: Facts = field(default_factory=dict)
    project: Facts = field(default_factory=dict)
    attempts: Sequence[Attempt] = ()
    device: pl.DataFrame = field(default_factory=schema.DEVICE.to_frame)
    node: pl.DataFrame = field(default_factory=schema.NODE.to_frame)
    made: pl.DataFrame = field(default_factory=schema.JOB.to_frame)
    devices: pl.DataFrame = field(default_factory=DEVICES.to_frame)
    shared_nodes: bool | None = None
    held: pl.DataFrame = field(default_factory=HELD.to_frame)
    methods: pl.DataFrame = field(default_factory=METHODS.to_frame)
    readings: pl.DataFrame = field(default_factory=READINGS.to_frame)
    hosts: pl.DataFrame = field(default_factory=HOSTS.to_frame)
    ranks: pl.DataFrame = field(default_factory=RANKS.to_frame)
    buckets: pl.DataFrame = field(default_factory=BUCKETS.to_frame)
    interruptions: int = 0
    node_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the time looked at is."""
        return max(0, self.end_ms - self.start_ms) / 1000

    @property
    def expected_ms(self) -> float:
        """Device time that should be booked to it: what is, or all its devices in all the time.

        A device whose node fell silent, or that nobody saw, is missing from the books; the time of
        devices that it shared cannot be told like that.
        """
        booked = float(self.device["duration_ms"].sum())
        shared = (self.held["share"] < 1).any()
        gpus = self.accounting.get("gpus") or self.device["device"].n_unique()
        return booked if shared else max(booked, gpus * self.seconds * 1000)

    def said(self, column: str) -> Any:
        """What the books believe, else what the scheduler says; null if neither speaks of it."""
        value = self.about.get(column)
        return self.accounting.get(column) if value is None else value
