from collections.abc import Callable
from dataclasses import replace

import pytest

from wattline_agents.errors import WireError
from wattline_agents.sinks.batch import Batch

MakeBatch = Callable[..., Batch]


def test_a_batch_comes_back_from_its_file_as_it_was(make_batch: MakeBatch) -> None:
    batch = make_batch(7, rows=3)
    assert Batch.from_file(batch.to_file()) == batch


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda content: b"",
        lambda content: content.replace(b'"device"', b'"devices"'),
        lambda content: content.replace(b'"boot"', b'"boots"'),
        lambda content: b"[]\n" + content,
        lambda content: 100_000 * b"[" + b"\n" + content,
        lambda content: content.replace(b'"body_bytes": ', b'"body_bytes": 1e999, "more": ', 1),
    ],
)
def test_a_spoiled_file_is_no_batch(make_batch: MakeBatch, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(WireError):
        Batch.from_file(spoil(make_batch(7).to_file()))


def test_a_batch_splits_into_two_with_all_its_rows(make_batch: MakeBatch) -> None:
    batch = make_batch(1, rows=5)
    headers = (replace(batch.header, sequence=8), replace(batch.header, sequence=9))
    halves = batch.split(headers)
    assert halves is not None
    assert [half.header.sequence for half in halves] == [8, 9]
    assert halves[0].split(headers) is not None
    assert len(halves[0].body) < len(batch.body)


def test_a_single_row_cannot_be_split(make_batch: MakeBatch) -> None:
    batch = make_batch(1)
    assert batch.split((batch.header, batch.header)) is None
