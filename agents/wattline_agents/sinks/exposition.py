"""Writes the page that Prometheus reads, straight from the catalogue.

What of a page changes from one scrape to the next is its numbers, and of them only those that were
read meanwhile. So the text between the numbers is made once per set of series, and a page is that
text with the new numbers put in: some hundred times less work than building every series anew.
Both of Prometheus' formats are written: its own text, version 0.0.4, and OpenMetrics 1.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wattline_agents.catalogue import PREFIX, TABLES, Kind, Metric, Table
from wattline_agents.wire import Row, Value

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = tuple[tuple[str, str], ...]

_PLAIN = re.compile(r"[ !#-\[\]-~]*")
"""Text of which nothing needs to be escaped: most is."""
_ABSENT = -1
"""The place of a metric that has no series now."""
_NOWHERE = -2
"""The place of what is no metric."""
_DIGITS = frozenset("0123456789")
_NOTHING = object()
"""Differs from every value."""

_UNIT_NAMES = {
    "W": "watts",
    "J": "joules",
    "Cel": "celsius",
    "Hz": "hertz",
    "By": "bytes",
    "s": "seconds",
    "1": "ratio",
}


class Columns:
    """Columns that are read together: one and the same object whenever they are.

    Attributes:
        names: As they follow each other in a row.
    """

    __slots__ = ("names",)

    def __init__(self, names: tuple[str, ...]) -> None:
        """Name them."""
        self.names = names


class Reading:
    """What was read together last; a newer reading of the same columns takes its place.

    Attributes:
        columns: The columns of the row.
        row: Values by column, in the order of `columns`; those that are no metrics are passed over.
        turn: When it was read. Turns only grow, and a page looks again at those of new turns only.
    """

    __slots__ = ("columns", "row", "turn")

    def __init__(self, columns: Columns, row: Row, turn: int = 0) -> None:
        """Take it."""
        self.columns, self.row, self.turn = columns, row, turn


@dataclass(frozen=True, slots=True)
class Subject:
    """What has series of a table: a device, the node, a job, ...

    Attributes:
        table: Whose metrics it has.
        labels: What tells it from others of the table.
        readings: What is known of it, by columns; no column is in two of them.
    """

    table: Table
    labels: Labels
    readings: Mapping[Columns, Reading]


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
        self._parts: list[bytes] = []
        """Text, number, text, number, ..., text."""
        self._places: list[dict[str, int]] = []
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
        return b"".join(self._parts)

    def _put_in(self) -> bool:
        """Put new numbers in place of old ones; False if other lines are needed, too."""
        last = self._turn
        for index, subject in enumerate(self._subjects):
            for columns, reading in subject.readings.items():
                if reading.turn > last:
                    way = self._ways[index].get(columns) or self._new_way(index, columns)
                    if not way.put(reading.row, self._parts):
                        return False
        return True

    def _new_way(self, index: int, columns: Columns) -> _Way:
        subject, ways = self._subjects[index], self._ways[index]
        # The way of columns that are read no more would know an older number than stands there.
        for old in ways.keys() - subject.readings.keys():
            del ways[old]
        way = ways[columns] = _Way(subject.table, columns, self._places[index])
        return way

    def _lay_out(self) -> None:
        """Write the text around the values that are there, and note their places in it."""
        self._places = [{} for _ in self._subjects]
        self._ways = [{} for _ in self._subjects]
        parts: list[bytes] = []
        text = ""
        for table, subjects in self._tables():
            for metrics in _families(table) if subjects else ():
                head = self._head(metrics)
                for metric in metrics:
                    name, column, own = metric.name, metric.column, _listed(metric.labels)
                    for places, labels, values in subjects:
                        value = values.get(column)
                        number = None if value is None else _number(value)
                        if number is None:
                            continue
                        comma = "," if own and labels else ""
                        parts.append(f"{text}{head}{name}{{{labels}{comma}{own}}} ".encode())
                        places[column] = len(parts)
                        parts.append(number)
                        text, head = "\n", ""
        for statements in _by_family(self._statements):
            first = statements[0]
            name = PREFIX + first.family
            text += self._comments(name, "gauge", None, first.help)
            # Two statements that read the same are one: a series may be there only once.
            labels_there = dict.fromkeys(_listed((self._node, *one.labels)) for one in statements)
            text += "".join([f"{name}{{{labels}}} 1\n" for labels in labels_there])
        if self._openmetrics:
            text += "# EOF\n"
        self._parts = [*parts, text.encode()]

    def _tables(self) -> Iterator[tuple[Table, list[tuple[dict[str, int], str, Row]]]]:
        """Every table in the catalogue's order: places, labels and values of its subjects."""
        for table in TABLES.values():
            yield (
                table,
                [
                    (places, _listed((self._node, *subject.labels)), _values(subject))
                    for places, subject in zip(self._places, self._subjects, strict=True)
                    if subject.table is table
                ],
            )

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

    Most values are those of the reading before, and to write one costs ten times as much as to
    compare it: so only those that changed are written.
    """

    __slots__ = ("_before", "_places")

    def __init__(self, table: Table, columns: Columns, places: Mapping[str, int]) -> None:
        metrics = {metric.column for metric in table.metrics}
        self._places = [
            places.get(name, _ABSENT) if name in metrics else _NOWHERE for name in columns.names
        ]
        self._before: tuple[object, ...] = (_NOTHING,) * len(columns.names)

    def put(self, row: Row, parts: list[bytes]) -> bool:
        """Put in what changed; False if a series is absent now, or there that was absent."""
        values = tuple(row.values())
        before, self._before = self._before, values
        for place, value, old in zip(self._places, values, before, strict=True):
            if value == old:
                continue
            text = repr(value)
            if place >= 0 and text[-1] in _DIGITS:
                parts[place] = text.encode()
            elif place >= 0 or (place == _ABSENT and text[-1] in _DIGITS):
                return False
        return True


def _values(subject: Subject) -> Row:
    values: dict[str, Value] = {}
    for reading in subject.readings.values():
        values.update(reading.row)
    return values


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


def _listed(labels: Labels) -> str:
    """`a="b",...`; an empty label is one that is not there."""
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in labels if value])


def _escaped(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _escaped_line(text).replace('"', '\\"')


def _escaped_line(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    # What cannot be written as UTF-8 came from outside and must not cost the whole page.
    text = text.encode(errors="replace").decode()
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: Value) -> bytes | None:
    """A finite number as it is written; None for everything else."""
    text = repr(value)
    # Numbers end in a digit, and nothing else does: None, 'text', nan, inf.
    return text.encode() if text[-1] in _DIGITS else None
