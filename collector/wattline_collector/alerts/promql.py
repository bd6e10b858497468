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
from wattline_collector.alerts.series import ASSIGNMENT, BOOKED, MODEL, SERIES

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


def promql(expression: Expression, own: tuple[str, ...] = ()) -> str:
    """The expression.

    Args:
        expression: What to say.
        own: Labels that all its series have there and not here: `system`, of figures of the books.
    """
    return _Written(own).text(expression)


def own_labels(rule: Rule) -> tuple[str, ...]:
    """Labels that a rule's alerts have in Prometheus beside its own: of the books, their system."""
    return ("system",) if rule.is_booked else ()


def rule_promql(rule: Rule) -> str:
    """When the rule's alert is on, over several lines."""
    written = _Written(own_labels(rule))
    by = written.labels(rule.keys)
    # A group is one value per labels already.
    whole = written.text(rule.value)
    value = whole if isinstance(rule.value, Group) else f"max by ({by}) ({whole})"
    lines = [f"{value} {rule.fires.comparison} {number(rule.fires.number)}"]
    if rule.clears is not None:
        goes_on = stays(rule)
        firing = f'ALERTS{{alertname="{alert_name(rule)}", alertstate="firing"}}'
        lines = [
            f"({lines[0]}",
            f"or ({value} {goes_on.comparison} {number(goes_on.number)} and on ({by}) {firing}))",
        ]
    lines += [f"and {written.on(one.of)} {written.condition(one)}" for one in rule.when]
    for group in rule.covered:
        on = f"on ({written.labels(group[0].of.series.keys)})"
        enough = f" or {on} ".join(_covered(part, rule.minimum_coverage) for part in group)
        lines.append(f"and {on} ({enough})")
    return "\n".join(lines)


class _Written:
    """Expressions whose series all have these labels more there than here."""

    def __init__(self, own: tuple[str, ...]) -> None:
        self._own = own

    def text(self, expression: Expression) -> str:
        match expression:
            case Number(value):
                return number(value)
            case Now():
                return "time()"
            case Newest(series):
                if series.table in BOOKED and not self._own:
                    # Beside series without that label: as they are, of one system.
                    return f"max by ({_list(series.keys)}) ({selector(expression)})"
                return selector(expression)
            case Over(function, of, seconds):
                return f"{_WINDOWS[function]}({selector(of)}[{duration(seconds)}])"
            case Age(of):
                heard = f"max_over_time(timestamp({selector(of)})[{_SEARCHED}:1m])"
                return f"(time() - {heard})"
            case Group("median", of, by):
                return f"quantile by ({self.labels(by)}) (0.5, {self.text(of)})"
            case Group(function, of, by):
                return f"{function} by ({self.labels(by)}) ({self.text(of)})"
            case Labelled(label, of):
                labels = selector(Newest(SERIES[ASSIGNMENT if label == "job" else MODEL]))
                return f"({labels} * on (node, device) group_left () {self.text(of)})"
            case Where(of, condition):
                return f"({self.text(of)} and {self.on(condition.of)} {self.condition(condition)})"
            case Either(first, second):
                return f"({self.text(first)} or {self.on(first)} {self.text(second)})"
            case Binary(operator, left, right):
                matched = self._match(left, right)
                return f"({self.text(left)} {operator} {matched}{self.text(right)})"
            case _:
                assert_never(expression)

    def condition(self, condition: Condition) -> str:
        return f"({self.text(condition.of)} {condition.comparison} {number(condition.number)})"

    def labels(self, names: tuple[str, ...]) -> str:
        return _list((*self._own, *names))

    def on(self, expression: Expression) -> str:
        return f"on ({self.labels(keys(expression) or ())})"

    def _match(self, left: Expression, right: Expression) -> str:
        """How the two sides of an operator find each other; numbers need not."""
        ours, theirs = keys(left), keys(right)
        if ours is None or theirs is None:
            return ""
        many = "" if ours == theirs else "group_left () "
        return f"{self.on(right)} {many}"


def selector(of: Newest) -> str:
    """A series as Prometheus selects it."""
    labels = [f'{name}="{word}"' for name, word in of.series.labels]
    labels += [f'{name}=~"{"|".join(words)}"' for name, words in of.chosen]
    return of.series.metric + (f"{{{', '.join(labels)}}}" if labels else "")


def _covered(part: Over, least: float) -> str:
    """Where there were samples in so large a share of a window's minutes."""
    minutes = f"present_over_time({selector(part.of)}[1m])[{duration(part.seconds)}:1m]"
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


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
