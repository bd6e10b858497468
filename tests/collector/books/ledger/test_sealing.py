"""Days that were proved: when they are, what they spare, and that no byte of them may change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.ledger import audit_days, trail
from wattline_collector.ledger.audit import Proof, audit, prove
from wattline_collector.ledger.audit_sums import kept_sums
from wattline_collector.ledger.books import Books, Hour, hours_of
from wattline_collector.ledger.chain import PROOF, Chain, DaySeal, Entry, Record, chain_path
from wattline_collector.ledger.chain_audit import follow, notes
from wattline_collector.ledger.day_seal import day_files
from wattline_collector.ledger.restatements import restatements

HOUR = 3600
START_MS = 1_793_491_200_000
DAY = "2026-11-01"
NEXT = "2026-11-02"


@pytest.fixture
def working(telemetry: Any) -> Any:
    """Fifty hours of a device, a job of which failed in an hour of the first day."""
    telemetry.device()
    telemetry.add("node_info", [{"time_unix_ms": START_MS}], period_ms=0)
    telemetry.samples(last_s=50 * HOUR, every_s=60, sm_active_ratio=0.8, counter=lambda s: 400 * s)
    telemetry.assign("j", 0, 2 * HOUR)
    telemetry.counts(
        "j",
        {
            float(s): {"step": s // 30, "steps_total": s // 30, "step_resumed": 0,
                       "step_saved": 181 if s >= 5430 else None}
            for s in range(0, 2 * HOUR + 1, 30)
        },
    )  # fmt: skip
    telemetry.info("j", 0, 2 * HOUR, state="failed")
    return telemetry


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where those books are kept, so that they are made once."""
    return tmp_path_factory.mktemp("booked") / "ledger"


@pytest.fixture
def books(working: Any, clock: Any, once: Path) -> Books:
    if not once.exists():
        shutil.copytree(working.book(50 * HOUR, clock).root, once)
    else:
        shutil.copytree(once, working.path / "ledger")
    return Books(working.path)


def _chain(books: Books) -> Chain:
    return Chain(chain_path(books.root, "test"))


def _seals(books: Books) -> list[DaySeal]:
    return [record.seal for record in _chain(books).records() if record.seal is not None]


def _followed(books: Books) -> dict[str, DaySeal | None]:
    return dict(follow(_chain(books), books.hours()).seals)


def _without_seals(books: Books) -> None:
    """Write the chain as an earlier program did, which proved no days."""
    first, *records = _chain(books).records()
    _chain(books).path.unlink()
    _chain(books).begin(first.at_ms)
    entries = [record.entry for record in records if record.entry is not None]
    _chain(books).append(entries, records[-1].at_ms)
    assert _seals(books) == []


