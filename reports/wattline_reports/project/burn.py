"""How each grant is used up, day by day, and what will be left of it."""

from __future__ import annotations

from collections.abc import Callable

from wattline_collector.kpi.view import utc
from wattline_reports.cells import bare
from wattline_reports.charts import WIDTH
from wattline_reports.document import Block, Cell, Chart, Column, Row, Section, Table
from wattline_reports.picture import Canvas, Picture, text_width
from wattline_reports.project.book import Book
from wattline_reports.project.grants import Grant
from wattline_reports.quoted import percent, said, source_line, why
from wattline_reports.words import day_month, grouped, long_day, month_year, sentence, shown

_HEIGHT = 220.0
_DAY_MS = 86_400_000


def section(book: Book) -> Section:
    """The chapter on the grants."""
    if not book.grants:
        return Section(
            "burn-down", "The grant", _QUESTION,
            sentence(f"no grant is told of: {why(book.one('U05')) or 'none runs at the end'}"), (),
        )  # fmt: skip
    blocks: list[Block] = [_chart(book, grant, place) for place, grant in enumerate(book.grants)]
    blocks.append(_table(book))
    return Section(
        id="burn-down",
        title="The grant",
        question=_QUESTION,
        answer=" ".join(sentence(_verdict(grant)) for grant in book.grants),
        blocks=tuple(blocks),
    )


_QUESTION = "Is the grant used at the pace it was given for, and what will be left of it?"


def _verdict(grant: Grant) -> str:
    burned = grant.burned
    text = (
        f"{said(grant.used)} of {said(grant.granted)} were used when "
        f"{percent(burned.elapsed_share)} of the time was over"
    )
    if grant.system is not None:
        text = f"on {shown(grant.system)}, {text}"
    if burned.elapsed_share >= 1:
        return f"{text}, and the grant is over"
    if burned.exhausted_ms is not None:
        word = "were" if burned.exhausted_ms <= grant.now_ms else "will be"
        day = long_day(utc(burned.exhausted_ms).date())
        return f"{text}; at this pace all {word} used up on {day}"
    if burned.forecast_share is not None:
        return f"{text}; at this pace {percent(burned.forecast_share)} is used at the end"
    return f"{text}; it is too early for a forecast"


def _table(book: Book) -> Table:
    return Table(
        label="",
        title="Grants that run at the end of the period.",
        columns=(
            Column("From"), Column("Until"), Column("System", width=1),
            Column("Granted", "GPU-h", numeric=True), Column("Used", "GPU-h", numeric=True),
            Column("Time over", "%", numeric=True), Column("Forecast", "GPU-h", numeric=True),
        ),
        rows=tuple(
            Row((
                Cell(long_day(utc(grant.start_ms).date())),
                Cell(long_day(utc(grant.end_ms - 1).date())),
                Cell("all" if grant.system is None else shown(grant.system)),
                bare(grant.granted), bare(grant.used), Cell(percent(grant.burned.elapsed_share)),
                bare(grant.forecast),
            ))
            for grant in book.grants
        ),
        source=source_line(
            [one for one in book.kpis["U05"] if one.kpi],
            "The forecast goes on at the mean pace since the grant began; there is none before a "
            "twentieth of its time is over.",
        ),
    )  # fmt: skip


def _chart(book: Book, grant: Grant, place: int) -> Chart:
    words = [
        f"{long_day(utc(at).date())} {grouped(hours)}"
        for at, hours in (grant.points[:: max(1, len(grant.points) // 6)] or [])
    ]
    return Chart(
        label="",
        title=sentence(_verdict(grant)),
        picture=_burn(f"burn{place}", grant),
        alt=sentence(
            f"A line of GPU-hours used so far: {', '.join(words) or 'none'}; beside it the even "
            f"pace from 0 to {grouped(grant.granted.value or 0)}"
        ),
        source=source_line(grant.figures),
        figures=tuple(one.id for one in grant.figures),
    )


def _burn(name: str, grant: Grant) -> Picture:
    """Hours used over time, the even pace, and the forecast in dashes."""
    canvas = Canvas(name, WIDTH)
    granted = float(grant.granted.value or 0.0)
    forecast = grant.burned.forecast_used
    most = max([granted, *(hours for _, hours in grant.points), forecast or 0.0]) * 1.06
    left = 14 + text_width(grouped(most))
    right, top = 130.0, 24.0
    base = top + _HEIGHT
    wide = WIDTH - left - right
    length = grant.end_ms - grant.start_ms

    def x(at: float) -> float:
        return left + (at - grant.start_ms) / length * wide

    def y(hours: float) -> float:
        return base - hours / most * _HEIGHT

    canvas.text(left, 10, "GPU-h used since the grant began", "m")
    for part in (0.25, 0.5, 0.75, 1.0):
        canvas.line(left, y(granted * part), left + wide, y(granted * part), "grid")
        canvas.text(left - 8, y(granted * part) + 4, grouped(granted * part), "m", "end")
    canvas.text(left - 8, base + 4, "0", "m", "end")
    canvas.path([(x(grant.start_ms), base), (x(grant.end_ms), y(granted))], "mark", 1)
    now = min(grant.now_ms, grant.end_ms)
    points = [(grant.start_ms, 0.0), *grant.points]
    if points[-1][0] < now:
        points.append((now, points[-1][1]))
    canvas.path([(x(at), y(hours)) for at, hours in points], "accent", 2)
    ends = [("granted", granted, "m")]
    if forecast is not None and now < grant.end_ms:
        _dashed(canvas, (x(now), y(points[-1][1])), (x(grant.end_ms), y(forecast)))
        ends.append((f"forecast {grouped(forecast)}", forecast, "t"))
    _ends(canvas, [(text, y(hours), kind) for text, hours, kind in ends], left + wide + 8)
    used = points[-1][1]
    anchor = "end" if x(now) - left > 90 else "start"
    canvas.text(x(now) - 6, y(used) - 8, f"used {grouped(used)}", "b", anchor)
    canvas.line(x(now), top, x(now), base, "grid")
    canvas.line(left, base, left + wide, base, "mark")
    _axis(canvas, grant, x, base)
    return canvas.finish(base + 22)


def _ends(canvas: Canvas, ends: list[tuple[str, float, str]], x: float) -> None:
    """Labels at the right end; the second moves away where both would touch."""
    ends.sort(key=lambda end: end[1])
    below = -100.0
    for text, y, kind in ends:
        y = max(y, below + 14)
        canvas.text(x, y + 4, text, kind)
        below = y


def _dashed(canvas: Canvas, start: tuple[float, float], end: tuple[float, float]) -> None:
    count = max(1, round((end[0] - start[0]) / 8))
    for place in range(count):
        at, to = place / count, (place + 0.55) / count
        canvas.path(
            [(start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)
             for part in (at, to)],
            "accent", 1.5,
        )  # fmt: skip


def _axis(canvas: Canvas, grant: Grant, x: Callable[[float], float], base: float) -> None:
    long = grant.end_ms - grant.start_ms > 200 * _DAY_MS
    for part in range(5):
        at = grant.start_ms + (grant.end_ms - grant.start_ms) * part / 4
        day = utc(round(at)).date()
        text = month_year(day) if long else day_month(day)
        anchor = ("start", "middle", "middle", "middle", "end")[part]
        canvas.text(x(at), base + 16, text, "m", anchor)
