from collections.abc import Callable
from typing import Any

from wattline_collector.imports.standing_still import Stillness

RowOf = Callable[..., dict[str, Any]]


def run(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Stillness]:
    stillness = Stillness()
    out = [given for row in rows for given in stillness.take(row)]
    return [*out, *stillness.rest()], stillness


def test_a_sensor_that_lives_is_passed_on_as_it_is(row_of: RowOf) -> None:
    rows, stillness = run([row_of(i, 100.0 + i % 7 / 100) for i in range(300)])
    assert [row["power_watts"] for row in rows] == [100.0 + i % 7 / 100 for i in range(300)]
    assert {row["power_stale"] for row in rows} == {0}
    assert stillness.left_out == 0


def test_a_sensor_that_dies_is_left_out_from_the_moment_it_stood_still(row_of: RowOf) -> None:
    rows, stillness = run(
        [row_of(i, 100.0 + i / 100) for i in range(10)]
        + [row_of(i, 46.19) for i in range(10, 200)]
        + [row_of(i, 100.0 + i / 100) for i in range(200, 210)]
    )
    stale = [row["time_unix_ms"] % 1_000_000 // 1000 for row in rows if row["power_stale"]]
    assert stale == list(range(10, 200))
    assert all(row["power_watts"] is None for row in rows if row["power_stale"])
    assert all(row["power_watts"] is not None for row in rows if not row["power_stale"])
    assert stillness.left_out == 190


def test_rows_come_out_in_the_order_in_which_they_came(row_of: RowOf) -> None:
    rows, _ = run([row_of(i, 46.0) for i in range(500)])
    times = [row["time_unix_ms"] for row in rows]
    assert times == sorted(times)
    assert len(times) == 500


def test_whole_watts_on_an_idle_device_are_no_reason_to_doubt(row_of: RowOf) -> None:
    rows, _ = run([row_of(i, 46.0, busy_ratio=0.0) for i in range(500)])
    assert {row["power_stale"] for row in rows} == {0}


def test_few_rows_wait_however_long_a_sensor_stands_still(row_of: RowOf) -> None:
    stillness = Stillness()
    given = sum(len(list(stillness.take(row_of(i, 46.0)))) for i in range(5_000))
    assert 5_000 - given < 70


def test_a_row_without_power_says_nothing_of_the_sensor(row_of: RowOf) -> None:
    rows, _ = run([row_of(0, 46.19), row_of(1, None), row_of(2, 46.19)])
    assert [row.get("power_stale") for row in rows] == [0, None, 0]
