"""The next three months, and the risks that the figures show."""

from __future__ import annotations

from wattline_reports.cells import column_cells
from wattline_reports.charts import Bar, account_bars
from wattline_reports.document import (
    Block,
    Bullets,
    Cell,
    Chart,
    Column,
    Heading,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.quoted import percent, written
from wattline_reports.review.board import concerns
from wattline_reports.review.figures import Book
from wattline_reports.review.outlook import Outlook
from wattline_reports.words import sentence

_MOST = 10


def section(book: Book) -> Section:
    """The chapter on what comes."""
    found = concerns(book)
    blocks: list[Block] = []
    if book.beside.outlook is not None:
        blocks += _months(book.beside.outlook)
    blocks.append(Heading("Risks that the figures show"))
    if found:
        blocks.append(Bullets(tuple((one.what, one.text) for one in found[:_MOST])))
    else:
        blocks.append(Paragraph("No rule of this review finds one.", "note"))
    return Section(
        id="forecast",
        title="Forecast and risks",
        question="What can be offered in the next three months, and what may come in the way?",
        answer=_answer(book, len(found)),
        blocks=tuple(blocks),
    )


def _answer(book: Book, count: int) -> str:
    risks = f"the figures show {count} risk{'' if count == 1 else 's'}"
    outlook = book.beside.outlook
    if outlook is None:
        return sentence(f"the next months are not known; {risks}")
    pairs = [(one.offered.value, one.granted.value) for one in outlook.months]
    offered = sum(one or 0.0 for one, _ in pairs)
    granted = [one for _, one in pairs if one is not None]
    if not offered:
        return sentence(f"what can be offered is not known; {risks}")
    if not granted:
        return sentence(f"what is granted is not known; {risks}")
    share = percent(sum(granted) / offered)
    return sentence(
        f"of the GPU-hours that can be offered in the next three months, {share} are granted "
        f"already; {risks}"
    )


def _months(outlook: Outlook) -> list[Block]:
    months = outlook.months
    bars = [Bar(one.name, "busy", (one.granted.value, one.offered.value)) for one in months]
    known = any(value is not None for bar in bars for value in bar.values)
    how = (
        "A reckoning if nothing changes: devices at the period\u2019s end less planned outages; "
        "running grants, each spread evenly over its time."
    )
    if known:
        title = "What is granted, beside what can be offered."
        return [
            Chart(
                label="",
                title=title,
                picture=account_bars("outlook", bars, ("granted", "can be offered"), "GPU-hours"),
                alt=sentence("Bars of GPU-hours granted and to be offered: " + "; ".join(
                    f"{one.name} {written(one.granted)} of {written(one.offered)}" for one in months
                )),
                source=how,
                figures=tuple(one.id for one in outlook.figures),
            )
        ]  # fmt: skip
    offered = column_cells([one.offered for one in months])
    granted = column_cells([one.granted for one in months])
    table = Table(
        label="",
        title="GPU-hours of the next three months.",
        columns=(
            Column("Month", width=1),
            Column("Can be offered", "GPU-h", numeric=True),
            Column("Granted already", "GPU-h", numeric=True),
        ),
        rows=tuple(
            Row((Cell(one.name), offered[place], granted[place]))
            for place, one in enumerate(months)
        ),
        source=how,
    )
    return [table]
