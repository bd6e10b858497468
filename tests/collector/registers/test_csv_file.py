import gzip
from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.registers import csv_file
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import PROJECTS
from wattline_collector.registers.taken import Taken


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "projects.csv"


def read(file: Path, content: str | bytes) -> Taken:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return csv_file.read(file, PROJECTS, Setting())


def titles(taken: Taken) -> dict[object, object]:
    return {row["project"]: row["title"] for row in taken.rows}


@pytest.mark.parametrize(
    "content",
    [
        "project,title\np1,one\n",
        "project;title\r\np1;one\r\n",
        "project\ttitle\np1\tone",
        "\ufeffproject,title\np1,one\n",
        '"project","title"\n"p1","one"\n',
        "Project , TITLE\n p1 , one \n",
        "sep=;\nproject;title\np1;one\n",
        "# a comment, with a comma\n\n,,\nproject,title\n# p0,none\np1,one\n;;\n",
        '"# a comment, as a spreadsheet quotes it",,\nproject,title,\np1,one,,,\n',
        "project,title\rp1,one\r",
    ],
)
def test_every_dialect_of_spreadsheets_gives_the_same(file: Path, content: str) -> None:
    taken = read(file, content)
    assert titles(taken) == {"p1": "one"}
    assert taken.damaged == []


def test_a_packed_file_is_unpacked(file: Path) -> None:
    assert titles(read(file, gzip.compress(b"project,title\np1,one\n"))) == {"p1": "one"}


def test_quoted_cells_hold_delimiters_and_quotes(file: Path) -> None:
    taken = read(file, 'project,title\np1,"a, ""b"", c"\n')
    assert titles(taken) == {"p1": 'a, "b", c'}


def test_a_damaged_row_is_named_by_line_and_field_and_the_others_stay(file: Path) -> None:
    taken = read(file, "project,state\np1,SI\n# x\np2,Slovenia\np3,AT\n")
    assert [row["project"] for row in taken.rows] == ["p1", "p3"]
    (damage,) = taken.damaged
    assert (damage.line, damage.field, damage.cells) == (4, "state", ("p2", "Slovenia"))
    assert str(taken.error(damage)).startswith(f"{file}:4: state: 'Slovenia' is not among")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('p2,"lost quote', "does not end on its line"),
        ('p2,"a"b', "write a quote twice"),
        ("p2", "has 1 cells, not 2"),
        ("p2,a,b", "has 3 cells, not 2; a cell that holds the delimiter stands in double quotes"),
        (b"p2,\xe9t\xe9", "is not UTF-8"),
        ("p2," + "x" * 70_000, "longer than"),
    ],
)
def test_one_broken_row_does_not_take_the_next_with_it(
    file: Path, row: str | bytes, reason: str
) -> None:
    line = row.encode() if isinstance(row, str) else row
    taken = read(file, b"project,title\n" + line + b"\np3,three\n")
    assert titles(taken) == {"p3": "three"}
    assert [damage.line for damage in taken.damaged] == [2]
    assert reason in taken.damaged[0].reason


def test_a_row_that_says_the_same_again_is_one_row(file: Path) -> None:
    taken = read(file, "project,title\np1,one\np1,one\n")
    assert titles(taken) == {"p1": "one"}
    assert taken.damaged == []


def test_a_row_that_contradicts_an_earlier_one_is_set_aside(file: Path) -> None:
    taken = read(file, "project,title\np1,one\np1,two\n")
    assert titles(taken) == {"p1": "one"}
    assert "row 2 has the same system, project, account, valid_from" in taken.damaged[0].reason


def test_columns_without_a_place_are_left_out_and_said(file: Path) -> None:
    taken = read(file, "project,Budget\x1b[1m code\np1,4\n")
    assert taken.notes() == ["columns without a place here, left out: budget?[1m_code"]


@pytest.mark.parametrize(
    ("content", "field", "reason"),
    [
        ("", None, "holds no header; `wattline import --template projects` prints one"),
        ("one,two\n1,2\n", None, "is no header of projects"),
        ("title,state\n", "project", "missing in the header"),
        ("project,acess_mode\n", "acess_mode", "did you mean 'access_mode'?"),
        ("project,title,title\n", "title", "stands twice"),
        ("project\n".encode("utf-16"), None, "is UTF-16"),
        (b"PK\x03\x04\x00", None, "save the table as CSV"),
    ],
)
def test_a_file_of_another_kind_is_refused_whole(
    file: Path, content: str | bytes, field: str | None, reason: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(file, content)
    assert caught.value.field == field
    assert reason in caught.value.reason


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        csv_file.read(tmp_path / "none.csv", PROJECTS, Setting())


def test_a_file_of_a_gigabyte_is_not_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "MOST_BYTES", 20)
    with pytest.raises(InputError, match="larger than 20 bytes"):
        read(file, "project,title\np1,one\n")


def test_more_rows_than_a_register_has_are_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_collector.registers.taken.MOST_ROWS", 2)
    with pytest.raises(InputError, match="more than 2 rows"):
        read(file, "project\np1\np2\np3\n")


def test_no_row_of_noise_raises_anything(file: Path) -> None:
    noise = [
        bytes([byte]) * count for byte in range(256) for count in (1, 9) if byte not in (10, 13)
    ]
    taken = read(file, b"project,title\n" + b"\n".join(b"p," + part for part in noise))
    assert taken.rows
    assert all(damage.reason.isprintable() for damage in taken.damaged)


@pytest.mark.parametrize(("good", "is_mostly"), [(98, True), (99, False)])
def test_more_than_one_in_a_hundred_is_too_much(file: Path, good: int, is_mostly: bool) -> None:
    rows = "".join(f"p{number}\n" for number in range(good))
    assert read(file, f"project\n{rows}a b\n").is_mostly_damaged is is_mostly


def test_the_frame_has_the_types_of_the_register(file: Path) -> None:
    assert read(file, "project\np1\n").frame.schema == PROJECTS.schema
    assert read(file, "project\n").frame.schema == PROJECTS.schema
