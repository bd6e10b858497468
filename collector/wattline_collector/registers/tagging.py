"""Which project a job belongs to, by the register of projects.

The scheduler's account is believed before what a job says of itself: anybody can claim a project,
and only the scheduler checks who may charge it. A job of no project in the register keeps its row,
tagged `untagged`; nothing is dropped, so that figures by project add up to all that ran.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_collector.registers import eurohpc

REGISTERED = "registered"
UNTAGGED = "untagged"

FROM_PROJECT = {
    "title": "title",
    "user_category": "user_category",
    "state": "participating_state",
    "partner_states": "partner_states",
    "sector": "sector",
    "field": "field",
    "life_cycle": "life_cycle",
    "share": "share",
    "commercial": "commercial",
    "organisation": "organisation",
    "gpu_hours_granted": "gpu_hours_granted",
    "valid_from_ms": "granted_from_ms",
}
"""Columns of a project that its jobs get, and their names there."""

TAGS = (
    "tag", "tagged_by", "project_id", "call", "cut_off", "access_mode", "access_mode_from",
    *FROM_PROJECT.values(),
)  # fmt: skip
"""The columns that tagging adds."""

_MS_PER_HOUR = 3_600_000


def tag_jobs(jobs: pl.DataFrame, projects: pl.DataFrame) -> pl.DataFrame:
    """Give every job the project it belongs to.

    A job's account is looked for among accounts and ids of projects, then, if it is not there, the
    project the job named itself; in any case. The project must be of the job's system, or of
    all, and valid when the job started (when it was submitted, if it never started). Of several,
    the one of its own system and then the one that became valid last is taken.

    Args:
        jobs: One row per job: `system`, `start_ms`, and as far as known `account`, `project` and
            `submit_ms`; other columns stay.
        projects: As `registers.projects` gives them.

    Returns:
        The same rows in the same order, without columns named as in `TAGS` before, and with those:
        `tag` (`registered` or `untagged`), `tagged_by` (`account`, or `job` where only its own
        word says so), `project_id`, what the id tells (`call`, `cut_off`), `access_mode` with
        `access_mode_from` (`register` or `id`), and the project's `FROM_PROJECT`.
    """
    plain = jobs.drop([name for name in TAGS if name in jobs.columns])
    have = set(plain.columns)

    def text(name: str) -> pl.Expr:
        found = pl.col(name) if name in have else pl.lit(None, pl.String())
        return found.cast(pl.String()).str.to_lowercase()

    at = pl.coalesce("start_ms", "submit_ms") if "submit_ms" in have else pl.col("start_ms")
    numbered = plain.with_row_index("_job")
    asked = numbered.select(
        "_job", "system", at.alias("_at"), text("account").alias("0"), text("project").alias("1")
    )
    names = asked.unpivot(
        ["0", "1"], index=["_job", "system", "_at"], variable_name="_by", value_name="_name"
    ).drop_nulls("_name")
    registered = with_ids(projects)
    known = pl.concat(
        [
            registered.with_columns(pl.col(of).str.to_lowercase().alias("_name"))
            for of in ("account", "project")
        ]
    )
    since, until = pl.col("valid_from_ms"), pl.col("valid_until_ms")
    holds = (
        (pl.col("_at").is_null() | since.is_null() | (since <= pl.col("_at")))
        & (pl.col("_at").is_null() | until.is_null() | (pl.col("_at") < until))
        & (pl.col("system_right").is_null() | (pl.col("system_right") == pl.col("system")))
    )
    found = (
        names.join(known, on="_name", suffix="_right")
        .filter(holds)
        .sort(
            "_job", "_by", pl.col("system_right").is_null(), "valid_from_ms", "project",
            descending=[False, False, False, True, False], nulls_last=True,
        )
        .unique("_job", keep="first", maintain_order=True)
        .select(
            "_job",
            pl.lit(REGISTERED).alias("tag"),
            pl.when(pl.col("_by") == "0").then(pl.lit("account")).otherwise(pl.lit("job"))
            .alias("tagged_by"),
            pl.col("project").alias("project_id"),
            "call", "cut_off", "access_mode", "access_mode_from",
            *(pl.col(of).alias(name) for of, name in FROM_PROJECT.items()),
        )
    )  # fmt: skip
    return (
        numbered.join(found, on="_job", how="left", maintain_order="left")
        .drop("_job")
        .with_columns(pl.col("tag").fill_null(UNTAGGED))
    )


def with_ids(projects: pl.DataFrame) -> pl.DataFrame:
    """Projects with what their EuroHPC ids tell.

    Returns:
        The rows with `call`, `cut_off` and `access_mode_from`, and `access_mode` from the id where
        the register does not say.
    """
    rows = []
    for project, account in projects.select("project", "account").unique().rows():
        # The grant's own id tells more than an account made of it.
        parsed = eurohpc.parse(project) or eurohpc.parse(account or "")
        if parsed is not None:
            rows.append((project, account, parsed.call, parsed.cut_off, parsed.access_mode))
    names = ("project", "account", "call", "cut_off", "_mode")
    told = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")
    said = pl.col("access_mode").is_not_null()
    return (
        projects.join(
            told, on=["project", "account"], how="left", nulls_equal=True, maintain_order="left"
        )
        .with_columns(
            pl.when(said)
            .then(pl.lit("register"))
            .when(pl.col("_mode").is_not_null())
            .then(pl.lit("id"))
            .alias("access_mode_from"),
            pl.coalesce("access_mode", "_mode").alias("access_mode"),
        )
        .drop("_mode")
    )


@dataclass(frozen=True, slots=True)
class Untagged:
    """What runs outside any project of the register.

    Attributes:
        jobs: How many jobs.
        all_jobs: Of how many.
        gpu_hours: What they held, as far as known; None if nothing is.
        accounts: The accounts with the most such jobs, most first; at most ten.
    """

    jobs: int
    all_jobs: int
    gpu_hours: float | None
    accounts: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        """For people: `12 of 340 jobs, 25.0 GPU-hours untagged`."""
        hours = "" if self.gpu_hours is None else f", {self.gpu_hours:,.1f} GPU-hours"
        return f"{self.jobs:,} of {self.all_jobs:,} jobs{hours} untagged"


def untagged(tagged: pl.DataFrame) -> Untagged:
    """Sum up what has no project.

    Args:
        tagged: As `tag_jobs` returns it. Hours are taken from a column `gpu_hours` if there is one,
            else from `gpus` and the time between `start_ms` and `end_ms`.
    """
    have = set(tagged.columns)
    outside = tagged.filter(pl.col("tag") == UNTAGGED)
    known, per_hour = pl.Series(dtype=pl.Float64()), 1
    if "gpu_hours" in have:
        known = outside["gpu_hours"].drop_nulls()
    elif {"gpus", "start_ms", "end_ms"} <= have:
        held = outside.select(pl.col("gpus") * (pl.col("end_ms") - pl.col("start_ms")))
        known, per_hour = held.to_series().drop_nulls(), _MS_PER_HOUR
    accounts: tuple[tuple[str, int], ...] = ()
    if "account" in have:
        counted = outside.drop_nulls("account").group_by("account").len()
        accounts = tuple(counted.sort(["len", "account"], descending=[True, False]).head(10).rows())
    return Untagged(
        jobs=outside.height,
        all_jobs=tagged.height,
        gpu_hours=float(known.sum()) / per_hour if known.len() else None,
        accounts=accounts,
    )
