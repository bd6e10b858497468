"""The figures of a project, each asked for once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from wattline_collector.kpi.cost import energy_cost
from wattline_collector.kpi.dimensions import labelled, with_dimensions
from wattline_collector.kpi.view import MS_PER_HOUR
from wattline_collector.ledger.accounts import ASSIGNED
from wattline_reports import seen
from wattline_reports.asked import Asked
from wattline_reports.audited import Audited
from wattline_reports.document import Missing
from wattline_reports.missing import missing
from wattline_reports.project import grants, people
from wattline_reports.quoted import Figures, Quoted, stated, why

KPIS = (
    "I01", "U05", "P01", "P03", "P04", "E01", "E03", "E04", "E06", "A07", "S10", "S12", "S13",
)  # fmt: skip
"""Each split by project, in the order of the report."""

_BY = "project"


@dataclass(frozen=True, slots=True)
class Book:
    """What every chapter is made from.

    Attributes:
        project: Which, and what may be seen of it.
        figures: All figures.
        kpis: Those of each KPI of `KPIS`; one that is not known is there as such.
        accounts: GPU-hours of its jobs by the account they are booked to, in the ledger's order.
        unbooked: GPU-hours that a scheduler alone accounts for; None where there are none.
        cost: What the energy of its jobs cost by the tariffs.
        grants: Those that run when the period ends.
        people: Who used what.
        audited: What the proof of the books says.
        missing: What the report lacks.
    """

    project: seen.Project
    figures: Figures
    kpis: Mapping[str, Sequence[Quoted]]
    accounts: Sequence[Quoted]
    unbooked: Quoted | None
    cost: Quoted
    grants: Sequence[grants.Grant]
    people: people.People
    audited: Audited
    missing: tuple[Missing, ...]

    def one(self, kpi: str) -> Quoted:
        """The first figure of a KPI."""
        return self.kpis[kpi][0]


def gathered(asked: Asked) -> Book:
    """Compute the figures of the report."""
    project = seen.project(asked, asked.of[0])
    figures = Figures()
    kpis = {id: figures.add(*of_project(asked, id, project.name)) for id in KPIS}
    accounts = figures.add(*_accounts(asked, project.name))
    running = grants.running(asked.view, project.name)
    for grant in running:
        figures.add(*grant.figures)
    used = people.of(asked, project)
    figures.add(*used.figures)
    cost = figures.add(_cost(asked, project.name))[0]
    unbooked = _unbooked(asked, kpis["I01"], accounts)
    if unbooked is not None:
        figures.add(unbooked)
    wanted = [one for one in figures if one.kpi or one is cost]
    if any(one.figure.dims.get("way") for one in kpis["S13"] if one.value is not None):
        # One way to count carbon that is known is an answer; the others are said beside it.
        wanted = [one for one in wanted if one.kpi != "S13" or one.value is not None]
    return Book(
        project, figures, kpis, accounts, unbooked, cost, running, used, asked.audited,
        missing(wanted, asked.notes),
    )  # fmt: skip


def of_project(asked: Asked, id: str, name: str) -> list[Quoted]:
    """A KPI of one project; what is not known is one figure that says why."""
    found = asked.figures(id, [_BY])
    mine = [one for one in found if one.figure.dims.get(_BY) == name]
    if mine:
        return mine
    # What a register lacks is lacking for every project, and has none in its dims.
    reason = next((why(one) for one in found if one.value is None and why(one)), "")
    like = found[0].figure if found else asked.figures(id)[0].figure
    note = reason or "no job of the project in the period has to do with it"
    lacking = stated(
        f"{id}/none", like.name, like.unit, None, period=asked.period, method="", note=note
    )
    return [replace(lacking, id=f"{id}/none")]


def _accounts(asked: Asked, name: str) -> list[Quoted]:
    """Where the device time of its jobs went."""
    held = labelled(asked.view, asked.view.assigned, [_BY]).filter(pl.col(_BY) == name)
    sums = {
        account: (ms / MS_PER_HOUR, count)
        for account, ms, count in held.group_by("account")
        .agg(pl.col("duration_ms").sum(), pl.col("job").n_unique())
        .iter_rows()
    }
    return [
        stated(
            "hours", f"{account.value} GPU time", "GPU-h", sums[account.value][0],
            period=asked.period, method="ledger", n=sums[account.value][1],
            dims={"account": account.value}, level="measured",
        )
        for account in ASSIGNED
        if account.value in sums
    ]  # fmt: skip


def _unbooked(asked: Asked, used: Sequence[Quoted], accounts: Sequence[Quoted]) -> Quoted | None:
    """Hours that only a scheduler accounts for: nobody read the devices then."""
    told = sum(one.figure.numerator or 0.0 for one in used)
    left = told - sum(one.value or 0.0 for one in accounts)
    if left < 1e-6 * max(told, 1.0):
        return None
    return stated(
        "hours.unread", "GPU time that only its scheduler tells of", "GPU-h", left,
        period=asked.period, method="scheduler, less what is in the books", level="derived",
    )  # fmt: skip


def _cost(asked: Asked, name: str) -> Quoted:
    rows = energy_cost(with_dimensions(asked.view, [_BY]), [_BY]).filter(pl.col(_BY) == name)
    row = rows.row(0, named=True) if rows.height else {}
    return stated(
        "energy.cost", "cost of its energy", "EUR", row.get("numerator"),
        period=asked.period, method=row.get("method") or "booked energy by tariffs",
        note=row.get("note") or ("" if row.get("numerator") is not None else "no energy is booked"),
        n=int(row.get("n") or 0), coverage=row.get("coverage"), level="derived",
    )  # fmt: skip
