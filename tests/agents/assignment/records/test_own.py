import json
import os
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.records.own import OwnRecords

NOW = 1_790_000_000_000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "records"
    found.mkdir(mode=0o755)
    return found


def write(
    place: Path, key: str, gpus: str = "0", start_ms: int = NOW - 60_000, end: str = "", **more: Any
) -> Path:
    job_id, _, restarts = key.partition(".")
    record = {
        "job_id": job_id,
        "restart_count": int(restarts or 0),
        "start_ms": start_ms,
        "gpus": {"SLURM_JOB_GPUS": gpus},
        **more,
    }
    path = place / (f"ended.{end}.{key}.json" if end else f"job.{key}.json")
    path.write_text(json.dumps(record))
    return path


def test_a_running_record_holds_its_devices(place: Path) -> None:
    write(place, "13", "0,1", user="alice", account="proj-a", name="train")
    own = OwnRecords(str(place))
    assert own.claims(NOW) == [
        Claim("0", "13", NOW - 60_000, None, None, "prolog"),
        Claim("1", "13", NOW - 60_000, None, None, "prolog"),
    ]
    assert own.names() == [
        {
            "job": "13",
            "name": "train",
            "project": "proj-a",
            "user": "alice",
            "state": "running",
            "start_unix_ms": NOW - 60_000,
            "end_unix_ms": None,
        }
    ]
    assert own.claims(NOW + 60_000) is own.claims(NOW + 61_000), "nothing new is the same object"


@pytest.mark.parametrize(
    ("status", "restarts", "state"),
    [
        ("0", "0", "completed"),
        ("768", "0", "failed"),
        ("9", "0", "failed"),
        ("0", "1", "cancelled"),
        ("x", "x", None),
    ],
)
def test_an_ended_record_says_when_and_how(
    place: Path, status: str, restarts: str, state: str | None
) -> None:
    write(place, "13", end=f"{NOW - 5000}.{status}.{restarts}")
    own = OwnRecords(str(place))
    assert own.claims(NOW) == [Claim("0", "13", NOW - 60_000, NOW - 5000, None, "prolog")]
    (info,) = own.names()
    assert (info["state"], info["end_unix_ms"]) == (state, NOW - 5000)


def test_a_job_that_ended_while_the_agent_was_away_is_told(place: Path) -> None:
    write(place, "13").rename(place / f"ended.{NOW - 5000}.0.0.13.json")
    write(place, "14", start_ms=NOW - 4000)
    claims = OwnRecords(str(place)).claims(NOW)
    assert {(claim.job, claim.end_ms) for claim in claims} == {("13", NOW - 5000), ("14", None)}


def test_an_end_of_more_than_a_week_ago_is_history(place: Path) -> None:
    write(place, "13", start_ms=NOW - 9 * 86_400_000, end=f"{NOW - 8 * 86_400_000}.0.0")
    assert OwnRecords(str(place)).claims(NOW) == []


def test_what_ran_when_the_node_went_down_ended_when_it_came_up(place: Path) -> None:
    boot_ms = NOW - 30_000
    write(place, "13", start_ms=boot_ms - 1_000_000)
    write(place, "14", start_ms=boot_ms + 10_000)
    own = OwnRecords(str(place), boot_ms)
    ends = {claim.job: claim.end_ms for claim in own.claims(NOW)}
    assert ends == {"13": boot_ms, "14": None}
    assert {row["job"]: row["state"] for row in own.names()} == {"13": "failed", "14": "running"}


def test_a_record_that_is_taken_away_ended_when_it_was(place: Path) -> None:
    import os

    path = write(place, "13")
    own = OwnRecords(str(place))
    own.claims(NOW)
    path.unlink()
    os.utime(place, ns=((NOW + 3000) * 1_000_000, (NOW + 3000) * 1_000_000))
    (claim,) = own.claims(NOW + 9000)
    assert (claim.job, claim.end_ms) == ("13", NOW + 3000)
    assert own.of_id("13") is None


def test_a_directory_that_is_taken_away_ends_what_it_held(place: Path) -> None:
    write(place, "13")
    own = OwnRecords(str(place))
    own.claims(NOW)
    (place / "job.13.json").unlink()
    place.rmdir()
    (claim,) = own.claims(NOW + 9000)
    assert claim.end_ms == NOW + 9000


def test_a_run_anew_follows_the_one_before(place: Path) -> None:
    write(place, "13", end=f"{NOW - 5000}.0.1")
    write(place, "13.1", start_ms=NOW - 4000)
    own = OwnRecords(str(place))
    assert {(claim.job, claim.end_ms) for claim in own.claims(NOW)} == {
        ("13", NOW - 5000),
        ("13.1", None),
    }
    record = own.of_id("13")
    assert record is not None and record.job == "13.1"


def test_a_job_is_found_by_slurms_own_id(place: Path) -> None:
    write(place, "13", sluid="s8FXKTA79XAR00")
    own = OwnRecords(str(place))
    assert not own.are_kept
    own.claims(NOW)
    assert own.are_kept
    record = own.of_sluid("s8FXKTA79XAR00")
    assert record is not None and record.job == "13"
    assert own.of_sluid("s9FXKTA79XAR00") is None


