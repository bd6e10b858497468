from collections.abc import Sequence

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.told import REPEAT_INFO_MS, REPEAT_MS, ToldAssignments, ToldJobs
from wattline_agents.wire import Row

T0 = 1_790_000_000_000
A, B = "GPU-a", "GPU-b"


def claim(
    job: str = "13",
    start_ms: int = T0,
    end_ms: int | None = None,
    share: float | None = None,
    method: str = "prolog",
    device: str = A,
) -> Claim:
    return Claim(device, job, start_ms, end_ms, share, method)


def held(*claims: Claim) -> dict[tuple[str, str], Claim]:
    return {(one.device, one.job): one for one in claims}


def brief(rows: Sequence[Row]) -> list[tuple[object, ...]]:
    return [(row["job"], row["start_unix_ms"], row["end_unix_ms"], row["share"]) for row in rows]


def test_a_hold_is_told_and_repeated_and_closed() -> None:
    told = ToldAssignments()
    assert told.due_ms() is None
    (row,) = told.rows(held(claim(share=0.5)), [], T0 + 1000)
    assert row == {
        "time_unix_ms": T0 + 1000,
        "device": A,
        "job": "13",
        "start_unix_ms": T0,
        "end_unix_ms": None,
        "share": 0.5,
        "method": "prolog",
    }
    assert told.due_ms() == T0 + 1000 + REPEAT_MS
    assert told.rows(held(claim(share=0.5)), [], T0 + 2000) == []
    again = told.rows(held(claim(share=0.5)), [], T0 + 1000 + REPEAT_MS)
    assert brief(again) == [("13", T0, None, 0.5)]
    end = claim(share=0.5, end_ms=T0 + 40_000)
    assert brief(told.rows({}, [end], T0 + 41_000)) == [("13", T0, T0 + 40_000, 0.5)]
    assert told.rows({}, [end], T0 + 42_000) == [], "once"
    assert told.due_ms() is None


def test_a_hold_that_is_no_longer_named_ended_now() -> None:
    told = ToldAssignments()
    told.rows(held(claim()), [], T0)
    assert brief(told.rows({}, [], T0 + 5000)) == [("13", T0, T0 + 5000, None)]


def test_what_ended_before_anybody_looked_is_told_once() -> None:
    told = ToldAssignments()
    end = claim(end_ms=T0 + 5)
    assert brief(told.rows({}, [end], T0 + 9000)) == [("13", T0, T0 + 5, None)]
    assert told.rows({}, [end], T0 + 10_000) == []


def test_a_job_under_the_same_key_again_is_another_stretch() -> None:
    told = ToldAssignments()
    told.rows(held(claim()), [], T0)
    rows = told.rows(held(claim(start_ms=T0 + 9000)), [claim(end_ms=T0 + 5000)], T0 + 10_000)
    assert brief(rows) == [("13", T0, T0 + 5000, None), ("13", T0 + 9000, None, None)]


def test_a_share_that_changed_goes_on_without_a_gap() -> None:
    told = ToldAssignments()
    told.rows(held(claim(share=0.6)), [], T0)
    rows = told.rows(held(claim(share=0.4)), [], T0 + 7000)
    assert brief(rows) == [("13", T0, T0 + 7000, 0.6), ("13", T0 + 7000, None, 0.4)]
    assert told.rows(held(claim(share=0.4)), [], T0 + 8000) == []


def test_a_surer_word_takes_the_place_of_the_other() -> None:
    told = ToldAssignments()
    told.rows(held(claim(start_ms=T0 + 3000, method="cgroup")), [], T0 + 4000)
    rows = told.rows(held(claim()), [], T0 + 6000)
    assert [(row["method"], row["start_unix_ms"], row["end_unix_ms"]) for row in rows] == [
        ("cgroup", T0 + 3000, T0 + 6000),
        ("prolog", T0, None),
    ]


def test_two_jobs_on_one_device_are_both_told() -> None:
    told = ToldAssignments()
    rows = told.rows(held(claim("13", share=0.5), claim("14", share=0.5)), [], T0)
    assert {row["job"] for row in rows} == {"13", "14"}


def test_what_was_told_is_bounded() -> None:
    told = ToldAssignments()
    for number in range(20):
        ends = [claim(f"{number * 1000 + one}", end_ms=T0 + 1) for one in range(1000)]
        told.rows({}, ends, T0 + number)
    assert len(told._ended) == 8192


def info(job: str = "13", **more: object) -> Row:
    return {"job": job, "state": "running", "end_unix_ms": None, **more}  # type: ignore[dict-item]


def test_a_job_is_told_when_it_changes_and_every_ten_minutes() -> None:
    told = ToldJobs()
    assert told.rows([info()], T0) == [{"time_unix_ms": T0, **info()}]
    assert told.rows([info()], T0 + 1000) == []
    assert told.due_ms() == T0 + REPEAT_INFO_MS
    assert len(told.rows([info()], T0 + REPEAT_INFO_MS)) == 1
    over = info(state="failed", end_unix_ms=T0 + 5)
    assert len(told.rows([over], T0 + REPEAT_INFO_MS + 1)) == 1
    assert told.rows([over], T0 + 9 * REPEAT_INFO_MS) == [], "what is over is over"
    assert told.due_ms() is None


def test_jobs_are_bounded() -> None:
    told = ToldJobs()
    told.rows([info(str(number)) for number in range(1, 9000)], T0)
    assert len(told._told) == 4096
