"""Its devices over time: strips one under the other, so that what differs is seen at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wattline_collector.efficiency.report import DeviceRow, JobReport, Timeline
from wattline_collector.efficiency.terminal.ink import Ink, padded
from wattline_collector.efficiency.terminal.strips import activity, amounts
from wattline_collector.efficiency.time_spent import remarkable
from wattline_collector.efficiency.words import fitted, printable
from wattline_collector.efficiency.writing import clock, duration
from wattline_collector.palette import UNKNOWN, format_percent, format_si

MOST_LINES = 16
"""Devices shown one by one: two full nodes; of more, the remarkable ones."""
_POWER_FROM = 120
"""Columns from which every device's power has a strip of its own beside its activity."""
_FIGURES = (("active", 7), ("power", 7), ("memory", 8), ("held", 7))


def device_lines(report: JobReport, ink: Ink) -> Iterator[str]:
    """One line per device: its strip, and what it comes to."""
    rows = remarkable(report.devices, MOST_LINES)
    strips = {strip.device: strip for strip in report.timeline.strips}
    speed = report.timeline.tokens_per_second
    counts = any(value is not None for value in speed)
    if not rows and not counts:
        return
    names = {row.device: _name(row, report.devices) for row in rows}
    label = min(max([5, *(len(name) for name in names.values())]), 28 if ink.width >= 100 else 16)
    numbers = sum(width + 1 for _, width in _FIGURES)
    narrow = ink.width < 60
    room = ink.width - label - 4 - (0 if narrow else numbers)
    both = ink.width >= _POWER_FROM
    wide = max(8, (room - 1) // 2 if both else room)
    wide = min(wide, max(1, len(speed)))
    pad = min(len(speed), wide) if speed else 0
    titles = "" if narrow else "".join(" " + padded(t, w, right=True) for t, w in _FIGURES)
    second = f" {padded('power', pad)}" if both else ""
    yield ink.bold("Over time") + "  " + ink.faint(_scale(report.timeline))
    head = f"  {' ' * label} {padded('activity' if rows else '', pad)}{second}{titles}"
    yield ink.faint(head)
    if counts:
        most = max(value for value in speed if value is not None)
        line = amounts(speed, pad, most)
        top = "" if narrow else f"  {ink.faint('up to')} {format_si(most, 'tok/s')}"
        yield f"  {padded('tok/s', label)} {line}{top}"
    watts = [v for strip in strips.values() for v in strip.watts if v is not None]
    for row in rows:
        strip = strips.get(row.device)
        drawn = "" if strip is None else activity(strip.activity, strip.accounts, pad, ink)
        power = ""
        if both and strip is not None and watts:
            power = " " + padded(amounts(strip.watts, pad, max(watts)), pad)
        numbers_of = "" if narrow else _numbers(row)
        yield f"  {padded(fitted(names[row.device], label), label)} {drawn}{power}{numbers_of}"
    yield ink.faint(f"  {' ' * label} {_axis(report.timeline, pad)}".rstrip())
    left = len(report.devices) - len(rows)
    if left > 0:
        known = [row.activity for row in report.devices if row.activity is not None]
        between = (
            f", all between {format_percent(min(known))} and {format_percent(max(known))} active"
            if known
            else ""
        )
        yield f"  {left} more device{'' if left == 1 else 's'}{between}; --json has every one"
    yield from _legend(report, rows, ink)


def _name(row: DeviceRow, every: Sequence[DeviceRow]) -> str:
    """Node and place; the device's own id where its place is not known."""
    place = printable(row.device, 20) if row.index is None else f"gpu{row.index}"
    return f"{printable(row.node, 40)} {place}"


def _numbers(row: DeviceRow) -> str:
    assigned = sum(row.account_ms.values())
    held = sum(ms for account, ms in row.account_ms.items() if account.value == "held")
    texts = (
        format_percent(row.activity),
        format_si(row.power_mean_watts, "W"),
        format_si(None if row.memory_peak_bytes is None else float(row.memory_peak_bytes), "B"),
        format_percent(held / assigned) if assigned and row.activity is not None else UNKNOWN,
    )
    return "".join(
        " " + padded(text, width, right=True)
        for text, (_, width) in zip(texts, _FIGURES, strict=True)
    )


def _scale(timeline: Timeline) -> str:
    return f"from {clock(timeline.start_ms, timeline.start_ms)} UTC"


def _axis(timeline: Timeline, wide: int) -> str:
    """Times under the strips: the first, and one every quarter, as far as they have room."""
    length = len(timeline.tokens_per_second) * timeline.step_ms
    line = ""
    for quarter in range(4):
        place = wide * quarter // 4
        text = clock(timeline.start_ms + length * quarter // 4, timeline.start_ms)
        if len(line) <= place and place + len(text) <= wide:
            line = line.ljust(place) + text
            line += " "
    return line


def _legend(report: JobReport, rows: Sequence[DeviceRow], ink: Ink) -> Iterator[str]:
    if not rows:
        return
    step = report.timeline.step_ms / 1000
    yield ink.faint(
        fitted(
            f"  ▁ held idle   ▂▄█ worked   ░ not measured   a step is {duration(step)}", ink.width
        )
    )
