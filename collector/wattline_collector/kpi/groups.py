"""The groups of the dictionary, as people are shown them; and the few KPIs shown at first sight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Group:
    """A group of KPIs.

    Attributes:
        letter: What their ids begin with; empty for those of overall equipment effectiveness.
        title: Its name.
        question: What it answers.
    """

    letter: str
    title: str
    question: str


_HEADLINE = Group(
    "", "Overall equipment effectiveness", "How much of what was installed made what was kept?"
)
GROUPS = (
    _HEADLINE,
    Group("P", "Production", "What was made, how fast, and how well?"),
    Group("E", "Efficiency", "How much of what the hardware can do was done?"),
    Group("U", "Utilisation", "Who used how much of what was offered?"),
    Group("A", "Availability and reliability", "Was it there, and did it hold?"),
    Group(
        "S", "Energy and sustainability", "What did it take, and what did that cost the climate?"
    ),
    Group("I", "Access and impact", "Who was served, how soon, and what came of it?"),
    Group("Q", "Quality of service", "How well were users, and those who ask for figures, served?"),
    Group("C", "Challenges", "What would the factory show in a benchmark or a challenge?"),
)
"""In the order in which they are shown."""

HEADLINE = (
    "OEE", "OEE_A", "OEE_P", "OEE_Q", "LOADING", "P01", "P02", "P03", "E04", "E06", "U01", "U02",
    "S10", "S12", "S14", "Q03",
)  # fmt: skip
"""Always in an overview, known or not: the page and the report are built around them."""

IF_KNOWN = ("E01", "E03", "U03", "A01", "A02", "A06", "S01", "S02", "S03")
"""In an overview where they have a value: not every site has what they need."""

MOST_PARTS = 2
"""Figures of one KPI in an overview; one that is more is for those who ask for it."""


def group_of(id: str) -> Group:
    """The group that a KPI is of."""
    if not id[1:3].isdecimal():
        return _HEADLINE
    return next((group for group in GROUPS if group.letter == id[:1]), _HEADLINE)


def grouped(ids: Iterable[str]) -> Iterator[tuple[Group, list[str]]]:
    """Ids under their groups, in the groups' order; within one, the order stays."""
    ordered = sorted(ids, key=lambda id: GROUPS.index(group_of(id)))
    for group, members in groupby(ordered, key=group_of):
        yield group, list(members)
