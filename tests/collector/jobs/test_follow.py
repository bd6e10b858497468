from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

from wattline_collector.jobs.asking import AskFailed, Events
from wattline_collector.jobs.claims import Held
from wattline_collector.jobs.follow import SlurmFollower
from wattline_collector.jobs.node_watch import ROWS

Rec = Callable[..., dict[str, str | None]]
NOTHING = Events(ROWS.to_frame(), ROWS.to_frame())
HOUR_MS = 3_600_000


@dataclass
class Slurm:
    """A scheduler that says what it is told to, and keeps what it was asked."""

    records: list[dict[str, str | None]] = field(default_factory=list)
    claims: list[Held] = field(default_factory=list)
    events_now: Events = NOTHING
    fails: set[str] = field(default_factory=set)
    asked: list[tuple[int, int | None, tuple[str, ...]]] = field(default_factory=list)
    held_asked: int = 0

    def jobs(self, since_ms: int, until_ms: int | None, ids: Sequence[str]) -> pl.DataFrame:
        self.asked.append((since_ms, until_ms, tuple(ids)))
        if "jobs" in self.fails:
            raise AskFailed("sacct: no answer")
        found = [one for one in self.records if not ids or one["job_raw"] in ids]
        columns = sorted({name for one in found for name in one} | {"job_raw"})
        data = {n: pl.Series([one.get(n) for one in found], dtype=pl.String) for n in columns}
        return pl.DataFrame(data).with_row_index("line").cast({"line": pl.Int64})

    def held(self) -> list[Held]:
        self.held_asked += 1
        if "held" in self.fails:
            raise AskFailed("scontrol: no answer")
        return self.claims

    def events(self, since_ms: int, now_ms: int) -> Events:
        if "events" in self.fails:
            raise AskFailed("sacctmgr: no answer")
        return self.events_now


@pytest.fixture
def slurm() -> Slurm:
    return Slurm()


@pytest.fixture
def follower(slurm: Slurm, kept: Any) -> SlurmFollower:
    made = SlurmFollower(slurm, "sys", kept.clock)
    made.reads(kept.store)
    return made


@pytest.fixture
def running(record: Rec) -> dict[str, str | None]:
    return record(state="RUNNING", end="Unknown")


def restarted(slurm: Slurm, kept: Any) -> SlurmFollower:
    made = SlurmFollower(slurm, "sys", kept.clock)
    made.reads(kept.store)
    return made


def test_what_did_not_change_is_not_told_again(
    slurm: Slurm, follower: SlurmFollower, kept: Any, record: Rec
) -> None:
    slurm.records = [record()]
    assert kept.take(follower.ask()) == 2  # accounting and job_info
    kept.clock.sleep(30)
    assert kept.take(follower.ask()) == 0
    assert kept.jobs["100"]["state"] == "completed"
    info = kept.read("job_info").row(0, named=True)
    assert (info["state"], info["start_unix_ms"]) == ("completed", kept.jobs["100"]["start_ms"])


def test_after_a_restart_nothing_is_told_twice(
    slurm: Slurm, follower: SlurmFollower, kept: Any, record: Rec
) -> None:
    slurm.records = [record(), record(job_raw="101", job_id="101", energy_raw="500", user="eve")]
    kept.take(follower.ask())
    kept.clock.sleep(60)
    assert kept.take(restarted(slurm, kept).ask()) == 0


def test_a_running_job_is_told_every_ten_minutes(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None]
) -> None:
    slurm.records = [running]
    kept.take(follower.ask())
    kept.clock.sleep(30)
    assert kept.take(follower.ask()) == 0
    kept.clock.sleep(600)
    kept.take(follower.ask())
    assert kept.read("accounting").height == 2


