"""One page of metrics: its samples, and the lines that are none.

Lines are parsed one by one, so that a broken one costs itself alone, and those whose name nobody
wants are not parsed at all: of node_exporter's four thousand lines a few hundred matter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wattline_agents.errors import UsageError

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PLAIN = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})[ \t]+([-+0-9.eE]+)(?:[ \t]+-?[0-9]+)?\Z"
)
"""A line without anything unusual: name, labels, number, perhaps a time."""
_MOST_LINE_CHARS = 8_192
"""dcgm-exporter's longest line, with the labels of a pod, has about 600."""
_MOST_SAMPLES = 100_000
"""A node of sixteen GPUs gives about two thousand."""

MISSING_PARSER = (
    "reading other exporters' pages needs prometheus-client: pip install wattline-agents[scrape]"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a page.

    Attributes:
        name: Its metric.
        labels: Its labels.
        value: Its value, always finite.
    """

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(slots=True)
class Page:
    """What one page says.

    Attributes:
        samples: By name, in the order of the page.
        bad_lines: How many lines could not be read and were left out.
        first_bad: The first of them and what is wrong with it, for people.
    """

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    bad_lines: int = 0
    first_bad: str | None = None

    def of(self, name: str) -> list[Sample]:
        """The samples of that name; none if the page has none."""
        return self.samples.get(name, [])

    def _leave_out(self, number: int, reason: str) -> None:
        self.bad_lines += 1
        if self.first_bad is None:
            self.first_bad = f"line {number}: {reason}"


def parse(text: str, wants: Callable[[str], bool]) -> Page:
    """Read a page of the Prometheus text format, with or without HELP and TYPE lines.

    Args:
        text: The page.
        wants: Whether samples of that name matter; others are passed over unread.

    Raises:
        UsageError: The library that reads it is not installed.
    """
    reader = _Reader(_library())
    page = Page()
    kept = 0
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _NAME.match(line)
        # A name that is quoted stands inside the braces, and only parsing tells it.
        if found is None and not line.startswith("{"):
            page._leave_out(number, f"does not begin with a name: {line[:40]!r}")
            continue
        if found is not None and not wants(found.group()):
            continue
        if len(line) > _MOST_LINE_CHARS:
            page._leave_out(number, f"has {len(line)} characters")
            continue
        if kept >= _MOST_SAMPLES:
            page._leave_out(number, f"comes after {_MOST_SAMPLES} others")
            break
        sample = reader.sample(line)
        if sample is None:
            page._leave_out(number, f"cannot be read: {line[:80]!r}")
        elif math.isfinite(sample.value) and wants(sample.name):
            kept += 1
            page.samples.setdefault(sample.name, []).append(sample)
    return page


def has_parser() -> bool:
    """Whether the library is installed that reads pages; does not load it."""
    from importlib.util import find_spec

    return find_spec("prometheus_client") is not None


def _library() -> Callable[[str], Any]:
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError as error:
        raise UsageError(MISSING_PARSER) from error
    return text_string_to_metric_families


class _Reader:
    """Makes samples of lines, through the library.

    All lines of a device carry the same labels, which are most of a line and of the time it takes
    to read one; each set of them is read once per page.
    """

    def __init__(self, families: Callable[[str], Any]) -> None:
        self._families = families
        self._labels: dict[str, Mapping[str, str] | None] = {}

    def sample(self, line: str) -> Sample | None:
        """The line's sample; None if it cannot be read."""
        plain = _PLAIN.match(line)
        if plain is None:
            return self._parsed(line)
        name, inside, number = plain.groups()
        if inside not in self._labels:
            parsed = self._parsed(f"x{inside} 1")
            self._labels[inside] = None if parsed is None else parsed.labels
        labels = self._labels[inside]
        try:
            return None if labels is None else Sample(name, labels, float(number))
        except ValueError:
            return None

    def _parsed(self, line: str) -> Sample | None:
        try:
            (family,) = self._families(line)
            (sample,) = family.samples
            return Sample(str(sample.name), dict(sample.labels), float(sample.value))
        except (ValueError, IndexError, KeyError, TypeError, OverflowError):
            return None  # the parser is lax and meets broken lines with whatever comes
