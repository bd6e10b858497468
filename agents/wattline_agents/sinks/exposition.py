"""Writes the page that Prometheus reads, straight from the catalogue.

What of a page changes from one scrape to the next is its numbers, and of them only those that were
read meanwhile. So the text between the numbers is made once per set of series, and a page is that
text with the new numbers put in: some hundred times less work than building every series anew.
Both of Prometheus' formats are written: its own text, version 0.0.4, and OpenMetrics 1.0.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from wattline_agents.catalogue import PREFIX, TABLES, Metric, Table, Type
from wattline_agents.columns import Columns, columns_of
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

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


_MOST_PLANS = 256
"""Of one table: sets of columns that rows have, one for each pace that falls on a tick."""

_FRACTION, _WHOLE = b"%.14g\n", b"%d\n"
"""Fourteen digits are all that what is read has, and so the system writes it in half the time."""
_MOST_PLAIN = 1e11
"""Below it fourteen digits end with a thousandth, the last digit that sums are kept with."""
_PROVED_FOR = 60
"""After so many pages it is looked again whether fourteen digits are all. How finely something is
read does not change from one to the next; if it did, they would be wrong in the fifteenth digit."""

if TYPE_CHECKING:
    ReadingT = TypeVar("ReadingT", bound=Reading)
else:
    ReadingT = Reading


class Readings(dict[Columns, ReadingT]):
    """What is known of one subject, by columns.

    Attributes:
        turn: The newest of theirs: a page that knows it looks at none of them.
        before: The newest of all but `newest`; a page that knows it looks at that one alone.
        newest: That with the newest turn.
    """

    __slots__ = ("before", "newest", "turn")

    def __init__(self, readings: Iterable[ReadingT] = ()) -> None:
        """Take them."""
        super().__init__((one.columns, one) for one in readings)
        self.before = self.turn = max([one.turn for one in self.values()], default=0)
        self.newest: ReadingT | None = None

    def renew(self, reading: ReadingT, turn: int) -> None:
        """Note that one of them was read in this turn, which is none before the newest."""
        reading.turn = turn
        if reading is not self.newest:
            self.newest, self.before = reading, self.turn
        self.turn = turn


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
        numbers: The number of each.
        text: It behind its comments, as it was written last; nothing if there are no series.
    """

    __slots__ = ("_head", "_is_fraction", "_proved", "_shown", "_template", "_there", "begins",
                 "numbers", "text")  # fmt: skip

    def __init__(self, head: bytes, is_fraction: bool) -> None:
        self._head, self._is_fraction = head, is_fraction
        self.begins: list[tuple[Metric, int]] = []
        self.numbers: list[Value] = []
        self.text = b""
        self._shown: tuple[Value, ...] = ()
        # Of which series the template is; None: of all, with the numbers' format in it.
        self._there: tuple[bool, ...] | None = ()
        self._template = b""
        # How often numbers need not be looked at whole; below nought: how often none is plain.
        self._proved = 0

    def show(self, labels: Sequence[str]) -> None:
        """Write it anew if a number changed.

        Args:
            labels: Those of each subject, listed.
        """
        shown = tuple(self.numbers)
        if shown == self._shown:
            return
        self._shown = shown
        there: tuple[bool, ...] | None = None
        if self._are_plain(shown):
            numbers: tuple[Any, ...] = shown
        else:
            lines = [line_end(value) for value in shown]
            there = tuple([line != b"" for line in lines])
            numbers = tuple([line for line in lines if line])
        if there != self._there:
            self._there = there
            self._template = self._made(labels)
        self.text = self._template % numbers

    def _are_plain(self, values: tuple[Any, ...]) -> bool:
        """Whether numbers are as they mostly are: all there, and no longer than what is read."""
        try:
            total = sum(values)
        except TypeError:
            return False  # one of them is null or no number
        if not self._is_fraction:
            return type(total) is int
        if not -_MOST_PLAIN < total < _MOST_PLAIN:  # one of them may have no end
            return False
        if self._proved == 0:
            lines = (_FRACTION * len(values) % values).splitlines()
            is_proved = tuple(map(float, lines)) == values
            self._proved = _PROVED_FOR if is_proved else -_PROVED_FOR
        is_plain = self._proved > 0
        self._proved -= 1 if is_plain else -1
        return is_plain

    def _made(self, labels: Sequence[str]) -> bytes:
        """The template of the series that are there."""
        there = self._there
        begins = [
            line_begin(metric, labels[of])
            for place, (metric, of) in enumerate(self.begins)
            if there is None or there[place]
        ]
        number = b"%b" if there is not None else _FRACTION if self._is_fraction else _WHOLE
        texts = [text.replace(b"%", b"%%") for text in (self._head, *begins)]
        return texts[0] + number.join([*texts[1:], b""]) if begins else b""


