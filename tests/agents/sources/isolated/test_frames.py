from typing import Any

import pytest

from wattline_agents.sources.isolated import frames
from wattline_agents.sources.isolated.frames import Garbage, Packer, Splitter
from wattline_agents.sources.isolated.unpacker import Unpacker

ROW: dict[str, Any] = {
    "time_unix_ms": 1_790_000_000_000,
    "device": "GPU-1",
    "up": 1,
    "power_watts": 412.25,
    "temperature_celsius": None,
    "memory_used_bytes": 2**40 + 1,
}
KNOWN = {column: value for column, value in ROW.items() if value is not None}


def anything(table: str, columns: Any) -> bool:
    return True


def through(data: bytes, unpacker: Unpacker) -> list[tuple[str, dict[str, Any]]]:
    rows: list[tuple[str, dict[str, Any]]] = []
    for kind, payload in Splitter().feed(data):
        if kind == frames.SHAPE:
            unpacker.shape(payload)
        else:
            name, row = unpacker.row(payload)
            rows.append((name, row.as_dict()))
    return rows


def test_a_row_arrives_as_it_was_and_what_never_had_a_value_is_left_out() -> None:
    ((table, row),) = through(Packer().row("device", ROW), Unpacker(anything))
    assert (table, row) == ("device", KNOWN)
    assert [type(value) for value in row.values()] == [int, str, int, float, int]


def test_a_shape_is_sent_once() -> None:
    packer, unpacker = Packer(), Unpacker(anything)
    first, second = packer.row("device", ROW), packer.row("device", {**ROW, "power_watts": 1.0})
    assert len(second) < 60 < len(first)
    through(first, unpacker)
    assert through(second, unpacker) == [("device", {**KNOWN, "power_watts": 1.0})]


def test_a_column_that_becomes_null_or_whole_is_another_shape() -> None:
    packer, unpacker = Packer(), Unpacker(anything)
    rows: list[dict[str, Any]] = [ROW, {**ROW, "power_watts": None}, {**ROW, "power_watts": 7}, ROW]
    data = b"".join(packer.row("device", row) for row in rows)
    found = [row.get("power_watts") for _, row in through(data, unpacker)]
    assert found == [412.25, None, 7, 412.25]


def test_null_columns_text_and_broken_numbers_may_change_places() -> None:
    packer, unpacker = Packer(), Unpacker(anything)
    rows: list[dict[str, Any]] = [
        {"device": "GPU-1", "a": None, "b": 1.5},
        {"device": "GPU-1", "a": 2.5, "b": None},
        {"device": "GPU-1", "a": 3, "b": "three"},
        {"device": "GPU-1", "a": "four", "b": 4},
        {"device": "GPU-1", "b": 5.5, "a": 6},
        {"device": None, "a": 7, "b": 2**62},
        {"device": "GPU-1", "a": 3.5, "b": 0},
    ]
    data = b"".join(packer.row("t", row) for row in [*rows, *rows])
    never = {0: {"device": "GPU-1", "b": 1.5}, 5: {"a": 7, "b": 2**62}}
    first = [never.get(place, row) for place, row in enumerate(rows)]
    assert through(data, unpacker) == [
        ("t", row) for row in [*first, *rows[:5], never[5], *rows[6:]]
    ]


def test_a_null_is_told_whatever_other_columns_come_with_it() -> None:
    packer, unpacker = Packer(), Unpacker(anything)
    narrow: dict[str, Any] = {"device": "GPU-1", "a": 1.5, "b": None}
    wide: dict[str, Any] = {**narrow, "b": 2.5, "c": 3}
    rows = [narrow, wide, narrow, {**narrow, "a": None}, {**wide, "c": None}]
    data = b"".join(packer.row("t", row) for row in rows)
    assert [row for _, row in through(data, unpacker)] == [{"device": "GPU-1", "a": 1.5}, *rows[1:]]


def test_subjects_without_end_are_not_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_MOST_SUBJECTS", 3)
    packer, unpacker = Packer(), Unpacker(anything)
    rows: list[dict[str, Any]] = [{"device": f"GPU-{number}", "a": 1} for number in range(10)]
    data = b"".join(packer.row("t", row) for row in rows)
    assert [row for _, row in through(data, unpacker)] == rows
    assert len(packer._subjects) <= 3


def test_more_shapes_than_are_kept_still_arrive() -> None:
    packer, unpacker = Packer(), Unpacker(anything)
    rows: list[dict[str, Any]] = [
        {f"c{n}": n, f"d{n % 7}": "x"} for n in range(3 * frames.MOST_SHAPES + 5)
    ]
    data = b"".join(packer.row("t", row) for row in rows + rows[-9:])
    assert [row for _, row in through(data, unpacker)] == rows + rows[-9:]


