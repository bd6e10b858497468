"""A review's figures as text: value, unit, coverage, reason, source line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Figure, Status
from wattline_collector.palette import THIN_SPACE, UNKNOWN, format_percent, format_value
from wattline_reports.quoted import Quoted, quoted
from wattline_reports.review.gathered import BOARD, Beside, headline
from wattline_reports.source import Source
from wattline_reports.words import grouped, sentence, shown, tied

ANSWER = (
    "P02", "P01", "P03", "OEE", "U01", "U02", "E04", "E06", "S12", "S10", "S14", "Q03",
)  # fmt: skip
"""The KPIs that every overview has: tokens, GPU-hours, energy, then how far to trust them."""

FACTORS = ("LOADING", "OEE_A", "OEE_P", "OEE_Q")
"""What opens OEE."""

DEFINED = (*ANSWER[:4], *FACTORS, *ANSWER[4:])
"""Every KPI of a review, in the order of its definitions."""

COMFORT = 0.95
"""Coverage under this is said beside the number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the registry says of a KPI."""

    id: str
    name: str
    formula: str
    unit: str
    numerator: str
    denominator: str
    direction: str
    authority: str
    note: str


@dataclass(frozen=True, slots=True)
class Book:
    """What every section is made from."""

    source: Source
    entries: Mapping[str, Entry]
    beside: Beside = field(default_factory=Beside)

    @property
    def board(self) -> tuple[str, ...]:
        """The KPIs of the one-page answer that are known to this review, in order."""
        return tuple(id for id in BOARD if id in self.entries or id in self.beside.by_kpi)

    def quote(self, id: str) -> tuple[Quoted, ...]:
        """All figures of a KPI, as far as this variant may show them."""
        if id in self.beside.by_kpi:
            return self.beside.by_kpi[id]
        return (quoted(self.figure(id)),) if id in self.entries else ()

    def headline(self, id: str) -> Quoted | None:
        """The one figure of a KPI that a board reads; None where there is none."""
        return next(iter(headline(id, self.quote(id))), None)

    def figure(self, id: str) -> Figure:
        """The figure of the overview, or one that says it was not computed."""
        told = self.beside.by_kpi.get(id)
        if told:
            return told[0].figure
        found = self.source.figures.get(id)
        if found is not None:
            return found
        entry = self.entries[id]
        return Figure(
            id=id,
            name=entry.name,
            unit=entry.unit,
            value=None,
            numerator=None,
            denominator=None,
            n=0,
            coverage=None,
            method="",
            status=Status.UNKNOWN,
            period=self.source.period,
            note="the collector did not compute it",
        )

    def name(self, id: str) -> str:
        """A KPI's name as the registry gives it, with a capital."""
        entry = self.entries.get(id)
        name = entry.name if entry is not None else registry.find(id).name
        return name[:1].upper() + name[1:]


def value_and_unit(figure: Figure) -> tuple[str, str]:
    """Its value and the unit it is written in, apart: `1.24`, `Gtok`."""
    text = format_value(figure.value, figure.unit, _digits(figure))
    if text == UNKNOWN:
        return UNKNOWN, "%" if figure.unit == "1" else figure.unit
    number, _, unit = text.rpartition(THIN_SPACE)
    return (tied(number), unit) if number else (text, "")


def value(figure: Figure) -> str:
    """Its value and unit for running text, with its coverage where that is under 95 %."""
    text = tied(format_value(figure.value, figure.unit, _digits(figure)))
    if figure.value is not None and thin(figure.coverage):
        return f"{text} (coverage {percent(figure.coverage)})"
    return text


def _digits(figure: Figure) -> int:
    """Three digits say enough, except of a balance, where the last per mille is the question."""
    return 4 if figure.id == "S14" else 3


def thin(coverage: float | None) -> bool:
    """Whether a coverage is known and under what needs no mention."""
    return coverage is not None and coverage < COMFORT


def percent(ratio: float | None) -> str:
    """A ratio as a percentage."""
    return tied(format_percent(ratio))


def reason(figure: Figure) -> str:
    """Why it has no value, or what to mind about the one it has; empty where there is nothing."""
    if figure.note:
        return shown_note(figure.note)
    if figure.value is not None:
        return ""
    if figure.status is Status.WITHHELD:
        return "too little was observed to show a value"
    return "there is nothing to compute it from"


def shown_note(text: str) -> str:
    """A note of the collector's, which may quote names from outside: as one clean line."""
    return " ".join(shown(word) for word in text.split())


def source_line(figures: Iterable[Figure], extra: str = "") -> str:
    """KPI ids with n, coverage and method; figures that share these stand together."""
    groups: dict[str, list[str]] = {}
    for figure in figures:
        parts = [f"n\u00a0{grouped(figure.n)}"]
        parts.append(f"coverage {percent(figure.coverage)}")
        if figure.method:
            parts.append(shown_note(figure.method))
        groups.setdefault(", ".join(parts), []).append(figure.id)
    known = "; ".join(f"{', '.join(ids)}: {text}" for text, ids in groups.items())
    return " ".join(part for part in (f"KPI {known}." if known else "", sentence(extra)) if part)
