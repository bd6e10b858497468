"""Its devices over time, one strip under the other, so that what differs is seen at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattline_collector.efficiency.report import DeviceRow, Strip, Timeline
from wattline_collector.efficiency.writing import duration
from wattline_collector.kpi.view import utc
from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, format_si
from wattline_reports.cells import bare, cell
from wattline_reports.charts import WIDTH
from wattline_reports.document import Block, Cell, Chart, Column, Row, Section, Table
from wattline_reports.job.book import Book
from wattline_reports.picture import UNKNOWN, Canvas, Picture, text_width
from wattline_reports.quoted import percent
from wattline_reports.words import count_of, sentence, shown, tied

MOST_STRIPS = 32
"""Rows of the picture: it stays on one page."""
_HIGH, _GAP, _SPEED = 16.0, 4.0, 34.0


def section(book: Book) -> Section:
    """The chapter on its devices."""
    strips = book.found.timeline.strips[:MOST_STRIPS]
    blocks: list[Block] = []
    if strips:
        blocks.append(_chart(book, strips))
    if book.devices:
        blocks.append(_table(book))
    return Section(
        id="devices",
        title="Its devices over time",
        question="Which device did what, and when?",
        answer=sentence(_told(book)),
        blocks=tuple(blocks),
    )


def _told(book: Book) -> str:
    known = [row.activity for row in book.found.devices if row.activity is not None]
    if not book.found.devices:
        return "no device of the job is in the books"
    count = count_of(len(book.found.devices), "device")
    if not known:
        return f"it held {count}, and nobody measured what they did"
    idle = sum(row.idle for row in book.found.devices)
    text = (
        f"{count}, active for {percent(min(known))}"
        if len(known) == 1 or percent(min(known)) == percent(max(known))
        else f"{count}, active for {percent(min(known))} to {percent(max(known))}"
    )
    return f"{text} of the time" + (f"; {idle} of them did nothing" if idle else "")


def name(row: DeviceRow) -> str:
    """Node and place, as `wattline job` has them."""
    place = shown(row.device)[:20] if row.index is None else f"gpu{row.index}"
    return f"{shown(row.node)} {place}"


def _chart(book: Book, strips: Sequence[Strip]) -> Chart:
    timeline = book.found.timeline
    rows = {row.device: row for row in book.found.devices}
    named = [(name(rows[one.device]) if one.device in rows else shown(one.device), one)
             for one in strips]  # fmt: skip
    alt = [
        f"{label} active for {percent(rows[one.device].activity if one.device in rows else None)}"
        for label, one in named
    ]
    more = len(book.found.devices) - len(strips)
    rest = f" The {count_of(more, 'other device')} are left out." if more > 0 else ""
    return Chart(
        label="",
        title=sentence(_told(book)),
        picture=picture("strips", timeline, named),
        alt=sentence(f"A strip over time for each device: {'; '.join(alt)}"),
        source=f"Ledger and telemetry; a step is {tied(duration(timeline.step_ms / 1000))}, times "
        f"are UTC. The height of a step is its activity, its colour where its time went.{rest}",
        figures=tuple(
            device.active.id for device in book.devices
            if device.row.device in {one.device for one in strips}
        ),
    )  # fmt: skip


def picture(name: str, timeline: Timeline, strips: Iterable[tuple[str, Strip]]) -> Picture:
    """The strips, with tokens a second above them where the job counts any."""
    named = list(strips)
    canvas = Canvas(name, WIDTH)
    left = 12 + max(text_width(label) for label, _ in named)
    wide = WIDTH - left - 4
    y = _key(canvas, [one for _, one in named])
    steps = max(1, len(timeline.tokens_per_second) or len(named[0][1].activity))
    step = wide / steps
    speeds = [value for value in timeline.tokens_per_second if value is not None]
    if speeds and max(speeds) > 0:
        y = _speed(canvas, timeline, max(speeds), left, step, y)
    for label, one in named:
        canvas.text(left - 8, y + _HIGH - 4, label, "t", "end")
        _strip(canvas, one, left, step, y)
        y += _HIGH + _GAP
    _axis(canvas, timeline, steps, left, wide, y)
    return canvas.finish(y + 18)


def _strip(canvas: Canvas, one: Strip, left: float, step: float, y: float) -> None:
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    for place, (active, account) in enumerate(zip(one.activity, one.accounts, strict=True)):
        if account is None:
            continue
        x = left + place * step
        boxes.setdefault("neutral", []).append((x, y, step, _HIGH))
        if active is None:
            boxes.setdefault(UNKNOWN, []).append((x, y, step, _HIGH))
        else:
            high = max(1.5, min(1.0, active) * _HIGH)
            boxes.setdefault(account.value, []).append((x, y + _HIGH - high, step, high))
    for fill in sorted(boxes, key=lambda fill: fill != "neutral"):
        canvas.rects(boxes[fill], fill)


def _speed(
    canvas: Canvas, timeline: Timeline, most: float, left: float, step: float, y: float
) -> float:
    """Tokens a second; a gap where none were counted."""
    canvas.text(left - 8, y + 10, "tokens/s", "t", "end")
    canvas.text(left - 8, y + 23, f"up to {tied(format_si(most, ''))}".rstrip(), "m", "end")
    base = y + _SPEED - 6
    boxes = [
        (left + place * step, base - value / most * (_SPEED - 8), step, value / most * (_SPEED - 8))
        for place, value in enumerate(timeline.tokens_per_second) if value
    ]  # fmt: skip
    canvas.rects(boxes, "tokens-generated")
    canvas.line(left, base, left + step * len(timeline.tokens_per_second), base, "grid")
    return y + _SPEED + 4


def _key(canvas: Canvas, strips: Sequence[Strip]) -> float:
    x = 0.0
    there = {account for one in strips for account in one.accounts}
    entries = [(a.value, ACCOUNTS[a].label.lower()) for a in Account if a in there]
    if any(
        active is None and account is not None
        for one in strips
        for active, account in zip(one.activity, one.accounts, strict=True)
    ):
        entries.append((UNKNOWN, "not read"))
    for fill, label in entries:
        canvas.rects([(x, 1, 10.0, 10.0)], fill)
        canvas.text(x + 15, 10, label, "m")
        x += 15 + text_width(label) + 14
    return 24.0


def _axis(
    canvas: Canvas, timeline: Timeline, steps: int, left: float, wide: float, y: float
) -> None:
    length = steps * timeline.step_ms
    days = length > 36 * 3_600_000
    for part in range(5):
        at = utc(timeline.start_ms + length * part // 4)
        text = f"{at:%m-%d %H:%M}" if days or part == 0 else f"{at:%H:%M}"
        anchor = ("start", "middle", "middle", "middle", "end")[part]
        canvas.text(left + wide * part / 4, y + 12, text, "m", anchor)


def _table(book: Book) -> Table:
    more = len(book.found.devices) - len(book.devices)
    rest = f" {count_of(more, 'other device')} left out." if more > 0 else ""
    return Table(
        label="",
        title="What each device did.",
        columns=(
            Column("Device", width=1), Column("Active", "%", numeric=True),
            Column("Held idle", "%", numeric=True), Column("Power", numeric=True),
            Column("Most memory", numeric=True), Column("Energy", numeric=True),
        ),
        rows=tuple(
            Row((Cell(name(one.row)), bare(one.active), bare(one.idle), cell(one.power),
                 cell(one.memory), cell(one.energy)))
            for one in book.devices
        ),
        source=f"Ledger, by the devices\u2019 own meters, and telemetry.{rest}",
    )  # fmt: skip
