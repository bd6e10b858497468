"""What the pages of one node and of one device have in common: which, when, and what fires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.access import Sight, sees
from wattline_collector.ledger.books import Books
from wattline_collector.pages.read import House, Missing, Question

MOST_CHARACTERS = 400
_DAY_MS = 86_400_000


def named(question: Question, what: str) -> str:
    """The name that is asked for.

    Raises:
        UsageError: There is none.
    """
    name = question.one(what)
    if not name:
        raise UsageError(f"{what}: which one; its page is reached from the fleet")
    return name


def only_system(question: Question, known: list[str], what: str, name: str) -> str:
    """The system that something of that name belongs to.

    Args:
        question: What is asked; it may name the system.
        known: Systems that have one of that name.
        what: `node` or `device`.
        name: Its name.

    Raises:
        Missing: No system has one, or the one that is named has none.
        UsageError: Several have, and none is named.
    """
    asked = question.one("system")
    if asked is not None and asked in known:
        return asked
    if not known or asked is not None:
        where = "" if asked is None else f" in {asked[:40]!r}"
        raise Missing(f"no {what} {name[:80]!r}{where}; the fleet's page finds one by name")
    if len(known) > 1:
        raise UsageError(
            f"{what}: {name[:80]!r} stands in several systems, {', '.join(known[:8])}; choose one"
        )
    return known[0]


def bounds_of(house: House, question: Question) -> tuple[int, int]:
    """The period in milliseconds: what is asked, else all that the store has.

    Raises:
        Missing: The store has nothing.
    """
    now_ms = house.store.clock.unix_ms()
    if question.period is not None:
        start, end = question.period.start.timestamp(), question.period.end.timestamp()
        return round(start * 1000), max(round(start * 1000) + 1, min(round(end * 1000), now_ms))
    spans = [Books(house.store.path).span(), house.store.span("device"), house.store.span("node")]
    known = [span for span in spans if span is not None]
    if not known:
        raise Missing("nothing was measured yet; `wattline up` measures this machine")
    return min(first for first, _ in known), max(last for _, last in known)


def newest(house: House, table: str, wanted: pl.Expr, end_ms: int) -> Mapping[str, Any]:
    """The newest row that says what something is; empty where nobody said.

    Agents repeat names and versions every ten minutes, so a day is enough of what is not live; a
    recording says them once, and has few of them.
    """
    rows = house.latest.rows(table).filter(wanted)
    columns = rows.drop("at_ms").columns
    for start_ms in (end_ms - _DAY_MS, 0):
        if rows.is_empty():
            rows = house.store.rows(table, start_ms, end_ms + 1, columns, wanted)
    rows = rows.sort("time_unix_ms")
    return {} if rows.is_empty() else rows.tail(1).to_dicts()[0]


def alerts(house: House, question: Question, labels: Mapping[str, str]) -> list[Any] | None:
    """Alerts that are open for something; None for whoever may not see alerts, and where none are.

    Args:
        house: Its watch judges.
        question: Who asks.
        labels: All of these an alert must have, as `system` and `device`.
    """
    if house.watch is None or not sees(question.viewer, Sight.ALERTS):
        return None
    return [
        alert
        for alert in house.watch.answer()["alerts"]
        if alert["state"] == "firing"
        and all(alert["labels"].get(name) == word for name, word in labels.items())
    ]
