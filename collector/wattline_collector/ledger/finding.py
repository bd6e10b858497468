"""One place where the books do not balance, or are not what was booked."""

from __future__ import annotations

from dataclasses import dataclass


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
