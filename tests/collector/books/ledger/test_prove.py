"""The proof of a period: which hours it is of, and what it takes from the audit trail."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger.audit import Proof, audit, prove
from wattline_collector.ledger.audit_days import EVER
from wattline_collector.ledger.books import Books, Hour, sha256
from wattline_collector.ledger.chain import Chain, chain_path
from wattline_collector.ledger.trail import Trail
from wattline_collector.store import filenames
from wattline_collector.store.manifest import Segment, seal_line

HOUR = 3600
HOUR_MS = 3_600_000


@pytest.fixture
def books(telemetry: Any, clock: Any) -> Books:
    """Thirty hours of two devices, one of them with a job; all but the last have settled."""
    for gpu in ("gpu0", "gpu1"):
        telemetry.device(gpu)
        telemetry.samples(gpu, last_s=30 * HOUR, sm_active_ratio=0.8, counter=lambda s: 400 * s)
    telemetry.assign("j", 1000, 20 * HOUR)
    booked = telemetry.book(30 * HOUR, clock)
    assert isinstance(booked, Books)
    return booked


def _prove(books: Books, first: int | None = None, last: int | None = None) -> Proof:
    start_ms = books.hours()[0].start_ms
    bounds = EVER
    if first is not None and last is not None:
        bounds = start_ms + first * HOUR_MS, start_ms + last * HOUR_MS
    return prove(books.root.parent, bounds=bounds)


def _names(proof: Proof) -> list[tuple[str, str]]:
    return [(finding.hour, finding.subject) for finding in proof.findings]


def _change(path: Path, column: str, by: float) -> None:
    frame = pl.read_parquet(path)
    one = pl.int_range(pl.len()) == 0
    more = (pl.col(column) + by).cast(frame.schema[column])
    frame.with_columns(pl.when(one).then(more).otherwise(column).alias(column)).write_parquet(path)


def _without_digests(path: Path) -> None:
    """Write a chain anew as an earlier program did, which named no sums and no parts."""
    records = list(Chain(path).records())
    path.unlink()
    Chain(path).begin(records[0].at_ms)
    entries = [replace(record.entry, hourly=None, cuts=None) for record in records if record.entry]
    Chain(path).append(entries, records[-1].at_ms)
    assert b'"hourly"' not in path.read_bytes()


def test_sums_that_the_trail_names_are_not_added_up_again(books: Books) -> None:
    proof = _prove(books)
    assert (proof.findings, len(proof.hours)) == ((), 30)
    # The newest hour has not settled, so the trail does not tell of it yet.
    assert proof.added_up == 1


def test_a_full_audit_adds_up_every_hour(books: Books) -> None:
    assert prove(books.root.parent, trusts_trail=False).added_up == 30
    assert audit(books.root.parent) == []


def test_sums_of_an_earlier_program_are_added_up_again(books: Books) -> None:
    _without_digests(chain_path(books.root, "test"))
    assert (_prove(books).findings, _prove(books).added_up) == ((), 30)


@pytest.mark.parametrize("column", ["energy_joules", "sm_active_ms", "power_max_watts", "samples"])
def test_sums_that_are_not_what_the_trail_names_are_added_up_and_found(
    books: Books, column: str
) -> None:
    path = books.day_path("device", "test", "2026-11-02")
    _change(path, column, 5000)
    proof = _prove(books)
    assert proof.added_up == 2  # that one, and the one that has not settled
    assert _names(proof) == [("2026-11-02T00Z (test)", "device gpu0")]


def test_sums_that_were_only_written_anew_are_added_up_and_hold(books: Books) -> None:
    """Sums of the same minutes in another order differ in their last digits."""
    path = books.day_path("device", "test", "2026-11-01")
    _change(path, "energy_joules", 1e-7)
    assert (_prove(books).findings, _prove(books).added_up) == ((), 2)


def test_sums_that_stand_in_the_file_of_another_day_are_found(books: Books) -> None:
    """Whoever reads both days would count them twice."""
    first, second = (books.day_path("device", "test", day) for day in ("2026-11-01", "2026-11-02"))
    copied = pl.read_parquet(first).filter(pl.col("minute").dt.hour() == 5)
    pl.concat([copied, pl.read_parquet(second)]).write_parquet(second)
    for bounds in ((24, 30), (0, 30)):
        found = [str(finding) for finding in _prove(books, *bounds).findings]
        assert (
            "2026-11-01T05Z (test)  every device: sums of it stand in the file of 2026-11-02"
            in found
        )


def _altered_entry(books: Books, hour: Hour) -> None:
    _change(books.path("device", hour), "duration_ms", 1)


def _missing_entries(books: Books, hour: Hour) -> None:
    books.path("device", hour).unlink()


def _missing_control(books: Books, hour: Hour) -> None:
    books.path("control", hour).unlink()


def _altered_control(books: Books, hour: Hour) -> None:
    _change(books.path("control", hour), "energy_joules", -50)


def _no_parquet(books: Books, hour: Hour) -> None:
    books.path("control", hour).write_bytes(b"PAR1 nothing of the kind")


HARM = [_altered_entry, _missing_entries, _missing_control, _altered_control, _no_parquet]


@pytest.mark.parametrize("harm", HARM)
def test_what_is_wrong_with_an_hour_is_found_whatever_the_trail_says(
    books: Books, harm: Callable[[Books, Hour], None]
) -> None:
    hour = books.hours()[4]
    harm(books, hour)
    found = _names(_prove(books))
    assert found and {when for when, _ in found} == {str(hour)}
    assert _names(_prove(books, 4, 5)) == found


@pytest.mark.parametrize("harm", HARM)
def test_what_is_wrong_at_another_time_is_not_the_periods(
    books: Books, harm: Callable[[Books, Hour], None]
) -> None:
    harm(books, books.hours()[4])
    for bounds in ((0, 4), (5, 9), (24, 30)):
        proof = _prove(books, *bounds)
        assert proof.findings == ()
        assert len(proof.hours) == bounds[1] - bounds[0]


def test_an_hour_that_a_period_only_touches_is_examined(books: Books) -> None:
    start_ms = books.hours()[0].start_ms
    half = HOUR_MS // 2
    bounds = (start_ms + 2 * HOUR_MS + half, start_ms + 4 * HOUR_MS + half)
    proof = prove(books.root.parent, bounds=bounds)
    assert [hour.start_ms - start_ms for hour in proof.hours] == [
        2 * HOUR_MS, 3 * HOUR_MS, 4 * HOUR_MS,
    ]  # fmt: skip


def test_hours_at_the_end_of_a_period_are_missed_though_only_later_ones_tell(books: Books) -> None:
    for hour in books.hours()[20:24]:
        for table in ("device", "node", "job", "control"):
            books.path(table, hour).unlink(missing_ok=True)
    found = [str(finding) for finding in _prove(books, 12, 24).findings]
    assert sum("the hour is not in the books" in line for line in found) == 4
    assert _prove(books, 12, 20).findings == ()


def test_a_trail_that_was_altered_anywhere_concerns_every_period(books: Books) -> None:
    path = chain_path(books.root, "test")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:20] + lines[21:]))
    assert "audit trail" in [subject for _, subject in _names(_prove(books, 0, 4))]


def test_sums_that_were_altered_before_their_hour_settled_are_not_named(
    books: Books, clock: Any
) -> None:
    """The trail names sums when the hour settles; it adds them up first."""
    newest = books.hours()[-1]
    path = books.day_path("device", "test", newest.day)
    more = pl.when(pl.col("minute") == newest.time).then(5000).otherwise(0)
    pl.read_parquet(path).with_columns(pl.col("sm_active_ms") + more).write_parquet(path)
    Trail(books, newest.start_ms + 3 * HOUR_MS, clock, {}).close()
    last = Chain(chain_path(books.root, "test")).last()
    assert last is not None and last.entry is not None
    assert (last.entry.hour_ms, last.entry.hourly) == (newest.start_ms, None)
    assert {when for when, _ in _names(_prove(books))} == {str(newest)}


def test_sums_that_hold_when_their_hour_settles_are_named(books: Books, clock: Any) -> None:
    Trail(books, books.hours()[-1].start_ms + 3 * HOUR_MS, clock, {}).close()
    assert (_prove(books).findings, _prove(books).added_up) == ((), 0)


def _seal(books: Books, hour: int) -> Path:
    """Telemetry of one hour, as the collector seals it."""
    store = books.root.parent
    start_ms = books.hours()[hour].start_ms
    path = store / "raw" / f"{hour}.parquet"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"sealed")
    segment = Segment(
        str(path.relative_to(store)), "device", "2026-11-01", 1, 6, start_ms, start_ms + 1,
        sha256(path), hour,
    )  # fmt: skip
    with (store / filenames.MANIFEST).open("a") as file:
        file.write(json.dumps(seal_line(hour, [segment], [], [])) + "\n")
    return path


@pytest.mark.parametrize("is_gone", [True, False])
def test_telemetry_under_a_period_is_held_against_its_digest(books: Books, is_gone: bool) -> None:
    _seal(books, 3)
    late = _seal(books, 9)
    assert _prove(books).findings == ()
    late.write_bytes(b"Sealed")
    if is_gone:
        late.unlink()
    found = _prove(books, 8, 12).findings
    assert [finding.hour for finding in found] == ["2026-11-01T09Z to 2026-11-01T09Z"]
    assert found[0].subject == "devices gpu0, gpu1"
    assert ("is missing" if is_gone else "was altered") in found[0].problem
    assert _prove(books, 0, 8).findings == ()


@pytest.mark.parametrize(
    ("at_once", "expected"), [(1, [(24, 30), (30, 30)]), (1 << 30, [(30, 30)])]
)
def test_days_are_examined_together_as_far_as_there_is_room(
    books: Books, monkeypatch: pytest.MonkeyPatch, at_once: int, expected: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr("wattline_collector.ledger.audit_days._AT_ONCE_BYTES", at_once)
    told: list[tuple[int, int]] = []
    proof = prove(books.root.parent, lambda done, total: told.append((done, total)))
    assert told == expected
    assert (proof.findings, proof.added_up) == ((), 1)
