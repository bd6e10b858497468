"""One thing found out about a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """How things stand."""

    OK = "ok"
    """It works, or is as it should be."""
    OFF = "off"
    """It is not there or not readable, and nothing asks for it."""
    PROBLEM = "problem"
    """What the configuration asks for does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out.

    Attributes:
        mark: How it stands.
        what: One line for people: what was looked at, and what was found.
        cure: The command or step that would change it, if there is one.
        details: Further lines.
        data: The same for programs, in `wattline doctor --json`.
    """

    mark: Mark
    what: str
    cure: str | None = None
    details: tuple[str, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """Findings on one subject."""

    title: str
    findings: Sequence[Finding]


def ok(what: str, **data: object) -> Finding:
    """It works."""
    return Finding(Mark.OK, what, data=data)


def missing(what: str, cure: str | None = None, *, asked: bool, **data: object) -> Finding:
    """It does not work: a problem if the configuration asks for it, else merely off."""
    return Finding(Mark.PROBLEM if asked else Mark.OFF, what, cure, data=data)


def problems(sections: Iterable[Section]) -> list[Finding]:
    """What the configuration asks for and does not get."""
    found = (finding for section in sections for finding in section.findings)
    return [finding for finding in found if finding.mark is Mark.PROBLEM]
