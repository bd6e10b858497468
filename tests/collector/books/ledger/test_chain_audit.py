"""What an audit of the trail names: altered, removed and inserted hours and records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import InputError
from wattline_collector.ledger import control
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books, sha256
from wattline_collector.ledger.chain import Chain, chain_path
from wattline_collector.ledger.chain_audit import heads, notes, read_published
from wattline_collector.ledger.schema import DEVICE
from wattline_collector.ledger.sums import hourly

HOUR = 3600


@pytest.fixture
def books(telemetry: Any, clock: Any) -> Books:
    telemetry.device()
    telemetry.samples(last_s=8 * HOUR, sm_active_ratio=0.8, counter=lambda s: 400 * s)
    telemetry.assign("j", 0, 2 * HOUR)
    booked = telemetry.book(8 * HOUR, clock)
    assert isinstance(booked, Books)
    return booked


def _found(books: Books, **more: Any) -> list[str]:
    return [str(finding) for finding in audit(books.root.parent, **more)]


def _chain(books: Books) -> Path:
    return chain_path(books.root, "test")


def _forge(books: Books, number: int) -> None:
    """What a careful forger does: the entries, their checksums, digests and sums all agree."""
    hour = books.hours()[number]
    path = books.path("device", hour)
    entries = pl.read_parquet(path).with_columns(
        pl.lit("busy").cast(DEVICE["account"]).alias("account")
    )
    entries.write_parquet(path)
    stated = books.control(hour)
    assert stated is not None
    sums = control.booked("device", entries).select("key", now="checksum")
    stated.join(sums, on="key").with_columns(
        pl.col("now").alias("checksum"), pl.lit(sha256(path)).alias("file_sha256")
    ).drop("now").write_parquet(books.path("control", hour))
    books.put_day("device", [hour], hourly("device", entries))


def test_books_and_trail_that_were_left_alone_agree(books: Books) -> None:
    assert _found(books) == []


def test_a_forged_hour_is_named_with_the_sums_that_changed(books: Books) -> None:
    _forge(books, 4)
    (found,) = _found(books)
    assert found.startswith("2026-11-01T04Z (test)  every device: altered since record 5 of ")
    assert "busy (device) +3,600.000 s" in found and "free (device) -3,600.000 s" in found


def test_forged_minutes_and_hours_under_an_honest_control_are_named_once(books: Books) -> None:
    path = books.day_path("device", "test", "2026-11-01")
    sums = pl.read_parquet(path)
    one = pl.int_range(pl.len()) == 1
    sums.with_columns(pl.col("energy_joules") + pl.when(one).then(2000).otherwise(0)).write_parquet(
        path
    )
    assert _found(books) == [
        "2026-11-01T01Z (test)  device gpu0: the hour's sum is not the sum of its minutes"
    ]


def test_an_hour_that_is_gone_is_named(books: Books) -> None:
    hour = books.hours()[3]
    for table in ("device", "node", "job", "control"):
        books.path(table, hour).unlink()
    assert any(
        line.startswith("2026-11-01T03Z (test)  every device: the hour is gone: record 4")
        for line in _found(books)
    )


def test_an_hour_that_was_put_in_is_named(books: Books) -> None:
    lines = _chain(books).read_bytes().splitlines(keepends=True)
    # As if hour 3 had never been booked, and its files were planted.
    _rechain(books, [line for number, line in enumerate(lines) if number != 4])
    assert _found(books) == [
        "2026-11-01T03Z (test)  every device: the hour was put in: no record of the trail tells "
        "of it"
    ]


def _rechain(books: Books, lines: list[bytes]) -> None:
    """Write a chain anew with the same hours, as somebody would who can write every file."""
    system = Chain(_chain(books))
    records = [record for line in lines if (record := _decoded(line)) is not None]
    system.path.unlink()
    system.begin(records[0].at_ms)
    system.append([record.entry for record in records[1:] if record.entry], records[1].at_ms)


def _decoded(line: bytes) -> Any:
    from wattline_collector.ledger.chain import decode

    return decode(line.rstrip(b"\n"))


def _change(number: int, old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    def change(lines: list[bytes]) -> list[bytes]:
        assert old in lines[number]
        lines[number] = lines[number].replace(old, new)
        return lines

    return change


@pytest.mark.parametrize(
    ("change", "hour", "problem"),
    [
        (_change(4, b"1440000.0", b"1440009.0"), "03", "record 4 of the trail was altered: rec"),
        (_change(4, b'"why":["booked"]', b'"why":["asked"]'), "03", "record 4 of the trail was"),
        (lambda lines: lines[:4] + lines[5:], "04", "record 3 of the trail is followed by rec"),
        (lambda lines: [*lines[:4], lines[2], *lines[4:]], "01", "one was put in"),
        (lambda lines: lines[1:], "00", "the beginning of the trail is gone"),
        (lambda lines: [*lines[:4], b"{}\n", *lines[5:]], "02", "line 5 of the trail is no record"),
    ],
)  # fmt: skip
def test_a_trail_that_was_altered_is_named_by_record_and_hour(
    books: Books, change: Callable[[list[bytes]], list[bytes]], hour: str, problem: str
) -> None:
    path = _chain(books)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    found = [line for line in _found(books) if "audit trail" in line]
    assert found and found[0].startswith(f"2026-11-01T{hour}Z (test)  audit trail: ")
    assert problem in found[0]


def test_the_newest_record_is_held_against_the_books_too(books: Books) -> None:
    path = _chain(books)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(_change(7, b"1440000.0", b"1440009.0")(lines)))
    assert _found(books) == [
        "2026-11-01T06Z (test)  every device: not the sums of record 7 of 2026-11-02T00:00:00Z: "
        "free (device) -9.0 J"
    ]


def test_a_trail_written_anew_is_found_by_a_digest_that_was_published(books: Books) -> None:
    (head,) = heads(books.root.parent)
    published = {"test": (head.number, head.digest)}
    assert _found(books, published=published) == []
    _forge(books, 4)
    # The forger goes on to mend the trail: nothing in the store contradicts him any more.
    lines = _chain(books).read_bytes().splitlines(keepends=True)
    digests = [sha256(books.path("control", hour)) for hour in books.hours()]
    mended = []
    for line in lines:
        said = json.loads(line)
        if said["n"] == 5:
            said |= {
                "control": digests[4],
                "sums": {"device": {"busy": [3_600_000.0, 1_440_000.0]}},
            }
        mended.append(json.dumps(said).encode() + b"\n")
    _rechain(books, mended)
    assert _found(books) == []
    (found,) = _found(books, published=published)
    assert "no record 7 with the digest that was published" in found


def test_a_trail_that_goes_on_still_has_what_was_published(
    books: Books, telemetry: Any, clock: Any
) -> None:
    (head,) = heads(books.root.parent)
    telemetry.book(9 * HOUR, clock)
    assert heads(books.root.parent)[0].number == head.number + 1
    assert _found(books, published={"test": (head.number, head.digest)}) == []


def test_a_trail_that_is_gone_is_named_where_it_is_known_to_have_been(
    books: Books, telemetry: Any
) -> None:
    telemetry.samples(first_s=HOUR + 5, last_s=HOUR + 65, counter=lambda s: 400 * s)
    telemetry.book(8 * HOUR)
    _chain(books).unlink()
    assert _found(books) == [
        "2026-11-01T00Z to 2026-11-01T07Z (test)  every device: the audit trail is gone"
    ]


def test_a_published_trail_that_is_gone_is_named(books: Books) -> None:
    shutil.rmtree(_chain(books).parent)
    assert _found(books) == []
    assert len(_found(books, published={"test": (1, "0" * 64)})) == 1


def test_a_trail_that_cannot_be_read_is_a_finding(books: Books) -> None:
    _chain(books).unlink()
    _chain(books).mkdir()
    (found,) = _found(books)
    assert "audit trail" in found and "cannot be read" in found


def test_what_a_crash_left_is_a_note_and_no_finding(
    books: Books, telemetry: Any, clock: Any
) -> None:
    path = _chain(books)
    path.write_bytes(path.read_bytes()[:-10])
    assert [line for line in notes(books.root.parent) if "a crash left unfinished" in line]
    telemetry.book(8 * HOUR, clock)
    (note,) = notes(books.root.parent)
    assert "were cut off that a crash had left unfinished" in note
    assert _found(books) == []


@pytest.mark.parametrize("text", ["", "[]", '{"heads": 3}', '{"heads": [{"system": 1}]}', "\0"])
def test_a_file_that_holds_no_heads_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "heads.json"
    path.write_text(text)
    with pytest.raises(InputError, match="wattline audit --head"):
        read_published(path)
