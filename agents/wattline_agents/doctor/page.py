"""Findings as text for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from wattline_agents.doctor.finding import Finding, Mark, Section, problems

_COLOURS = {Mark.OK: "32", Mark.OFF: "33", Mark.PROBLEM: "1;31"}
_WIDTH = max(len(mark) for mark in Mark)


class Stream(Protocol):
    """Where text goes."""

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        ...


def wants_colour(stream: Stream, environment: Mapping[str, str]) -> bool:
    """Whether marks are coloured: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def summary(sections: Sequence[Section]) -> str:
    """The answer in one sentence."""
    found = problems(sections)
    if not found:
        return "What the configuration asks for works on this node."
    count = "One thing" if len(found) == 1 else f"{len(found)} things"
    verb = "does" if len(found) == 1 else "do"
    return f"{count} that the configuration asks for {verb} not work on this node."


def text(sections: Sequence[Section], *, colour: bool = False) -> str:
    """The answer first, then every section; what changes a thing stands under it."""
    lines = [summary(sections)]
    for section in sections:
        lines += ["", _strong(section.title, colour)]
        for finding in section.findings:
            lines += _finding(finding, colour)
    return "\n".join(lines)


def as_json(sections: Sequence[Section]) -> str:
    """The same for programs."""
    document = {
        "works": not problems(sections),
        "sections": [
            {
                "title": section.title,
                "findings": [
                    {
                        "mark": finding.mark,
                        "what": finding.what,
                        "cure": finding.cure,
                        "details": finding.details,
                        "data": finding.data,
                    }
                    for finding in section.findings
                ],
            }
            for section in sections
        ],
    }
    return json.dumps(document, indent=1)


def _finding(finding: Finding, colour: bool) -> list[str]:
    indent = " " * (_WIDTH + 4)
    mark = f"{finding.mark:<{_WIDTH}}"
    if colour:
        mark = f"\x1b[{_COLOURS[finding.mark]}m{mark}\x1b[0m"
    lines = [f"  {mark}  {printable(finding.what)}"]
    lines += [indent + printable(detail) for detail in finding.details]
    if finding.cure is not None:
        lines.append(f"{indent}-> {printable(finding.cure)}")
    return lines


def printable(text: str) -> str:
    """Text of files and servers without what a terminal would obey."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _strong(text: str, colour: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if colour else text
