"""Tables of data quality: gaps, residuals, clocks, versions, what was of no use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import format_age, format_energy, format_number, format_value
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.feeds import cells, count, silent
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import (
    Column,
    Row,
    coverage_note,
    marks,
    nothing,
    quantity,
    stat,
    table,
)
from wattline_dashboards.components.short import cut, short
from wattline_dashboards.language import _, ngettext

Told = Mapping[str, Any]


def figures(books: Told) -> html.Dl:
    """The figures of the period, each of which opens its explanation."""
    shown = [_figure(one) for one in books.get("figures") or () if isinstance(one, Mapping)]
    residuals = books.get("residuals") or {}
    findings = number(residuals.get("findings")) or 0
    shown.append(
        stat(
            _("Books"),
            _("balance") if not findings else count(findings),
            ngettext(
                "{n} hour checked", "{n} hours checked", number(residuals.get("checked_hours")) or 0
            ).format(n=count(residuals.get("checked_hours")))
            if not findings
            else _("places where they do not balance"),
            **marks(data_field="residuals"),
        )
    )
    return html.Dl(shown, className="totals")


def _figure(one: Told) -> html.Div:
    id, value = text(one.get("id")) or "", number(one.get("value"))
    above, below = number(one.get("numerator")), number(one.get("denominator"))
    name = {"Q03": _("Samples received"), "S14": _("Energy booked of metered")}.get(id, id)
    made = "" if above is None or below is None else _("{some} of {all}")
    if text(one.get("numerator_unit")) == "J":
        made = made.format(some=format_energy(above), all=format_energy(below))
    else:
        made = made.format(some=format_number(above), all=format_number(below))
    detail: list[Any] = [cut(one.get("method")), html.Br(), made]
    thin = coverage_note(number(one.get("coverage")))
    if thin is not None:
        detail += [" ", thin]
    shown = format_value(value, text(one.get("unit")) or "")
    dims = one.get("dims")
    meter = dims.get("meter") if isinstance(dims, Mapping) else None
    field = f"{id}-{meter}" if meter else id
    return stat(
        name, explained(id, quantity(shown), name), detail, **marks(data_field=cut(field, 40))
    )


def gaps(books: Told, zone: ZoneInfo) -> list[Any]:
    """Stretches in which nobody observed devices of a node, the largest first."""
    rows = [one for one in books.get("gaps") or () if isinstance(one, Mapping)]
    if not rows:
        return [nothing(_("None: every device was observed in every hour."))]
    columns = (
        Column("node", _("Node")),
        Column("from", _("Between")),
        Column("to", _("and")),
        Column("devices", _("Devices"), numeric=True),
        Column("hours", _("Not observed"), numeric=True,
               title=_("Device time on the account unobserved, in these hours")),
    )  # fmt: skip
    drawn = [
        Row(
            {
                "node": short(one.get("node"), "strong", 40),
                "from": moment(number(one.get("from_ms")), zone),
                "to": moment(number(one.get("to_ms")), zone),
                "devices": count(one.get("devices")),
                "hours": format_number(number(one.get("device_hours")), "GPU-h"),
            }
        )
        for one in rows
    ]
    parts: list[Any] = [table(_("Gaps"), columns, drawn, "gaps")]
    more = number(books.get("gaps_left_out")) or 0
    if more:
        parts.append(nothing(_("and {n} smaller ones").format(n=count(more))))
    return parts


def residuals(books: Told) -> list[Any]:
    """Where seconds, joules or tokens do not balance."""
    told = books.get("residuals") or {}
    rows = [one for one in told.get("first") or () if isinstance(one, Mapping)]
    if not rows:
        said = _("Hours checked: {n}. In each, the seconds, joules and tokens that are booked are "
                 "those that were installed, metered and counted.")  # fmt: skip
        return [nothing(said.format(n=count(told.get("checked_hours"))))]
    columns = (
        Column("hour", _("Hour (UTC)")),
        Column("subject", _("What")),
        Column("problem", _("Residual")),
    )
    drawn = [Row({name: short(one.get(name), most=120) for name in ("hour", "subject", "problem")})
             for one in rows]  # fmt: skip
    more = (number(told.get("findings")) or 0) - len(rows)
    parts: list[Any] = [table(_("Residuals of the books"), columns, drawn, "residuals")]
    if more > 0:
        parts.append(nothing(_("and {n} more; `wattline audit STORE` names all").format(
            n=count(more))))  # fmt: skip
    return parts


def agents(told: Told) -> list[Any]:
    """Which nodes report now, and by which version of the agent."""
    known = told.get("agents") or {}
    if not number(known.get("nodes")):
        return [nothing(_("No agent has sent anything yet."))]
    parts: list[Any] = [
        html.P(
            _("{some} of {all} nodes report now.").format(
                some=count(known.get("reporting")), all=count(known.get("nodes"))
            )
        ),
        cells(known),
        html.P(silent(known)),
    ]
    versions = [one for one in told.get("versions") or () if isinstance(one, Mapping)]
    if versions:
        columns = (
            Column("version", _("Agent's version")),
            Column("nodes", _("Nodes"), numeric=True),
            Column("named", _("Such as")),
        )
        rows = [
            Row(
                {
                    "version": short(text(one.get("version")) or _("not said"), "strong", 40),
                    "nodes": count(one.get("nodes")),
                    "named": ", ".join(cut(name, 24) for name in (one.get("named") or ())[:4]),
                }
            )
            for one in versions
        ]
        parts.append(table(_("Versions of agents"), columns, rows, "versions"))
    return parts


def clocks(told: Told) -> list[Any]:
    """Nodes whose clocks are off."""
    known = told.get("clocks") or {}
    worst = [one for one in known.get("worst") or () if isinstance(one, Mapping)]
    if not number(known.get("nodes")):
        return [nothing(_("Not known: nothing has arrived since the collector was started."))]
    if not worst:
        said = _("The clocks of all {n} nodes heard from are right to within seconds.")
        return [nothing(said.format(n=count(known.get("nodes"))))]
    columns = (
        Column("node", _("Node")),
        Column("offset", _("Its newest reading came"), numeric=True),
    )
    rows = []
    for one in worst:
        offset = number(one.get("offset_ms")) or 0
        words = _("{age} before its time") if offset > 0 else _("{age} after its time")
        rows.append(
            Row(
                {
                    "node": short(one.get("node"), "strong", 40),
                    "offset": words.format(age=format_age(abs(offset))),
                }
            )
        )
    return [table(_("Clocks that are off"), columns, rows, "clocks")]


def counted(told: Told) -> list[Any]:
    """What came and was of no use, and reads that failed: by who counts it."""
    rows: list[Row] = []

    def add(what: str, by: str, value: object, worst: object = None) -> None:
        known = number(value)
        shown = html.Span(count(known), className="strong" if known else "muted")
        where = short(worst, most=40) if worst else None
        rows.append(Row({"what": what, "by": by, "count": shown, "worst": where}))

    refused = told.get("refused") or {}
    add(_("batches refused"), _("collector"), refused.get("batches"))
    add(_("records damaged on disk"), _("collector"), refused.get("damaged"))
    for one in _mappings(told.get("followers")):
        name = cut(one.get("name"), 40)
        add(_("records set aside"), name, one.get("set_aside"))
        add(_("batches refused"), name, one.get("refused"))
        add(_("questions without an answer"), name, one.get("errors"))
    for one in _mappings(told.get("counted")):
        add(cut(one.get("what")), _("agents"), one.get("count"), one.get("worst"))
    columns = (
        Column("what", _("What")),
        Column("by", _("Counted by")),
        Column("count", _("Count"), numeric=True, title=_("Since whoever counts was started")),
        Column("worst", _("Most of it")),
    )
    return [table(_("What was of no use"), columns, rows, "counted")]


def lacks(told: Told) -> list[Any]:
    """Metrics that no source can give, and why."""
    rows = _mappings(told.get("lacks"))
    if not rows:
        return [nothing(_("None is named: agents name what they cannot read every ten minutes."))]
    columns = (
        Column("column", _("Metric")),
        Column("source", _("Source")),
        Column("devices", _("Devices"), numeric=True),
        Column("nodes", _("Nodes"), numeric=True),
        Column("reason", _("Why it is unknown")),
    )
    drawn = [
        Row(
            {
                "column": short(one.get("column"), "strong", 60),
                "source": short(one.get("source"), most=40),
                "devices": count(one.get("devices")),
                "nodes": count(one.get("nodes")),
                "reason": short(one.get("reason"), most=160),
            }
        )
        for one in rows
    ]
    return [table(_("Metrics without a source"), columns, drawn, "lacks")]


def _mappings(told: object) -> Sequence[Told]:
    return [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []
