"""What people are given of a register: a template to fill in, and a table for the documentation."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from wattline_collector.registers.declare import Column, Kind, Register

_WIDTH = 100


def template(register: Register) -> str:
    """A CSV with every column explained in comments, the header, and an example in a comment.

    The example is a comment so that nothing made up gets into anybody's register.
    """
    lines = [
        f"# {register.name}: {register.help}",
        f"# Fill in below the header, then: wattline import {register.name}-csv FILE --store DIR",
        "# Comma, semicolon or tab between cells; UTF-8; a point in numbers; lines with # are"
        " passed over.",
        "# Columns that are not required may be left empty, or out.",
        "#",
    ]
    for column in register.columns:
        lines += _wrapped(f"#   {column.name}: ", explained(column))
    lines += ["#", _line([column.name for column in register.columns])]
    lines += ["# An example; take the # off the next line to try it:"]
    lines.append("#" + _line([column.example for column in register.columns]))
    return "\n".join(lines) + "\n"


def explained(column: Column) -> str:
    """What may stand in a column, in a line."""
    parts = [column.help]
    if column.required:
        parts.append("Required.")
    if column.kind in (Kind.WORD, Kind.WORDS) and len(column.words) <= 40:
        parts.append(f"One of: {', '.join(column.words)}.")
    elif column.kind is Kind.FLAG:
        parts.append("yes or no.")
    elif column.kind is Kind.TIME:
        ends = ", which ends with that day" if column.closes else ""
        parts.append(f"A date{ends}, or a date and time.")
    elif column.unit:
        parts.append(f"In {column.unit}.")
    if column.personal:
        parts.append("May name a person.")
    return " ".join(parts)


def table(register: Register) -> str:
    """The same as a table in Markdown."""
    lines = ["| column | | example |", "|---|---|---|"]
    for column in register.columns:
        name = f"**`{column.name}`**" if column.required else f"`{column.name}`"
        example = f"`{column.example}`" if column.example else ""
        lines.append(f"| {name} | {explained(column)} | {example} |")
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _wrapped(head: str, text: str) -> Iterator[str]:
    line = head
    for word in text.split():
        if len(line) + len(word) > _WIDTH:
            yield line.rstrip()
            line = "#       "
        line += word + " "
    yield line.rstrip()
