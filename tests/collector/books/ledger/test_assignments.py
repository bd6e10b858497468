from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline_agents.catalogue import METHODS
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.ledger import assignments
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.inventory import ASSIGNMENTS
from wattline_collector.ledger.known import job_ends

HOUR = 3600


@pytest.fixture
def gpu(telemetry: Any) -> Any:
    """One device at work for an hour."""
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.5, counter=lambda s: 400 * s)
    return telemetry


def _seconds(books: Books, start_ms: int) -> dict[str | None, float]:
    entries = books.read("device", start_ms, start_ms + 10 * HOUR * 1000)
    return dict(entries.group_by("job").agg(pl.col("duration_ms").sum() / 1000).iter_rows())


def test_of_two_methods_the_more_trusted_is_believed(gpu: Any, start_ms: int) -> None:
    gpu.assign("seen", 0, 1000, method="cgroup")
    gpu.assign("given", 200, 600, method="prolog")
    assert _seconds(gpu.book(HOUR), start_ms) == {"given": 400.0, "seen": 600.0, None: 2600.0}


@pytest.mark.parametrize("better", range(len(METHODS) - 1))
def test_every_method_outranks_the_next(gpu: Any, start_ms: int, better: int) -> None:
    # Said first, so that it is not the order of what came that decides.
    gpu.assign("first", 0, 1000, method=METHODS[better + 1])
    gpu.assign("second", 0, 1000, method=METHODS[better])
    assert _seconds(gpu.book(HOUR), start_ms)["second"] == 1000.0


def test_a_scheduler_that_counts_devices_the_other_way_round_is_not_believed_of_them(
    telemetry: Any, start_ms: int
) -> None:
    for gpu in ("gpu0", "gpu1"):
        telemetry.device(gpu)
    telemetry.device("far")
    telemetry.sent["device_info"][-1] = {**telemetry.sent["device_info"][-1], "node": "n2"}
    telemetry.assign("j", 0, 1000, "gpu1", method="prolog")
    telemetry.assign("j", 0, 1000, "gpu0", method="slurm")
    telemetry.assign("j", 0, 1000, "far", method="slurm")
    telemetry.assign("j", 2000, 2100, "gpu0", method="slurm")
    telemetry.assign("j", 2000, 2050, "gpu0", method="cgroup")
    entries = telemetry.book(HOUR).read("device", start_ms, start_ms + HOUR * 1000)
    booked = (
        entries.filter(pl.col("job") == "j").group_by("device").agg(pl.col("duration_ms").sum())
    )
    # Of the time that the prolog is silent of, and of other nodes, the scheduler is believed.
    assert dict(booked.iter_rows()) == {"gpu0": 100_000, "gpu1": 1_000_000, "far": 1_000_000}


def test_a_method_nobody_knows_is_believed_last(gpu: Any, start_ms: int) -> None:
    gpu.assign("known", 0, 1000, method=METHODS[-1])
    gpu.assign("odd", 0, 2000, method="oracle")
    assert _seconds(gpu.book(HOUR), start_ms) == {"known": 1000.0, "odd": 1000.0, None: 1600.0}


def test_claims_of_one_job_by_several_methods_are_one(gpu: Any, start_ms: int) -> None:
    gpu.assign("j", 10, 1000, method="prolog")
    gpu.assign("j", 0, 990, method="slurm")
    gpu.assign("j", 30, 1010, method="cgroup")
    assert _seconds(gpu.book(HOUR), start_ms) == {"j": 990.0, None: 2610.0}


def test_nodes_that_were_started_for_a_job_were_its_own_meanwhile(gpu: Any, start_ms: int) -> None:
    gpu.assign("j", 200, 1000, method="prolog")
    gpu.assign("j", 0, 999, method="slurm")
    assert _seconds(gpu.book(HOUR), start_ms) == {"j": 1000.0, None: 2600.0}


def test_a_job_whose_process_is_gone_still_holds_what_it_was_given(gpu: Any, start_ms: int) -> None:
    gpu.assign("j", 20, 300, method="cgroup")
    gpu.assign("j", 0, 1000, method="slurm")
    assert _seconds(gpu.book(HOUR), start_ms) == {"j": 1000.0, None: 2600.0}


@pytest.mark.parametrize(("end_s", "booked_s"), [(1030, 1030.0), (1290, 1290.0), (3000, 1000.0)])
def test_an_epilog_takes_minutes_and_a_record_closed_later_was_forgotten(
    gpu: Any, start_ms: int, end_s: float, booked_s: float
) -> None:
    gpu.assign("j", 0, end_s, method="prolog")
    gpu.account("j", 0, 1000, said_s=1100)
    assert _seconds(gpu.book(HOUR), start_ms)["j"] == booked_s


def test_an_open_claim_by_processes_ends_where_the_epilog_says(gpu: Any, start_ms: int) -> None:
    gpu.assign("j", 0, 1000, method="prolog")
    gpu.assign("j", 5, None, said_s=995, method="cgroup")
    assert _seconds(gpu.book(HOUR), start_ms)["j"] == 1000.0


