"""A number that a report shows, with everything needed to defend it, under one id.

Prose, tables and charts refer to these; HTML, PDF, XLSX and JSON are all written from them, so that
a number is the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_collector.palette import (
    THIN_SPACE,
    UNKNOWN,
    format_number,
    format_percent,
    format_value,
)
from wattline_reports.words import NARROW, grouped, shown, tied

COMFORT = 0.95
"""Coverage under this is said beside the number."""

_PLAIN = frozenset(
    {"S03", "S05", "S06", "S09", "U05", "U07", "U08", "Q05", "I05", "I06", "I10", "I11"}
)
"""Ratios that everybody writes as a number, such as a PUE of 1.24, and not in per cent; and counts,
whose unit is 1 as well."""

_SIGNIFICANT = 9
"""Digits that hold still: sums of floats differ in their last bits from run to run."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """One figure of a report.

    Attributes:
        id: Unique in the report: the KPI's id and its dims, `I01/access_mode=playground`.
        kpi: The KPI's id; empty for a number that is none, such as a floor area.
        figure: The figure.
    """

    id: str
    kpi: str
    figure: Figure

    @property
    def value(self) -> float | int | None:
        """Its value, in `figure.unit`."""
        return self.figure.value

    def part(self, name: str) -> float | int | None:
        """One of its numbers: `value`, `numerator`, `denominator`, `n` or `coverage`."""
        numbers = {
            "value": self.figure.value,
            "numerator": self.figure.numerator,
            "denominator": self.figure.denominator,
            "n": self.figure.n,
            "coverage": self.figure.coverage,
        }
        return numbers[name]

    def unit(self, part: str = "value") -> str:
        """The unit of one of its numbers."""
        return {
            "value": self.figure.unit,
            "numerator": self.figure.numerator_unit,
            "denominator": self.figure.denominator_unit,
            "n": "",
            "coverage": "1",
        }[part]

    def to_json(self) -> dict[str, object]:
        """As it stands in the JSON form; `quote` is its id, `id` the KPI's or the number's own."""
        return {"quote": self.id, "kpi": self.kpi or None} | self.figure.to_json()


def quoted(figure: Figure, *, is_kpi: bool = True, id: str | None = None) -> Quoted:
    """A figure as a report quotes it: its measured numbers to nine digits."""
    name = id or "/".join([figure.id, *(f"{k}={v}" for k, v in figure.dims.items())])
    held = replace(
        figure,
        value=still(figure.value),
        numerator=still(figure.numerator),
        denominator=still(figure.denominator),
        low=still(figure.low),
        high=still(figure.high),
        coverage=None if figure.coverage is None else float(f"{figure.coverage:.9g}"),
    )
    return Quoted(name, figure.id if is_kpi else "", held)


def stated(
    id: str,
    name: str,
    unit: str,
    value: float | int | None,
    *,
    period: Period,
    method: str,
    note: str = "",
    n: int = 0,
    coverage: float | None = None,
    dims: Mapping[str, str] | None = None,
    level: str = "declared",
    floor: float = 0.0,
) -> Quoted:
    """A number that is no KPI: of the profile, of a register, or a count.

    Args:
        id: Its name in the report; with `dims` it must be unique.
        name: What it is.
        unit: Its unit.
        value: The number; None where it is not known.
        period: Of which time.
        method: Where it is from, e.g. `profile, data_centre.rated_it_power`.
        note: What to mind; of one that is not known, the next step.
        n: How many things it is made of.
        coverage: Observed over expected time, 0-1.
        dims: What it is restricted to.
        level: `measured`, `derived` or `declared`.
        floor: Coverage under which the number is withheld.
    """
    status = Status.OK
    if value is None:
        status = Status.UNKNOWN
    elif coverage is not None and coverage < floor:
        status, value = Status.WITHHELD, None
        note = f"{percent(coverage)} of the time was covered, under {percent(floor)}"
    elif coverage is not None and coverage < COMFORT:
        status = Status.PARTIAL
    figure = Figure(
        id=id, name=name, unit=unit, value=value, numerator=None, denominator=None, n=n,
        coverage=coverage, method=method,
        status=status, period=period, note=note,
        dims=dims or {}, level=level,
    )  # fmt: skip
    return quoted(figure, is_kpi=False)


def still(value: float | int | None) -> float | int | None:
    """A number to nine digits; whole ones as they are."""
    return float(f"{value:.{_SIGNIFICANT}g}") if isinstance(value, float) else value


class Figures:
    """The figures of a report, each once, in the order they were added.

    What shows a number asks for it here by its id, so that no number can be shown that the report
    does not quote.
    """

    def __init__(self, figures: Iterable[Quoted] = ()) -> None:
        """Start with some."""
        self._known: dict[str, Quoted] = {}
        self.add(*figures)

    def add(self, *figures: Quoted) -> tuple[Quoted, ...]:
        """Add figures and give them back.

        Raises:
            ValueError: Another figure has the same id.
        """
        for one in figures:
            if self._known.setdefault(one.id, one) != one:
                raise ValueError(f"two figures have the id {one.id!r}")
        return figures

    def __getitem__(self, id: str) -> Quoted:
        """The figure of that id."""
        return self._known[id]

    def __iter__(self) -> Iterator[Quoted]:
        """All of them, in the order they were added."""
        return iter(self._known.values())

    def of(self, kpi: str) -> list[Quoted]:
        """All figures of a KPI, in order."""
        return [one for one in self if one.kpi == kpi]

    def say(self, id: str, part: str = "value") -> str:
        """One number for running text, with its coverage where that is under 95 %."""
        return said(self[id], part)


def said(one: Quoted, part: str = "value", digits: int = 3) -> str:
    """A figure's number with its unit, with its coverage where that is under 95 %."""
    text = written(one, part, digits)
    coverage = one.figure.coverage
    if part == "value" and text != UNKNOWN and coverage is not None and coverage < COMFORT:
        return f"{text} (coverage {percent(coverage)})"
    return text


