from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import InputError
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.records import JOBS
from wattline_collector.ledger.superseded import changed_rows, facts_at, keep_facts

DAY = 86_400_000


def _jobs(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{"system": "s", **row} for row in rows], schema=JOBS)


RUNNING = {"job": "1", "start_ms": 5, "seen_ms": 50, "step_highest": 3}
ENDED = {"job": "1", "start_ms": 5, "end_ms": 90, "seen_ms": 80, "step_highest": 7}


def _kept(before: pl.DataFrame, after: pl.DataFrame) -> list[tuple[str, bool]]:
    return list(changed_rows("jobs", before, after, 100).select("job", "_was_there").iter_rows())


def test_only_rows_that_changed_are_kept() -> None:
    other = {"job": "2", "start_ms": 6}
    assert _kept(_jobs(RUNNING, other), _jobs(ENDED, other)) == [("1", True)]


def test_a_job_that_goes_on_running_is_no_change() -> None:
    later = {**RUNNING, "seen_ms": 60, "step_highest": 4}
    assert _kept(_jobs(RUNNING), _jobs(later)) == []
    assert _kept(_jobs({**RUNNING, "seen_ms": None}), _jobs(RUNNING)) == [("1", True)]


def test_of_a_job_that_has_ended_everything_counts() -> None:
    assert _kept(_jobs(ENDED), _jobs({**ENDED, "step_highest": 8})) == [("1", True)]


def test_rows_that_come_and_go_are_told_apart() -> None:
    new = {"job": "9", "start_ms": 1}
    assert _kept(_jobs(RUNNING), _jobs(RUNNING, new)) == [("9", False)]
    assert _kept(_jobs(RUNNING, new), _jobs(RUNNING)) == [("9", True)]


def test_a_file_is_read_as_it_was_at_any_moment(tmp_path: Path) -> None:
    books = Books(tmp_path)
    states = [
        (0, _jobs()),
        (10, _jobs(RUNNING)),
        (DAY + 10, _jobs(ENDED, {"job": "2"})),
        (DAY + 20, _jobs({**ENDED, "project": "p"}, {"job": "2"})),
        (3 * DAY, _jobs({"job": "2"})),
    ]
    for (_, before), (at_ms, after) in pairwise(states):
        keep_facts(books, "jobs", before, after, at_ms)
    now = states[-1][1]
    for number, (at_ms, state) in enumerate(states):
        ends = [after for after, _ in states[number + 1 :]] or [at_ms + DAY]
        for when in (at_ms, ends[0] - 1):
            assert facts_at(books.root, "jobs", now, when).equals(state.sort("job")), when
    names = sorted(path.name for path in (books.root / "superseded/facts/jobs").iterdir())
    assert names == ["1970-01-01.parquet", "1970-01-02.parquet", "1970-01-04.parquet"]


def test_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    books = Books(tmp_path)
    keep_facts(books, "jobs", _jobs(), _jobs(RUNNING), 10)
    path = books.root / "superseded/facts/jobs/1970-01-01.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"1970-01-01\.parquet: cannot be read; move it away"):
        facts_at(books.root, "jobs", _jobs(RUNNING), 5)
