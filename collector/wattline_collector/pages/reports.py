"""Reports: which may be asked for, what is being made, and what was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wattline_collector.access import Sight, Viewer, sees
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.reports.press import INSTALL, Offered, Press, found
from wattline_collector.reports.workshop import State, Work

MOST_MADE = 200
"""Made reports that are told; the shelf has all."""
SIGHTS = (Sight.FIGURES,)
"""Who gets as far as the page; each report needs more, or as much."""


def answer(house: House, question: Question) -> Json:
    """`GET /v1/reports`: what whoever asks may have made, follow and see."""
    press, viewer = found(), question.viewer
    if press is None:
        return {"installed": False, "advice": INSTALL, "kinds": [], "work": [], "made": []}
    store = house.store.path
    offered = (_offered(one, viewer) for one in press.offered(store))
    made = [one for one in press.listed(store) if sees(viewer, *one.needs)]
    works = [] if house.workshop is None else house.workshop.works()
    return {
        "installed": True,
        "kinds": [one for one in offered if one is not None],
        "work": [_work(one, press, store) for one in works if sees(viewer, *one.needs)],
        "made": [one.about for one in made[:MOST_MADE]],
        "more_made": max(0, len(made) - MOST_MADE),
    }


def _offered(offered: Offered, viewer: Viewer) -> Mapping[str, Any] | None:
    """A kind as somebody may have it; None where they may not in any way."""
    mine = [value for value, needs in offered.needs.items() if sees(viewer, *needs)]
    return {**offered.about, "choices": [one for one in mine if one]} if mine else None


def _work(work: Work, press: Press, store: Path) -> Mapping[str, Any]:
    made = press.kept(work.printed) if work.state is State.DONE else None
    # Where the store lies on its machine is nobody's business on a page.
    error = work.error.replace(str(store.resolve()), "the store")
    return {
        "id": work.id, **work.about, "state": work.state.value, "said": work.said,
        "asked_ms": work.asked_ms, "began_ms": work.began_ms, "ended_ms": work.ended_ms,
        "error": error, "made": made,
    }  # fmt: skip


READS = (Read("/v1/reports", SIGHTS, answer, keep_seconds=0.5, by_viewer=True, quick=True),)
