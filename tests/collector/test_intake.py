from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from wattline_agents.catalogue import TABLES, Type
from wattline_agents.errors import WireError
from wattline_agents.wire import MAX_BODY_BYTES, MAX_ROWS, Header
from wattline_collector.receive.intake import Batch, Intake
from wattline_collector.store.store import Store

NOW_MS = 1_793_534_400_000
HEADER = Header("sys", "n01", "boot", 1, 1000)

GOOD: dict[str, Any] = {
    "time_unix_ms": pa.array([NOW_MS, NOW_MS + 1000]),
    "device": pa.array(["GPU-0", "GPU-0"]),
    "power_watts": pa.array([100.0, 200.0]),
}


def stream(columns: dict[str, Any], **options: Any) -> bytes:
    table = pa.table(columns)
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(out.getvalue())


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()


@pytest.fixture
def intake(store: Store) -> Intake:
    return Intake(store)


@pytest.fixture
def taken(store: Store, intake: Intake) -> Callable[..., pl.DataFrame]:
    """What the store makes of a stream of table `device` (or another)."""

    def taken(columns: dict[str, Any], table: str = "device", **options: Any) -> pl.DataFrame:
        assert intake.accept(table, HEADER, stream(columns, **options)) is True
        return store.read(table, 0, 2**62)

    return taken


def test_what_the_agent_encodes_is_what_the_store_holds(
    intake: Intake, store: Store, sender: Any
) -> None:
    batch = sender.devices(NOW_MS, 3, sm_active_ratio=0.25)
    assert intake.accept(batch.table, batch.header, batch.body) is True
    rows = store.read("device", 0, 2**62)
    assert rows["sm_active_ratio"].to_list() == [0.25] * 3
    assert rows["busy_ratio"].to_list() == [None] * 3
    assert (intake.accepted_batches, intake.accepted_rows) == (1, 3)


def test_columns_may_come_in_any_order(taken: Any) -> None:
    rows = taken({name: GOOD[name] for name in reversed(GOOD)})
    assert rows["power_watts"].to_list() == [100.0, 200.0]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("power_watts", pa.array([1, 2], pa.float32()), [1.0, 2.0]),
        ("power_watts", pa.array([1, 2], pa.int16()), [1.0, 2.0]),
        ("power_watts", pa.nulls(2), [None, None]),
        ("memory_used_bytes", pa.array([1, 2], pa.int32()), [1, 2]),
        ("memory_used_bytes", pa.array([1, None], pa.uint64()), [1, None]),
        ("device", pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        ("device", pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        ("time_unix_ms", pa.array([NOW_MS, NOW_MS + 5], pa.uint64()), [NOW_MS, NOW_MS + 5]),
    ],
)
def test_narrower_and_wider_types_are_cast(
    taken: Any, column: str, values: pa.Array, expected: list[Any]
) -> None:
    rows = taken(GOOD | {column: values}).sort("time_unix_ms", "device")
    assert rows[column].to_list() == expected
    assert rows.dtypes == store_types("device")


def store_types(table: str) -> list[pl.DataType]:
    own: dict[str, Any] = {"int64": pl.Int64, "float64": pl.Float64, "string": pl.String}
    types = [own[str(type)] for type in TABLES[table].columns.values()]
    return [pl.String(), pl.String(), pl.Int64(), *(type() for type in types)]


def test_operations_of_a_large_training_run_are_no_mistake(intake: Intake, new_sender: Any) -> None:
    row = {"time_unix_ms": NOW_MS, "job": "42", "flops_total": 3.8e25}
    batch = new_sender().batch("job", [row])
    assert intake.accept(batch.table, batch.header, batch.body) is True


def test_nan_is_taken_as_not_known(taken: Any) -> None:
    rows = taken(
        GOOD
        | {
            "power_watts": pa.array([float("nan"), 2.0]),
            "sm_active_ratio": pa.array([0.5, float("nan")]),
        }
    )
    assert rows["power_watts"].to_list() == [None, 2.0]
    assert rows["sm_active_ratio"].to_list() == [0.5, None]


