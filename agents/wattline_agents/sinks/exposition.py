"""Writes the page that Prometheus reads, straight from the catalogue.

What of a page changes from one scrape to the next is its numbers, and of them only those that were
read meanwhile. So the text between the numbers is made once per set of series, and a page is that
text with the new numbers put in: some hundred times less work than building every series anew.
Both of Prometheus' formats are written: its own text, version 0.0.4, and OpenMetrics 1.0.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from operator import itemgetter
from typing import Any

from wattline_agents.catalogue import PREFIX, TABLES, Kind, Metric, Table
from wattline_agents.wire import Value

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = tuple[tuple[str, str], ...]

_UNIT_NAMES = {
    "W": "watts",
    "J": "joules",
    "Cel": "celsius",
    "Hz": "hertz",
    "By": "bytes",
    "s": "seconds",
    "1": "ratio",
}


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Columns that are read together: one and the same object whenever they are."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What has series of a table: a device, the node, a job, ...

    Attributes:
        table: Whose metrics it has.
        labels: What tells it from others of the table.
        values: Its newest values by column; other columns, such as keys, are passed over.
        read: Columns that were read together -> the turn in which they were last. Turns only
            grow, and a page looks again at those of new turns only.
    """

    table: Table
    labels: Labels
    values: Mapping[str, Value]
    read: Mapping[Columns, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """Something that is so: a series of value 1, which says all it has to say in its labels.

    Attributes:
        family: Its Prometheus name without the prefix.
        help: One sentence for people.
        labels: What it says.
    """

    family: str
    help: str
    labels: Labels


class Page:
    """One format's page for a fixed set of subjects and statements; their values may change."""

    def __init__(
        self,
        node: str,
        subjects: Sequence[Subject],
        statements: Sequence[Statement],
        *,
        openmetrics: bool = False,
    ) -> None:
        """Prepare it.

        Args:
            node: The label every series carries.
            subjects: Whose values are shown.
            statements: What is shown besides.
            openmetrics: Write OpenMetrics rather than Prometheus' own text.
        """
        self._node = ("node", node)
        self._subjects = subjects
        self._statements = statements
        self._openmetrics = openmetrics
        self._turn = -1
        self._parts: list[str] = []
        """Text, number, text, number, ..., text."""
        self._slots: list[dict[str, int]] = []
        """By subject: the place in `_parts` of each column that is not absent."""
        self._ways: list[dict[Columns, _Way]] = []
        """By subject: how columns that are read together get there."""

    def render(self, turn: int = 0) -> bytes:
        """The page with the values as they are now.

        What is null or no finite number is absent.

        Args:
            turn: The newest turn in which values were read.
        """
        if not self._parts or not self._put_in():
            self._lay_out()
        self._turn = turn
        return "".join(self._parts).encode()

    def _put_in(self) -> bool:
        """Put new numbers in place of old ones; False if other lines are needed, too."""
        parts, last = self._parts, self._turn
        for index, subject in enumerate(self._subjects):
            for columns, turn in subject.read.items():
                if turn <= last:
                    continue
                way = self._ways[index].get(columns)
                if way is None:
                    slots = self._slots[index]
                    way = self._ways[index][columns] = _Way(subject.table, columns, slots)
                numbers = way.numbers(subject.values)
                if numbers is None:
                    return False
                for slot, number in zip(way.slots, numbers, strict=True):
                    parts[slot] = number
        return True

    def _lay_out(self) -> None:
        """Write the text around the values that are there, and note their places in it."""
        self._slots = [{} for _ in self._subjects]
        self._ways = [{} for _ in self._subjects]
        parts: list[str] = []
        text = ""
        for table, subjects in self._tables():
            for metrics in _families(table):
                head = self._head(metrics)
                for metric, (index, subject) in product(metrics, subjects):
                    number = _number(subject.values.get(metric.column))
                    if number is None:
                        continue
                    labels = _braces((self._node, *subject.labels, *metric.labels))
                    parts += (f"{text}{head}{metric.name}{labels} ", number)
                    self._slots[index][metric.column] = len(parts) - 1
                    text, head = "\n", ""
        for statements in _by_family(self._statements):
            first = statements[0]
            name = PREFIX + first.family
            text += self._comments(name, "gauge", None, first.help)
            # Two statements that read the same are one: a series may be there only once.
            labels_there = dict.fromkeys(_braces((self._node, *one.labels)) for one in statements)
            text += "".join(f"{name}{labels} 1\n" for labels in labels_there)
        if self._openmetrics:
            text += "# EOF\n"
        self._parts = [*parts, text]

    def _tables(self) -> Iterator[tuple[Table, list[tuple[int, Subject]]]]:
        """Every table, in the catalogue's order, and its subjects with their indexes."""
        for table in TABLES.values():
            yield table, [pair for pair in enumerate(self._subjects) if pair[1].table is table]

    def _head(self, metrics: Sequence[Metric]) -> str:
        """The comment lines before the series of a family."""
        first = metrics[0]
        is_total = first.kind is Kind.COUNTER and self._openmetrics
        name = first.name.removesuffix("_total") if is_total else first.name
        unit = _UNIT_NAMES.get(first.unit)
        if unit is not None and not name.endswith("_" + unit):
            unit = None
        return self._comments(name, first.kind.value, unit, _help(metrics))

    def _comments(self, name: str, kind: str, unit: str | None, help: str) -> str:
        if not self._openmetrics:
            return f"# HELP {name} {_escaped_line(help)}\n# TYPE {name} {kind}\n"
        unit_line = "" if unit is None else f"# UNIT {name} {unit}\n"
        return f"# TYPE {name} {kind}\n{unit_line}# HELP {name} {_escaped(help)}\n"


class _Way:
    """How the values of columns that are read together get to their places.

    A page has hundreds of values each second, and in Python a step for each costs as much as
    writing its digits. So they are taken, checked and written all at once.
    """

    __slots__ = ("_absent", "_get", "_get_absent", "slots")

    def __init__(self, table: Table, columns: Columns, slots: Mapping[str, int]) -> None:
        names = [metric.column for metric in table.metrics if metric.column in columns.names]
        absent = [name for name in names if name not in slots]
        there = [name for name in names if name in slots]
        self.slots = [slots[name] for name in there]
        self._get, self._get_absent = _getter(there), _getter(absent)
        self._absent = (None,) * len(absent)

    def numbers(self, values: Mapping[str, Value]) -> Iterable[str] | None:
        """The numbers as they are written, in the order of `slots`.

        None if one of them is absent now, or if one is there that was absent.
        """
        there = self._get(values)
        try:
            is_same = math.isfinite(sum(there)) and self._get_absent(values) == self._absent
        except TypeError:  # one of them is null
            return None
        return map(repr, there) if is_same else None


def _families(table: Table) -> Iterable[list[Metric]]:
    """The table's metrics, those of one Prometheus name together."""
    families: dict[str, list[Metric]] = {}
    for metric in table.metrics:
        families.setdefault(metric.name, []).append(metric)
    return families.values()


def _by_family(statements: Iterable[Statement]) -> Iterable[list[Statement]]:
    families: dict[str, list[Statement]] = {}
    for statement in statements:
        families.setdefault(statement.family, []).append(statement)
    return families.values()


def _help(metrics: Sequence[Metric]) -> str:
    """One sentence for the family; each column's own, after its labels, where there are several."""
    if len(metrics) == 1:
        return metrics[0].help
    return " ".join(
        f"{' '.join(value for _, value in metric.labels)}: {metric.help}" for metric in metrics
    )


def _braces(labels: Labels) -> str:
    """`{a="b",...}`; an empty label is one that is not there."""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels if value) + "}"


def _escaped(text: str) -> str:
    return _escaped_line(text).replace('"', '\\"')


def _escaped_line(text: str) -> str:
    # What cannot be written as UTF-8 came from outside and must not cost the whole page.
    text = text.encode(errors="replace").decode()
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Takes the values of these names."""
    if not names:
        return lambda _: ()
    if len(names) == 1:  # of which `itemgetter` would return no tuple
        name = names[0]
        return lambda values: (values[name],)
    return itemgetter(*names)


def _number(value: Value) -> str | None:
    """A finite number as it is written; None for everything else."""
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return repr(value) if is_number else None
