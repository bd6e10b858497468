"""Rules in Prometheus' own language: the same meaning, word for word.

What an agent exports has labels of the scrape's own (`instance`) and, with several columns in one
metric, labels that tell them apart; neither tells subjects apart. So every join is `on` the labels
that do, and a rule's value is the `max by` them, which also makes one of what two Prometheus
servers or two agents say twice.
"""

from __future__ import annotations

from typing import assert_never

from wattline_collector.alerts.expression import (
    Age,
    Binary,
    Condition,
    Either,
    Expression,
    Group,
    Labelled,
    Newest,
    Now,
    Number,
    Over,
    Where,
    keys,
)
from wattline_collector.alerts.judge import stays
from wattline_collector.alerts.rule import Rule
from wattline_collector.alerts.series import ASSIGNMENT, MODEL, SERIES

_WINDOWS = {
    "increase": "increase",
    "rate": "rate",
    "avg": "avg_over_time",
    "min": "min_over_time",
    "max": "max_over_time",
    "last": "last_over_time",
    "count": "count_over_time",
}
_SEARCHED = "1d"
"""How far back a subject is looked for that has fallen silent."""


def alert_name(rule: Rule) -> str:
    """The rule's name in Prometheus, such as `WattlineDeviceLost`."""
    return "Wattline" + "".join(word.capitalize() for word in rule.id.split("-"))


def promql(expression: Expression) -> str:
    """The expression."""
    match expression:
        case Number(value):
            return number(value)
        case Now():
            return "time()"
        case Newest():
            return _selector(expression)
        case Over(function, of, seconds):
            return f"{_WINDOWS[function]}({_selector(of)}[{duration(seconds)}])"
        case Age(of):
            heard = f"max_over_time(timestamp({_selector(of)})[{_SEARCHED}:1m])"
            return f"(time() - {heard})"
        case Group("median", of, by):
            return f"quantile by ({_list(by)}) (0.5, {promql(of)})"
        case Group(function, of, by):
            return f"{function} by ({_list(by)}) ({promql(of)})"
        case Labelled(label, of):
            labels = _selector(Newest(SERIES[ASSIGNMENT if label == "job" else MODEL]))
            return f"({labels} * on (node, device) group_left () {promql(of)})"
        case Where(of, condition):
            return f"({promql(of)} and {_on(condition.of)} {_condition(condition)})"
        case Either(first, second):
            return f"({promql(first)} or {_on(first)} {promql(second)})"
        case Binary(operator, left, right):
            return f"({promql(left)} {operator} {_match(left, right)}{promql(right)})"
        case _:
            assert_never(expression)


def rule_promql(rule: Rule) -> str:
    """When the rule's alert is on, over several lines."""
    by = _list(rule.keys)
    # A group is one value per labels already.
    whole = promql(rule.value)
    value = whole if isinstance(rule.value, Group) else f"max by ({by}) ({whole})"
    lines = [f"{value} {rule.fires.comparison} {number(rule.fires.number)}"]
    if rule.clears is not None:
        goes_on = stays(rule)
        firing = f'ALERTS{{alertname="{alert_name(rule)}", alertstate="firing"}}'
        lines = [
            f"({lines[0]}",
            f"or ({value} {goes_on.comparison} {number(goes_on.number)} and on ({by}) {firing}))",
        ]
    lines += [f"and {_on(one.of)} {_condition(one)}" for one in rule.when]
    for group in rule.covered:
        on = f"on ({_list(group[0].of.series.keys)})"
        enough = f" or {on} ".join(_covered(part, rule.minimum_coverage) for part in group)
        lines.append(f"and {on} ({enough})")
    return "\n".join(lines)


def _covered(part: Over, least: float) -> str:
    """Where there were samples in so large a share of a window's minutes."""
    minutes = f"present_over_time({_selector(part.of)}[1m])[{duration(part.seconds)}:1m]"
    return f"count_over_time({minutes}) >= {number(least * part.seconds / 60)}"


def duration(seconds: int) -> str:
    """Seconds as Prometheus writes a time: `10m`."""
    for size, unit in ((3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def number(value: float) -> str:
    """A number, whole ones without a point."""
    return f"{value:.12g}"


def _selector(of: Newest) -> str:
    labels = [f'{name}="{word}"' for name, word in of.series.labels]
    labels += [f'{name}=~"{"|".join(words)}"' for name, words in of.chosen]
    return of.series.metric + (f"{{{', '.join(labels)}}}" if labels else "")


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _on(expression: Expression) -> str:
    return f"on ({_list(keys(expression) or ())})"


def _condition(condition: Condition) -> str:
    return f"({promql(condition.of)} {condition.comparison} {number(condition.number)})"


def _match(left: Expression, right: Expression) -> str:
    """How the two sides of an operator find each other; numbers need not."""
    ours, theirs = keys(left), keys(right)
    if ours is None or theirs is None:
        return ""
    many = "" if ours == theirs else "group_left () "
    return f"{_on(right)} {many}"
