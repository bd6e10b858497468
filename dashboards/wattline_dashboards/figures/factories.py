"""Factories as dots: a row for each, a panel for each measure, the middle half as a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wattline_collector.palette import TOKENS, UNKNOWN, Mode, format_number, format_percent
from wattline_dashboards import plot, theme
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.parts import sentence
from wattline_dashboards.components.short import cut
from wattline_dashboards.language import _
from wattline_dashboards.trust import COMFORT

ROW = 28
TOP = 52
BOTTOM = 12
_GAP = 0.05
_WORDS = 0.34
"""The part of a panel that its numbers have."""

Measure = Mapping[str, Any]


def height(factories: int) -> int:
    """Pixels that so many factories need, and all of them together."""
    return TOP + BOTTOM + ROW * (factories + 1)


def dots(
    measures: Sequence[Measure], factories: Sequence[str], own: str | None, mode: Mode
) -> plot.Figure:
    """Every factory by every measure of a theme; the site's own filled, the others open.

    To either side of a dot its line is as long, as a share of the value, as the share of the time
    that was not observed. What a factory hides is hatched.
    """
    count = max(len(measures), 1)
    wide = (1 - _GAP * (count - 1)) / count
    whole = len(factories)
    layout: dict[str, Any] = {
        "yaxis": theme.axis(
            mode, range=[whole + 0.5, -0.5], tickvals=list(range(whole + 1)),
            ticktext=[*(_name(one, own) for one in factories), "<b>" + _("All together") + "</b>"],
            showgrid=False, ticklabelstandoff=12,
            tickfont={"size": theme.TEXT, "color": TOKENS[mode].text},
        ),
        "margin": {"t": TOP, "b": BOTTOM},
    }  # fmt: skip
    traces: list[Any] = []
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for place, measure in enumerate(measures):
        axis = "x" if place == 0 else f"x{place + 1}"
        left = place * (wide + _GAP)
        right = left + wide * (1 - _WORDS)
        rows = [*_list(measure.get("factories")), _mapping(measure.get("network"))]
        low, high = _range(measure, rows)
        layout[axis.replace("x", "xaxis")] = theme.bare_axis(
            domain=[left, right], range=[low, high], anchor="y"
        )
        traces += _traces(measure, rows, own, axis, mode)
        shapes += _shapes(measure, rows, axis, whole, mode)
        notes += _notes(measure, rows, left, left + wide, mode)
    return plot.figure(traces, theme.layout(mode, shapes=shapes, annotations=notes, **layout))


def _traces(
    measure: Measure, rows: Sequence[Measure], own: str | None, axis: str, mode: Mode
) -> list[Any]:
    tokens, unit = TOKENS[mode], unit_of(measure)
    known = [(place, row) for place, row in enumerate(rows) if number(row.get("value")) is not None]
    last = len(rows) - 1
    values = [number(row.get("value")) or 0.0 for _place, row in known]
    mine = [place == last or row.get("factory") == own for place, row in known]
    off = [
        abs(value) * (1 - _observed(row))
        for value, (_place, row) in zip(values, known, strict=True)
    ]
    start, _end = _range(measure, rows)
    return [
        plot.scatter(
            x=values, y=[place for place, _row in known], xaxis=axis, mode="markers",
            error_x={"type": "data", "array": off, "symmetric": False, "thickness": 1.2, "width": 0,
                     "arrayminus": [min(o, v - start) for o, v in zip(off, values, strict=True)],
                     "color": tokens.mark},
            marker={
                "size": 9,
                "color": [tokens.accent if one else tokens.background for one in mine],
                "line": {"width": 2, "color": [
                    tokens.warning if row.get("apart") else tokens.accent if one else tokens.mark
                    for one, (_place, row) in zip(mine, known, strict=True)
                ]},
                "symbol": ["diamond" if place == last else "circle" for place, _row in known],
            },
            customdata=[_hover(measure, row, unit) for _place, row in known],
            hovertemplate="%{customdata}<extra></extra>",
        )
    ]  # fmt: skip


def _shapes(
    measure: Measure, rows: Sequence[Measure], axis: str, whole: int, mode: Mode
) -> list[dict[str, Any]]:
    tokens = TOKENS[mode]
    low, middle, high = (number(measure.get(name)) for name in ("low", "median", "high"))
    found: list[dict[str, Any]] = [
        {"type": "line", "xref": f"{axis} domain", "yref": "y", "x0": 0, "x1": 1.5,
         "y0": whole - 0.5, "y1": whole - 0.5, "line": {"width": 1, "color": tokens.line}}
    ]  # fmt: skip
    if low is not None and high is not None:
        found.append(
            {"type": "rect", "xref": axis, "yref": "y", "x0": low, "x1": high, "y0": -0.5,
             "y1": whole - 0.5, "fillcolor": tokens.grid, "line": {"width": 0}, "layer": "below"}
        )  # fmt: skip
    if middle is not None:
        found.append(
            {"type": "line", "xref": axis, "yref": "y", "x0": middle, "x1": middle, "y0": -0.5,
             "y1": whole - 0.5, "line": {"width": 1.5, "color": tokens.muted}, "layer": "below"}
        )  # fmt: skip
    return found


def _notes(
    measure: Measure, rows: Sequence[Measure], left: float, right: float, mode: Mode
) -> list[dict[str, Any]]:
    tokens, unit = TOKENS[mode], unit_of(measure)
    least = number(measure.get("least")) or 0.0
    begins = _("from {start}").format(start=f"{least:g}")
    head = f"<b>{escape(sentence(measure_name(measure)))}</b><br>" + escape(
        f"{unit}, {begins}" if unit else begins
    )
    found = [
        {"text": head, "x": left, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left",
         "yanchor": "bottom", "yshift": 10, "align": "left", "showarrow": False,
         "font": {"size": theme.SMALL, "color": tokens.text}}
    ]  # fmt: skip
    last = len(rows) - 1
    for place, row in enumerate(rows):
        said = shown(row)
        if number(row.get("value")) is not None and _observed(row) < COMFORT:
            said = f"{said} <i>({format_percent(_observed(row))})</i>"
        found.append(
            {"text": f"<b>{said}</b>" if place == last else said, "x": right, "y": place,
             "xref": "paper", "yref": "y", "xanchor": "right", "showarrow": False,
             "font": {"size": theme.SMALL,
                      "color": tokens.text if row.get("value") is not None else tokens.muted}}
        )  # fmt: skip
    return found


def measure_name(measure: Measure) -> str:
    """What a measure is called over its panel; one that is not known by its own words."""
    names = {
        "trained_per_gpu_hour": _("trained per GPU-h"),
        "served_per_gpu_hour": _("served per GPU-h"),
        "trained_per_mwh": _("trained per MWh"),
        "U01": _("allocated"), "U02": _("effective"), "E04": _("GPU activity"),
        "S03": _("PUE"), "kwh_per_gpu_hour": _("energy per GPU-h"), "S04": _("WUE"),
        "A01": _("scheduled"), "A02": _("overall"), "A06": _("nodes"),
        "projects_per_100_gpus": _("projects per 100 GPUs"),
        "training_per_gpu": _("training per GPU"), "wasted_share": _("wasted"),
    }  # fmt: skip
    return names.get(str(measure.get("key")), cut(measure.get("short"), 40))


def unit_of(measure: Measure) -> str:
    """A measure's unit, as people write it."""
    unit = str(measure.get("unit") or "")
    words = {
        "projects/100 GPUs": _("projects/100 GPUs"), "person-days/GPU": _("person-days/GPU"),
        "m3/MWh": "m³/MWh",
    }  # fmt: skip
    return words.get(unit, unit)