def test_the_devices_of_a_job_are_asked_once_repeated_while_it_runs_and_closed(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None], record: Rec
) -> None:
    kept.devices("gpu00")
    slurm.records, slurm.claims = [running], [Held("100", "gpu00", (1, 2))]
    for _ in range(3):
        kept.take(follower.ask())
        kept.clock.sleep(30)
    rows = kept.read("assignment")
    assert slurm.held_asked == 1
    assert rows.height == 6
    assert set(rows["device"]) == {"gpu00-1", "gpu00-2"}
    assert set(rows["method"]) == {"slurm"}
    assert rows["end_unix_ms"].null_count() == 6

    slurm.records = [record()]
    kept.take(follower.ask())
    ends = kept.read("assignment")["end_unix_ms"].drop_nulls()
    assert ends.to_list() == [kept.jobs["100"]["end_ms"]] * 2
    kept.clock.sleep(30)
    assert kept.take(follower.ask()) == 0


def test_the_devices_of_a_job_that_ended_while_the_collector_was_down_are_closed(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None], record: Rec
) -> None:
    kept.devices("gpu00")
    slurm.records, slurm.claims = [running], [Held("100", "gpu00", (1, 2))]
    kept.take(follower.ask())
    kept.clock.sleep(3 * 3600)
    slurm.records, slurm.claims = [record()], []
    again = restarted(slurm, kept)
    kept.take(again.ask())
    assert kept.read("assignment")["end_unix_ms"].drop_nulls().len() == 2
    # From a little before the newest statement on, so that nothing of the time between is missed.
    since_ms, until_ms, _ = slurm.asked[-1]
    assert since_ms <= kept.clock.now_ms - 3 * HOUR_MS - 600_000
    assert until_ms is None


def test_devices_that_are_not_told_are_asked_for_a_few_times_and_counted(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None]
) -> None:
    slurm.records = [running]
    for _ in range(8):
        kept.take(follower.ask())
        kept.clock.sleep(30)
    assert slurm.held_asked == 4
    assert follower.figures.unknown == 1
    assert kept.read("assignment").is_empty()


def test_devices_that_no_agent_told_of_are_counted_and_a_claim_that_cannot_be_is_odd(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None]
) -> None:
    kept.devices("gpu00", count=2)
    slurm.records, slurm.claims = [running], [Held("100", "gpu00", (1, 7))]
    kept.take(follower.ask())
    assert follower.figures.unresolved == 1
    other = {**running, "job_raw": "200", "job_id": "200"}
    slurm.records, slurm.claims = [running, other], [Held("200", "gpu00", (0,))]
    kept.take(follower.ask())
    assert follower.figures.odd == 1
    assert set(kept.read("assignment")["job"]) == {"100"}


def test_a_job_without_devices_is_not_asked_about(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None]
) -> None:
    slurm.records = [{**running, "tres_allocated": "cpu=8,mem=4G,node=1"}]
    kept.take(follower.ask())
    assert slurm.held_asked == 0


def test_the_runs_of_a_requeued_job_are_told_apart_over_restarts_of_the_collector(
    slurm: Slurm, follower: SlurmFollower, kept: Any, record: Rec, running: dict[str, str | None]
) -> None:
    slurm.records = [record(state="REQUEUED"), record(job_raw="300", job_id="300")]
    kept.take(follower.ask())
    kept.clock.sleep(3 * 86_400)
    # Its first run ended days ago: neither the answer nor what is remembered has it.
    second = {**running, "submit": "2026-11-04T11:00:00", "start": "2026-11-04T11:30:00"}
    slurm.records = [record(job_raw="400", job_id="400", submit="2026-11-04T10:00:00",
                            start="2026-11-04T10:00:00", end="2026-11-04T10:10:00")]  # fmt: skip
    kept.take(restarted(slurm, kept).ask())
    kept.clock.sleep(30)
    again = restarted(slurm, kept)
    slurm.records = [second]
    for _ in range(4):
        kept.take(again.ask())
        kept.clock.sleep(30)
    assert {"100", "100.1"} <= set(kept.jobs)
    assert kept.jobs["100"]["state"] == "requeued"
    assert kept.jobs["100.1"]["state"] == "running"