def test_a_stale_claim_of_a_trusted_method_leaves_the_device_to_others(
    gpu: Any, start_ms: int
) -> None:
    gpu.assign("old", 0, None, said_s=910, method="prolog")
    gpu.assign("new", 0, 3000, method="process")
    assert _seconds(gpu.book(HOUR), start_ms) == {"old": 1000.0, "new": 2000.0, None: 600.0}


def test_a_missed_epilog_is_made_good_by_accounting(gpu: Any, start_ms: int) -> None:
    for second in range(0, HOUR, 30):
        gpu.assign("j", 0, None, said_s=second, method="prolog")
    assert _seconds(gpu.book(HOUR), start_ms)["j"] == HOUR
    gpu.account("j", 0, 1200, said_s=3000)
    books = gpu.book(HOUR)
    assert _seconds(books, start_ms) == {"j": 1200.0, None: 2400.0}
    assert audit(books.root.parent) == []


def test_a_missed_epilog_is_made_good_by_the_next_record(gpu: Any, start_ms: int) -> None:
    gpu.assign("first", 0, None, said_s=1990, method="prolog")
    gpu.assign("second", 1500, 2000, method="prolog")
    assert _seconds(gpu.book(HOUR), start_ms) == {"first": 1500.0, "second": 500.0, None: 1600.0}


def test_what_a_scheduler_gave_away_is_the_jobs_until_accounting_says_it_ended(
    gpu: Any, start_ms: int
) -> None:
    gpu.assign("j", 0, None, said_s=600, method="prolog")  # the agent died then
    gpu.assign("k", 0, None, said_s=600, method="cgroup", device="gpu1")
    gpu.device("gpu1")
    gpu.account("j", 0, 2000, said_s=2100)
    gpu.account("k", 0, 2000, said_s=2100)
    booked = _seconds(gpu.book(HOUR), start_ms)
    assert booked["j"] == 2000.0
    assert booked["k"] == 690.0


def test_an_end_before_the_claim_began_is_another_runs(gpu: Any, start_ms: int) -> None:
    gpu.account("j", -500, -10, said_s=100)
    gpu.assign("j", 0, 1000, method="prolog")
    assert _seconds(gpu.book(HOUR), start_ms)["j"] == 1000.0


def test_methods_that_begin_at_the_same_moment_are_both_kept(telemetry: Any) -> None:
    telemetry.device()
    telemetry.assign("j", 0, 1000, method="prolog")
    telemetry.assign("j", 0, 900, method="cgroup", said_s=950)
    books = telemetry.book(HOUR)
    kept = books.frame("assignments", ASSIGNMENTS)
    assert sorted(kept["method"]) == ["cgroup", "prolog"]


def test_it_is_known_which_method_decided_and_for_how_long(gpu: Any) -> None:
    gpu.assign("j", 0, 1000, method="prolog")
    gpu.assign("j", 0, None, said_s=900, method="cgroup")
    gpu.assign("j", 2000, 2500, method="cgroup")
    gpu.assign("half", 3000, 3600, method="kubernetes", share=0.5)
    books = gpu.book(HOUR)
    claims = books.frame("assignments", ASSIGNMENTS)
    ended = job_ends(books.frame("accounting", ACCOUNTED))
    used = assignments.methods_used(claims, ended, "test", ["j", "half", "nobody"])
    assert used.rows() == [
        ("half", "kubernetes", 300.0), ("j", "prolog", 1000.0), ("j", "cgroup", 500.0),
    ]  # fmt: skip


