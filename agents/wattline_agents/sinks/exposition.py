"""Writes the page that Prometheus reads, straight from the catalogue.

What of a page changes from one scrape to the next is its numbers, and of them only those that were
read meanwhile. So the text between the numbers is made once per set of series, and a page is that
text with the new numbers put in: some hundred times less work than building every series anew.
Both of Prometheus' formats are written: its own text, version 0.0.4, and OpenMetrics 1.0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from wattline_agents.catalogue import PREFIX, TABLES, Metric, Table, Type
from wattline_agents.columns import Columns
from wattline_agents.record import record
from wattline_agents.sinks.exposition_text import (
    Labels,
    comments,
    head,
    line_begin,
    line_end,
    listed,
)
from wattline_agents.wire import Value

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

__all__ = [
    "OPENMETRICS",
    "TEXT",
    "Labels",
    "Page",
    "Reading",
    "Readings",
    "Statement",
    "Subject",
]


class Reading:
    """What was read together last; a newer reading of the same columns takes its place.

    Of a column that is in several, the newest counts.

    Attributes:
        columns: The columns of the row.
        cells: Their values; those that are no metrics are passed over.
        turn: When it was read. Turns only grow, and a page looks again at those of new turns only.
    """

    __slots__ = ("cells", "columns", "turn")

    def __init__(self, columns: Columns, cells: Sequence[Value], turn: int = 0) -> None:
        """Take it."""
        self.columns, self.cells, self.turn = columns, cells, turn


ReadingT = TypeVar("ReadingT", bound=Reading)


class Readings(dict[Columns, ReadingT]):
    """What is known of one subject, by columns.

    Attributes:
        turn: The newest of theirs: a page that knows it looks at none of them.
    """

    __slots__ = ("turn",)

    def __init__(self, readings: Iterable[ReadingT] = ()) -> None:
        """Take them."""
        super().__init__((one.columns, one) for one in readings)
        self.turn = max([one.turn for one in self.values()], default=0)


@record(frozen=True, slots=True)
class Subject:
    """What has series of a table: a device, the node, a job, ...

    Attributes:
        table: Whose metrics it has.
        labels: What tells it from others of the table.
        readings: What is known of it, by columns.
    """

    table: Table
    labels: Labels
    readings: Readings[Any]


@record(frozen=True, slots=True)
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


class _Family:
    """The series of one name.

    Attributes:
        begins: Each series up to its number: its metric, and its subject's place.
        lines: The number of each and the line's end; nothing where it is absent.
        place: The place of its text among those of the page.
    """

    __slots__ = ("_head", "_is_full", "_template", "begins", "lines", "place")

    def __init__(self, head: bytes, place: int) -> None:
        self._head, self.place = head, place
        self.begins: list[tuple[Metric, int]] = []
        self.lines: list[bytes] = []
        self._template: bytes | None = None
        self._is_full = False

    def changed(self) -> None:
        """A series came or went."""
        self._template = None

    def text(self, labels: Sequence[str]) -> bytes:
        """Its series, behind its comments; nothing if there are none.

        Args:
            labels: Those of each subject, listed.
        """
        if self._template is None:
            there = zip(self.begins, self.lines, strict=True)
            begins = [line_begin(metric, labels[of]) for (metric, of), line in there if line]
            texts = [text.replace(b"%", b"%%") for text in (self._head, *begins)]
            self._template = texts[0] + b"%b".join([*texts[1:], b""]) if begins else b""
            self._is_full = all(self.lines)
        lines = self.lines if self._is_full else [line for line in self.lines if line]
        return self._template % tuple(lines)


class _Slot:
    """Where one series stands.

    Attributes:
        metric: What it is a series of.
        family: Where it is.
        place: Of its number among the lines of the family.
        shown: The value of the number there, where the metric is a whole number.
    """

    __slots__ = ("family", "metric", "place", "shown")

    def __init__(self, metric: Metric, family: _Family, place: int) -> None:
        self.metric, self.family, self.place = metric, family, place
        self.shown: Value = None


class _Way:
    """How a row of certain columns of one subject gets onto the page.

    Fractions mostly differ from one reading to the next, so all are written, at once. Whole numbers
    mostly do not.

    Attributes:
        slots: The slots of those, and their column's place in a row.
        fractions: Where they stand, in the same order.
        get_fractions: Gets their values of a row.
        template: Writes them, a line each.
        families: The places of their families.
        is_whole: The subject's count of comings and goings when all of them were there.
        numbers: The slots of all other metrics, and their column's place in a row.
    """

    __slots__ = (
        "families", "fractions", "get_fractions", "is_whole", "numbers", "slots", "template",
    )  # fmt: skip

    def __init__(self, slots: Mapping[str, _Slot], columns: Columns) -> None:
        there = [(place, slots[name]) for name, place in columns.places.items() if name in slots]
        self.numbers = [one for one in there if one[1].metric.type is not Type.FLOAT]
        self.slots = [one for one in there if one[1].metric.type is Type.FLOAT]
        self.fractions = [(slot.family.lines, slot.place) for _, slot in self.slots]
        self.get_fractions = _getter([place for place, _ in self.slots])
        self.template = b"%.14g\n" * len(self.slots)
        self.families = {slot.family.place for _, slot in self.slots}
        self.is_whole = -1


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
        self._openmetrics = openmetrics
        self._turn = -1
        self._is_laid_out = False
        self._families: list[_Family] = []
        self._texts: list[bytes] = []
        """Of each family."""
        self._stale: set[int] = set()
        """Places of texts that are to be put together anew."""
        self._slots: list[dict[str, _Slot]] = []
        """By subject and column."""
        self._ways: list[dict[Columns, _Way]] = []
        """By subject."""
        self._labels: list[str] = []
        """By subject."""
        self._changes: list[int] = []
        """By subject: how often one of its series came or went."""
        self._end = b""
        """What stands behind all families."""
        self.state(statements)

    def render(self, turn: int = 0) -> bytes:
        """The page with the values as they are now.

        What is null or no finite number is absent.

        Args:
            turn: The newest turn in which values were read.
        """
        if not self._is_laid_out:
            self._is_laid_out = True
            self._lay_out()
        last, self._turn = self._turn, turn
        for index, subject in enumerate(self._subjects):
            if subject.readings.turn <= last:
                continue
            fresh = [reading for reading in subject.readings.values() if reading.turn > last]
            if len(fresh) > 1:
                fresh.sort(key=_turn)
            for reading in fresh:
                way = self._ways[index].get(reading.columns)
                self._put(index, way or self._new_way(index, reading.columns), reading.cells)
        for place in self._stale:
            self._texts[place] = self._families[place].text(self._labels)
        self._stale.clear()
        return b"".join([*self._texts, self._end])

    def state(self, statements: Sequence[Statement]) -> None:
        """Show these statements in the place of those before."""
        text = ""
        for members in _by_family(statements):
            name = PREFIX + members[0].family
            text += comments(name, "gauge", None, members[0].help, openmetrics=self._openmetrics)
            # Two statements that read the same are one: a series may be there only once.
            labels_there = dict.fromkeys(listed((self._node, *one.labels)) for one in members)
            text += "".join([f"{name}{{{labels}}} 1\n" for labels in labels_there])
        if self._openmetrics:
            text += "# EOF\n"
        self._end = text.encode()

    def _put(self, index: int, way: _Way, cells: Sequence[Value]) -> None:
        """Put new numbers in place of old ones."""
        if way.fractions:
            self._put_fractions(index, way, cells)
        for place, slot in way.numbers:
            value = cells[place]
            if value != slot.shown:
                self._put_one(index, slot, value)

    def _put_fractions(self, index: int, way: _Way, cells: Sequence[Value]) -> None:
        values = way.get_fractions(cells)
        try:
            text = way.template % values
            lines = text.splitlines(keepends=True)
            # Fourteen digits are all that what is read has; what has more is written on its own.
            is_exact = b"n" not in text and tuple(map(float, lines)) == values
        except TypeError:  # one of them is null
            is_exact = False
        if not is_exact or way.is_whole != self._changes[index]:
            for place, slot in way.slots:
                self._put_one(index, slot, cells[place])
            way.is_whole = self._changes[index] if is_exact else -1
            return
        self._stale |= way.families
        for (shown, place), line in zip(way.fractions, lines, strict=True):
            shown[place] = line

    def _put_one(self, index: int, slot: _Slot, value: Value) -> None:
        line = line_end(value)
        family, place = slot.family, slot.place
        if bool(line) != bool(family.lines[place]):
            self._changes[index] += 1
            family.changed()
        family.lines[place] = line
        slot.shown = value
        self._stale.add(family.place)

    def _new_way(self, index: int, columns: Columns) -> _Way:
        readings, ways = self._subjects[index].readings, self._ways[index]
        for old in ways.keys() - readings.keys():
            del ways[old]
        way = ways[columns] = _Way(self._slots[index], columns)
        return way

    def _lay_out(self) -> None:
        """Give every series its place; what is known is put there as what is read later."""
        self._slots = [{} for _ in self._subjects]
        self._ways = [{} for _ in self._subjects]
        self._changes = [0] * len(self._subjects)
        self._labels = [listed((self._node, *one.labels)) for one in self._subjects]
        self._turn = -1
        for table, members in self._tables():
            for metrics in _families(table) if members else ():
                text = head(metrics, openmetrics=self._openmetrics).encode()
                family = _Family(text, len(self._families))
                self._families.append(family)
                for metric in metrics:
                    for index in members:
                        self._slots[index][metric.column] = _Slot(metric, family, len(family.lines))
                        family.begins.append((metric, index))
                        family.lines.append(b"")
        self._texts = [b""] * len(self._families)

    def _tables(self) -> Iterator[tuple[Table, list[int]]]:
        """Every table in the catalogue's order: the places of its subjects."""
        for table in TABLES.values():
            yield table, [index for index, one in enumerate(self._subjects) if one.table is table]


def _turn(reading: Reading) -> int:
    return reading.turn


def _getter(places: Sequence[int]) -> Callable[[Sequence[Value]], tuple[Value, ...]]:
    """Gets the values at these places of a row."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda cells: tuple([cells[place] for place in places])


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
