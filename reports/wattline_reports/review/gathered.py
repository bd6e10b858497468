"""What a review is made of beside the overview: figures of every chapter, targets, tables.

Each KPI is asked for once. What the public variant may not show is taken out here, before any
chapter sees it, so that no chapter can show it by mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from wattline_agents.errors import UsageError
from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.targets import Aim, aim_of
from wattline_collector.kpi.view import utc
from wattline_collector.ledger.books import Books
from wattline_collector.pages.incidents import incidents
from wattline_collector.pages.strip import strip
from wattline_collector.profile.schema import FactoryProfile
from wattline_reports.asked import Asked
from wattline_reports.quoted import Figures, Quoted
from wattline_reports.review.disclosed import Disclosed, Shown, disclosed
from wattline_reports.review.outlook import Outlook, outlook
from wattline_reports.review.recommended import Recommendation, recommendations

PUBLIC, RESTRICTED = "public", "restricted"

BOARD = ("P02", "U01", "U02", "E06", "A02", "I04", "S12", "S10", "S03", "I12", "S14", "Q03")
"""The KPIs a board reads: tokens, GPU-hours, availability, access, energy, cost, then how far to
trust them."""

_HEADLINE = {"I12": "euro_per_gpu_hour"}
"""Which figure of a KPI of several that is; else the first."""

CHAPTERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "access": ("I01", "I02", "I03", "I04", "U04", "I05", "I06", "I07", "I08", "U08"),
        "production": ("P09", "P07", "E01", "E03"),
        "utilisation": ("U03", "U06", "U07", "U09"),
        "availability": ("A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08"),
        "energy": ("S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09"),
        "service": ("Q01", "Q02", "Q05", "I09", "I10"),
        "coordination": ("I11", "C01", "C02", "C03", "C04", "C05"),
        "quality": ("Q04",),
        "finance": ("I12",),
    }
)
"""KPIs of each chapter beside those that the overview has."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Everything of a review that the overview does not hold.

    Attributes:
        is_public: Whether anybody may read it.
        by_kpi: Figures by the KPI's id, as far as they may be shown.
        grid: I03 by State and user category.
        cells: What the public variant shows of access time; None in the restricted one.
        before: Figures of the period before, by KPI, where the store holds it.
        before_name: That period.
        aims: What is aimed at, by KPI.
        profile: What the factory says of itself.
        hours: The strip of hours, as `pages.strip` gives it.
        incidents: Outages, as `pages.incidents` gives them.
        outlook: The three months to come.
        recommended: What the last review asked for, and the answers.
        hidden: How many figures the public variant leaves out, by KPI.
        as_of: The moment whose books these are.
    """

    is_public: bool = False
    by_kpi: Mapping[str, tuple[Quoted, ...]] = field(default_factory=dict)
    grid: tuple[Quoted, ...] = ()
    cells: Disclosed | None = None
    before: Mapping[str, Quoted] = field(default_factory=dict)
    before_name: str = ""
    aims: Mapping[str, Aim] = field(default_factory=dict)
    profile: FactoryProfile | None = None
    hours: Mapping[str, object] = field(default_factory=dict)
    incidents: Mapping[str, object] = field(default_factory=dict)
    outlook: Outlook | None = None
    recommended: tuple[Recommendation, ...] | None = None
    hidden: Mapping[str, int] = field(default_factory=dict)
    as_of: datetime | None = None

    def figures(self) -> Figures:
        """Every figure, each once."""
        found = Figures()
        for group in self.by_kpi.values():
            found.add(*group)
        found.add(*self.grid, *self.before.values())
        if self.cells is not None:
            found.add(*self.cells.figures)
        if self.outlook is not None:
            found.add(*self.outlook.figures)
        return found


def gathered(asked: Asked, overview: Sequence[Quoted]) -> Beside:
    """Ask for everything.

    Args:
        asked: The review that somebody asked for.
        overview: The figures of the overview.
    """
    view = asked.view
    is_public = asked.options.get("variant", PUBLIC) != RESTRICTED
    cells = disclosed(asked) if is_public else None
    by_kpi: dict[str, tuple[Quoted, ...]] = {one.kpi: (one,) for one in overview}
    for id in dict.fromkeys(id for ids in CHAPTERS.values() for id in ids):
        by_kpi[id] = tuple(asked.figures(id))
    grid = () if is_public else _with_sums(asked.figures("I03", ["user_category"]))
    before, before_name = _before(asked)
    hidden: dict[str, int] = {}
    if cells is not None:
        by_kpi, hidden = _public(by_kpi, cells)
        before = {id: one for id, one in before.items() if not cells.hides(one.figure)}
    return Beside(
        is_public=is_public,
        by_kpi=by_kpi,
        grid=grid,
        cells=cells,
        before=before,
        before_name=before_name,
        aims=_aims(asked, by_kpi),
        profile=view.profile,
        hours=strip(view, "whole"),
        incidents=incidents(view),
        outlook=outlook(asked),
        recommended=recommendations(asked.store),
        hidden=hidden,
        as_of=asked.as_of,
    )


def headline(id: str, figures: Sequence[Quoted]) -> tuple[Quoted, ...]:
    """The one figure of a KPI that a board reads, if it has any."""
    wanted = _HEADLINE.get(id)
    found = [one for one in figures if wanted in (None, one.figure.dims.get("figure"))]
    return tuple(found[:1])


def _with_sums(figures: Iterable[Quoted]) -> tuple[Quoted, ...]:
    return tuple(one for one in figures if one.figure.numerator is not None)


def _public(
    by_kpi: Mapping[str, tuple[Quoted, ...]], cells: Disclosed
) -> tuple[dict[str, tuple[Quoted, ...]], dict[str, int]]:
    found: dict[str, tuple[Quoted, ...]] = {}
    hidden: dict[str, int] = {}
    for id, figures in by_kpi.items():
        told = [cells.told(one) for one in figures]
        found[id] = tuple(one for one, how in told if how is not Shown.LEFT_OUT)
        count = sum(how is not Shown.AS_IT_IS for _, how in told)
        if count:
            hidden[id] = count
    return found, hidden


def _before(asked: Asked) -> tuple[dict[str, Quoted], str]:
    """Figures of the board for the period of the same length before, if the store holds it."""
    from wattline_collector.kpi.period import before as period_before
    from wattline_reports.words import period_name

    period = period_before(asked.period, asked.view.zone)
    span = Books(asked.store).span()
    if span is None or utc(span[0]) > period.start:
        return {}, ""
    try:
        then = replace(asked, period=period)
        figures = {id: headline(id, then.figures(id)) for id in BOARD}
    except UsageError:
        return {}, ""
    return {
        id: Quoted(f"{one.id}/before", one.kpi, one.figure)
        for id, found in figures.items()
        for one in found
    }, period_name(Period(period.start, period.end))


def _aims(asked: Asked, by_kpi: Mapping[str, tuple[Quoted, ...]]) -> dict[str, Aim]:
    found = {}
    for id, figures in by_kpi.items():
        for one in figures[:1]:
            aim = aim_of(registry.find(id), one.figure, asked.view.profile, asked.systems)
            if aim is not None:
                found[id] = aim
    return found
