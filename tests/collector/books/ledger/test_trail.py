"""How hours enter the audit trail while they are booked."""

from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.ledger import booking, superseded
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books, Hour, Staged, sha256
from wattline_collector.ledger.chain import RULES, Chain, Record, chain_path
from wattline_collector.ledger.chain_audit import notes
from wattline_collector.ledger.restatements import restatements

HOUR = 3600


def _records(books: Books, system: str = "test") -> list[Record]:
    return [one for one in Chain(chain_path(books.root, system)).records() if one.entry]


def _hours(books: Books, start_ms: int) -> list[int]:
    return [
        (record.entry.hour_ms - start_ms) // 1000 // HOUR for record in _records(books)
        if record.entry
    ]  # fmt: skip


@pytest.fixture
def books(telemetry: Any, clock: Any) -> Books:
    """Four hours of a device, of which the last one has not settled."""
    telemetry.device()
    telemetry.samples(last_s=4 * HOUR, sm_active_ratio=0.8, counter=lambda s: 400 * s)
    telemetry.assign("j", 0, 2 * HOUR)
    booked = telemetry.book(4 * HOUR, clock)
    assert isinstance(booked, Books)
    return booked


def test_hours_enter_the_chain_an_hour_after_their_end(
    books: Books, telemetry: Any, clock: Any, start_ms: int
) -> None:
    assert _hours(books, start_ms) == [0, 1, 2]
    telemetry.take_dirty = set
    telemetry.book(4.9 * HOUR, clock)
    assert _hours(books, start_ms) == [0, 1, 2]
    telemetry.book(5 * HOUR, clock)
    assert _hours(books, start_ms) == [0, 1, 2, 3]


def test_a_record_has_the_digest_and_the_sums_of_its_hour(books: Books, clock: Any) -> None:
    for hour, record in zip(books.hours(), _records(books), strict=False):
        assert record.at_ms == clock.now_ms
        assert record.entry is not None
        assert record.entry.control == sha256(books.path("control", hour))
        account = "busy" if hour.time.hour < 2 else "free"
        assert record.entry.sums == {"device": {account: [3_600_000.0, 1_440_000.0]}}
        assert record.entry.why == ("booked",)


def test_booking_the_same_again_adds_no_record(books: Books, telemetry: Any) -> None:
    before = _records(books)
    telemetry.book(4 * HOUR)
    assert _records(books) == before
    assert not (books.root / "superseded" / "hours").exists()


def test_late_data_adds_a_record_of_the_hours_it_changed(
    books: Books, telemetry: Any, clock: Any, start_ms: int
) -> None:
    held = sha256(books.path("control", books.hours()[1]))
    telemetry.samples(
        "gpu0", first_s=HOUR + 5, last_s=HOUR + 65, sm_active_ratio=0.2, counter=lambda s: 400 * s
    )
    clock.now_ms += 1000
    telemetry.book(4 * HOUR, clock)
    assert _hours(books, start_ms) == [0, 1, 2, 1]
    *_, newest = _records(books)
    assert newest.entry is not None
    assert newest.entry.why == ("late-data",)
    # What was there before is kept, as its record says it.
    kept = superseded.version_path(books.root, books.hours()[1], 2)
    assert sha256(kept / "control.parquet") == held
    assert superseded.versions(books.root, books.hours()[1]) == [2]
    assert audit(books.root.parent) == []


def test_a_booking_that_is_cut_short_is_completed_by_the_next(
    books: Books, telemetry: Any, clock: Any, start_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.samples(first_s=HOUR + 5, last_s=HOUR + 65, counter=lambda s: 400 * s)

    def crash(_: Staged) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Staged, "commit", crash)
        with pytest.raises(KeyboardInterrupt):
            telemetry.book(4 * HOUR, clock)
    # The record is there and the hour is not: the audit does not pass over it.
    assert _hours(books, start_ms) == [0, 1, 2, 1]
    (found,) = audit(books.root.parent)
    assert found.hour == "2026-11-01T01Z (test)" and "a booking was cut short" in found.problem
    telemetry.book(4 * HOUR, clock)
    assert _hours(books, start_ms) == [0, 1, 2, 1]
    assert superseded.versions(books.root, books.hours()[1]) == [2]
    assert audit(books.root.parent) == []


