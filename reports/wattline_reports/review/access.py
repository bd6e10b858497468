"""Who was granted access time, who used it, and how soon they had it."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.profile import law
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
from wattline_reports.quoted import Quoted, percent, said, source_line, why, written
from wattline_reports.review.disclosed import (
    CATEGORY,
    MODE,
    STATE,
    Disclosed,
    id_of,
    spoken,
)
from wattline_reports.review.evidence import figure_table, told
from wattline_reports.review.figures import Book
from wattline_reports.review.pictures import Bullet, Mark, Square, bullets, heat_map
from wattline_reports.words import count_of, grouped, listed, sentence, shown

_RULE = (
    "30 % of a project\u2019s hours count to the State of its lead and 70 % in equal parts to "
    "those of its partners"
)


def section(book: Book) -> Section:
    """The chapter on access."""
    cells = book.beside.cells
    blocks: list[Block] = []
    blocks += _public(cells) if cells is not None else _restricted(book)
    blocks += _guard(book)
    blocks += _clock(book)
    rest = [*book.quote("I05"), *book.quote("I06"), *book.quote("I08"), *book.quote("U08")]
    if rest:
        blocks.append(figure_table("Reach, success of proposals, oversubscription.", rest))
    return Section(
        id="access",
        title="Access",
        question="Who was granted access time, who used it, and how soon did they have it?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def limit_of(book: Book, one: Quoted) -> float:
    """The largest commercial share allowed on the figure's system, as a ratio."""
    profile = book.beside.profile
    systems = {} if profile is None else profile.systems
    system = systems.get(one.figure.dims.get("system", ""))
    return law.commercial_share_most(None if system is None else system.entitlement)


def _answer(book: Book) -> str:
    parts = []
    modes = [one for one in book.quote("I01") if one.figure.numerator is not None]
    if modes:
        used = sum(one.figure.numerator or 0.0 for one in modes)
        parts.append(
            f"{grouped(used)}\u202fGPU-h were used in {count_of(len(modes), 'access mode')}"
        )
    elif book.beside.cells is not None and book.beside.cells.count[0]:
        whole, hidden = book.beside.cells.count
        parts.append(
            f"{grouped(hidden)} of {count_of(whole, 'cell')} of access time are not shown, so that "
            "nobody can be concluded from them"
        )
    else:
        reason = next((r for one in book.quote("I01") if (r := why(one))), "no figure of I01")
        parts.append(f"what was granted and used is not known: {reason}")
    for one in book.quote("I04"):
        system = one.figure.dims.get("system", "")
        name = f" of {shown(system)}" if system not in ("", "unknown") else ""
        if one.value is None:
            parts.append(f"the commercial share{name} is not shown: {why(one)}" if not one.kpi
                         else f"the commercial share{name} is not known: {why(one)}")  # fmt: skip
        else:
            limit = limit_of(book, one)
            over = one.value > limit * 100 * (1 + 1e-9)
            parts.append(
                f"commercial use took {said(one)} of the Union\u2019s total time{name}, "
                f"{'over' if over else 'within'} the {percent(limit)} allowed"
            )
    return sentence("; ".join(parts))


def _restricted(book: Book) -> list[Block]:
    modes = [one for one in book.quote("I01") if one.figure.numerator is not None]
    blocks: list[Block] = []
    if modes:
        bars = [
            Bar(spoken(one.figure.dims[MODE]), "busy",
                (one.figure.numerator, one.figure.denominator)) for one in modes
        ]  # fmt: skip
        words = [f"{bar.label} {grouped(bar.values[0] or 0)}" for bar in bars]
        most = max(modes, key=lambda one: one.figure.numerator or 0.0)
        blocks.append(
            Chart(
                label="",
                title=sentence(
                    f"most hours, {written(most, 'numerator')}, were used in the mode "
                    f"{spoken(most.figure.dims[MODE])}"
                ),
                picture=account_bars("modes", bars, ("used", "granted"), "GPU-hours"),
                alt=sentence(f"GPU-hours used and granted by access mode: {', '.join(words)}"),
                source=source_line(modes),
                figures=tuple(one.id for one in modes),
            )
        )
    if book.beside.grid:
        blocks.append(_map([
            (one.figure.dims[STATE], one.figure.dims[CATEGORY], one.figure.numerator, False)
            for one in book.beside.grid
        ], source_line(book.beside.grid[:1], sentence(_RULE)),
            tuple(one.id for one in book.beside.grid)))  # fmt: skip
    for title, figures, dim in (
        ("Access time by access mode.", book.quote("I01"), MODE),
        ("Access time by Participating State.", book.quote("I03"), STATE),
        ("Access time by user category, sector and field.", book.quote("I02"), "word"),
    ):
        if figures:
            blocks.append(_table(title, figures, dim))
    return blocks