class _Plan:
    """How rows of certain columns get onto the page.

    Attributes:
        moves: A family, the place of the first subject's number in it, and the place of the value
            in a row.
        families: All of them.
    """

    __slots__ = ("families", "moves")

    def __init__(self, slots: Mapping[str, tuple[_Family, int]], columns: Columns) -> None:
        there = [(slots[name], place) for name, place in columns.places.items() if name in slots]
        self.moves = [(family, first, place) for (family, first), place in there]
        self.families = frozenset([family for family, _, _ in self.moves])


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
        self._places: list[int] = []
        """By subject: its place among those of its table."""
        self._slots: dict[str, dict[str, tuple[_Family, int]]] = {}
        """By table and column: the family, and the place of the first subject's number in it."""
        self._plans: dict[str, dict[Columns, _Plan]] = {}
        """By table."""
        self._labels: list[str] = []
        """By subject."""
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
        stale: set[_Family] = set()
        for plan, place, rows in self._fresh(last):
            if len(rows) == 1:
                for family, first, column in plan.moves:
                    family.numbers[first + place] = rows[0][column]
            else:
                columns, end = [*zip(*rows, strict=True)], place + len(rows)
                for family, first, column in plan.moves:
                    family.numbers[first + place : first + end] = columns[column]
            stale |= plan.families
        for family in stale:
            family.show(self._labels)
        texts = [family.text for family in self._families]
        texts.append(self._end)
        return b"".join(texts)

    def _fresh(self, last: int) -> Iterator[tuple[_Plan, int, list[Sequence[Value]]]]:
        """What was read after that turn: where it goes, the first subject's place, and the rows.

        Subjects that follow each other and were read alike, as most devices are, come together.
        """
        table, columns, place = "", columns_of(()), 0
        rows: list[Sequence[Value]] = []
        for index, subject in enumerate(self._subjects):
            readings = subject.readings
            if readings.turn <= last:
                continue
            fresh: Sequence[Reading]
            if readings.newest is not None and readings.before <= last:
                fresh = (readings.newest,)
            else:
                fresh = sorted([one for one in readings.values() if one.turn > last], key=_turn)
            for reading in fresh:
                if (
                    reading.columns is columns
                    and self._places[index] == place + len(rows)
                    and subject.table.name == table
                ):
                    rows.append(reading.cells)
                    continue
                if rows:
                    yield self._plan(table, columns), place, rows
                table, columns = subject.table.name, reading.columns
                place, rows = self._places[index], [reading.cells]
        if rows:
            yield self._plan(table, columns), place, rows

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

    def _plan(self, table: str, columns: Columns) -> _Plan:
        """Where the values of rows of these columns go."""
        plans = self._plans[table]
        plan = plans.get(columns)
        if plan is None:
            if len(plans) >= _MOST_PLANS:
                plans.clear()
            plan = plans[columns] = _Plan(self._slots[table], columns)
        return plan

    def _lay_out(self) -> None:
        """Give every series its place; what is known is put there as what is read later."""
        self._places = [0] * len(self._subjects)
        self._labels = [listed((self._node, *one.labels)) for one in self._subjects]
        self._turn = -1
        for table, members in self._tables():
            slots = self._slots[table.name] = {}
            self._plans[table.name] = {}
            for place, index in enumerate(members):
                self._places[index] = place
            for metrics in _families(table) if members else ():
                text = head(metrics, openmetrics=self._openmetrics).encode()
                family = _Family(text, metrics[0].type is Type.FLOAT)
                self._families.append(family)
                for metric in metrics:
                    slots[metric.column] = family, len(family.begins)
                    family.begins += [(metric, index) for index in members]
                family.numbers = [None] * len(family.begins)

    def _tables(self) -> Iterator[tuple[Table, list[int]]]:
        """Every table in the catalogue's order: the places of its subjects."""
        for table in TABLES.values():
            yield table, [index for index, one in enumerate(self._subjects) if one.table is table]


def _turn(reading: Reading) -> int:
    return reading.turn


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
