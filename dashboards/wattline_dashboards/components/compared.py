"""A figure's target and what it was in the period before, in two short lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dash import html

from wattline_collector.palette import format_number, format_percent, format_si, format_value
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import stats
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.parts import quantity, stat
from wattline_dashboards.components.stats import Figure
from wattline_dashboards.language import _

_KWH = 3_600_000
"""Joules."""


def beside(figure: Figure) -> html.Div | None:
    """The lines of one figure; nothing where there is neither target nor a time before."""
    lines = [line for line in (_target(figure), _before(figure)) if line is not None]
    return html.Div(lines, className="compared") if lines else None


def by_id(figures: Iterable[Figure]) -> dict[str, html.Div]:
    """The lines of figures, by id."""
    found = ((str(figure.get("id")), beside(figure)) for figure in figures)
    return {id: lines for id, lines in found if lines is not None}


def headline(figures: Sequence[Figure]) -> html.Dl | None:
    """What was made and what it took, each beside its target and the time before."""
    named = (
        ("P01", _("Tokens trained on")),
        ("P03", _("Tokens served")),
        ("P02", _("Throughput")),
        ("S10", _("Tokens per kWh")),
        ("S12", _("Energy of jobs")),
        ("E06", _("Wasted")),
    )
    known = [(label, stats.picked(figures, id)) for id, label in named]
    shown = [_stat(label, figure) for label, figure in known if figure is not None]
    return html.Dl(shown, className="answers") if shown else None


def _stat(label: str, figure: Figure) -> html.Div:
    id, value = str(figure.get("id")), stats.value_of(figure)
    if id == "S10":
        said = format_si(None if value is None else value * _KWH, "tok/kWh")
    else:
        said = stats.shown(figure)
    detail = stats.beneath(figure)
    lines = beside(figure)
    return stat(
        label,
        explained(id, quantity(said), f"{label} {said}"),
        [*detail, *([] if lines is None else [lines])],
        **{"data-kpi": id},
    )


def _target(figure: Figure) -> html.Div | None:
    aim = figure.get("target")
    if not isinstance(aim, Mapping):
        return None
    value, unit = number(aim.get("value")), text(figure.get("unit")) or ""
    level = number(aim.get("threshold")) if value is None else value
    if level is None:
        return None
    met = aim.get("kept") if value is None else aim.get("met")
    said = _("target {value}").format(value=format_value(level, unit))
    if met is None:
        return html.Div(said)
    verdict = _("met") if met else _("missed")
    return html.Div(
        [f"{said}: ", html.Span(verdict, className="strong" if met else "caution strong")],
        title=str(aim.get("source") or "")[:200] or None,
    )


def _before(figure: Figure) -> html.Div | None:
    then = figure.get("previous")
    if not isinstance(then, Mapping) or number(then.get("value")) is None:
        return None
    unit = text(figure.get("unit")) or ""
    was, change = number(then.get("value")), number(then.get("change"))
    shown = (
        format_si(None if was is None else was * _KWH, "tok/kWh")
        if figure.get("id") == "S10"
        else format_value(was, unit)
    )
    verdicts = {
        "better": _("better"),
        "worse": _("worse"),
        "same": _("as before"),
        "unclear": _("no clear change"),
    }
    verdict = verdicts.get(str(then.get("verdict")), "")
    words = [part for part in (verdict, _change(change, number(then.get("change_ratio")), unit))
             if part]  # fmt: skip
    is_worse = then.get("verdict") == "worse"
    return html.Div(
        [
            _("before {value}").format(value=shown),
            html.Span(
                f", {' '.join(words)}" if words else "", className="caution" if is_worse else None
            ),
        ]
    )


def _change(change: float | None, ratio: float | None, unit: str) -> str:
    """By how much: points of a percentage, else in per cent of what it was."""
    if change is None or change == 0:
        return ""
    sign = "+" if change > 0 else "−"  # noqa: RUF001 (the sign is meant)
    if unit in ("1", "%"):
        points = abs(change) * (100 if unit == "1" else 1)
        return _("{change} points").format(change=f"{sign}{format_number(points)}")
    return "" if ratio is None else f"{sign}{format_percent(abs(ratio))}"
