from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wattline_collector.access import STAFF, Role, Viewer
from wattline_collector.kpi.query import figures
from wattline_collector.pages.read import Missing

PROJECT, ACCOUNT = "EHPC-COM-2025C01-001", "ehpc-com-2025c01-001"
MEMBER = Viewer("works-2", roles=frozenset({Role.JOB_OWNER}))
LEAD = Viewer("lea", projects=frozenset({ACCOUNT}), roles=frozenset({Role.PROJECT_LEAD}))
MANAGER = Viewer("mara", roles=frozenset({Role.MANAGER}))


@pytest.mark.parametrize("id", ["U05", "S10", "S12", "E06", "P01"])
def test_figures_are_those_of_the_kpi_command(ask_planted: Any, planted: Path, id: str) -> None:
    said = ask_planted("/v1/my-project", [("project", PROJECT)], MEMBER)
    [shown] = [figure for figure in said["figures"] if figure["id"] == id]
    told = {f.dims["project"]: f for f in figures(planted, [id], by="project")}[PROJECT]
    assert shown["value"] == pytest.approx(told.value, rel=1e-9)
    assert shown["value"]


def test_every_grants_days_add_up_to_its_burn_down(ask_planted: Any, planted: Path) -> None:
    burned = {f.dims["project"]: f for f in figures(planted, ["U05"], by="project")}
    checked = 0
    for project in ask_planted("/v1/my-project")["projects"]:
        [grant] = ask_planted("/v1/my-project", [("project", project)])["grants"]
        days = [hours for _at, hours in grant["days"]]
        assert days == sorted(days)
        assert grant["used_gpu_hours"] == pytest.approx(burned[project].numerator, rel=1e-9)
        checked += 1
    assert checked == len(burned) > 5


def test_a_grant_older_than_the_period_is_drawn_from_its_start(ask_planted: Any) -> None:
    whole = ask_planted("/v1/my-project", [("project", PROJECT)])["grants"][0]
    late = [("project", PROJECT), ("from", "2025-01-20T00:00:00Z")]
    [grant] = ask_planted("/v1/my-project", late)["grants"]
    assert grant["used_gpu_hours"] == pytest.approx(whole["used_gpu_hours"], rel=1e-9)
    assert grant["days"][0] == pytest.approx(whole["days"][0])


def test_a_member_sees_the_sums_and_their_own_part_and_nobody_elses(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-project", [], MEMBER)
    assert said["projects"] == [PROJECT]
    assert (said["people"], said["users"]) == (False, [])
    assert said["own"]["user"] == "works-2"
    assert 0 < said["own"]["gpu_hours"] < said["totals"]["gpu_hours"]
    assert "works-1" not in str(said)


def test_a_lead_sees_who_used_what_and_it_adds_up(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-project", [], LEAD)
    assert (said["projects"], said["people"], said["leads"]) == ([PROJECT], True, True)
    users = said["users"]
    assert len(users) > 1
    assert sum(row["gpu_hours"] for row in users) == pytest.approx(said["totals"]["gpu_hours"])
    assert sum(row["jobs"] for row in users) == said["jobs"]


def test_a_manager_sees_every_project_and_no_person(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-project", [("project", PROJECT)], MANAGER)
    assert len(said["projects"]) > 5
    assert (said["people"], said["users"], said["own"]) == (False, [], None)
    assert "works-2" not in str(said)
    assert len(ask_planted("/v1/my-project", [("project", PROJECT)], STAFF)["users"]) > 1


def test_a_project_that_is_not_theirs_answers_as_one_that_is_not_there(ask_planted: Any) -> None:
    for viewer in (MEMBER, LEAD):
        told = []
        for name in ("NAT-2025-501", "NO-SUCH-1"):
            with pytest.raises(Missing) as raised:
                ask_planted("/v1/my-project", [("project", name)], viewer)
            told.append(str(raised.value).replace(name, "NAME"))
        assert len(set(told)) == 1


def test_who_ran_nothing_has_no_project(ask_planted: Any) -> None:
    said = ask_planted("/v1/my-project", [], Viewer("nora", roles=frozenset({Role.JOB_OWNER})))
    assert (said["projects"], said["project"]) == ([], None)
    assert "figures" not in said


def test_what_a_job_says_of_its_own_project_makes_nobody_a_member(planted: Path) -> None:
    from dataclasses import replace

    import polars as pl

    from wattline_collector.kpi.view import load
    from wattline_collector.pages.my_project import theirs

    view = load(planted, None)
    claimed = view.jobs.head(1).with_columns(
        pl.lit("x1").alias("job"), pl.lit("mallory").alias("user"), pl.lit(ACCOUNT).alias("project")
    )
    view = replace(view, jobs=pl.concat([view.jobs, claimed]))
    assert theirs(view, Viewer("mallory", roles=frozenset({Role.JOB_OWNER}))) == (set(), set())
    assert theirs(view, MEMBER) == (set(), {PROJECT})
