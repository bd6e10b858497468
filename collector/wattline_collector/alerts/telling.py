"""What is told of an alert, and which alerts are told together: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wattline_agents.doctor.page import printable
from wattline_collector.advice.template import filled, names
from wattline_collector.alerts.machine import Alert, Ended, State
from wattline_collector.alerts.rule import Rule, Severity

_RANK = {severity: place for place, severity in enumerate(Severity)}
_MOST_WORD = 120
"""Characters of a label that a message shows: names are whatever people typed."""
MOST_NAMED = 50
"""Alerts that one message names one by one; of more it says how many."""


@dataclass(frozen=True, slots=True)
class Told:
    """An alert in words.

    Attributes:
        alert: The alert.
        rule: Its rule.
        title: It in one line.
        ended_ms: When it ended; None while it is on.
        why: Why it ended.
    """

    alert: Alert
    rule: Rule
    title: str
    ended_ms: int | None = None
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As it leaves the program."""
        rule, alert = self.rule, self.alert
        return {
            "rule": rule.id,
            "severity": rule.severity.value,
            "about": rule.about.value,
            "labels": {name: safe(word) for name, word in alert.labels},
            "state": alert.state.value if self.ended_ms is None else "resolved",
            "title": self.title,
            "figure": rule.figure,
            "value": alert.value,
            "unit": rule.unit,
            "since_ms": alert.since_ms,
            "fired_ms": alert.fired_ms,
            "ended_ms": self.ended_ms,
            "why": self.why,
            "meaning": rule.meaning,
            "check": self.said(rule.check),
            "action": self.said(rule.action),
        }

    def said(self, text: str) -> str:
        """A text of the rule, filled in for this alert."""
        return _said(text, self.rule, self.alert)


@dataclass(frozen=True, slots=True)
class Message:
    """Alerts that are told together: of one rule, alike in what it groups by.

    Attributes:
        kind: `firing`, `resolved` or `repeated`.
        rule: The rule.
        group: What they are alike in.
        told: The alerts, `MOST_NAMED` at most.
        count: How many there are.
        at_ms: When.
    """

    kind: str
    rule: Rule
    group: tuple[tuple[str, str], ...]
    told: tuple[Told, ...]
    count: int
    at_ms: int

    @property
    def title(self) -> str:
        """All of it in one line."""
        first = self.told[0].title
        return first if self.count == 1 else f"{first} (and {self.count - 1} more)"

    def to_json(self) -> dict[str, Any]:
        """As a webhook gets it."""
        return {
            "version": 1,
            "kind": self.kind,
            "time_unix_ms": self.at_ms,
            "rule": self.rule.id,
            "severity": self.rule.severity.value,
            "title": self.title,
            "group": {name: safe(word) for name, word in self.group},
            "count": self.count,
            "alerts": [told.to_json() for told in self.told],
        }


def tell(alert: Alert, rule: Rule, ended: Ended | None = None) -> Told:
    """An alert in words."""
    title = _said(rule.title, rule, alert)
    if ended is None:
        return Told(alert, rule, title)
    return Told(alert, rule, title, ended.ended_ms, ended.why.value)


def messages(kind: str, told: Iterable[Told], at_ms: int) -> list[Message]:
    """Alerts by rule and group, the most urgent first."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Told]] = {}
    for one in told:
        by = ("system", *one.rule.group_by)
        group = tuple((name, word) for name, word in one.alert.labels if name in by)
        groups.setdefault((one.rule.id, group), []).append(one)
    made = [
        Message(kind, some[0].rule, group, tuple(some[:MOST_NAMED]), len(some), at_ms)
        for (_, group), some in groups.items()
    ]
    return sorted(made, key=lambda message: _RANK[message.rule.severity])


def muted(alerts: Sequence[Alert], rules: Mapping[str, Rule]) -> dict[tuple[str, Any], str]:
    """Alerts that are the consequence of another that fires for the same subject, and of which.

    The same subject: every label of the cause's subject that the consequence has too is equal, and
    it has at least one of them beside the system, or both are about nothing but the system.
    """
    # By what is muted, and by which labels the causes have: a rack that is too warm fires for
    # thousands of devices, each of which is looked up and not compared with all.
    causes: dict[str, dict[frozenset[str], list[tuple[int, str, dict[str, str]]]]] = {}
    for place, alert in enumerate(alerts):
        rule = rules.get(alert.rule)
        if rule is not None and alert.state is State.FIRING:
            labels = dict(alert.labels)
            for id in rule.mutes:
                alike = causes.setdefault(id, {}).setdefault(frozenset(labels), [])
                alike.append((place, alert.rule, labels))
    found: dict[tuple[str, Any], str] = {}
    indexes: dict[object, dict[tuple[str, ...], tuple[int, str]]] = {}
    for alert in alerts:
        ours, first = dict(alert.labels), (len(alerts), "")
        for theirs, alike in causes.get(alert.rule, {}).items():
            shared = ours.keys() & theirs
            if not (shared > {"system"} or ours.keys() == theirs):
                continue
            names = tuple(sorted(shared))
            index = indexes.get((alert.rule, theirs, names))
            if index is None:
                index = indexes[alert.rule, theirs, names] = {}
                for place, by, labels in alike:
                    index.setdefault(tuple(labels[name] for name in names), (place, by))
            first = min(first, index.get(tuple(ours[name] for name in names), first))
        if first[1]:
            found[alert.key] = first[1]
    return found


def by_urgency(told: Iterable[Told]) -> list[Told]:
    """The most urgent first, of these the newest."""
    return sorted(
        told, key=lambda one: (_RANK[one.rule.severity], -(one.alert.fired_ms or 0), one.title)
    )


def safe(word: str) -> str:
    """A label as a person sees it: names come from outside."""
    shown = printable(word)
    return shown if len(shown) <= _MOST_WORD else shown[: _MOST_WORD - 1] + "…"


def written(value: float, unit: str) -> str:
    """A value for people."""
    match unit:
        case "ratio":
            return f"{value * 100:.3g} %"
        case "s":
            return _duration(value)
        case "Cel":
            return f"{value:.3g} °C"
        case "By":
            return f"{value / 1e6:,.3g} MB"
        case "1":
            return f"{value:,.4g}"
        case _:
            return f"{value:,.4g} {unit}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole / 3600:.1f} h"


def _said(text: str, rule: Rule, alert: Alert) -> str:
    known = {"value": written(alert.value, rule.unit)}
    known |= {name: safe(word) or "-" for name, word in alert.labels}
    return filled(text, {name: known.get(name, "-") for name in names(text)})
