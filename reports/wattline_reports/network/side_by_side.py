"""The chapters in which factories stand side by side, and the page that sums them up."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_collector.palette import UNKNOWN
from wattline_reports.cells import bare, column_cells, coverage_cell, unit_cell
from wattline_reports.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Column,
    Heading,
    Missing,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.network.compared import FOR_OUTLIERS, Compared, factory_of, is_hidden
from wattline_reports.network.measures import Theme
from wattline_reports.network.pictures import Dot, Panel, dots
from wattline_reports.quoted import Quoted, apart, clean, percent, said, source_line, written
from wattline_reports.words import count_of, grouped, listed, sentence

GLANCE = "The network on one page"

WHISKER = (
    "Beside the dot of a factory its whisker says how far its figure rests on what was observed: "
    "to either side it is as long, as a share of the value, as the share that was not observed. "
    "It is no error bar."
)


def glance(
    compared: Sequence[Compared], factories: Sequence[str], missing: tuple[Missing, ...]
) -> Section:
    """The chapter a reader with one minute reads."""
    blocks: list[Block] = [
        Table(
            label="",
            title="All factories as one, and the spread between them.",
            columns=(
                Column("KPI"),
                Column("What", width=1),
                Column("All together", numeric=True),
                Column("Lower quartile", numeric=True),
                Column("Median", numeric=True),
                Column("Upper quartile", numeric=True),
                Column("Unit"),
                Column("Tell it", numeric=True),
            ),
            rows=tuple(_glance_row(one, len(factories)) for one in compared),
            source="“All together” is the sum of what is above the line over the sum of what is "
            "below it, never an average of ratios. Median and quartiles are of the factories, each "
            "counted once.",
        ),
        Heading("Who lies apart"),
        *_apart(compared),
    ]
    if missing:
        blocks += [
            Heading("What is missing"),
            Bullets(tuple((one.what, one.why) for one in missing)),
        ]
    return Section(
        id="answer",
        title=GLANCE,
        question="How do the factories do, size for size, and how far are they from one another?",
        answer=_answer(compared, factories),
        blocks=tuple(blocks),
    )


def _answer(compared: Sequence[Compared], factories: Sequence[str]) -> str:
    parts = []
    for key, words in (
        ("U01", "{} of the GPU-hours offered were assigned"),
        ("trained_per_gpu_hour", "an offered GPU-hour trained on {}"),
        ("S03", "the energy-weighted PUE was {}"),
    ):
        one = next(one for one in compared if one.measure.key == key)
        if one.network.value is not None:
            parts.append(words.format(_without_hour(said(one.network))))
    told = f"{count_of(len(factories), 'factory', 'factories')} side by side"
    if not parts:
        return sentence(f"{told}, and of none of these figures two sums are known to add")
    return f"{sentence(told)} {sentence(f'over all of them, {listed(parts)}')}"


def _without_hour(text: str) -> str:
    return text.replace("Mtok/GPU-h", "Mtok")


def _glance_row(one: Compared, of: int) -> Row:
    return Row(
        (
            Cell(one.measure.key if one.measure.is_kpi else UNKNOWN),
            Cell(one.measure.name, note=sentence(one.network.figure.note)),
            bare(one.network, strong=one.network.value is not None),
            *(bare(part) for part in (one.low, one.median, one.high)),
            unit_cell(one.network, _unit(one.measure.unit)),
            Cell(f"{one.known} of {of}"),
        )
    )


def _apart(compared: Sequence[Compared]) -> list[Block]:
    items = tuple(
        (factory_of(figure), _said_of(one, figure)) for one in compared for figure in one.outliers
    )
    enough = any(one.known >= FOR_OUTLIERS for one in compared)
    rule = (
        "Apart is what lies further from the quartiles than one and a half times their distance. "
        "What a bundle says of its own figure stands beside it; why it is so, the bundles do not "
        "say. A figure that rests on under 95 % of what it should is not named."
    )
    if items:
        return [Bullets(items), Paragraph(rule, "note")]
    if enough:
        return [Paragraph(f"No factory lies apart in any of these measures. {rule}", "note")]
    few = f"Nobody is said to lie apart where fewer than {FOR_OUTLIERS} factories tell a figure."
    return [Paragraph(few, "note")]


def _said_of(one: Compared, figure: Quoted) -> str:
    told = figure.figure
    rests = [
        told.level,
        f"n\u00a0{grouped(told.n)}",
        *([f"coverage {percent(told.coverage)}"] if told.coverage is not None else []),
        *([clean(told.method)] if told.method else []),
    ]
    between = f"{written(one.low)} to {written(one.high)}"
    return sentence(
        f"{one.measure.name}: {written(figure)}, where the middle half of the factories has "
        f"{between}. Its bundle says: {', '.join(rests)}"
    )


def chapter(theme: Theme, compared: Sequence[Compared], factories: Sequence[str]) -> Section:
    """The chapter of one theme: its dots, and the numbers of them."""
    blocks: list[Block] = []
    if any(one.known for one in compared):
        blocks.append(_chart(theme, compared, factories))
    blocks.append(_table(theme, compared, factories))
    return Section(
        id=theme.id,
        title=theme.title,
        question=theme.question,
        answer=" ".join(_sentence_of(one, len(factories)) for one in compared),
        blocks=tuple(blocks),
    )


def _sentence_of(one: Compared, of: int) -> str:
    name = one.measure.name
    if one.known == 0:
        return sentence(f"{name}: no bundle tells it")
    known = [figure for figure in one.factories if figure.value is not None]
    ordered = sorted(known, key=lambda figure: float(figure.value or 0.0))
    if len(known) == 1:
        return sentence(f"{name}: only {factory_of(known[0])} tells it, {said(known[0])}")
    if written(ordered[0]) == written(ordered[-1]):
        return sentence(f"{name}: {written(ordered[0])} by every bundle that tells it")
    ends = f"{apart(ordered[0])[0]} to {written(ordered[-1])}"
    middle = "" if one.median.value is None else f", in the middle {apart(one.median)[0]}"
    some = "" if len(known) == of else f" ({len(known)} of {of} factories)"
    return sentence(f"{name}: {ends}{middle}{some}")


def _chart(theme: Theme, compared: Sequence[Compared], factories: Sequence[str]) -> Chart:
    drawn = [one for one in compared if one.known]
    panels = [
        Panel(
            title=one.measure.short,
            unit=one.measure.unit,
            least=one.measure.least,
            dots=tuple(_dot(figure) for figure in one.factories),
            low=_number(one.low),
            median=_number(one.median),
            high=_number(one.high),
            network=_dot(one.network),
        )
        for one in drawn
    ]
    words = "; ".join(
        f"{one.measure.name}: "
        + ", ".join(f"{factory_of(figure)} {_spoken(figure)}" for figure in one.factories)
        for one in drawn
    )
    title = "; ".join(_finding(one) for one in drawn)
    return Chart(
        label="",
        title=sentence(title),
        picture=dots(f"dots-{theme.id}", list(factories), panels),
        alt=sentence(f"Dots by factory. {words}"),
        source=WHISKER,
        figures=tuple(figure.id for one in drawn for figure in one.figures),
    )


def _finding(one: Compared) -> str:
    known = [float(figure.value) for figure in one.factories if figure.value is not None]
    least, most = min(known), max(known)
    if len(known) == 1 or most == least:
        return f"{one.measure.short}: no difference to see"
    if least > 0 and most / least >= 1.05:
        factor = most / least
        return f"{one.measure.short} differs by a factor of {grouped(factor, 1 + (factor < 1.95))}"
    return f"{one.measure.short} differs little"


def _table(theme: Theme, compared: Sequence[Compared], factories: Sequence[str]) -> Table:
    columns = [Column("Factory", width=1)]
    names = [*factories, "All together", "Median"]
    if any(one.low.value is not None for one in compared):
        names += ["Lower quartile", "Upper quartile"]
    values: list[list[Cell]] = []
    for one in compared:
        columns += [
            Column(_capital(one.measure.short), unit=_unit(one.measure.unit), numeric=True),
            Column("Coverage", numeric=True),
        ]
        rows = [*one.factories, one.network, one.median, one.low, one.high]
        values.append(column_cells(rows[: len(names)]))
        values.append(
            [
                *(coverage_cell(figure) for figure in (*one.factories, one.network)),
                *(Cell("") for _ in names[len(factories) + 1 :]),
            ]
        )
    rows_of = [
        Row(
            (
                Cell(name),
                *(
                    _noted(column[place], compared, number, place)
                    for number, column in enumerate(values)
                ),
            ),
            total=name == "All together",
        )
        for place, name in enumerate(names)
    ]
    return Table(
        label="",
        title=f"{theme.title}, size for size.",
        columns=tuple(columns),
        rows=tuple(rows_of),
        source=source_line(
            [one.network for one in compared if one.measure.is_kpi],
            "“All together” is sums over sums, n the factories that tell both sums.",
        ),
    )


def _noted(shown: Cell, compared: Sequence[Compared], number: int, place: int) -> Cell:
    """A value that is hidden says so; one that is not known has its dash."""
    one = compared[number // 2]
    if number % 2 == 0 and place < len(one.factories) and is_hidden(one.factories[place]):
        return Cell(shown.text, note="hidden", number=shown.number, fill="mark")
    return shown


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _unit(unit: str) -> str:
    return "" if unit == "1" else unit


def _dot(one: Quoted) -> Dot:
    return Dot(_number(one), one.figure.coverage, is_hidden(one))


def _number(one: Quoted) -> float | None:
    return None if one.value is None else float(one.value)


def _spoken(one: Quoted) -> str:
    if one.value is not None:
        return said(one)
    return "hidden" if is_hidden(one) else "not known"
