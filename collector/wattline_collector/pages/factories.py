"""Factories: what other factories tell in the bundles they sent, beside this one's own."""

from __future__ import annotations

from pathlib import Path

from wattline_collector.access import Sight
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.reports.press import INSTALL, found

FOLDER = "bundles"
"""Where received bundles lie in the store, unless the collector was told of another place."""
RING = "keys.json"
"""The ring of public keys in that folder."""


def answer(house: House, question: Question) -> Json:
    """`GET /v1/factories`: the bundles that hold, side by side; and those that do not, and why."""
    press = found()
    if press is None:
        return {"installed": False, "advice": INSTALL}
    place = folder(house.store.path, house.bundles)
    told = press.factories(house.store.path, place, place / RING, question.one("of"))
    return {"installed": True, **told}


def folder(store: Path, told: Path | None) -> Path:
    """Where received bundles lie."""
    return store / FOLDER if told is None else told


READS = (
    Read(
        "/v1/factories",
        (Sight.FIGURES,),
        answer,
        takes=frozenset({"of"}),
        keep_seconds=2.0,
    ),
)
