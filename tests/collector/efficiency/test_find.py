from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattline_collector.access import STAFF, Viewer
from wattline_collector.efficiency.find import KNOWN, NotThere, Several, find, known_jobs
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.ledger.records import JOBS


def jobs(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"system": "lumi", "user": "anna", "state": "completed", "start_ms": 1}
    return pl.DataFrame([usual | row for row in rows], schema=KNOWN)


ARRAY = (
    {"job": "101", "job_id": "100_1", "array_job": "100"},
    {"job": "102", "job_id": "100_2", "array_job": "100"},
    {"job": "100", "job_id": "100_3", "array_job": "100"},
)


@pytest.mark.parametrize(
    ("id", "key"),
    [
        ("7", "7"),
        (" 7 ", "7"),
        ("12_5", "99"),
        ("123+1", "124"),
        ("team/pod-0", "5d0c-uid"),
        ("5d0c-uid", "5d0c-uid"),
    ],
)
def test_a_job_is_found_by_its_key_and_by_the_id_people_know(id: str, key: str) -> None:
    known = jobs(
        {"job": "7"},
        {"job": "99", "job_id": "12_5", "array_job": "12"},
        {"job": "124", "job_id": "123+1"},
        {"job": "5d0c-uid", "job_id": "team/pod-0"},
    )
    assert find(known, id, STAFF).job == key


def test_the_number_of_an_array_is_none_of_its_tasks() -> None:
    with pytest.raises(Several, match="100 is an array: choose one of 100_1") as several:
        find(jobs(*ARRAY), "100", STAFF)
    assert several.value.candidates == (("lumi", "100_1"), ("lumi", "100_2"), ("lumi", "100_3"))
    assert find(jobs(*ARRAY), "100_3", STAFF).job == "100"


def test_an_id_of_two_systems_lists_both_and_takes_one() -> None:
    known = jobs({"job": "7"}, {"job": "7", "system": "vega"})
    with pytest.raises(Several, match=r"choose one of 7 \(lumi\), 7 \(vega\)"):
        find(known, "7", STAFF)
    assert find(known, "7", STAFF, "vega").system == "vega"


def test_of_several_starts_the_key_means_itself_and_others_are_listed() -> None:
    known = jobs(
        {"job": "7", "job_id": "7", "state": "node_fail", "restarts": 0},
        {"job": "7.1", "job_id": "7", "state": "running", "restarts": 1},
        {"job": "9", "job_id": "8_1", "restarts": 0, "array_job": "8"},
        {"job": "9.1", "job_id": "8_1", "restarts": 1, "array_job": "8"},
    )
    found = find(known, "7", STAFF)
    assert found.job == "7"
    assert [(a.key, a.state) for a in found.attempts] == [("7", "node_fail"), ("7.1", "running")]
    assert find(known, "7.1", STAFF).job == "7.1"
    # Where no key is meant, the newest start is.
    assert find(known, "8_1", STAFF).job == "9.1"


def test_a_large_array_is_listed_in_part() -> None:
    tasks = [
        {"job": str(200 + i), "job_id": f"200_{i}", "array_job": "200", "start_ms": i}
        for i in range(40)
    ]
    with pytest.raises(Several, match="and 20 more") as several:
        find(jobs(*tasks), "200", STAFF)
    assert len(several.value.candidates) == 20


def test_what_is_not_yours_and_what_is_not_there_read_alike() -> None:
    known = jobs({"job": "7"}, {"job": "8", "user": "ben"}, {"job": "9", "user": None})
    anna = Viewer("anna")
    assert find(known, "7", anna).job == "7"
    messages = set()
    for id in ("8", "9", "6"):
        with pytest.raises(NotThere) as refused:
            find(known, id, anna)
        messages.add(str(refused.value).replace(id, "N"))
    assert messages == {
        "no job N that is yours; `squeue --me` and `sacct` list yours, and the operators of the "
        "system can look at any"
    }
    with pytest.raises(NotThere, match="no job 6; `wattline kpi S12 --by job` lists"):
        find(known, "6", STAFF)


def test_jobs_of_others_are_no_candidates() -> None:
    known = jobs({"job": "7"}, {"job": "7", "system": "vega", "user": "ben"})
    assert find(known, "7", Viewer("anna")).system == "lumi"
    tasks = jobs(*ARRAY[:2], ARRAY[2] | {"user": "ben"})
    with pytest.raises(Several) as several:
        find(tasks, "100", Viewer("anna"))
    assert several.value.candidates == (("lumi", "100_1"), ("lumi", "100_2"))


def test_a_hostile_id_changes_only_its_own_display() -> None:
    with pytest.raises(NotThere) as refused:
        find(jobs({"job": "7"}), "\x1b[2J" + "9" * 1_000_000, STAFF)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_the_scheduler_says_whose_job_it_is() -> None:
    agents = (
        JOBS.to_frame()
        .clear(1)
        .with_columns(
            system=pl.lit("lumi"),
            job=pl.lit("7"),
            user=pl.lit("claimed"),
            project=pl.lit("claimed"),
        )
    )
    scheduler = ACCOUNTED.to_frame().clear(2).with_columns(
        system=pl.lit("lumi"), job=pl.Series(["7", "8"]), user=pl.lit("anna"),
        account=pl.lit("proj"), job_id=pl.Series(["7", "8"]),
    )  # fmt: skip
    known = known_jobs(agents, scheduler).sort("job")
    assert known.select("job", "user", "project").rows() == [
        ("7", "anna", "proj"), ("8", "anna", "proj"),
    ]  # fmt: skip
