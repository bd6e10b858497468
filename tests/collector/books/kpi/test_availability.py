from __future__ import annotations

import polars as pl
import pytest

from wattline_collector.kpi.availability import availability, of_tally, sla
from wattline_collector.kpi.outages import repair, tally
from wattline_collector.registers.schema import OUTAGES

HOUR = 3_600_000
START = 1_793_491_200_000  # 2026-11-01T00:00Z
NODES = [f"n{i}" for i in range(10)]


def outages(*rows: tuple[str, str | None, float, float | None, bool]) -> pl.DataFrame:
    """`scope`, `name`, start and end in hours, and whether it was scheduled."""
    made = [
        {"system": None, "scope": scope, "name": name, "start_ms": START + round(start * HOUR),
         "end_ms": None if end is None else START + round(end * HOUR), "scheduled": scheduled}
        for scope, name, start, end, scheduled in rows
    ]  # fmt: skip
    return pl.DataFrame(made, schema=OUTAGES.schema)


def test_the_check_vector_of_the_operational_assessments() -> None:
    found = availability(8760, 120, 60, 6, 10)
    assert found.sa == pytest.approx(0.99306, abs=5e-6)
    assert found.oa == pytest.approx(0.97945, abs=5e-6)
    assert found.mtti_hours == pytest.approx(504.71, abs=5e-3)
    assert found.mttf_hours == pytest.approx(790.91, abs=5e-3)


def test_a_period_without_outages_is_whole() -> None:
    found = availability(720, 0, 0, 0, 0)
    assert (found.sa, found.oa, found.mtti_hours, found.mttf_hours) == (1.0, 1.0, 720, 720)


def test_ratios_without_anything_below_the_line_are_not_known() -> None:
    planned = availability(100, 100, 0, 1, 0)
    assert (planned.sa, planned.oa) == (None, 0.0)
    nothing = availability(0, 0, 0, 0, 0)
    assert (nothing.oa, nothing.mtti_hours) == (None, None)


