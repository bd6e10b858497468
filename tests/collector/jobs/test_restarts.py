from __future__ import annotations

import polars as pl
import pytest

from wattline_collector.jobs.restarts import KNOWN, LINES, each_line, known_of, numbered


def runs(*rows: tuple[str, int | None, int | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [(*row, None) for row in rows],
        {"job": pl.String, "submit_unix_ms": pl.Int64, "restarts": pl.Int64,
         "array_job": pl.String},
        orient="row",
    )  # fmt: skip


def keys(rows: pl.DataFrame) -> list[tuple[str, int]]:
    return list(rows.select("job", "restarts").iter_rows())


def test_an_id_with_one_run_keeps_it_as_its_key() -> None:
    assert keys(numbered(runs(("1", 10, None), ("2", 10, None)), KNOWN.to_frame())) == [
        ("1", 0),
        ("2", 0),
    ]


def test_runs_of_one_id_are_numbered_by_their_submission() -> None:
    rows = runs(("1", 30, None), ("1", 10, None), ("2", 5, None), ("1", 20, None))
    assert keys(numbered(rows, KNOWN.to_frame())) == [("1.2", 2), ("1", 0), ("2", 0), ("1.1", 1)]


def test_a_run_keeps_its_number_and_a_later_one_follows() -> None:
    known = known_of(numbered(runs(("1", 10, None), ("1", 20, None)), KNOWN.to_frame()))
    later = numbered(runs(("1", 30, None), ("1", 20, None)), known)
    assert keys(later) == [("1.2", 2), ("1.1", 1)]


def test_what_slurm_says_of_restarts_counts_before_what_is_counted() -> None:
    assert keys(numbered(runs(("1", 30, 4)), KNOWN.to_frame())) == [("1.4", 4)]
    rows = runs(("1", 30, 4), ("1", 40, None))
    assert keys(numbered(rows, KNOWN.to_frame())) == [("1.4", 4), ("1.5", 5)]


def test_steady_answers_give_steady_keys() -> None:
    answer = runs(("7", 10, None), ("7", 20, None), ("8", 20, None))
    first = numbered(answer, KNOWN.to_frame())
    again = numbered(answer, known_of(first))
    assert keys(first) == keys(again)


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_every_line_of_a_table_is_a_job_wherever_it_is_cut(cut: int) -> None:
    rows = runs(("1", 10, None), ("1", 10, None), ("2", 10, None), ("1", 10, None))
    before = LINES.to_frame()
    found = []
    for part in (rows[:cut], rows[cut:]):
        numbered_part, before, _ = each_line(part, before)
        found += numbered_part["job"].to_list()
    assert found == ["1", "1_1", "2", "1_2"]
