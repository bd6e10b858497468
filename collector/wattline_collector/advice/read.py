"""Rules from TOML, checked: every mistake is named by file, line and key.

[rule.ID]   a rule; in a site's file one that is known changes only what it states
[site]      prices and habits
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from wattline_agents.config.document import parsed, read_bytes
from wattline_agents.config.lines import line_of
from wattline_agents.errors import InputError
from wattline_agents.nearest import instead
from wattline_collector.advice.rule import (
    COMPARISONS,
    WORD_FACTS,
    Condition,
    Rule,
    Severity,
)
from wattline_collector.advice.template import NotATemplate, names
from wattline_collector.efficiency.figures import FIGURES
from wattline_collector.efficiency.site import PRICES, Site
from wattline_collector.store import filenames

MOST_RULES = 500
MOST_CHARACTERS = 1000
"""Of one text: what a person reads on a terminal."""

_DEFAULTS: Mapping[str, Any] = {
    "minimum_run_seconds": 900.0,
    "minimum_coverage": 0.9,
    "suppresses": (),
    "link": "",
}
_KEYS = {field.name for field in fields(Rule)} - {"id"} | {"enabled"}
_LISTS = ("in", "not in")


@dataclass(frozen=True, slots=True)
class Advisor:
    """What a site judges jobs by.

    Attributes:
        rules: In the order of their file, a site's own last.
        site: Its prices and habits.
    """

    rules: tuple[Rule, ...]
    site: Site


def _meant(word: object, known: Iterable[str]) -> str:
    """The nearest of the known words; where none is near and they are many, where they stand."""
    nearest = instead(str(word)[:100], known)
    return nearest if len(nearest) < 200 else "docs/job.md lists them"


def shipped() -> Advisor:
    """The rules that come with Wattline."""
    data = resources.files("wattline_collector.advice").joinpath("rules.toml").read_bytes()
    return _read(data, "rules.toml", Advisor((), Site()))


def advisor_of(store: Path) -> Advisor:
    """What the site judges by whose store it is: `rules.toml` in it, where there is one.

    Raises:
        InputError: As `advisor`.
    """
    path = store / filenames.RULES
    return advisor(path if path.exists() else None)


def advisor(path: Path | None) -> Advisor:
    """The shipped rules, with what a site's file changes and adds.

    Raises:
        InputError: The file cannot be read or is not what it should be; names line and key.
    """
    known = shipped()
    if path is None:
        return known
    return _read(read_bytes(path), path, known)


def _read(data: bytes, path: object, known: Advisor) -> Advisor:
    document = parsed(data, path, "a file of rules")
    return _Reader(path, document.lines).read(document.content, known)


class _Reader:
    """Reads one file; knows where in it everything stands."""

    def __init__(self, path: object, lines: Mapping[tuple[str, ...], int]) -> None:
        self._path = path
        self._lines = lines

    def read(self, content: Mapping[str, Any], known: Advisor) -> Advisor:
        for table in content:
            if table not in ("rule", "site"):
                self._refuse((table,), f"unknown table; {_meant(table, ('rule', 'site'))}")
        tables = self._table(content.get("rule", {}), ("rule",))
        rules = {rule.id: rule for rule in known.rules}
        if len(tables) + len(rules) > MOST_RULES:
            self._refuse(("rule",), f"more than {MOST_RULES} rules")
        off = set()
        for id, entry in tables.items():
            keys = self._table(entry, ("rule", id))
            for key in keys:
                if key not in _KEYS:
                    self._refuse(("rule", id, key), f"unknown key; {_meant(key, _KEYS)}")
            if not self._flag(keys.get("enabled", True), ("rule", id, "enabled")):
                off.add(id)
                if id not in rules:
                    self._refuse(("rule", id), f"no rule to turn off; {_meant(id, rules)}")
                continue
            rules[id] = self._rule(id, keys, rules.get(id))
        kept = tuple(rule for rule in rules.values() if rule.id not in off)
        self._check_suppression(rules, tables)
        return Advisor(kept, self._site(content.get("site", {}), known.site))

    # Rules

    def _rule(self, id: str, keys: Mapping[str, Any], known: Rule | None) -> Rule:
        at = ("rule", id)
        given = {key: value for key, value in keys.items() if key != "enabled"}
        if known is None:
            for key in _KEYS - {"enabled"} - _DEFAULTS.keys() - given.keys():
                self._refuse(at, f"{key}: missing")
        read: dict[str, Any] = {}
        for key, value in given.items():
            place = (*at, key)
            match key:
                case "needs":
                    read[key] = tuple(self._figure(one, place) for one in self._list(value, place))
                case "suppresses":
                    read[key] = tuple(self._word(one, place) for one in self._list(value, place))
                case "when":
                    every = self._list(value, place)
                    if not every:
                        self._refuse(place, "no condition: it would speak to every job")
                    read[key] = tuple(self._condition(one, place) for one in every)
                case "minimum_run_seconds":
                    read[key] = self._number(value, place, 0, 1e9)
                case "minimum_coverage":
                    read[key] = self._number(value, place, 0, 1)
                case "severity":
                    known_words = [severity.value for severity in Severity]
                    if value not in known_words:
                        self._refuse(place, f"not one of {', '.join(known_words)}: {value!r:.60}")
                    read[key] = Severity(value)
                case _:
                    read[key] = self._text(value, place)
        if known is not None:
            return replace(known, **read)
        return Rule(id=id, **{**_DEFAULTS, **read})

    def _condition(self, entry: Any, place: tuple[str, ...]) -> Condition:
        if not isinstance(entry, list) or len(entry) != 3:
            self._refuse(place, f'not a condition such as ["held", ">", 0.5]: {entry!r:.80}')
        name, comparison, value = entry
        if name in WORD_FACTS:
            if comparison not in _LISTS:
                self._refuse(place, f"{name} is a word: compare it with `in` or `not in` a list")
            words = tuple(self._word(one, place) for one in self._list(value, place))
            return Condition(name, comparison, words)
        figure = self._figure(name, place)
        if comparison not in COMPARISONS:
            known = ", ".join(COMPARISONS)
            self._refuse(place, f"no comparison {comparison!r:.40}; there are {known}")
        if isinstance(value, str):
            return Condition(figure, comparison, self._figure(value, place))
        return Condition(figure, comparison, self._number(value, place, -1e30, 1e30))

    def _check_suppression(self, rules: Mapping[str, Rule], tables: Mapping[str, Any]) -> None:
        """Every suppressed rule is there, and no rule is its own consequence."""
        for id in tables:
            place = ("rule", id, "suppresses")
            for other in rules[id].suppresses:
                if other not in rules:
                    self._refuse(place, f"no rule {other!r:.60}; {_meant(other, rules)}")
            seen: set[str] = set()
            waiting = list(rules[id].suppresses)
            while waiting:
                other = waiting.pop()
                if other == id:
                    self._refuse(place, f"{id} would suppress itself, by way of its consequences")
                if other not in seen:
                    seen.add(other)
                    waiting += rules[other].suppresses if other in rules else ()

    # The site

    def _site(self, entry: Any, known: Site) -> Site:
        keys = self._table(entry, ("site",))
        read: dict[str, Any] = {}
        for key, value in keys.items():
            place = ("site", key)
            if key == "interactive":
                words = (self._word(one, place).lower() for one in self._list(value, place))
                read[key] = tuple(words)
            elif key in PRICES:
                read[key] = self._number(value, place, *PRICES[key])
            else:
                self._refuse(place, f"unknown key; {_meant(key, (*PRICES, 'interactive'))}")
        return replace(known, **read)

    # Values

    def _table(self, value: Any, place: tuple[str, ...]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self._refuse(place, f"not a table: write [{'.'.join(place)}]")
        return value

    def _list(self, value: Any, place: tuple[str, ...]) -> list[Any]:
        if not isinstance(value, list) or len(value) > MOST_RULES:
            self._refuse(place, f"not a list: {value!r:.60}")
        return value

    def _word(self, value: Any, place: tuple[str, ...]) -> str:
        if not isinstance(value, str) or not value or len(value) > 100:
            self._refuse(place, f"not a word: {value!r:.60}")
        return value

    def _text(self, value: Any, place: tuple[str, ...]) -> str:
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS or not value.isprintable():
            self._refuse(place, f"not a line of at most {MOST_CHARACTERS} characters")
        if place[-1] == "link":
            return value
        try:
            for name in names(value):
                self._figure(name, place)
        except NotATemplate as error:
            self._refuse(place, str(error))
        return value

    def _flag(self, value: Any, place: tuple[str, ...]) -> bool:
        if not isinstance(value, bool):
            self._refuse(place, f"neither true nor false: {value!r:.60}")
        return value

    def _number(self, value: Any, place: tuple[str, ...], least: float, most: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(place, f"not a number: {value!r:.60}")
        if not math.isfinite(value) or not least <= value <= most:
            self._refuse(place, f"not from {least:g} to {most:g}: {value!r:.60}")
        return float(value)

    def _figure(self, value: Any, place: tuple[str, ...]) -> str:
        if not isinstance(value, str) or value not in FIGURES:
            self._refuse(place, f"no figure {value!r:.60}; {_meant(value, FIGURES)}")
        return value

    def _refuse(self, place: tuple[str, ...], reason: str) -> NoReturn:
        key = ".".join(place)[:120]
        raise InputError(reason, path=self._path, line=line_of(self._lines, place), field=key)
