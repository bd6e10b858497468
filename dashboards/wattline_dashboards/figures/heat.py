"""Who used it: a heat map of State and user category, with cells that are not shown hatched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from wattline_collector.palette import RAMP, TOKENS, Mode, format_number, format_si, text_on
from wattline_dashboards import plot, theme, words
from wattline_dashboards.columns import number
from wattline_dashboards.language import _

ROW = 32
Cells = Sequence[Mapping[str, Any]]


def height(states: int) -> int:
    """Pixels that so many rows need."""
    return max(states, 3) * ROW + 32


def states(cells: Cells) -> list[str]:
    """The rows, by name."""
    return sorted({str(cell.get("state")) for cell in cells})


def figure(cells: Cells, mode: Mode) -> plot.Figure:
    """The map: hours used by colour and number; hidden cells hatched, absent ones empty."""
    tokens = TOKENS[mode]
    rows, columns = states(cells), sorted({str(cell.get("category")) for cell in cells})
    if not rows:
        return plot.figure([], theme.layout(mode, xaxis=theme.bare_axis(), yaxis=theme.bare_axis()))
    at = {(str(cell.get("state")), str(cell.get("category"))): cell for cell in cells}
    z = [[_used(at.get((row, column))) for column in columns] for row in rows]
    highest = max((value for line in z for value in line if value is not None), default=1.0) or 1.0
    strokes = list(_strokes(rows, columns, at))
    return plot.figure(
        [
            plot.heatmap(
                z=z,
                zmin=0,
                zmax=highest,
                colorscale=[[place / (len(RAMP) - 1), colour] for place, colour in enumerate(RAMP)],
                showscale=False,
                xgap=2,
                ygap=2,
                hoverongaps=False,
                customdata=[
                    [_hint(row, column, at.get((row, column))) for column in columns]
                    for row in rows
                ],
                hovertemplate="%{customdata}<extra></extra>",
            ),
            plot.scatter(
                x=[x for x, _y in strokes],
                y=[y for _x, y in strokes],
                mode="lines",
                line={"color": tokens.mark, "width": 1},
                connectgaps=False,
                hoverinfo="skip",
            ),
        ],
        theme.layout(
            mode,
            margin={"l": 0, "r": 0, "t": 0, "b": 0},
            annotations=[
                {
                    "x": x, "y": y, "text": format_si(value), "showarrow": False,
                    "font": {"size": theme.SMALL, "color": text_on(_colour(value / highest))},
                }
                for y, line in enumerate(z)
                for x, value in enumerate(line)
                if value is not None
            ],
            xaxis=_axis(columns, mode, side="top", range=[-0.5, len(columns) - 0.5]),
            yaxis=_axis(rows, mode, range=[max(len(rows), 3) - 0.5, -0.5]),
        ),
    )  # fmt: skip


def _axis(names: Sequence[str], mode: Mode, **more: Any) -> dict[str, Any]:
    return theme.axis(
        mode, showgrid=False, tickvals=list(range(len(names))), ticklabelstandoff=4,
        ticktext=[escape(words.registered(name)[:24]) for name in names],
        tickfont={"size": theme.SMALL, "color": TOKENS[mode].text}, **more,
    )  # fmt: skip


def _colour(share: float) -> str:
    return RAMP[round(max(0.0, min(1.0, share)) * (len(RAMP) - 1))]


def _used(cell: Mapping[str, Any] | None) -> float | None:
    return None if cell is None or cell.get("hidden") else number(cell.get("used"))


def _hint(row: str, column: str, cell: Mapping[str, Any] | None) -> str:
    name = f"{escape(row[:40])}, {escape(column[:40].replace('_', ' '))}"
    if cell is None:
        return f"{name}: " + _("nothing granted or used")
    used = format_number(number(cell.get("used")), "GPU-h")
    granted = format_number(number(cell.get("granted")), "GPU-h")
    said = _("{used} used, {granted} granted").format(used=used, granted=granted)
    return f"{name}: {said}"


def _strokes(
    rows: Sequence[str], columns: Sequence[str], at: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Iterator[tuple[float | None, float | None]]:
    """Hatching of the hidden cells as one path; None lifts the pen."""
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            cell = at.get((row, column))
            if cell is None or not cell.get("hidden"):
                continue
            left, right, top, bottom = x - 0.47, x + 0.47, y - 0.42, y + 0.42
            yield from _box(left, right, top, bottom)
            for part in (0.2, 0.4, 0.6, 0.8):
                start = left + (right - left) * part
                yield start - 0.06, bottom
                yield start + 0.06, top
                yield None, None


def _box(
    left: float, right: float, top: float, bottom: float
) -> Iterator[tuple[float | None, float | None]]:
    yield from ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    yield None, None
