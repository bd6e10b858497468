"""What the books keep beside entries: one row per device, node, job or long silence."""

from __future__ import annotations

import polars as pl

from wattline_agents.catalogue import JOB_MODEL, Type

INVENTORY = pl.Schema(
    {
        "system": pl.String(),
        "kind": pl.String(),  # device or node
        "key": pl.String(),
        "node": pl.String(),
        "from_ms": pl.Int64(),
        "until_ms": pl.Int64(),  # null: still installed
        "stated_ms": pl.Int64(),  # when what is said here was said
        "period_ms": pl.Int64(),
        "index": pl.Int64(),
        "vendor": pl.String(),
        "model": pl.String(),
        "rack": pl.String(),
        "source": pl.String(),
        "module": pl.String(),  # what a device shares its power meter with
        "scope": pl.String(),  # what a device's meter sees: gpu, or module
    }
)
JOBS = pl.Schema(
    {
        "system": pl.String(),
        "job": pl.String(),
        "name": pl.String(),
        "kind": pl.String(),
        "project": pl.String(),
        "user": pl.String(),
        "state": pl.String(),
        "start_ms": pl.Int64(),
        "end_ms": pl.Int64(),
        "stated_ms": pl.Int64(),
        "seen_ms": pl.Int64(),  # newest evidence of any kind that it ran
        "counted_from_ms": pl.Int64(),  # first and newest reading of its counters
        "counted_ms": pl.Int64(),
        "run": pl.String(),  # the training run it says it is part of
        "accounted_ms": pl.Int64(),  # when its scheduler last said that it runs
        "step_highest": pl.Int64(),  # the highest step it committed
        "step_last": pl.Int64(),  # the newest it told, and when
        "stepped_ms": pl.Int64(),
        "step_resumed": pl.Int64(),  # the step it first went on from
        "step_saved": pl.Int64(),  # that of its newest checkpoint, and when it was reached
        "saved_ms": pl.Int64(),
        "step_kept": pl.Int64(),  # the least that later jobs of its run went on from
        "kept_ms": pl.Int64(),  # when it was reached; null: not by this job, or not known
    }
)
SERIES = pl.Schema(
    {
        "system": pl.String(),
        "job": pl.String(),
        "node": pl.String(),
        "counted_from_ms": pl.Int64(),
        "counted_ms": pl.Int64(),
    }
)
"""First and newest counter reading of a job by each node that sends any, of late jobs."""
_TYPES = {Type.INT: pl.Int64(), Type.FLOAT: pl.Float64(), Type.TEXT: pl.String()}
MODELS = pl.Schema(
    {
        "system": pl.String(),
        **{name: _TYPES[t] for name, t in JOB_MODEL.columns.items() if name != "time_unix_ms"},
        "stated_ms": pl.Int64(),
    }
)
"""The model of each job, as it said last."""
HOLES = pl.Schema(
    {
        "system": pl.String(),
        "kind": pl.String(),
        "key": pl.String(),
        "node": pl.String(),
        "time": pl.Int64(),
        "period_ms": pl.Int64(),
        "energy_joules_total": pl.Float64(),
        "power_watts": pl.Float64(),
    }
)
