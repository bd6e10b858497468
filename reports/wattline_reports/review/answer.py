"""The one-page answer: a sentence, a table, what to decide, and what is missing."""

from __future__ import annotations

from wattline_collector.palette import UNKNOWN, format_value
from wattline_reports.cells import bare, cell, coverage_cell
from wattline_reports.document import (
    Bullets,
    Cell,
    Column,
    Heading,
    Missing,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.missing import missing as shared
from wattline_reports.quoted import Quoted, why
from wattline_reports.review.board import DECISIONS, concerns
from wattline_reports.review.figures import ANSWER, Book, reason, value
from wattline_reports.review.utilisation import kept
from wattline_reports.words import count_of, listed, period_phrase, sentence, tied

_LIGHTS = {"broken": "down", "missed": "slowed", "met": "busy"}


def section(book: Book) -> Section:
    """The chapter a reader with one minute reads."""
    board = [one for id in book.board if (one := book.headline(id)) is not None]
    known = sum(one.value is not None for one in board)
    many = "All" if known == len(board) else f"{known} of"
    before = book.beside.before_name
    targets = any(id in book.beside.aims for id in book.board)
    source = (
        ("Targets and thresholds: the profile. " if targets
         else "No target set for any KPI, so none is marked as met or missed. ")
        + (f"Before: {before}. " if before else "Of the period before nothing is held. ")
        + "The definitions give each KPI with its two sums."
    )  # fmt: skip
    return Section(
        id="answer",
        title="The answer on one page",
        question="What did the factory make, what did it cost, and what has to be decided?",
        answer=lead(book),
        blocks=(
            Table(
                label="",
                title=f"{many} {len(board)} KPIs have a value for this period.",
                columns=(
                    Column("KPI"),
                    Column("What", width=1),
                    Column("Value", numeric=True),
                    Column("Target", numeric=True),
                    Column("Before", numeric=True),
                    Column("n", numeric=True),
                    Column("Coverage", numeric=True),
                    Column("State"),
                ),
                rows=tuple(_row(book, one) for one in board),
                source=source,
            ),
            Heading("Decisions asked of the board"),
            _decisions(book),
            Heading("What is missing"),
            Bullets(tuple((one.what, one.why) for one in missing(book)), "note"),
        ),
    )


def _decisions(book: Book) -> Bullets | Paragraph:
    found = concerns(book)[:DECISIONS]
    if not found:
        return Paragraph(
            "The figures ask for none: no limit, promise or target is missed.", "plain"
        )
    return Bullets(tuple((one.what, f"{one.text} {one.decide}") for one in found))


def lead(book: Book) -> str:
    """The period in two sentences."""
    when = period_phrase(book.source.period)
    trained, served, rate = (book.figure(id) for id in ("P01", "P03", "P02"))
    made = [
        f"{value(figure)} {how}"
        for figure, how in ((trained, "in training"), (served, "in inference"))
        if figure.value is not None
    ]
    if not made:
        first = f"What the factory made {when.rstrip(',')} is not known: {reason(rate)}"
        return f"{sentence(first)} {_cost(book)}"
    first = f"{when} the factory made {listed(made)}"
    if rate.value is not None:
        first += f", on average {value(rate)}"
    if len(made) == 1:
        absent = trained if trained.value is None else served
        first += f"; {absent.name}: not known ({reason(absent)})"
    return f"{sentence(first)} {_cost(book)}"


def _cost(book: Book) -> str:
    whole = count_of(round(book.source.installed_hours), "installed GPU-hour")
    share, per_energy = kept(book.source), book.figure("S10")
    if share:
        text = f"Of {whole}, {share} were working time that was kept"
    else:
        text = f"Of {whole} it is not known how many worked: no activity was measured"
    if per_energy.value is not None:
        text += f"; jobs made {value(per_energy)}"
    else:
        text += f"; tokens per joule: not known ({reason(per_energy)})"
    return sentence(text)


def missing(book: Book) -> tuple[Missing, ...]:
    """Everything a reader could take for granted and that is not there."""
    ids = dict.fromkeys([*ANSWER, *book.beside.by_kpi])
    figures = [one for id in ids for one in book.quote(id)]
    return shared(figures, book.source.notes)


def _row(book: Book, one: Quoted) -> Row:
    id = one.figure.id
    aim = book.beside.aims.get(id)
    then = book.beside.before.get(id)
    state = "no target"
    if one.value is None:
        state = one.figure.status.value
    elif aim is not None:
        kept, met = aim.kept(one.value), aim.met(one.value)
        state = "broken" if kept is False else "missed" if met is False else "met"
    level = None if aim is None else aim.value if aim.value is not None else aim.threshold
    target = UNKNOWN if level is None else tied(format_value(level, one.figure.unit))
    digits = 4 if id == "S14" else 3
    return Row(
        (
            Cell(id),
            Cell(book.name(id), note=sentence(why(one)) if one.value is None else ""),
            cell(one, digits=digits, strong=one.value is not None),
            Cell(target),
            Cell(UNKNOWN) if then is None else cell(then, digits=digits),
            bare(one, "n"),
            coverage_cell(one),
            Cell(state, fill=_LIGHTS.get(state, ""), strong=state in ("broken", "missed")),
        )
    )
