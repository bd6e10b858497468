"""Which job is meant: an id as people type it, to one job they may see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from wattline_agents.errors import WattlineError
from wattline_collector.access import Viewer, may_see_job
from wattline_collector.efficiency.evidence import Attempt
from wattline_collector.efficiency.words import printable

MOST_LISTED = 20
"""Candidates named in a message; an array may have thousands of tasks."""
MOST_CHARACTERS = 300

KNOWN = pl.Schema(
    {
        "system": pl.String(),
        "job": pl.String(),
        "job_id": pl.String(),
        "array_job": pl.String(),
        "user": pl.String(),
        "project": pl.String(),
        "name": pl.String(),
        "state": pl.String(),
        "restarts": pl.Int64(),
        "start_ms": pl.Int64(),
    }
)
"""What a job is found by, and who may see it."""


class NotThere(WattlineError):
    """No job of that id is there, or none that whoever asks may see: nobody is told which."""


class Several(WattlineError):
    """The id fits more than one job.

    Attributes:
        candidates: What to type instead, with the system of each.
    """

    def __init__(self, message: str, candidates: Sequence[tuple[str, str]]) -> None:
        """Say so, and name them."""
        super().__init__(message)
        self.candidates = tuple(candidates)


@dataclass(frozen=True, slots=True)
class Found:
    """The job that is meant."""

    system: str
    job: str
    attempts: tuple[Attempt, ...]


def concerned(
    jobs: pl.DataFrame, accounting: pl.DataFrame, id: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that bear on an id: of a month's jobs a few, which are then looked at closely.

    Args:
        jobs: `books.JOBS`.
        accounting: `jobs.condense.ACCOUNTED`.
        id: As for `find`.

    Returns:
        Some of both: those the id may mean, and all starts of those.
    """
    id = id.strip()
    said = accounting.filter(
        (pl.col("job") == id) | (pl.col("job_id") == id) | (pl.col("array_job") == id)
    )
    # Of its other starts only the id that people know is the same.
    named = said["job_id"].drop_nulls().unique().implode()
    said = accounting.filter(
        (pl.col("job") == id) | (pl.col("array_job") == id) | pl.col("job_id").is_in(named)
    )
    return jobs.filter((pl.col("job") == id) | pl.col("job").is_in(said["job"].implode())), said


def known_jobs(jobs: pl.DataFrame, accounting: pl.DataFrame) -> pl.DataFrame:
    """Everything that is a job to the ledger or to a scheduler.

    Args:
        jobs: `books.JOBS`.
        accounting: `jobs.condense.ACCOUNTED`.

    Returns:
        `KNOWN`: what the scheduler says first, else what the agents say.
    """
    both = jobs.select("system", "job", "user", "project", "name", "state", "start_ms").join(
        accounting.select(
            "system", "job", "job_id", "array_job", "restarts",
            pl.col("user", "name", "state", "start_ms", "account").name.suffix("_said"),
        ),
        on=["system", "job"], how="full", coalesce=True,
    )  # fmt: skip
    return both.select(
        "system", "job", "job_id", "array_job",
        pl.coalesce("user_said", "user").alias("user"),
        # What a job says of its own project, its owner chose.
        pl.coalesce("account_said", "project").alias("project"),
        pl.coalesce("name", "name_said").alias("name"),
        pl.coalesce("state", "state_said").alias("state"),
        "restarts",
        pl.coalesce("start_ms", "start_ms_said").alias("start_ms"),
    ).cast(KNOWN)  # fmt: skip


def find(known: pl.DataFrame, id: str, viewer: Viewer, system: str | None = None) -> Found:
    """The one job that an id means, of those that `viewer` may see.

    A job's key is taken before an id that people know; of several starts of one job the newest is
    meant. The id of an array is none of its tasks'.

    Args:
        known: `KNOWN`.
        id: A key, `123`, `123_4`, `123+1` or `namespace/pod`.
        viewer: Who asks.
        system: Look only there.

    Raises:
        NotThere: There is none, or none that `viewer` may see.
        Several: It fits more than one.
    """
    id = id.strip()
    fits = (pl.col("job") == id) | (pl.col("job_id") == id) | (pl.col("array_job") == id)
    rows = known.filter(fits)
    if system is not None:
        rows = rows.filter(pl.col("system") == system)
    # What may not be seen does not exist from here on: not as a candidate, not as a reason.
    mine = [
        row
        for row in rows.iter_rows(named=True)
        if may_see_job(viewer, row["user"], row["project"])
    ]
    if not mine:
        raise NotThere(_not_there(id, system, viewer))
    # The last task of a Slurm array has the array's own number as its key.
    tasks = [row for row in mine if row["array_job"] == id and row["job_id"] != id]
    direct = [row for row in mine if row not in tasks]
    exact = [row for row in direct if row["job"] == id] or direct
    if not exact:
        raise Several(*_several(id, tasks, "is an array"))
    if len({row["system"] for row in exact}) > 1:
        raise Several(*_several(id, exact, "is a job of several systems; add --system NAME"))
    if len({row["job_id"] or row["job"] for row in exact}) > 1:
        raise Several(*_several(id, exact, "fits several jobs"))
    newest = max(exact, key=lambda row: (row["restarts"] or 0, row["start_ms"] or 0))
    return Found(newest["system"], newest["job"], _attempts(known, newest))


def _attempts(known: pl.DataFrame, row: dict[str, object]) -> tuple[Attempt, ...]:
    """All starts of the job: keys `N`, `N.1`, `N.2`; a plain one is its only start."""
    if row["job_id"] is None:
        return (Attempt(str(row["job"]), _text(row["state"])),)
    same = known.filter(
        (pl.col("system") == row["system"]) & (pl.col("job_id") == row["job_id"])
    ).sort(pl.col("restarts").fill_null(0), "start_ms")
    return tuple(Attempt(job, state) for job, state in same.select("job", "state").iter_rows())


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _not_there(id: str, system: str | None, viewer: Viewer) -> str:
    place = "" if system is None else f" on system {printable(system, 40)}"
    what = f"no job {printable(id, 60) or 'without an id'}{place}"
    if viewer.staff:
        return f"{what}; `wattline kpi S12 --by job` lists those whose energy is known"
    return (
        f"{what} that is yours; `squeue --me` and `sacct` list yours, and the operators of the "
        "system can look at any"
    )


def _several(
    id: str, rows: Sequence[dict[str, object]], why: str
) -> tuple[str, list[tuple[str, str]]]:
    ids = {(str(row["system"]), str(row["job_id"] or row["job"])) for row in rows}
    named = sorted(ids, key=lambda each: (each[0], _natural(each[1])))
    text = ", ".join(
        f"{printable(job, 60)} ({printable(system, 40)})" for system, job in named[:MOST_LISTED]
    )
    more = len(named) - MOST_LISTED
    rest = f" and {more} more" if more > 0 else ""
    return f"{printable(id, 60)} {why}: choose one of {text}{rest}", named[:MOST_LISTED]


def _natural(id: str) -> list[tuple[int, str]]:
    """Puts 100_9 before 100_10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", id)
    return [(int(part[:18]), "") if part.isdecimal() else (0, part) for part in parts]
