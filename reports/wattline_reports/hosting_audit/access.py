"""Access time granted and used: by mode, by State and category, and every cell of both."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_reports.cells import bare, column_cells, coverage_cell
from wattline_reports.charts import Bar, account_bars
from wattline_reports.document import (
    Block,
    Cell,
    Chart,
    Column,
    Number,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.hosting_audit.book import CATEGORY, MODE, STATE, Book, named
from wattline_reports.quoted import Quoted, said, source_line, why
from wattline_reports.words import count_of, decimals_for, grouped, sentence

_RULE = (
    "Hours of a project count 30 % to the State of its lead and 70 % in equal parts to those of "
    "its partners; all to the lead\u2019s where it has none."
)


def section(book: Book) -> Section:
    """The chapter on grants and their use."""
    blocks: list[Block] = []
    known = [one for one in book.modes if one.figure.numerator is not None]
    if known:
        blocks.append(_chart(book, known))
    blocks.append(_by_mode(book))
    if book.grid:
        blocks += [_grid(book, "numerator", "used"), _grid(book, "denominator", "granted")]
        blocks.append(Paragraph(f"{_RULE} An empty cell: no project there.", "note"))
    else:
        blocks += [_flat("Participating State", book.states, STATE),
                   _flat("User category", book.categories, "word")]  # fmt: skip
    return Section(
        id="access",
        title="Granted and used",
        question="Who was granted access time, and who used it?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def annex(book: Book) -> Section:
    """Every cell of State, category and mode."""
    cells = sorted(book.cube, key=lambda one: [one.figure.dims[n] for n in (STATE, CATEGORY, MODE)])
    granted, used = column_cells(cells, "denominator"), column_cells(cells, "numerator")
    rows = tuple(
        Row(
            (
                Cell(named(one.figure.dims[STATE])),
                Cell(named(one.figure.dims[CATEGORY])),
                Cell(named(one.figure.dims[MODE])),
                granted[place],
                used[place],
                bare(one),
                bare(one, "n"),
            )
        )
        for place, one in enumerate(cells)
    )
    table = Table(
        label="",
        title="Access time by Participating State, user category and access mode.",
        columns=(
            Column("State"),
            Column("User category", width=1),
            Column("Access mode", width=1),
            Column("Granted", "GPU-h", numeric=True),
            Column("Used", "GPU-h", numeric=True),
            Column("Used of granted", "%", numeric=True),
            Column("Projects", numeric=True),
        ),
        rows=rows,
        source=source_line(cells[:1], f"{_RULE} Parts of a project are counted in every State."),
    )
    count = count_of(len(cells), "cell")
    return Section(
        id="cells",
        title="Every cell",
        question="What is each total made of?",
        answer=f"{count} of State, category and mode had a grant or a job."
        if cells else "No cell of State, category and mode is known.",
        blocks=(table,) if cells else (),
    )  # fmt: skip


def _answer(book: Book) -> str:
    known = [one for one in book.modes if one.figure.numerator is not None]
    if not known:
        reason = next((reason for one in book.modes if (reason := why(one))), "there is no figure")
        return sentence(f"Neither is known: {reason}")
    top = max(known, key=lambda one: one.figure.numerator or 0.0)
    states = [one for one in book.states if one.figure.numerator]
    text = (
        f"most of what was used, {said(top, 'numerator')}, was of access mode "
        f"{named(top.figure.dims[MODE])}"
    )
    if states:
        first = max(states, key=lambda one: one.figure.numerator or 0.0)
        text += (
            f"; of {count_of(len(states), 'Participating State')}, "
            f"{named(first.figure.dims[STATE])} used most, {said(first, 'numerator')}"
        )
    return sentence(text)


def _chart(book: Book, known: Sequence[Quoted]) -> Chart:
    bars = [
        Bar(named(one.figure.dims[MODE]), "busy", (one.figure.numerator, one.figure.denominator))
        for one in known
    ]
    words = [
        f"{bar.label} {grouped(bar.values[0] or 0)} used of "
        + ("an unknown grant" if bar.values[1] is None else grouped(bar.values[1]))
        for bar in bars
    ]
    title = f"{said(book.figures['access.used'])} were used in {count_of(len(bars), 'access mode')}"
    return Chart(
        label="",
        title=sentence(title),
        picture=account_bars("modes", bars, ("used", "granted"), "GPU-h"),
        alt=sentence(f"Bars of GPU-hours used and granted by access mode: {'; '.join(words)}"),
        source=source_line(known),
        figures=tuple(one.id for one in known),
    )


def _by_mode(book: Book) -> Table:
    rows = list(_rows(book.modes, MODE))
    used, granted = book.figures["access.used"], book.figures["access.granted"]
    if rows:
        rows.append(
            Row((Cell("all modes"), bare(granted), bare(used), Cell(""), bare(used, "n"),
                 coverage_cell(used)), total=True)
        )  # fmt: skip
    return Table(
        label="",
        title="Access time granted and used, by access mode.",
        columns=_columns("Access mode"),
        rows=tuple(rows),
        source=source_line(book.modes),
    )


def _flat(title: str, figures: Sequence[Quoted], dim: str) -> Table:
    return Table(
        label="",
        title=f"Access time granted and used, by {title}.",
        columns=_columns(title),
        rows=tuple(_rows(figures, dim)),
        source=source_line(figures),
    )


def _columns(first: str) -> tuple[Column, ...]:
    return (
        Column(first, width=1),
        Column("Granted", "GPU-h", numeric=True),
        Column("Used", "GPU-h", numeric=True),
        Column("Used of granted", "%", numeric=True),
        Column("Projects", numeric=True),
        Column("Coverage", numeric=True),
    )


def _rows(figures: Sequence[Quoted], dim: str) -> list[Row]:
    granted, used = column_cells(figures, "denominator"), column_cells(figures, "numerator")
    return [
        Row(
            (
                Cell(_label(one, dim), note=sentence(why(one))),
                granted[place],
                used[place],
                bare(one),
                bare(one, "n"),
                coverage_cell(one),
            )
        )
        for place, one in enumerate(figures)
    ]


def _label(one: Quoted, dim: str) -> str:
    if one.figure.numerator is None and one.figure.denominator is None:
        return "not known"
    return named(one.figure.dims.get(dim, "unknown"))


def _grid(book: Book, part: str, word: str) -> Table:
    """States down, categories across, GPU-hours in the cells; totals are KPIs of their own."""
    cells = {(one.figure.dims[STATE], one.figure.dims[CATEGORY]): one for one in book.grid}
    states = sorted({state for state, _ in cells})
    categories = sorted({category for _, category in cells})
    of_state = {one.figure.dims.get(STATE): one for one in book.states}
    of_category = {one.figure.dims.get("word"): one for one in book.categories}
    amounts = [abs(one.part(part) or 0.0) for one in (*cells.values(), *book.states)]
    decimals = decimals_for(max(amounts, default=0.0) / 10)

    def cell(one: Quoted | None, *, strong: bool = False) -> Cell:
        amount = None if one is None else one.part(part)
        if one is None or amount is None:
            return Cell("")
        return Cell(
            grouped(amount, decimals), strong=strong, number=Number(amount, "GPU-h", one.id, part)
        )

    rows = [
        Row((Cell(named(state)), *(cell(cells.get((state, c))) for c in categories),
             cell(of_state.get(state), strong=True)))
        for state in states
    ]  # fmt: skip
    whole = book.figures[f"access.{word}"]
    total = Cell(
        "" if whole.value is None else grouped(whole.value, decimals),
        number=None if whole.value is None else Number(whole.value, "GPU-h", whole.id),
    )
    rows.append(
        Row((Cell("all"), *(cell(of_category.get(c)) for c in categories), total), total=True)
    )
    return Table(
        label="",
        title=f"Access time {word}, by Participating State and user category, in GPU-hours.",
        columns=(
            Column("State"),
            *(Column(named(category), numeric=True) for category in categories),
            Column("all", numeric=True),
        ),
        rows=tuple(rows),
        source=source_line([*book.grid[:1], *book.categories[:1]]),
    )