def test_a_stream_may_hold_several_record_batches(intake: Intake, store: Store) -> None:
    table = pa.table(GOOD)
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        for place in range(2):
            writer.write_table(table.slice(place, 1))
    intake.accept("device", HEADER, bytes(out.getvalue()))
    assert store.read("device", 0, 2**62).height == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": pa.array([1, 2])}, "device: no column 'colour'"),
        ({"colour\n\x1b[1m": pa.array([1, 2])}, r"device: no column 'colour\\n\\x1b\[1m'"),
        ({"device": None}, "device: column device is missing"),
        ({"device": pa.array(["a", None])}, "device.device, row 1: null, and it is required"),
        ({"device": pa.nulls(2)}, "device.device, row 0: null, and it is required"),
        ({"device": pa.array(["a", ""])}, "device.device, row 1: empty text"),
        ({"device": pa.array(["a", "b" * 257])}, "device.device, row 1: text over 256 bytes"),
        ({"device": pa.array(["a\nb", "c"])}, "device.device, row 0: a control character in text"),
        ({"device": pa.array(["a", "\x9b31mb"])}, "device.device, row 1: a control character in"),
        ({"device": pa.array(["a\u2028b", "c"])}, "device.device, row 0: a control character in"),
        ({"device": pa.array(["\u202ea", "c"])}, "device.device, row 0: a control character in t"),
        ({"device": pa.array(["a\u2066", "c"])}, "device.device, row 0: a control character in t"),
        ({"device": pa.array([1, 2])}, "device.device: type 'int64', expected string"),
        ({"power_watts": pa.array(["1", "2"])}, "device.power_watts: type 'string', expected"),
        ({"power_watts": pa.array([True, False])}, "device.power_watts: type 'bool', expected"),
        ({"power_watts": pa.array([[1.0], []])}, "device.power_watts: type 'list<.*', expected"),
        ({"device": pa.array(["a", "b"]).dictionary_encode()}, "device.device: type 'dictionary"),
        ({"memory_used_bytes": pa.array([1.0, 2.0])}, "memory_used_bytes: type 'double', expected"),
        ({"memory_used_bytes": pa.array([2**63, 1], pa.uint64())}, "device: .* not in range"),
        ({"memory_used_bytes": pa.array([1, 2 * 10**18])}, "memory_used_bytes, row 1: negative, o"),
        ({"power_watts": pa.array([1.0, float("inf")])}, "device.power_watts, row 1: infinite"),
        ({"power_watts": pa.array([float("-inf"), float("inf")])}, "power_watts, row 0: infinite"),
        ({"sm_active_ratio": pa.array([0.5, 93.0])}, "sm_active_ratio, row 1: not a ratio, which"),
        ({"busy_ratio": pa.array([-0.1, 0.5])}, "device.busy_ratio, row 0: not a ratio"),
        ({"energy_joules_total": pa.array([5.0, -5.0])}, "energy_joules_total, row 1: negative"),
        (
            {"energy_joules_total": pa.array([5.0, 2e30])},
            "energy_joules_total, row 1: negative, or",
        ),
        ({"read_errors_total": pa.array([-1, 0])}, "device.read_errors_total, row 0: negative"),
        ({"up": pa.array([1, 2])}, "device.up, row 1: neither 0 nor 1"),
        ({"power_stale": pa.array([0, 3])}, "device.power_stale, row 1: neither 0 nor 1"),
        (
            {"throttle_thermal_active": pa.array([2, 0])},
            "device.throttle_thermal_active, row 0: neither 0 nor 1",
        ),
        ({"time_unix_ms": pa.array([NOW_MS, 946_684_799_999])}, "time_unix_ms, row 1: not a time"),
        ({"time_unix_ms": pa.array([NOW_MS + 86_400_001, 0])}, "time_unix_ms, row 0: not a time"),
        ({"time_unix_ms": pa.array([NOW_MS, NOW_MS // 1000])}, "time_unix_ms, row 1: not a time"),
    ],
)
def test_a_batch_that_cannot_be_true_is_refused_with_its_place(
    intake: Intake, store: Store, change: dict[str, Any], message: str
) -> None:
    columns = {k: v for k, v in (GOOD | change).items() if v is not None}
    with pytest.raises(WireError, match=message):
        intake.accept("device", HEADER, stream(columns))
    assert intake.refused_batches == store.refused_total == 1
    assert store.read("device", 0, 2**62).is_empty()
    assert intake.accept("device", HEADER, stream(GOOD)) is True  # its name was not used up


def test_readings_beyond_their_usual_side_of_nought_are_no_mistake(taken: Any) -> None:
    told = {
        "temperature_margin_celsius": [-3.0, 40.0],  # hotter than where it slows down
        "temperature_celsius": [-20.0, 5.0],
        "energy_counter_over_integral": [0.0, 7.5],  # a counter that stands still, or runs wild
        "sm_active_ratio": [1.0, 1.01],
    }
    rows = taken(GOOD | {column: pa.array(values) for column, values in told.items()})
    assert {column: rows[column].to_list() for column in told} == told


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("process", {"device": "GPU-0", "pid": 7, "cgroup": "/user.slice/\x1b[2Jroot"}),
        ("process", {"device": "GPU-0", "pid": 7, "cgroup": "/" + "x" * 256}),
        ("process", {"device": "GPU-0", "pid": 7, "instance": "MIG-\x00"}),
        ("mig", {"device": "GPU-0", "instance": ""}),
        ("mig", {"device": "GPU-0", "instance": "MIG-1", "profile": "3g.40gb\n# HELP"}),
        ("meter", {"source": "rapl", "domain": "package-0\r"}),
        ("capability", {"source": "nvml", "column": "up", "reason": "no\npermission"}),
        ("device_info", {"device": "GPU-0", "serial": "\u202e321"}),
    ],
)
def test_hostile_text_is_refused_in_every_table(
    intake: Intake, store: Store, sender: Any, table: str, row: dict[str, Any]
) -> None:
    batch = sender.batch(table, [{"time_unix_ms": NOW_MS, **row}])
    with pytest.raises(WireError, match=rf"{table}\.\w+, row 0: "):
        intake.accept(batch.table, batch.header, batch.body)
    assert store.read(table, 0, 2**62).is_empty()