@pytest.mark.parametrize("wrong", [(10, 8, 3, 1, 1), (10, -1, 0, 0, 0), (-1, 0, 0, 0, 0)])
def test_outages_longer_than_their_period_are_refused(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not outages"):
        availability(*wrong)


def test_the_check_vector_comes_out_of_an_outage_log() -> None:
    rows: list[tuple[str, str | None, float, float | None, bool]] = []
    rows += [("system", None, 100.0 + i * 1000, 120.0 + i * 1000, True) for i in range(6)]
    rows += [("system", None, 530.0 + i * 800, 536.0 + i * 800, False) for i in range(10)]
    found = tally(outages(*rows), NODES, start_ms=START, end_ms=START + 8760 * HOUR)
    assert (found.scheduled_hours, found.unscheduled_hours) == (120, 60)
    assert (found.scheduled, found.unscheduled) == (6, 10)
    assert of_tally(found).sa == pytest.approx(0.99306, abs=5e-6)


def test_outages_that_overlap_are_merged() -> None:
    log = outages(
        ("system", None, 10, 20, False), ("system", None, 15, 25, False),
        ("system", None, 25, 30, False), ("system", None, 12, 13, False),
    )  # fmt: skip
    found = tally(log, NODES, start_ms=START, end_ms=START + 100 * HOUR)
    assert (found.unscheduled_hours, found.unscheduled) == (20, 1)


def test_a_moment_in_both_kinds_is_scheduled() -> None:
    log = outages(("system", None, 10, 20, True), ("system", None, 15, 30, False))
    found = tally(log, NODES, start_ms=START, end_ms=START + 100 * HOUR)
    assert (found.scheduled_hours, found.unscheduled_hours) == (10, 10)
    assert (found.scheduled, found.unscheduled) == (1, 1)
    within = outages(("system", None, 10, 20, True), ("system", None, 12, 15, False))
    inside = tally(within, NODES, start_ms=START, end_ms=START + 100 * HOUR)
    assert (inside.unscheduled_hours, inside.unscheduled) == (0, 0)


def test_parts_of_a_system_count_by_their_nodes_and_interrupt_nobody_else() -> None:
    members = {("rack", "r1"): NODES[:5], ("partition", "gpu"): NODES[:8]}
    log = outages(
        ("rack", "r1", 0, 10, False),  # 5 nodes, of which 1 is out anyway
        ("node", "n0", 5, 15, False),
        ("node", "elsewhere", 0, 90, False),
        ("partition", "gpu", 50, 55, True),
    )
    found = tally(log, NODES, start_ms=START, end_ms=START + 100 * HOUR, members=members)
    assert found.unscheduled_hours == pytest.approx((50 + 5) / 10)
    assert found.scheduled_hours == pytest.approx(40 / 10)
    assert (found.scheduled, found.unscheduled, found.unplaced) == (0, 0, ())
    half = tally(
        log, NODES, start_ms=START, end_ms=START + 100 * HOUR, members=members, system_share=0.5
    )
    assert (half.scheduled, half.unscheduled) == (1, 1)


def test_racks_that_fail_together_are_an_outage_of_the_system() -> None:
    members = {("rack", "r1"): NODES[:5], ("rack", "r2"): NODES[5:]}
    log = outages(("rack", "r1", 0, 10, False), ("rack", "r2", 8, 20, False))
    found = tally(log, NODES, start_ms=START, end_ms=START + 100 * HOUR, members=members)
    assert (found.unscheduled_hours, found.unscheduled) == (11, 1)


def test_what_cannot_be_placed_is_named_and_not_counted() -> None:
    log = outages(("rack", "r9", 0, 10, False))
    found = tally(log, NODES, start_ms=START, end_ms=START + 100 * HOUR)
    assert (found.unscheduled_hours, found.unplaced) == (0, ("rack r9",))


def test_only_what_is_in_the_period_counts_and_what_goes_on_goes_to_its_end() -> None:
    log = outages(
        ("system", None, -5, 5, False), ("system", None, 90, None, False),
        ("system", None, 200, 210, False), ("system", None, -9, -6, False),
    )  # fmt: skip
    found = tally(log, NODES, start_ms=START, end_ms=START + 100 * HOUR)
    assert (found.unscheduled_hours, found.unscheduled, found.ongoing) == (15, 2, 1)


def test_an_outage_of_another_system_is_none_of_this_one() -> None:
    log = outages(("system", None, 0, 10, False), ("system", None, 20, 30, False)).with_columns(
        pl.Series("system", ["other", None])
    )
    found = tally(log, NODES, start_ms=START, end_ms=START + 100 * HOUR, system="mine")
    assert found.unscheduled_hours == 10


def test_an_empty_log_is_no_outage() -> None:
    found = tally(outages(), NODES, start_ms=START, end_ms=START + HOUR)
    assert of_tally(found).oa == 1.0
    with pytest.raises(ValueError, match="nodes and a period"):
        tally(outages(), [], start_ms=START, end_ms=START + HOUR)


def test_outage_hours_of_weeks_add_up_to_those_of_all_of_them() -> None:
    log = outages(
        ("system", None, 160, 175, False), ("system", None, 170, 190, True),
        ("node", "n3", 10, 400, False), ("node", "n3", 300, None, True),
    )  # fmt: skip
    weeks = [
        tally(log, NODES, start_ms=START + w * 168 * HOUR, end_ms=START + (w + 1) * 168 * HOUR)
        for w in range(4)
    ]
    whole = tally(log, NODES, start_ms=START, end_ms=START + 672 * HOUR)
    for name in ("scheduled_hours", "unscheduled_hours"):
        assert sum(getattr(week, name) for week in weeks) == pytest.approx(getattr(whole, name))


def test_time_to_repair_merges_and_leaves_out_what_is_not_over() -> None:
    log = outages(
        ("node", "n0", -3, 1, False), ("node", "n0", 0, 2, False),  # one of 5 hours
        ("node", "n1", 10, 11, False),
        ("node", "n2", 20, None, False),
        ("system", None, 30, 60, True),
        ("node", "n3", 50, 500, False),  # ends after the period
    )  # fmt: skip
    found = repair(log, start_ms=START, end_ms=START + 100 * HOUR)
    assert (found.n, found.mean_hours, found.p95_hours, found.ongoing) == (2, 3.0, 5.0, 1)
    nothing = repair(outages(), start_ms=START, end_ms=START + HOUR)
    assert (nothing.n, nothing.mean_hours, nothing.p95_hours) == (0, None, None)


def test_months_that_met_their_target() -> None:
    found = sla({"2026-01": 0.99, "2026-02": 0.95, "2026-03": None}, 0.99)
    assert (found.value, found.numerator, found.denominator) == (0.5, 1, 2)
    assert sla({"2026-01": None}, 0.99).value is None
