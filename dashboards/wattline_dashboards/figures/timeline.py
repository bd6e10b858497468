"""Strips one above the other on one axis of time: what happened at a moment stands in one column.

Every strip has its own scale and its title over it; only the lowest has labels of time. Time in
which nothing is known is hatched, and no line crosses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import nan
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.palette import ACCOUNTS, TOKENS, Mode
from wattline_dashboards import plot, theme, words
from wattline_dashboards.columns import number
from wattline_dashboards.figures import moments
from wattline_dashboards.figures.packed import packed
from wattline_dashboards.figures.ticks import plain, ticks
from wattline_dashboards.language import _

Values = Sequence[float | None]

_TITLE_PX, _GAP_PX, _FOOT_PX = 24, 12, 28
_LEFT_PX, _RIGHT_PX = 72, 16
_HEADROOM = 1.04
_MOST_GAPS = 200
_CLEAR = "rgba(0,0,0,0)"


@dataclass(frozen=True, slots=True)
class Grid:
    """The buckets of series, as the collector says them."""

    start_ms: float
    step_ms: float
    count: int

    @classmethod
    def of(cls, said: object) -> Grid:
        """From the collector's answer."""
        row = said if isinstance(said, Mapping) else {}
        start, step = number(row.get("start_ms")), number(row.get("step_ms"))
        return cls(start or 0.0, step or 1.0, int(number(row.get("count")) or 0))

    def middle(self, place: int) -> float:
        """The middle of a bucket, ms."""
        return self.start_ms + self.step_ms * (place + 0.5)


