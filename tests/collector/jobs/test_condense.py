import polars as pl
from polars.testing import assert_frame_equal

from wattline_collector.jobs.condense import (
    ACCOUNTED,
    NODE_STATES,
    merge_accounting,
    merge_node_states,
    newest,
)


def said(time_ms: int, job: str, **more: object) -> dict[str, object]:
    return {"system": "a", "node": "slurm", "period_ms": 0, "time_unix_ms": time_ms, "job": job,
            "scheduler": "slurm", **more}  # fmt: skip


def test_the_newest_statement_of_each_value_counts_and_nulls_take_nothing_away() -> None:
    rows = pl.DataFrame(
        [
            said(30, "1", state="completed", end_unix_ms=25, user=None),
            said(10, "1", state="running", start_unix_ms=5, user="eve", end_unix_ms=None),
        ]
    )
    merged = merge_accounting(ACCOUNTED.to_frame(), rows)
    [job] = merged.to_dicts()
    assert (job["state"], job["start_ms"], job["end_ms"]) == ("completed", 5, 25)
    assert (job["user"], job["stated_ms"]) == ("eve", 30)
    assert merged.schema == ACCOUNTED


def test_rows_in_parts_come_to_what_they_come_to_together() -> None:
    told = [(1, "2", "pending"), (2, "1", "running"), (3, "2", "running"), (4, "3", "failed")]
    rows = [said(time, job, state=state) for time, job, state in told]
    together = merge_accounting(ACCOUNTED.to_frame(), pl.DataFrame(rows))
    parts = ACCOUNTED.to_frame()
    for row in rows:
        parts = merge_accounting(parts, pl.DataFrame([row]))
    assert_frame_equal(parts.sort("job"), together)
    assert together["job"].to_list() == ["1", "2", "3"]


def test_one_key_on_two_systems_is_two_jobs() -> None:
    rows = pl.DataFrame([said(1, "1"), {**said(1, "1"), "system": "b"}])
    assert merge_accounting(ACCOUNTED.to_frame(), rows)["system"].to_list() == ["a", "b"]


def test_no_rows_change_nothing() -> None:
    known = merge_accounting(ACCOUNTED.to_frame(), pl.DataFrame([said(1, "1")]))
    assert merge_accounting(known, pl.DataFrame()) is known


def test_an_open_state_of_a_node_gets_its_end_and_keeps_it() -> None:
    row = {"system": "a", "host": "n1", "state": "drain", "reason": "xid 79", "start_unix_ms": 5}
    rows = pl.DataFrame(
        [
            {**row, "time_unix_ms": 10, "end_unix_ms": None},
            {**row, "time_unix_ms": 20, "end_unix_ms": 18},
            {**row, "time_unix_ms": 15, "end_unix_ms": None},
        ],
        {**{name: pl.String for name in ("system", "host", "state", "reason")},
         **{name: pl.Int64 for name in ("start_unix_ms", "time_unix_ms", "end_unix_ms")}},
    )  # fmt: skip
    merged = merge_node_states(NODE_STATES.to_frame(), rows)
    assert merged.rows() == [("a", "n1", "drain", "xid 79", 5, 18, 20)]


def test_a_few_columns_condense_alone() -> None:
    rows = pl.DataFrame([said(1, "1", gpus=4), said(2, "1", gpus=None)])
    found = newest(rows.select("system", "job", "time_unix_ms", "gpus"))
    assert found.to_dicts() == [{"system": "a", "job": "1", "gpus": 4, "stated_ms": 2}]
