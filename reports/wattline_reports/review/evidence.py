"""Tables and sentences that every chapter makes of its figures in the same way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wattline_collector.palette import UNKNOWN
from wattline_reports.cells import FIGURE_COLUMNS, figure_row
from wattline_reports.document import Cell, Row, Table
from wattline_reports.quoted import Quoted, clean, said, why
from wattline_reports.review.disclosed import spoken
from wattline_reports.words import listed, sentence

_MOST = 24
"""Rows of a table of figures: what fits on a page beside its picture."""

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
"""A digest in a method; the workbook and the JSON have it in full."""


def name_of(one: Quoted) -> str:
    """A figure's name, and what it is restricted to: `Queue wait and expansion: 2-4, median`."""
    words = _words(one)
    return f"{_called(one)}: {words}" if words else _called(one)


def _called(one: Quoted) -> str:
    return one.figure.name[:1].upper() + one.figure.name[1:]


def _words(one: Quoted) -> str:
    return ", ".join(spoken(word) for word in one.figure.dims.values() if word)


def figure_table(
    title: str, figures: Sequence[Quoted], extra: str = "", most: int = _MOST
) -> Table:
    """Figures with value, n, coverage and status; the reason stands under one without a value.

    Figures of one KPI that lack a value for the same reason share a row: twelve hidden cells are
    one thing to know.
    """
    groups = _grouped(figures)
    shown = groups[:most]
    if left := sum(len(group) for group in groups[most:]):
        extra = f"{extra} {left} more are in the workbook and the JSON.".strip()
    return Table(
        label="",
        title=title,
        columns=FIGURE_COLUMNS,
        rows=tuple(_row(group) for group in shown),
        source=methods(one for group in shown for one in group if one.value is not None) + extra,
    )


def methods(figures: Iterable[Quoted]) -> str:
    """By KPI the methods of figures whose n and coverage stand in their rows; ends with a space."""
    found: dict[str, dict[str, None]] = {}
    for one in figures:
        if one.figure.method:
            method = clean(_DIGEST.sub(r"\1…", one.figure.method))
            found.setdefault(method, {})[one.kpi or one.figure.id] = None
    words = "; ".join(f"{', '.join(ids)}: {method}" for method, ids in found.items())
    return f"{words}. " if words else ""


def _grouped(figures: Sequence[Quoted]) -> list[list[Quoted]]:
    groups: dict[tuple[str, ...], list[Quoted]] = {}
    for one in figures:
        alone = one.id if one.value is not None else ""
        key = (one.figure.id, one.figure.name, one.figure.status.value, why(one), alone)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _row(group: Sequence[Quoted]) -> Row:
    first = group[0]
    if len(group) == 1:
        return figure_row(first, name_of(first), note=None if first.value is None else "")
    said = list(dict.fromkeys(_words(one) for one in group))
    return Row(
        (
            Cell(first.kpi or UNKNOWN),
            Cell(f"{_called(first)}: {listed(said)}", note=sentence(why(first))),
            *(Cell(text) for text in (UNKNOWN, "", UNKNOWN, UNKNOWN)),
            Cell(first.figure.status.value, strong=True),
        )
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
