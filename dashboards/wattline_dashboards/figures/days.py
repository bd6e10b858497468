"""Tokens per day, stacked by kind; a day nobody counted is a hatched gap, not a zero."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from wattline_collector.palette import TOKEN_KINDS, TOKENS, Mode, format_percent, format_si
from wattline_dashboards import plot, theme, times, words
from wattline_dashboards.columns import number
from wattline_dashboards.figures.ticks import plain
from wattline_dashboards.language import _
from wattline_dashboards.trust import COMFORT

HEIGHT = 280

_FEWEST_DAYS = 8
"""A bar is no broader than of so many; a week that begins at noon has eight."""
_MOST_LABELS = 12
_OVER_PX = 8


def missing(rows: Sequence[Mapping[str, Any]]) -> list[date]:
    """Days between the first and the last on which no token was counted by anybody."""
    known = {day for row in rows if (day := _day(row)) and _tokens(row) is not None}
    days = [day for row in rows if (day := _day(row))]
    if not days:
        return []
    span = (max(days) - min(days)).days + 1
    return [
        day for day in (min(days) + timedelta(days=step) for step in range(span))
        if day not in known
    ]  # fmt: skip


def counted(rows: Sequence[Mapping[str, Any]]) -> int:
    """On how many days tokens were counted."""
    return sum(_tokens(row) is not None for row in rows)


def total(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """All tokens of all days; null if nobody counted any."""
    known = [tokens for row in rows if (tokens := _tokens(row)) is not None]
    return sum(known) if known else None


def figure(rows: Sequence[Mapping[str, Any]], mode: Mode) -> plot.Figure:
    """One stacked bar a day."""
    known = [(day, row) for row in rows if (day := _day(row)) and _tokens(row) is not None]
    days = [day for day, _ in known]
    highest = max((_tokens(row) or 0.0 for _, row in known), default=0.0)
    gaps, ticks = missing(rows), ticks_to(highest)
    traces = [
        plot.bar(
            x=days,
            y=[number(row.get(f"tokens_{kind}")) for _, row in known],
            name=words.tokens(kind),
            marker={"color": style.colour(mode)},
            customdata=[format_si(number(row.get(f"tokens_{kind}")), "tok") for _, row in known],
            hovertemplate=f"%{{x|%-d %b}}, {words.tokens(kind)}: %{{customdata}}<extra></extra>",
        )
        for kind, style in TOKEN_KINDS.items()
        if any(number(row.get(f"tokens_{kind}")) for _, row in known)
    ]
    if not known:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    if gaps:
        traces.append(
            plot.bar(
                x=gaps,
                y=[highest or 1.0] * len(gaps),
                name=_("not counted"),
                marker={
                    "color": "rgba(0,0,0,0)",
                    "pattern": theme.hatch(mode, "/"),
                },
                hovertemplate="%{x|%-d %b}: " + _("not counted by anybody") + "<extra></extra>",
            )
        )  # fmt: skip
    return plot.figure(
        traces,
        theme.layout(
            mode,
            barmode="stack",
            bargap=0.25,
            margin={"l": 0, "r": 0, "t": 16, "b": 0},
            xaxis=theme.axis(
                mode, showgrid=False, type="date", range=_span([*days, *gaps]),
                tickvals=(labelled := _labelled(sorted([*days, *gaps]))),
                ticktext=[times.day(one) for one in labelled],
            ),
            yaxis=theme.axis(
                mode, range=[0, (highest or 1.0) * 1.08], tickvals=ticks,
                ticktext=[plain(format_si(round(tick), "tok")) for tick in ticks],
            ),
            annotations=_thin(known, mode),
        ),
    )  # fmt: skip


def ticks_to(highest: float) -> list[float]:
    """Three to six round values from zero up to the highest."""
    if highest <= 0:
        return [0.0]
    step = 10.0 ** math.floor(math.log10(highest))
    if highest / step < 2:
        step /= 2
    elif highest / step >= 5:
        step *= 2
    return [step * place for place in range(int(highest / step) + 1)]


def _span(days: Sequence[date]) -> list[datetime]:
    """From the first day to the last, and over so many that no bar is a broad block."""
    start = datetime.combine(min(days), time()) - timedelta(hours=12)
    end = datetime.combine(max(days), time()) + timedelta(hours=12)
    return [start, max(end, start + timedelta(days=_FEWEST_DAYS))]


def _labelled(days: Sequence[date]) -> list[date]:
    """At most `_MOST_LABELS` of the days, evenly spaced."""
    return list(days[:: -(-len(days) // _MOST_LABELS)])


def _thin(known: Sequence[tuple[date, Mapping[str, Any]]], mode: Mode) -> list[dict[str, Any]]:
    """Coverage over the bars of days that were not fully observed.

    Of more days than have room for numbers, each has a mark, and the least has its number over it.
    """
    thin = [
        (coverage, day, row)
        for day, row in known
        if (coverage := number(row.get("coverage"))) is not None and coverage < COMFORT
    ]
    crowded = len(known) > _MOST_LABELS
    least = min(thin, key=lambda one: one[0])[1] if thin else None

    def over(coverage: float, day: date, row: Mapping[str, Any], said: str, up: int) -> Any:
        return {
            "x": day, "y": _tokens(row), "text": said, "showarrow": False, "yshift": up,
            "hovertext": _("coverage of the day") + f": {format_percent(coverage)}",
            "font": {"size": theme.SMALL, "color": TOKENS[mode].warning},
        }  # fmt: skip

    marks = [over(*one, "▾", _OVER_PX) for one in thin] if crowded else []
    return marks + [
        over(*one, format_percent(one[0], digits=2), (3 if crowded else 1) * _OVER_PX)
        for one in thin
        if not crowded or one[1] == least
    ]


def _tokens(row: Mapping[str, Any]) -> float | None:
    parts = [number(row.get(f"tokens_{kind}")) for kind in TOKEN_KINDS]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _day(row: Mapping[str, Any]) -> date | None:
    try:
        return date.fromisoformat(str(row.get("day")))
    except ValueError:
        return None
