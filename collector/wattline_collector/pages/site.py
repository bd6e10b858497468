"""What every page must know of the site: its name, its time zone, its systems."""

from __future__ import annotations

from wattline_agents.errors import InputError
from wattline_collector.access import Sight, sees_any
from wattline_collector.kpi.inputs import Inputs
from wattline_collector.ledger.books import Books
from wattline_collector.pages.read import House, Json, Question, Read


def answer(house: House, question: Question) -> Json:
    """`GET /v1/site`: the factory's name, its time zone and systems, what its profile has wrong.

    Without a profile there is no name, and times are UTC.
    """
    now_ms = house.store.clock.unix_ms()
    try:
        profile, problem = Inputs(house.store.path, now_ms, now_ms + 1).profile, None
    except InputError as error:  # whatever else is wrong, pages must come up to say so
        profile, problem = None, _problem(error, question)
    systems: set[str | None] = set(Books(house.store.path).inventory["system"].unique())
    for table in ("device", "node"):
        systems.update(house.latest.rows(table)["system"].unique())
    return {
        "name": None if profile is None else profile.name,
        "time_zone": "UTC" if profile is None else profile.time_zone,
        "systems": sorted(name for name in systems if name),
        "problem": problem,
    }


def _problem(error: InputError, question: Question) -> str:
    """What is wrong with the profile; it quotes the profile, which is the factory's own."""
    if sees_any(question.viewer, (Sight.FLEET, Sight.FIGURES)):
        return str(error)
    return "the factory's profile is not right; its operators are told what is wrong with it"


READS = (
    Read(
        "/v1/site",
        (Sight.DEFINITIONS, Sight.FLEET, Sight.FIGURES),
        answer,
        keep_seconds=10.0,
        by_viewer=True,
        quick=True,
    ),
)
