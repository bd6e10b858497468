"""What the page *Reliability* says in words and tables: incidents, outcomes, early warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import UNKNOWN, format_number, format_percent
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import stats
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import Column, Row, nothing, sentence, table
from wattline_dashboards.language import _, ngettext

Rows = Sequence[Mapping[str, Any]]


def finding(told: Mapping[str, Any]) -> str:
    """How many incidents there were, and what they took."""
    causes = rows_of(told, "causes")
    unplanned = [row for row in causes if not row.get("scheduled")]
    count = sum(int(number(row.get("count")) or 0) for row in unplanned)
    if not causes:
        return _("No incident is logged in this period")
    hours = sum(number(row.get("gpu_hours")) or 0.0 for row in unplanned)
    if not count:
        return _("Nothing was out of service unplanned")
    said = ngettext("{count} unplanned incident took {hours}", "{count} unplanned incidents took "
                    "{hours}", count)  # fmt: skip
    return said.format(count=count, hours=format_number(hours, "GPU-h"))


def note(told: Mapping[str, Any]) -> str:
    """What the log does not tell and the ledger does."""
    if said := text(told.get("note")):
        return f"{sentence(said)}."
    down = number(told.get("down_gpu_hours")) or 0.0
    logged = sum(
        number(row.get("gpu_hours")) or 0.0
        for row in rows_of(told, "causes")
        if not row.get("scheduled")
    )
    parts = [_("By the log of outages; a node's time counts once for each cause.")]
    if down > logged * 1.02 + 0.5:
        more = _("The ledger has {hours} more as down: lost devices, and what nobody logged.")
        parts.append(more.format(hours=format_number(down - logged, "GPU-h")))
    return " ".join(parts)


def incidents(told: Mapping[str, Any], zone: ZoneInfo) -> html.Div | html.P:
    """The incidents, newest first."""
    rows = rows_of(told, "rows")
    if not rows:
        return nothing(_("None. `wattline import --template outages` prints a log to fill in."))
    columns = [
        Column("start", _("From")),
        Column("cause", _("Cause")),
        Column("planned", _("Planned")),
        Column("where", _("Where")),
        Column("hours", _("Lasted"), numeric=True),
        Column("gpu_hours", _("Took"), numeric=True),
        Column("text", _("What happened")),
    ]
    shown = table(_("Incidents"), columns, [_incident(row, zone) for row in rows], "incidents")
    count = int(number(told.get("count")) or len(rows))
    if count <= len(rows):
        return shown
    more = _("The newest {shown} of {count}.").format(shown=len(rows), count=count)
    return html.Div([shown, html.P(more, className="muted note")])


def cause_name(word: object) -> str:
    """A cause for people; one the register does not know by its own word."""
    names = {
        "power": _("Power supply"), "cooling": _("Cooling"), "network": _("Network"),
        "storage": _("Storage"), "compute_hardware": _("Compute hardware"),
        "system_software": _("System software"), "user_software": _("User software"),
        "security": _("Security"), "site": _("Site"), "human_error": _("Human error"),
        "upgrade": _("Upgrade"), "preventive": _("Preventive"), "other": _("Other"),
        "unknown": _("Unknown"),
    }  # fmt: skip
    said = str(word or "unknown")[:60]
    return names.get(said, sentence(said.replace("_", " ")))


def lemons_finding(told: Mapping[str, Any] | None) -> str:
    """Whom early warning names."""
    if told is None:
        return _("Early warning")
    found = rows_of(told, "findings")
    if not found:
        return _("No node and no device differs more than chance allows")
    nodes = len({(row.get("system"), row.get("node")) for row in found})
    return ngettext(
        "{count} node is not as others are", "{count} nodes are not as others are", nodes
    ).format(count=nodes)


def lemons_note(told: Mapping[str, Any] | None, zone: ZoneInfo) -> list[Any]:
    """What was looked at, and how far a finding may be trusted."""
    if told is None:
        return []
    limits = told.get("limits") if isinstance(told.get("limits"), Mapping) else {}
    assert isinstance(limits, Mapping)
    nodes = int(number(told.get("nodes")) or 0)
    first, last = (number(told.get(name)) for name in ("from_unix_ms", "to_unix_ms"))
    looked = _("{nodes} nodes and {hours} hours of devices at work, from ").format(
        nodes=format_number(nodes), hours=format_number(number(told.get("device_hours")))
    )
    rule = _(
        ". In {share} of reports on a fleet in which nothing is wrong somebody is named. A node "
        "needs {incidents} incidents on as many days, a fleet {nodes} nodes and {days} node-days: "
        "nobody is named on less. A finding is a reason to look, and no proof."
    ).format(
        share=format_percent(number(told.get("chance_of_any_false"))),
        incidents=format_number(number(limits.get("least_incidents"))),
        nodes=format_number(number(limits.get("least_nodes"))),
        days=format_number(int(number(limits.get("least_node_days")) or 0)),
    )
    few = nodes < (number(limits.get("least_nodes")) or 0)
    thin = _(" This fleet is too small for nodes to be counted against each other.") if few else ""
    return [looked, moment(first, zone), _(" to "), moment(last, zone), rule, thin]


def lemons(told: Mapping[str, Any] | None) -> html.Div | html.P:
    """Nodes and devices with their evidence, and what to do next."""
    if told is None:
        return nothing(_("The readings of the last weeks are being looked through."))
    found = rows_of(told, "findings")
    if not found:
        events = told.get("events")
        seen = ", ".join(
            f"{format_number(number(count))} {str(kind)[:40]}"
            for kind, count in (events.items() if isinstance(events, Mapping) else ())
            if number(count)
        )
        said = _("Seen, and no more than chance has it: {events}.").format(events=seen)
        return nothing(said if seen else _("No error of the hardware was seen."))
    columns = [
        Column("node", _("Node")),
        Column("device", _("Device")),
        Column("kind", _("In what")),
        Column("evidence", _("Evidence")),
        Column("chance", _("By chance"), numeric=True,
               title=_("How often chance alone would name one like it in a whole report")),
        Column("next", _("Next")),
    ]  # fmt: skip
    return table(_("Early warning"), columns, [_lemon(row) for row in found[:100]], "lemons")


def rows_of(told: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of an answer."""
    rows = told.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _incident(row: Mapping[str, Any], zone: ZoneInfo) -> Row:
    end = number(row.get("end_unix_ms"))
    hours = format_number(number(row.get("hours")), "h")
    nodes = number(row.get("nodes"))
    scope, name = str(row.get("scope") or "")[:20], text(row.get("name"))
    scopes = {
        "system": _("system"), "partition": _("partition"), "rack": _("rack"), "node": _("node"),
    }  # fmt: skip
    scope = scopes.get(scope, scope)
    where = [stats.cut(f"{scope} {name}" if name else scope, 80)]
    if nodes is not None:
        where.append(html.Span(
            " " + ngettext("({count} node)", "({count} nodes)", int(nodes)).format(
                count=int(nodes)),
            className="muted",
        ))  # fmt: skip
    return Row(
        {
            "start": moment(number(row.get("start_unix_ms")), zone),
            "cause": cause_name(row.get("cause")),
            "planned": _("planned") if row.get("scheduled") else _("unplanned"),
            "where": where,
            "hours": hours if end is not None else [hours, " ", _("so far")],
            "gpu_hours": format_number(number(row.get("gpu_hours")), "GPU-h"),
            "text": stats.cut(text(row.get("text")) or UNKNOWN, 80),
        }
    )


def _lemon(row: Mapping[str, Any]) -> Row:
    node = str(row.get("node") or "")
    return Row(
        {
            "node": html.Span(stats.cut(node, 60), className="strong"),
            "device": stats.cut(str(row.get("device") or UNKNOWN), 40),
            "kind": stats.cut(str(row.get("meaning") or row.get("kind")), 120),
            "evidence": stats.cut(str(row.get("evidence") or ""), 200),
            "chance": format_percent(number(row.get("chance"))),
            "next": stats.cut(str(row.get("next") or ""), 240),
        }
    )
