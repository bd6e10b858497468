"""What a rule can compute: a small closed form that Polars evaluates and PromQL can say.

Expressions are trees of the nodes below; `parse.py` makes them of text. They name series and
functions of these lists and nothing else, so a rule can compute but not do.

    device.temperature_celsius                       the newest value
    increase(device.pcie_replays_total[30m])         over a window: increase, rate, avg, min, max,
                                                     last, count
    age(agent.readings_total)                        seconds since a subject was last heard of
    now - xid.last_unix_seconds{xid=48|79}           the time, and a choice of labels
    median(EXPR by job)                              over a group: sum, avg, min, max, count, median
    of_job(EXPR), of_model(EXPR)                     with the job that holds the device, its model
    where(EXPR, EXPR > 0.5)                          only where that holds
    either(EXPR, EXPR)                               the second where the first is not known
    + - * / and numbers
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wattline_collector.alerts.series import Series, in_order

WINDOWS = ("increase", "rate", "avg", "min", "max", "last", "count")
"""Functions of a series over a window."""
GROUPS = ("sum", "avg", "min", "max", "count", "median")
"""Functions of values over a group."""
LABELS: Mapping[str, str] = MappingProxyType({"of_job": "job", "of_model": "model"})
"""Functions that give devices a label more."""
COMPARED = ("<=", ">=", "==", "!=", "<", ">")

MOST_WINDOW_SECONDS = 3600
"""Samples are kept in memory for as long as the longest window; a trend of days is the books'."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Now:
    """The time, in seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest value of a series, where it is not older than five minutes."""

    series: Series
    chosen: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Over:
    """A function of a series over the last `seconds`."""

    function: str
    of: Newest
    seconds: int


@dataclass(frozen=True, slots=True)
class Age:
    """Seconds since a subject's newest sample, however old."""

    of: Newest


@dataclass(frozen=True, slots=True)
class Group:
    """A function over the values of a group: of all, if `by` is empty."""

    function: str
    of: Expression
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Values of devices, with their job or model; those that have none are left out."""

    label: str
    of: Expression


@dataclass(frozen=True, slots=True)
class Where:
    """Values where a condition holds."""

    of: Expression
    condition: Condition


@dataclass(frozen=True, slots=True)
class Either:
    """The first, and where it is not known the second."""

    first: Expression
    second: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`left` and `right` by `+ - * /`; a right side of fewer labels goes to all that share them."""

    operator: str
    left: Expression
    right: Expression


Expression = Number | Now | Newest | Over | Age | Group | Labelled | Where | Either | Binary


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of a value with a number."""

    of: Expression
    comparison: str
    number: float


def keys(expression: Expression) -> tuple[str, ...] | None:
    """The labels its values are told apart by; None: it is one number and no subject's."""
    match expression:
        case Number() | Now():
            return None
        case Newest(series):
            return series.keys
        case Over(_, of) | Age(of):
            return of.series.keys
        case Group(_, _, by):
            return by
        case Labelled(label, of):
            return in_order({*(keys(of) or ()), label})
        case Where(of) | Either(of):
            return keys(of)
        case Binary(_, left, right):
            return keys(right) if keys(left) is None else keys(left)


def parts(expression: Expression | Condition) -> Iterator[Expression]:
    """The expression and everything in it."""
    if isinstance(expression, Condition):
        yield from parts(expression.of)
        return
    yield expression
    match expression:
        case Over(_, of) | Age(of) | Group(_, of) | Labelled(_, of):
            yield from parts(of)
        case Where(of, condition):
            yield from parts(of)
            yield from parts(condition)
        case Either(first, second) | Binary(_, first, second):
            yield from parts(first)
            yield from parts(second)
