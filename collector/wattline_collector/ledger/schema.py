"""The frames of the ledger: three tables of entries per minute, and the control that proves them.

A new column is the last of its table: rows are proved by a checksum over their columns in order,
and books that were written before it was known are read, and proved, without it.

All times are UTC. Durations are whole milliseconds, so that they add up exactly. Energies are
joules; null is "not known", never zero. Hours and days hold the same columns under a coarser key.
"""

from __future__ import annotations

import polars as pl

from wattline_agents.catalogue import PHASES
from wattline_collector.ledger.accounts import Account

MINUTE_MS = 60_000
HOUR_MS = 3_600_000

TIME = pl.Datetime("ms", "UTC")
ACCOUNT = pl.Enum([account.value for account in Account])
METHOD = pl.Enum(["counter", "integrated", "mixed"])
"""How an entry's joules were found: from a hardware counter, from power over time, or both."""

DEVICE = pl.Schema(
    {
        "system": pl.String(),
        "minute": TIME,
        "node": pl.String(),
        "device": pl.String(),
        "job": pl.String(),  # null: not assigned
        "account": ACCOUNT,
        "duration_ms": pl.Int64(),
        "energy_joules": pl.Float64(),  # at the gpu boundary; null: no meter saw it
        "energy_method": METHOD,
        "energy_ms": pl.Int64(),  # the part of duration_ms whose energy is known
        "measured_ms": pl.Int64(),  # the part of duration_ms whose sm_active is known
        "sm_active_ms": pl.Float64(),  # integral of sm_active_ratio over measured_ms
        "busy_measured_ms": pl.Int64(),  # the same pair for busy_ratio
        "busy_ms": pl.Float64(),
        "power_max_watts": pl.Float64(),
        "temperature_max_celsius": pl.Float64(),
        "samples": pl.Int64(),  # seen
        "samples_expected": pl.Float64(),  # duration over the sampling period; null: none known
        "shared_ms": pl.Int64(),  # the part of duration_ms that is a share of it: estimated
    }
)
"""One minute x device x job x account."""

NODE = pl.Schema(
    {
        "system": pl.String(),
        "minute": TIME,
        "node": pl.String(),
        "job": pl.String(),
        "account": ACCOUNT,
        "duration_ms": pl.Float64(),  # node time: the share of the node this row stands for
        "energy_joules": pl.Float64(),  # at the node boundary
        "energy_method": METHOD,
        "energy_ms": pl.Float64(),
        "device_energy_joules": pl.Float64(),  # the part its devices' own meters saw; null: none
        "samples": pl.Float64(),  # shared like the time
        "samples_expected": pl.Float64(),
    }
)
"""One minute x node x job x account; a node's energy is shared by device-time, stated in docs."""

JOB = pl.Schema(
    {
        "system": pl.String(),
        "minute": TIME,
        "job": pl.String(),
        "running_ms": pl.Int64(),  # time the job ran in this minute
        "tokens_trained": pl.Int64(),
        "tokens_prompt": pl.Int64(),
        "tokens_prompt_cached": pl.Int64(),
        "tokens_generated": pl.Int64(),
        "steps": pl.Int64(),
        "samples": pl.Int64(),
        "requests": pl.Int64(),
        "flops": pl.Float64(),
        "tokens_replayed": pl.Int64(),  # of steps done before; not in tokens_trained
        "steps_replayed": pl.Int64(),  # not in steps
        "requests_failed": pl.Int64(),
        "requests_good": pl.Int64(),
        "checkpoints": pl.Int64(),
        **{f"phase_{phase}_ms": pl.Float64() for phase in PHASES},
    }
)
"""One minute x job: what it made, and what it spent its time on."""

LATENCY = pl.Schema(
    {
        "system": pl.String(),
        "hour": TIME,
        "job": pl.String(),
        "kind": pl.String(),  # what took that long: catalogue.LATENCIES
        "le_seconds": pl.Float64(),  # upper bound of the bucket; null: no bound
        "count": pl.Int64(),  # observations of at most that
        "seconds": pl.Float64(),  # sum of all; only where there is no bound
    }
)
"""One hour x job x kind x bucket: what its engines' histograms grew by."""

CONTROL = pl.Schema(
    {
        "system": pl.String(),
        "hour": TIME,
        "kind": pl.Enum(["device", "node", "job"]),
        "key": pl.String(),  # the device, node or job
        "node": pl.String(),
        "booked_until": TIME,  # the hour's end, or the moment up to which an open hour is booked
        "expected_ms": pl.Int64(),  # time it was installed (device, node) or ran (job)
        "duration_ms": pl.Float64(),  # time booked
        "metered_joules": pl.Float64(),  # counter end less counter start, resets handled
        "energy_joules": pl.Float64(),  # joules booked
        "metered_tokens": pl.Int64(),  # sum of counter increments, all kinds
        "tokens": pl.Int64(),  # tokens booked
        "entries": pl.Int64(),
        "checksum": pl.UInt64(),  # of the booked rows: any altered value changes it
        "last_ms": pl.Int64(),  # newest energy reading up to the hour's end, also of earlier hours
        "last_joules_total": pl.Float64(),  # the energy counter in it
        "last_watts": pl.Float64(),  # the power in it
        "file_sha256": pl.String(),  # of the hour's file of entries of this kind
    }
)
"""One hour x device, node or job: what the meters say, and what was booked."""

ENTRIES = {"device": DEVICE, "node": NODE, "job": JOB}

CUTS = {table: pl.Schema({**ENTRIES[table], "edges": pl.String()}) for table in ("device", "node")}
"""Entries of hours that were lost in part: `minute` is where a part of the hour begins, `edges` at
which of its minutes all of them do (`cuts.EDGES`)."""
