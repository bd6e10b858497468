"""Figures as the answer's numbers: each opens its explanation, and says what a reader must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dash import html

from wattline_collector.palette import UNKNOWN, format_percent
from wattline_dashboards import exports
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.effectiveness import sums
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.parts import (
    coverage_note,
    quantity,
    stat,
    unbroken,
    written,
)
from wattline_dashboards.language import _

Figure = Mapping[str, Any]

_NOTE = 90
"""Characters of a note that stand beside a figure; its title has the rest."""
_TITLE = 400


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure that a page shows.

    Attributes:
        id: Its KPI.
        label: What the page calls it.
        dims: Its parts, where the KPI has several figures.
        plain: Whether a ratio is written as a number and no percentage, as a PUE is.
    """

    id: str
    label: str
    dims: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False


def listed(answer: Mapping[str, Any], name: str = "figures") -> list[Figure]:
    """The figures of an answer."""
    rows = answer.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def picked(
    figures: Iterable[Figure], id: str, dims: Mapping[str, str] | None = None
) -> Figure | None:
    """The figure of a KPI that has these parts; None where there is none."""
    wanted = dims or {}
    for figure in figures:
        said = figure.get("dims")
        named = said if isinstance(said, Mapping) else {}
        if figure.get("id") == id and all(named.get(key) == value for key, value in wanted.items()):
            return figure
    return None


def every(figures: Iterable[Figure], id: str) -> list[Figure]:
    """All figures of a KPI."""
    return [figure for figure in figures if figure.get("id") == id]


def dim(figure: Figure, name: str) -> str:
    """A part of a figure, such as its access mode; empty where it has none."""
    said = figure.get("dims")
    return str(said.get(name) or "") if isinstance(said, Mapping) else ""


def value_of(figure: Figure | None) -> float | None:
    """Its value in its unit; null where it is not known."""
    return None if figure is None else number(figure.get("value"))


def shown(figure: Figure | None, *, plain: bool = False) -> str:
    """Its value as people read it."""
    value, unit = value_of(figure), "" if figure is None else text(figure.get("unit")) or ""
    if value is None:
        return UNKNOWN
    return written(value, unit, plain=plain)


def stats(figures: Sequence[Figure], wanted: Iterable[Wanted]) -> list[Any]:
    """The row of numbers a page opens with; what is not known says why.

    A reason that several have stands beneath the row, once and whole.
    """
    asked = list(wanted)
    why = Counter(filter(None, (_why(picked(figures, each.id, each.dims)) for each in asked)))
    shared = [reason for reason, count in why.items() if count > 1]
    row = html.Dl([one(figures, each, shared) for each in asked], className="answers")
    notes = [_("Not known: {why}").format(why=reason[:_TITLE]) for reason in shared]
    return [row, *(html.P(note, className="muted note answers-note") for note in notes)]


def one(figures: Sequence[Figure], wanted: Wanted, shared: Sequence[str] = ()) -> html.Div:
    """One of them; its reason is not said where it is among the shared."""
    figure = picked(figures, wanted.id, wanted.dims)
    said = shown(figure, plain=wanted.plain)
    number_shown = explained(wanted.id, quantity(said), f"{wanted.label} {said}")
    below = [_("not known")] if _why(figure) in shared else beneath(figure)
    return stat(wanted.label, number_shown, below, **{"data-kpi": wanted.id})


def _why(figure: Figure | None) -> str:
    """Why a figure is not known; empty where it is, or nobody says."""
    known = figure is None or value_of(figure) is not None
    return "" if known or figure is None else text(figure.get("note")) or ""


def beneath(figure: Figure | None) -> list[Any]:
    """What stands under a figure: what it is made of, its coverage, or why it is not known."""
    if figure is None:
        return [_("not known")]
    note = text(figure.get("note")) or ""
    if value_of(figure) is None:
        return [cut(note or _("not known"))]
    parts: list[Any] = []
    if number(figure.get("denominator")) is not None and (made := made_of(figure)):
        parts.append(html.Span(unbroken(made), className="sums"))
    caution = coverage_note(number(figure.get("coverage")))
    if caution is not None:
        parts += [" · " if parts else "", caution]
    return parts or [cut(text(figure.get("method")) or "")]


def made_of(figure: Figure) -> str:
    """Numerator over denominator; empty where a KPI's figures are of several units."""
    return "" if " or " in (text(figure.get("denominator_unit")) or "") else sums(figure)


def cut(said: str, most: int = _NOTE) -> html.Span | str:
    """A text from outside, at most so long; what is longer has more of itself as its title."""
    if len(said) <= most:
        return said
    return html.Span(f"{said[: most - 1].rstrip()}…", title=said[:_TITLE])


def share(above: float | None, below: float | None) -> str:
    """One sum over another as a percentage."""
    return format_percent(None if above is None or not below else above / below)


def sheet(name: str, figures: Iterable[Figure]) -> exports.Sheet:
    """Figures as a file: value and both sums in their units, and what defends them."""
    heads = (
        "KPI", "name", "of", "value", "unit", "above", "above unit", "below", "below unit", "n",
        "coverage", "status", "method", "note",
    )  # fmt: skip
    keys = (
        "value", "unit", "numerator", "numerator_unit", "denominator", "denominator_unit", "n",
        "coverage", "status", "method", "note",
    )  # fmt: skip
    return exports.Sheet(
        name,
        heads,
        [
            (figure.get("id"), figure.get("name"), parts(figure), *(figure.get(k) for k in keys))
            for figure in figures
        ],
    )


def parts(figure: Figure) -> str:
    """What a figure is restricted to, in a line."""
    said = figure.get("dims")
    named = said if isinstance(said, Mapping) else {}
    return ", ".join(str(value) for value in named.values())
