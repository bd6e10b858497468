"""Who used what of a project; for whoever may not see that, their own part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from wattline_collector.kpi.view import JOULES_PER_KWH
from wattline_reports import seen
from wattline_reports.asked import Asked
from wattline_reports.quoted import Quoted, stated
from wattline_reports.words import shown

MOST = 40
"""People in the table; the others are added up in one row."""
OTHERS, NOBODY, ALL = "everybody else", "owner not known", "all"

_SUMS = ("gpu_hours", "working_hours", "assigned_hours", "wasted_gpu_hours", "energy_joules",
         "tokens", "measured_hours")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """What one person used.

    Attributes:
        name: Theirs, fit to be shown.
        hours: GPU-hours; `n` is their jobs.
        working: Part of that in which the devices worked.
        wasted: GPU-hours wasted.
        energy: Of their jobs.
        tokens: Their jobs made.
    """

    name: str
    hours: Quoted
    working: Quoted
    wasted: Quoted
    energy: Quoted
    tokens: Quoted

    @property
    def figures(self) -> tuple[Quoted, ...]:
        """All of them."""
        return self.hours, self.working, self.wasted, self.energy, self.tokens


@dataclass(frozen=True, slots=True)
class People:
    """Who used what.

    Attributes:
        parts: Most hours first.
        whole: Of all together.
        is_all: Whether everybody is listed, and not the reader alone.
        count: How many there are.
    """

    parts: Sequence[Part]
    whole: Part
    is_all: bool
    count: int

    @property
    def figures(self) -> list[Quoted]:
        """All figures."""
        return [one for part in (*self.parts, self.whole) for one in part.figures]


def of(asked: Asked, project: seen.Project) -> People:
    """Who used what of a project in the period."""
    named = project.jobs.with_columns(pl.col("user").fill_null(NOBODY))
    sums = _sums(named, "user").sort(["gpu_hours", "user"], descending=[True, False],
                                     nulls_last=True)  # fmt: skip
    count = sums.height
    if not project.people:
        sums = sums.filter(pl.col("user") == pl.lit(project.viewer.name, pl.String))
    first, rest = sums.head(MOST), sums.tail(max(0, sums.height - MOST))
    if rest.height:
        among = named.filter(pl.col("user").is_in(rest["user"].implode()))
        other = _sums(among.with_columns(pl.lit(OTHERS).alias("user")), "user")
        first = pl.concat([first, other])
    whole = _sums(named.with_columns(pl.lit(ALL).alias("user")), "user")
    nothing = dict.fromkeys(_SUMS) | {"user": ALL, "jobs": 0}
    return People(
        tuple(
            _part(asked, row, f"user-{place}")
            for place, row in enumerate(first.iter_rows(named=True), 1)
        ),
        _part(asked, whole.row(0, named=True) if whole.height else nothing, "users"),
        project.people,
        count,
    )


def _sums(jobs: pl.DataFrame, by: str) -> pl.DataFrame:
    def known(name: str) -> pl.Expr:
        return pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)

    return jobs.group_by(by).agg(*(known(name) for name in _SUMS), pl.len().alias("jobs"))


def _part(asked: Asked, row: dict[str, object], key: str) -> Part:
    """A row as figures; `key` tells it apart, as two names may be shown alike."""
    user = str(row["user"])
    jobs = int(str(row["jobs"]))

    def number(name: str) -> float | None:
        return None if row[name] is None else float(str(row[name]))

    def told(id: str, name: str, unit: str, value: float | None, method: str) -> Quoted:
        return stated(
            f"{key}.{id}", name, unit, value, period=asked.period, method=method, n=jobs,
            dims={"user": shown(user)}, level="measured",
            note="" if value is not None else "nothing of it is known of these jobs",
        )  # fmt: skip

    energy, assigned, worked = number("energy_joules"), number("assigned_hours"), None
    if assigned and number("measured_hours"):
        worked = (number("working_hours") or 0.0) / assigned
    return Part(
        shown(user),
        told("hours", "GPU-hours used", "GPU-h", number("gpu_hours"), "ledger and scheduler"),
        told("working", "worked", "1", worked, "busy and slowed of assigned time"),
        told("wasted", "wasted", "GPU-h", number("wasted_gpu_hours"), "KPI E06 of each job"),
        told("energy", "energy", "kWh", None if energy is None else energy / JOULES_PER_KWH,
             "KPI S12 of each job"),
        told("tokens", "tokens", "tok", number("tokens"), "KPIs P01 and P03 of each job"),
    )  # fmt: skip