def test_an_end_that_accounting_tells_late_reopens_only_the_hours_it_changes(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.samples(last_s=6 * HOUR, sm_active_ratio=0.5)
    for second in range(0, 6 * HOUR + 1, 30):
        telemetry.assign("j", 0, None, said_s=second, method="prolog")
    books = telemetry.book(6 * HOUR)
    before = [books.path("device", hour).stat().st_mtime_ns for hour in books.hours()]
    telemetry.account("j", 0, 4.5 * HOUR, said_s=6 * HOUR)
    telemetry.take_dirty = lambda: {("test", start_ms + 6 * HOUR * 1000)}
    books = telemetry.book(6 * HOUR + 60)
    after = [books.path("device", hour).stat().st_mtime_ns for hour in books.hours()]
    assert _seconds(books, start_ms)["j"] == 4.5 * HOUR
    rewritten = [old != new for old, new in zip(before, after[:6], strict=True)]
    assert rewritten == [False, False, False, False, True, True]


def test_more_jobs_than_a_device_can_be_shared_by_do_not_make_booking_endless() -> None:
    rows = [
        ("test", "gpu0", f"j{i:05}", i, 10_000_000, 20_000, "cgroup", 0.001, "n1")
        for i in range(20_000)
    ]
    claims = pl.DataFrame(rows, schema=ASSIGNMENTS, orient="row")
    ended = job_ends(ACCOUNTED.to_frame())
    held = assignments.held(claims, ended, "test", 0, 10_000_000)
    assert held.members.group_by("group").len()["len"].max() == assignments.MOST_SHARING


def test_a_claim_on_a_device_nobody_had_heard_of_gets_its_node_later(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.take_dirty = lambda: {("test", start_ms)}
    telemetry.assign("j", 0, 1800, method="prolog")
    telemetry.book(1900)
    telemetry.take_dirty = lambda: {("test", start_ms + HOUR * 1000)}
    told = {"time_unix_ms": start_ms + (HOUR + 60) * 1000, "device": "gpu0"}
    telemetry.add("device_info", [told], period_ms=0)
    books = telemetry.book(2 * HOUR)
    assert books.frame("assignments", ASSIGNMENTS)["node"].to_list() == ["n1"]


def test_a_claim_that_ends_another_for_good_reopens_all_the_time_it_takes_away(
    telemetry: Any, start_ms: int, seconds: Any
) -> None:
    telemetry.device()
    telemetry.samples(last_s=3 * HOUR, sm_active_ratio=0.8)
    telemetry.assign("long", 0, 3 * HOUR, method="prolog")
    telemetry.book(3 * HOUR)
    telemetry.take_dirty = lambda: {("test", start_ms)}
    telemetry.assign("short", 1800, 2400, method="prolog")
    books = telemetry.book(3 * HOUR)
    assert seconds(books, job="long") == {"busy": 1800.0}
    assert seconds(books, job="short") == {"busy": 600.0}


_SPANS = st.lists(
    st.tuples(st.sampled_from(["d0", "d1"]), st.integers(0, 20), st.integers(1, 8)), max_size=12
)


@settings(max_examples=80, deadline=None)
@given(changed=_SPANS, claims=_SPANS)
def test_changed_time_reaches_as_far_as_any_claim_that_began_inside_it_or_before(
    changed: list[tuple[str, int, int]], claims: list[tuple[str, int, int]]
) -> None:
    known = pl.DataFrame(
        [
            {"system": "s", "device": device, "job": f"j{place}", "method": "prolog",
             "start_ms": start, "end_ms": start + length, "stated_ms": start}
            for place, (device, start, length) in enumerate(claims)
        ],
        schema=ASSIGNMENTS,
    )  # fmt: skip
    spans = pl.DataFrame(
        [("s", device, start, start + length) for device, start, length in changed],
        schema={"system": pl.String, "device": pl.String, "low": pl.Int64, "high": pl.Int64},
        orient="row",
    )
    found = assignments.reaching_on(spans, known, job_ends(ACCOUNTED.to_frame()))
    expected = set()
    for device, low, length in changed:
        high = low + length
        reaching = [s + n for of, s, n in claims if of == device and s < high < s + n]
        expected |= set(range(low, max([high, *reaching])))
    covered = {ms for _, low, high in found.iter_rows() for ms in range(low, high)}
    assert covered == expected


def _claim(
    job: str, method: str, start: int, end: int | None, share: float | None = None
) -> dict[str, Any]:
    return {
        "system": "s", "device": "d0", "job": job, "start_ms": start * 60_000,
        "end_ms": None if end is None else end * 60_000, "stated_ms": (end or start) * 60_000,
        "method": method, "share": share, "node": "n1",
    }  # fmt: skip


_NO_END = pl.DataFrame(schema={"system": pl.String, "job": pl.String, "ended_ms": pl.Int64})


def test_a_claim_that_was_ended_for_good_before_the_hour_asked_for_stays_ended() -> None:
    said = pl.DataFrame(
        [_claim("part", "prolog", 0, 90, 0.3), _claim("part", "slurm", 0, 70, 0.3),
         _claim("whole", "prolog", 20, 40)], schema=ASSIGNMENTS,
    )  # fmt: skip
    hour = assignments.held(said, _NO_END, "s", 60 * 60_000, 120 * 60_000)
    # After the prolog's next word the accounting's counts, and that ends after ten minutes.
    assert hour.intervals.select("start", "end").rows() == [(3_600_000, 4_200_000)]


_CLAIMS = st.lists(
    st.builds(
        _claim, st.sampled_from(["a", "b", "c"]), st.sampled_from(["prolog", "slurm", "cgroup"]),
        st.integers(0, 30), st.one_of(st.none(), st.integers(0, 60)),
        st.sampled_from([None, 0.3, 0.5]),
    ), max_size=9,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(claims=_CLAIMS, low=st.integers(0, 50))
def test_who_held_a_device_does_not_depend_on_the_time_asked_for(
    claims: list[dict[str, Any]], low: int
) -> None:
    said = pl.DataFrame(claims, schema=ASSIGNMENTS).unique(assignments.KEY)
    first, last = low * 60_000, 70 * 60_000

    def known(held: assignments.Held) -> list[Any]:
        parts = held.intervals.filter(pl.col("end") > first).join(held.members, on="group")
        return (
            parts.with_columns(pl.col("start").clip(lower_bound=first))
            .select("device", "start", "end", "job", "share").sort("start", "job").rows()
        )  # fmt: skip

    of_all, of_some = (
        known(assignments.held(said, _NO_END, "s", begin, last)) for begin in (0, first)
    )
    assert of_some == of_all
