from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import load, utc
from wattline_collector.ledger import cuts
from wattline_collector.ledger.audit import audit, prove
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.chain import Chain, chain_path
from wattline_collector.ledger.lost import LOST
from wattline_collector.ledger.schema import CUTS, DEVICE, HOUR_MS, MINUTE_MS, TIME
from wattline_collector.ledger.sums import hourly

HOUR = 3600
SAVED_S = 5430
START_MS = 1_793_491_200_000


@pytest.fixture
def working(telemetry: Any) -> Any:
    """A job of four hours on a device, with a checkpoint after an hour and a half."""
    telemetry.device()
    telemetry.add("node_info", [{"time_unix_ms": START_MS}], period_ms=0)
    telemetry.samples(
        last_s=5 * HOUR, sm_active_ratio=lambda s: 0.5 + s / 100_000, counter=lambda s: 400 * s,
    )  # fmt: skip
    telemetry.assign("j", 0, 4 * HOUR)
    telemetry.counts(
        "j",
        {
            float(s): {"step": s // 30, "steps_total": s // 30, "step_resumed": 0,
                       "step_saved": SAVED_S // 30 if s >= SAVED_S else None}
            for s in range(0, 4 * HOUR + 1, 30)
        },
    )  # fmt: skip
    return telemetry


@pytest.fixture
def failed(working: Any) -> Any:
    """The same, once it is known that the job failed, and booked."""
    working.info("j", 0, 4 * HOUR, state="failed")
    working.book(5 * HOUR)
    return working


def _lost(store: Path) -> dict[str, Any]:
    sums = [pl.col(name).sum() for name in ("duration_ms", "energy_joules")]
    view = load(store, None)
    return {
        table: frame.filter(frame["account"] == "lost").select(sums).row(0)
        for table, frame in (("device", view.device), ("node", view.node))
    }


def _without_minutes(books: Books) -> None:
    """Leave nothing to read but sums."""
    rmtree(books.root / "minutes")


def test_what_was_lost_of_an_hour_is_told_without_its_minutes(failed: Any) -> None:
    expected = _lost(failed.path)
    assert expected["device"] == ((4 * HOUR - 5460) * 1000, pytest.approx(400 * (4 * HOUR - 5460)))
    _without_minutes(Books(failed.path))
    assert _lost(failed.path) == expected


def test_figures_are_those_that_the_minutes_give(failed: Any) -> None:
    columns = pl.all().exclude("minute", "power_max_watts", "temperature_max_celsius")
    keys = ("node", "device", "job", "account")

    def entries() -> pl.DataFrame:
        return load(failed.path, None).device.group_by(keys).agg(columns.exclude("system").sum())

    parts = entries().sort(keys, nulls_last=True)
    rmtree(failed.path / "ledger" / "cuts")
    whole = entries().sort(keys, nulls_last=True)
    numbers = [name for name, type in whole.schema.items() if type.is_numeric()]
    for name in numbers:
        assert parts[name].to_list() == pytest.approx(whole[name].to_list())
    assert parts.select(keys).equals(whole.select(keys))


def test_an_hour_is_cut_when_what_was_lost_of_it_becomes_known_later(working: Any) -> None:
    books = working.book(5 * HOUR)
    assert books.cuts("device", START_MS, START_MS + 5 * HOUR_MS).is_empty()
    working.sent["device"].clear()  # nothing new is said of the hours but how the job ended
    working.sent["job"].clear()
    working.info("j", 0, 4 * HOUR, state="failed")
    books = working.book(6 * HOUR)
    kept = books.cuts("device", START_MS, START_MS + 5 * HOUR_MS)
    assert set(kept["minute"]) == {utc(START_MS + HOUR_MS), utc(START_MS + 5460_000)}
    assert set(kept["edges"]) == {"31"}
    assert audit(working.path) == []


def test_an_edge_that_moves_leaves_no_cut_where_it_was(failed: Any) -> None:
    # It went on for longer than anybody had said, and saved once more.
    failed.counts("j", {4.0 * HOUR + 60: {
        "step": 482, "steps_total": 482, "step_resumed": 0, "step_saved": 300,
    }})  # fmt: skip
    books = failed.book(6 * HOUR)
    kept = books.cuts("device", START_MS, START_MS + 6 * HOUR_MS)
    assert set(kept["minute"]) == {utc(START_MS + 2 * HOUR_MS), utc(START_MS + 9000_000)}
    before = _lost(failed.path)
    rmtree(books.root / "cuts")
    assert _lost(failed.path)["device"] == before["device"]


def test_an_hour_that_is_booked_again_is_cut_again(failed: Any) -> None:
    # The device was watched less than was thought: its counter says more of the hour.
    failed.samples(
        first_s=5400.5, last_s=5500.5, every_s=10, sm_active_ratio=0.0, counter=lambda s: 400 * s
    )
    failed.book(5 * HOUR)
    kept = Books(failed.path).cuts("device", START_MS, START_MS + 5 * HOUR_MS)
    hours = Books(failed.path).read("device", START_MS + HOUR_MS, START_MS + 2 * HOUR_MS)
    mine = hours.filter(pl.col("job") == "j")
    assert kept["samples"].sum() == mine["samples"].sum() > 370
    assert kept["sm_active_ms"].sum() == pytest.approx(mine["sm_active_ms"].sum())
    assert audit(failed.path) == []


def test_books_that_never_kept_any_get_them_with_the_next_booking(failed: Any) -> None:
    expected = _lost(failed.path)
    rmtree(failed.path / "ledger" / "cuts")
    assert _lost(failed.path)["device"] == expected["device"]
    working = failed.sent
    for rows in working.values():
        rows.clear()
    books = failed.book(5 * HOUR)
    assert set(books.cuts("node", START_MS, START_MS + 5 * HOUR_MS)["edges"]) == {"31"}
    _without_minutes(books)
    assert _lost(failed.path) == expected


@pytest.mark.parametrize("column", ["duration_ms", "energy_joules"])
def test_a_cut_that_does_not_add_up_to_its_hour_is_not_believed(failed: Any, column: str) -> None:
    expected = _lost(failed.path)
    path = Books(failed.path).cuts_path("device", "test", "2026-11-01")
    frame = pl.read_parquet(path)
    frame.with_columns((pl.col(column) * 1.001).cast(frame.schema[column])).write_parquet(path)
    assert _lost(failed.path)["device"] == pytest.approx(expected["device"])
    findings = audit(failed.path)
    assert {(one.hour, one.subject) for one in findings} == {("2026-11-01T01Z (test)", "job j")}
    assert "its device parts are not the sum of the minutes" in findings[0].problem


@pytest.fixture
def added_up(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many parts were added up again, by the look at them."""
    looks: list[int] = []
    unlike = cuts.unlike

    def watched(table: str, kept: pl.DataFrame, minutes: pl.DataFrame) -> pl.DataFrame:
        looks.append(kept.height)
        return unlike(table, kept, minutes)

    monkeypatch.setattr(cuts, "unlike", watched)
    return looks


def test_parts_that_the_trail_names_are_added_up_again_by_a_full_audit_alone(
    failed: Any, added_up: list[int]
) -> None:
    assert prove(failed.path).findings == ()
    assert added_up == []
    assert audit(failed.path) == []
    assert added_up == [2, 2]  # before and after the edge, of the device and of the node


def test_parts_that_the_trail_does_not_name_are_added_up_again(
    failed: Any, added_up: list[int]
) -> None:
    """So it is of those that became known after their hour entered it."""
    path = chain_path(Books(failed.path).root, "test")
    first, *records = Chain(path).records()
    path.unlink()
    Chain(path).begin(first.at_ms)
    entries = [replace(record.entry, cuts=None) for record in records if record.entry]
    Chain(path).append(entries, records[-1].at_ms)
    assert prove(failed.path).findings == ()
    assert added_up == [2, 2]


def test_hours_that_settle_after_they_were_booked_have_their_parts_named_too(
    failed: Any, added_up: list[int]
) -> None:
    path = chain_path(Books(failed.path).root, "test")
    named = [record.entry.cuts for record in Chain(path).records() if record.entry]
    path.unlink()  # what follows is how hours enter a trail that was not there when they were
    failed.book(5 * HOUR)
    again = [record.entry.cuts for record in Chain(path).records() if record.entry]
    assert again == named
    assert len(added_up) == len([digest for digest in named if digest]) * 2 == 2


def test_a_part_that_is_not_what_the_trail_names_is_found(failed: Any) -> None:
    """What is taken from one part and put to the other leaves the hour's sum as it was."""
    path = Books(failed.path).cuts_path("device", "test", "2026-11-01")
    first = pl.int_range(pl.len()) == 0
    moved = pl.when(first).then(-60_000.0).otherwise(60_000.0)
    pl.read_parquet(path).with_columns(pl.col("energy_joules") + moved).write_parquet(path)
    (found,) = prove(failed.path).findings
    assert (found.hour, found.subject) == ("2026-11-01T01Z (test)", "job j")


def test_a_cut_with_a_part_missing_is_not_believed(failed: Any) -> None:
    expected = _lost(failed.path)
    path = Books(failed.path).cuts_path("device", "test", "2026-11-01")
    pl.read_parquet(path).head(1).write_parquet(path)
    assert _lost(failed.path)["device"] == pytest.approx(expected["device"])
    assert audit(failed.path)


def test_a_file_of_cuts_that_cannot_be_read_costs_time_and_no_figure(failed: Any) -> None:
    expected = _lost(failed.path)
    path = Books(failed.path).cuts_path("device", "test", "2026-11-01")
    path.write_bytes(b"no such thing")
    assert _lost(failed.path)["device"] == pytest.approx(expected["device"])
    (finding,) = audit(failed.path)
    assert "2026-11-01.parquet" in finding.problem


@pytest.mark.parametrize(
    ("since_s", "until_s"), [(0, 5400), (5400, 5 * HOUR), (3660, 5520), (5460, 5520)]
)
def test_a_period_that_begins_or_ends_in_the_hour_has_its_part(
    failed: Any, since_s: int, until_s: int
) -> None:
    period = Period(utc(START_MS + since_s * 1000), utc(START_MS + until_s * 1000))
    device = load(failed.path, period).device
    lost = device.filter(device["account"] == "lost")["duration_ms"].sum() // 1000
    assert lost == max(0, min(until_s, 4 * HOUR) - max(since_s, 5460))


def test_what_stands_for_an_hour_as_it_was_is_of_that_time(working: Any, clock: Any) -> None:
    working.info("j", 0, 4 * HOUR, state="failed")
    working.book(12 * HOUR, clock)
    told = clock.unix_ms()
    before = load(working.path, None).device
    clock.sleep(30 * 24 * HOUR)
    working.samples(first_s=5400.5, last_s=5500.5, every_s=10, sm_active_ratio=0.0, counter=None)
    working.book(12 * HOUR, clock)
    then = load(working.path, None, as_of=utc(told)).device
    now = load(working.path, None).device
    assert then["sm_active_ms"].sum() != pytest.approx(now["sm_active_ms"].sum(), rel=1e-9)
    lost = [frame.filter(frame["account"] == "lost") for frame in (before, then)]
    for name in ("duration_ms", "sm_active_ms", "samples"):
        assert lost[0][name].sum() == pytest.approx(lost[1][name].sum(), rel=1e-12)


# The sums themselves

_JOBS = ("a", "b")


@st.composite
def _hours(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Minutes of two jobs on two devices over three hours, and what was lost of it."""
    rows = [
        {"system": "s", "minute": utc(START_MS + minute * MINUTE_MS), "node": "n",
         "device": device, "job": draw(st.sampled_from([*_JOBS, None])),
         "account": draw(st.sampled_from(["busy", "held"])),
         "duration_ms": draw(st.integers(1, MINUTE_MS)),
         "energy_joules": draw(st.none() | st.integers(0, 10**6).map(float)),
         "energy_method": draw(st.sampled_from([None, "counter", "integrated"])),
         "power_max_watts": draw(st.none() | st.floats(0, 1000))}
        for device in ("d0", "d1")
        for minute in draw(st.lists(st.integers(0, 179), max_size=12, unique=True))
    ]  # fmt: skip
    moments = st.none() | st.integers(START_MS, START_MS + 3 * HOUR_MS)
    lost = draw(st.lists(st.tuples(st.just("s"), st.sampled_from(_JOBS), moments, moments)))
    return (
        pl.DataFrame(rows, schema=DEVICE, orient="row"),
        pl.DataFrame(lost, schema=LOST, orient="row"),
    )


@settings(max_examples=60, deadline=None)
@given(drawn=_hours())
def test_parts_of_hours_are_what_lies_between_their_edges(
    drawn: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    minutes, lost = drawn
    edges = cuts.edges(lost)
    marks: dict[tuple[str, int], list[int]] = {}
    for _, job, *ends in lost.iter_rows():
        for end in ends:
            edge = None if end is None else -(-end // MINUTE_MS)
            if edge is not None and edge % 60:
                marks.setdefault((job, edge // 60 * 60), []).append(edge)
    made = cuts.cut("device", minutes, edges)
    found = 0
    for (job, hour), some in marks.items():
        for low, high in pairwise([hour, *sorted(set(some)), hour + 60]):
            begin, end = (pl.lit(edge * MINUTE_MS).cast(TIME) for edge in (low, high))
            inside = minutes.filter(
                pl.col("minute") >= begin, pl.col("minute") < end, pl.col("job") == job
            )
            mine = made.filter(pl.col("job") == job, pl.col("minute") == begin)
            found += mine.height
            for name in ("duration_ms", "energy_joules"):
                assert mine[name].sum() == inside[name].sum()
            assert mine["power_max_watts"].max() == inside["power_max_watts"].max()
    assert found == made.height
    assert made.schema == CUTS["device"]


@settings(max_examples=60, deadline=None)
@given(drawn=_hours(), data=st.data())
def test_cuts_stand_for_their_hours_as_long_as_nothing_of_either_changes(
    drawn: tuple[pl.DataFrame, pl.DataFrame], data: st.DataObject
) -> None:
    minutes, lost = drawn
    edges = cuts.edges(lost)
    made = cuts.cut("device", minutes, edges)
    whole = cuts.standing_for(made, hourly("device", minutes), edges)
    assert whole.height == made.height
    if minutes.is_empty():
        return
    altered = data.draw(st.integers(0, minutes.height - 1))
    row = pl.int_range(pl.len()) == altered
    other = minutes.with_columns(
        pl.when(row).then(pl.col("duration_ms") + 1).otherwise("duration_ms").alias("duration_ms")
    )
    job, minute = minutes.row(altered, named=True)["job"], minutes["minute"][altered]
    hour = minute.replace(minute=0)
    left = cuts.standing_for(made, hourly("device", other), edges)
    is_its = pl.col("job").eq_missing(pl.lit(job)) & pl.col("hour").is_between(
        hour, hour + timedelta(minutes=59)
    )
    assert left.filter(is_its).is_empty()
    assert left.height == whole.height - whole.filter(is_its).height
