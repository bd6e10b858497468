from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector import narrow
from wattline_collector.access import STAFF, Role, Sight, Viewer

LATEST: dict[str, Any] = {
    "time_unix_ms": 7,
    "devices": pl.DataFrame(
        {"system": ["s"] * 4, "device": list("abcd"), "job": ["1", "2", None, "1"]}
    ),
    "nodes": pl.DataFrame({"system": ["s"], "node": ["n"]}),
    "jobs": pl.DataFrame(
        {"system": ["s", "s", "t"], "job": ["1", "2", "1"], "name": ["x", "y", "z"]}
    ),
    "totals": {"devices": 4, "power_watts": 9.0},
}
OWNERS = pl.DataFrame(
    {
        "system": ["s", "s", "t"],
        "job": ["1", "2", "1"],
        "user": ["anna", "ben", None],
        "project": ["p", None, None],
    }
)


def viewer(*roles: Role, name: str = "anna", projects: tuple[str, ...] = ()) -> Viewer:
    return Viewer(name, projects=frozenset(projects), roles=frozenset(roles))


@pytest.mark.parametrize("who", [STAFF, viewer(Role.OPERATOR), viewer(Role.SUPPORT)])
def test_who_sees_all_jobs_sees_the_whole(who: Viewer) -> None:
    assert narrow.latest(LATEST, who, OWNERS) is LATEST


def test_a_manager_sees_the_fleet_and_not_what_runs_on_it() -> None:
    seen = narrow.latest(LATEST, viewer(Role.MANAGER, name="mara"), OWNERS)
    assert seen["devices"]["device"].to_list() == list("abcd")
    assert seen["devices"]["job"].to_list() == [None] * 4
    assert seen["jobs"].is_empty()
    assert seen["totals"] == LATEST["totals"]


def test_somebody_with_two_roles_sees_the_fleet_and_where_their_own_jobs_run() -> None:
    seen = narrow.latest(LATEST, viewer(Role.MANAGER, Role.JOB_OWNER), OWNERS)
    assert seen["devices"]["job"].to_list() == ["1", None, None, "1"]
    assert seen["jobs"]["name"].to_list() == ["x"]


def test_a_job_owner_sees_their_jobs_and_the_devices_these_hold() -> None:
    seen = narrow.latest(LATEST, viewer(Role.JOB_OWNER), OWNERS)
    assert seen["jobs"].to_dict(as_series=False) == {"system": ["s"], "job": ["1"], "name": ["x"]}
    assert seen["devices"]["device"].to_list() == ["a", "d"]
    assert seen["nodes"].to_dict(as_series=False) == {"system": [], "node": []}
    assert seen["totals"] == {"devices": 2, "power_watts": None}


def test_a_lead_sees_the_jobs_of_their_project() -> None:
    lead = viewer(Role.PROJECT_LEAD, name="lea", projects=("p",))
    assert narrow.latest(LATEST, lead, OWNERS)["jobs"]["name"].to_list() == ["x"]


def test_a_job_nobody_speaks_for_is_nobodys() -> None:
    assert narrow.latest(LATEST, viewer(Role.JOB_OWNER), OWNERS.clear())["jobs"].is_empty()


def test_figures_are_shown_without_jobs() -> None:
    whole = {"jobs": [{"job": "1"}], "notes": ["a"], "devices": 3}
    assert narrow.overview(whole, viewer(Role.OPERATOR)) is whole
    seen = narrow.overview(whole, viewer(Role.MANAGER))
    assert (seen["jobs"], seen["devices"], len(seen["notes"])) == ([], 3, 2)
    assert whole["jobs"]


@pytest.mark.parametrize(
    ("by", "needs"),
    [
        ([], (Sight.FIGURES,)),
        (["day", "system"], (Sight.FIGURES,)),
        (["project"], (Sight.FIGURES, Sight.PROJECTS)),
        (["job"], (Sight.FIGURES, Sight.JOBS)),
        (["service", "day"], (Sight.FIGURES, Sight.JOBS)),
    ],
)
def test_figures_that_tell_people_apart_need_more(by: list[str], needs: tuple[Sight, ...]) -> None:
    assert narrow.needs_of(by) == needs
