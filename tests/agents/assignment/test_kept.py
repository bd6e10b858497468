import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment.book import JobBook
from wattline_agents.assignment.kept import KEEP_ENDED_MS, Keeper, decoded, encoded
from wattline_agents.assignment.members import Process
from wattline_agents.errors import WireError
from wattline_agents.job.message import Message

T0 = 1_790_000_000_000
SAY = Callable[..., Message]
MODEL = {"model": "m", "parameters": 5}


@pytest.fixture
def find(make_process: Any) -> Callable[..., Process]:
    def found(pid: int, uid: int | None, started_ms: int | None) -> Process:
        process: Process = make_process(pid=pid, uid=uid, started_ms=started_ms)
        return process

    return found


@pytest.fixture
def book(say_message: SAY, make_process: Any) -> JobBook:
    """Two processes counted, and one of them has ended."""
    found = JobBook()
    found.take(
        say_message(
            1, counters={"tokens_trained_total": 100, "flops_total": 0.1}, gauges={"step": 4},
            run="r", model=MODEL, devices=("0",),
        ),
        make_process(pid=1),
        T0,
    )  # fmt: skip
    gone = say_message(
        2, counters={"tokens_trained_total": 50, "flops_total": 0.2}, gauges={"step": 3},
        state="left",
    )  # fmt: skip
    found.take(gone, make_process(pid=2), T0)
    found.rows(T0)
    return found


def row(book: JobBook, now_ms: int) -> dict[str, Any]:
    (found,) = book.rows(now_ms)["job"]
    return dict(found)


def test_a_new_agent_goes_on_with_what_was_counted(
    book: JobBook, find: Callable[..., Process], say_message: SAY, make_process: Any
) -> None:
    after = JobBook()
    after.restore(decoded(encoded(book.jobs, T0), find, T0 + 2_000))
    told = row(after, T0 + 2_000)
    assert (told["tokens_trained_total"], told["step"]) == (150, 4)
    grown = say_message(1, counters={"tokens_trained_total": 130}, gauges={"step": 5})
    after.take(grown, make_process(pid=1), T0 + 3_000)
    told = row(after, T0 + 3_000)
    assert (told["tokens_trained_total"], told["step"]) == (180, 5)


def test_a_process_that_ended_is_not_counted_twice(
    book: JobBook, find: Callable[..., Process], say_message: SAY, make_process: Any
) -> None:
    after = JobBook()
    after.restore(decoded(encoded(book.jobs, T0), find, T0))
    late = say_message(2, counters={"tokens_trained_total": 50}, state="left")
    after.take(late, make_process(pid=2), T0 + 1_000)
    assert row(after, T0 + 1_000)["tokens_trained_total"] == 150


def test_a_process_that_ended_while_no_agent_was_there_keeps_its_last_count(
    book: JobBook, find: Callable[..., Process], make_process: Any
) -> None:
    text = encoded(book.jobs, T0 + 1_000)
    gone = make_process(pid=1, alive=False)
    after = JobBook(user_name=lambda uid: f"user{uid}")
    after.restore(decoded(text, lambda pid, uid, started: gone, T0 + 600_000))
    told = after.rows(T0 + 600_000)
    assert told["job"][0]["tokens_trained_total"] == 150
    info = told["job_info"][0]
    assert info["state"] == "completed", "how it went was perhaps said while nobody listened"
    assert info["end_unix_ms"] == T0 + 1_000, "when it was last heard of"
    assert (info["run"], info["user"]) == ("r", "user1000")
    assert told["job_model"][0]["parameters"] == 5


def test_what_was_told_never_falls_by_the_order_of_adding(
    book: JobBook, find: Callable[..., Process]
) -> None:
    before = row(book, T0 + 6_000)["flops_total"]
    after = JobBook()
    after.restore(decoded(encoded(book.jobs, T0), find, T0))
    assert row(after, T0 + 7_000)["flops_total"] >= before


def test_a_job_that_ended_long_ago_is_not_kept(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(1, state="completed"), make_process(pid=1), T0 + 1_000)
    for hour, jobs in ((KEEP_ENDED_MS // 2, 1), (KEEP_ENDED_MS * 2, 0)):
        assert len(json.loads(encoded(book.jobs, T0 + hour))["jobs"]) == jobs


def test_what_is_kept_is_bounded(say_message: SAY, make_process: Any) -> None:
    book = JobBook()
    for number in range(9_000):
        job = f"j{number % 3}"
        last = say_message(number, job=job, counters={"steps_total": 1}, state="left")
        book.take(last, make_process(pid=number), T0)
    jobs = json.loads(encoded(book.jobs, T0))["jobs"]
    assert sum(len(job["ended"]) for job in jobs) == 8_192
    assert sum(job["settled"]["steps_total"] for job in jobs) == 9_000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"v":1,"at":0}',
        b'{"v":2,"at":0,"jobs":[]}',
        b'{"v":1,"at":0,"jobs":[7]}',
        b'{"v":1,"at":0,"jobs":[{}]}',
        b"[" * 100_000,
    ],
)
def test_what_no_agent_wrote_is_refused(text: bytes, find: Callable[..., Process]) -> None:
    with pytest.raises(WireError):
        decoded(text, find, T0)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "../x"},
        {"uid": "root"},
        {"settled": {"lunch": 1}},
        {"settled": {"steps_total": -1}},
        {"name": "a\x1bb"},
        {"members": {"x": 1}},
        {"members": {}},
        {"ended": 7},
    ],
)
def test_a_spoiled_field_is_refused(
    book: JobBook, find: Callable[..., Process], change: dict[str, Any]
) -> None:
    document = json.loads(encoded(book.jobs, T0))
    document["jobs"][0] |= change
    with pytest.raises(WireError):
        decoded(json.dumps(document).encode(), find, T0)


def test_the_file_is_written_on_change_and_else_now_and_then(
    tmp_path: Path, book: JobBook, find: Callable[..., Process]
) -> None:
    path = tmp_path / "state" / "n1.jobs.json"
    keeper = Keeper(path)
    keeper.keep([], 0, T0)
    assert not path.exists(), "no job, no file"
    keeper.keep(book.jobs, 2, T0)
    assert len(keeper.load(find, T0)) == 1
    assert path.stat().st_mode & 0o077 == 0
    path.unlink()
    keeper.keep(book.jobs, 2, T0 + 9_000)
    assert not path.exists(), "nothing came or went"
    keeper.keep(book.jobs, 3, T0 + 9_500)
    path.unlink()
    keeper.keep(book.jobs, 3, T0 + 19_500)
    assert path.exists()
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_said_once(
    tmp_path: Path, book: JobBook, said: list[str]
) -> None:
    (tmp_path / "file").touch()
    keeper = Keeper(tmp_path / "file" / "jobs.json", said.append)
    for second in range(3):
        keeper.keep(book.jobs, second, T0 + second * 20_000)
    assert len(said) == 1
    assert "a restart forgets" in said[0]


def test_a_damaged_file_is_said_and_left(
    tmp_path: Path, said: list[str], find: Callable[..., Process]
) -> None:
    path = tmp_path / "jobs.json"
    path.write_bytes(b'{"v":1,"at":')
    assert Keeper(path, said.append).load(find, T0) == []
    assert "not what an agent wrote" in said[0]
    assert Keeper(tmp_path / "none", said.append).load(find, T0) == []
    assert len(said) == 1
