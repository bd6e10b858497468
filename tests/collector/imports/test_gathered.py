from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from wattline_agents.catalogue import Table
from wattline_agents.errors import InputError
from wattline_collector.imports import gathered
from wattline_collector.imports.gathered import Gathering, as_the_store_does

HOUR = 3_600_000
START = 1_700_000_000_000
RowOf = Callable[..., dict[str, Any]]


@pytest.fixture
def gathering() -> Iterator[Gathering]:
    gathering = Gathering(as_the_store_does(START + 10 * HOUR))
    yield gathering
    gathering.close()


def rows(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pa.ipc.open_stream(body).read_all().to_pylist()
    return found


def test_rows_wait_until_all_is_known_and_come_with_their_period(
    gathering: Gathering, row_of: RowOf
) -> None:
    for second in (0, 2, 4, 5, 7):
        gathering.add("n1", "device", row_of(second, 100.0))
    recording = gathering.finish("test", "sys")
    *identities, batch = recording.batches()
    assert [one.table for one in identities] == ["node_info", "device_info"]
    assert (batch.node, batch.table, batch.period_ms, batch.rows) == ("n1", "device", 2_000, 5)
    assert [row["time_unix_ms"] - START for row in rows(batch.body)] == [0, 2000, 4000, 5000, 7000]


def test_the_same_content_has_the_same_name_and_other_content_another(row_of: RowOf) -> None:
    def name(watts: float, system: str) -> str:
        gathering = Gathering(lambda table, body: None)
        gathering.add("n1", "device", row_of(0, watts))
        source = gathering.finish("test", system).source
        gathering.close()
        return source

    assert name(100.0, "a") == name(100.0, "a")
    assert len({name(100.0, "a"), name(101.0, "a"), name(100.0, "b")}) == 3


def test_who_is_who_is_said_every_hour_as_it_was_known_then(
    gathering: Gathering, row_of: RowOf
) -> None:
    who: dict[str, Any] = {"time_unix_ms": START, "device": "GPU-1", "driver": "1"}
    gathering.add("n1", "device_info", who)
    gathering.add("n1", "device", row_of(0, 100.0))
    gathering.add("n1", "device_info", {**who, "time_unix_ms": START + 1000})
    gathering.add("n1", "device_info", {**who, "time_unix_ms": START + 2 * HOUR, "driver": "2"})
    gathering.add("n1", "device", row_of(7200 + 1800, 100.0))
    recording = gathering.finish("test", "sys")
    batches = list(recording.batches())
    (info,) = (rows(one.body) for one in batches if one.table == "device_info")
    times = [START, START // HOUR * HOUR + HOUR, START // HOUR * HOUR + 2 * HOUR,
             START + 2 * HOUR + HOUR // 2]  # fmt: skip
    assert [row["time_unix_ms"] for row in info] == times
    assert [row["driver"] for row in info] == ["1", "1", "1", "2"]
    (node,) = (rows(one.body) for one in batches if one.table == "node_info")
    assert {row["power_source"] for row in node} == {recording.source}


def test_a_device_counts_as_installed_from_its_own_first_reading_to_its_last(
    gathering: Gathering, row_of: RowOf
) -> None:
    gathering.add("n1", "device", row_of(0, 100.0))
    gathering.add("n1", "device", {**row_of(60, 100.0), "device": "GPU-2"})
    gathering.add("n1", "device", {**row_of(90, 100.0), "device": "GPU-2"})
    batches = list(gathering.finish("test", "sys").batches())
    (info,) = (rows(one.body) for one in batches if one.table == "device_info")
    assert {
        (row["device"], row["installed_from_unix_ms"] - START,
         row["installed_until_unix_ms"] - START)
        for row in info
    } == {("GPU-1", 0, 1), ("GPU-2", 60_000, 90_001)}  # fmt: skip


def test_what_the_store_would_refuse_is_refused_before_anything_is_written(
    gathering: Gathering, row_of: RowOf
) -> None:
    gathering.add("n1", "device", row_of(0, 100.0))
    gathering.add("n1", "device", row_of(1, 100.0, busy_ratio=97.0))
    with pytest.raises(InputError, match=r"busy_ratio, row 1: not a ratio.*nothing was imported"):
        gathering.finish("test", "sys")


def test_nothing_is_no_recording(gathering: Gathering) -> None:
    with pytest.raises(InputError, match="holds no reading"):
        gathering.finish("test", "sys")


def test_a_recording_is_bounded(
    gathering: Gathering, row_of: RowOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "_MOST_SUBJECTS", 3)
    with pytest.raises(InputError, match="has more than 3 subjects of device"):
        for number in range(5):
            gathering.add("n1", "device", {**row_of(0, 1.0), "device": f"GPU-{number}"})
    monkeypatch.setattr(gathered, "_MOST_BYTES", 10)
    with pytest.raises(InputError, match="makes more than 10 bytes of readings"):
        gathering.finish("test", "sys")


def test_many_rows_go_to_disk_and_come_back(row_of: RowOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered, "_IN_MEMORY_BYTES", 1_000)
    checked: list[tuple[str, int]] = []

    def look(table: Table, body: bytes) -> None:
        checked.append((table.name, len(body)))

    gathering = Gathering(look)
    for second in range(10_000):
        gathering.add("n1", "device", row_of(second, float(second)))
    batches = [one for one in gathering.finish("test", "sys").batches() if one.table == "device"]
    assert [one.rows for one in batches] == [4096, 4096, 1808]
    assert [row["power_watts"] for one in batches for row in rows(one.body)] == [
        float(second) for second in range(10_000)
    ]
    assert checked == [("device", len(one.body)) for one in batches]
    gathering.close()