def test_shards_are_a_share_where_it_is_told_how_many_there_are(place: Path) -> None:
    write(place, "13", shards=16)
    assert OwnRecords(str(place)).claims(NOW)[0].share is None
    assert OwnRecords(str(place), None, 64).claims(NOW)[0].share == 0.25


def test_a_record_of_another_name_than_its_job_is_not_ours(place: Path) -> None:
    write(place, "13").rename(place / "job.14.json")
    (place / "job.15.json").write_text("{")
    (place / "README").write_text("hello")
    assert OwnRecords(str(place)).claims(NOW) == []


def test_an_end_before_its_beginning_is_no_time_at_all(place: Path) -> None:
    write(place, "13", start_ms=NOW - 1000, end=f"{NOW - 5000}.0.0")
    (claim,) = OwnRecords(str(place)).claims(NOW)
    assert (claim.start_ms, claim.end_ms) == (NOW - 1000, NOW - 1000)


def test_lost_records_are_bounded(place: Path) -> None:
    own = OwnRecords(str(place))
    for round in range(4):
        paths = [write(place, str(1 + 100 * round + number)) for number in range(100)]
        own.claims(NOW + round * 2000)
        for path in paths:
            path.unlink()
        claims = own.claims(NOW + round * 2000 + 1000)
    assert len(claims) == 256


def test_a_job_whose_prolog_ran_twice_is_one_job_that_runs(place: Path) -> None:
    write(place, "13", start_ms=NOW - 60_000, end=f"{NOW - 59_000}.x.x")
    write(place, "13", start_ms=NOW - 59_000)
    own = OwnRecords(str(place))
    assert [(one.start_ms, one.end_ms) for one in own.claims(NOW)] == [
        (NOW - 60_000, NOW - 59_000),
        (NOW - 59_000, None),
    ]
    (info,) = own.names()
    assert (info["state"], info["start_unix_ms"], info["end_unix_ms"]) == (
        "running",
        NOW - 60_000,
        None,
    )


def test_of_a_job_whose_prolog_ran_twice_the_last_end_counts(place: Path) -> None:
    write(place, "13", start_ms=NOW - 60_000, end=f"{NOW - 59_000}.x.x")
    write(place, "13", start_ms=NOW - 59_000, end=f"{NOW - 1_000}.256.0")
    own = OwnRecords(str(place))
    own.claims(NOW)
    (info,) = own.names()
    assert (info["state"], info["start_unix_ms"], info["end_unix_ms"]) == (
        "failed",
        NOW - 60_000,
        NOW - 1_000,
    )


def test_a_clock_that_was_ahead_at_boot_ends_no_running_job(place: Path) -> None:
    boots = iter((NOW + 7_200_000, NOW - 600_000, NOW + 3_600_000))
    write(place, "13", start_ms=NOW - 60_000)
    own = OwnRecords(str(place), lambda: next(boots))
    assert own.claims(NOW)[0].end_ms == NOW + 7_200_000, "as far as the clock says"
    write(place, "14", start_ms=NOW - 50_000)
    assert {one.end_ms for one in own.claims(NOW + 20_000)} == {None}, "it was set"
    write(place, "15", start_ms=NOW - 40_000)
    assert {one.end_ms for one in own.claims(NOW + 40_000)} == {None}


def test_an_end_that_the_clock_has_not_reached_is_now(place: Path) -> None:
    write(place, "13", start_ms=NOW - 60_000, end="9999999999999.0.0")
    (claim,) = OwnRecords(str(place)).claims(NOW)
    assert claim.end_ms == NOW


def test_records_that_are_not_believed_any_more_end_now_and_not_when_they_were_written(
    place: Path,
) -> None:
    write(place, "13", start_ms=NOW - 60_000)
    own = OwnRecords(str(place))
    assert own.claims(NOW)[0].end_ms is None
    place.chmod(0o777)
    assert [one.end_ms for one in own.claims(NOW + 3_600_000)] == [NOW + 3_600_000]


def test_whatever_stands_in_the_directory_costs_neither_time_nor_memory(place: Path) -> None:
    write(place, "13")
    (place / "job.14.json").symlink_to("/dev/zero")
    os.mkfifo(place / "job.15.json")
    (place / "job.16.json").mkdir()
    with (place / "job.17.json").open("wb") as sparse:
        sparse.truncate(10 * 2**30)
    (place / "job.18.json").write_text("[" * 60_000)
    (place / "job.19.json").write_bytes(b"\xff\x00" * 1000)
    (place / "job.20.json").write_text('{"job_id": 20, "start_ms": 1' + "0" * 5000 + "}")
    (place / "job.21.json").symlink_to(place / "job.13.json")
    (place / "\x1b[31mjob.22.json").write_text("{}")
    assert [claim.job for claim in OwnRecords(str(place)).claims(NOW)] == ["13"]
