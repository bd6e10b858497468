"""Whose the machine's time was: the Union's share, and the commercial part of it."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.profile import law
from wattline_reports.cells import bare, column_cells, coverage_cell
from wattline_reports.document import Block, Cell, Chart, Column, Row, Section, Table
from wattline_reports.hosting_audit.book import Book
from wattline_reports.picture import Canvas, Picture, text_width
from wattline_reports.quoted import Quoted, percent, said, source_line, why
from wattline_reports.words import sentence, shown, tied

_WIDTH = 640.0


def section(book: Book) -> Section:
    """The chapter on the Union's time."""
    blocks: list[Block] = []
    known = [one for one in book.commercial if one.value is not None]
    if known:
        blocks.append(
            Chart(
                label="",
                title=" ".join(sentence(verdict(book, one)) for one in known),
                picture=_gauge([(_system(one), one.value or 0.0, most(book, one)) for one in known],
                               law.commercial_levels(book.profile)),
                alt=sentence("Bars of the commercial share of the Union\u2019s time, by system, "
                             "with marks at the levels of the guard. "
                             + " ".join(sentence(verdict(book, one)) for one in known)),
                source=source_line(known),
                figures=tuple(one.id for one in known),
            )
        )  # fmt: skip
    blocks += [
        _table("Commercial use, by system.", book.commercial, "Commercial"),
        _table("The Union\u2019s time used, commercial use included.", book.union, "Used"),
    ]
    return Section(
        id="guard",
        title="The Union\u2019s time and commercial use",
        question="Did commercial access stay within its part of the Union\u2019s total access time "
        "of each supercomputer (Article 18(3))?",
        answer=" ".join(sentence(verdict(book, one)) for one in book.commercial),
        blocks=tuple(blocks),
    )


def most(book: Book, one: Quoted) -> float:
    """The largest commercial share allowed on the figure's system."""
    systems = {} if book.profile is None else book.profile.systems
    system = systems.get(one.figure.dims.get("system", ""))
    return law.commercial_share_most(None if system is None else system.entitlement)


def verdict(book: Book, one: Quoted) -> str:
    """Whether commercial use stayed within its limit, in one sentence without a full stop."""
    name = _system(one)
    of = f" of {name}" if name else ""
    if one.value is None:
        return f"the commercial share{of} is not known: {why(one)}"
    limit = most(book, one)
    text = f"commercial use took {said(one)} of the Union\u2019s total time{of}"
    if one.value > limit * 100 * (1 + 1e-9):
        return f"{text}, over the {percent(limit)} allowed"
    return f"{text}, within the {percent(limit)} allowed"


def _system(one: Quoted) -> str:
    name = one.figure.dims.get("system", "")
    return "" if name in ("", "unknown") else shown(name)


def _table(title: str, figures: Sequence[Quoted], word: str) -> Table:
    used, whole = column_cells(figures, "numerator"), column_cells(figures, "denominator")
    return Table(
        label="",
        title=title,
        columns=(
            Column("System", width=1),
            Column(word, "GPU-h", numeric=True),
            Column("The Union\u2019s time", "GPU-h", numeric=True),
            Column("Share", "%", numeric=True),
            Column("Projects", numeric=True),
            Column("Coverage", numeric=True),
        ),
        rows=tuple(
            Row(
                (
                    Cell(_system(one) or "not known", note=sentence(why(one))),
                    used[place],
                    whole[place],
                    bare(one),
                    bare(one, "n"),
                    coverage_cell(one),
                )
            )
            for place, one in enumerate(figures)
        ),
        source=source_line(figures),
    )


def _gauge(rows: list[tuple[str, float, float]], levels: tuple[float, ...]) -> Picture:
    """A bar per system, with marks at the guard's levels and its limit; `rows` are in per cent."""
    canvas = Canvas("commercial", _WIDTH)
    left = 12 + max(text_width(name) for name, _, _ in rows)
    right = 64.0
    top = max([*(share for _, share, _ in rows), *(limit * 100 for _, _, limit in rows),
               *(level * 100 for level in levels)]) * 1.05  # fmt: skip
    scale = (_WIDTH - left - right) / top
    y = 20.0
    height = len(rows) * 30
    for level in levels:
        x = left + level * 100 * scale
        canvas.line(x, y - 4, x, y + height - 4, "mark")
        canvas.text(x, y - 9, tied(f"{level * 100:g}\u202f%"), "m", "middle")
    for name, share, limit in rows:
        canvas.rect(left, y + 4, share * scale, 14, "slowed" if share > limit * 100 else "busy")
        canvas.text(left - 8, y + 15, name, "t", "end")
        canvas.text(left + share * scale + 6, y + 15, percent(share / 100), "b")
        y += 30
    canvas.line(left, 16, left, y - 4, "mark")
    return canvas.finish(y + 4)
