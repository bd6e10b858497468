"""Writes the page that Prometheus reads, straight from the catalogue.

What of a page changes from one scrape to the next is its numbers, and of them only those that were
read meanwhile. So the text between the numbers is made once per set of series, and a page is that
text with the new numbers put in: some hundred times less work than building every series anew.
Both of Prometheus' formats are written: its own text, version 0.0.4, and OpenMetrics 1.0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from wattline_agents.catalogue import PREFIX, TABLES, Metric, Table, Type
from wattline_agents.record import record
from wattline_agents.sinks.exposition_text import (
    Labels,
    comments,
    head,
    line_begin,
    line_end,
    listed,
)
from wattline_agents.wire import Row, Value

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

__all__ = [
    "OPENMETRICS",
    "TEXT",
    "Columns",
    "Labels",
    "Page",
    "Reading",
    "Statement",
    "Subject",
]


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

    Of a column that is in several, the newest counts.

    Attributes:
        columns: The columns of the row.
        row: Values by column, in the order of `columns`; those that are no metrics are passed over.
        turn: When it was read. Turns only grow, and a page looks again at those of new turns only.
    """

    __slots__ = ("columns", "row", "turn")

    def __init__(self, columns: Columns, row: Row, turn: int = 0) -> None:
        """Take it."""
        self.columns, self.row, self.turn = columns, row, turn


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
    readings: Mapping[Columns, Reading]


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
        head: Its comments, which stand on the page while any series does.
        parts: Text and number of each series in turn; what is absent has its place and is empty.
        place: The place of its text among those of the page.
    """

    __slots__ = ("head", "parts", "place")

    def __init__(self, head: bytes, place: int) -> None:
        self.head, self.place = head, place
        self.parts: list[bytes] = []

    def text(self) -> bytes:
        text = b"".join(self.parts)
        return self.head + text if text else text


class _Slot:
    """Where one series stands.

    Attributes:
        metric: What it is a series of.
        family: Where it is.
        place: Of its number among the parts of the family.
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
        fractions: The slots of those.
        get_fractions: Gets their values of a row.
        template: Writes them, a line each.
        families: The places of their families.
        is_whole: The subject's count of comings and goings when all of them were there.
        numbers: The slots of all other metrics, by column.
    """

    __slots__ = ("families", "fractions", "get_fractions", "is_whole", "numbers", "template")

    def __init__(self, slots: Mapping[str, _Slot], columns: Columns) -> None:
        there = {name: slots[name] for name in columns.names if name in slots}
        names = [name for name, slot in there.items() if slot.metric.type is Type.FLOAT]
        self.numbers = [(name, slot) for name, slot in there.items() if name not in names]
        self.fractions = [(there[name].family.parts, there[name].place) for name in names]
        self.get_fractions = _getter(names)
        self.template = b"%.14g\n" * len(names)
        self.families = {there[name].family.place for name in names}
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
        self._statements = statements
        self._openmetrics = openmetrics
        self._turn = -1
        self._families: list[_Family] = []
        self._texts: list[bytes] = []
        """Of each family; then that of the statements."""
        self._stale: set[int] = set()
        """Places of texts that are to be put together anew."""
        self._slots: list[dict[str, _Slot]] = []
        """By subject and column."""
        self._ways: list[dict[Columns, _Way]] = []
        """By subject."""
        self._changes: list[int] = []
        """By subject: how often one of its series came or went."""

    def render(self, turn: int = 0) -> bytes:
        """The page with the values as they are now.

        What is null or no finite number is absent.

        Args:
            turn: The newest turn in which values were read.
        """
        if not self._texts:
            self._lay_out()
        last, self._turn = self._turn, turn
        for index, subject in enumerate(self._subjects):
            fresh = [reading for reading in subject.readings.values() if reading.turn > last]
            if len(fresh) > 1:
                fresh.sort(key=_turn)
            for reading in fresh:
                way = self._ways[index].get(reading.columns)
                self._put(index, way or self._new_way(index, reading.columns), reading.row)
        for place in self._stale:
            self._texts[place] = self._families[place].text()
        self._stale.clear()
        return b"".join(self._texts)

    def _put(self, index: int, way: _Way, row: Row) -> None:
        """Put new numbers in place of old ones."""
        if way.fractions:
            self._put_fractions(index, way, row)
        for name, slot in way.numbers:
            value = row[name]
            if value != slot.shown:
                self._put_one(index, slot, value)

    def _put_fractions(self, index: int, way: _Way, row: Row) -> None:
        values = way.get_fractions(row)
        try:
            text = way.template % values
            lines = text.splitlines(keepends=True)
            # Fourteen digits are all that what is read has; what has more is written on its own.
            is_exact = b"n" not in text and tuple(map(float, lines)) == values
        except TypeError:  # one of them is null
            is_exact = False
        if not is_exact or way.is_whole != self._changes[index]:
            slots = self._slots[index]
            for name, value in row.items():
                slot = slots.get(name)
                if slot is not None and slot.metric.type is Type.FLOAT:
                    self._put_one(index, slot, value)
            way.is_whole = self._changes[index] if is_exact else -1
            return
        self._stale |= way.families
        for (parts, place), line in zip(way.fractions, lines, strict=True):
            parts[place] = line

    def _put_one(self, index: int, slot: _Slot, value: Value) -> None:
        line = line_end(value)
        family, place = slot.family, slot.place
        if bool(line) != bool(family.parts[place]):
            self._changes[index] += 1
            labels = listed((self._node, *self._subjects[index].labels))
            family.parts[place - 1] = line_begin(slot.metric, labels) if line else b""
        family.parts[place] = line
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
        self._turn = -1
        for table, members in self._tables():
            for metrics in _families(table) if members else ():
                text = head(metrics, openmetrics=self._openmetrics).encode()
                family = _Family(text, len(self._families))
                self._families.append(family)
                for metric in metrics:
                    for slots in members:
                        family.parts += (b"", b"")
                        slots[metric.column] = _Slot(metric, family, len(family.parts) - 1)
        rest = ""
        for statements in _by_family(self._statements):
            name = PREFIX + statements[0].family
            rest += comments(name, "gauge", None, statements[0].help, openmetrics=self._openmetrics)
            # Two statements that read the same are one: a series may be there only once.
            labels_there = dict.fromkeys(listed((self._node, *one.labels)) for one in statements)
            rest += "".join([f"{name}{{{labels}}} 1\n" for labels in labels_there])
        if self._openmetrics:
            rest += "# EOF\n"
        self._texts = [*[b""] * len(self._families), rest.encode()]

    def _tables(self) -> Iterator[tuple[Table, list[dict[str, _Slot]]]]:
        """Every table in the catalogue's order: the slots of its subjects."""
        for table in TABLES.values():
            together = zip(self._slots, self._subjects, strict=True)
            yield table, [slots for slots, subject in together if subject.table is table]


def _turn(reading: Reading) -> int:
    return reading.turn


def _getter(names: Sequence[str]) -> Callable[[Row], tuple[Value, ...]]:
    """Gets the values of these columns of a row."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple([row[name] for name in names])


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