class Timeline:
    """Strips as they are put one under the other; `figure` draws them."""

    def __init__(self, mode: Mode, zone: ZoneInfo, start_ms: float, end_ms: float) -> None:
        """Begin with none.

        Args:
            mode: Light or dark.
            zone: The site's.
            start_ms: Where time begins.
            end_ms: Where it ends.
        """
        self._mode, self._zone = mode, zone
        self._start_ms, self._end_ms = start_ms, end_ms
        self._strips: list[tuple[str, int, dict[str, Any]]] = []
        self._traces: list[Any] = []

    # Strips

    def strip(self, title: str, height: int, **axis: Any) -> str:
        """Another strip beneath; returns the axis that its traces name.

        Args:
            title: What it shows, as plotly's markup: what comes from outside is escaped.
            height: Pixels of its plot.
            axis: Of its scale.
        """
        self._strips.append((title, height, axis))
        place = len(self._strips)
        return "y" if place == 1 else f"y{place}"

    def empty(self, title: str, said: str) -> None:
        """A strip that has nothing to show, and says so."""
        self.strip(bold(title, said), 2, range=[0, 1], showgrid=False, tickvals=[])

    def amounts(self, title: str, height: int, high: float, written: Callable[[float], str]) -> str:
        """A strip with a scale from zero, labelled at its ends and in its middle."""
        high = round_top(high)
        at = (0.0, high / 2, high)
        return self.strip(
            title, height, range=[0, high * _HEADROOM], tickvals=at,
            ticktext=[plain(written(value)) for value in at],
        )  # fmt: skip

    def rows(self, title: str, names: Sequence[str], row_px: int) -> str:
        """A strip of rows, each with its name beside it, the first on top."""
        count = max(len(names), 1)
        return self.strip(
            title, count * row_px, range=[count - 0.5, -0.5], showgrid=False,
            tickvals=list(range(len(names))), ticktext=list(names),
        )  # fmt: skip

    # What stands in them

    def line(
        self, axis: str, grid: Grid, values: Values, name: str, colour: str, hover: str,
        dash: str = "solid",
    ) -> None:  # fmt: skip
        """A line of one value per bucket; it ends where nothing is known.

        Args:
            axis: The strip.
            grid: The buckets.
            values: A value each.
            name: For the hover.
            colour: Of the line.
            hover: How a value is written there, as plotly's template.
            dash: How it is told from others without colour.
        """
        self._traces.append(
            plot.scatter(
                x0=moments.utc_axis(grid.middle(0)), dx=grid.step_ms,
                y=packed(nan if value is None else value for value in values),
                yaxis=axis, name=name, connectgaps=False,
                # A value between two gaps makes no line, and must be seen all the same.
                mode="lines+markers" if _lonely(values) else "lines",
                marker={"size": 3, "color": colour},
                line={"color": colour, "width": 1.5, "dash": dash},
                hovertemplate=f"{name} {hover}<extra></extra>",
            )
        )  # fmt: skip

    def band(self, axis: str, grid: Grid, low: Values, high: Values, colour: str) -> None:
        """The range from least to greatest value of every bucket."""
        x: list[float] = []
        y: list[float] = []
        known = [a is not None and b is not None for a, b in zip(low, high, strict=True)]
        for is_known, places in groupby(range(len(known)), key=known.__getitem__):
            if is_known:
                run = list(places)
                at = [grid.middle(place) for place in run]
                x += [*at, *reversed(at), nan]
                y += [*(high[p] or 0.0 for p in run), *(low[p] or 0.0 for p in reversed(run)), nan]
        if x:
            self._traces.append(
                plot.scatter(
                    x=packed(x, precise=True), y=packed(y), yaxis=axis, mode="lines",
                    line={"width": 0}, fill="toself", fillcolor=_faint(colour), hoverinfo="skip",
                )
            )  # fmt: skip

    def unknown(self, axis: str, grid: Grid, values: Values, high: float) -> None:
        """Hatch the time in which nothing of a strip is known."""
        found = [value is not None for value in values]
        runs = [
            list(places) for known, places in groupby(range(len(found)), key=found.__getitem__)
            if not known
        ]  # fmt: skip
        ends = [
            (max(grid.start_ms + grid.step_ms * run[0], self._start_ms),
             min(grid.start_ms + grid.step_ms * (run[-1] + 1), self._end_ms))
            for run in runs[:_MOST_GAPS]
        ]  # fmt: skip
        top = round_top(high) * _HEADROOM
        if ends:
            self._traces.append(
                plot.bar(
                    x=[moments.utc_axis((low + late) / 2) for low, late in ends],
                    width=[late - low for low, late in ends], y=[top] * len(ends),
                    yaxis=axis, hoverinfo="skip",
                    marker={"color": _CLEAR, "line": {"width": 0},
                            "pattern": theme.hatch(self._mode, "/")},
                )
            )  # fmt: skip

    def heat(
        self, axis: str, grid: Grid, rows: Sequence[Values | None], names: Sequence[str],
        colours: Sequence[str],
    ) -> None:  # fmt: skip
        """A row of cells each, from 0 to 1 in a ramp; what is not known is hatched.

        Args:
            axis: The strip.
            grid: The buckets.
            rows: A value per bucket, 0 to 1; None: nothing of the row is known.
            names: Of the rows, for the hover, as plotly's markup.
            colours: The ramp.
        """
        if not rows or not grid.count:
            return
        whole = [row if row is not None else [None] * grid.count for row in rows]
        last = max(len(colours) - 1, 1)
        self._traces.append(
            plot.heatmap(
                z=packed([nan if v is None else v for row in whole for v in row],
                         (len(rows), grid.count)),
                yaxis=axis, x0=moments.utc_axis(grid.middle(0)), dx=grid.step_ms, y0=0, dy=1,
                zmin=0, zmax=1, ygap=2, showscale=False, hoverongaps=False,
                colorscale=[(place / last, colour) for place, colour in enumerate(colours)],
                hovertemplate="%{x}<br>%{z:.0%}<extra></extra>",
            )
        )  # fmt: skip
        gaps: list[tuple[int, float, float]] = []
        for place, row in enumerate(whole):
            found = [value is not None for value in row]
            for known, places in groupby(range(len(found)), key=found.__getitem__):
                if not known and len(gaps) < _MOST_GAPS:
                    run = list(places)
                    gaps.append((place, grid.start_ms + grid.step_ms * run[0],
                                 grid.start_ms + grid.step_ms * (run[-1] + 1)))  # fmt: skip
        self.bars(axis, gaps, ["" for _gap in gaps], _CLEAR, hatched=True)

    def bars(
        self, axis: str, runs: Sequence[tuple[int, float, float]], said: Sequence[str],
        colour: str, *, hatched: bool = False, line: str | None = None,
        text: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        """Bars from a moment to a moment, each in a row.

        Args:
            axis: The strip.
            runs: Row, start and end of each.
            said: What stands under the pointer, as plotly's markup; all empty: nothing.
            colour: Of all of them.
            hatched: With the texture of what is not known.
            line: The colour of their edge.
            text: What stands in each, where it has room.
        """
        if not runs:
            return
        clipped = [
            (row, max(start, self._start_ms), min(end, self._end_ms)) for row, start, end in runs
        ]
        hover = any(said)
        self._traces.append(
            plot.bar(
                orientation="h", yaxis=axis, y=[row for row, _start, _end in clipped],
                base=[moments.utc_axis(start) for _row, start, _end in clipped],
                x=[max(end - start, 0) for _row, start, end in clipped], width=0.84,
                marker={
                    "color": colour,
                    "line": {"width": 0 if line is None else 1, "color": line or colour},
                    "pattern": theme.hatch(self._mode, "/" if hatched else ""),
                },
                text=text, textposition="inside" if text else "none", insidetextanchor="start",
                textangle=0, textfont={"size": theme.SMALL, "color": TOKENS[self._mode].text},
                customdata=list(said), hoverinfo=None if hover else "skip",
                hovertemplate="%{customdata}<extra></extra>" if hover else None,
            )
        )  # fmt: skip

    def marks(
        self, axis: str, at_ms: Sequence[float], rows: Sequence[int], said: Sequence[str],
        colour: str,
    ) -> None:  # fmt: skip
        """Ticks at moments, each in a row."""
        if at_ms:
            self._traces.append(
                plot.scatter(
                    x=[moments.utc_axis(at) for at in at_ms], y=list(rows), yaxis=axis,
                    mode="markers", marker={"symbol": "line-ns-open", "size": 14, "color": colour,
                                            "line": {"width": 2, "color": colour}},
                    customdata=list(said), hovertemplate="%{customdata}<extra></extra>",
                )
            )  # fmt: skip

    def accounts(self, axis: str, runs: Sequence[tuple[int, str, float, float]]) -> None:
        """Runs of accounts, each in its row, in the accounts' own colours and textures."""
        for account, style in ACCOUNTS.items():
            mine = [(row, start, end) for row, name, start, end in runs if name == account.value]
            label, between = words.account(account), _("{low} to {high}")
            said = [
                f"{label}<br>{between.format(low=moments.utc(start), high=moments.utc(end))}"
                for _row, start, end in mine
            ]
            self.bars(axis, mine, said, style.colour(self._mode), hatched=style.hatched)

    # The whole

    @property
    def height(self) -> int:
        """Pixels of all of them."""
        return (
            sum(_TITLE_PX + height + _GAP_PX for _title, height, _axis in self._strips) + _FOOT_PX
        )

    def figure(self) -> plot.Figure:
        """All of them."""
        tokens, total = TOKENS[self._mode], self.height
        inside = total - _FOOT_PX
        axes: dict[str, Any] = {}
        titles: list[dict[str, Any]] = []
        top = 0
        for place, (title, height, more) in enumerate(self._strips, start=1):
            high, low = (1 - (top + _TITLE_PX + px) / inside for px in (0, height))
            axes["yaxis" if place == 1 else f"yaxis{place}"] = theme.axis(
                self._mode, **({"domain": [max(low, 0.0), high], "automargin": False} | more)
            )
            titles.append(
                {"xref": "paper", "yref": "paper", "x": 0, "y": 1 - top / inside, "xanchor": "left",
                 "yanchor": "top", "text": title, "showarrow": False, "align": "left",
                 "font": {"size": theme.SMALL, "color": tokens.text}}
            )  # fmt: skip
            top += _TITLE_PX + height + _GAP_PX
        labelled = ticks(self._start_ms, self._end_ms, self._zone)
        return plot.figure(
            self._traces,
            theme.layout(
                self._mode, height=total, barmode="overlay", hovermode="closest",
                margin={"l": _LEFT_PX, "r": _RIGHT_PX, "t": 0, "b": _FOOT_PX},
                uniformtext={"minsize": 11, "mode": "hide"},
                xaxis=theme.axis(
                    self._mode, type="date", automargin=False, anchor="free", position=0,
                    range=[moments.utc_axis(at) for at in (self._start_ms, self._end_ms)],
                    tickvals=[moments.utc_axis(at) for at, _label in labelled],
                    ticktext=[label for _at, label in labelled],
                    hoverformat="%-d %b %Y %H:%M UTC", showspikes=True, spikemode="across",
                    spikesnap="cursor", spikethickness=1, spikedash="solid",
                    spikecolor=tokens.muted,
                ),
                annotations=titles, **axes,
            ),
        )  # fmt: skip


def bold(title: str, more: str = "") -> str:
    """A strip's title as plotly's markup, and what stands behind it."""
    return f"<b>{title}</b>   {more}" if more else f"<b>{title}</b>"


def key(mode: Mode, *parts: tuple[str, str, str]) -> str:
    """A legend within a title: name, colour and dash of each line."""
    strokes = {"solid": "━━", "dash": "╍╍", "dot": "┅┅"}
    muted = TOKENS[mode].muted
    return "    ".join(
        f"<span style='color:{colour}'>{strokes[dash]}</span> "
        f"<span style='color:{muted}'>{name}</span>"
        for name, colour, dash in parts
    )


def round_top(high: float) -> float:
    """The end of a scale: a value that halves to another round one, at or over the highest."""
    if high <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(high))
    return next(unit * step for step in (1, 1.2, 1.5, 2, 3, 4, 5, 6, 8, 10) if unit * step >= high)


def _lonely(values: Values) -> bool:
    """Whether a value stands between two gaps."""
    known = [False, *(value is not None for value in values), False]
    return any(
        is_known and not before and not after
        for before, is_known, after in zip(known[:-2], known[1:-1], known[2:], strict=True)
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"
