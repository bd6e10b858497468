"""What a person should do about the data, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import html

from wattline_collector.palette import format_age, format_percent
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.feeds import count
from wattline_dashboards.components.parts import marks
from wattline_dashboards.components.short import cut
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.trust import COMFORT

MOST_NAMED = 5
_CLOSED = 0.02
"""How far S14 may be from one before somebody should look."""


@dataclass(frozen=True, slots=True)
class Todo:
    """What is wrong, and what to do; `about` names it for a program."""

    about: str
    wrong: str
    do: str


def todos(told: Mapping[str, Any]) -> list[Todo]:
    """All there is to do by what `/v1/quality` and `/v1/quality/books` answer."""
    books = told.get("books")
    found = [*_silent(told)]
    if isinstance(books, Mapping):
        found += [*_residuals(books), *_coverage(books)]
    for kind in (_clocks, _refused, _agents, _followers, _versions):
        found += kind(told)
    return found


def listed(found: Sequence[Todo]) -> html.Ul | html.P:
    """The list; says so where there is nothing."""
    if not found:
        return html.P(
            _("Nothing: all that should come comes, and the books balance."), className="nothing"
        )
    return html.Ul(
        [
            html.Li(
                [html.Span(f"{one.wrong} ", className="strong"), html.Span(one.do)],
                **marks(data_todo=one.about),
            )
            for one in found
        ],
        className="todos",
    )


def named(names: Sequence[object]) -> str:
    """A few names, cut."""
    return ", ".join(cut(one, 40) for one in names[:MOST_NAMED])


def _silent(told: Mapping[str, Any]) -> Iterator[Todo]:
    agents = told.get("agents") or {}
    silent = (number(agents.get("nodes")) or 0) - (number(agents.get("reporting")) or 0)
    if silent > 0:
        names = named([one.get("node") for one in agents.get("silent") or ()])
        yield Todo(
            "silent",
            ngettext(
                "{n} node is silent: {names}.", "{n} nodes are silent: {names}.", silent
            ).format(n=count(silent), names=names),
            _("See there that the agent runs (systemctl status wattline-agent) and reaches the "
              "collector; until then its state is unknown, and its time is on no job."),
        )  # fmt: skip


def _residuals(books: Mapping[str, Any]) -> Iterator[Todo]:
    residuals = books.get("residuals") or {}
    findings = number(residuals.get("findings")) or 0
    if findings:
        yield Todo(
            "residuals",
            ngettext(
                "The books do not balance in {n} place.",
                "The books do not balance in {n} places.",
                findings,
            ).format(n=count(findings)),
            _("Run `wattline audit STORE`: it names the hours and devices, and what was altered."),
        )
    for one in books.get("figures") or ():
        value, unit = number(one.get("value")), text(one.get("unit"))
        if one.get("id") != "S14" or value is None:
            continue
        share = value / 100 if unit == "%" else value
        if abs(share - 1) > _CLOSED:
            yield Todo(
                "closure",
                _("{share} of what the meters counted is in the books ({meters}).").format(
                    share=format_percent(share), meters=cut(one.get("method"))
                ),
                cut(one.get("note"), 200) or _("See which meter sees more or less than its nodes."),
            )


def _coverage(books: Mapping[str, Any]) -> Iterator[Todo]:
    rows = [
        row for row in (books.get("cells") or {}).get("rows") or ()
        if (number(row.get("ratio")) or 0.0) < COMFORT
    ]  # fmt: skip
    if rows:
        yield Todo(
            "coverage",
            ngettext(
                "{n} node has under {limit} of its samples: {names}.",
                "{n} nodes have under {limit} of their samples: {names}.",
                len(rows),
            ).format(n=count(len(rows)), limit=format_percent(COMFORT, 2),
                     names=named([row.get("node") for row in rows])),
            _("The gaps below say when. An agent that was away keeps what it read in its spool, "
              "as far as that has room; what was never read is lost."),
        )  # fmt: skip


def _clocks(told: Mapping[str, Any]) -> Iterator[Todo]:
    clocks = told.get("clocks") or {}
    ahead, behind = number(clocks.get("ahead")) or 0, number(clocks.get("behind")) or 0
    names = named([one.get("node") for one in clocks.get("worst") or ()])
    if ahead:
        yield Todo(
            "ahead",
            ngettext(
                "{n} clock is ahead: {names}.", "{n} clocks are ahead: {names}.", ahead
            ).format(n=count(ahead), names=names),
            _("Have these nodes follow the site's time servers (chronyc tracking): their readings "
              "are booked at times that have not been."),
        )  # fmt: skip
    if behind:
        yield Todo(
            "behind",
            ngettext(
                "{n} node sends old readings: {names}.", "{n} nodes send old readings: {names}.",
                behind,
            ).format(n=count(behind), names=names),
            _("Either its clock is behind (chronyc tracking), or it sends what waited in its "
              "spool, and will have caught up soon."),
        )  # fmt: skip


def _refused(told: Mapping[str, Any]) -> Iterator[Todo]:
    refused = told.get("refused") or {}
    batches, damaged = number(refused.get("batches")) or 0, number(refused.get("damaged")) or 0
    if batches:
        yield Todo(
            "refused",
            ngettext("{n} batch was refused.", "{n} batches were refused.", batches).format(
                n=count(batches)
            ),
            _("The newest are kept in STORE/refused with the reason; most often a sender is of "
              "another version than the collector."),
        )  # fmt: skip
    if damaged:
        yield Todo(
            "damaged",
            ngettext("{n} record was damaged on disk.", "{n} records were damaged on disk.",
                     damaged).format(n=count(damaged)),
            _("They are kept in STORE/corrupt. Look at the disk (smartctl -a)."),
        )  # fmt: skip


def _agents(told: Mapping[str, Any]) -> Iterator[Todo]:
    do = {
        "batches_dropped_total": _("The collector was away for longer than the spool holds: raise "
                                   "push.spool_bytes in the agent's configuration."),
        "batches_refused_total": _("They lie beside the spool of the node, with the reason."),
        "read_errors_total": _("The agent's log there names the source; `wattline doctor` tries "
                               "each."),
        "read_timeouts_total": _("A driver hangs there: see dmesg, and `wattline doctor`."),
    }  # fmt: skip
    for one in told.get("counted") or ():
        column, nodes = text(one.get("column")) or "", number(one.get("nodes")) or 0
        if nodes and column in do:
            yield Todo(
                column,
                ngettext("{n} node counts {what}, {worst} the most.",
                         "{n} nodes count {what}, {worst} the most.", nodes).format(
                    n=count(nodes), what=cut(one.get("what")), worst=cut(one.get("worst"), 40)
                ),
                do[column],
            )  # fmt: skip


def _followers(told: Mapping[str, Any]) -> Iterator[Todo]:
    for one in told.get("followers") or ():
        name, said = cut(one.get("name"), 40), number(one.get("age_ms"))
        if one.get("late"):
            yield Todo(
                "follower",
                (
                    _("{name} has not answered yet.") if said is None
                    else _("{name} has not answered for {age}.")
                ).format(name=name, age=format_age(said)),
                _("The collector's log says why; jobs that began since are not known."),
            )  # fmt: skip
        if number(one.get("unresolved")):
            yield Todo(
                "unresolved",
                _("{n} devices of running jobs that {name} names are of no agent.").format(
                    n=count(one.get("unresolved")), name=name
                ),
                _("Install the agent on these nodes, or see that both call the nodes the same."),
            )


def _versions(told: Mapping[str, Any]) -> Iterator[Todo]:
    versions = [one for one in told.get("versions") or () if isinstance(one, Mapping)]
    if len(versions) > 1:
        fewest = versions[-1]
        yield Todo(
            "versions",
            _("Agents are of {n} versions.").format(n=count(len(versions))),
            _("Update those of {version} ({names}), or go on: versions may be mixed.").format(
                version=text(fewest.get("version")) or _("an unnamed version"),
                names=named(fewest.get("named") or ()),
            ),
        )
