"""What the page *My project* asks: a grant's burn-down, its figures, and who used what of it.

Who leads a project, and who sees figures that tell projects apart, sees all of it; its people only
who leads it or sees everybody's jobs. Whoever has run a job that its scheduler charged to the
project is a member: they see the project's sums and their own part. What a job says of its own
project makes nobody a member, as anybody can say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from wattline_collector.access import Sight, Viewer, sees
from wattline_collector.capability.burn_down import burn_down
from wattline_collector.kpi.access_time import tagged
from wattline_collector.kpi.cost import energy_cost
from wattline_collector.kpi.dimensions import with_dimensions
from wattline_collector.kpi.grants import grants
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.pages.burn_curve import used_by_day
from wattline_collector.pages.job_table import MOST_CHARACTERS, job_table
from wattline_collector.pages.kept import Kept
from wattline_collector.pages.my_jobs import totals
from wattline_collector.pages.period import Scope, figures, scope
from wattline_collector.pages.read import House, Json, Missing, Question, Read

FIGURES = ("U05", "P01", "P03", "S10", "E04", "E06", "A07", "S12", "S13")
"""Each split by project, in the order of the page: the grant, tokens, time, outcomes, energy."""

MOST_PROJECTS = 200
MOST_USERS = 200
_TAKES = frozenset({"system", "project"})


@dataclass(frozen=True)
class _Book:
    """What is known of all projects in a period.

    Attributes:
        asked: The period.
        figures: Their figures, by project.
        euro: What their energy cost by the tariffs, by project; and why it is not known.
        jobs: `job_table`.
    """

    asked: Scope
    figures: Mapping[str, list[Json]]
    euro: Mapping[str, tuple[float | None, str | None]]
    jobs: pl.DataFrame


_books: Kept[_Book] = Kept(30.0, 3)
_curves: Kept[list[tuple[int, float]]] = Kept(300.0, 64)


def answer(house: House, question: Question) -> Json:
    """`GET /v1/my-project?project=NAME`: one of the projects somebody may see, or the first.

    Raises:
        Missing: There is no such project, or they have nothing to do with it.
    """
    book = _book(house, question)
    led, member = theirs(book.asked.view, question.viewer)
    everything = _all(book) if _sees_all(question.viewer) else set[str]()
    # An account may be called as jobs without a project are: those jobs are nobody's project.
    names = sorted({*led, *member, *everything} - {UNKNOWN})
    wanted = question.one("project")
    if wanted is not None and wanted not in names:
        raise Missing(f"no project {wanted[:80]!r} that is yours")
    name = wanted if wanted is not None else _first(book, names)
    view = book.asked.view
    base = {
        "period": view.period.to_json(),
        "time_zone": view.zone,
        "projects": names[:MOST_PROJECTS],
        "more_projects": max(0, len(names) - MOST_PROJECTS),
        "project": name,
    }
    if name is None:
        return base
    people = name in led or sees(question.viewer, Sight.JOBS)
    of_it = book.jobs.filter(pl.col("project_id") == name)
    euro, why = book.euro.get(name, (None, None))
    return {
        **base,
        "title": _title(book, name),
        "people": people,
        "leads": name in led,
        "figures": book.figures.get(name, []),
        "energy_euro": euro,
        "energy_euro_note": why,
        "totals": totals(of_it),
        "jobs": of_it.height,
        "states": dict(of_it["state"].drop_nulls().value_counts().sort("state").iter_rows()),
        "grants": _grants(house, book, name),
        "users": _users(of_it) if people else [],
        "own": _own(of_it, question.viewer),
    }


def theirs(view: Any, viewer: Viewer) -> tuple[set[str], set[str]]:
    """The projects somebody leads, and those they are a member of, by their names in the register.

    Where there is no register of projects, a project is the account that jobs are charged to.
    """
    leads = {name.lower() for name in viewer.projects}
    registered = view.projects
    if registered is None:
        return set(), set()
    mine = view.accounted.filter(
        pl.lit(viewer.name, pl.String) == pl.col("user"), pl.col("account").is_not_null()
    )
    if registered.is_empty():
        accounts = view.accounted["account"].drop_nulls().unique()
        led = {name for name in accounts if name.lower() in leads}
        return led, set(mine["account"].unique())
    names = registered.select("project", "account").unique().iter_rows()
    led = {
        project for project, account in names
        if project.lower() in leads or (account or "").lower() in leads
    }  # fmt: skip
    tags = tagged(view.jobs.clear(), mine, registered)
    charged = tags.filter(pl.col("tagged_by") == "account")["project_id"].drop_nulls()
    return led, set(charged.unique())


def _sees_all(viewer: Viewer) -> bool:
    return sees(viewer, Sight.PROJECTS)


def _book(house: House, question: Question) -> _Book:
    period = question.period
    bounds = None if period is None else tuple(
        int(at.timestamp()) // 60 for at in (period.start, period.end)
    )  # fmt: skip

    def make() -> _Book:
        asked = scope(house, question)
        found: dict[str, list[Json]] = {}
        for figure in figures(asked, FIGURES, ["project"]):
            found.setdefault(figure.dims["project"], []).append(figure.to_json())
        return _Book(asked, found, _costs(asked), job_table(asked.view))

    return _books.get(house.store, (question.one("system"), bounds), make)


def _costs(asked: Scope) -> dict[str, tuple[float | None, str | None]]:
    rows = energy_cost(with_dimensions(asked.view, ["project"]), ["project"])
    return {
        name: (euro, note)
        for name, euro, note in rows.select("project", "numerator", "note").iter_rows()
    }


def _all(book: _Book) -> set[str]:
    registered = book.asked.view.projects
    named = set() if registered is None else set(registered["project"].unique())
    return {*named, *book.jobs["project_id"].drop_nulls().unique()}


def _first(book: _Book, names: list[str]) -> str | None:
    """The one that used most in the period: it is the likeliest to be meant."""
    used = dict(book.jobs.group_by("project_id").agg(pl.col("gpu_hours").sum()).iter_rows())
    return max(names, key=lambda name: used.get(name) or 0.0, default=None)


def _title(book: _Book, name: str) -> str | None:
    registered = book.asked.view.projects
    rows = None if registered is None else registered.filter(pl.col("project") == name)
    if rows is None or rows.is_empty():
        return None
    title = rows["title"].drop_nulls()
    return None if title.is_empty() else str(title[0])[:MOST_CHARACTERS]


def _grants(house: House, book: _Book, name: str) -> list[Json]:
    """Its grants that run at the end of the period, each with its use by day and a forecast."""
    view = book.asked.view
    _, now = view.bounds_ms
    if view.projects is None or view.projects.is_empty():
        return []
    mine = grants(view.projects).filter(
        pl.col("project") == name, pl.col("granted") > 0,
        pl.col("start_ms") < now, pl.col("end_ms") >= now,
    )  # fmt: skip
    if book.asked.system is not None:
        mine = mine.filter(pl.col("system").is_null() | (pl.col("system") == book.asked.system))
    found: list[Json] = []
    for grant in mine.sort("start_ms").iter_rows(named=True):
        key = (name, grant["system"], grant["start_ms"], book.asked.system, view.bounds_ms)
        points = _curves.get(house.store, key, partial(used_by_day, view, grant))
        end, granted = int(grant["end_ms"]), float(grant["granted"])
        burned = burn_down(granted, points, start_ms=int(grant["start_ms"]), end_ms=end, now_ms=now)
        found.append(
            {
                "system": grant["system"],
                "granted_gpu_hours": granted,
                "start_ms": grant["start_ms"],
                "end_ms": end,
                "now_ms": now,
                "used_gpu_hours": points[-1][1] if points else 0.0,
                "used_share": burned.used_share,
                "elapsed_share": burned.elapsed_share,
                "forecast_gpu_hours": burned.forecast_used,
                "exhausted_ms": burned.exhausted_ms,
                "days": points,
            }
        )
    return found


def _users(of_it: pl.DataFrame) -> list[Json]:
    """Who used what, most first; what is left beyond `MOST_USERS` is added up in one row."""
    parts: list[Json] = sorted(
        ({"user": user, **_part(rows)} for (user,), rows in of_it.group_by("user")),
        key=lambda one: -(one["gpu_hours"] or 0.0),
    )
    if len(parts) <= MOST_USERS:
        return parts
    kept = [part["user"] for part in parts[:MOST_USERS]]
    rest = of_it.filter(~pl.col("user").is_in([user for user in kept if user is not None]))
    return [*parts[:MOST_USERS], {"user": None, **_part(rest)}]


def _own(of_it: pl.DataFrame, viewer: Viewer) -> Json | None:
    if viewer.name is None:
        return None
    rows = of_it.filter(pl.col("user") == viewer.name)
    return None if rows.is_empty() else {"user": viewer.name, **_part(rows)}


def _part(rows: pl.DataFrame) -> dict[str, Any]:
    return {**totals(rows), "jobs": rows.height}


READS = (
    Read(
        "/v1/my-project", (Sight.OWN, Sight.PROJECTS), answer, takes=_TAKES, keep_seconds=15.0,
        by_viewer=True,
    ),
)  # fmt: skip