def test_a_time_of_planned_installation_may_lie_ahead(taken: Any) -> None:
    year = 365 * 86_400_000
    columns = {
        "time_unix_ms": pa.array([NOW_MS]),
        "device": pa.array(["GPU-0"]),
        "installed_until_unix_ms": pa.array([NOW_MS + year]),
    }
    assert taken(columns, "device_info")["installed_until_unix_ms"].to_list() == [NOW_MS + year]


def test_an_end_may_not_lie_ahead(intake: Intake) -> None:
    columns = {
        "time_unix_ms": pa.array([NOW_MS]),
        "device": pa.array(["GPU-0"]),
        "job": pa.array(["1"]),
        "start_unix_ms": pa.array([NOW_MS]),
        "end_unix_ms": pa.array([NOW_MS + 2 * 86_400_000]),
    }
    with pytest.raises(WireError, match=r"assignment\.end_unix_ms, row 0: not a time"):
        intake.accept("assignment", HEADER, stream(columns))


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_buffers_are_refused_before_they_are_unpacked(
    intake: Intake, codec: str
) -> None:
    with pytest.raises(WireError, match="compressed buffers are not accepted"):
        intake.accept("device", HEADER, stream(GOOD, compression=codec))


def test_an_unknown_table_is_refused_with_the_list_of_those_there_are(intake: Intake) -> None:
    with pytest.raises(WireError, match="no table 'devices'; there are device, node, job"):
        intake.accept("devices", HEADER, stream(GOOD))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not an Arrow IPC stream"),
        (b"hello, this is no batch", "not an Arrow IPC stream"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", "no schema at its start"),
        (b"ARROW1\x00\x00" * 20, "not an Arrow IPC stream"),
        (stream({k: v.slice(0, 0) for k, v in GOOD.items()}), "device: no row"),
        (stream(GOOD)[:-200], "the stream ends inside a message|not an Arrow IPC stream"),
        (b"\x00" * (MAX_BODY_BYTES + 1), f"body over {MAX_BODY_BYTES} bytes"),
    ],
    ids=["empty", "text", "huge-schema", "file", "no-row", "cut", "large"],
)
def test_what_is_no_batch_is_refused(intake: Intake, body: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        intake.accept("device", HEADER, body)


def test_too_many_rows_are_refused(intake: Intake) -> None:
    count = MAX_ROWS + 1
    columns = {
        "time_unix_ms": pa.array([NOW_MS] * count, pa.int64()),
        "power_watts": pa.nulls(count),
    }
    with pytest.raises(WireError, match=f"over {MAX_ROWS} rows"):
        intake.accept("node", HEADER, stream(columns))


def test_no_damage_to_a_stream_does_worse_than_a_refusal(open_store: Any, clock: Any) -> None:
    intake = Intake(open_store())
    body = stream(
        GOOD | {"memory_used_bytes": pa.array([1, None]), "device": pa.array(["GPU-0", "GPU-äöü"])}
    )
    chance = random.Random(11)
    refused = 0
    for number in range(3000):
        damaged = bytearray(body)
        for _ in range(chance.choice((1, 1, 1, 4))):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        header = Header("sys", "n01", "boot", number + 1, 1000)
        try:
            intake.accept("device", header, bytes(damaged))
        except WireError:
            refused += 1
    assert refused > 500
    # What was taken in can be read and sealed: nothing invalid came through.
    intake.store.seal()
    assert intake.store.read("device", 0, 2**62).height > 0


def test_one_bad_batch_of_a_group_does_not_stop_the_others(
    intake: Intake, store: Store, sender: Any
) -> None:
    good, bad, late = (
        sender.devices(NOW_MS),
        sender.devices(NOW_MS, sm_active_ratio=55.0),
        sender.devices(NOW_MS + 1),
    )
    other = sender.batch("node", [{"time_unix_ms": NOW_MS}])
    nonsense = Batch("device", Header("sys", "n01", "boot", 9, 0), b"nonsense")
    results = intake.accept_many([good, bad, other, nonsense, late, good])
    assert [r if isinstance(r, bool) else type(r) for r in results] == [
        True, WireError, True, WireError, True, False,
    ]  # fmt: skip
    assert store.read("device", 0, 2**62).height == 4
    assert (intake.accepted_batches, intake.duplicate_batches, intake.refused_batches) == (3, 1, 2)


def test_a_group_of_one_schema_from_many_nodes_keeps_each_rows_sender(
    intake: Intake, store: Store, new_sender: Any
) -> None:
    batches = [
        new_sender(node=f"n{n:02d}", period_ms=1000 * n).devices(NOW_MS, n) for n in (3, 1, 2)
    ]
    assert intake.accept_many(batches) == [True] * 3
    counts = store.read("device", 0, 2**62).group_by("node", "period_ms").len().sort("node")
    assert counts.rows() == [("n01", 1000, 1), ("n02", 2000, 2), ("n03", 3000, 3)]


def test_every_table_of_the_catalogue_is_taken_in(
    intake: Intake, store: Store, sender: Any
) -> None:
    values = {"int64": NOW_MS, "float64": 0.5, "string": "text"}
    for table in TABLES.values():
        row = {column: values[str(type)] for column, type in table.columns.items()}
        row |= {metric.column: 1 for metric in table.metrics if metric.type is Type.INT}
        batch = sender.batch(table.name, [row])
        assert intake.accept(batch.table, batch.header, batch.body) is True
    store.seal()
    for table in TABLES.values():
        rows = store.read(table.name, 0, 2**62)
        assert rows.height == 1
        assert rows.null_count().sum_horizontal().item() == 0
        assert rows.dtypes == store_types(table.name)
