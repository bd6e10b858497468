from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import ACCOUNTING
from wattline_collector.jobs.accounts import Damage, Typed
from wattline_collector.jobs.encode import bodies
from wattline_collector.receive import check, decode

NOW_MS = 1_793_534_400_000  # 2026-11-01T12:00Z
TEN_MS = NOW_MS - 7_200_000
One = Callable[..., dict[str, Any]]
Rec = Callable[..., dict[str, str | None]]
ReadTyped = Callable[..., Typed]


def accepted(rows: pl.DataFrame) -> None:
    """Rows are such as the store takes in, whatever they were made of."""
    for _, body in bodies(ACCOUNTING, rows):
        found = decode.decode(ACCOUNTING, body)
        check.checked(ACCOUNTING, decode.typed(found.shape, found.batches), NOW_MS)


def test_a_job_in_base_units(one: One, record: Rec) -> None:
    job = one(record(limit_minutes="120", user="eve", account="p1", exit="3:9", qos="normal"))
    assert job["time_unix_ms"] == job["end_unix_ms"] == TEN_MS + 3_600_000
    assert (job["submit_unix_ms"], job["start_unix_ms"]) == (TEN_MS - 60_000, TEN_MS)
    assert (job["nodes"], job["cpus"], job["gpus"], job["memory_bytes"]) == (1, 8, 2, 4 * 2**30)
    assert (job["time_limit_seconds"], job["exit_code"], job["exit_signal"]) == (7200.0, 3, 9)
    assert (job["job"], job["scheduler"], job["state"]) == ("100", "slurm", "completed")


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (("2", "2_5"), {"job": "2", "job_id": "2_5", "array_job": "2", "array_task": 5}),
        (("13", "12+1"), {"job": "13", "job_id": "12+1", "het_job": "12"}),
        (("2", "2_[6-9%2]"), {"job": "2", "job_id": "2_[6-9%2]", "array_job": "2"}),
        ((None, "2_5"), {"job": "2_5", "job_id": "2_5", "array_job": "2", "array_task": 5}),
    ],
)
def test_ids_of_arrays_and_heterogeneous_jobs(
    one: One, record: Rec, ids: tuple[str | None, str], wanted: dict[str, object]
) -> None:
    job = one(record(job_raw=ids[0], job_id=ids[1]))
    named = ("job", "job_id", "array_job", "array_task", "het_job")
    assert {name: job[name] for name in named if name in job} == wanted


def test_a_job_cancelled_before_it_started_never_did_and_got_nothing(one: One, record: Rec) -> None:
    job = one(
        record(state="CANCELLED by 0", node_list="None assigned", start="2026-11-01T11:00:00")
    )
    assert job["state"] == "cancelled"
    assert job["end_unix_ms"] == TEN_MS + 3_600_000
    assert {"start_unix_ms", "nodes", "cpus", "gpus", "memory_bytes", "node_list"}.isdisjoint(job)


def test_a_running_job_has_no_end_and_was_so_when_it_was_asked(one: One, record: Rec) -> None:
    job = one(record(state="RUNNING", end="2026-11-02T10:00:00", elapsed="00:30:00", exit="0:0"))
    assert {"end_unix_ms", "exit_code", "exit_signal"}.isdisjoint(job)
    assert job["time_unix_ms"] == TEN_MS + 1_800_000


def test_steps_are_folded_into_their_job(typed: ReadTyped, record: Rec) -> None:
    step = {"state": "COMPLETED", "start": "2026-11-01T10:00:00"}
    found = typed(
        record(energy_raw="0"),
        {"job_raw": "100.batch", "energy_raw": "700", "rss": "4K", **step},
        {"job_raw": "100.0", "energy_raw": "400", "usage": "cpu=1,mem=9M", "rss": "3M", **step},
        {"job_raw": "100.1", "energy_raw": "500", **step},
        {"job_raw": "999.0", "energy_raw": "5", **step},
    )  # fmt: skip
    [job] = found.rows.to_dicts()
    assert (found.steps, found.lone_steps) == (4, 1)
    # The batch step ran beside the numbered ones, on a node both were charged for.
    assert job["energy_joules"] == 900.0
    assert job["memory_peak_bytes"] == 9 * 2**20


