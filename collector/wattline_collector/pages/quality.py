"""How good the data is: what is missing, what does not balance, what came and was of no use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattline_agents.errors import InputError, UsageError
from wattline_collector.access import Sight
from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import View, load
from wattline_collector.ledger.books import Books
from wattline_collector.pages import feeds, intake
from wattline_collector.pages.gaps import MOST_GAPS, cells, gaps
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.store import live

MOST_FINDINGS = 20
KPIS = ("Q03", "S14")


def answer(house: House, question: Question) -> Json:
    """`GET /v1/quality`: what is known now of agents, their clocks, and of what was of no use."""
    only = question.one("system")
    known, now_ms = house.latest.known()
    ledger = Books(house.store.path)
    nodes = live.node_rows(known, live.device_rows(known, now_ms), now_ms)
    return {
        "time_unix_ms": now_ms,
        "agents": feeds.agents(
            intake.of(nodes, only), intake.of(feeds.installed(ledger, "node", now_ms), only)
        ),
        "versions": intake.versions(known, only),
        "clocks": intake.skew(known.offsets, now_ms, only),
        "counted": intake.counted(known, only),
        "refused": intake.refused(house),
        "lacks": intake.lacks(house, now_ms, only),
        "followers": feeds.followers(house.followed, now_ms),
    }


def of_period(house: House, question: Question) -> Json:
    """`GET /v1/quality/books`: how complete and how consistent the books of a period are.

    `books` is null, with a `problem`, where there are none.
    """
    books, problem = of_books(house, question.period, question.one("system"))
    return {"books": books, "problem": problem}


def of_books(
    house: House, period: Period | None, only: str | None
) -> tuple[Mapping[str, Any] | None, str | None]:
    """What the books of a period tell of their own completeness, or why they tell nothing."""
    try:
        view = load(house.store.path, period)
        if only is not None:
            view = view.only_system(only)
        return told(view), None
    except (UsageError, InputError) as error:
        return None, str(error)


def told(view: View) -> Mapping[str, Any]:
    """The figures, the heat map, the gaps and the residuals of a period."""
    figures = [one for id in KPIS for one in registry.evaluate(registry.find(id), view)]
    found, missing = cells(view), gaps(view)
    findings = view.control.findings
    return {
        "period": view.period.to_json(),
        "figures": [figure.to_json() for figure in figures],
        "cells": {
            "start_ms": found.start_ms,
            "step_ms": found.step_ms,
            "columns": found.columns,
            "nodes": found.nodes,
            "rows": found.rows.to_dicts(),
        },
        "gaps": missing.head(MOST_GAPS).to_dicts(),
        "gaps_left_out": max(0, missing.height - MOST_GAPS),
        "gap_device_hours": float(missing["device_hours"].sum()),
        "residuals": {
            "checked_hours": len(view.control.hours),
            "findings": len(findings),
            "first": [
                {"hour": one.hour, "subject": one.subject, "problem": one.problem}
                for one in findings[:MOST_FINDINGS]
            ],
        },
    }


_SIGHTS = (Sight.ALERTS, Sight.SERVICE)
_TAKES = frozenset({"system"})

READS = (
    Read("/v1/quality", _SIGHTS, answer, takes=_TAKES, keep_seconds=10.0),
    # A year of a large system takes seconds to look through, and changes little in two minutes.
    Read("/v1/quality/books", _SIGHTS, of_period, takes=_TAKES, keep_seconds=120.0),
)
