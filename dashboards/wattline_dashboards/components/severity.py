"""How urgent an alert is: a shape, a colour and the word, so that each alone would do."""

from __future__ import annotations

from dash import html

from wattline_dashboards.components.parts import marks
from wattline_dashboards.language import _

SEVERITIES = ("critical", "warning", "info")
"""The most urgent first, as the rules have them."""

_SHAPES = {"critical": "▲", "warning": "◆", "info": "●"}


def name(severity: str) -> str:
    """Its word."""
    words = {"critical": _("critical"), "warning": _("warning"), "info": _("info")}
    return words.get(severity, _("not known"))


def badge(severity: str, label: str | None = None) -> html.Span:
    """Shape and word."""
    known = severity if severity in _SHAPES else "info"
    return html.Span(
        [
            html.Span(_SHAPES.get(severity, "○"), **marks(aria_hidden="true")),
            html.Span(name(severity) if label is None else label),
        ],
        className=f"severity severity-{known}",
    )