def test_texts_are_cut_at_whole_characters() -> None:
    row: dict[str, Any] = {"reason": "ä" * 200, "column": "", "n": 3}
    ((_, found),) = through(Packer().row("t", row), Unpacker(anything))
    assert found == {"reason": "ä" * 128, "column": "", "n": 3}


@pytest.mark.parametrize("value", [b"x", [1], 2**63])
def test_a_value_that_no_row_can_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="device"):
        Packer().row("device", {"device": "GPU-1", "up": value})


def test_frames_come_whole_however_the_bytes_are_cut() -> None:
    data = Packer().row("device", ROW) + frames.frame(frames.END)
    splitter = Splitter()
    found = [one for place in range(len(data)) for one in splitter.feed(data[place : place + 1])]
    assert found == list(Splitter().feed(data))
    assert [kind for kind, _ in found] == [frames.SHAPE, frames.ROW, frames.END]


def test_a_frame_too_long_is_garbage() -> None:
    with pytest.raises(Garbage, match="a frame of 4294967295 bytes"):
        list(Splitter().feed(b"\x0e\xff\xff\xff\xff"))


def test_a_shape_of_no_table_is_garbage() -> None:
    with pytest.raises(Garbage, match="of no table: 'device'"):
        through(Packer().row("device", ROW), Unpacker(lambda table, columns: False))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"\x00\x00",
        b"\xff\xff" + bytes(50),
        b"\x00\x00\x01\x00",
        bytes(2) + b"\xff" * 9,
    ],
)
def test_a_shape_that_makes_no_sense_is_garbage(payload: bytes) -> None:
    with pytest.raises(Garbage):
        Unpacker(anything).shape(payload)


def test_a_shape_that_names_a_column_twice_is_garbage() -> None:
    ((_, shape), _) = Splitter().feed(Packer().row("device", {"up": 1, "us": 2}))
    with pytest.raises(Garbage, match="twice"):
        Unpacker(anything).shape(shape.replace(b"us", b"up"))


def test_a_row_that_does_not_fit_its_shape_is_garbage() -> None:
    unpacker = Unpacker(anything)
    (_, shape), (_, row) = Splitter().feed(Packer().row("device", ROW))
    unpacker.shape(shape)
    for broken in (b"", row[:1], row[:-1], row + b"x", b"\x01\x00" + row[2:]):
        with pytest.raises(Garbage):
            unpacker.row(broken)
    # A length that reaches beyond the row, and a text that is none.
    for broken in (row.replace(b"\x05\x00", b"\x06\x00"), row.replace(b"GPU", b"\xff\xfe\xfd")):
        with pytest.raises(Garbage):
            unpacker.row(broken)


def test_commands_say_what_they_were_given() -> None:
    asked = (-5, True, ["GPU-1", "find ü"], 12.5)
    ((kind, payload),) = Splitter().feed(frames.read_command(*asked))
    assert (kind, frames.read_asked(payload)) == (frames.READ, asked)
    told = ("m:C", "s", "n", None, 0.25, {"a": "1\n2\t", "b": ""})
    ((kind, payload),) = Splitter().feed(frames.open_command(*told))
    assert (kind, frames.open_asked(payload)) == (frames.OPEN, told)
    ((_, payload),) = Splitter().feed(frames.open_command("m:C", "s", "n", "", 1.0, {}))
    assert frames.open_asked(payload)[3] == ""


def test_parts_and_failures_say_what_they_were_given() -> None:
    ((_, payload),) = Splitter().feed(frames.part_frame("GPU-1", 12.5))
    assert frames.part_told(payload) == ("GPU-1", 12.5)
    ((_, payload),) = Splitter().feed(frames.failed_frame(frames.READ_FAILED, "x" * 2000))
    assert frames.failed_told(payload) == (frames.READ_FAILED, "x" * 1000)
    for broken in (b"", b"1234567", bytes(8) + b"\xff"):
        with pytest.raises(Garbage):
            frames.part_told(broken)
    with pytest.raises(Garbage):
        frames.failed_told(b"")


def test_what_is_not_read_is_named_and_cut() -> None:
    ((kind, payload),) = Splitter().feed(frames.unread_frame(["1 at 0000:07:00.0", "ü" * 200]))
    assert kind == frames.UNREAD
    assert frames.unread_told(payload) == ["1 at 0000:07:00.0", "ü" * 128]
    with pytest.raises(Garbage):
        frames.unread_told(payload[:-1])