def test_an_hour_does_not_take_its_place_before_the_chain_has_it(
    books: Books, telemetry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.samples(first_s=HOUR + 5, last_s=HOUR + 65, counter=lambda s: 400 * s)
    held = [sha256(books.path("control", hour)) for hour in books.hours()]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wattline_collector.ledger.chain.Chain._write", full)
    with pytest.raises(OSError, match="No space"):
        telemetry.book(4 * HOUR)
    assert [sha256(books.path("control", hour)) for hour in books.hours()] == held


def test_books_of_before_are_adopted_and_it_is_said(
    books: Books, telemetry: Any, clock: Any, start_ms: int
) -> None:
    chain_path(books.root, "test").unlink()
    chain_path(books.root, "test").parent.rmdir()
    assert audit(books.root.parent) == []
    assert notes(books.root.parent) == [
        "the books have no audit trail yet; the next booking begins one"
    ]
    telemetry.take_dirty = set
    telemetry.book(4 * HOUR, clock)
    assert _hours(books, start_ms) == [0, 1, 2]
    for record in _records(books):
        assert record.entry is not None and record.entry.why == ("adopted",)
        assert record.entry.sums["device"].keys() <= {"busy", "free"}
    (note,) = notes(books.root.parent)
    assert "began on 2026-11-02T00:00:00Z with 3 hours that were in the books already" in note
    assert audit(books.root.parent) == []


def test_a_new_system_is_not_called_adopted(books: Books) -> None:
    assert notes(books.root.parent) == []


def test_an_hour_whose_files_were_gone_is_made_again_and_says_so(
    books: Books, telemetry: Any, start_ms: int
) -> None:
    hour = books.hours()[1]
    for table in ("device", "node", "job", "control"):
        books.path(table, hour).unlink()
    # Meanwhile the device turned out to have sent more.
    telemetry.samples(first_s=HOUR + 5, last_s=HOUR + 65, counter=lambda s: 400 * s)
    telemetry.take_dirty = set
    telemetry.book(4 * HOUR)
    *_, newest = _records(books)
    assert newest.entry is not None
    assert (newest.entry.hour_ms, newest.entry.why) == (hour.start_ms, ("files-missing",))


def test_what_another_rule_booked_says_that_the_rules_changed(
    books: Books, telemetry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_collector.ledger.trail.RULES", RULES + 1)
    telemetry.samples(first_s=HOUR + 5, last_s=HOUR + 65, counter=lambda s: 400 * s)
    telemetry.book(4 * HOUR)
    *_, newest = _records(books)
    assert newest.entry is not None
    assert newest.entry.why == ("late-data", "rules-changed")


def test_an_hour_altered_by_hand_is_not_kept_as_if_it_had_been_booked(
    books: Books, telemetry: Any
) -> None:
    path = books.path("control", books.hours()[1])
    path.write_bytes(path.read_bytes() + b" ")
    telemetry.book(4 * HOUR)
    assert superseded.versions(books.root, books.hours()[1]) == []
    assert audit(books.root.parent) == []


def test_of_many_versions_the_shortest_held_is_given_up(
    books: Books, telemetry: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(superseded, "MOST_VERSIONS", 3)
    for number, seconds in enumerate((100, 5, 100, 100)):
        clock.sleep(seconds)
        telemetry.samples(
            first_s=HOUR + 1 + number, last_s=HOUR + 61 + number, counter=lambda s: 400 * s
        )
        telemetry.book(4 * HOUR, clock)
    numbers = [one.number for one in _records(books) if one.entry and one.number > 3]
    assert len(numbers) == 4
    # Record 2 held for 100 s, the first restatement for 5 s.
    assert superseded.versions(books.root, books.hours()[1]) == [2, *numbers[1:3]]


def test_a_silence_that_ended_is_booked_though_the_booking_was_cut_short(
    telemetry: Any, clock: Any, joules: Any, start_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR / 2, counter=lambda s: 400 * s)
    telemetry.book(4 * HOUR, clock)
    telemetry.samples(first_s=5 * HOUR + 10, last_s=6 * HOUR, counter=lambda s: 400 * s)
    telemetry.take_dirty = lambda: {("test", start_ms + 5 * HOUR * 1000)}
    first_round, rounds = booking._book_round, iter([None, KeyboardInterrupt])

    def killed_after_the_first(*args: Any) -> set[Hour]:
        if (stop := next(rounds)) is not None:
            raise stop
        return first_round(*args)

    with monkeypatch.context() as patch:
        patch.setattr(booking, "_book_round", killed_after_the_first)
        with pytest.raises(KeyboardInterrupt):
            telemetry.book(6 * HOUR, clock)
    telemetry.take_dirty = set
    booked = joules(telemetry.book(6 * HOUR, clock))
    assert sum(value or 0 for value in booked.values()) == pytest.approx(400 * 6 * HOUR)
    assert audit(telemetry.path) == []


def test_no_draft_is_left_behind(books: Books) -> None:
    assert [path for path in books.root.rglob(".*") if path.is_file()] == []


def test_what_one_booking_comes_to_twice_is_no_restatement(telemetry: Any, clock: Any) -> None:
    telemetry.device()
    day = 24 * HOUR
    telemetry.samples(first_s=20 * HOUR, last_s=day - 4000, counter=lambda s: 400 * s)
    telemetry.samples(first_s=day + 4000, last_s=day + 2 * HOUR, counter=lambda s: 400 * s)
    books = telemetry.book(day + 4 * HOUR, clock)
    hours = [one.entry.hour_ms for one in _records(books) if one.entry]
    assert len(hours) > len(set(hours))
    assert list(restatements(telemetry.path)) == []
    assert not (books.root / "superseded" / "hours").exists()
    assert audit(telemetry.path) == []


def test_an_hour_is_the_same_to_the_last_bit_whichever_hours_it_is_booked_with(
    telemetry: Any,
) -> None:
    telemetry.device()
    day = 24 * HOUR
    speaks = ((-7197, -3477), (-3117, -2397), (1623, 3603))
    for first, last in speaks:
        telemetry.samples(
            first_s=day + first, last_s=day + last, every_s=60, counter=lambda s: 400 * s
        )
    books = telemetry.book(day + 3 * HOUR)
    files = {path: sha256(path) for path in books.root.rglob("*.parquet")}
    telemetry.book(day + 3 * HOUR)
    assert {path: sha256(path) for path in books.root.rglob("*.parquet")} == files
