"""Reads expressions from text: one pass from left to right, bounded in length and depth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from wattline_agents.errors import WattlineError
from wattline_agents.nearest import instead
from wattline_collector.alerts.expression import (
    COMPARED,
    GROUPS,
    LABELS,
    MOST_WINDOW_SECONDS,
    WINDOWS,
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
from wattline_collector.alerts.series import KEYS, SERIES, in_order

MOST_CHARACTERS = 2000
_DEEPEST = 24
_UNITS = {"s": 1, "m": 60, "h": 3600}


class NotAnExpression(WattlineError):
    """The text does not say what to compute; the message says where."""


def parse(text: str, known: Mapping[str, Expression] = MappingProxyType({})) -> Expression:
    """Read an expression.

    Args:
        text: Of it.
        known: Expressions that it may call by a name.

    Raises:
        NotAnExpression: It is none; the message says what stands where.
    """
    parser = _Parser(text, known)
    expression = parser.sum(0)
    parser.end()
    return expression


def parse_condition(text: str, known: Mapping[str, Expression] = MappingProxyType({})) -> Condition:
    """Read `EXPR > NUMBER`.

    Raises:
        NotAnExpression: It is no such thing.
    """
    parser = _Parser(text, known)
    condition = parser.condition(0)
    parser.end()
    return condition


def seconds_of(text: str) -> int:
    """`90s`, `10m` or `1h` in seconds.

    Raises:
        NotAnExpression: It is no such thing.
    """
    match = re.fullmatch(r"(\d{1,6})([smh])", text)
    if match is None:
        raise NotAnExpression(f"not a time such as 90s, 10m or 1h: {text[:40]!r}")
    return int(match[1]) * _UNITS[match[2]]


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])"
    r"|(?P<time>\d+[smh])(?!\w)"
    r"|(?P<name>[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)?)"
    r"|(?P<sign><=|>=|==|!=|[-+*/()\[\]{},|=<>]))"
)


class _Parser:
    """Reads one text from left to right."""

    def __init__(self, text: str, known: Mapping[str, Expression]) -> None:
        if len(text) > MOST_CHARACTERS:
            raise NotAnExpression(f"over {MOST_CHARACTERS} characters")
        self._known = known
        self._tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise NotAnExpression(f"cannot be read from {text[at : at + 20]!r} on")
            self._tokens.append((str(match.lastgroup), str(match[str(match.lastgroup)])))
            at = match.end()
        self._at = 0

    def end(self) -> None:
        if self._at < len(self._tokens):
            self._refuse("an end")

    def condition(self, depth: int) -> Condition:
        of = self.sum(depth)
        kind, comparison = self._take()
        if kind != "sign" or comparison not in COMPARED:
            self._back("a comparison")
        sign = -1.0 if self._is("-") else 1.0
        kind, number = self._take()
        if kind != "number":
            self._back("a number")
        return Condition(of, comparison, sign * float(number))

    def sum(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise NotAnExpression(f"more than {_DEEPEST} deep")
        left = self._product(depth + 1)
        while (sign := self._one_of("+", "-")) is not None:
            left = _binary(sign, left, self._product(depth + 1))
        return left

    def _product(self, depth: int) -> Expression:
        left = self._factor(depth)
        while (sign := self._one_of("*", "/")) is not None:
            left = _binary(sign, left, self._factor(depth))
        return left

    def _factor(self, depth: int) -> Expression:
        kind, text = self._take()
        if kind == "number":
            return Number(float(text))
        if (kind, text) == ("sign", "("):
            inside = self.sum(depth)
            self._want(")")
            return inside
        if kind != "name":
            self._back("a value")
        if self._is("("):
            return self._call(text, depth)
        if text == "now":
            return Now()
        if text in self._known:
            return self._known[text]
        return self._series(text)

    def _call(self, name: str, depth: int) -> Expression:
        if name == "age":
            found: Expression = Age(self._newest())
        elif name in LABELS:
            found = self._labelled(LABELS[name], self.sum(depth))
        elif name == "where":
            of = self.sum(depth)
            self._want(",")
            found = _where(of, self.condition(depth))
        elif name == "either":
            first = self.sum(depth)
            self._want(",")
            second = self.sum(depth)
            if keys(first) != keys(second):
                raise NotAnExpression("either: both sides need the same labels")
            found = Either(first, second)
        elif name in WINDOWS or name in GROUPS:
            found = self._window_or_group(name, depth)
        else:
            known = (*WINDOWS, *GROUPS, *LABELS, "age", "where", "either")
            raise NotAnExpression(f"no function {name!r}; {instead(name, dict.fromkeys(known))}")
        self._want(")")
        return found

    def _labelled(self, label: str, of: Expression) -> Labelled:
        if keys(of) != ("node", "device"):
            raise NotAnExpression(f"of_{label}: only values of devices have a {label}")
        return Labelled(label, of)

    def _window_or_group(self, name: str, depth: int) -> Expression:
        of = self.sum(depth)
        if isinstance(of, Newest) and self._is("["):
            if name not in WINDOWS:
                raise NotAnExpression(f"{name}: not a function over a window")
            kind, time = self._take()
            if kind != "time":
                self._back("a time such as 10m")
            self._want("]")
            seconds = seconds_of(time)
            if not 60 <= seconds <= MOST_WINDOW_SECONDS:
                raise NotAnExpression(f"[{time}]: a window is from 1m to 1h long")
            if name in ("increase", "rate") and not of.series.is_counter:
                raise NotAnExpression(f"{name}: {of.series.name} is no counter")
            return Over(name, of, seconds)
        if name not in GROUPS:
            raise NotAnExpression(f"{name}: needs a series and a window, such as [10m]")
        if keys(of) is None:
            raise NotAnExpression(f"{name}: of a number that is nobody's there is no group")
        return Group(name, of, self._by(keys(of) or ()))

    def _by(self, there: tuple[str, ...]) -> tuple[str, ...]:
        kind, word = self._take()
        if (kind, word) != ("name", "by"):
            self._back("`by`, or a window such as [10m]")
        names: set[str] = set()
        while True:
            kind, word = self._take()
            if kind != "name":
                self._back("a label")
            if word == "all":
                pass
            elif word not in there:
                raise NotAnExpression(f"by {word}: {instead(word, there)}")
            else:
                names.add(word)
            if not self._is(","):
                return in_order(names)

    def _newest(self) -> Newest:
        kind, text = self._take()
        if kind != "name":
            self._back("a series")
        return self._series(text)

    def _series(self, name: str) -> Newest:
        series = SERIES.get(name)
        if series is None:
            raise NotAnExpression(f"no series {name[:80]!r}; {_near(name)}")
        if not self._is("{"):
            return Newest(series)
        chosen = []
        while True:
            kind, label = self._take()
            if kind != "name" or label not in KEYS:
                self._back("a label")
            if label not in series.keys:
                raise NotAnExpression(f"{name} has no label {label}")
            self._want("=")
            values = [self._take()[1]]
            while self._is("|"):
                values.append(self._take()[1])
            if not all(re.fullmatch(r"\w+", value) for value in values):
                raise NotAnExpression(f"{label}: not words or whole numbers")
            chosen.append((label, tuple(values)))
            if not self._is(","):
                self._want("}")
                return Newest(series, tuple(chosen))

    # Tokens

    def _take(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise NotAnExpression("ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, sign: str) -> bool:
        return self._one_of(sign) is not None

    def _one_of(self, *signs: str) -> str | None:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind == "sign" and text in signs:
                self._at += 1
                return text
        return None

    def _want(self, sign: str) -> None:
        if not self._is(sign):
            self._refuse(f"{sign!r}")

    def _back(self, wanted: str) -> NoReturn:
        self._at -= 1
        self._refuse(wanted)

    def _refuse(self, wanted: str) -> NoReturn:
        if self._at >= len(self._tokens):
            raise NotAnExpression(f"ends where {wanted} should stand")
        found = self._tokens[self._at][1]
        raise NotAnExpression(f"{found[:40]!r} stands where {wanted} should")


def _near(name: str) -> str:
    nearest = instead(name, SERIES)
    return nearest if len(nearest) < 200 else "docs/metrics.md lists them as TABLE.COLUMN"


def _binary(operator: str, left: Expression, right: Expression) -> Binary:
    ours, theirs = keys(left), keys(right)
    if ours is not None and theirs is not None and not set(theirs) <= set(ours):
        raise NotAnExpression(
            f"`{operator}`: the right side is told apart by {', '.join(theirs)}, "
            f"the left only by {', '.join(ours) or 'nothing'}"
        )
    return Binary(operator, left, right)


def _where(of: Expression, condition: Condition) -> Where:
    ours, theirs = keys(of), keys(condition.of)
    if ours is None or theirs is None or not set(theirs) <= set(ours):
        raise NotAnExpression("where: the condition has labels that the value has not")
    return Where(of, condition)
