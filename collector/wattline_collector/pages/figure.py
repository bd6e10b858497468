"""One KPI over a period, with what defends it: what a figure on a page opens when asked why."""

from __future__ import annotations

from wattline_agents.errors import UsageError
from wattline_collector.access import Sight
from wattline_collector.kpi import registry
from wattline_collector.kpi.query import ask
from wattline_collector.pages.read import House, Json, Missing, Question, Read

_MOST = 200
"""Figures of one KPI: a few have several parts, none has more than dozens."""


def answer(house: House, question: Question) -> Json:
    """`GET /v1/figure?id=S10`: the KPI's figures of the period, as `GET /v1/kpis` has them.

    Raises:
        UsageError: No id, or a period that cannot be.
        Missing: There is no such KPI.
    """
    id = question.one("id")
    if id is None:
        raise UsageError("id: which KPI, such as S10")
    if id.upper() not in registry.REGISTRY:
        raise Missing(f"no KPI {id[:20]!r}")
    found = ask(house.store.path, [id], question.period, most=_MOST)
    return {"figures": found.to_json(), "notes": found.notes}


READS = (Read("/v1/figure", (Sight.FIGURES,), answer, takes=frozenset({"id"}), keep_seconds=15.0),)
