"""The figures of the access-time report, each asked for once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from wattline_collector.kpi import access_time
from wattline_collector.kpi.grants import grants
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.profile.schema import FactoryProfile
from wattline_reports.asked import Asked
from wattline_reports.audited import Audited
from wattline_reports.document import Missing
from wattline_reports.missing import missing
from wattline_reports.quoted import Figures, Quoted, stated, written
from wattline_reports.words import shown

MODE, STATE, CATEGORY = "access_mode", "participating_state", "user_category"
_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Book:
    """What every chapter is made from.

    Attributes:
        figures: All of them.
        modes: I01, by access mode.
        states: I03, by Participating State.
        categories: I02, by user category.
        grid: I03, by State and category.
        cube: I03, by State, category and mode.
        commercial: I04, by system.
        union: U04, by system.
        now: I01 as the books stand now; empty unless the report is as of an earlier moment.
        restated: What restatements changed, by account: device-hours, and energy.
        projects: Distinct projects with a grant or a use; None without a register of them.
        profile: What the factory says of itself.
        audited: What the proof of the books says.
        missing: What the report lacks.
    """

    figures: Figures
    modes: Sequence[Quoted]
    states: Sequence[Quoted]
    categories: Sequence[Quoted]
    grid: Sequence[Quoted]
    cube: Sequence[Quoted]
    commercial: Sequence[Quoted]
    union: Sequence[Quoted]
    now: Sequence[Quoted]
    restated: Sequence[tuple[str, Quoted, Quoted]]
    projects: int | None
    profile: FactoryProfile | None
    audited: Audited
    missing: tuple[Missing, ...]


def gathered(asked: Asked) -> Book:
    """Compute the figures of the report."""
    figures = Figures()
    modes = figures.add(*asked.figures("I01"))
    states = figures.add(*asked.figures("I03"))
    # One that is not known has no tag of its own, and must still be said to be missing.
    tags = (CATEGORY, UNKNOWN)
    categories = figures.add(
        *(one for one in asked.figures("I02") if one.figure.dims.get("tag") in tags)
    )
    grid = figures.add(*_known(asked.figures("I03", [CATEGORY])))
    cube = figures.add(*_known(asked.figures("I03", [CATEGORY, MODE])))
    commercial = figures.add(*asked.figures("I04"))
    union = figures.add(*asked.figures("U04"))
    figures.add(
        _sum(asked, "access.used", "GPU-hours used, all access modes", modes, "numerator"),
        _sum(asked, "access.granted", "GPU-hours granted, all access modes", modes, "denominator"),
    )
    now: list[Quoted] = []
    if asked.as_of is not None:
        later = replace(asked, as_of=None)
        now = [Quoted(f"{one.id}/now", one.kpi, one.figure) for one in later.figures("I01")]
        figures.add(*now)
        figures.add(_sum(asked, "access.used/now", "GPU-hours used, as the books stand now", now,
                         "numerator"))  # fmt: skip
    changed = asked.audited.restated
    restated: list[tuple[str, Quoted, Quoted]] = []
    for account in sorted({*changed.device_hours, *changed.energy_joules}):
        hours, energy = _restated(asked, account)
        figures.add(hours, energy)
        restated.append((account, hours, energy))
    view = asked.view
    with asked.said("counting projects"):
        projects = _projects(asked)
    lacks = missing([*modes, *states, *categories, *commercial, *union], _notes(asked, modes))
    return Book(
        figures, modes, states, categories, grid, cube, commercial, union, now,
        restated, projects, view.profile, asked.audited, lacks,
    )  # fmt: skip


def named(word: str) -> str:
    """A word of a register for people: `large_industry` as `large industry`."""
    return "outside every project" if word == UNKNOWN else shown(word.replace("_", " "))


def _known(figures: Iterable[Quoted]) -> list[Quoted]:
    """Figures of cells that have something; one that says why nothing is known is of no cell."""
    return [
        one for one in figures
        if one.figure.numerator is not None or one.figure.denominator is not None
    ]  # fmt: skip


def _sum(asked: Asked, id: str, name: str, figures: Sequence[Quoted], part: str) -> Quoted:
    amounts = [amount for one in figures if (amount := one.part(part)) is not None]
    known = [one.figure.coverage for one in figures if one.figure.coverage is not None]
    return stated(
        id, name, "GPU-h", sum(amounts) if amounts else None, period=asked.period,
        method=f"sum of the {part}s of I01", note="" if amounts else "see I01",
        n=sum(one.figure.n for one in figures), level="measured",
        # What is granted stands in a register, whatever was observed.
        coverage=min(known, default=None) if part == "numerator" else None,
    )  # fmt: skip


def _restated(asked: Asked, account: str) -> tuple[Quoted, Quoted]:
    restated = asked.audited.restated
    joules = restated.energy_joules.get(account)
    return (
        stated(
            f"restated.{account}.device_hours", f"device-time of {account}, changed by", "GPU-h",
            restated.device_hours.get(account), period=asked.period, method="audit trail",
            level="measured",
        ),
        stated(
            f"restated.{account}.energy", f"energy of {account}, changed by", "kWh",
            None if joules is None else joules / _JOULES_PER_KWH, period=asked.period,
            method="audit trail", level="measured",
        ),
    )  # fmt: skip


def _projects(asked: Asked) -> int | None:
    view = asked.view
    if view.projects is None or view.projects.is_empty():
        return None
    low, high = view.bounds_ms
    start, end = pl.col("start_ms"), pl.col("end_ms")
    granted = grants(view.projects).filter(
        start.is_null() | (start < high), end.is_null() | (end > low)
    )
    known = {*granted["project"], *access_time.tags(view)["project_id"]}
    return len(known - {None})


def _notes(asked: Asked, modes: Sequence[Quoted]) -> list[str]:
    notes = []
    if not asked.audited.hours:
        notes.append(
            "no hour of this period is booked: agents, or `wattline import` of a recording, bring "
            "readings"
        )
    outside = [one for one in modes if one.figure.dims.get(MODE) == UNKNOWN]
    notes += [
        f"{written(one, 'numerator')} ran outside every project of the register, and are of no "
        "State or category: add the accounts to the register of projects"
        for one in outside
        if one.figure.numerator
    ]
    return [*notes, *asked.audited.notes]
