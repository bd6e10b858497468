"""One reading as text for people: `wattline agent --once`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from wattline_agents.catalogue import TABLES, Metric, Table
from wattline_agents.clock import Clock
from wattline_agents.errors import WattlineError
from wattline_agents.node_rows import NodeRows
from wattline_agents.sources.source import CountsUnread, Given, Readings, SaysWhyNot, Source
from wattline_agents.telling import named
from wattline_agents.wire import Row, Value

_SHOWN = ("node", "meter", "device", "mig", "process", "job")
_BETWEEN_SECONDS = 1.0
_TURNS, _MOST_TURNS = 2, 10
"""Shares of time need two readings; instances of a device are read in turn, and there are seven."""
_ANSWER_SECONDS = 40.0
"""What is read elsewhere has this long: opening a driver may take thirty seconds."""
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


@runtime_checkable
class AnswersLater(Protocol):
    """A source that reads elsewhere, and can be waited for."""

    def read_now(self, now_ms: int, seconds: float) -> Given:
        """Ask, and wait until everything has answered or the time is over.

        Raises:
            ReadFailed: Nothing can be read.
        """
        ...


def read_once(sources: Sequence[Source], clock: Clock) -> tuple[Readings, list[str], list[Source]]:
    """Read every source twice, a second apart, and instances until each has had its turn twice.

    Returns:
        The newest rows; what failed; and the sources that gave no row at all.
    """
    found: Readings = {}
    of_node: dict[int, Row] = {}
    failed: dict[str, None] = {}
    left = list(enumerate(sources))
    empty = dict(left)
    now_ms = clock.unix_ms()
    turns = _Turns()
    for turn in range(_MOST_TURNS):
        if turn >= _TURNS:
            left = [(place, source) for place, source in left if turns.are_left(place)]
            if not left:
                break
        if turn:
            clock.sleep(_BETWEEN_SECONDS)
        now_ms = clock.unix_ms()
        for place, source in tuple(left):
            try:
                parts = (_read(source, now_ms), source.describe(now_ms))
            except Exception as error:  # a fault in one source's code must not silence the others
                kind = "" if isinstance(error, WattlineError) else f"{type(error).__name__}: "
                failed[named(source.name, f"{kind}{error}")] = None
                left.remove((place, source))
                continue
            turns.note(place, parts[0].get("mig", ()))
            if any(parts[0].values()):
                empty.pop(place, None)
            for part in parts:
                for table, rows in part.items():
                    _keep_newest(found.setdefault(table, []), rows, TABLES[table])
            for row in parts[0].get("node", ()):
                of_node[place] = row
    if of_node:
        given = [(place, {**row, "time_unix_ms": now_ms}, 1) for place, row in of_node.items()]
        (found["node"],) = NodeRows().merged(given).values()
    return found, list(failed), list(empty.values())


class _Turns:
    """Which instances were read how often."""

    def __init__(self) -> None:
        self._counts: dict[int, dict[Value, int]] = {}
        self._moved: set[int] = set()

    def note(self, place: int, rows: Iterable[Row]) -> None:
        """What the source at that place gave at one time."""
        counts = self._counts.setdefault(place, {})
        self._moved.discard(place)
        for row in rows:
            instance = row.get("instance")
            counts[instance] = counts.get(instance, 0) + 1
            if counts[instance] == _TURNS:
                self._moved.add(place)

    def are_left(self, place: int) -> bool:
        """Whether some had no second turn yet, while others have just had theirs."""
        return place in self._moved and min(self._counts[place].values()) < _TURNS


def unread(sources: Sequence[Source]) -> list[str]:
    """A line per device that is there and could not be read."""
    return [
        named(source.name, f"device {name} could not be read")
        for source in sources
        if isinstance(source, CountsUnread)
        for name in source.unread()
    ]


def why_not(sources: Sequence[Source]) -> dict[str, dict[str, str]]:
    """Why columns of a device (or, for "", of the node) are null: device -> column -> reason."""
    reasons: dict[str, dict[str, str]] = {}
    for source in sources:
        if isinstance(source, SaysWhyNot):
            for device, columns in source.why_not().items():
                reasons.setdefault(device, {}).update(columns)
    return reasons


def text(readings: Given, reasons: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """The readings as paragraphs, one per node, meter, device, instance, process and job.

    Args:
        readings: The newest rows.
        reasons: What `why_not` found.
    """
    infos = {
        name: {row.get(name): row for row in readings.get(f"{name}_info", ())} for name in _SHOWN
    }
    parts = []
    for name in _SHOWN:
        for row in readings.get(name, ()):
            info = infos[name].get(row.get(name), {})
            subject = {"node": "", "device": row.get("device")}.get(name)
            why = (reasons or {}).get(str(subject), {}) if subject is not None else {}
            parts.append(_paragraph(TABLES[name], row, _title(name, row, info), why))
    return "\n\n".join(parts) if parts else "nothing was read"


def _read(source: Source, now_ms: int) -> Given:
    if isinstance(source, AnswersLater):
        return source.read_now(now_ms, _ANSWER_SECONDS)
    return source.read(now_ms)


def _keep_newest(kept: list[Row], rows: Iterable[Row], table: Table) -> None:
    """Put rows in the place of older ones, which still hold in columns that were not read again."""
    for row in rows:
        key = tuple(row.get(column) for column in table.key)
        same = [one for one in kept if tuple(one.get(c) for c in table.key) == key]
        kept[:] = [one for one in kept if tuple(one.get(c) for c in table.key) != key]
        before = same[-1] if same and row.get("up") != 0 else {}
        kept.append({**before, **row})


def _title(table: str, row: Row, info: Row) -> str:
    if table == "node":
        words: tuple[Value, ...] = ("node", info.get("os"))
    elif table == "device":
        words = ("device", info.get("index"), info.get("model"), row.get("device"))
    elif table == "meter":
        words = ("meter", row.get("source"), row.get("domain"))
    elif table == "mig":
        words = ("instance", row.get("profile"), row.get("instance"), "of", row.get("device"))
    elif table == "process":
        words = ("process", row.get("pid"), "on", row.get("device"), row.get("cgroup"))
    else:
        words = ("job", row.get("job"), info.get("name"), info.get("kind"), info.get("state"))
    return "  ".join(str(word) for word in words if word is not None)


def _paragraph(table: Table, row: Row, title: str, why: Mapping[str, str]) -> str:
    known = [metric for metric in table.metrics if row.get(metric.column) is not None]
    missing = [metric.column for metric in table.metrics if row.get(metric.column) is None]
    if row.get("up") == 0:
        missing = []  # a device that does not answer tells nothing, for one reason
    lines = [title]
    lines += [f"  {metric.column:<36}{shown(metric, row[metric.column]):>14}" for metric in known]
    by_reason: dict[str | None, list[str]] = {}
    for column in missing:
        by_reason.setdefault(why.get(column), []).append(column)
    for reason, columns in by_reason.items():
        known_why = "" if reason is None else f" ({reason})"
        lines.append(f"  not known: {', '.join(columns)}{known_why}")
    return "\n".join(lines)


def shown(metric: Metric, value: Value) -> str:
    """A value for people, in its unit with a suitable prefix."""
    if not isinstance(value, int | float):
        return str(value)
    if metric.unit == "1" and metric.column.endswith("_ratio"):
        return f"{value * 100:.1f} %"
    unit = {"Cel": "°C", "By": "B", "1": ""}.get(metric.unit, metric.unit)
    if unit in ("B", "Hz", "W", "J"):
        size, prefix = next(((s, p) for s, p in _STEPS if abs(value) >= s), (1.0, ""))
        return f"{value / size:.1f} {prefix}{unit}"
    number = f"{value}" if isinstance(value, int) else f"{value:.1f}"
    return f"{number} {unit}".rstrip() if not unit.startswith("{") else number
