"""One place where the books do not balance, or are not what was booked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_NAMED = 8
"""Devices named of an hour that is missing whole."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit names.

    Attributes:
        hour: One hour, or the first and the last: `2026-11-01T05Z (sim)`; the system alone where
            it is about no hour.
        subject: The devices, nodes or jobs.
        problem: What is wrong, and by how much.
    """

    hour: str
    subject: str
    problem: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.hour}  {self.subject}: {self.problem}"


def named(kind: str, keys: Sequence[str]) -> str:
    """Some devices, nodes or jobs as a finding's subject: the first of them, and how many more."""
    shown = ", ".join(sorted(keys)[:MOST_NAMED])
    more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
    return f"{kind}{'s' if len(keys) != 1 else ''} {shown}{more}"
