"""What whoever runs the command may have a report of: what is not theirs does not exist."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.access import Sight, Viewer, sees, viewer_of_store
from wattline_collector.efficiency.words import printable
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.kpi.view import View
from wattline_collector.pages.job_table import job_table, seen_by
from wattline_collector.pages.my_project import theirs
from wattline_reports.asked import Asked


@dataclass(frozen=True)
class Project:
    """A project that somebody may have a report of.

    Attributes:
        name: As the register has it, else the account that jobs are charged to.
        title: What the register calls it; None where it does not.
        people: Whether they may see who used what; else their own part alone.
        viewer: Who they are.
        jobs: `job_table` of its jobs in the period.
    """

    name: str
    title: str | None
    people: bool
    viewer: Viewer
    jobs: pl.DataFrame = field(repr=False)


def jobs_of(view: View) -> pl.DataFrame:
    """`job_table` of a period, made once for a view."""
    return view.labels("job_table", partial(job_table, view))


def project(asked: Asked, wanted: str) -> Project:
    """The project that is meant, if it is there and theirs.

    Root and the store's owner see every project; somebody else those that their jobs are charged
    to, and of the people in it themselves alone.

    Args:
        asked: The store and the period.
        wanted: Its name, or the account that its jobs are charged to; case does not matter.

    Raises:
        UsageError: There is no such project, or they have nothing to do with it.
    """
    viewer, view = viewer_of_store(asked.store), asked.view
    table = jobs_of(view)
    led, member = theirs(view, viewer)
    registered = view.projects
    names = {*led, *member}
    if sees(viewer, Sight.PROJECTS):
        names |= {*table["project_id"].drop_nulls().unique()} - {UNKNOWN}
        names |= set() if registered is None else {*registered["project"].unique()}
    name = _named(names, wanted, registered)
    if name is None:
        of = "" if viewer.staff else " that is yours"
        raise UsageError(
            f"no project {printable(wanted, 60)}{of}; `wattline kpi I01 --by project` lists those "
            "with a grant or a use"
        )
    return Project(
        name,
        _title(registered, name),
        name in led or sees(viewer, Sight.JOBS),
        viewer,
        table.filter(pl.col("project_id") == name),
    )


def jobs(asked: Asked, wanted: tuple[str, ...]) -> pl.DataFrame:
    """The rows of `job_table` of the jobs that are meant, in the order of their ids.

    Raises:
        UsageError: One is not there in the period, is not theirs, or is of several systems.
    """
    table = seen_by(jobs_of(asked.view), viewer_of_store(asked.store))
    found = table.filter(
        pl.col("job").is_in(list(wanted)) | pl.col("job_id").is_in(list(wanted))
    ).sort("system", "job")
    for one in wanted:
        rows = found.filter((pl.col("job") == one) | (pl.col("job_id") == one))
        if rows.is_empty():
            raise UsageError(f"no job {printable(one, 60)} that ran in the period and is yours")
        if rows["system"].n_unique() > 1:
            raise UsageError(f"job {printable(one, 60)} is of several systems: add --system NAME")
    return found


def _named(names: set[str], wanted: str, registered: pl.DataFrame | None) -> str | None:
    wanted = wanted.strip()
    if wanted in names:
        return wanted
    alike = {name for name in names if name.lower() == wanted.lower()}
    if registered is not None:
        charged = registered.filter(pl.col("account").str.to_lowercase() == wanted.lower())
        alike |= names & {*charged["project"].unique()}
    return alike.pop() if len(alike) == 1 else None


def _title(registered: pl.DataFrame | None, name: str) -> str | None:
    if registered is None:
        return None
    titles = registered.filter(pl.col("project") == name)["title"].drop_nulls()
    return None if titles.is_empty() else str(titles[0])
