"""Was the machine there: a strip of its hours, the agreed figures, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wattline_collector.pages.strip import LETTERS, OUT_FROM
from wattline_collector.palette import UNKNOWN
from wattline_reports.cells import bare
from wattline_reports.document import Block, Cell, Chart, Column, Paragraph, Row, Section, Table
from wattline_reports.quoted import Quoted, percent, source_line, why
from wattline_reports.review.evidence import figure_table, name_of, told
from wattline_reports.review.figures import Book
from wattline_reports.review.pictures import Bullet, bullets, hours_strip
from wattline_reports.words import column, count_of, grouped, sentence

AGREED = ("A01", "A02", "A06", "A08")
"""KPIs that agreements are on."""


def section(book: Book) -> Section:
    """The chapter on availability."""
    beside = book.beside
    blocks: list[Block] = []
    if beside.hours.get("rows"):
        blocks.append(strip_chart(beside.hours))
    if any(book.quote(id) for id in AGREED):
        blocks.append(_against(book))
    blocks += causes(beside.incidents)
    rest = [one for id in ("A03", "A04", "A05", "A07") for one in book.quote(id)]
    if rest:
        blocks.append(figure_table("Interruptions, repair and what became of jobs.", rest))
    return Section(
        id="availability",
        title="Availability",
        question="Was the machine there for its users, and what kept it from them?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def _answer(book: Book) -> str:
    text = told(
        (next(iter(book.quote(id)), None), words)
        for id, words in (
            ("A01", "beside planned outages the systems were there for {}"),
            ("A02", "with them for {}"),
            ("A06", "nodes could be used for {} of their time"),
        )
    )
    count = beside_count(book.beside.incidents)
    more = "" if count is None else sentence(f"{count_of(count, 'outage')} logged")
    return f"{text} {more}".strip() or "Nothing is known of outages or of nodes out of use."


def beside_count(incidents: Mapping[str, Any]) -> int | None:
    """How many outages were logged; None where nobody logs any."""
    if not incidents or incidents.get("note"):
        return None
    return int(incidents["count"])


def strip_chart(hours: Mapping[str, Any]) -> Chart:
    """The strip of hours of everything together.

    Args:
        hours: As `pages.strip` gives it for the whole.
    """
    (row,) = hours["rows"]
    out, whole = float(row["out_hours"]), float(row["device_hours"])
    share = percent(out / whole) if whole else UNKNOWN
    span = int(hours["hours"])
    title = f"{share} of the device-time was out of service: down, in maintenance or unobserved"
    return Chart(
        label="",
        title=sentence(title),
        picture=hours_strip("hours", str(row["cells"]), LETTERS, int(hours["start_unix_ms"]), span),
        alt=sentence(
            f"Strip of the period, {count_of(len(row['cells']), 'cell')} of "
            f"{count_of(span, 'hour')}, each in the colour of its account. {title}"
        ),
        source=(
            "Ledger. A cell has the account that took most of its device-time; from "
            f"{percent(OUT_FROM)} out of service on, that one."
        ),
    )


def _against(book: Book) -> Table:
    """Threshold, target and value of what agreements are on."""
    rows = []
    figures: list[Quoted] = []
    for id in AGREED:
        for one in book.quote(id):
            aim = book.beside.aims.get(id)
            figures.append(one)
            kept = None if aim is None else aim.kept(one.value)
            met = None if aim is None else aim.met(one.value)
            verdict = (
                "broken" if kept is False else "not reached" if met is False
                else "kept" if kept or met else UNKNOWN
            )  # fmt: skip
            rows.append(
                Row(
                    (
                        Cell(one.kpi or UNKNOWN),
                        Cell(name_of(one), note=sentence(why(one)) if one.value is None else ""),
                        Cell(_level(None if aim is None else aim.threshold)),
                        Cell(_level(None if aim is None else aim.value)),
                        bare(one, digits=4, strong=True),
                        Cell(one.figure.unit),
                        Cell(verdict, strong=verdict in ("broken", "not reached")),
                    )
                )
            )  # fmt: skip
    return Table(
        label="",
        title="What was agreed, and what it came to.",
        columns=(
            Column("KPI"),
            Column("What", width=1),
            Column("Threshold", numeric=True),
            Column("Target", numeric=True),
            Column("Value", numeric=True),
            Column("Unit"),
            Column("Agreement"),
        ),
        rows=tuple(rows),
        source=source_line(
            figures, "Thresholds and targets: the profile\u2019s `sla` and `targets`."
        ),
    )


def _level(level: float | None) -> str:
    return UNKNOWN if level is None else grouped(level, 2)


def causes(incidents: Mapping[str, Any]) -> list[Block]:
    """Outages by cause: a table, and from three causes on a picture of the hours."""
    if not incidents:
        return []
    if incidents["note"]:
        return [Paragraph(sentence(str(incidents["note"])), "note")]
    found: Sequence[Mapping[str, Any]] = incidents["causes"]
    if not found:
        return [Paragraph("No outage of the register lies in this period.", "note")]
    hours = column([one["hours"] for one in found], 1)
    lost = column([one["gpu_hours"] for one in found], 1)
    table = Table(
        label="",
        title="Outages by cause.",
        columns=(
            Column("Cause", width=1),
            Column("Planned"),
            Column("Outages", numeric=True),
            Column("Time", "h", numeric=True),
            Column("Taken", "GPU-h", numeric=True),
        ),
        rows=tuple(
            Row(
                (
                    Cell(spoken_cause(one["cause"])),
                    Cell("yes" if one["scheduled"] else "no"),
                    Cell(grouped(one["count"])),
                    Cell(hours[place]),
                    Cell(lost[place]),
                )
            )
            for place, one in enumerate(found)
        ),
        source=(
            "Register of outages. Of the ledger: "
            f"{grouped(float(incidents['down_gpu_hours']))}\u202fGPU-h down and "
            f"{grouped(float(incidents['maintenance_gpu_hours']))}\u202fGPU-h in maintenance."
        ),
    )
    return [*_worst_cause(found), table]


def _worst_cause(found: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Bars of hours by cause; of one or two the table says as much."""
    if len(found) <= 2:
        return []
    rows = [
        Bullet(
            f"{spoken_cause(one['cause'])}, {'planned' if one['scheduled'] else 'unplanned'}",
            one["gpu_hours"],
            UNKNOWN if one["gpu_hours"] is None else f"{grouped(one['gpu_hours'])}\u202fGPU-h",
            (),
            "maintenance" if one["scheduled"] else "down",
        )
        for one in found
    ]
    worst = max(found, key=lambda one: one["gpu_hours"] or 0.0)
    title = (
        f"{spoken_cause(worst['cause'])} took most, "
        + ("an unknown amount" if worst["gpu_hours"] is None
           else f"{grouped(worst['gpu_hours'])}\u202fGPU-h")
    )  # fmt: skip
    return [
        Chart(
            label="",
            title=sentence(title),
            picture=bullets("causes", rows, "GPU-hours out of service"),
            alt=sentence("Bars of GPU-hours out of service by cause: "
                         + "; ".join(f"{row.label} {row.text}" for row in rows)),
            source="Register of outages; of two that overlap in one cause, time counts once.",
        )
    ]  # fmt: skip


def spoken_cause(cause: str) -> str:
    """A cause of the register as people say it."""
    return "cause not known" if cause == "unknown" else cause.replace("_", " ")
