"""Tables and sentences that every chapter makes of its figures in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattline_reports.cells import FIGURE_COLUMNS, figure_row
from wattline_reports.document import Table
from wattline_reports.quoted import Quoted, said, source_line, why
from wattline_reports.review.disclosed import spoken
from wattline_reports.words import listed, sentence

_MOST = 24
"""Rows of a table of figures: what fits on a page beside its picture."""


def name_of(one: Quoted) -> str:
    """A figure's name, and what it is restricted to: `Queue wait and expansion: 2-4, median`."""
    words = [spoken(word) for word in one.figure.dims.values() if word]
    name = one.figure.name[:1].upper() + one.figure.name[1:]
    return f"{name}: {', '.join(words)}" if words else name


def figure_table(
    title: str, figures: Sequence[Quoted], extra: str = "", most: int = _MOST
) -> Table:
    """Figures with value, n, coverage and status; the reason stands under one without a value."""
    shown = figures[:most]
    if len(figures) > most:
        extra = f"{extra} {len(figures) - most} more are in the workbook and the JSON.".strip()
    return Table(
        label="",
        title=title,
        columns=FIGURE_COLUMNS,
        rows=tuple(
            figure_row(one, name_of(one), note=None if one.value is None else "") for one in shown
        ),
        source=source_line(shown[:6], extra),
    )


def told(figures: Iterable[tuple[Quoted | None, str]]) -> str:
    """One sentence of several: each known figure in its words, the others as not known.

    Args:
        figures: Each with its words, in which `{}` stands for the number.
    """
    parts, unknown = [], []
    for one, words in figures:
        if one is None:
            continue
        if one.value is None:
            unknown.append(one)
        else:
            parts.append(words.format(said(one)))
    if unknown:
        names = listed(list(dict.fromkeys(one.kpi or one.figure.id for one in unknown)))
        reasons = list(dict.fromkeys(why(one) for one in unknown))
        parts.append(f"{names} not known ({reasons[0]})" if len(reasons) == 1
                     else f"{names} not known, for the reasons below")  # fmt: skip
    return sentence("; ".join(parts))


def pick(figures: Iterable[Quoted], **dims: str) -> Quoted | None:
    """The first figure with these dimensions."""
    for one in figures:
        if all(one.figure.dims.get(name) == word for name, word in dims.items()):
            return one
    return None
