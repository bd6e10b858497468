"""Meters against books: whether what was booked adds up to what meters above it counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from wattline_collector.palette import format_energy, format_percent
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import stats
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.parts import Column, Row, coverage_note, nothing, table
from wattline_dashboards.components.stats import Figure
from wattline_dashboards.language import _

_CLOSE = 0.02
"""How far from all of it the books may be before the finding says so."""


def finding(figures: Sequence[Figure]) -> str:
    """Whether they agree."""
    known = [
        (stats.dim(figure, "meter"), value / 100)
        for figure in stats.every(figures, "S14")
        if (value := stats.value_of(figure)) is not None
    ]
    if not known:
        return _("No meter stands above the books")
    worst = max(known, key=lambda pair: abs(pair[1] - 1))
    if abs(worst[1] - 1) <= _CLOSE:
        return _("Meters and books agree")
    which = _meters().get(worst[0], worst[0])
    return _("The books have {share} of what {meter} counted").format(
        share=format_percent(worst[1]), meter=which
    )


def note() -> str:
    """What the table compares."""
    return _(
        "Booked over metered energy, each of the time that both know. What the IT meter has beyond "
        "the books is network, storage, and what no meter of the books sees."
    )


def table_of(figures: Sequence[Figure], boundaries: Sequence[Mapping[str, Any]]) -> html.Div:
    """S14 by its meters; beneath, what was metered at each boundary."""
    rows = [_row(figure) for figure in stats.every(figures, "S14")]
    if not rows and not boundaries:
        return html.Div(nothing(_("Nothing is metered: agents or a file of meters bring energy.")))
    columns = [
        Column("meter", _("Meter")),
        Column("booked", _("Booked"), numeric=True),
        Column("metered", _("Metered"), numeric=True),
        Column("closure", _("Closure"), numeric=True),
        Column("note", _("Remarks")),
    ]
    named = {
        "gpu": _("devices' own meters"),
        "module": _("modules' own meters"),
        "node": _("nodes' meters"),
        "it": _("IT, meters of the facility"),
        "facility": _("data centre, meters of the facility"),
    }
    metered = [
        Row(
            {
                "boundary": named.get(str(row.get("boundary")), str(row.get("boundary"))[:40]),
                "energy": format_energy(number(row.get("joules"))),
                "method": str(row.get("method"))[:40],
                "coverage": format_percent(number(row.get("coverage"))),
            }
        )
        for row in boundaries
    ]
    known = [
        Column("boundary", _("Boundary")),
        Column("energy", _("Energy"), numeric=True),
        Column("method", _("Method")),
        Column("coverage", _("Coverage"), numeric=True),
    ]
    return html.Div(
        [
            table(_("Meters against books"), columns, rows, "meters") if rows else None,
            html.H3(_("At each boundary"), className="boundaries-head"),
            html.P(
                _("Boundaries lie in one another and are never added up."), className="muted note"
            ),
            table(_("Energy by boundary"), known, metered, "boundaries"),
        ]
    )


def _row(figure: Figure) -> Row:
    value = stats.value_of(figure)
    caution = coverage_note(number(figure.get("coverage"))) if value is not None else None
    return Row(
        {
            "meter": _meters().get(stats.dim(figure, "meter"), stats.dim(figure, "meter")),
            "booked": format_energy(number(figure.get("numerator"))),
            "metered": format_energy(number(figure.get("denominator"))),
            "closure": explained("S14", stats.shown(figure)),
            "note": [
                stats.cut(text(figure.get("note")) or "", 120),
                *([] if caution is None else [" ", caution]),
            ],
        },
        {"data-meter": stats.dim(figure, "meter")},
    )


def _meters() -> dict[str, str]:
    return {"node": _("the nodes' meters"), "it": _("the IT meter")}