def _table(title: str, figures: Sequence[Quoted], dim: str) -> Table:
    granted, used = column_cells(figures, "denominator"), column_cells(figures, "numerator")
    return Table(
        label="",
        title=title,
        columns=(
            Column("Of", width=1),
            Column("Granted", "GPU-h", numeric=True),
            Column("Used", "GPU-h", numeric=True),
            Column("Used of granted", "%", numeric=True),
            Column("Projects", numeric=True),
            Column("Coverage", numeric=True),
        ),
        rows=tuple(
            Row(
                (
                    Cell(_of(one, dim), note=sentence(why(one))),
                    granted[place],
                    used[place],
                    bare(one),
                    bare(one, "n"),
                    coverage_cell(one),
                )
            )
            for place, one in enumerate(figures)
        ),
        source=source_line(figures[:3]),
    )


def _of(one: Quoted, dim: str) -> str:
    tag = one.figure.dims.get("tag", "")
    word = spoken(one.figure.dims.get(dim, "unknown"))
    return f"{spoken(tag)}: {word}" if tag else word


def _map(
    cells: Sequence[tuple[str, str, float | None, bool]], source: str, figures: tuple[str, ...]
) -> Chart:
    states = sorted({state for state, _, _, _ in cells})
    categories = sorted({category for _, category, _, _ in cells})
    squares = {
        (states.index(state), categories.index(category)): Square(hours, hidden)
        for state, category, hours, hidden in cells
    }
    known = [(hours, state, category) for state, category, hours, _ in cells if hours is not None]
    hidden = sum(1 for _, _, _, is_hidden in cells if is_hidden)
    if known:
        hours, state, category = max(known)
        title = (
            f"the largest cell is {spoken(category)} in {spoken(state)}, with "
            f"{grouped(hours)}\u202fGPU-h"
        )
    else:
        title = "no cell of State and user category can be shown"
    if hidden:
        title += f"; {count_of(hidden, 'cell')} not shown"
    spoken_cells = [f"{state} {spoken(category)} {grouped(hours)}"
                    for hours, state, category in sorted(known, reverse=True)[:8]]  # fmt: skip
    return Chart(
        label="",
        title=sentence(title),
        picture=heat_map(
            "states", [spoken(state) for state in states],
            [spoken(category) for category in categories], squares, "GPU-hours used",
        ),
        alt=sentence(
            "Heat map of GPU-hours used by Participating State and user category; largest: "
            + (listed(spoken_cells) or "none shown")
        ),
        source=source,
        figures=figures,
    )  # fmt: skip


def _public(cells: Disclosed) -> list[Block]:
    if not cells.margins:
        return [
            Paragraph("Without the register of projects nothing can be said of access.", "note")
        ]
    blocks: list[Block] = []
    blocks.append(
        _map(
            [
                (state, category, None if row is None else row[1], row is None)
                for (state, category), row in sorted(cells.grid.items())
            ],
            "Cells as a public bundle tells them, to three digits; hatched: there, and not shown.",
            tuple(
                id_of("used", {STATE: state, CATEGORY: category})
                for state, category in sorted(cells.grid)
            ),
        )
    )
    blocks += _margins(cells)
    return blocks


def _margins(cells: Disclosed) -> list[Block]:
    """Totals by one dimension: those that are shown, and how many are not."""
    rows = []
    hidden: dict[str, int] = {}
    for (name, word), row in sorted(cells.margins.items()):
        if row is None:
            hidden[spoken(name)] = hidden.get(spoken(name), 0) + 1
            continue
        of = {"yes": "commercial", "no": "not commercial"}.get(word, spoken(word))
        numbers = [
            Cell(
                grouped(row[place]),
                number=Number(row[place], "GPU-h", id_of(part, {name: word})),
            )
            for place, part in enumerate(("granted", "used"))
        ]
        rows.append(Row((Cell(f"{spoken(name)}: {of}"), *numbers, Cell(f"about {row[2]}"))))
    counts = listed([f"{count} by {name}" for name, count in hidden.items()])
    left_out = f"Not shown: {counts}." if hidden else "No total is hidden."
    if not rows:
        return [Paragraph(f"No total of access time may be shown. {left_out}", "note")]
    return [
        Table(
            label="",
            title="Access time granted and used, as far as it may be shown.",
            columns=(
                Column("Of", width=1),
                Column("Granted", "GPU-h", numeric=True),
                Column("Used", "GPU-h", numeric=True),
                Column("Projects"),
            ),
            rows=tuple(rows),
            source="Register of projects and ledger; hours to three digits, projects to the "
            f"nearest five. A project counts to the State of its lead. {left_out}",
        )
    ]


