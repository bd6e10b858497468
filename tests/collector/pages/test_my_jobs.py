from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import Role, Viewer
from wattline_collector.kpi.query import figures
from wattline_collector.pages.job_table import MOST_CHARACTERS, job_table, seen_by
from wattline_collector.pages.my_jobs import ROWS, SORTS

OWNER = Viewer("works-2", roles=frozenset({Role.JOB_OWNER}))


def every(ask_planted: Any, viewer: Any = None, *query: tuple[str, str]) -> list[dict[str, Any]]:
    asked = [*query, ("rows", "5000")]
    said = ask_planted("/v1/my-jobs", asked, *([] if viewer is None else [viewer]))
    rows: list[dict[str, Any]] = said["rows"]
    return rows


@pytest.mark.parametrize(
    ("kpi", "column", "of"),
    [
        ("E06", "wasted_gpu_hours", "value"),
        ("S10", "tokens_per_joule", "value"),
        ("S12", "energy_joules", "numerator"),
    ],
)
def test_figures_of_jobs_are_those_of_the_registry(
    ask_planted: Any, planted: Path, kpi: str, column: str, of: str
) -> None:
    listed = {row["job"]: row[column] for row in every(ask_planted)}
    told = {
        figure.dims["job"]: getattr(figure, of) if figure.value is not None else None
        for figure in figures(planted, [kpi], by=["system", "job"])
        if figure.dims["job"] in listed
    }
    assert len([value for value in told.values() if value is not None]) > 50
    for job, value in told.items():
        assert listed[job] == (None if value is None else pytest.approx(value, rel=1e-9)), job


def test_sums_over_all_jobs_are_those_of_the_whole(ask_planted: Any, planted: Path) -> None:
    totals = ask_planted("/v1/my-jobs")["totals"]
    [wasted] = figures(planted, ["E06"])
    [efficiency] = figures(planted, ["S10"])
    assert totals["wasted_gpu_hours"] == pytest.approx(wasted.value, rel=1e-9)
    assert totals["tokens_per_joule"] == pytest.approx(efficiency.value, rel=1e-9)
    assert totals["gpu_hours"] > totals["wasted_gpu_hours"] > 0
    assert 0 < totals["working"] < 1


def test_an_owner_sees_their_own_jobs_and_nothing_of_others(ask_planted: Any) -> None:
    mine, all_of_them = every(ask_planted, OWNER), every(ask_planted)
    assert {row["user"] for row in mine} == {"works-2"}
    assert len(mine) == sum(row["user"] == "works-2" for row in all_of_them)
    said = ask_planted("/v1/my-jobs", [], OWNER)
    assert said["jobs"] == said["all_jobs"] == len(mine)
    assert sum(said["states"].values()) == len(mine)
    assert (said["everybody"], said["several_users"]) == (False, False)
    assert "devices" not in said and "notes" not in said
    assert ask_planted("/v1/my-jobs", [("user", "works-1")], OWNER)["jobs"] == 0


def test_a_lead_sees_the_jobs_of_their_project(ask_planted: Any) -> None:
    name = "ehpc-com-2025c01-001"
    lead = Viewer("lea", projects=frozenset({name}), roles=frozenset({Role.PROJECT_LEAD}))
    rows = every(ask_planted, lead)
    assert {row["project"] for row in rows} == {name}
    assert len({row["user"] for row in rows}) > 1


def test_who_may_see_no_job_may_not_ask(ask_planted: Any) -> None:
    for viewer in (Viewer("mara", roles=frozenset({Role.MANAGER})), Viewer("nora")):
        with pytest.raises(PermissionError):
            ask_planted("/v1/my-jobs", [], viewer)


def test_pages_follow_each_other_without_overlap(ask_planted: Any) -> None:
    first, last = (ask_planted("/v1/my-jobs", [("page", page)]) for page in ("1", "999"))
    assert len(first["rows"]) == ROWS
    assert last["page"] == last["pages"] == -(-last["jobs"] // ROWS)
    pages = [ask_planted("/v1/my-jobs", [("page", str(page + 1))]) for page in range(last["pages"])]
    jobs = [row["job"] for page in pages for row in page["rows"]]
    assert len(jobs) == len(set(jobs)) == last["jobs"]


@pytest.mark.parametrize("sort", list(SORTS))
def test_every_column_can_be_sorted_by_with_the_unknown_last(ask_planted: Any, sort: str) -> None:
    for order in ("up", "down"):
        rows = every(ask_planted, None, ("sort", sort), ("order", order))
        values = [row[SORTS[sort]] for row in rows]
        known = [value for value in values if value is not None]
        assert values[: len(known)] == sorted(known, reverse=order == "down")
        assert known


def test_what_is_searched_for_is_text_and_no_pattern(ask_planted: Any) -> None:
    found = every(ask_planted, None, ("search", "PRETRAIN"))
    assert found and all("pretrain" in row["name"] for row in found)
    assert every(ask_planted, None, ("search", ".*")) == []
    [one] = every(ask_planted, None, ("search", "100002"))
    assert one["job"] == "100002"


@pytest.mark.parametrize(
    "query",
    [("sort", "password"), ("order", "sideways"), ("state", "x"), ("page", "0"), ("page", "-1"),
     ("page", "1e3"), ("rows", "5001"), ("system", "nowhere")],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(ask_planted: Any, query: tuple[str, str]) -> None:
    with pytest.raises(UsageError):
        ask_planted("/v1/my-jobs", [query])


def test_jobs_that_wait_are_listed_and_names_are_cut(planted: Path) -> None:
    from dataclasses import replace

    from wattline_collector.kpi.view import load

    view = load(planted, None)
    waiting = view.accounted.head(1).with_columns(
        pl.lit("777").alias("job"), pl.lit("777").alias("job_id"), pl.lit("pending").alias("state"),
        pl.lit("<b>=1+1" + "x" * 1_000_000).alias("name"), pl.lit("anna").alias("user"),
        pl.lit(None, pl.Int64).alias("start_ms"), pl.lit(None, pl.Int64).alias("end_ms"),
    )  # fmt: skip
    table = job_table(replace(view, accounted=pl.concat([view.accounted, waiting])))
    row = table.row(by_predicate=pl.col("job") == "777", named=True)
    assert (row["state"], row["start_ms"], row["gpu_hours"]) == ("pending", None, None)
    assert len(row["name"]) == MOST_CHARACTERS
    anna = Viewer("anna", roles=frozenset({Role.JOB_OWNER}))
    assert seen_by(table, anna)["job"].to_list() == ["777"]


def test_a_job_whose_user_nobody_knows_is_nobodys() -> None:
    table = pl.DataFrame(
        {"job": ["1", "2"], "user": [None, "anna"], "project": [None, None]},
        schema={"job": pl.String, "user": pl.String, "project": pl.String},
    )
    nobody = Viewer(None, roles=frozenset({Role.JOB_OWNER}))
    assert seen_by(table, nobody).is_empty()
    assert seen_by(table, Viewer("anna"))["job"].to_list() == ["2"]