@pytest.fixture
def taken_apart(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The days that a proof took apart."""
    days: list[str] = []

    def watched(books: Books, system: str, day: str) -> Any:
        days.append(day)
        return kept_sums(books, system, day)

    monkeypatch.setattr(audit_days, "kept_sums", watched)
    return days


def _prove(books: Books) -> Proof:
    return prove(books.root.parent)


def test_a_day_is_sealed_when_its_last_hour_has_settled(working: Any, clock: Any) -> None:
    assert _seals(working.book(24.5 * HOUR, clock)) == []
    working.take_dirty = set
    (seal,) = _seals(working.book(25 * HOUR, clock))
    assert (seal.day, seal.proof) == (DAY, PROOF)
    assert seal.files is not None and seal.cuts is not None
    assert audit(working.path) == []


def test_a_sealed_day_is_not_taken_apart(books: Books, taken_apart: list[str]) -> None:
    assert [seal.day for seal in _seals(books)] == [DAY, NEXT]
    taken_apart.clear()
    proof = _prove(books)
    assert (proof.findings, len(proof.hours), proof.added_up) == ((), 50, 1)
    assert taken_apart == ["2026-11-03"]


def test_a_full_audit_believes_no_seal(books: Books, taken_apart: list[str]) -> None:
    taken_apart.clear()
    assert audit(books.root.parent) == []
    assert taken_apart == [DAY, NEXT, "2026-11-03"]


def test_booking_the_same_again_seals_nothing_anew(books: Books, working: Any) -> None:
    before = _chain(books).path.read_bytes()
    working.book(50 * HOUR)
    assert _chain(books).path.read_bytes() == before


def test_a_day_of_which_an_hour_was_booked_again_is_sealed_anew(
    books: Books, working: Any, clock: Any, taken_apart: list[str]
) -> None:
    working.samples(
        first_s=5 * HOUR + 5, last_s=5 * HOUR + 65, sm_active_ratio=0.2, counter=lambda s: 400 * s
    )
    clock.sleep(1)
    working.book(50 * HOUR, clock)
    first, _, again = _seals(books)
    assert (first.day, again.day) == (DAY, DAY) and first.files != again.files
    taken_apart.clear()
    assert (_prove(books).findings, taken_apart) == ((), ["2026-11-03"])
    assert {one.hour.time.hour for one in restatements(books.root.parent)} == {5}


def test_a_booking_that_was_cut_short_leaves_a_day_unsealed_until_the_next(
    books: Books, working: Any, clock: Any, monkeypatch: pytest.MonkeyPatch, taken_apart: list[str]
) -> None:
    working.samples(first_s=5 * HOUR + 5, last_s=5 * HOUR + 65, counter=lambda s: 400 * s)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trail, "sealed", crash)
        with pytest.raises(KeyboardInterrupt):
            working.book(50 * HOUR, clock)
    taken_apart.clear()
    assert (_prove(books).findings, DAY in taken_apart) == ((), True)
    working.book(50 * HOUR, clock)
    taken_apart.clear()
    assert (_prove(books).findings, taken_apart) == ((), ["2026-11-03"])


def test_days_of_an_earlier_program_are_proved_a_few_with_each_booking(
    books: Books, working: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_seals(books)
    assert _prove(books).findings == ()
    monkeypatch.setattr(trail, "MOST_CAUGHT_UP", 1)
    working.take_dirty = set
    for expected in ([NEXT], [NEXT, DAY], [NEXT, DAY]):
        working.book(50 * HOUR, clock)
        assert [seal.day for seal in _seals(books)] == expected
    assert _prove(books).findings == ()


def test_a_day_that_does_not_hold_is_not_sealed_and_not_tried_again(
    books: Books, working: Any, clock: Any, taken_apart: list[str]
) -> None:
    _without_seals(books)
    _alter(books.path("device", books.hours()[5]), "energy_joules")
    working.take_dirty = set
    working.book(50 * HOUR, clock)
    assert [seal for seal in _seals(books) if seal.files is None] == [DaySeal(DAY, None, None)]
    taken_apart.clear()
    working.book(50 * HOUR, clock)
    assert taken_apart == [] and len(_seals(books)) == 2
    assert {finding.hour for finding in _prove(books).findings} == {str(books.hours()[5])}


def test_what_was_proved_by_other_rules_is_proved_again(
    books: Books, working: Any, clock: Any, monkeypatch: pytest.MonkeyPatch, taken_apart: list[str]
) -> None:
    # Seals of the program before, which proved less.
    lines = [json.loads(line) for line in _chain(books).lines()]
    _without_seals(books)
    older = [
        DaySeal(line["day"], line["files"], line["cuts"], PROOF - 1)
        for line in lines
        if "day" in line
    ]
    _chain(books).append(older, clock.unix_ms())
    taken_apart.clear()
    assert _prove(books).findings == ()
    assert taken_apart == [DAY, NEXT, "2026-11-03"]
    working.take_dirty = set
    working.book(50 * HOUR, clock)
    taken_apart.clear()
    assert (_prove(books).findings, taken_apart) == ((), ["2026-11-03"])


# Tampering


def _alter(path: Path, column: str, by: float = 5000) -> None:
    frame = pl.read_parquet(path)
    one = pl.int_range(pl.len()) == 0
    more = (pl.col(column) + by).cast(frame.schema[column])
    frame.with_columns(pl.when(one).then(more).otherwise(column).alias(column)).write_parquet(path)


def _entry(books: Books, hour: Hour) -> None:
    _alter(books.path("device", hour), "energy_joules")


def _entry_of_a_node(books: Books, hour: Hour) -> None:
    path = books.path("node", hour)
    path.write_bytes(path.read_bytes()[:-1] + b"0")


def _control(books: Books, hour: Hour) -> None:
    _alter(books.path("control", hour), "metered_joules", 0.5)


def _gone(books: Books, hour: Hour) -> None:
    for table in ("device", "node", "job", "control"):
        books.path(table, hour).unlink(missing_ok=True)


def _no_entries(books: Books, hour: Hour) -> None:
    books.path("device", hour).unlink()


def _copied(books: Books, hour: Hour) -> None:
    earlier = Hour("test", hour.start_ms - HOUR * 1000)
    for table in ("device", "control"):
        shutil.copy(books.path(table, earlier), books.path(table, hour))


def _latency(books: Books, hour: Hour) -> None:
    path = books.path("latency", hour)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"put in")


def _sums(books: Books, hour: Hour) -> None:
    _alter(books.day_path("device", "test", hour.day), "sm_active_ms")


def _sums_of_nodes(books: Books, hour: Hour) -> None:
    books.day_path("node", "test", hour.day).unlink()


def _stray(books: Books, hour: Hour) -> None:
    path = books.day_path("device", "test", hour.day)
    other = books.day_path("device", "test", NEXT)
    pl.concat([pl.read_parquet(path), pl.read_parquet(other).head(1)]).write_parquet(path)


def _cut(books: Books, hour: Hour) -> None:
    path = books.cuts_path("device", "test", hour.day)
    first = pl.int_range(pl.len()) == 0
    moved = pl.when(first).then(-60_000.0).otherwise(60_000.0)
    pl.read_parquet(path).with_columns(pl.col("energy_joules") + moved).write_parquet(path)


HARM = [
    _entry, _entry_of_a_node, _control, _gone, _no_entries, _copied, _latency, _sums,
    _sums_of_nodes, _stray, _cut,
]  # fmt: skip
"""Each a way to change what the books say, or have, of an hour of a sealed day."""

Harm = Callable[[Books, Hour], None]


@pytest.mark.parametrize("harm", HARM)
def test_what_is_altered_in_a_sealed_day_is_found_as_it_is_in_another(
    books: Books, harm: Harm
) -> None:
    harm(books, books.hours()[5])
    found = sorted(map(str, _prove(books).findings))
    _without_seals(books)
    assert found == sorted(map(str, _prove(books).findings)) != []


@pytest.mark.parametrize("harm", HARM)
def test_a_line_that_says_a_day_holds_is_not_enough_to_hide_what_was_altered(
    books: Books, clock: Any, harm: Harm
) -> None:
    """Whoever may write files may append a line; that of a day was written before."""
    harm(books, books.hours()[5])
    _append_seal(books, clock)
    found = [str(finding) for finding in _prove(books).findings]
    _without_seals(books)
    assert sorted(found) == sorted(map(str, _prove(books).findings)) != []


@pytest.mark.parametrize("harm", [_control, _gone, _copied, _latency])
def test_a_day_that_was_never_sealed_cannot_be_by_hand_against_the_lines_of_its_hours(
    books: Books, clock: Any, harm: Harm
) -> None:
    _without_seals(books)
    harm(books, books.hours()[5])
    _append_seal(books, clock)
    assert _followed(books)[DAY] is not None
    assert _prove(books).findings != ()


@pytest.mark.parametrize("harm", HARM)
def test_a_full_audit_finds_whatever_lines_of_days_say(
    books: Books, clock: Any, harm: Harm
) -> None:
    _without_seals(books)
    harm(books, books.hours()[5])
    _append_seal(books, clock)
    assert audit(books.root.parent) != []


def _append_seal(books: Books, clock: Any) -> None:
    there = day_files(books, "test", DAY)
    _chain(books).append([DaySeal(DAY, there.files, there.cuts)], clock.unix_ms())


@pytest.mark.parametrize("name", ["files", "cuts", "day", "proof"])
def test_a_line_of_a_day_that_was_altered_breaks_the_trail(books: Books, name: str) -> None:
    path = _chain(books).path
    lines = path.read_bytes().splitlines(keepends=True)
    (place, *_) = (n for n, line in enumerate(lines) if b'"day":' in line)
    said = json.loads(lines[place])
    said[name] = {"proof": 2, "day": "2026-11-03"}.get(name, "0" * 64)
    lines[place] = json.dumps(said, separators=(",", ":")).encode() + b"\n"
    # Another line follows, as it does after a day.
    _chain(books).path.write_bytes(b"".join(lines))
    _chain(books).append([_next_hour(books)], 0)
    problems = [str(finding) for finding in _prove(books).findings]
    assert any(f"record {place} of the trail was altered" in line for line in problems)


def test_a_line_of_a_day_that_was_taken_out_breaks_the_trail(books: Books) -> None:
    path = _chain(books).path
    lines = path.read_bytes().splitlines(keepends=True)
    (place, *_) = (n for n, line in enumerate(lines) if b'"day":' in line)
    _chain(books).append([_next_hour(books)], 0)
    path.write_bytes(
        b"".join(lines[:place] + path.read_bytes().splitlines(keepends=True)[place + 1 :])
    )
    problems = [str(finding) for finding in _prove(books).findings]
    assert any("records were taken out" in line for line in problems)


def _next_hour(books: Books) -> Entry:
    """A line of an hour that is in the books, as it is."""
    newest: list[Record] = [one for one in _chain(books).records() if one.entry is not None]
    entry = newest[-1].entry
    assert entry is not None
    return replace(entry, why=("booked-again",))


def test_a_chain_that_begins_with_a_day_has_lost_its_beginning(books: Books) -> None:
    path = _chain(books).path
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"day":' in line))
    problems = [str(finding) for finding in _prove(books).findings]
    assert any("the beginning of the trail is gone" in line for line in problems)


def test_a_file_that_cannot_be_read_is_named(books: Books) -> None:
    path = books.path("device", books.hours()[5])
    path.unlink()
    path.mkdir()
    assert {finding.hour for finding in _prove(books).findings} == {str(books.hours()[5])}


def test_parts_that_became_known_later_leave_the_rest_of_a_day_sealed(
    books: Books, clock: Any, taken_apart: list[str]
) -> None:
    _without_seals(books)
    known = books.root / "cuts"
    known.rename(books.root / "later")
    trail.Trail(books, START_MS + 50 * HOUR * 1000, clock, {}).close()
    (books.root / "later").rename(known)
    assert books.cuts_path("device", "test", DAY).exists() and _followed(books)[DAY] is not None
    taken_apart.clear()
    assert (_prove(books).findings, taken_apart) == ((), ["2026-11-03"])
    _cut(books, books.hours()[1])
    assert {finding.subject for finding in _prove(books).findings} == {"job j"}


def test_lines_of_days_are_no_news_to_whoever_reads_the_trail(books: Books, clock: Any) -> None:
    assert notes(books.root.parent) == []
    assert list(restatements(books.root.parent)) == []
    last = _chain(books).last()
    assert last is not None and last.upto_ms == books.hours()[-2].start_ms
    now = datetime.fromtimestamp(clock.unix_ms() / 1000, UTC)
    assert books.as_of(now).hours() == books.hours()[:-1]


def test_a_day_has_the_hours_of_utc(start_ms: int) -> None:
    hours = list(hours_of("test", DAY))
    assert (hours[0].start_ms, len(hours), hours[-1].day) == (start_ms, 24, DAY)
