from __future__ import annotations

import json
from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.ledger.chain import NOTHING, Chain, Entry, Sums, decode, digest
from wattline_collector.store.log import NotDurable

HOUR = 3_600_000
SUMS: Sums = {"device": {"busy": [3_600_000.0, 1.5]}, "tokens": {"trained": [7]}}


def _entry(hour: int, control: str = "c") -> Entry:
    return Entry(hour * HOUR, control, None, ("booked",), SUMS)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    chain = Chain(tmp_path / "ledger" / "chain" / "sim.jsonl")
    chain.begin(1000)
    return chain


def test_a_chain_gives_back_what_was_written(chain: Chain) -> None:
    chain.append([_entry(0), _entry(1)], 2000)
    chain.append([_entry(0, "other")], 3000)
    begin, *records = chain.records()
    assert (begin.entry, begin.adopted, begin.previous) == (None, 0, NOTHING)
    assert [record.entry for record in records] == [_entry(0), _entry(1), _entry(0, "other")]
    assert [record.number for record in records] == [1, 2, 3]
    assert [record.at_ms for record in records] == [2000, 2000, 3000]
    assert [record.upto_ms for record in records] == [0, HOUR, HOUR]


def test_every_line_names_the_digest_of_the_line_before(chain: Chain) -> None:
    chain.append([_entry(0), _entry(1)], 2000)
    chain.append([_entry(2)], 3000)
    lines = list(chain.lines())
    assert [json.loads(line)["prev"] for line in lines] == [
        NOTHING, *(digest(line) for line in lines[:-1]),
    ]  # fmt: skip
    last = chain.last()
    assert last is not None and last.digest == digest(lines[-1])


def test_time_does_not_run_backwards_in_a_chain(chain: Chain) -> None:
    chain.append([_entry(0)], 5000)
    (record,) = chain.append([_entry(1)], 4000)
    assert record.at_ms == 5000


@pytest.mark.parametrize("left", [1, 40, 200])
def test_a_torn_last_line_is_cut_off_and_the_next_one_says_so(chain: Chain, left: int) -> None:
    chain.append([_entry(0)], 2000)
    whole = chain.path.read_bytes()
    chain.append([_entry(1)], 3000)
    torn = chain.path.read_bytes()[: len(whole) + left]
    chain.path.write_bytes(torn)
    assert [record.number for record in chain.records()] == [0, 1]
    assert chain.unfinished() == left
    (again,) = chain.append([_entry(1)], 4000)
    assert (again.number, again.cut) == (2, left)
    assert chain.path.read_bytes().startswith(whole)
    assert chain.unfinished() == 0


def test_a_first_line_that_was_torn_leaves_a_chain_that_goes_on(chain: Chain) -> None:
    chain.path.write_bytes(chain.path.read_bytes()[:10])
    (record,) = chain.append([_entry(0)], 2000)
    assert (record.number, record.previous, record.cut) == (0, NOTHING, 10)


def test_the_last_line_is_found_behind_longer_ones(chain: Chain) -> None:
    wide = Entry(0, "c", None, ("booked",), {"device": {f"a{i}": [1.0] for i in range(20_000)}})
    chain.append([wide], 2000)
    assert chain.path.stat().st_size > 200_000
    last = chain.last()
    assert last is not None and last.entry == wide
    (record,) = chain.append([_entry(1)], 3000)
    assert record.previous == last.digest


def test_a_damaged_end_stops_nobody_from_booking(chain: Chain) -> None:
    chain.append([_entry(5)], 2000)
    with chain.path.open("ab") as file:
        file.write(b"not a record\n")
    (record,) = chain.append([_entry(1)], 3000)
    assert (record.number, record.upto_ms) == (3, 5 * HOUR)
    assert record.previous == digest(b"not a record")


@pytest.mark.parametrize(
    "line",
    [
        b"", b"null", b"[]", b"1", b"{}", b"\xff\xfe", b'{"n":1,"at_ms":2}', b"[" * 100_000,
        b'{"n":1,"at_ms":2,"hour_ms":"x","control":"c","latency":null,"why":[],"sums":{},'
        b'"upto_ms":1,"prev":""}',
        b'{"n":1,"at_ms":2,"hour_ms":1,"control":"c","latency":null,"why":[],"sums":{"device":[1]},'
        b'"upto_ms":1,"prev":""}',
        b'{"n":true,"at_ms":2,"begin":{"adopted":0},"prev":""}',
    ],
)  # fmt: skip
def test_what_is_no_record_is_none(line: bytes) -> None:
    assert decode(line) is None


def test_a_chain_that_cannot_be_written_says_so_and_is_as_it_was(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = chain.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wattline_collector.ledger.chain.os.fsync", full)
    with pytest.raises(NotDurable, match=r"sim\.jsonl: cannot be written: No space left"):
        chain.append([_entry(0)], 2000)
    assert chain.path.read_bytes() == before


def test_a_chain_that_cannot_be_read_is_named(chain: Chain) -> None:
    chain.path.unlink()
    chain.path.mkdir()
    with pytest.raises(InputError, match=r"sim\.jsonl: cannot be read"):
        chain.last()
