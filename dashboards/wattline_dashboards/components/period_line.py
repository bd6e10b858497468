"""What a page is about, beneath its answer: which system, how many devices, from when to when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import THIN_SPACE, format_number
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import sentence
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.times import parsed

_MOST = 300
_DOT = f" {THIN_SPACE}·{THIN_SPACE} "


def span(said: Mapping[str, Any]) -> tuple[float, float] | None:
    """First moment of the period and the first one after it, Unix ms; null: not told."""
    period = said.get("period") or {}
    start, end = (parsed(text(period.get(name))) for name in ("from", "to"))
    return None if start is None or end is None else (
        start.timestamp() * 1000, end.timestamp() * 1000
    )  # fmt: skip


def scope(said: Mapping[str, Any], zone: ZoneInfo) -> list[Any]:
    """The line: the system, its devices, the period in the site's time; then the notes."""
    period = said.get("period") or {}
    bounds = [parsed(text(period.get(name))) for name in ("from", "to")]
    count = int(number(said.get("devices")) or 0)
    parts: list[Any] = []
    if system := text(said.get("system")):
        parts += [html.Span(system[:80], className="strong"), _DOT]
    parts.append(
        ngettext("{count} device", "{count} devices", count).format(count=format_number(count))
    )
    if all(bounds):
        first, last = (moment(at.timestamp() * 1000, zone) for at in bounds if at)
        parts += [_DOT, first, _(" to "), last, f" {zone.key}"]
    for note in said.get("notes") or ():
        parts.append(html.Span(f" {sentence(str(note)[:_MOST])}.", className="muted scope-note"))
    return parts
