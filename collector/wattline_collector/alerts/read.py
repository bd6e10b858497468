"""Reads the files rules stand in: the shipped one, and a site's own that changes it or adds to it.

[rule.ID]   a rule; in a site's file one that is known changes only what it states
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from wattline_agents.config.document import Document, parsed
from wattline_agents.config.document import read as read_document
from wattline_agents.config.lines import line_of
from wattline_agents.errors import InputError
from wattline_agents.nearest import instead
from wattline_collector.advice.template import NotATemplate, names
from wattline_collector.alerts.expression import COMPARED, Condition, Expression, keys
from wattline_collector.alerts.parse import NotAnExpression, parse, parse_condition, seconds_of
from wattline_collector.alerts.rule import NEEDED_KEYS, About, Rule, Severity

MOST_RULES = 300
MOST_LINE = 1000
"""Characters of one text: what a person reads at once."""
UNITS = ("W", "Cel", "s", "By", "1", "ratio")
GROUPS = ("node", "job", "model")
"""What alerts can be told together by, beside their rule and system."""

_NEEDED = (
    "severity", "about", "figure", "unit", "value", "fires", "title", "meaning", "check", "action",
)  # fmt: skip
_DEFAULTS: Mapping[str, Any] = {
    "let": {}, "clears": "", "when": [], "for": "0s", "keep": "0s", "minimum_coverage": 0.0,
    "group_by": [], "mutes": [],
}  # fmt: skip
_KEYS = (*_NEEDED, *_DEFAULTS, "enabled")
_TEXTS = ("figure", "title", "meaning", "check", "action")


def shipped() -> tuple[Rule, ...]:
    """The rules that come with Wattline."""
    document = _shipped()
    return _Reader("rules.toml", document.lines).read(document.content, {})


def rules_of(path: Path | None) -> tuple[Rule, ...]:
    """The shipped rules, with what a site's file changes and adds.

    Raises:
        InputError: The file cannot be read or is not what it should be; names line and key.
    """
    if path is None:
        return shipped()
    document = read_document(path, "a file of rules")
    return _Reader(path, document.lines).read(document.content, _shipped().content["rule"])


def _shipped() -> Document:
    data = resources.files("wattline_collector.alerts").joinpath("rules.toml").read_bytes()
    return parsed(data, "rules.toml", "a file of rules")


class _Reader:
    """Reads one file; knows where in it everything stands."""

    def __init__(self, path: object, lines: Mapping[tuple[str, ...], int]) -> None:
        self._path = path
        self._lines = lines

    def read(
        self, content: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]
    ) -> tuple[Rule, ...]:
        for table in content:
            if table != "rule":
                self._refuse((table,), f"unknown table; {instead(table, ('rule',))}")
        given = self._table(content.get("rule", {}), ("rule",))
        if len(given) + len(known) > MOST_RULES:
            self._refuse(("rule",), f"more than {MOST_RULES} rules")
        stated = {id: dict(entry) for id, entry in known.items()}
        for id, entry in given.items():
            if re.fullmatch(r"[a-z][a-z0-9-]{0,59}", id) is None:
                self._refuse(("rule", id), "a rule's name is small letters, digits and -")
            for key in self._table(entry, ("rule", id)):
                if key not in _KEYS:
                    self._refuse(("rule", id, key), f"unknown key; {instead(key, _KEYS)}")
            stated[id] = {**stated.get(id, {}), **entry}
        rules = [
            self._rule(id, entry) for id, entry in stated.items() if self._is_on(id, entry, known)
        ]
        for rule in rules:
            if rule.id in given:
                for other in rule.mutes:
                    if other not in stated:
                        place = ("rule", rule.id, "mutes")
                        self._refuse(place, f"no rule {other[:60]!r}; {_meant(other, stated)}")
        return tuple(rules)

    def _is_on(self, id: str, entry: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
        enabled = entry.get("enabled", True)
        if not isinstance(enabled, bool):
            self._refuse(("rule", id, "enabled"), f"neither true nor false: {enabled!r:.60}")
        if not enabled and id not in known and len(entry) == 1:
            self._refuse(("rule", id), f"no rule to turn off; {_meant(id, known)}")
        return enabled

    def _rule(self, id: str, entry: Mapping[str, Any]) -> Rule:
        at = ("rule", id)
        for key in _NEEDED:
            if key not in entry:
                self._refuse(at, f"{key}: missing")
        given = {**_DEFAULTS, **entry}
        lets = self._lets(given["let"], (*at, "let"))
        value = self._value(given["value"], lets, (*at, "value"))
        about = About(self._word(given["about"], [*About], (*at, "about")))
        labels = keys(value)
        if labels is None:
            self._refuse((*at, "value"), "a number alone: it speaks of nothing")
        missing = [key for key in NEEDED_KEYS[about] if key not in labels]
        if missing:
            self._refuse(
                (*at, "value"),
                f"a rule about a {about} needs values by {', '.join(missing)}; these are by "
                f"{', '.join(labels) or 'nothing'}",
            )
        named = ("value", "system", *labels)
        texts = {key: self._text(given[key], named, (*at, key)) for key in _TEXTS}
        rule = Rule(
            id=id,
            severity=Severity(self._word(given["severity"], [*Severity], (*at, "severity"))),
            about=about,
            unit=self._word(given["unit"], UNITS, (*at, "unit")),
            value=value,
            fires=self._against(value, given["fires"], (*at, "fires")),
            clears=None
            if not given["clears"]
            else self._against(value, given["clears"], (*at, "clears")),
            when=self._when(given["when"], lets, labels, (*at, "when")),
            for_seconds=self._seconds(given["for"], (*at, "for")),
            keep_seconds=self._seconds(given["keep"], (*at, "keep")),
            minimum_coverage=self._share(given["minimum_coverage"], (*at, "minimum_coverage")),
            group_by=tuple(
                self._word(one, [key for key in GROUPS if key in labels], (*at, "group_by"))
                for one in self._list(given["group_by"], (*at, "group_by"))
            ),
            mutes=tuple(
                self._name(one, (*at, "mutes"))
                for one in self._list(given["mutes"], (*at, "mutes"))
            ),
            source=_source(given),
            **texts,
        )
        if rule.minimum_coverage and not rule.covered:
            self._refuse((*at, "minimum_coverage"), "the value has no window of its own subject")
        self._check_clears(rule, (*at, "clears"))
        return rule

    def _check_clears(self, rule: Rule, place: tuple[str, ...]) -> None:
        """What fires must not clear: else an alert would end in the moment it begins."""
        fires, clears = rule.fires, rule.clears
        if clears is None:
            return
        upwards = fires.comparison in (">", ">=")
        if fires.comparison not in (">", ">=", "<", "<="):
            self._refuse(place, f"of `{fires.comparison}` nothing can be between")
        if (clears.comparison in ("<", "<=")) != upwards or (
            clears.number > fires.number if upwards else clears.number < fires.number
        ):
            side = "under" if upwards else "over"
            self._refuse(place, f"must be {side} what fires: a gap, so that it does not flap")

    # Parts

    def _lets(self, entry: Any, place: tuple[str, ...]) -> dict[str, Expression]:
        found: dict[str, Expression] = {}
        for name, text in self._table(entry, place).items():
            if re.fullmatch(r"[a-z_]{1,40}", name) is None:
                self._refuse(place, f"{name!r:.60}: a name is small letters and _")
            found[name] = self._value(text, found, (*place, name))
        return found

    def _value(
        self, text: Any, lets: Mapping[str, Expression], place: tuple[str, ...]
    ) -> Expression:
        if not isinstance(text, str):
            self._refuse(place, f"no text: {text!r:.60}")
        try:
            return parse(text, lets)
        except NotAnExpression as error:
            self._refuse(place, str(error))

    def _against(self, value: Expression, text: Any, place: tuple[str, ...]) -> Condition:
        comparisons = "|".join(COMPARED)
        match = re.fullmatch(rf"\s*({comparisons})\s*(-?[\d.eE+-]+)\s*", str(text)[:80])
        try:
            number = float(match[2]) if match else 0.0
        except ValueError:
            match = None
        if match is None:
            self._refuse(place, f"not a comparison such as `> 0.9`: {text!r:.60}")
        return Condition(value, match[1], number)

    def _when(
        self,
        entry: Any,
        lets: Mapping[str, Expression],
        labels: tuple[str, ...],
        place: tuple[str, ...],
    ) -> tuple[Condition, ...]:
        found = []
        for text in self._list(entry, place):
            try:
                condition = parse_condition(str(text), lets)
            except NotAnExpression as error:
                self._refuse(place, f"{text!r:.60}: {error}")
            theirs = keys(condition.of)
            if theirs is None or not set(theirs) <= set(labels):
                self._refuse(place, f"{text!r:.60}: is not told apart by labels of the value")
            found.append(condition)
        return tuple(found)

    # Values

    def _table(self, value: Any, place: tuple[str, ...]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self._refuse(place, f"not a table: write [{'.'.join(place)}]")
        return value

    def _list(self, value: Any, place: tuple[str, ...]) -> list[Any]:
        if not isinstance(value, list) or len(value) > MOST_RULES:
            self._refuse(place, f"not a list: {value!r:.60}")
        return value

    def _word(self, value: Any, known: Any, place: tuple[str, ...]) -> str:
        if not isinstance(value, str) or value not in known:
            self._refuse(place, f"{value!r:.60}: {instead(str(value), map(str, known))}")
        return value

    def _name(self, value: Any, place: tuple[str, ...]) -> str:
        if not isinstance(value, str) or not value:
            self._refuse(place, f"not a rule's name: {value!r:.60}")
        return value

    def _text(self, value: Any, named: tuple[str, ...], place: tuple[str, ...]) -> str:
        if not isinstance(value, str) or not value or len(value) > MOST_LINE:
            self._refuse(place, f"not a text of 1 to {MOST_LINE} characters")
        if not value.isprintable():
            self._refuse(place, "one line, without control characters")
        try:
            used = names(value)
        except NotATemplate as error:
            self._refuse(place, str(error))
        for name in used:
            if name not in named:
                self._refuse(place, f"{{{name}}}: {instead(name, named)}")
        return value

    def _seconds(self, value: Any, place: tuple[str, ...]) -> int:
        try:
            seconds = seconds_of(str(value))
        except NotAnExpression as error:
            self._refuse(place, str(error))
        if seconds > 86_400:
            self._refuse(place, "longer than a day")
        return seconds

    def _share(self, value: Any, place: tuple[str, ...]) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self._refuse(place, f"not from 0 to 1: {value!r:.60}")
        return float(value)

    def _refuse(self, place: tuple[str, ...], reason: str) -> NoReturn:
        key = ".".join(place)[:120]
        raise InputError(reason, path=self._path, line=line_of(self._lines, place), field=key)


def _source(entry: Mapping[str, Any]) -> str:
    """The rule's expressions as they were written."""
    lines = [f"{name} = {text}" for name, text in entry["let"].items()]
    lines += [f"{entry['value']} {entry['fires']}", *(f"and {one}" for one in entry["when"])]
    if entry["clears"]:
        lines.append(f"until {entry['clears']}")
    return "\n".join(lines)


def _meant(word: object, known: Any) -> str:
    nearest = instead(str(word)[:100], known)
    return nearest if len(nearest) < 200 else "`wattline alerts rules` lists them"