def _guard(book: Book) -> list[Block]:
    """The commercial gauge up to its limit, and the Union's share beside what it is entitled to."""
    levels = tuple(
        Mark(level * 100, f"{level * 100:g}\u202f%")
        for level in law.commercial_levels(book.beside.profile)
    )
    sold, share = book.quote("I04"), book.quote("U04")
    blocks: list[Block] = []
    if sold:
        rows = []
        for one in sold:
            over = one.value is not None and one.value > limit_of(book, one) * 100 * (1 + 1e-9)
            fill = "slowed" if over else "busy"
            rows.append(Bullet(_system(one), one.value, _text(one), levels, fill))
        blocks.append(
            _bullet_chart("commercial", "commercial share of the Union\u2019s time", rows, sold,
                          "% of the Union\u2019s total access time",
                          "Marks: levels of the guard (Article 18(3)).")
        )  # fmt: skip
    if share:
        whole = (Mark(100.0, "entitled to"),)
        rows = [Bullet(_system(one), one.value, _text(one), whole) for one in share]
        blocks.append(
            _bullet_chart("share", "part of the Union\u2019s share that was used", rows, share,
                          "% of the share", "Mark: what the Union is entitled to (Article 17).")
        )  # fmt: skip
    return blocks


def _bullet_chart(
    name: str, what: str, rows: Sequence[Bullet], figures: Sequence[Quoted], unit: str, marks: str
) -> Chart:
    words = "; ".join(f"{row.label} {row.text}" for row in rows)
    return Chart(
        label="",
        title=sentence(f"{what}: {words}"),
        picture=bullets(name, rows, unit),
        alt=sentence(f"Bullet chart, {what}: {words}"),
        source=source_line(figures, marks),
        figures=tuple(one.id for one in figures),
    )


def _text(one: Quoted) -> str:
    if one.value is None:
        return "not shown" if not one.kpi else "not known"
    return written(one)


def _system(one: Quoted) -> str:
    name = one.figure.dims.get("system", "")
    return "all systems" if name in ("", "unknown") else shown(name)


def _clock(book: Book) -> list[Block]:
    figures = list(book.quote("I07"))
    if not figures:
        return []
    profile = book.beside.profile
    modes = law.ACCESS_MODES if profile is None else {**law.ACCESS_MODES, **profile.access_modes}
    rows = []
    for one in figures:
        if one.figure.dims.get("figure") != "p95" or one.value is None:
            continue
        mode = modes.get(one.figure.dims.get(MODE, ""))
        days = None if mode is None else mode.working_days or mode.days
        marks = () if days is None else (Mark(float(days), f"{days}\u202fd"),)
        late = days is not None and one.value > days
        rows.append(Bullet(spoken(one.figure.dims[MODE]), one.value, written(one), marks,
                           "slowed" if late else "busy"))  # fmt: skip
    blocks: list[Block] = []
    if rows:
        tardy = [row.label for row in rows if row.fill == "slowed"]
        title = f"access came later than promised in {listed(tardy)}" if tardy else (
            "access came within the days promised in every mode that has a promise"
        )  # fmt: skip
        blocks.append(
            Chart(
                label="",
                title=sentence(title),
                picture=bullets("clock", rows, "working days to access, 95 % of grants"),
                alt=sentence(f"{title}. " + "; ".join(f"{r.label} {r.text}" for r in rows)),
                source=source_line([one for one in figures if one.kpi][:1],
                                   "Marks: days promised."),
                figures=tuple(one.id for one in figures if one.kpi),
            )
        )  # fmt: skip
    known = [one for one in figures if one.value is not None]
    if known:
        blocks.append(figure_table("Time to access by mode.", known))
    else:
        blocks.append(Paragraph(told([(one, "{}") for one in figures[:1]]), "note"))
    return blocks
