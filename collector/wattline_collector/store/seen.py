"""Which batches were taken in: ranges of sequence numbers per (system, node, boot).

An agent counts its batches up by one, so a boot is nearly always one range, however many batches
it sent.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from wattline_agents.wire import Header

Boot = tuple[str, str, str]
Entry = tuple[str, str, str, list[list[int]]]
"""System, node, boot, and its ranges: what stands in the manifest."""


class Seen:
    """A set of batches."""

    def __init__(self) -> None:
        """Start empty."""
        self._ranges: dict[Boot, list[list[int]]] = {}

    def __contains__(self, header: Header) -> bool:
        """Whether a batch of this name was taken in."""
        ranges = self._ranges.get((header.system, header.node, header.boot))
        if not ranges:
            return False
        place = bisect_right(ranges, header.sequence, key=_first) - 1
        return place >= 0 and header.sequence <= ranges[place][1]

    def knows(self, header: Header) -> bool:
        """Whether any batch of its boot was taken in."""
        return (header.system, header.node, header.boot) in self._ranges

    def add(self, header: Header) -> None:
        """Note a batch."""
        self._add((header.system, header.node, header.boot), header.sequence, header.sequence)

    def merge(self, entries: Iterable[Entry]) -> None:
        """Note what `entries` of another set gave."""
        for system, node, boot, ranges in entries:
            for first, last in ranges:
                self._add((system, node, boot), first, last)

    def entries(self) -> list[Entry]:
        """All of it, in order, for the manifest."""
        return [(*boot, ranges) for boot, ranges in sorted(self._ranges.items())]

    def __len__(self) -> int:
        """How many boots."""
        return len(self._ranges)

    def _add(self, boot: Boot, first: int, last: int) -> None:
        ranges = self._ranges.setdefault(boot, [])
        if not ranges or first > ranges[-1][1] + 1:
            ranges.append([first, last])
            return
        if ranges[-1][0] <= first:  # the usual case: the next number of the last range
            ranges[-1][1] = max(ranges[-1][1], last)
            return
        kept: list[list[int]] = []
        for low, high in ranges:
            if high + 1 < first or last + 1 < low:
                kept.append([low, high])
            else:
                first, last = min(first, low), max(last, high)
        kept.append([first, last])
        kept.sort(key=_first)
        ranges[:] = kept


def _first(range: list[int]) -> int:
    return range[0]
