"""What the operations report is made of, each thing read or computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wattline_agents.errors import InputError, UsageError
from wattline_collector.kpi import overview as overviews
from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.targets import Aim, aim_of
from wattline_collector.pages.incidents import incidents
from wattline_collector.pages.strip import strip
from wattline_collector.warning.report import Report as Warnings
from wattline_reports import source as sources
from wattline_reports.asked import Asked
from wattline_reports.operations.strain import Strain, strain
from wattline_reports.quoted import Figures, Quoted, clean
from wattline_reports.source import Source

AVAILABILITY = ("A01", "A02", "A06", "A08", "A03", "A04", "A05", "A07")
HEADLINE = ("A02", "A06", "U03", "U01", "E06", "Q03")
"""What an operator reads first."""
WARNING_DAYS = 92
"""Days that early warning looks back at most: it reads every reading of them."""
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Book:
    """What every chapter is made from.

    Attributes:
        figures: All of them.
        source: The overview of the period.
        by_kpi: Figures by the KPI's id.
        aims: What is aimed at, by KPI.
        hours: The strip of hours of everything together.
        incidents: Outages by cause and one by one.
        warnings: Whom early warning names; None where it could not look.
        warnings_note: Why not, or of which part of the period.
        strain: Held devices, heat and throttling.
    """

    figures: Figures
    source: Source
    by_kpi: Mapping[str, tuple[Quoted, ...]]
    aims: Mapping[str, Aim]
    hours: Mapping[str, object]
    incidents: Mapping[str, object]
    warnings: Warnings | None
    warnings_note: str
    strain: Strain

    def first(self, id: str) -> Quoted | None:
        """The first figure of a KPI."""
        return next(iter(self.by_kpi.get(id, ())), None)


def gathered(asked: Asked) -> Book:
    """Compute the figures of the report."""
    view = asked.view
    figures = Figures()
    by_kpi = {
        id: figures.add(*asked.figures(id))
        for id in dict.fromkeys([*HEADLINE, *AVAILABILITY])
    }  # fmt: skip
    proof = asked.audited.summary()
    with asked.said("computing the figures"):
        overview = overviews.of_view(view, proof).to_json()
        settled = sources.settled({**overview, sources.FINDINGS: list(asked.audited.findings)})
        found = strain(asked)
    figures.add(*found.figures)
    aims = {}
    for id, group in by_kpi.items():
        for one in group[:1]:
            aim = aim_of(registry.find(id), one.figure, view.profile, asked.systems)
            if aim is not None:
                aims[id] = aim
    warnings, note = _warnings(asked)
    return Book(
        figures=figures,
        source=sources.read(settled),
        by_kpi=by_kpi,
        aims=aims,
        hours=strip(view, "whole"),
        incidents=incidents(view),
        warnings=warnings,
        warnings_note=note,
        strain=found,
    )


def _warnings(asked: Asked) -> tuple[Warnings | None, str]:
    from wattline_collector.warning.gather import gather
    from wattline_collector.warning.report import report

    period = asked.period
    days, note = _days(period)
    with asked.said("looking for nodes that differ"):
        try:
            return report(gather(asked.store, days, round(period.end.timestamp() * 1000))), note
        except (UsageError, InputError) as error:
            return None, clean(str(error))


def _days(period: Period) -> tuple[int, str]:
    """How far early warning looks back, and what of the period it leaves out."""
    whole = max(1, -(-round((period.end - period.start).total_seconds()) // _DAY_SECONDS))
    if whole <= WARNING_DAYS:
        return whole, ""
    return WARNING_DAYS, f"of the last {WARNING_DAYS} days of the period alone"
