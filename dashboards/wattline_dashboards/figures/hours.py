"""The strip of availability: a cell per hour, coloured by account, what is not known hatched.

The whole of a factory is drawn as days by hours of the day, so that a month is a square a reader
can take in; nodes are drawn one beneath the other over the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import nan
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.ledger.accounts import Account
from wattline_collector.pages.strip import LETTERS
from wattline_collector.palette import ACCOUNTS, TOKENS, Mode
from wattline_dashboards import plot, theme, times, words
from wattline_dashboards.columns import number
from wattline_dashboards.figures import moments
from wattline_dashboards.figures.packed import packed
from wattline_dashboards.language import _

_HOUR_MS = 3_600_000
_DAY_HOURS = 24
_CELL = 12
_NODE_ROW = 14
_MOST_HOVERED = 30_000
"""Cells that have a text of their own; more are drawn without one."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells in rows.

    Attributes:
        letters: A letter of `LETTERS` for each cell of each row, a dot where there is none.
        starts: When each cell begins, Unix ms.
        rows: The name of each row.
        hours: That a cell spans.
        by_day: Whether columns are days and rows the hours of a day.
    """

    letters: Sequence[str]
    starts: Sequence[Sequence[float | None]]
    rows: Sequence[str]
    hours: int
    by_day: bool

    @property
    def columns(self) -> int:
        """How many cells a row has."""
        return max((len(line) for line in self.letters), default=0)

    @property
    def height(self) -> int:
        """Pixels of the strip."""
        return max(72, len(self.rows) * (_CELL if self.by_day else _NODE_ROW) + 40)


def grid(strip: Mapping[str, Any], zone: ZoneInfo) -> Grid:
    """Lay the cells of an answer out; hours are those of `zone`.

    Where a day has an hour twice, the one out of service is shown.
    """
    first, hours = number(strip.get("start_unix_ms")) or 0.0, int(number(strip.get("hours")) or 1)
    told = strip.get("rows")
    rows = [row for row in (told if isinstance(told, list) else ()) if isinstance(row, Mapping)]
    length = hours * _HOUR_MS
    if strip.get("by") != "node":
        line = str(rows[0].get("cells") or "") if rows else ""
        if hours == 1:
            return _by_day(line, first, zone)
        return Grid([line], [[first + n * length for n in range(len(line))]], [""], hours, False)
    starts = [first + n * length for n in range(len(str(rows[0].get("cells"))))] if rows else []
    return Grid(
        [str(row.get("cells") or "") for row in rows],
        [starts] * len(rows),
        [str(row.get("node") or "")[:40] for row in rows],
        hours,
        False,
    )


def figure(drawn: Grid, mode: Mode, zone: ZoneInfo) -> plot.Figure:
    """The strip."""
    tokens = TOKENS[mode]
    if not drawn.columns:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    size = len(drawn.rows), drawn.columns
    z = [
        float(place) if (place := LETTERS.find(letter)) >= 0 else nan
        for line in drawn.letters
        for letter in line.ljust(drawn.columns, ".")
    ]
    gap = 1 if drawn.columns <= 400 else 0
    strokes = list(_strokes(drawn))
    hover = size[0] * size[1] <= _MOST_HOVERED
    return plot.figure(
        [
            plot.heatmap(
                z=packed(z, size),
                zmin=-0.5,
                zmax=len(LETTERS) - 0.5,
                colorscale=_colours(mode),
                showscale=False,
                xgap=gap,
                ygap=gap,
                hoverongaps=False,
                customdata=_hints(drawn) if hover else None,
                hovertemplate="%{customdata}<extra></extra>" if hover else None,
                hoverinfo=None if hover else "none",
            ),
            plot.scatter(
                x=packed(x for x, _y in strokes),
                y=packed(y for _x, y in strokes),
                mode="lines",
                line={"color": tokens.mark, "width": 1, "simplify": False},
                connectgaps=False,
                hoverinfo="skip",
            ),
        ],
        theme.layout(
            mode,
            xaxis=theme.axis(
                mode, showgrid=False, range=[-0.5, drawn.columns - 0.5], **_ticks(drawn, zone)
            ),
            yaxis=theme.axis(
                mode, showgrid=False, range=[len(drawn.rows) - 0.5, -0.5], ticklabelstandoff=4,
                **_names(drawn),
            ),
        ),
    )  # fmt: skip


def accounts(drawn: Grid) -> list[tuple[Account, int]]:
    """The accounts that there are cells of, in the ledger's order, and how many."""
    whole = "".join(drawn.letters)
    return [
        (account, count)
        for account, letter in zip(Account, LETTERS, strict=True)
        if (count := whole.count(letter))
    ]