def shown(row: Measure) -> str:
    """A factory's value as text, without its unit; hidden and not known are said apart."""
    value = number(row.get("value"))
    if value is not None:
        return format_number(value)
    return _("hidden") if row.get("hidden") else UNKNOWN


def _hover(measure: Measure, row: Measure, unit: str) -> str:
    name = escape(cut(row.get("factory") or _("All together"), 60))
    parts = [f"<b>{name}</b>: {escape(format_number(number(row.get('value')), unit))}"]
    parts.append(escape(str(measure.get("name"))[:120]))
    more = [f"n {format_number(number(row.get('n')))}"]
    if row.get("coverage") is not None:
        more.append(_("coverage {share}").format(share=format_percent(number(row["coverage"]))))
    if method := text(row.get("method")):
        more.append(escape(method[:120]))
    parts.append(", ".join(more))
    if row.get("apart"):
        parts.append(_("lies apart from the others"))
    return "<br>".join(parts)


def _observed(row: Measure) -> float:
    """Observed over expected; all where nobody knows it."""
    coverage = number(row.get("coverage"))
    return 1.0 if coverage is None else coverage


def _range(measure: Measure, rows: Sequence[Measure]) -> tuple[float, float]:
    known = [value for row in rows if (value := number(row.get("value"))) is not None]
    least = min([number(measure.get("least")) or 0.0, *known])
    most = max([*known, least])
    reach = (most - least) or abs(most) or 1.0
    return least - 0.04 * reach, most + 0.08 * reach


def _name(name: str, own: str | None) -> str:
    text = escape(cut(name, 32))
    return f"<b>{text}</b>" if name == own else text


def _list(value: object) -> list[Measure]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _mapping(value: object) -> Measure:
    return value if isinstance(value, Mapping) else {}
