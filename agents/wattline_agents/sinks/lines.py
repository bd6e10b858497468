"""InfluxDB's line protocol, straight from the catalogue.

A Prometheus name is cut behind its first word: `aif_gpu_power_watts` is field `power_watts` of
measurement `aif_gpu`. So InfluxDB keeps a row together, and VictoriaMetrics, which puts the two
together again, has the series and labels that a scrape of the agent has. (It does so if started
with `-influxMeasurementFieldSeparator=_`.) What tells columns of one Prometheus name apart, such as
a reason, is a tag, and such columns have lines of their own.

A field has the type its column has in the catalogue, whatever the value: InfluxDB refuses a field
whose type changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

from wattline_agents.catalogue import PREFIX, TABLES, Table, Type
from wattline_agents.sinks.exposition import Statement
from wattline_agents.wire import Row, Value

Tags = tuple[tuple[str, str], ...]

_MOST_LAYOUTS = 128
_MOST_HEADS = 2_048
"""Eight devices have some two hundred; a name is escaped once and not every second."""

_ESCAPED = str.maketrans(
    {",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n", "\t": r"\t", "\r": r"\r"}
)


@dataclass(frozen=True, slots=True)
class Line:
    """Columns of a table that stand on one line.

    Attributes:
        measurement: Its measurement.
        labels: Its tags besides those of the row.
        fields: Column, field, and whether the field holds whole numbers.
    """

    measurement: str
    labels: Tags
    fields: tuple[tuple[str, str, bool], ...]


def measurement_and_field(family: str) -> tuple[str, str]:
    """What a Prometheus name without its prefix becomes.

    >>> measurement_and_field("gpu_power_watts")
    ('aif_gpu', 'power_watts')
    """
    first, _, rest = family.partition("_")
    return PREFIX + first, rest


def lines_of(table: Table) -> tuple[Line, ...]:
    """How a row of the table is written."""
    return _lines_of(table.name)


@cache
def _lines_of(name: str) -> tuple[Line, ...]:
    fields: dict[tuple[str, Tags], list[tuple[str, str, bool]]] = {}
    for metric in TABLES[name].metrics:
        measurement, field = measurement_and_field(metric.family)
        is_whole = metric.type is Type.INT
        fields.setdefault((measurement, metric.labels), []).append((metric.column, field, is_whole))
    return tuple(
        Line(measurement, labels, tuple(columns))
        for (measurement, labels), columns in fields.items()
    )


def write_rows(node: str, table: Table, rows: Sequence[Row]) -> Iterator[str]:
    """Lines of all values that the rows hold; times are milliseconds.

    Rows of one table have the same few sets of columns again and again, so what stands around the
    numbers is made once for a set.
    """
    for row in rows:
        columns = tuple([column for column, value in row.items() if value is not None])
        layout = _layout(table.name, columns)
        values = layout.values(row)
        if not math.isfinite(sum(values)):
            known = tuple([column for column in columns if _is_finite(row[column])])
            layout = _layout(table.name, known)
            values = layout.values(row)
        if values:
            subject = (("node", node), *((key, _text(row.get(key))) for key in table.key))
            texts = (layout.template % values).split("\n")
            for line, text in zip(layout.lines, texts, strict=True):
                head = _head(line.measurement, (*subject, *line.labels))
                yield f"{head} {text} {row['time_unix_ms']}"


@dataclass(frozen=True, slots=True)
class _Layout:
    """How rows with certain columns are written.

    Attributes:
        lines: The lines they have.
        template: The fields of these lines, one a line of text.
        values: Takes the values out of a row in the template's order.
    """

    lines: tuple[Line, ...]
    template: str
    values: Callable[[Row], tuple[Any, ...]]


@lru_cache(_MOST_LAYOUTS)
def _layout(name: str, columns: tuple[str, ...]) -> _Layout:
    lines: list[Line] = []
    texts: list[str] = []
    order: list[str] = []
    for line in _lines_of(name):
        fields = [one for one in line.fields if one[0] in columns]
        if fields:
            lines.append(line)
            texts.append(",".join(f"{f}={'%di' if whole else '%r'}" for _, f, whole in fields))
            order += [column for column, _, _ in fields]
    return _Layout(tuple(lines), "\n".join(texts), _getter(order))


def _getter(columns: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    if not columns:
        return lambda _: ()
    if len(columns) == 1:  # of which `itemgetter` would return no tuple
        only = columns[0]
        return lambda row: (row[only],)
    return itemgetter(*columns)


def _is_finite(value: Value) -> bool:
    return not isinstance(value, int | float) or math.isfinite(value)


def write_statements(
    node: str, statements: Iterable[Statement], time_unix_ms: int
) -> Iterator[str]:
    """Lines of value 1 that say all they have to say in their tags."""
    for one in statements:
        measurement, field = measurement_and_field(one.family)
        yield f"{_head(measurement, (('node', node), *one.labels))} {field}=1i {time_unix_ms}"


@lru_cache(_MOST_HEADS)
def _head(measurement: str, tags: Tags) -> str:
    """Measurement and tags, in the order InfluxDB likes best; an empty tag is one not there."""
    known = sorted((name, value) for name, value in tags if value)
    return ",".join((measurement, *(f"{name}={_escaped(value)}" for name, value in known)))


def _escaped(text: str) -> str:
    # What cannot be written as UTF-8 came from outside and must not cost the whole batch.
    text = text.encode(errors="replace").decode().translate(_ESCAPED)
    # A backslash would swallow what stands between this tag and the next.
    return text + " " if text.endswith("\\") else text


def _text(value: Value) -> str:
    return "" if value is None else str(value)
