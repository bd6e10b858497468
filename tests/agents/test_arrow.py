import io
import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from wattline_agents import arrow
from wattline_agents.catalogue import TABLES, Table, Type
from wattline_agents.errors import WireError
from wattline_agents.wire import encode

VALUES: dict[Type, tuple[Any, ...]] = {
    Type.INT: (0, 1, -1, 1_700_000_000_000, 2**63 - 1, -(2**63)),
    Type.FLOAT: (0.0, -0.0, 0.1, 1e-308, -1.7e308, 237.514, float("inf")),
    Type.TEXT: ("", "GPU-1", "Zürich", "Δ→𝄞", "x" * 256, 'a"b\\c\nd'),
}
SIZES = (1, 7, 8, 9, 65)
NULLS = (0.0, 0.3, 1.0)


def rows_of(table: Table, count: int, null_share: float) -> list[dict[str, Any]]:
    """Rows of all columns; the same for the same arguments."""
    chance = random.Random(f"{table.name} {count}")
    rows = []
    for _ in range(count):
        row = {
            column: None
            if column not in table.required and chance.random() < null_share
            else chance.choice(VALUES[type_])
            for column, type_ in table.columns.items()
        }
        rows.append(row)
    return rows


def told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without columns that are null in all of them, as a batch has them."""
    columns = [column for column in rows[0] if any(row[column] is not None for row in rows)]
    return [{column: row[column] for column in columns} for row in rows]


@pytest.fixture(params=TABLES.values(), ids=lambda table: table.name)
def table(request: pytest.FixtureRequest) -> Table:
    found: Table = request.param
    return found


def all_rows(table: Table) -> Iterator[list[dict[str, Any]]]:
    """Batches of all lengths with none, some and all of what may be null."""
    for count, null_share in product(SIZES, NULLS):
        yield rows_of(table, count, null_share)


def test_what_is_written_is_read_again(table: Table) -> None:
    for rows in all_rows(table):
        assert arrow.decode(encode(table, rows)) == told(rows)


def test_pyarrow_finds_nothing_wrong_and_the_same_rows(table: Table) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    types = {Type.INT: pyarrow.int64(), Type.FLOAT: pyarrow.float64(), Type.TEXT: pyarrow.string()}
    wanted = {column: types[type_] for column, type_ in table.columns.items()}
    for rows in all_rows(table):
        read = pyarrow.ipc.open_stream(encode(table, rows)).read_all()
        read.validate(full=True)
        assert read.to_pylist() == told(rows)
        assert {one.name: one.type for one in read.schema} == {c: wanted[c] for c in told(rows)[0]}
        assert all(one.nullable for one in read.schema)


def test_polars_reads_the_same_rows(table: Table) -> None:
    polars = pytest.importorskip("polars")
    for rows in all_rows(table):
        read = polars.read_ipc_stream(io.BytesIO(encode(table, rows)))
        assert read.to_dicts() == told(rows)


def test_what_another_library_wrote_is_read(table: Table) -> None:
    """As spools hold it that an agent of before filled."""
    pyarrow = pytest.importorskip("pyarrow")
    rows = told(rows_of(table, 250, 0.3))
    sink = io.BytesIO()
    whole = pyarrow.ipc.open_stream(encode(table, rows)).read_all()
    with pyarrow.ipc.new_stream(sink, whole.schema) as stream:
        stream.write_table(whole, max_chunksize=100)  # several batches
    assert arrow.decode(sink.getvalue()) == rows


def test_buffers_stand_at_multiples_of_eight_bytes() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = TABLES["device"]
    stream = pyarrow.py_buffer(encode(table, rows_of(table, 7, 0.3)))
    (batch,) = pyarrow.ipc.open_stream(stream)
    for column in batch.columns:
        for buffer in column.buffers():
            assert buffer is None or (buffer.address - stream.address) % 8 == 0


def test_what_is_no_utf_8_costs_a_letter_and_not_the_batch() -> None:
    stream = arrow.encode([("name", Type.TEXT, ["a\udcff", None])], 2)
    assert arrow.decode(stream) == [{"name": "a?"}, {"name": None}]


@pytest.mark.parametrize(
    ("type_", "value"),
    [(Type.INT, 2**63), (Type.INT, 0.5), (Type.INT, "1"), (Type.FLOAT, "1"), (Type.TEXT, 1)],
)
def test_a_value_of_another_type_is_refused_with_its_column(type_: Type, value: Any) -> None:
    with pytest.raises(WireError, match="power_watts: a value is not"):
        arrow.encode([("power_watts", type_, [value])], 1)


def test_what_is_cut_short_or_spoiled_is_refused_or_read_but_never_breaks() -> None:
    table = TABLES["process"]
    stream = encode(table, rows_of(table, 9, 0.3))
    outcomes = set()
    spoiled = [stream[:size] for size in range(0, len(stream), 7)]
    chance = random.Random(7)
    for _ in range(600):
        bits = bytearray(stream)
        for _ in range(chance.choice((1, 1, 4))):
            bits[chance.randrange(len(bits))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        spoiled.append(bytes(bits))
    for one in spoiled:
        try:
            outcomes.add(len(arrow.decode(one)) <= 9)
        except WireError:
            outcomes.add(None)  # type: ignore[arg-type]
    assert outcomes == {True, None}


@pytest.mark.parametrize("kind", ["int32", "uint64", "float32", "bool_", "large_string"])
def test_other_types_are_not_taken_for_ours(kind: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    type_ = getattr(pyarrow, kind)()
    column = pyarrow.array(["1"] if kind == "large_string" else [1]).cast(type_)
    sink = io.BytesIO()
    batch = pyarrow.record_batch([column], names=["up"])
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    with pytest.raises(WireError, match="column 'up' is of a type"):
        arrow.decode(sink.getvalue())


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_and_dictionaries_are_refused(codec: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    batch = pyarrow.record_batch([pyarrow.array(range(1000))], names=["up"])
    sink = io.BytesIO()
    options = pyarrow.ipc.IpcWriteOptions(compression=codec)
    with pyarrow.ipc.new_stream(sink, batch.schema, options=options) as stream:
        stream.write_batch(batch)
    with pytest.raises(WireError, match="not read here"):
        arrow.decode(sink.getvalue())
    named = pyarrow.record_batch([pyarrow.array(["a"]).dictionary_encode()], names=["up"])
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, named.schema) as stream:
        stream.write_batch(named)
    with pytest.raises(WireError, match="of a type that is not read here"):
        arrow.decode(sink.getvalue())