def account_of(letter: str) -> Account | None:
    """The account that a letter stands for."""
    place = LETTERS.find(letter) if letter else -1
    return list(Account)[place] if place >= 0 else None


def _by_day(line: str, first: float, zone: ZoneInfo) -> Grid:
    days: dict[str, int] = {}
    at: list[tuple[int, int, str, float]] = []
    for place, letter in enumerate(line):
        start = first + place * _HOUR_MS
        when = datetime.fromtimestamp(start / 1000, UTC).astimezone(zone)
        column = days.setdefault(when.date().isoformat(), len(days))
        at.append((when.hour, column, letter, start))
    letters = [["."] * len(days) for _hour in range(_DAY_HOURS)]
    starts: list[list[float | None]] = [[None] * len(days) for _hour in range(_DAY_HOURS)]
    for hour, column, letter, start in at:
        if LETTERS.find(letter) >= LETTERS.find(letters[hour][column]):
            letters[hour][column], starts[hour][column] = letter, start
    names = [f"{hour:02d}:00" for hour in range(_DAY_HOURS)]
    return Grid(["".join(one) for one in letters], starts, names, 1, True)


def _ticks(drawn: Grid, zone: ZoneInfo) -> dict[str, Any]:
    count = drawn.columns
    step = max(1, -(-count // 12))
    if not drawn.by_day and drawn.hours < _DAY_HOURS:
        per_day = _DAY_HOURS // drawn.hours
        step = -(-step // per_day) * per_day if count > 2 * per_day else step
    starts = [
        next((line[place] for line in drawn.starts if place < len(line) and line[place]), None)
        for place in range(0, count, step)
    ]
    by_hour = not drawn.by_day and count * drawn.hours <= 2 * _DAY_HOURS
    moments_shown = [
        None if at is None else datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
        for at in starts
    ]
    return {
        "tickvals": list(range(0, count, step)),
        "ticktext": [
            "" if at is None else f"{at:%H:%M}" if by_hour else times.day(at)
            for at in moments_shown
        ],
    }


def _names(drawn: Grid) -> dict[str, Any]:
    places = list(range(len(drawn.rows)))
    shown = places[::6] if drawn.by_day else places
    return {"tickvals": shown, "ticktext": [escape(drawn.rows[place]) for place in shown]}


def _hints(drawn: Grid) -> list[list[str]]:
    since = _("from {time}")
    found, called = [], {account: words.account(account) for account in Account}
    for name, line, starts in zip(drawn.rows, drawn.letters, drawn.starts, strict=True):
        who = "" if drawn.by_day or not name else f"{escape(name)}: "
        texts = []
        for place in range(drawn.columns):
            account = account_of(line[place] if place < len(line) else "")
            start = starts[place] if place < len(starts) else None
            label = "" if account is None else called[account]
            when = "" if start is None else "<br>" + since.format(time=moments.utc(start))
            texts.append(f"{who}{label}{when}")
        found.append(texts)
    return found


def _colours(mode: Mode) -> list[list[object]]:
    """A step for each account."""
    count = len(LETTERS)
    steps: list[list[object]] = []
    for place, account in enumerate(Account):
        colour = ACCOUNTS[account].colour(mode)
        steps += [[place / count, colour], [(place + 1) / count, colour]]
    return steps


def _strokes(drawn: Grid) -> Iterator[tuple[float, float]]:
    """A stroke over each cell of what is not known; NaN lifts the pen."""
    hatched = {
        letter
        for account, letter in zip(Account, LETTERS, strict=True)
        if ACCOUNTS[account].hatched
    }
    for y, line in enumerate(drawn.letters):
        for x, letter in enumerate(line):
            if letter in hatched:
                yield x - 0.4, y + 0.4
                yield x + 0.4, y - 0.4
                yield nan, nan
