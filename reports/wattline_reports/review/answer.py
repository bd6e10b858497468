"""The one-page answer: a sentence, a table, and what is missing."""

from __future__ import annotations

from wattline_collector.kpi.figure import Figure, Status
from wattline_collector.palette import UNKNOWN
from wattline_reports.cells import number_of, unit_cell
from wattline_reports.document import (
    Bullets,
    Cell,
    Column,
    Heading,
    Missing,
    Row,
    Section,
    Table,
)
from wattline_reports.missing import missing as shared
from wattline_reports.quoted import quoted
from wattline_reports.review.figures import (
    ANSWER,
    Book,
    percent,
    reason,
    thin,
    value,
    value_and_unit,
)
from wattline_reports.review.utilisation import kept
from wattline_reports.words import count_of, grouped, listed, period_phrase, sentence

NOT_COVERED = (
    "Access and impact, agreed service levels, facility energy, water, heat and carbon, finance, "
    "and courses held are not part of this report, whatever the store's registers hold on them."
)


def section(book: Book) -> Section:
    """The chapter a reader with one minute reads."""
    figures = [book.figure(id) for id in ANSWER]
    known = [figure for figure in figures if figure.value is not None]
    many = "All" if len(known) == len(figures) else f"{len(known)} of"
    return Section(
        id="answer",
        title="The answer on one page",
        question="What did the factory make, and what did it cost in GPU-hours and energy?",
        answer=lead(book),
        blocks=(
            Table(
                label="",
                title=f"{many} {len(figures)} KPIs have a value for this period.",
                columns=(
                    Column("KPI"),
                    Column("What", width=1),
                    Column("Value", numeric=True),
                    Column("Unit"),
                    Column("n", numeric=True),
                    Column("Coverage", numeric=True),
                    Column("Status"),
                ),
                rows=tuple(_row(book, figure) for figure in figures),
                source=(
                    "No target set for any KPI, so none is marked as met or missed. "
                    "Section 6 defines each KPI and gives its two sums."
                ),
            ),
            Heading("What is missing"),
            Bullets(tuple((one.what, one.why) for one in missing(book, figures))),
        ),
    )


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


def missing(book: Book, figures: list[Figure]) -> tuple[Missing, ...]:
    """Everything a reader could take for granted and that is not there."""
    return shared((quoted(figure) for figure in figures), (*book.source.notes, NOT_COVERED))


def _row(book: Book, figure: Figure) -> Row:
    number, unit = value_and_unit(figure)
    coverage = percent(figure.coverage)
    one = quoted(figure)
    return Row(
        (
            Cell(figure.id),
            Cell(book.name(figure.id), note=sentence(reason(figure))),
            Cell(number, strong=number != UNKNOWN, number=number_of(one)),
            unit_cell(one, unit),
            Cell(grouped(figure.n), number=number_of(one, "n")),
            Cell(coverage, strong=thin(figure.coverage), number=number_of(one, "coverage")),
            Cell(figure.status.value, strong=figure.status is not Status.OK),
        )
    )
