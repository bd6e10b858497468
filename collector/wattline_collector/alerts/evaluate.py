"""The value of an expression over a window of samples, as Prometheus would compute it.

The meaning of every function is that of the PromQL it is exported as, to the last edge: an
`increase` is stretched to its window as `increase` of Prometheus 2 is, a window holds the samples
on both its ends, a newest value is believed for five minutes. Where values are not known there are
none: a frame holds `system`, the labels and `value`, always a finite number. (Prometheus lets a
division by nought be infinite; here nothing is known of it.)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

import polars as pl

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
from wattline_collector.alerts.series import ASSIGNMENT, MODEL, SERIES
from wattline_collector.alerts.window import LOOK_BACK_MS, Window

_MINUTE_MS = 60_000

_SAMPLE = pl.col("value")
_AT = pl.col("at_ms")
_SIMPLE: Mapping[str, pl.Expr] = MappingProxyType(
    {
        "avg": _SAMPLE.mean(),
        "min": _SAMPLE.min(),
        "max": _SAMPLE.max(),
        "last": _SAMPLE.last(),
        "count": pl.len().cast(pl.Float64),
    }
)
_GROUPED: Mapping[str, pl.Expr] = MappingProxyType(
    {
        "sum": _SAMPLE.sum(),
        "avg": _SAMPLE.mean(),
        "min": _SAMPLE.min(),
        "max": _SAMPLE.max(),
        "count": pl.len().cast(pl.Float64),
        "median": _SAMPLE.median(),
    }
)
_LABEL_SERIES = {"job": SERIES[ASSIGNMENT], "model": SERIES[MODEL]}


class Evaluation:
    """Expressions at one time; what several rules share is computed once."""

    def __init__(self, window: Window, now_ms: int) -> None:
        """Evaluate over these samples as of a time."""
        self._window, self.now_ms = window, now_ms
        self._found: dict[Expression, pl.DataFrame] = {}

    def values(self, expression: Expression) -> pl.DataFrame:
        """`system`, the expression's labels, `value`.

        Raises:
            ValueError: It is a number and no subject's.
        """
        found = self._found.get(expression)
        if found is None:
            found = self._found[expression] = _known(self._compute(expression))
        return found

    def holding(self, condition: Condition) -> pl.DataFrame:
        """The labels for which a condition holds."""
        return self.values(condition.of).filter(compared(condition)).drop("value")

    def covered(self, part: Over) -> pl.DataFrame:
        """The share of a window's minutes in which there was a sample, per subject.

        Minutes end at whole minutes of the clock, as the steps of a subquery do.
        """
        first = -(-(self.now_ms - part.seconds * 1000) // _MINUTE_MS)
        last = self.now_ms // _MINUTE_MS
        samples = self._window.samples(part.of.series, (first - 1) * _MINUTE_MS, last * _MINUTE_MS)
        # A sample on a whole minute ends one and begins the next, and lies in both.
        ends = pl.concat_list(-(-_AT // _MINUTE_MS), _AT // _MINUTE_MS + 1).alias("minute")
        counted = (
            samples.select("id", ends)
            .explode("minute")
            .filter(pl.col("minute").is_between(first, last))
            .group_by("id")
            .agg(pl.col("minute").n_unique().alias("value"))
            .with_columns((_SAMPLE * _MINUTE_MS / (part.seconds * 1000)).cast(pl.Float64))
        )
        return self._chosen(part.of, self._window.named(part.of.series, counted))

    def _compute(self, expression: Expression) -> pl.DataFrame:
        match expression:
            case Number() | Now():
                raise ValueError("a number alone has no subject")
            case Newest(series):
                samples = self._samples(expression, LOOK_BACK_MS)
                last = samples.group_by("id").agg(_SIMPLE["last"])
                return self._chosen(expression, self._window.named(series, last))
            case Over(function, of, seconds):
                samples = self._samples(of, seconds * 1000)
                grouped = self._over(samples, function, seconds)
                return self._chosen(of, self._window.named(of.series, grouped))
            case Age(of):
                ages = ((self.now_ms - _AT) / 1000).alias("value")
                return self._chosen(of, self._window.heard(of.series).with_columns(ages)).drop(
                    "at_ms"
                )
            case Group(function, of, by):
                return (
                    self.values(of)
                    .group_by("system", *by, maintain_order=True)
                    .agg(_GROUPED[function].alias("value"))
                )
            case Labelled(label, of):
                return self._labelled(label, of)
            case Where(of, condition):
                on = ["system", *(keys(condition.of) or ())]
                return self.values(of).join(self.holding(condition), on=on, how="semi")
            case Either(first, second):
                on = ["system", *(keys(first) or ())]
                ours = self.values(first)
                theirs = self.values(second).join(ours, on=on, how="anti")
                return pl.concat([ours, theirs.select(ours.columns)])
            case Binary():
                return self._binary(expression)
            case _:
                assert_never(expression)

    def _samples(self, of: Newest, back_ms: int) -> pl.DataFrame:
        return self._window.samples(of.series, self.now_ms - back_ms, self.now_ms)

    def _over(self, samples: pl.DataFrame, function: str, seconds: int) -> pl.DataFrame:
        if function in _SIMPLE:
            return samples.group_by("id").agg(_SIMPLE[function].alias("value"))
        grown = increases(samples, self.now_ms, seconds)
        return grown if function == "increase" else grown.with_columns(_SAMPLE / seconds)

    @staticmethod
    def _chosen(of: Newest, rows: pl.DataFrame) -> pl.DataFrame:
        for label, words in of.chosen:
            rows = rows.filter(pl.col(label).cast(pl.String).is_in(list(words)))
        return rows

    def _labelled(self, label: str, of: Expression) -> pl.DataFrame:
        values = self.values(of)
        labels = self.values(Newest(_LABEL_SERIES[label])).drop("value")
        wanted = keys(Labelled(label, of)) or ()
        return values.join(labels, on=["system", "node", "device"]).select(
            "system", *wanted, "value"
        )

    def _binary(self, expression: Binary) -> pl.DataFrame:
        left, right = self._number(expression.left), self._number(expression.right)
        if left is not None and right is not None:
            raise ValueError("a number alone has no subject")
        if right is not None:
            of = _applied(expression.operator, _SAMPLE, pl.lit(right))
            return self.values(expression.left).with_columns(of.alias("value"))
        if left is not None:
            of = _applied(expression.operator, pl.lit(left), _SAMPLE)
            return self.values(expression.right).with_columns(of.alias("value"))
        on = ["system", *(keys(expression.right) or ())]
        joined = self.values(expression.left).join(
            self.values(expression.right), on=on, suffix="_right", maintain_order="left"
        )
        of = _applied(expression.operator, _SAMPLE, pl.col("value_right"))
        return joined.with_columns(of.alias("value")).drop("value_right")

    def _number(self, expression: Expression) -> float | None:
        match expression:
            case Number(value):
                return value
            case Now():
                return self.now_ms / 1000
            case Binary(operator, left, right):
                ours, theirs = self._number(left), self._number(right)
                if ours is None or theirs is None:
                    return None
                found = _applied(operator, pl.lit(ours), pl.lit(theirs))
                return float(pl.select(found).item())
            case _:
                return None


def compared(condition: Condition, column: str = "value") -> pl.Expr:
    """The condition over a column of values."""
    value, number = pl.col(column), condition.number
    match condition.comparison:
        case "<":
            return value < number
        case "<=":
            return value <= number
        case ">":
            return value > number
        case ">=":
            return value >= number
        case "==":
            return value == number
        case _:
            return value != number


def increases(samples: pl.DataFrame, now_ms: int, seconds: int) -> pl.DataFrame:
    """What counters grew by in a window, stretched to its ends as Prometheus does.

    A counter that fell began anew at nought. Growth between the first and the last sample is
    stretched to the window's ends where these are near, else by half the time between samples, and
    never to before the counter was nought. Formula: `extrapolatedRate` of Prometheus 2.

    Args:
        samples: `id`, `at_ms`, `value`, in order per subject.
        now_ms: The window's end.
        seconds: Its length.
    """
    start_ms = now_ms - seconds * 1000
    fallen = pl.when(_SAMPLE.diff() < 0).then(_SAMPLE.shift(1)).otherwise(0.0).sum()
    taken = (
        samples.group_by("id")
        .agg(
            (_SAMPLE.last() - _SAMPLE.first() + fallen).alias("grown"),
            _SAMPLE.first().alias("first"),
            ((_AT.first() - start_ms) / 1000).alias("to_start"),
            ((now_ms - _AT.last()) / 1000).alias("to_end"),
            ((_AT.last() - _AT.first()) / 1000).alias("sampled"),
            pl.len().alias("samples"),
        )
        .filter(pl.col("samples") > 1)
    )
    grown, sampled = pl.col("grown"), pl.col("sampled")
    between = sampled / (pl.col("samples") - 1)
    to_nought = pl.when((grown > 0) & (pl.col("first") >= 0)).then(
        sampled * (pl.col("first") / grown)
    )
    to_start = pl.min_horizontal("to_start", to_nought)

    def stretch(to_edge: pl.Expr) -> pl.Expr:
        return pl.when(to_edge < between * 1.1).then(to_edge).otherwise(between / 2)

    whole = sampled + stretch(to_start) + stretch(pl.col("to_end"))
    return taken.select("id", (grown * whole / sampled).alias("value"))


def _applied(operator: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right


def _known(values: pl.DataFrame) -> pl.DataFrame:
    # Of a division by nought nothing is known; null is not finite either.
    return values.filter(_SAMPLE.is_finite())
