"""Alerts that are on and alerts that were, with what to do and the figure that fired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wattline_agents.errors import UsageError
from wattline_collector.access import Sight, Viewer
from wattline_collector.alerts import kept, telling
from wattline_collector.alerts.expression import Condition
from wattline_collector.alerts.machine import Alert, Ended, State, Why
from wattline_collector.alerts.promql import alert_name
from wattline_collector.alerts.read import shipped
from wattline_collector.alerts.rule import Rule, Severity
from wattline_collector.kpi.figure import Period
from wattline_collector.narrow import may_see_alert
from wattline_collector.pages.read import House, Json, Question, Read

MOST_SUBJECTS = 20
"""Alerts of one rule that are named one by one."""
MOST_RULES = 60
MOST_PAST = 200
_MOST_LINES = 20_000
"""Lines of the history that are looked through for one answer."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts are meant, of those that whoever asks may see.

    Attributes:
        viewer: Who asks.
        severity: Only these; null: all.
        system: Only of this system, and those of no system; null: all.
        node: Only where the node's name holds this text; null: all.
    """

    viewer: Viewer
    severity: Severity | None = None
    system: str | None = None
    node: str | None = None

    def takes(self, rule: Rule | None, labels: Mapping[str, str]) -> bool:
        """Whether it lets an alert through; of a rule that is no more the severity is not known."""
        if not may_see_alert(self.viewer, labels):
            return False
        if self.severity is not None and (rule is None or rule.severity is not self.severity):
            return False
        if self.system is not None and labels.get("system", "") not in (self.system, ""):
            return False
        return not self.node or self.node.lower() in labels.get("node", "").lower()


def answer(house: House, question: Question) -> Json:
    """`GET /v1/alerts/log`: what is on now, by rule, and what ended in the period.

    Raises:
        UsageError: There is no such severity.
    """
    said = question.one("severity")
    if said is not None and said not in set(Severity):
        raise UsageError(f"severity: {said[:20]!r} is none of {', '.join(Severity)}")
    wanted = Filter(
        question.viewer,
        None if said is None else Severity(said),
        question.one("system"),
        question.one("node"),
    )
    watch = house.watch
    rules = {rule.id: rule for rule in shipped()} if watch is None else watch.rules
    alerts = [] if watch is None else watch.alerts()
    past, more = ended(house, question.period, rules, wanted)
    return {
        "time_unix_ms": house.store.clock.unix_ms(),
        "judged_ms": None if watch is None else watch.judged_ms,
        "rules": len(rules),
        "notifiers": [] if watch is None else [
            {"name": one.name, "sent": one.sent, "failed": one.failed} for one in watch.notifiers
        ],
        **on_now(alerts, rules, wanted),
        "past": past,
        "past_left_out": more,
    }  # fmt: skip


def on_now(alerts: Sequence[Alert], rules: Mapping[str, Rule], wanted: Filter) -> Json:
    """What is on, rule by rule, the most urgent first.

    Returns:
        `counts` of what fires by severity, before the severity is filtered; `open`: for each rule
        its words, how many alerts fire, wait or are muted, and the first `MOST_SUBJECTS` of them;
        `open_left_out`: rules beyond `MOST_RULES`.
    """
    muted = telling.muted(alerts, rules)
    every = replace(wanted, severity=None)
    ours = [one for one in alerts
            if one.rule in rules and every.takes(rules[one.rule], dict(one.labels))]  # fmt: skip
    counts = Counter(
        rules[one.rule].severity for one in ours
        if one.state is State.FIRING and one.key not in muted
    )  # fmt: skip
    by_rule: dict[str, list[Alert]] = {}
    for one in ours:
        if wanted.severity in (None, rules[one.rule].severity):
            by_rule.setdefault(one.rule, []).append(one)
    groups = [_group(rules[id], some, muted) for id, some in by_rule.items()]
    rank = {severity.value: place for place, severity in enumerate(Severity)}
    groups.sort(key=lambda g: (not g["firing"], rank[g["severity"]], -g["since_ms"]))
    return {
        "counts": {severity.value: counts[severity] for severity in Severity},
        "open": groups[:MOST_RULES],
        "open_left_out": max(0, len(groups) - MOST_RULES),
    }


def _group(rule: Rule, alerts: Sequence[Alert], muted: Mapping[Any, str]) -> dict[str, Any]:
    firing = [one for one in alerts if one.state is State.FIRING]
    shown = sorted(
        alerts,
        key=lambda one: (
            one.key in muted,
            one.state is not State.FIRING,
            -(one.fired_ms or one.since_ms),
            one.labels,
        ),
    )
    told = [telling.tell(one, rule) for one in shown[:MOST_SUBJECTS]]
    return {
        **_words(rule),
        "check": told[0].said(rule.check),
        "action": told[0].said(rule.action),
        "firing": sum(one.key not in muted for one in firing),
        "pending": len(alerts) - len(firing),
        "muted": sum(one.key in muted for one in firing),
        "muted_by": sorted({muted[one.key] for one in firing if one.key in muted}),
        "since_ms": min(one.since_ms for one in alerts),
        "subjects": [_subject(one) for one in told],
        "left_out": len(alerts) - len(told),
    }


def _words(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.id,
        "severity": rule.severity.value,
        "about": rule.about.value,
        "figure": rule.figure,
        "fires": _threshold(rule.fires, rule),
        "for_seconds": rule.for_seconds,
        "meaning": rule.meaning,
        "prometheus": alert_name(rule),
    }


def _threshold(condition: Condition, rule: Rule) -> str | None:
    """`> 85 °C`; None where what is compared is not the figure that is shown."""
    if condition.of != rule.value:
        return None
    return f"{condition.comparison} {telling.written(condition.number, rule.unit)}"


def _subject(told: telling.Told) -> dict[str, Any]:
    alert = told.alert
    return {
        "labels": {name: telling.safe(word) for name, word in alert.labels},
        "title": told.title,
        "state": alert.state.value,
        "shown": telling.written(alert.value, told.rule.unit),
        "value": alert.value,
        "unit": told.rule.unit,
        "since_ms": alert.since_ms,
        "fired_ms": alert.fired_ms,
    }


def ended(
    house: House, period: Period | None, rules: Mapping[str, Rule], wanted: Filter
) -> tuple[list[dict[str, Any]], int]:
    """Alerts that ended in a period, the newest first, and how many more there were."""
    start_ms, end_ms = 0, house.store.clock.unix_ms() + 1
    if period is not None:
        start_ms, end_ms = (round(at.timestamp() * 1000) for at in (period.start, period.end))
    found: list[dict[str, Any]] = []
    more = 0
    for line in kept.read_history(house.store.path, start_ms, most=_MOST_LINES):
        one = _ended(line)
        if one is None or one.ended_ms >= end_ms:
            continue
        alert, rule = one.alert, rules.get(one.alert.rule)
        if not wanted.takes(rule, dict(alert.labels)):
            continue
        if len(found) == MOST_PAST:
            more += 1
            continue
        title, shown = telling.safe(alert.rule), f"{alert.value:,.4g}"
        if rule is not None:
            title, shown = telling.tell(alert, rule).title, telling.written(alert.value, rule.unit)
        found.append(
            {
                "rule": telling.safe(alert.rule),
                "severity": None if rule is None else rule.severity.value,
                "figure": None if rule is None else rule.figure,
                "labels": {name: telling.safe(word) for name, word in alert.labels},
                "title": title,
                "shown": shown,
                "fired_ms": alert.fired_ms,
                "ended_ms": one.ended_ms,
                "why": one.why.value,
            }
        )
    return found, more


def _ended(line: Mapping[str, Any]) -> Ended | None:
    """An ended alert of a line of the history; None where it tells of none, or is damaged."""
    if line.get("event") != "ended":
        return None
    try:
        return Ended(kept.alert_of(line), int(line["at_ms"]), Why(line["why"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


READS = (
    Read(
        "/v1/alerts/log", (Sight.ALERTS,), answer,
        takes=frozenset({"severity", "system", "node"}), keep_seconds=5.0, by_viewer=True,
        quick=True,
    ),
)  # fmt: skip
