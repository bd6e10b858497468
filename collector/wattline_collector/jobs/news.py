"""What an answer says that was not said before: pure functions over frames of jobs.

A scheduler is asked every half minute for everything that ran lately, and nearly all of it is as it
was. Only what changed is stated again, and what goes on is repeated now and then, so that a lost
batch heals.
"""

from __future__ import annotations

import polars as pl

from wattline_agents.catalogue import ACCOUNTING
from wattline_collector.jobs.condense import ACCOUNTED

RUNNING_AGAIN_MS = 600_000
"""A job that runs is stated again this often, as agents do with what is so."""
WAITING_AGAIN_MS = 12 * 3_600_000
FORGOTTEN_MS = 27 * 3_600_000
"""Jobs that ended are remembered this long: longer than the hourly look back over a day."""

GOES_ON = ("pending", "running", "suspended")
COLUMNS = [name for name in ACCOUNTING.columns if name != "time_unix_ms"]
_COMPARED = [name for name in COLUMNS if name != "reason"]
"""Why a job waits changes with every look at the queue."""

KNOWN = pl.Schema(
    {name: ACCOUNTED[name.removesuffix("_unix_ms") + "_ms" if name.endswith("_unix_ms") else name]
     for name in COLUMNS}
    | {"said_ms": pl.Int64()}
)  # fmt: skip
"""Jobs as last stated, and when."""

_INFO_STATES = {
    "running": "running", "suspended": "running", "completed": "completed",
    "cancelled": "cancelled", "requeued": "cancelled", "failed": "failed", "timeout": "failed",
    "out_of_memory": "failed", "node_fail": "failed", "preempted": "failed", "deadline": "failed",
    "boot_fail": "failed",
}  # fmt: skip


def remembered(rows: pl.DataFrame) -> pl.DataFrame:
    """`KNOWN` from stored rows of table `accounting`: the newest of each job."""
    return (
        rows.sort("time_unix_ms", maintain_order=True)
        .group_by("job", maintain_order=True)
        .last()
        .select(*COLUMNS, pl.col("time_unix_ms").alias("said_ms"))
        .cast(KNOWN)
    )


def fresh(rows: pl.DataFrame, known: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """Those rows that differ from what was stated last, or were stated long ago and go on."""
    compared = pl.struct(_COMPARED)
    before = known.select("job", "said_ms", compared.alias("was"))
    age = now_ms - pl.col("said_ms")
    again = ((pl.col("state") == "running") & (age >= RUNNING_AGAIN_MS)) | (
        pl.col("state").is_in(["pending", "suspended"]) & (age >= WAITING_AGAIN_MS)
    )
    joined = rows.with_columns(compared.alias("is")).join(
        before, on="job", how="left", maintain_order="left"
    )
    changed = pl.col("said_ms").is_null() | pl.col("is").ne_missing(pl.col("was"))
    return joined.filter(changed | again.fill_null(False)).select(rows.columns)


def with_news(known: pl.DataFrame, rows: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """`KNOWN` with rows that are stated now; those that ended long ago are forgotten."""
    said = rows.select(*COLUMNS, pl.lit(now_ms, pl.Int64).alias("said_ms")).cast(KNOWN)
    kept = known.join(said.select("job"), on="job", how="anti")
    goes_on = pl.col("state").is_in(list(GOES_ON)).fill_null(False)
    recent = pl.max_horizontal("end_unix_ms", "said_ms") > now_ms - FORGOTTEN_MS
    return pl.concat([kept, said]).filter(goes_on | recent)


def info_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of table `job_info` of those jobs that have started."""
    return rows.filter(pl.col("start_unix_ms").is_not_null()).select(
        "time_unix_ms", "job", "name", pl.col("account").alias("project"), "user",
        pl.col("state").replace_strict(_INFO_STATES, default=None, return_dtype=pl.String),
        "start_unix_ms", "end_unix_ms",
    )  # fmt: skip


def assignment_rows(jobs: pl.DataFrame, devices: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """Rows of table `assignment`.

    Args:
        jobs: Jobs that hold devices now, or did until their end: `job`, `start_unix_ms`,
            `end_unix_ms`.
        devices: `job`, `device`: which.
        now_ms: When it was asked.
    """
    return (
        devices.join(jobs, on="job", how="inner")
        .filter(pl.col("start_unix_ms").is_not_null())
        .select(
            pl.lit(now_ms, pl.Int64).alias("time_unix_ms"), "device", "job", "start_unix_ms",
            "end_unix_ms", pl.lit("slurm").alias("method"),
        )
    )  # fmt: skip