@pytest.mark.parametrize("told", ["0", "4294967294", "18446744073709551614", "-2", "", "9" * 30])
def test_no_energy_is_null_and_not_nought(one: One, record: Rec, told: str) -> None:
    assert "energy_joules" not in one(record(energy_raw=told))


def test_the_jobs_own_energy_is_believed_before_its_steps(one: One, record: Rec) -> None:
    job = one(record(energy_raw="1000"), {"job_raw": "100.0", "energy_raw": "400"})
    assert job["energy_joules"] == 1000.0
    assert one(record(energy="1.50M"))["energy_joules"] == 1_500_000.0


def test_the_hour_that_comes_twice_is_told_apart_by_the_time_elapsed(one: One, record: Rec) -> None:
    summer = record(
        submit="2026-10-25T01:00:00", start="2026-10-25T01:30:00", end="2026-10-25T02:30:00"
    )
    zone = "Europe/Berlin"  # 03:00 summer time is 02:00 winter time
    first = one(summer | {"elapsed": "01:00:00"}, zone=zone)
    second = one(summer | {"elapsed": "02:00:00"}, zone=zone)
    assert second["end_unix_ms"] - first["end_unix_ms"] == 3_600_000
    late = record(submit="2026-10-25T02:00:00", start="2026-10-25T02:30:00",
                  end="2026-10-25T03:30:00", elapsed="01:00:00")  # fmt: skip
    assert (lambda job: job["end_unix_ms"] - job["start_unix_ms"])(
        one(late, zone=zone)
    ) == 3_600_000


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ({"end": "2026-11-01T09:00:00"}, "end", "is before its start"),
        ({"start": "yesterday"}, "start", "'yesterday' is no time"),
        ({"submit": "1999-01-01T00:00:00"}, "submit", "is not a time from 2000"),
        ({"end": "2096-01-01T00:00:00"}, "end", "is not a time from 2000"),
        ({"job_raw": "../etc", "job_id": None}, "job_raw", "is no job id"),
        ({"job_raw": None, "job_id": None}, "job_raw", "there is no job id"),
        ({"submit": None, "start": None, "end": None}, "submit", "no time of it is known"),
    ],
)
def test_a_record_that_cannot_be_true_is_set_aside_and_the_others_are_kept(
    typed: ReadTyped, record: Rec, wrong: dict[str, str | None], field: str, says: str
) -> None:
    found = typed(record(job_raw="1", job_id="1"), record(**wrong), record())
    [damage] = found.damaged
    assert (damage.line, damage.field) == (2, field)
    assert says.replace("'", "") in damage.reason
    assert found.rows["job"].to_list() == ["1", "100"]


def test_a_state_nobody_knows_yet_is_null_and_the_job_is_kept(one: One, record: Rec) -> None:
    assert "state" not in one(record(state="TELEPORTED"))


@pytest.mark.parametrize(
    "hostile",
    [
        "../../etc/passwd", "<script>alert(1)</script>", "'; DROP TABLE jobs; --",
        "a\x00b\x1b[2J\n", "\u202egpj.exe", "x" * 1_000_000, "🙂" * 10_000,
        "9" * 400, "-1", "1e400", "NaN",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "column",
    ["name", "user", "account", "partition", "qos", "reason", "node_list", "tres_allocated",
     "tres_requested", "exit", "limit", "limit_minutes", "suspended", "elapsed", "nodes", "cpus",
     "memory", "gpus", "gpu_type", "energy_raw", "energy", "rss", "usage", "restarts", "eligible",
     "state", "job_id"],
)  # fmt: skip
def test_whatever_a_field_holds_the_row_is_one_that_the_store_takes(
    typed: ReadTyped, record: Rec, column: str, hostile: str
) -> None:
    found = typed(record(**{column: hostile}))
    assert found.damaged == []
    accepted(found.rows)
    assert found.rows["end_unix_ms"].to_list() in ([TEN_MS + 3_600_000], [])


def test_a_damaged_record_names_its_value_bounded(typed: ReadTyped, record: Rec) -> None:
    [damage] = typed(record(start="\x1b" * 100_000)).damaged
    assert isinstance(damage, Damage)
    assert len(damage.reason) < 200
    assert damage.reason.isprintable()
