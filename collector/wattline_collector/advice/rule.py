"""A rule of advice as data: what it needs, when it holds, what it says."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Severity(StrEnum):
    """How much there is to gain, the greatest first; the order findings are shown in."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }
)
"""How two numbers are compared; `in` and `not in` compare a word with a list of words."""

WORD_FACTS = ("state", "kind", "exit")
"""What a rule can ask of a job that is a word and no figure."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must hold.

    Attributes:
        figure: A figure's id, or one of `WORD_FACTS`.
        comparison: One of `COMPARISONS`, `in` or `not in`.
        value: A number, another figure's id, or a list of words.
    """

    figure: str
    comparison: str
    value: float | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        id: Its name.
        needs: Figures that must be known, and covered, before anything is said.
        when: What must hold, all of it.
        minimum_run_seconds: A job that ran shorter is left alone.
        minimum_coverage: Under it in any figure of `needs`, it is said what is missing instead.
        suppresses: Rules whose finding has this one as its cause.
        severity: How much there is to gain.
        title: The finding, in one line; `{id}` stands for a figure.
        text: What it means.
        action: What to do about it.
        link: Where more is said.
    """

    id: str
    needs: tuple[str, ...]
    when: tuple[Condition, ...]
    minimum_run_seconds: float
    minimum_coverage: float
    suppresses: tuple[str, ...]
    severity: Severity
    title: str
    text: str
    action: str
    link: str = ""