def written(one: Quoted, part: str = "value", digits: int = 3) -> str:
    """A figure's number with its unit, as people write it; an en dash where it is not known."""
    number, unit = apart(one, part, digits)
    return number if number == UNKNOWN or not unit else f"{number}{NARROW}{unit}"


def apart(one: Quoted, part: str = "value", digits: int = 3) -> tuple[str, str]:
    """The same with number and unit apart: `1.24`, `Gtok`."""
    value, unit = one.part(part), one.unit(part)
    if part == "n":
        return grouped(value or 0), ""
    if value is None:
        return UNKNOWN, unit if unit != "1" else "" if one.kpi in _PLAIN else "%"
    if unit == "1" and one.kpi in _PLAIN and part == "value":
        text = format_number(value, "", digits)
    elif unit == "GPU-h":
        # People add these up: thousands apart, no prefix.
        return tied(grouped(value, 0 if abs(value) >= 100 else 1)), unit
    else:
        text = format_value(value, unit, digits)
    number, _, written_unit = text.rpartition(THIN_SPACE)
    return (tied(number), written_unit) if number else (tied(text), "")


def is_plain(one: Quoted) -> bool:
    """Whether its ratio is written as a number, and not in per cent."""
    return one.kpi in _PLAIN


def percent(ratio: float | None) -> str:
    """A ratio as a percentage."""
    return tied(format_percent(ratio))


def why(one: Quoted) -> str:
    """Why it has no value, or what to mind about the one it has; empty where there is nothing."""
    figure = one.figure
    if figure.note:
        return clean(figure.note).removeprefix("withheld: ")
    if figure.value is not None:
        return ""
    if figure.status is Status.WITHHELD:
        return "too little was observed to show a value"
    return "there is nothing to compute it from"


def clean(text: str) -> str:
    """A note that may quote names from outside, as one line a person can trust."""
    return " ".join(shown(word) for word in text.split())


def source_line(figures: Iterable[Quoted], extra: str = "") -> str:
    """KPI ids with n, coverage and method; figures that share these stand together."""
    groups: dict[str, dict[str, None]] = {}
    for one in figures:
        parts = [f"n\u00a0{grouped(one.figure.n)}"] if one.kpi or one.figure.n else []
        if one.figure.coverage is not None or one.kpi:
            parts.append(f"coverage {percent(one.figure.coverage)}")
        if one.figure.method:
            parts.append(clean(one.figure.method))
        if parts:
            groups.setdefault(", ".join(parts), {})[one.kpi or one.figure.id] = None
    known = "; ".join(f"{', '.join(ids)}: {text}" for text, ids in groups.items())
    return " ".join(part for part in (f"{known}." if known else "", extra) if part)
