"""The audit statement: the chain, the balance, what was restated, and what was told before."""

from __future__ import annotations

from datetime import datetime

from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.restatements import moment as iso_moment
from wattline_collector.palette import ACCOUNTS
from wattline_reports.cells import column_cells
from wattline_reports.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Paragraph,
    Row,
    Section,
    Table,
)
from wattline_reports.hosting_audit.book import MODE, Book, named
from wattline_reports.quoted import said
from wattline_reports.words import count_of, moment, sentence, shown

MOST = 20
"""Findings listed; the audit lists all."""


def section(book: Book) -> Section:
    """The chapter an auditor reads."""
    audited = book.audited
    blocks: list[Block] = [Heading("The audit trail"), *_trail(book)]
    if audited.findings:
        more = len(audited.findings) - MOST
        lines = [("", line) for line in audited.findings[:MOST]]
        if more > 0:
            lines.append(("", f"{more} more; “wattline audit” lists them."))
        blocks += [Heading("Findings"), Bullets(tuple(lines))]
    blocks += [Heading("Restatements"), *_restatements(book)]
    if book.now:
        blocks += [Heading("As told then, and as it stands now"), _then_and_now(book)]
    blocks.append(
        Paragraph(
            f"{audited.checked()} To check: “wattline audit” proves all the books again, “wattline "
            "audit --head” prints the digests above, and “wattline report hosting-audit --as-of” "
            "makes this report again as it was told at any moment since the trail began.",
            "note",
        )
    )
    return Section(
        id="audit",
        title="Audit statement",
        question="Can each hour of this report be proved, and was any changed since?",
        answer=audited.statement().text,
        blocks=tuple(blocks),
    )


def _trail(book: Book) -> list[Block]:
    heads = book.audited.heads
    if not heads:
        return [
            Paragraph("There is none: it begins when something is booked, by the collector or "
                      "“wattline import”.")
        ]  # fmt: skip
    blocks: list[Block] = [
        Table(
            label="",
            title="The newest record of each chain stands for every record before it.",
            columns=(
                Column("System"),
                Column("Record", numeric=True),
                Column("Written"),
                Column("SHA-256", width=1),
            ),
            rows=tuple(
                Row((Cell(shown(head.system)), Cell(str(head.number)), Cell(iso_moment(head.at_ms)),
                     Cell(head.digest)))
                for head in heads
            ),
            source="Audit trail of the ledger.",
        )
    ]  # fmt: skip
    if book.audited.notes:
        blocks.append(Bullets(tuple(("", sentence(note)) for note in book.audited.notes)))
    return blocks


def _restatements(book: Book) -> list[Block]:
    restated = book.audited.restated
    if not restated.count:
        return [Paragraph("No hour of the period was booked again with another result.")]
    reasons = [(f"{reason}:", count_of(count, "restatement"))
               for reason, count in restated.by_reason.items()]  # fmt: skip
    newest = moment(datetime.fromisoformat(restated.newest))
    text = f"{count_of(restated.count, 'restatement')}; the newest of {newest}\u00a0UTC"
    if book.audited.as_of is not None:
        text += f"; {restated.after} after the moment this report is as of"
    hours = column_cells([one for _, one, _ in book.restated])
    energy = column_cells([one for _, _, one in book.restated])
    return [
        Paragraph(sentence(text)),
        Bullets(tuple(reasons)),
        Table(
            label="",
            title="What the restatements came to, added up over all of them.",
            columns=(
                Column("Account", width=1),
                Column("Device-time", "GPU-h", numeric=True),
                Column("Energy", "kWh", numeric=True),
            ),
            rows=tuple(
                Row((Cell(_account(name)), hours[place], energy[place]))
                for place, (name, _, _) in enumerate(book.restated)
            ),
            source="Audit trail of the ledger; “wattline audit --restatements” lists each.",
        ),
    ]


def _account(name: str) -> str:
    return ACCOUNTS[Account(name)].label if name in tuple(Account) else shown(name)


def _then_and_now(book: Book) -> Table:
    before = {one.figure.dims.get(MODE): one for one in book.modes}
    after = {one.figure.dims.get(MODE): one for one in book.now}
    modes = sorted({mode or "unknown" for mode in (*before, *after)})
    cells_then = column_cells([one for one in book.modes], "numerator")
    cells_now = column_cells([one for one in book.now], "numerator")
    then = dict(zip(before, cells_then, strict=True))
    now = dict(zip(after, cells_now, strict=True))
    was, stands = book.figures["access.used"], book.figures["access.used/now"]
    return Table(
        label="",
        title=sentence(f"{said(was)} were told as used, and {said(stands)} stand in the books now"),
        columns=(
            Column("Access mode", width=1),
            Column("As told then", "GPU-h", numeric=True),
            Column("As it stands now", "GPU-h", numeric=True),
        ),
        rows=tuple(
            Row((Cell(named(mode)), then.get(mode, Cell("")), now.get(mode, Cell(""))))
            for mode in modes
        ),
        source="KPI I01, as of the moment on the cover, and as the books and registers stand now.",
    )
