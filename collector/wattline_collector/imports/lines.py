"""What the formats share in reading lines: MLPerf's log lines, and the account of refused ones."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

from wattline_agents.errors import InputError
from wattline_collector.imports import files

MOST_REFUSED = 0.01
"""Share of malformed lines above which nothing is imported: a handful is a crash or two ranks
writing at once, one in a hundred is a file that is not what it is taken for."""

_SHOWN = 3
_MLLOG = re.compile(rb"\s*(?:\d+: *)?:::MLLOG\s(.*)", re.DOTALL)


@dataclass(slots=True)
class Refusals:
    """Lines that were malformed and left out, and how many were good."""

    good: int = 0
    refused: int = 0
    first: list[InputError] = field(default_factory=list)

    def add(self, error: InputError) -> None:
        """Count a refused line; the first few are kept to be named."""
        self.refused += 1
        if len(self.first) < _SHOWN:
            self.first.append(error)

    def withdraw(self, error: InputError) -> None:
        """Refuse a line that was counted as good, for what it says."""
        self.good -= 1
        self.add(error)

    def check(self) -> None:
        """Make sure that what was refused is few enough to go on without it.

        Raises:
            InputError: Too much was refused.
        """
        if self.refused > MOST_REFUSED * (self.good + self.refused):
            first = self.first[0]
            raise InputError(
                f"{first.reason} ({self.refused} of {self.good + self.refused} lines are "
                f"malformed, more than {MOST_REFUSED:.0%}: nothing was imported)",
                path=first.path, line=first.line, field=first.field,
            )  # fmt: skip

    def notes(self) -> list[str]:
        """Lines for the end of the summary; none if nothing was refused."""
        if not self.refused:
            return []
        head = f"{self.refused} malformed of {self.good + self.refused} lines left out"
        named = [f"  {error}" for error in self.first]
        more = self.refused - len(self.first)
        return [head, *named, *([f"  and {more} more"] if more else [])]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an MLPerf log.

    Attributes:
        key: What it is about.
        time_ms: When, as the log has it: Unix time in training, time of the test in inference.
        value: Its value, of whatever type.
        metadata: What else it says.
        path: The file it stands in.
        line: Its line there.
    """

    key: str
    time_ms: float
    value: object
    metadata: Mapping[str, object]
    path: Path
    line: int

    def refuse(self, reason: str, field: str = "value") -> NoReturn:
        """Say what is wrong with it.

        Raises:
            InputError: Always.
        """
        raise InputError(reason, path=self.path, line=self.line, field=f"{self.key}.{field}")

    def number(self, low: float, high: float) -> float:
        """Its value, which must be a number.

        Raises:
            InputError: It is none, or out of range.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.refuse(f"{files.shown(repr(self.value))} is not a number")
        if not low <= self.value <= high:
            self.refuse(f"{self.value} is not from {low:g} to {high:g}")
        return float(self.value)

    def count(self, name: str | None = None) -> int | None:
        """Its value, or the entry `name` of its metadata, as a count; None where there is none."""
        value = self.value if name is None else self.metadata.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return int(value) if value == value // 1 and 0 <= value < 2**62 else None


def events(
    stream: IO[bytes], path: Path, refusals: Refusals, *, strict: bool = False
) -> Iterator[Event]:
    """Every `:::MLLOG` line of a log.

    Args:
        stream: The log.
        path: How to name it in messages.
        refusals: Takes the malformed lines.
        strict: Count any other text as malformed; without it, other text is passed over, as the
            log of a run is full of it.
    """
    for number, line in files.lines(stream):
        found = event(line, path, number, refusals)
        if found is not None:
            yield found
        elif strict and line is not None and line.strip() and not _MLLOG.match(line):
            refusals.add(InputError("is not a line `:::MLLOG {...}`", path=path, line=number))


def event(line: bytes | None, path: Path, number: int, refusals: Refusals) -> Event | None:
    """The event on one line; None if the line is none, or malformed and counted as such."""
    if line is None:
        refusals.add(InputError("is too long", path=path, line=number))
        return None
    match = _MLLOG.match(line)
    if match is None:
        return None
    try:
        found = _event(match[1], path, number)
    except InputError as error:
        refusals.add(error)
        return None
    refusals.good += 1
    return found


def _event(text: bytes, path: Path, line: int) -> Event:
    try:
        fields = json.loads(text.decode("utf-8", errors="replace"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"is not JSON: {reason}", path=path, line=line) from None
    if not isinstance(fields, dict):
        raise InputError("is not a JSON object", path=path, line=line)
    key, time = fields.get("key"), fields.get("time_ms")
    if not isinstance(key, str):
        raise InputError("missing or not text", path=path, line=line, field="key")
    if isinstance(time, bool) or not isinstance(time, int | float) or not abs(time) < 2**53:
        raise InputError("missing or not a time", path=path, line=line, field="time_ms")
    metadata = fields.get("metadata")
    return Event(
        key, time, fields.get("value"), metadata if isinstance(metadata, dict) else {}, path, line
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def finite(text: str) -> float | None:
    """The number a text holds; None where it holds none, or an infinite one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
