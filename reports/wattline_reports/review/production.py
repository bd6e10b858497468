"""What the factory made: tokens per day by kind, and what its time was used for."""

from __future__ import annotations

from collections.abc import Callable

from wattline_collector.palette import format_si
from wattline_reports.charts import DayColumn, Series, stacked_days
from wattline_reports.document import Block, Chart, Paragraph, Section
from wattline_reports.quoted import source_line as quoted_source
from wattline_reports.quoted import written
from wattline_reports.review.days import calendar, part_days
from wattline_reports.review.evidence import figure_table
from wattline_reports.review.figures import Book, reason, source_line, value
from wattline_reports.review.pictures import Bullet, bullets
from wattline_reports.source import Day, Source
from wattline_reports.words import count_of, listed, long_day, sentence, tied

_KINDS: tuple[tuple[str, Callable[[Day], int | None]], ...] = (
    ("trained", lambda day: day.tokens_trained),
    ("prompt", lambda day: day.tokens_prompt),
    ("generated", lambda day: day.tokens_generated),
)


def section(book: Book) -> Section:
    """The chapter on tokens and the work that made them."""
    blocks: list[Block] = [_kinds(book) if book.beside.is_public else _chart(book)]
    work = [one for id in ("P09", "E01", "E03", "P07") for one in book.quote(id)]
    if work:
        blocks.append(
            figure_table(
                "What devices were used for, and how well jobs used them.", work,
                "MFU is over the dense peak of the devices in the time that jobs had them.",
            )
        )  # fmt: skip
    if not book.source.jobs:
        blocks.append(Paragraph("No job ran in the period.", "note"))
    return Section(
        id="production",
        title="AI production",
        question="What did the factory make, and what was its time used for?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def _kinds(book: Book) -> Chart:
    """Tokens of the whole period: a day alone may be one project's, so the public sees none."""
    told = [(name, one) for name, id in (("training", "P01"), ("inference", "P03"))
            for one in book.quote(id)]  # fmt: skip
    rows = [
        Bullet(name, one.value, written(one) if one.value is not None else
               ("not known" if one.kpi else "not shown"), (), f"tokens-{kind}")
        for (name, one), kind in zip(told, ("trained", "generated"), strict=True)
    ]  # fmt: skip
    words = "; ".join(f"{row.label} {row.text}" for row in rows)
    return Chart(
        label="",
        title=sentence(f"tokens made: {words}"),
        picture=bullets("tokens", rows, "tokens"),
        alt=sentence(f"Bars of tokens in training and in inference: {words}"),
        source=quoted_source([one for _, one in told],
                             "Counted by the jobs themselves. Days are not shown to the public."),
        figures=tuple(one.id for _, one in told),
    )  # fmt: skip


def _answer(book: Book) -> str:
    parts = []
    for id, words in (
        ("P01", "training took in {}"),
        ("P03", "inference served {}, prompts included"),
        ("P02", "the mean rate was {}"),
        ("S10", "jobs made {}"),
    ):
        figure = book.figure(id)
        if figure.value is not None:
            parts.append(words.format(value(figure)))
        else:
            parts.append(f"{figure.name}: not known ({reason(figure)})")
    return sentence("; ".join(parts))


def _chart(book: Book) -> Chart:
    days = calendar(book.source)
    columns = [
        DayColumn(day, _tokens(entry), entry.coverage if entry else None) for day, entry in days
    ]
    series = [
        Series(f"{kind} {tied(format_si(_total(book.source, get), 'tok'))}", f"tokens-{kind}")
        for kind, get in _KINDS
    ]
    unknown = sum(1 for column in columns if column.values is None)
    peak = max(
        (column for column in columns if column.values),
        key=lambda column: sum(column.values or ()),
        default=None,
    )
    if peak is None or not peak.values:
        finding = "Nothing is known of the tokens of any day"
    elif not sum(peak.values):
        finding = "No tokens were counted on any day observed"
    else:
        top = tied(format_si(float(sum(peak.values)), "tok"))
        if len(columns) == unknown + 1:
            finding = f"{top} were made on {long_day(peak.day)}"
        else:
            finding = f"Production was highest on {long_day(peak.day)}, with {top}"
        if unknown:
            finding += f"; nothing is known of {count_of(unknown, 'day')}"
    return Chart(
        label="",
        title=sentence(finding),
        picture=stacked_days("tokens", columns, series, "tok"),
        alt=sentence(
            f"Stacked bars, one per day from {long_day(days[0][0])} to {long_day(days[-1][0])}: "
            f"{listed([one.label for one in series])} in all. {finding}"
        ),
        source=source_line(
            [book.figure("P01"), book.figure("P03")],
            "Tokens counted by the jobs themselves, per UTC day" + part_days(book.source),
        ),
    )


def _total(source: Source, get: Callable[[Day], int | None]) -> int | None:
    counts = [count for day in source.days if (count := get(day)) is not None]
    return sum(counts) if counts else None


def _tokens(day: Day | None) -> tuple[float, ...] | None:
    """A day's tokens by kind; null where nothing was counted and nothing observed."""
    if day is None:
        return None
    counts = [get(day) for _, get in _KINDS]
    if all(count is None for count in counts):
        return None
    if not any(counts) and not day.observed:
        return None
    return tuple(float(count or 0) for count in counts)
