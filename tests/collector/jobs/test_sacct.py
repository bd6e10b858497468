from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from wattline_agents.errors import InputError
from wattline_collector.jobs.accounts import Damage
from wattline_collector.jobs.sacct import SACCT_26, Layout, Reader, layout_of

HEADER = "JobIDRaw|JobName|State|Start|Comment|End"
GOOD = "7|train|COMPLETED|2026-11-01T10:00:00||2026-11-01T11:00:00"


def read(
    text: str | bytes, layout: Layout | None = None
) -> tuple[list[dict[str, Any]], list[Damage], Reader]:
    damaged: list[Damage] = []
    found = layout or layout_of(HEADER)
    assert found is not None
    reader = Reader(found, lambda damage, _: damaged.append(damage))
    data = text.encode() if isinstance(text, str) else text
    lines = [(n, line) for n, line in enumerate(data.splitlines(keepends=True), start=2)]
    return [row for frame in reader.frames(lines) for row in frame.to_dicts()], damaged, reader


@pytest.mark.parametrize(
    ("header", "delimiter", "names", "trailing"),
    [
        ("JobID|State|End", "|", ("JobID", "State", "End"), False),
        ("JobID|State|End|\n", "|", ("JobID", "State", "End"), True),
        ("Account|#JobID|#End", "|#", ("Account", "JobID", "End"), False),
        ("JobIDRaw,State", ",", ("JobIDRaw", "State"), False),
    ],
)
def test_a_header_tells_delimiter_and_fields(
    header: str, delimiter: str, names: tuple[str, ...], trailing: bool
) -> None:
    assert layout_of(header) == Layout(delimiter, names, trailing)


@pytest.mark.parametrize("line", ["", "163485|163485|phillips|focaccia", "User|State", "<html>"])
def test_what_is_no_header_is_none(line: str) -> None:
    assert layout_of(line) is None


def test_fields_come_in_any_order_and_the_rest_is_not_looked_at() -> None:
    [row], damaged, _ = read(GOOD)
    assert row == {
        "line": 2, "job_raw": "7", "name": "train", "state": "COMPLETED",
        "start": "2026-11-01T10:00:00", "end": "2026-11-01T11:00:00",
    }  # fmt: skip
    assert damaged == []


def test_without_an_id_there_is_nothing_to_read() -> None:
    with pytest.raises(InputError, match="JobIDRaw"):
        read(GOOD, Layout("|", ("User", "State")))


def test_of_two_fields_that_say_one_thing_the_raw_one_is_read() -> None:
    layout = Layout("|", ("JobID", "Elapsed", "ElapsedRaw", "AllocNodes", "NNodes"))
    [row], _, _ = read("7|00:10:00|601|3|4", layout)
    assert (row["elapsed"], row["nodes"]) == ("601", "4")


def test_a_name_with_delimiters_is_put_together_again() -> None:
    [row, last], damaged, reader = read(
        "7|a|b||c|FAILED|2026-11-01T10:00:00|x|2026-11-01T11:00:00\n" + GOOD
    )
    assert (row["name"], row["state"], row["end"]) == ("a|b||c", "FAILED", "2026-11-01T11:00:00")
    assert (damaged, reader.repaired, last["line"]) == ([], 1, 3)


def test_a_record_broken_over_lines_is_put_together_again() -> None:
    [row, last], damaged, _ = read(
        "7|one\ntwo\r\nthree|COMPLETED|2026-11-01T10:00:00||2026-11-01T11:00:00\n" + GOOD
    )
    assert (row["name"], row["line"]) == ("one\ntwo\nthree", 2)
    assert (last["line"], damaged) == (5, [])


def test_a_record_that_could_be_read_in_two_ways_is_set_aside() -> None:
    # The second state could be the comment's, and the first one part of the name.
    text = "7|a|FAILED|2026-11-01T10:00:00|COMPLETED|2026-11-01T10:00:00|x|2026-11-01T11:00:00\n"
    rows, damaged, _ = read(text + GOOD)
    assert [row["line"] for row in rows] == [3]
    assert [(one.line, one.reason) for one in damaged] == [(2, "has 8 fields where 6 are expected")]


def test_a_short_record_does_not_swallow_the_good_ones_after_it() -> None:
    rows, damaged, _ = read(f"7|half\n{GOOD}\n9|COMPLETED\n\n{GOOD}\nrest")
    assert [row["line"] for row in rows] == [3, 6]
    assert [one.line for one in damaged] == [2, 4, 7]


def test_lines_without_end_and_bytes_that_are_no_text_are_set_aside() -> None:
    reader_lines = [(2, None), (3, b"\xff\xfe\x00|"), (4, GOOD.encode())]
    damaged: list[Damage] = []
    layout = layout_of(HEADER)
    assert layout is not None
    reader = Reader(layout, lambda damage, _: damaged.append(damage))
    [frame] = reader.frames(reader_lines)
    assert frame["line"].to_list() == [4]
    assert [one.line for one in damaged] == [2, 3]


def test_a_flood_of_broken_lines_is_gone_through_once() -> None:
    rows, damaged, _ = read("8|x\n" * 5_000 + GOOD)
    assert len(rows) == 1
    assert len(damaged) == 5_000


def test_a_flood_of_delimiters_is_no_record() -> None:
    rows, damaged, _ = read("8" + "|" * 1_000_000 + "\n" + GOOD)
    assert len(rows) == len(damaged) == 1


def test_records_of_one_job_stay_in_one_piece() -> None:
    layout = Layout("|", ("JobIDRaw", "State"))
    reader = Reader(layout, lambda *_: None)
    lines = [(n, f"{n // 10}.{n % 10}|COMPLETED".encode()) for n in range(60_003)]
    frames = list(reader.frames(lines))
    assert len(frames) > 1
    ids = [set(frame["job_raw"].str.extract(r"^(\d+)")) for frame in frames]
    assert all(not a & b for a, b in pairwise(ids))
    assert sum(frame.height for frame in frames) == 60_003


def test_the_format_without_header_has_its_fields_in_place() -> None:
    line = (
        "163485|163485|phillips|focaccia|chestnut|chaff|chaff|45789|noror|380693|"
        "2016-12-22T07:15:12|2016-12-22T07:15:12|2016-12-22T07:15:13|2017-01-01T20:42:19|"
        "10-13:27:06|0:0|CANCELLED by 380693|1|12|12|31000Mn|cpu=12,node=1|"
        "billing=12,cpu=12,gres/gpu=2,mem=31000M,node=1|37-14:00:00|cpn-f11-31|a|name"
    )
    [row], damaged, _ = read(line, Layout("|", SACCT_26))
    assert damaged == []
    assert (row["name"], row["node_list"], row["limit"]) == ("a|name", "cpn-f11-31", "37-14:00:00")
