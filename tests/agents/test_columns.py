from wattline_agents.columns import ColumnRow, ColumnRows, by_columns, columns_of
from wattline_agents.wire import Row

ROWS: list[Row] = [
    {"device": "GPU-0", "up": 1, "power_watts": 412.5},
    {"device": "GPU-1", "up": 0},
    {"device": "GPU-2", "up": 1, "power_watts": None},
]


def held() -> ColumnRows:
    rows = ColumnRows()
    rows.rows += [ColumnRow.of(row) for row in ROWS]
    return rows


def test_columns_of_the_same_names_are_the_same_object() -> None:
    first, _, third = held().rows
    assert first.columns is third.columns is columns_of(("device", "up", "power_watts"))


def test_rows_are_those_they_were_made_of_to_whoever_does_not_know_of_columns() -> None:
    rows = held()
    assert rows == ROWS
    assert [dict(row) for row in rows] == ROWS
    assert (len(rows), rows[-1], rows[:2]) == (3, ROWS[-1], ROWS[:2])
    assert rows != ROWS[:2]
    assert rows != "rows"
    assert repr(rows) == repr(ROWS)


def test_a_column_that_is_not_there_is_null_and_one_that_is_keeps_its_value() -> None:
    row = ColumnRow.of(ROWS[1])
    assert (row.get("up"), row.get("power_watts")) == (0, None)
    row.set("up", 1)
    assert row.as_dict() == {"device": "GPU-1", "up": 1}


def test_a_row_takes_one_more_column_or_another_value_in_its_place() -> None:
    one, other = ColumnRow.of(ROWS[1]), ColumnRow.of({"device": "GPU-3", "up": 1})
    assert one.extended("read_timeouts_total", 2).as_dict() == {**ROWS[1], "read_timeouts_total": 2}
    assert other.extended("read_timeouts_total", 0).columns is one.columns
    assert one.extended("read_timeouts_total", 3).get("read_timeouts_total") == 3


def test_rows_of_either_kind_are_seen_by_columns() -> None:
    rows = held()
    assert by_columns(rows) is rows.rows
    assert [row.as_dict() for row in by_columns(ROWS)] == ROWS
