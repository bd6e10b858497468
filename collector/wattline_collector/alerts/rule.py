"""A rule for operators as data: what it watches, when it fires, what to do then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from wattline_collector.alerts.expression import (
    Binary,
    Condition,
    Either,
    Expression,
    Group,
    Labelled,
    Newest,
    Over,
    Where,
    keys,
    parts,
)
from wattline_collector.alerts.series import BOOKED


class Severity(StrEnum):
    """How soon a person should look, the most urgent first."""

    CRITICAL = "critical"  # something is lost or about to be: now
    WARNING = "warning"  # within the working day
    INFO = "info"  # when there is time


class About(StrEnum):
    """What a rule is about."""

    DEVICE = "device"
    NODE = "node"
    JOB = "job"
    SERVICE = "service"
    SYSTEM = "system"
    PROJECT = "project"
    COLLECTOR = "collector"


NEEDED_KEYS = {
    About.DEVICE: ("node", "device"),
    About.NODE: ("node",),
    About.JOB: ("job",),
    About.SERVICE: ("job",),
    About.SYSTEM: (),
    About.PROJECT: ("project",),
    About.COLLECTOR: (),
}
"""The labels that the values of a rule about something must have."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        id: Its name.
        severity: How soon a person should look.
        about: What it is about.
        figure: What its value is, in a few words.
        unit: The value's unit: W, Cel, s, By, 1 (a number), ratio (shown in per cent).
        value: What is watched: the figure that fires.
        fires: When it fires.
        clears: When a firing alert is over; None: when it fires no more.
        when: What must hold besides.
        for_seconds: How long it must hold before it fires.
        keep_seconds: How long it goes on firing when it holds no more, or is not known any more.
        minimum_coverage: The least share of its windows' minutes in which there must be samples.
        group_by: Alerts that are alike in these are told in one message.
        mutes: Rules whose alerts for the same subject are consequences, and are not told.
        title: The alert in one line; `{value}` and labels stand in braces.
        meaning: What it means.
        check: What to look at.
        action: What to do.
        source: The texts its expressions were read from, for people.
    """

    id: str
    severity: Severity
    about: About
    figure: str
    unit: str
    value: Expression
    fires: Condition
    clears: Condition | None
    when: tuple[Condition, ...]
    for_seconds: int
    keep_seconds: int
    minimum_coverage: float
    group_by: tuple[str, ...]
    mutes: tuple[str, ...]
    title: str
    meaning: str
    check: str
    action: str
    source: str

    @property
    def keys(self) -> tuple[str, ...]:
        """The labels of its alerts, beside `system`."""
        return keys(self.value) or ()

    @property
    def expressions(self) -> Iterator[Expression]:
        """All that must be known to judge it."""
        for condition in (self.fires, *self.when):
            yield from parts(condition)

    @property
    def is_booked(self) -> bool:
        """Whether it speaks of figures of the books and of nothing else."""
        return all(
            one.series.table in BOOKED for one in self.expressions if isinstance(one, Newest)
        )

    @property
    def covered(self) -> tuple[tuple[Over, ...], ...]:
        """The windows whose coverage counts: one of each group must be covered.

        They are the windows of the figure itself, of its own subjects.
        """
        if not self.minimum_coverage:
            return ()
        ours = set(self.keys)
        found = (
            tuple(one for one in group if set(one.of.series.keys) <= ours)
            for group in _windows(self.value)
        )
        return tuple(dict.fromkeys(group for group in found if group))


def _windows(expression: Expression) -> Iterator[tuple[Over, ...]]:
    """The windows an expression's values are made of; of `either` one is enough."""
    match expression:
        case Over():
            yield (expression,)
        case Either(first, second):
            yield tuple(
                one for side in (first, second) for group in _windows(side) for one in group
            )
        case Group(_, of) | Labelled(_, of) | Where(of):
            yield from _windows(of)
        case Binary(_, left, right):
            yield from _windows(left)
            yield from _windows(right)
