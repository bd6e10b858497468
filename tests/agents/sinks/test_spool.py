import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_agents.sinks.batch import Batch
from wattline_agents.sinks.spool import DirectorySpool, MemorySpool, Spool

MakeBatch = Callable[..., Batch]
MakeSpool = Callable[[int], Spool]


@pytest.fixture(params=["memory", "directory"])
def make_spool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeSpool]:
    made: list[Spool] = []

    def make(most_bytes: int) -> Spool:
        if request.param == "memory":
            made.append(MemorySpool(most_bytes))
        else:
            made.append(DirectorySpool(tmp_path / "spool", most_bytes))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


def drain(spool: Spool) -> list[int]:
    found = []
    while (batch := spool.first()) is not None:
        found.append(batch.header.sequence)
        spool.remove_first()
    return found


def test_batches_leave_in_the_order_they_came(make_spool: MakeSpool, make_batch: MakeBatch) -> None:
    spool = make_spool(1_000_000)
    for sequence in range(1, 13):
        spool.append(make_batch(sequence))
    assert len(spool) == 12
    assert spool.size_bytes > 0
    assert drain(spool) == list(range(1, 13))
    assert (len(spool), spool.size_bytes, spool.dropped) == (0, 0, 0)


def test_the_first_stays_until_it_is_removed(make_spool: MakeSpool, make_batch: MakeBatch) -> None:
    spool = make_spool(1_000_000)
    spool.append(make_batch(1))
    assert spool.first() == spool.first() == make_batch(1)


def test_a_full_spool_drops_the_oldest_and_counts_it(
    make_spool: MakeSpool, make_batch: MakeBatch
) -> None:
    room = 3 * make_batch(1).size + 10
    spool = make_spool(room)
    for sequence in range(1, 8):
        spool.append(make_batch(sequence))
        assert spool.size_bytes <= room
    assert drain(spool) == [5, 6, 7]
    assert spool.dropped == 4


def test_a_batch_larger_than_the_spool_is_dropped_and_counted(
    make_spool: MakeSpool, make_batch: MakeBatch
) -> None:
    spool = make_spool(10)
    spool.append(make_batch(1))
    assert (len(spool), spool.dropped) == (0, 1)


def test_two_halves_take_the_place_of_the_first(
    make_spool: MakeSpool, make_batch: MakeBatch
) -> None:
    spool = make_spool(1_000_000)
    for sequence in (1, 2, 3):
        spool.append(make_batch(sequence))
    spool.replace_first((make_batch(11), make_batch(12)))
    spool.replace_first((make_batch(21), make_batch(22)))
    assert drain(spool) == [21, 22, 12, 2, 3]


def test_a_refused_batch_is_counted_and_not_sent_again(
    make_spool: MakeSpool, make_batch: MakeBatch
) -> None:
    spool = make_spool(1_000_000)
    spool.append(make_batch(1))
    spool.append(make_batch(2))
    spool.refuse_first("no such column")
    assert spool.refused == 1
    assert drain(spool) == [2]


def test_what_memory_held_at_the_end_counts_as_dropped(make_batch: MakeBatch) -> None:
    spool = MemorySpool(1_000_000)
    spool.append(make_batch(1))
    spool.close()
    assert spool.dropped == 1


def test_batches_survive_a_restart_in_order_with_boot_and_sequence(
    tmp_path: Path, make_batch: MakeBatch
) -> None:
    first = DirectorySpool(tmp_path, 1_000_000)
    for sequence in range(1, 13):
        first.append(make_batch(sequence))
    first.remove_first()
    first.replace_first((make_batch(101), make_batch(102)))
    size = first.size_bytes
    first.close()

    second = DirectorySpool(tmp_path, 1_000_000)
    assert second.size_bytes == size
    second.append(make_batch(1, boot="boot2"))
    assert second.first() == make_batch(101)
    assert drain(second) == [101, 102, *range(3, 13), 1]
    second.close()


def test_a_file_half_written_when_the_agent_died_is_removed(
    tmp_path: Path, make_batch: MakeBatch
) -> None:
    first = DirectorySpool(tmp_path, 1_000_000)
    first.append(make_batch(1))
    first.close()
    (tmp_path / "0000000000000002.tmp").write_bytes(b"half")
    second = DirectorySpool(tmp_path, 1_000_000)
    assert drain(second) == [1]
    assert list(tmp_path.glob("*.tmp")) == []
    second.close()


