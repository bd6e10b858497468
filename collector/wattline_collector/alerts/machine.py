"""Pending, firing, resolved: what becomes of alerts from one turn to the next. Pure.

    inactive ──holds──► pending ──holds for `for`──► firing ──holds no more for `keep`──► resolved

An alert that is firing holds for as long as it is not cleared (`clears`), which leaves a gap
between what begins and what ends it. One that is not known any more counts as one that holds no
more, and it is said which of the two it was: silence is no recovery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

Labels = tuple[tuple[str, str], ...]

MOST_OF_A_RULE = 5_000
"""Alerts of one rule at once; beyond it a person needs to hear that something is wrong with all."""


class State(StrEnum):
    """What an alert is."""

    PENDING = "pending"
    FIRING = "firing"


class Why(StrEnum):
    """Why an alert ended."""

    CLEARED = "cleared"  # the figure is known, and it is over
    UNKNOWN = "unknown"  # the figure is not known any more
    REMOVED = "removed"  # there is no such rule any more


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule and one subject for which it holds.

    Attributes:
        rule: The rule's id.
        labels: The subject: `system` and the labels of the rule's values.
        state: Pending or firing.
        since_ms: Since when it holds.
        fired_ms: When it fired; None while it is pending.
        value: The figure as it was known last.
        absent_ms: Since when it holds no more; None while it holds.
    """

    rule: str
    labels: Labels
    state: State
    since_ms: int
    fired_ms: int | None
    value: float
    absent_ms: int | None = None

    @property
    def key(self) -> tuple[str, Labels]:
        """What tells it from all others at one time."""
        return self.rule, self.labels


@dataclass(frozen=True, slots=True)
class Judged:
    """What one turn found of one subject.

    Attributes:
        labels: The subject.
        value: The figure.
        fires: Whether the rule holds.
        stays: Whether an alert that is firing goes on to.
    """

    labels: Labels
    value: float
    fires: bool
    stays: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """An alert that fired and is over."""

    alert: Alert
    ended_ms: int
    why: Why


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn made of a rule's alerts.

    Attributes:
        alerts: Those that are pending or firing now.
        fired: Those of them that fired in this turn.
        ended: Those that ended in it.
        dropped: Subjects beyond the limit.
    """

    alerts: tuple[Alert, ...]
    fired: tuple[Alert, ...] = ()
    ended: tuple[Ended, ...] = ()
    dropped: int = 0


def turn(
    rule: str,
    alerts: Sequence[Alert],
    judged: Mapping[Labels, Judged],
    now_ms: int,
    *,
    for_seconds: int,
    keep_seconds: int,
    hold_unknown: bool = False,
) -> Turn:
    """One turn of one rule.

    Args:
        rule: Its id.
        alerts: Its alerts after the turn before.
        judged: What is known now, at least of every subject that fires or has an alert.
        now_ms: The time.
        for_seconds: How long it must hold before it fires.
        keep_seconds: How long a firing one outlives what it says.
        hold_unknown: Leave alerts as they are whose figure is not known: it cannot be known yet.
    """
    before = {alert.labels: alert for alert in alerts}
    kept: list[Alert] = []
    fired: list[Alert] = []
    ended: list[Ended] = []
    dropped = 0
    for labels, one, alert in _pairs(before, judged):
        is_firing = alert is not None and alert.state is State.FIRING
        if one is not None and (one.fires or (is_firing and one.stays)):
            if alert is None and len(kept) >= MOST_OF_A_RULE:
                dropped += 1
                continue
            since_ms = now_ms if alert is None else alert.since_ms
            new = Alert(
                rule, labels, State.PENDING, since_ms, alert.fired_ms if alert else None, one.value
            )
            if is_firing or now_ms - since_ms >= for_seconds * 1000:
                new = replace(new, state=State.FIRING, fired_ms=new.fired_ms or now_ms)
                if not is_firing:
                    fired.append(new)
            kept.append(new)
        elif alert is not None and one is None and hold_unknown:
            kept.append(alert)
        elif alert is not None and is_firing:
            absent_ms = now_ms if alert.absent_ms is None else alert.absent_ms
            # As `keep_firing_for` of Prometheus: it outlives the first turn without it.
            if now_ms - absent_ms < keep_seconds * 1000:
                value = alert.value if one is None else one.value
                kept.append(replace(alert, absent_ms=absent_ms, value=value))
            else:
                why = Why.UNKNOWN if one is None else Why.CLEARED
                last = alert if one is None else replace(alert, value=one.value)
                ended.append(Ended(last, now_ms, why))
    return Turn(tuple(kept), tuple(fired), tuple(ended), dropped)


def after_pause(alerts: Sequence[Alert], paused_ms: int) -> tuple[Alert, ...]:
    """Alerts as they are taken up again after nobody looked: that time does not count.

    A firing alert goes on to fire since when it did; one that was pending has waited for as long
    as it had before.
    """
    return tuple(
        replace(alert, since_ms=alert.since_ms + paused_ms)
        if alert.state is State.PENDING
        else replace(
            alert,
            absent_ms=None if alert.absent_ms is None else alert.absent_ms + paused_ms,
        )
        for alert in alerts
    )


def _pairs(
    before: Mapping[Labels, Alert], judged: Mapping[Labels, Judged]
) -> Iterator[tuple[Labels, Judged | None, Alert | None]]:
    for labels, alert in before.items():
        yield labels, judged.get(labels), alert
    for labels, one in judged.items():
        if labels not in before:
            yield labels, one, None
