from collections.abc import Callable
from typing import Any

import pytest

from wattline_agents.assignment.book import (
    MOST_JOBS_PER_USER,
    MOST_MEMBERS_PER_USER,
    SILENCE_MS,
    JobBook,
)
from wattline_agents.assignment.spoken import Spoken
from wattline_agents.catalogue import TABLES
from wattline_agents.errors import WireError
from wattline_agents.job.message import Message
from wattline_agents.rows import checked_row

T0 = 1_790_000_000_000
SAY = Callable[..., Message]


@pytest.fixture
def book() -> JobBook:
    found = JobBook(user_name=lambda uid: f"user{uid}")
    found.on_devices({0: "GPU-aaaa1111", 1: "GPU-bbbb2222"})
    return found


def tell(book: JobBook, seconds: float) -> dict[str, list[dict[str, Any]]]:
    readings = book.rows(T0 + round(seconds * 1000))
    return {
        name: [checked_row(TABLES[name], row) for row in rows] for name, rows in readings.items()
    }


def test_a_job_is_told_when_it_starts(book: JobBook, say_message: SAY, make_process: Any) -> None:
    message = say_message(
        devices=("0",), project="p1", counters={"tokens_trained_total": 5, "steps_total": 1}
    )
    book.take(message, make_process(), T0 + 500)
    told = tell(book, 1)
    assert told["job"] == [
        {"time_unix_ms": T0 + 1000, "job": "42", "tokens_trained_total": 5, "steps_total": 1}
    ]
    assert told["job_info"] == [
        {
            "time_unix_ms": T0 + 1000, "job": "42", "name": "demo", "kind": "training",
            "project": "p1", "run": None, "user": "user1000", "state": "running",
            "start_unix_ms": T0, "end_unix_ms": None,
        }
    ]  # fmt: skip
    assert told["assignment"] == [
        {
            "time_unix_ms": T0 + 1000, "device": "GPU-aaaa1111", "job": "42",
            "start_unix_ms": T0, "end_unix_ms": None, "method": "job",
        }
    ]  # fmt: skip


def test_it_is_told_again_in_time_and_not_more_often(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(devices=("0",), counters={"steps_total": 1}), make_process(), T0)
    told = [tell(book, second) for second in range(0, 1201)]
    assert sum("job" in one for one in told) == 241, "every five seconds"
    assert sum("assignment" in one for one in told) == 41, "every thirty"
    assert sum("job_info" in one for one in told) == 3, "every ten minutes"


def test_news_is_told_at_the_next_tick(book: JobBook, say_message: SAY, make_process: Any) -> None:
    process = make_process()
    for second in range(1, 4):
        book.take(say_message(counters={"steps_total": second}), process, T0 + second * 1000)
        assert tell(book, second)["job"][0]["steps_total"] == second


def test_the_processes_of_a_job_are_added_up(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    for rank in range(4):
        book.take(
            say_message(rank, devices=(str(rank % 2),), counters={"tokens_trained_total": 10}),
            make_process(pid=rank),
            T0,
        )
    told = tell(book, 1)
    assert told["job"][0]["tokens_trained_total"] == 40
    assert [row["device"] for row in told["assignment"]] == ["GPU-aaaa1111", "GPU-bbbb2222"]


def test_what_an_ended_process_counted_stays(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(1, counters={"steps_total": 5}), make_process(pid=1), T0)
    book.take(say_message(2, counters={"steps_total": 3}), make_process(pid=2), T0)
    book.take(say_message(2, counters={"steps_total": 4}, state="left"), make_process(pid=2), T0)
    told = tell(book, 1)
    assert told["job"][0]["steps_total"] == 9
    assert told["job_info"][0]["state"] == "running"


def test_a_last_word_said_twice_counts_once(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(1, counters={"steps_total": 5}), make_process(), T0)
    for _ in range(2):
        book.take(
            say_message(1, counters={"steps_total": 6}, state="completed"), make_process(), T0
        )
    book.take(say_message(1, counters={"steps_total": 6}), make_process(), T0)
    told = tell(book, 1)
    assert told["job"][0]["steps_total"] == 6
    assert told["job_info"][0]["state"] == "completed"


def test_at_its_end_everything_is_told_for_the_last_time(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    process = make_process()
    book.take(say_message(devices=("0",), counters={"steps_total": 5}), process, T0)
    tell(book, 1)
    last = say_message(devices=("0",), counters={"steps_total": 6}, state="completed")
    book.take(last, process, T0 + 9_000)
    told = tell(book, 10)
    assert told["job"][0]["steps_total"] == 6
    assert (told["job_info"][0]["state"], told["job_info"][0]["end_unix_ms"]) == (
        "completed",
        T0 + 9_000,
    )
    (assignment,) = told["assignment"]
    assert (assignment["start_unix_ms"], assignment["end_unix_ms"]) == (T0, T0 + 9_000)
    assert [tell(book, second) for second in range(11, 700)] == [{}] * 689


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (("completed", "completed"), "completed"),
        (("completed", "failed"), "failed"),
        (("cancelled", "completed"), "cancelled"),
        (("left", "completed"), "completed"),
        (("left", "left"), "completed"),
    ],
)
def test_a_job_ended_as_its_processes_say_together(
    book: JobBook, say_message: SAY, make_process: Any, states: tuple[str, str], state: str
) -> None:
    for member, _ in enumerate(states):
        book.take(say_message(member), make_process(pid=member), T0)
    for member, end in enumerate(states):
        book.take(say_message(member, state=end), make_process(pid=member), T0)
    assert tell(book, 1)["job_info"][-1]["state"] == state