def test_a_spoiled_file_is_set_aside_with_its_reason_and_the_rest_goes_on(
    tmp_path: Path, make_batch: MakeBatch
) -> None:
    spool = DirectorySpool(tmp_path, 1_000_000)
    for sequence in (1, 2, 3):
        spool.append(make_batch(sequence))
    (tmp_path / "0000000000000001.batch").write_bytes(b"")
    (tmp_path / "0000000000000002.batch").unlink()
    assert drain(spool) == [3]
    assert (spool.refused, spool.dropped, len(spool), spool.size_bytes) == (1, 1, 0, 0)
    reason = json.loads((tmp_path / "refused/0000000000000001.reason").read_text())
    assert "not a spooled batch" in reason["reason"]
    spool.close()


def test_only_the_newest_refused_batches_are_kept_and_all_are_counted(
    tmp_path: Path, make_batch: MakeBatch
) -> None:
    spool = DirectorySpool(tmp_path, 10_000_000)
    for sequence in range(1, 81):
        spool.append(make_batch(sequence))
        spool.refuse_first("wrong")
    kept = sorted(path.name for path in (tmp_path / "refused").glob("*.batch"))
    assert spool.refused == 80
    assert len(kept) == len(list((tmp_path / "refused").glob("*.reason"))) == 64
    assert kept[-1] == "0000000000000080.batch"
    spool.close()


def test_a_directory_serves_one_agent_at_a_time(tmp_path: Path) -> None:
    first = DirectorySpool(tmp_path, 1000)
    with pytest.raises(UsageError, match=r"in use by process \d+; end it, or choose another"):
        DirectorySpool(tmp_path, 1000)
    first.close()
    DirectorySpool(tmp_path, 1000).close()


def test_a_place_that_is_no_directory_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match=f"spool {file}"):
        DirectorySpool(file, 1000)


def test_a_disk_that_takes_nothing_drops_and_counts(tmp_path: Path, make_batch: MakeBatch) -> None:
    path = tmp_path / "spool"
    spool = DirectorySpool(path, 1_000_000)
    spool.append(make_batch(1))
    (path / "0000000000000002.tmp").mkdir()  # writing the next file fails, as on a full disk
    spool.append(make_batch(2))
    spool.append(make_batch(3))
    assert spool.dropped == 1
    assert drain(spool) == [1, 3]
    spool.close()


def test_counts_go_on_after_a_restart(tmp_path: Path, make_batch: MakeBatch) -> None:
    first = DirectorySpool(tmp_path, 2 * make_batch(1).size)
    for sequence in range(1, 6):
        first.append(make_batch(sequence))
    first.refuse_first("wrong")
    counted = (first.dropped, first.refused)
    first.close()
    second = DirectorySpool(tmp_path, 1_000_000)
    assert (second.dropped, second.refused) == counted
    assert counted[0] >= 3
    assert counted[1] == 1
    second.close()


def test_an_agent_that_was_killed_counts_as_one_batch_dropped(
    tmp_path: Path, make_batch: MakeBatch
) -> None:
    killed = DirectorySpool(tmp_path / "spool", 1_000_000)
    killed.append(make_batch(1))
    shutil.copytree(tmp_path / "spool", tmp_path / "found")  # as a kill leaves it
    killed.close()
    found = DirectorySpool(tmp_path / "found", 1_000_000)
    assert (found.dropped, len(found)) == (1, 1)
    found.close()
    again = DirectorySpool(tmp_path / "found", 1_000_000)
    assert again.dropped == 1, "once, and not at every start"
    again.close()


def test_counts_that_cannot_be_read_begin_at_nought(tmp_path: Path) -> None:
    (tmp_path / "counts").write_text("many dropped\n")
    spool = DirectorySpool(tmp_path, 1_000_000)
    assert (spool.dropped, spool.refused) == (0, 0)
    spool.close()


def test_a_full_disk_is_said_when_it_begins_and_ends_and_every_batch_is_counted(
    tmp_path: Path, make_batch: MakeBatch, clock: Any, said: list[str],
    small_files: Callable[[int], None],
) -> None:  # fmt: skip
    spool = DirectorySpool(tmp_path / "spool", 1_000_000, said.append, clock)
    small_files(100)
    for sequence in range(14):
        spool.append(make_batch(sequence))
        clock.sleep(5)
    begins = f"spool {tmp_path / 'spool'}: File too large; what does not fit is dropped and counted"
    assert said == [begins]
    small_files(1_000_000)
    clock.sleep(60)
    spool.append(make_batch(20))
    spool.append(make_batch(21))
    assert said[1:] == [
        f"spool {tmp_path / 'spool'}: can be written again; 14 batches were dropped since the start"
    ]
    assert (spool.dropped, drain(spool)) == (14, [20, 21])
    spool.close()
