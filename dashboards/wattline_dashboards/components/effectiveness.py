"""The factory's one-number summary, as the equation it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html

from wattline_collector.palette import format_number, format_percent
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.parts import (
    coverage_note,
    marks,
    quantity,
    split_unit,
    written,
)
from wattline_dashboards.language import N_, _

Figures = Mapping[str, Mapping[str, Any]]
"""Figures by id."""

_TERMS = (
    ("OEE", N_("Effectiveness"), "", N_("of planned time became kept work at full speed")),
    ("OEE_A", N_("Availability"), "=", N_("of planned time was offered")),
    ("OEE_P", N_("Performance"), "×", N_("of the best the hardware does")),  # noqa: RUF001 (the sign)
    ("OEE_Q", N_("Quality"), "×", N_("of what was made was kept")),  # noqa: RUF001 (the sign)
)


def equation(figures: Figures, beside: Mapping[str, Any] | None = None) -> html.Div:
    """OEE = availability x performance x quality, and loading beside it.

    Args:
        figures: By id.
        beside: What stands under each, by id: its target, and what it was before.
    """
    more = beside or {}
    parts: list[html.Div | html.Span] = []
    for id, label, sign, meaning in _TERMS:
        if sign:
            parts.append(html.Span(sign, className="operator"))
        parts.append(_term(id, _(label), _(meaning), figures.get(id, {}), more.get(id)))
    parts.append(
        html.Div(
            _term(
                "LOADING",
                _("Loading"),
                _("of offered time was assigned"),
                figures.get("LOADING", {}),
                more.get("LOADING"),
            ),
            className="beside",
        )
    )
    return html.Div(parts, className="equation")


def _term(id: str, label: str, meaning: str, figure: Mapping[str, Any], beside: Any) -> html.Div:
    caution = coverage_note(number(figure.get("coverage")))
    value = number(figure.get("value"))
    note = text(figure.get("note"))
    lines = [
        html.Div(label, className="stat-label"),
        html.Div(_button(id, format_percent(value)), className="term-value"),
        html.Div(meaning if value is not None else note or _("not known"), className="stat-detail"),
        html.Div(sums(figure), className="stat-detail sums"),
    ]
    if caution is not None:
        lines.append(html.Div(caution, className="stat-detail"))
    if beside is not None:
        lines.append(beside)
    return html.Div(
        lines,
        className="term term-result" if id == "OEE" else "term",
        title=note or None,
        **marks(data_kpi=id, data_field="value"),
    )


def _button(id: str, shown: str) -> html.Button:
    # The dialog of explanations shows sums too, by what stands here.
    from wattline_dashboards.components.explain import explained

    return explained(id, quantity(shown))


def sums(figure: Mapping[str, Any]) -> str:
    """Numerator and denominator in words; empty where the figure is no sum of anything."""
    over, under = number(figure.get("numerator")), number(figure.get("denominator"))
    over_unit = text(figure.get("numerator_unit")) or ""
    under_unit = text(figure.get("denominator_unit")) or ""
    counts = over_unit == under_unit == "1"
    if over is None or (over_unit == "1" and not (counts and under is not None)):
        return ""
    if under is None:
        return written(over, over_unit)
    # Below the line "1" counts things, and above it things of the same kind: failures, proposals.
    upper = _count(over) if counts else written(over, over_unit)
    lower = _count(under) if under_unit == "1" else written(under, under_unit)
    if over_unit != under_unit or over > under:  # over one it is no part of it, as a PUE is none
        return _("{above} over {count}").format(above=upper, count=lower)
    if split_unit(upper)[1] == split_unit(lower)[1]:
        upper = split_unit(upper)[0]
    return _("{some} of {all}").format(some=upper, all=lower)


def _count(value: float) -> str:
    return format_number(int(value) if value == int(value) else value)
