"""How fresh everything is that comes in; what is silent is hatched, and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from wattline_collector.palette import THIN_SPACE, UNKNOWN, format_age
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.parts import marks
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.language import _, ngettext

MOST_NAMED = 6


def count(value: object) -> str:
    """A whole number with thin spaces; an en dash where it is not known."""
    known = number(value)
    return UNKNOWN if known is None else f"{int(known):,}".replace(",", THIN_SPACE)


def age(milliseconds: object) -> str:
    """How long ago; a node that is silent for over a day has no age any more."""
    known = number(milliseconds)
    return _("over a day") if known is None else format_age(known)


def feeds(told: Mapping[str, Any], alerts: Mapping[str, Any] | None, now_ms: float) -> html.Dl:
    """A line for each feed: what it is, how fresh, and a mark where it is late or silent."""
    lines = [*_agents(told.get("agents") or {})]
    for one in told.get("followers") or ():
        heard = number(one.get("age_ms"))
        lines += _line(
            cut(one.get("name")),
            _("no answer yet") if heard is None else _("{age} ago").format(age=format_age(heard)),
            late=bool(one.get("late")),
        )
    meters = told.get("meters")
    if isinstance(meters, Mapping):
        lines += _line(
            _("Facility meters"),
            _("{age} ago").format(age=format_age(number(meters.get("age_ms")))),
            late=bool(meters.get("late")),
            detail=ngettext("{n} meter", "{n} meters", number(meters.get("meters")) or 0).format(
                n=count(meters.get("meters"))
            ),
        )
    else:
        lines += _line(_("Facility meters"), _("none imported"), late=None)
    lines += _books(told.get("books") or ())
    if alerts is not None:
        judged = number(alerts.get("judged_ms"))
        said = _("not yet judged")
        if judged:
            said = _("judged {age} ago").format(age=format_age(max(0.0, now_ms - judged)))
        lines += _line(_("Alerts"), said, late=bool(alerts.get("late")))
    return html.Dl(lines, className="feeds")


def _books(told: Sequence[Mapping[str, Any]]) -> list[html.Dt | html.Dd]:
    if not told:
        return _line(_("Books"), _("nothing is booked yet"), late=None)
    worst = max(told, key=lambda one: (number(one.get("age_ms")) is None, one.get("age_ms") or 0))
    behind = number(worst.get("age_ms"))
    said = (
        _("nothing is booked yet")
        if behind is None
        else _("{age} behind").format(age=format_age(behind))
    )
    # Of several systems' books the least fresh are told of, and whose they are.
    whose = cut(text(worst.get("system")) or UNKNOWN) if len(told) > 1 else None
    return _line(_("Books"), said, late=bool(worst.get("late")), detail=whose)


def _agents(told: Mapping[str, Any]) -> list[html.Dt | html.Dd]:
    nodes, reporting = number(told.get("nodes")) or 0, number(told.get("reporting")) or 0
    if not nodes:
        return _line(_("Agents"), _("none has sent anything yet"), late=None)
    said = _("{some} of {all} report").format(some=count(reporting), all=count(nodes))
    lines = _line(_("Agents"), said, late=reporting < nodes)
    lines.append(html.Dd(cells(told), className="feed-wide"))
    names = silent(told)
    if names is not None:
        lines.append(html.Dd(names, className="feed-wide"))
    return lines


def cells(told: Mapping[str, Any]) -> html.Div:
    """A cell for each node, or each rack where there are many; the silent part of it hatched."""
    by_rack = told.get("by") == "rack"
    drawn = []
    for cell in told.get("cells") or ():
        label, all_, quiet = (*cell, None, None, None)[:3]
        whole, unheard = number(all_) or 0, number(quiet) or 0
        name = cut(text(label) or _("no rack named"), 120)
        said = _("{name}: {some} of {all} report") if by_rack else "{name}"
        title = said.format(name=name, some=count(whole - unheard), all=count(whole))
        if unheard and not by_rack:
            title = _("{name}: silent").format(name=name)
        share = unheard / whole if whole else 1.0
        part = html.Span(className="cell-silent", style={"height": f"{share * 100:.0f}%"})
        drawn.append(html.Span(part if unheard else None, className="cell", title=title))
    nodes, reporting = count(told.get("nodes")), count(told.get("reporting"))
    label = _("{some} of {all} report").format(some=reporting, all=nodes)
    return html.Div(drawn, className="cells", role="img", **marks(aria_label=label))


def silent(told: Mapping[str, Any]) -> html.Span | None:
    """The nodes that are silent, by name; nothing where none is."""
    some = [one for one in told.get("silent") or () if isinstance(one, Mapping)]
    if not some:
        return None
    parts: list[Any] = [html.Span(_("Silent, state unknown:"), className="caution"), " "]
    for place, one in enumerate(some[:MOST_NAMED]):
        parts += [", " if place else "", short(one.get("node"), "strong", 40)]
        parts.append(f" ({age(one.get('age_ms'))})")
    more = (number(told.get("nodes")) or 0) - (number(told.get("reporting")) or 0)
    more -= len(some[:MOST_NAMED])
    if more > 0:
        parts.append(_(" and {n} more").format(n=count(more)))
    return html.Span(parts)


def _line(
    name: str, said: str, *, late: bool | None, detail: str | None = None
) -> list[html.Dt | html.Dd]:
    """One feed; `late` is null where there is nothing that could be."""
    state = "off" if late is None else "late" if late else "fresh"
    words = {"off": "", "late": _("late"), "fresh": ""}[state]
    return [
        html.Dt(
            [html.Span(className=f"feed-mark feed-{state}", **marks(aria_hidden="true")), name]
        ),
        html.Dd(
            [
                html.Span(said, className="caution" if state == "late" else None),
                html.Span(f" {words}", className="hidden") if words else None,
                html.Span(f" {detail}", className="muted") if detail else None,
            ]
        ),
    ]
