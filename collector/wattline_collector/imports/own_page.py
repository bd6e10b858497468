"""Pages of this project's own agent, mapped back by the catalogue they were written from.

Every metric's series become columns again, and the statements `aif_gpu_info`, `aif_host_info` and
`aif_job_info` rows of who is who. Which job holds which device is on a page, since when is not:
a device counts as held from the first page that says so to the first that does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline_agents.catalogue import PREFIX, TABLES, Table, Type
from wattline_agents.errors import WireError
from wattline_agents.rows import checked_value
from wattline_agents.sources.scraped.page import Page, Sample
from wattline_agents.sources.scraped.values import value_of
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value, checked_name

_INFO = {
    PREFIX + "gpu_info": "device_info",
    PREFIX + "host_info": "node_info",
    PREFIX + "job_info": "job_info",
}
_CAPABILITY = PREFIX + "gpu_capability_off"
_ASSIGNMENT = PREFIX + "gpu_assignment"
_NODE = "node"
_MOST_HELD = 4_096

_Series = tuple[Table, str, tuple[tuple[str, str], ...]]
"""A table, one of its columns, and the labels that tell it from others of its name."""


def _series() -> Mapping[str, list[_Series]]:
    """Every metric's name on a page -> what it may be."""
    found: dict[str, list[_Series]] = {}
    for table in TABLES.values():
        for metric in table.metrics:
            found.setdefault(metric.name, []).append((table, metric.column, metric.labels))
    return found


_METRICS = _series()


def wants(name: str) -> bool:
    """Whether a metric of that name is one of this project's own."""
    return name in _METRICS or name in _INFO or name in (_ASSIGNMENT, _CAPABILITY)


def is_ours(text: str) -> bool:
    """Whether a page is of this project's own agent."""
    return text.startswith(PREFIX) or f"\n{PREFIX}" in text


@dataclass(slots=True)
class OwnPages:
    """Pages read one after the other.

    Attributes:
        node: The name of a node whose pages do not tell it.
    """

    node: str
    _held: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def rows(self, page: Page, time_ms: int) -> dict[str, Readings]:
        """Node -> its rows of a page.

        Args:
            page: Parsed by what `wants`.
            time_ms: When it was recorded.
        """
        found: dict[str, dict[str, dict[tuple[str, ...], dict[str, Value]]]] = {}
        held: set[tuple[str, str, str]] = set()
        for name, samples in page.samples.items():
            for sample in samples:
                node = self._node(sample)
                tables = found.setdefault(node, {})
                if name == _ASSIGNMENT:
                    device, job = sample.labels.get("device"), sample.labels.get("job")
                    if device and job and len(held) < _MOST_HELD:
                        held.add((node, device, job))
                elif name in _INFO or name == _CAPABILITY:
                    _say(tables, TABLES[_INFO.get(name, "capability")], sample, time_ms)
                else:
                    _put(tables, sample, time_ms)
        readings: dict[str, Readings] = {
            node: {table: list(rows.values()) for table, rows in tables.items() if rows}
            for node, tables in found.items()
        }
        for node, row in self._assignments(held, time_ms):
            readings.setdefault(node, {}).setdefault("assignment", []).append(row)
        return readings

    def _node(self, sample: Sample) -> str:
        try:
            return checked_name(sample.labels.get(_NODE, ""), _NODE)
        except WireError:
            return self.node

    def _assignments(self, held: set[tuple[str, str, str]], time_ms: int) -> list[tuple[str, Row]]:
        rows: list[tuple[str, Row]] = []
        for key in sorted(held | self._held.keys()):
            node, device, job = key
            row: dict[str, Value] = {
                "time_unix_ms": time_ms,
                "device": device,
                "job": job,
                "start_unix_ms": self._held.setdefault(key, time_ms),
                "method": "recording",
            }
            if key not in held:
                row["end_unix_ms"] = time_ms
                del self._held[key]
            rows.append((node, row))
        return rows


def _row_of(
    tables: dict[str, dict[tuple[str, ...], dict[str, Value]]],
    table: Table,
    sample: Sample,
    time_ms: int,
) -> dict[str, Value] | None:
    """The row the sample's labels name, with its key; None if they do not name one."""
    key = tuple([sample.labels.get(column, "") for column in table.key])
    rows = tables.setdefault(table.name, {})
    row = rows.get(key)
    if row is None:
        row = {"time_unix_ms": time_ms}
        for column, text in zip(table.key, key, strict=True):
            value = _field(table, column, text)
            if value is None and column in table.required:
                return None
            row[column] = value
        rows[key] = row
    return row


def _put(
    tables: dict[str, dict[tuple[str, ...], dict[str, Value]]], sample: Sample, time_ms: int
) -> None:
    for table, column, labels in _METRICS[sample.name]:
        if all(sample.labels.get(name) == value for name, value in labels):
            row = _row_of(tables, table, sample, time_ms)
            if row is not None:
                row.setdefault(column, value_of(table, column, sample.value))


def _say(
    tables: dict[str, dict[tuple[str, ...], dict[str, Value]]],
    table: Table,
    sample: Sample,
    time_ms: int,
) -> None:
    row = _row_of(tables, table, sample, time_ms)
    if row is None:
        return
    for column in table.columns:
        text = sample.labels.get(column)
        if text and column not in row:
            row[column] = _field(table, column, text)


def _field(table: Table, column: str, text: str) -> Value:
    """A label's text as its column holds it; None if it cannot."""
    kind = table.columns[column]
    value: object = text
    if kind is Type.INT:
        value = (
            int(text) if text.isascii() and text.lstrip("-").isdigit() and len(text) < 19 else None
        )
    if not text or (isinstance(value, str) and not text.isprintable()):
        return None
    try:
        return checked_value(value, kind, column)
    except WireError:
        return None
