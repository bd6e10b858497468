"""The last step of every report: numbers on its tables, and the code that names its figures."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from wattline_reports.document import Block, Chart, Paragraph, Report, Section, Table
from wattline_reports.render import machine


def finished(report: Report) -> Report:
    """The report with numbered figures and tables, and its verification code.

    The code is the start of the SHA-256 of the JSON form, which holds every figure and no words
    about them; so whoever is handed a page can ask for the JSON and see that they belong together.
    """
    digest = hashlib.sha256(machine.render(report)).hexdigest()
    sections = numbered(report.sections)
    if sections:
        words = (
            "Verification code: the start of the SHA-256 of the figures as JSON, in full "
            f"{digest}. “wattline report {report.kind} --format json” writes a file that has "
            "exactly this digest."
        )
        last = sections[-1]
        sections = (
            *sections[:-1],
            replace(last, blocks=(*last.blocks, Paragraph(words, "note"))),
        )
    return replace(report, sections=sections, code=code(digest))


def code(digest: str) -> str:
    """The start of a digest in groups of four, short enough to read aloud."""
    return " ".join(digest[place : place + 4] for place in range(0, 20, 4))


def numbered(sections: tuple[Section, ...]) -> tuple[Section, ...]:
    """The same sections with figures and tables numbered through the document."""
    counts = {"Figure": 0, "Table": 0}

    def label(word: str) -> str:
        counts[word] += 1
        return f"{word}\u00a0{counts[word]}"

    def with_number(block: Block) -> Block:
        if isinstance(block, Chart):
            return replace(block, label=label("Figure"))
        if isinstance(block, Table):
            return replace(block, label=label("Table"))
        return block

    return tuple(
        replace(section, blocks=tuple(with_number(block) for block in section.blocks))
        for section in sections
    )