def test_a_job_that_ran_and_is_told_of_no_more_is_asked_for_by_its_id(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None], record: Rec
) -> None:
    slurm.records = [running]
    kept.take(follower.ask())
    kept.clock.sleep(30)
    slurm.records = []
    kept.take(follower.ask())
    kept.clock.sleep(30)
    slurm.records = [record()]
    kept.take(follower.ask())
    assert [ids for _, _, ids in slurm.asked] == [(), (), ("100",)]
    assert kept.jobs["100"]["state"] == "completed"


def test_a_job_nobody_knows_any_more_is_given_up(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None]
) -> None:
    slurm.records = [running]
    kept.take(follower.ask())
    slurm.records = []
    for _ in range(4):
        kept.clock.sleep(30)
        kept.take(follower.ask())
    assert [bool(ids) for _, _, ids in slurm.asked] == [False, False, True, False, False]
    assert follower.figures.jobs_running == 0


def test_what_was_missed_is_caught_up_with_a_day_at_a_time(
    slurm: Slurm, follower: SlurmFollower, kept: Any, record: Rec
) -> None:
    slurm.records = [record()]
    kept.take(follower.ask())
    kept.clock.sleep(3 * 86_400)
    again = restarted(slurm, kept)
    slurm.asked.clear()
    for _ in range(5):
        kept.take(again.ask())
        kept.clock.sleep(30)
    spans = [(until - since) if until else None for since, until, _ in slurm.asked]
    day = 86_400_000
    assert spans == [day, day, day, None, None]
    assert all(a[1] > b[0] for a, b in zip(slurm.asked[:3], slurm.asked[1:], strict=False) if a[1])
    assert again.figures.behind_seconds < 60


def test_once_an_hour_the_last_day_is_looked_over_again(
    slurm: Slurm, follower: SlurmFollower, kept: Any
) -> None:
    reach = []
    for _ in range(65):
        kept.take(follower.ask())
        reach.append(kept.clock.now_ms - slurm.asked[-1][0])
        kept.clock.sleep(60)
    long = [place for place, ms in enumerate(reach) if ms >= 86_400_000]
    assert long == [0, 61]
    assert max(ms for place, ms in enumerate(reach) if place not in long) <= 660_000


def test_failures_wait_longer_each_time_and_what_answers_is_kept(
    slurm: Slurm, follower: SlurmFollower, kept: Any, running: dict[str, str | None]
) -> None:
    slurm.records, slurm.fails = [running], {"jobs"}
    pauses = []
    for _ in range(6):
        with pytest.raises(AskFailed):
            follower.ask()
        pauses.append(follower.every_seconds)
    assert pauses == [60, 120, 240, 480, 600, 600]
    slurm.fails = {"held", "events"}
    kept.take(follower.ask())
    assert kept.jobs["100"]["state"] == "running"
    assert follower.figures.failed == 2
    assert follower.every_seconds == 30


def test_states_of_nodes_are_told_once_and_over_a_restart(
    slurm: Slurm, follower: SlurmFollower, kept: Any
) -> None:
    now_ms = kept.clock.now_ms
    row = (now_ms, "n", "drain", "xid 79", now_ms - 1000, None)
    slurm.events_now = Events(pl.DataFrame([row], ROWS, orient="row"), ROWS.to_frame())
    assert kept.take(follower.ask()) == 1
    kept.clock.sleep(30)
    assert kept.take(follower.ask()) == 0
    slurm.records = []
    assert kept.read("node_state")["reason"].to_list() == ["xid 79"]


def test_every_figure_has_a_name_and_a_word_of_help(follower: SlurmFollower) -> None:
    told = list(follower.metrics())
    assert len({name for name, _, _ in told}) == len(told) == 7
    assert all(help.endswith(".") for _, help, _ in told)


def test_another_systems_rows_are_none_of_its_own(
    slurm: Slurm, follower: SlurmFollower, kept: Any, record: Rec
) -> None:
    slurm.records = [record()]
    kept.take(follower.ask())
    other = SlurmFollower(slurm, "other", kept.clock)
    other.reads(kept.store)
    assert kept.take(other.ask()) == 2
