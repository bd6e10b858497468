"""The chapters of the operations report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from wattline_collector.palette import UNKNOWN
from wattline_collector.warning.finding import ALPHA, NEXT, Finding
from wattline_collector.warning.lemons import LEAST_INCIDENTS, LEAST_NODE_DAYS, LEAST_NODES
from wattline_reports.cells import cell
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
from wattline_reports.operations.book import AVAILABILITY, HEADLINE, Book
from wattline_reports.operations.strain import BANDS, NodeHours, band_name
from wattline_reports.quoted import Quoted, clean, percent, said, source_line, why
from wattline_reports.review.availability import causes, spoken_cause, strip_chart
from wattline_reports.review.evidence import figure_table
from wattline_reports.review.pictures import Bullet, bullets
from wattline_reports.review.quality import gaps, nodes_chart, worst
from wattline_reports.words import column, count_of, grouped, moment, sentence, shown

MOST = 20
"""Findings and incidents listed; the pages of the dashboard have them all."""
TITLE = "The month on one page"


def answer(book: Book, missing: tuple[Missing, ...]) -> Section:
    """The first chapter: the figures, and what to do next."""
    figures = [one for id in HEADLINE if (one := book.first(id)) is not None]
    blocks: list[Block] = [
        figure_table("What an operator reads first.", [*figures, book.strain.held,
                                                      book.strain.slowed]),
        Heading("What to do next"),
        Bullets(todo(book)),
    ]  # fmt: skip
    if missing:
        blocks += [Heading("What is missing"), Bullets(tuple((m.what, m.why) for m in missing))]
    return Section(
        id="answer",
        title=TITLE,
        question="Was the machine there, and what needs a hand?",
        answer=_answer(book),
        blocks=tuple(blocks),
    )


def _answer(book: Book) -> str:
    parts = []
    for id, words in (("A06", "nodes could be used for {} of their time"),
                      ("U01", "{} of what was offered was assigned")):  # fmt: skip
        one = book.first(id)
        if one is not None:
            parts.append(words.format(said(one)) if one.value is not None
                         else f"{id} is not known: {why(one)}")  # fmt: skip
    if book.warnings is not None:
        count = len(book.warnings.findings)
        parts.append(f"early warning names {count}" if count else "early warning names nobody")
    return sentence("; ".join(parts))


def todo(book: Book) -> tuple[tuple[str, str], ...]:
    """What needs a hand, the surest first; one line that nothing does if so."""
    items: list[tuple[str, str]] = []
    for id, aim in book.aims.items():
        one = book.first(id)
        if one is not None and one.value is not None and aim.kept(one.value) is False:
            items.append((f"{id}.", f"{said(one)}, under what was promised: see Availability."))
    if book.warnings is not None:
        for finding in book.warnings.findings[:5]:
            items.append((f"{_place(finding)}.", f"{finding.kind.value}: {NEXT[finding.kind]}"))
    thin = sum((node.ratio or 0.0) < 0.95 for node in book.source.coverage)
    if thin:
        items.append(
            ("Data.", f"{count_of(thin, 'node')} told too little: see Data quality.")
        )  # fmt: skip
    if not book.source.balanced:
        items.append(("Books.", "They do not balance: “wattline audit” names every difference."))
    return tuple(items) or (("", "Nothing: no promise is broken, and nobody is named."),)


def availability(book: Book) -> Section:
    """The strip of hours, the figures of outages, causes and single incidents."""
    blocks: list[Block] = []
    if book.hours.get("rows"):
        blocks.append(strip_chart(book.hours))
    figures = [one for id in AVAILABILITY for one in book.by_kpi.get(id, ())]
    blocks.append(figure_table("Availability, interruptions and repair.", figures))
    blocks += causes(book.incidents)
    if table := _incidents(book.incidents):
        blocks.append(table)
    return Section(
        id="availability",
        title="Availability and incidents",
        question="What was out of service, for how long, and why?",
        answer=_was_out(book),
        blocks=tuple(blocks),
    )


def _was_out(book: Book) -> str:
    found: Mapping[str, Any] = book.incidents
    down, planned = (float(found[f"{name}_gpu_hours"]) for name in ("down", "maintenance"))
    text = f"{grouped(down)}\u202fGPU-h were down and {grouped(planned)}\u202fGPU-h in maintenance"
    if found["note"]:
        return sentence(f"{text}; outages are not logged: {found['note']}")
    return sentence(f"{text}; {count_of(int(found['count']), 'outage')} are in the register")


def _incidents(found: Mapping[str, Any]) -> Table | None:
    rows: Sequence[Mapping[str, Any]] = found["rows"][:MOST]
    if not rows:
        return None
    hours = column([one["hours"] for one in rows], 1)
    taken = column([one["gpu_hours"] for one in rows], 1)
    more = int(found["count"]) - len(rows)
    return Table(
        label="",
        title=f"The newest outages{f'; {grouped(more)} more' if more > 0 else ''}.",
        columns=(
            Column("Began", "UTC"),
            Column("Of what", width=1),
            Column("Cause"),
            Column("Planned"),
            Column("Time", "h", numeric=True),
            Column("Taken", "GPU-h", numeric=True),
            Column("What happened", width=2),
        ),
        rows=tuple(
            Row(
                (
                    Cell(_at(one["start_unix_ms"])),
                    Cell(shown(f"{one['scope']} {one['name'] or one['system'] or ''}")),
                    Cell(spoken_cause(one["cause"])),
                    Cell("yes" if one["scheduled"] else "no"),
                    Cell(hours[place], note="not over" if one["end_unix_ms"] is None else ""),
                    Cell(taken[place]),
                    Cell(clean(one["text"] or "")),
                )
            )
            for place, one in enumerate(rows)
        ),
        source="Register of outages; time and GPU-hours as far as they lie in the period.",
    )


def lemons(book: Book) -> Section:
    """Nodes and devices that are not as others are, with the limits of saying so."""
    blocks: list[Block] = []
    found = book.warnings
    limits = (
        f"A node is named only if it had {LEAST_INCIDENTS} incidents on as many days, in a fleet "
        f"of at least {LEAST_NODES} nodes and {LEAST_NODE_DAYS:.0f} node-days. Of a hundred "
        f"reports on a healthy fleet, about {200 * ALPHA:.0f} name anybody at all. Being named is "
        "a reason to look, and no proof."
    )
    if found is None:
        blocks.append(Paragraph(f"Early warning could not look: {book.warnings_note}.", "note"))
        text = "Not known: early warning could not look at this period."
    else:
        if found.findings:
            blocks.append(_findings(found.findings))
            blocks.append(_next(found.findings))
        seen = ", ".join(f"{count} {kind}" for kind, count in found.events.items() if count)
        looked = (
            f"{count_of(found.nodes, 'node')} and "
            f"{count_of(found.device_hours, 'hour')} of devices at work were looked at"
        )
        if book.warnings_note:
            looked += f", {book.warnings_note}"
        blocks.append(Paragraph(sentence(f"{looked}. Events: {seen or 'none'}")))
        if found.nodes < LEAST_NODES:
            text = (
                f"Nobody can be named for counts: {count_of(found.nodes, 'node')} are too few to "
                "compare."
            )
        else:
            text = "No node and no device differs more than chance allows."
        if found.findings:
            where = {(one.system, one.node) for one in found.findings}
            text = sentence(
                f"{count_of(len(where), 'node')} differ from their like in a way that chance "
                "does not explain"
            )
    blocks.append(Paragraph(limits, "note"))
    return Section(
        id="lemons",
        title="Nodes to look at",
        question="Which nodes fail, and which devices drift, more than their like?",
        answer=text,
        blocks=tuple(blocks),
    )


def _findings(found: Sequence[Finding]) -> Table:
    more = len(found) - MOST
    return Table(
        label="",
        title=f"Whom early warning names, the surest first{f'; {more} more' if more > 0 else ''}.",
        columns=(
            Column("Node and device", width=1),
            Column("Kind"),
            Column("Since"),
            Column("Chance", numeric=True),
            Column("Evidence", width=2),
        ),
        rows=tuple(
            Row(
                (
                    Cell(_place(one), strong=True),
                    Cell(one.kind.value),
                    Cell(_at(one.since_ms)[:-7]),
                    Cell(f"{one.chance:.1g}"),
                    Cell(clean(one.evidence)),
                )
            )
            for one in found[:MOST]
        ),
        source="Early warning. Chance: how often chance alone makes one like it in a whole report.",
    )


def _next(found: Sequence[Finding]) -> Bullets:
    kinds = dict.fromkeys(one.kind for one in found)
    return Bullets(tuple((f"{kind.value}.", NEXT[kind]) for kind in kinds))


def held(book: Book) -> Section:
    """Devices that jobs held without work."""
    found = book.strain
    blocks: list[Block] = []
    if found.holding:
        blocks.append(_bars("held", found.holding, "held", "GPU-hours held"))
        blocks.append(_nodes("Nodes with most held time.", found.holding, "Held", "Assigned"))
    text = f"{said(found.held)} were held" if found.held.value is not None else (
        f"not known: {why(found.held)}"
    )  # fmt: skip
    waste = book.first("E06")
    if waste is not None and waste.value is not None:
        text += f"; with work that was thrown away, {said(waste)} were wasted (E06)"
    return Section(
        id="held",
        title="Held devices",
        question="Which devices did jobs hold without using them?",
        answer=sentence(text),
        blocks=tuple(blocks) or (Paragraph("No node held a device without work.", "note"),),
    )


def heat(book: Book) -> Section:
    """Throttling and temperatures."""
    found = book.strain
    blocks: list[Block] = []
    known = [one for one in found.bands if one.value is not None]
    if known:
        rows = [
            Bullet(band_name(low, high), one.value, f"{one.value} devices", (),
                   "slowed" if low is not None and low >= 85 else "busy")
            for (low, high), one in zip(BANDS, found.bands, strict=True)
        ]  # fmt: skip
        hot = sum(one.value or 0 for one in found.bands[-2:])
        blocks.append(
            Chart(
                label="",
                title=sentence(
                    f"{count_of(int(hot), 'device')} of {grouped(found.devices)} reached "
                    "85\u202f°C or more"
                ),
                picture=bullets("heat", rows, "devices by their largest temperature"),
                alt=sentence("Bars of devices by largest temperature: "
                             + "; ".join(f"{row.label} {row.text}" for row in rows)),
                source=source_line(known[:1]),
                figures=tuple(one.id for one in known),
            )
        )  # fmt: skip
        blocks.append(_bands(found.bands))
    else:
        blocks.append(Paragraph("No device tells its temperature.", "note"))
    if found.throttled:
        blocks.append(_nodes("Nodes that were slowed most.", found.throttled, "Slowed", "Working"))
    text = f"work was slowed for {said(found.slowed)}" if found.slowed.value is not None else (
        f"how long work was slowed is not known: {why(found.slowed)}"
    )  # fmt: skip
    if found.unmeasured:
        text += f"; {count_of(found.unmeasured, 'device')} tell no temperature"
    return Section(
        id="heat",
        title="Heat and throttling",
        question="Did heat or a power cap hold devices back?",
        answer=sentence(text),
        blocks=tuple(blocks),
    )


def _bands(bands: Sequence[Quoted]) -> Table:
    return Table(
        label="",
        title="Devices by their largest temperature.",
        columns=(Column("Band", width=1), Column("Devices", numeric=True)),
        rows=tuple(
            Row((Cell(band_name(low, high)), Cell(cell(one).text.split("\u202f")[0],
                                                  number=cell(one).number)))
            for (low, high), one in zip(BANDS, bands, strict=True)
        ),
        source="Ledger; the largest reading that was booked of each device.",
    )  # fmt: skip


def data(book: Book) -> Section:
    """Where data are missing, by day and by node."""
    blocks: list[Block] = []
    if book.source.coverage:
        blocks.append(nodes_chart(book.source, named=True))
        if table := worst(book.source):
            blocks.append(table)
    blocks += [Heading("Gaps"), Bullets(gaps(book.source))]
    one = book.first("Q03")
    text = f"{said(one)} of the expected samples arrived (Q03)" if one and one.value is not None \
        else "how many samples arrived is not known (Q03)"  # fmt: skip
    books = "the books balance" if book.source.balanced else "the books do NOT balance"
    return Section(
        id="quality",
        title="Data quality",
        question="Where are data missing, and whom to ask?",
        answer=sentence(f"{text}; {books}"),
        blocks=tuple(blocks),
    )


def _bars(name: str, nodes: Sequence[NodeHours], word: str, unit: str) -> Chart:
    rows = [
        Bullet(_node(one), one.hours, f"{grouped(one.hours, 1)} · {percent(one.hours / one.of)}",
               (), word)
        for one in nodes
    ]  # fmt: skip
    first = nodes[0]
    return Chart(
        label="",
        title=sentence(
            f"{_node(first)} held most, {grouped(first.hours, 1)}\u202fGPU-h or "
            f"{percent(first.hours / first.of)} of its assigned time"
        ),
        picture=bullets(name, rows, f"{unit} · share of assigned time"),
        alt=sentence(f"Bars of {unit} by node: "
                     + "; ".join(f"{row.label} {row.text}" for row in rows)),
        source="Ledger, account held: under 5 % active for over ten minutes.",
    )  # fmt: skip


def _nodes(title: str, nodes: Sequence[NodeHours], part: str, whole: str) -> Table:
    hours = column([one.hours for one in nodes], 1)
    of = column([one.of for one in nodes], 1)
    return Table(
        label="",
        title=title,
        columns=(
            Column("Node", width=1),
            Column(part, "GPU-h", numeric=True),
            Column(whole, "GPU-h", numeric=True),
            Column("Share", numeric=True),
            Column("Warmest", "°C", numeric=True),
        ),
        rows=tuple(
            Row(
                (
                    Cell(_node(one)),
                    Cell(hours[place]),
                    Cell(of[place]),
                    Cell(percent(one.hours / one.of)),
                    Cell(UNKNOWN if one.warmest is None else grouped(one.warmest)),
                )
            )
            for place, one in enumerate(nodes)
        ),
        source="Ledger, by node.",
    )


def _place(one: Finding) -> str:
    name = shown(one.node)
    return f"{name} {shown(one.device)}" if one.device else name


def _node(one: NodeHours) -> str:
    return shown(one.node)


def _at(ms: int) -> str:
    return moment(datetime.fromtimestamp(ms / 1000, UTC))