def test_a_process_that_is_gone_without_a_word_has_failed(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    process = make_process()
    book.take(say_message(devices=("0",), counters={"steps_total": 5}), process, T0)
    tell(book, 1)
    process.alive = False
    told = tell(book, 6)
    assert told["job_info"][0]["state"] == "failed"
    assert told["assignment"][0]["end_unix_ms"] == T0 + 6_000


def test_a_process_that_lives_may_be_silent_for_ever(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(devices=("0",)), make_process(), T0)
    tell(book, 0)
    assert "job_info" not in tell(book, 500)
    assert tell(book, 599)["assignment"][0]["end_unix_ms"] is None


def test_a_process_that_cannot_be_seen_is_gone_when_it_is_silent(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(), make_process(pid=0, started_ms=None, alive=None), T0)
    assert tell(book, SILENCE_MS / 1000 - 6)["job_info"][0]["state"] == "running"
    assert tell(book, SILENCE_MS / 1000 + 6)["job_info"][0]["state"] == "failed"


def test_another_step_of_the_same_job_goes_on_where_it_was(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    first, second = make_process(pid=1), make_process(pid=2)
    book.take(say_message(1, devices=("0",), counters={"steps_total": 5}), first, T0)
    tell(book, 1)
    book.take(
        say_message(1, devices=("0",), counters={"steps_total": 5}, state="completed"),
        first,
        T0 + 2_000,
    )
    tell(book, 2)
    book.take(
        say_message(2, devices=("0",), counters={"steps_total": 3}, start_unix_ms=T0 + 4_000),
        second,
        T0 + 5_000,
    )
    told = tell(book, 5)
    assert told["job"][0]["steps_total"] == 8
    info = told["job_info"][0]
    assert (info["state"], info["start_unix_ms"], info["end_unix_ms"]) == ("running", T0, None)
    assert told["assignment"][0]["start_unix_ms"] == T0 + 4_000


def test_intervals_of_one_device_and_job_never_overlap(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    process = make_process(pid=1)
    book.take(say_message(1, devices=("0",)), process, T0)
    book.take(say_message(1, devices=("0",), state="completed"), process, T0 + 2_000)
    (ended,) = tell(book, 3)["assignment"]
    assert (ended["start_unix_ms"], ended["end_unix_ms"]) == (T0, T0 + 2_000)
    book.take(say_message(2, devices=("0",)), make_process(pid=2), T0 + 2_500)
    (begun,) = tell(book, 4)["assignment"]
    assert (begun["start_unix_ms"], begun["end_unix_ms"]) == (T0 + 2_000, None)


def test_a_device_handed_on_within_a_tick_is_held_without_a_gap(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    process = make_process(pid=1)
    book.take(say_message(1, devices=("0",)), process, T0)
    tell(book, 1)
    book.take(say_message(1, devices=("0",), state="completed"), process, T0 + 1_200)
    book.take(say_message(2, devices=("0",)), make_process(pid=2), T0 + 1_500)
    assert "assignment" not in tell(book, 2)
    book.take(say_message(2, devices=("0",), state="left"), make_process(pid=2), T0 + 9_000)
    (row,) = tell(book, 10)["assignment"]
    assert (row["start_unix_ms"], row["end_unix_ms"]) == (T0, T0 + 9_000)


def test_a_job_shorter_than_a_tick_held_its_devices(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    message = say_message(devices=("0",), counters={"steps_total": 2}, state="completed")
    book.take(message, make_process(), T0 + 400)
    told = tell(book, 1)
    assert told["job"][0]["steps_total"] == 2
    assert told["job_info"][0]["state"] == "completed"
    (row,) = told["assignment"]
    assert (row["start_unix_ms"], row["end_unix_ms"]) == (T0, T0 + 400)


@pytest.mark.parametrize(
    ("devices", "found"),
    [
        (("0", "1"), ["GPU-aaaa1111", "GPU-bbbb2222"]),
        (("GPU-bbbb2222",), ["GPU-bbbb2222"]),
        (("GPU-aaaa",), ["GPU-aaaa1111"]),
        (("GPU-",), []),
        (("7", "GPU-cccc3333", "999999999"), []),
        ((), []),
        (None, []),
    ],
)
def test_devices_are_resolved_to_those_of_this_node(
    book: JobBook,
    say_message: SAY,
    make_process: Any,
    devices: tuple[str, ...] | None,
    found: list[str],
) -> None:
    book.take(say_message(devices=devices), make_process(), T0)
    rows = tell(book, 1).get("assignment", [])
    assert sorted(str(row["device"]) for row in rows) == found


def test_devices_that_are_known_later_are_held_from_the_start(
    say_message: SAY, make_process: Any
) -> None:
    book = JobBook()
    book.take(say_message(devices=("0",)), make_process(), T0)
    assert "assignment" not in tell(book, 1)
    book.on_devices({0: "GPU-aaaa1111"})
    assert tell(book, 2)["assignment"][0]["start_unix_ms"] == T0


def test_a_job_that_counts_nothing_has_no_row_of_zeros(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(), make_process(), T0)
    assert set(tell(book, 1)) == {"job_info"}


def test_steps_are_those_of_the_process_that_is_furthest(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(1, gauges={"step": 7, "step_resumed": 3}), make_process(pid=1), T0)
    book.take(say_message(2, gauges={"step": 6, "step_saved": 5}), make_process(pid=2), T0)
    book.take(say_message(3), make_process(pid=3), T0)
    (row,) = tell(book, 1)["job"]
    assert (row["step"], row["step_resumed"], row["step_saved"]) == (7, 3, 5)


def test_a_run_may_go_back_to_a_checkpoint(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    process = make_process()
    before = say_message(counters={"steps_total": 9}, gauges={"step": 9, "step_saved": 5})
    book.take(before, process, T0)
    tell(book, 0)
    after = say_message(counters={"steps_total": 10}, gauges={"step": 6, "step_resumed": 5})
    book.take(after, process, T0 + 1_000)
    (row,) = tell(book, 1)["job"]
    assert (row["steps_total"], row["step"], row["step_resumed"]) == (10, 6, 5)
    assert row["step_saved"] == 5, "the checkpoint is still there"


def test_workers_that_take_the_place_of_others_say_where_the_run_is(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    first, second = make_process(pid=1), make_process(pid=2)
    book.take(say_message(1, counters={"steps_total": 9}, gauges={"step": 9}), first, T0)
    book.take(
        say_message(1, counters={"steps_total": 9}, gauges={"step": 9}, state="failed"), first, T0
    )
    (row,) = tell(book, 1)["job"]
    assert row["step"] == 9, "nobody says anything newer"
    restarted = say_message(2, counters={"steps_total": 1}, gauges={"step": 6, "step_resumed": 5})
    book.take(restarted, second, T0 + 2_000)
    (row,) = tell(book, 2)["job"]
    assert (row["steps_total"], row["step"], row["step_resumed"]) == (10, 6, 5)


def test_the_model_and_the_run_are_told_as_the_first_says_them(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(1), make_process(pid=1), T0)
    told = tell(book, 0)
    assert "job_model" not in told
    assert told["job_info"][0]["run"] is None
    facts = {"model": "m", "parameters": 5}
    book.take(say_message(2, run="r1", model=facts), make_process(pid=2), T0 + 1_000)
    book.take(say_message(3, run="r2", model={"model": "n"}), make_process(pid=3), T0 + 1_000)
    told = tell(book, 1)
    assert told["job_model"] == [{"time_unix_ms": T0 + 1_000, "job": "42", **facts}]
    assert told["job_info"][0]["run"] == "r1"
    assert sum("job_model" in tell(book, second) for second in range(2, 1_201)) == 1


def test_the_totals_of_a_job_that_was_there_before_wait_until_all_were_heard(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    hour = T0 + 3_600_000
    old = {"start_unix_ms": T0, "counters": {"steps_total": 1_000}}
    book.take(say_message(1, **old), make_process(pid=1), hour)
    assert set(tell(book, 3_600)) == {"job_info"}
    book.take(say_message(2, **old), make_process(pid=2), hour + 4_000)
    assert tell(book, 3_605) == {}
    (row,) = tell(book, 3_612)["job"]
    assert row["steps_total"] == 2_000


def test_a_clock_that_is_set_back_does_not_hold_totals_back_for_long(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    old = say_message(1, start_unix_ms=T0, counters={"steps_total": 1_000})
    book.take(old, make_process(pid=1), T0 + 3_600_000)
    assert "job" not in tell(book, 3_600)
    assert tell(book, 60)["job"][0]["steps_total"] == 1_000


def test_sums_never_fall_by_the_order_of_adding(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    seconds = {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.7}
    told = 0.0
    for member, time in seconds.items():
        counters = {"phase_step_seconds_total": time}
        book.take(say_message(member, counters=counters), make_process(pid=member), T0)
    for number, member in enumerate((0, 3, 1, 4, 2)):
        if member:
            last = say_message(
                member, counters={"phase_step_seconds_total": seconds[member]}, state="left"
            )
            book.take(last, make_process(pid=member), T0)
        (row,) = tell(book, number)["job"]
        assert row["phase_step_seconds_total"] >= told
        told = row["phase_step_seconds_total"]


def test_a_process_that_was_only_silent_speaks_again(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    hidden = make_process(pid=0, started_ms=None, alive=None)
    book.take(say_message(1, counters={"steps_total": 5}, devices=("0",)), hidden, T0)
    tell(book, 0)
    told = tell(book, 200)
    assert told["job_info"][0]["state"] == "failed"
    assert told["job_info"][0]["end_unix_ms"] == T0, "it was last heard then"
    later = say_message(1, counters={"steps_total": 6}, devices=("0",))
    book.take(later, hidden, T0 + 201_000)
    told = tell(book, 201)
    assert told["job"][0]["steps_total"] == 6
    assert told["job_info"][0]["state"] == "running"
    book.take(say_message(1, counters={"steps_total": 7}, state="completed"), hidden, T0 + 202_000)
    told = tell(book, 202)
    assert (told["job"][0]["steps_total"], told["job_info"][0]["state"]) == (7, "completed")


# What is not believed.


def test_a_counter_that_falls_is_refused(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(counters={"steps_total": 5}), make_process(), T0)
    with pytest.raises(WireError, match="steps_total: fell from 5 to 4"):
        book.take(say_message(counters={"steps_total": 4, "flops_total": 9.0}), make_process(), T0)
    assert tell(book, 1)["job"] == [{"time_unix_ms": T0 + 1000, "job": "42", "steps_total": 5}]


@pytest.mark.parametrize(
    ("column", "count"),
    [
        ("tokens_trained_total", 10**12),
        ("flops_total", 1e21),
        ("phase_step_seconds_total", 1e5),
    ],
)
def test_more_than_any_process_can_make_is_refused(
    book: JobBook, say_message: SAY, make_process: Any, column: str, count: float
) -> None:
    with pytest.raises(WireError, match=f"{column}: more than any process can make"):
        book.take(say_message(counters={column: count}), make_process(), T0 + 1000)
    assert tell(book, 1) == {}


def test_a_job_belongs_to_the_user_who_began_it(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(1, counters={"steps_total": 5}), make_process(uid=1000), T0)
    with pytest.raises(WireError, match="job 42: belongs to another user"):
        book.take(say_message(2, counters={"steps_total": 500}), make_process(uid=1001), T0)
    with pytest.raises(WireError, match="job 42: belongs to another user"):
        book.take(say_message(1, state="failed"), make_process(uid=1001), T0)
    told = tell(book, 1)
    assert told["job"][0]["steps_total"] == 5
    assert told["job_info"][0]["state"] == "running"


def test_a_process_speaks_only_for_itself(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    book.take(say_message(1), make_process(pid=100), T0)
    with pytest.raises(WireError, match="another process speaks"):
        book.take(say_message(1, state="failed"), make_process(pid=101), T0)


@pytest.mark.parametrize(
    ("claimed", "started", "believed"),
    [
        (T0 - 5_000, T0 - 10_000, T0 - 5_000),
        (T0 - 86_400_000, T0 - 10_000, T0 - 11_000),
        (0, T0 - 10_000, T0 - 11_000),
        (T0 + 86_400_000, T0 - 10_000, T0),
    ],
)
def test_a_process_cannot_have_counted_before_it_was_there_nor_later(
    book: JobBook, say_message: SAY, make_process: Any, claimed: int, started: int, believed: int
) -> None:
    book.take(
        say_message(start_unix_ms=claimed, devices=("0",)), make_process(started_ms=started), T0
    )
    told = tell(book, 1)
    assert told["job_info"][0]["start_unix_ms"] == believed
    assert told["assignment"][0]["start_unix_ms"] == believed


def test_one_user_cannot_use_up_the_room_for_all(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    for number in range(MOST_JOBS_PER_USER):
        book.take(say_message(number, job=f"j{number}"), make_process(pid=number), T0)
    with pytest.raises(WireError, match="too many jobs"):
        book.take(say_message(9999, job="one-more"), make_process(pid=9999), T0)
    book.take(say_message(9999, job="another"), make_process(pid=9999, uid=2000), T0)


def test_a_job_cannot_have_processes_without_bound(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    process = make_process()
    for number in range(MOST_MEMBERS_PER_USER):
        book.take(say_message(number), process, T0)
    with pytest.raises(WireError, match="too many processes"):
        book.take(say_message(MOST_MEMBERS_PER_USER), process, T0)
    with pytest.raises(WireError, match="too many processes"):
        book.take(say_message(0, job="new"), process, T0)


def test_jobs_that_are_over_are_forgotten_when_there_are_very_many(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    process = make_process()
    for number in range(2_000):
        book.take(say_message(number, job=f"j{number}", state="completed"), process, T0)
        tell(book, 1)
    assert len(book._jobs) <= 600


def test_totals_stay_within_what_a_collector_takes(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    year_ago = T0 - 300 * 86_400_000
    for member in range(1, 1_010):
        message = say_message(
            member=member,
            start_unix_ms=year_ago,
            counters={"tokens_trained_total": 10**15},
            gauges={"step": 10**18},
        )
        book.take(message, make_process(pid=0, started_ms=None, alive=None), T0)
    (row,) = tell(book, 20)["job"]
    assert row["tokens_trained_total"] == row["step"] == 10**18


def test_ids_of_ended_processes_are_bounded_over_all_jobs(
    book: JobBook, say_message: SAY, make_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_agents.assignment.book.MOST_ENDED_OF_ALL", 20)
    for number in range(100):
        book.take(
            say_message(member=number + 1, job=f"j{number % 7}", state="left"), make_process(), T0
        )
        tell(book, number)
    assert sum(len(job.ended) for job in book.jobs) <= 20
    running = say_message(member=500, job="alive")
    book.take(running, make_process(), T0)
    with pytest.raises(WireError, match="too many processes"):
        for number in range(1000, 1100):
            book.take(say_message(member=number, job="alive", state="left"), make_process(), T0)


def test_silent_processes_are_bounded_over_all_jobs(
    book: JobBook, say_message: SAY, make_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_agents.assignment.book.MOST_SILENT_OF_ALL", 3)
    hidden = make_process(pid=0, alive=None, started_ms=None)
    for number in range(9):
        book.take(say_message(member=number + 1, job=f"j{number}"), hidden, T0)
    tell(book, SILENCE_MS / 1000 + 10)
    assert sum(len(job.silent) for job in book.jobs) == 3


def test_what_jobs_say_of_themselves_is_known_to_others(
    book: JobBook, say_message: SAY, make_process: Any
) -> None:
    assert book.spoken == {}
    book.take(say_message(counters={"tokens_generated_total": 3}), make_process(), T0)
    tell(book, 1)
    before = book.spoken
    assert before == {"42": Spoken(frozenset(("tokens_generated_total",)), False)}
    tell(book, 2)
    assert book.spoken is before
    message = say_message(
        counters={"tokens_generated_total": 3, "steps_total": 1},
        model={"model": "m"},
        state="completed",
    )
    book.take(message, make_process(), T0 + 3000)
    tell(book, 4)
    both = frozenset(("tokens_generated_total", "steps_total"))
    assert book.spoken == {"42": Spoken(both, True)}, "what ended ones counted is counted"
    assert before == {"42": Spoken(frozenset(("tokens_generated_total",)), False)}
