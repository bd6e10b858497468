"""Alerts by rule: how urgent, the figure that fired, what it means, what to look at, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import format_age
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.feeds import count
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import Column, Row, marks, nothing, sentence, table
from wattline_dashboards.components.severity import badge
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.language import _, ngettext

_IN_TITLE = 160
_SUBJECT = ("system", "project", "job", "node", "device", "model", "xid")


def open_alerts(told: Mapping[str, Any], zone: ZoneInfo) -> list[Any]:
    """A section for each rule that fires or waits, which opens to its runbook and its subjects."""
    groups = [one for one in told.get("open") or () if isinstance(one, Mapping)]
    parts: list[Any] = [_group(one, zone, told) for one in groups]
    more = number(told.get("open_left_out")) or 0
    if more:
        parts.append(nothing(_("and {n} more rules; filter to see them").format(n=count(more))))
    return parts


def _group(group: Mapping[str, Any], zone: ZoneInfo, told: Mapping[str, Any]) -> html.Details:
    rule = text(group.get("rule")) or ""
    subjects = [one for one in group.get("subjects") or () if isinstance(one, Mapping)]
    firing, pending, muted = (number(group.get(n)) or 0 for n in ("firing", "pending", "muted"))
    all_ = firing + pending + muted
    first = text(subjects[0].get("title")) if subjects else None
    states = [
        ngettext("{n} fires", "{n} fire", firing).format(n=count(firing)) if firing else "",
        _("{n} pending").format(n=count(pending)) if pending else "",
        _("{n} muted by {rules}").format(
            n=count(muted), rules=", ".join(str(one)[:60] for one in group.get("muted_by") or ())
        )
        if muted
        else "",
    ]
    return html.Details(
        [
            html.Summary(
                [
                    badge(text(group.get("severity")) or ""),
                    html.Span(
                        [
                            short(first or rule, "strong", _IN_TITLE),
                            html.Span(
                                _(" and {n} more").format(n=count(all_ - 1)), className="strong"
                            )
                            if all_ > 1
                            else None,
                        ]
                    ),
                    html.Span(
                        [
                            "; ".join(state for state in states if state), _(", since "),
                            moment(number(group.get("since_ms")), zone),
                        ],
                        className="muted alert-since",
                    ),
                ]
            ),
            html.Div(
                [
                    html.Dl(_runbook(group), className="runbook"),
                    _subjects(subjects, zone, number(told.get("time_unix_ms")) or 0),
                    nothing(
                        _("and {n} more of this rule").format(n=count(group.get("left_out")))
                    ) if number(group.get("left_out")) else None,
                ],
                className="alert-body",
            ),
        ],
        className="alert" if firing else "alert alert-quiet",
        **marks(data_key=rule, data_severity=text(group.get("severity")) or ""),
    )  # fmt: skip


def _runbook(group: Mapping[str, Any]) -> list[html.Dt | html.Dd]:
    threshold, seconds = text(group.get("fires")), number(group.get("for_seconds")) or 0
    watched = sentence(text(group.get("figure")) or "")
    fires = _("{figure}; fires at {threshold}") if threshold else "{figure}"
    said = fires.format(figure=watched, threshold=threshold)
    if seconds:
        said = _("{said}, held for {length}").format(said=said, length=format_age(seconds * 1000))
    lines = (
        (_("Evidence"), said),
        (_("Means"), text(group.get("meaning"))),
        (_("Look at"), text(group.get("check"))),
        (_("Do"), text(group.get("action"))),
    )
    return [
        part
        for label, words in lines
        if words
        for part in (html.Dt(label), html.Dd(cut(words, 2000)))
    ]


def _subjects(subjects: Sequence[Mapping[str, Any]], zone: ZoneInfo, now_ms: float) -> html.Div:
    columns = (
        Column("subject", _("Where")),
        Column("figure", _("Figure"), numeric=True),
        Column("state", _("State")),
        Column("since", _("Since")),
        Column("length", _("For"), numeric=True),
    )
    rows = [
        Row(
            {
                "subject": _subject(one),
                "figure": html.Span(cut(one.get("shown"), 40), className="strong"),
                "state": {"firing": _("fires"), "pending": _("pending")}.get(
                    text(one.get("state")) or "", cut(one.get("state"), 20)
                ),
                "since": moment(number(one.get("since_ms")), zone, seconds=True),
                "length": format_age(max(0.0, now_ms - (number(one.get("since_ms")) or now_ms))),
            }
        )
        for one in subjects
    ]
    return table(_("What it is about"), columns, rows, "subjects")


def _subject(one: Mapping[str, Any]) -> html.Span:
    labels = one.get("labels")
    known: Mapping[str, Any] = labels if isinstance(labels, Mapping) else {}
    parts: list[Any] = []
    for name in _SUBJECT:
        word = text(known.get(name))
        if word:
            parts += [" · " if parts else "", html.Span(f"{name} ", className="muted"),
                      short(word, "strong", 48)]  # fmt: skip
    return html.Span(parts or _("the collector"))


def past(told: Mapping[str, Any], zone: ZoneInfo) -> list[Any]:
    """What ended in the period, the newest first."""
    rows = [one for one in told.get("past") or () if isinstance(one, Mapping)]
    if not rows:
        return [nothing(_("No alert ended in this period."))]
    why = {
        "cleared": _("cleared"),
        "unknown": _("not known any more"),
        "removed": _("its rule is gone"),
    }
    columns = (
        Column("severity", _("Severity")),
        Column("title", _("Alert")),
        Column("figure", _("Last figure"), numeric=True),
        Column("fired", _("Fired")),
        Column("length", _("Lasted"), numeric=True),
        Column("why", _("Ended"),
               title=_("Cleared: the figure is known and over. Not known: nothing reports it.")),
    )  # fmt: skip
    drawn = []
    for one in rows:
        fired, ended = number(one.get("fired_ms")), number(one.get("ended_ms"))
        ending = text(one.get("why")) or ""
        lasted = None if fired is None or ended is None else format_age(max(0.0, ended - fired))
        said = why.get(ending, cut(ending, 20))
        drawn.append(
            Row(
                {
                    "severity": badge(text(one.get("severity")) or ""),
                    "title": short(one.get("title"), most=_IN_TITLE),
                    "figure": html.Span(
                        cut(one.get("shown"), 40), title=cut(one.get("figure"), 400) or None
                    ),
                    "fired": moment(fired, zone),
                    "length": lasted,
                    "why": html.Span(said, className="caution" if ending == "unknown" else None),
                }
            )
        )
    more = number(told.get("past_left_out")) or 0
    note = nothing(_("and {n} earlier ones; choose a shorter period").format(n=count(more)))
    return [
        table(_("Alerts that ended in the period"), columns, drawn, "past"),
        *([note] if more else []),
    ]
