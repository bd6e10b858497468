"""Every worked example of docs/formulas.md and docs/capability.md, computed again."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from wattline_collector.capability.burn_down import MS_PER_DAY, Milestone, burn_down
from wattline_collector.capability.checkpoints import checkpoints
from wattline_collector.capability.commercial_guard import Alarm, guard, union_hours
from wattline_collector.capability.projection import Plan, project, requirement_table
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi.availability import availability
from wattline_collector.kpi.carbon import FACTORS, Instrument, side_by_side
from wattline_collector.kpi.outages import tally
from wattline_collector.kpi.quantiles import GROWTH
from wattline_collector.kpi.reliability import job_mtti
from wattline_collector.kpi.sustainability import erf, merged, published_average, pue, ref, wue
from wattline_collector.kpi.users import gini
from wattline_collector.kpi.waiting import waits
from wattline_collector.registers.schema import OUTAGES

DOCS = Path(__file__).parents[2] / "docs"
HOUR = 3_600_000
KWH = 3.6e6


@pytest.fixture(scope="module")
def page() -> str:
    return words("formulas.md")


def words(name: str) -> str:
    """A page in one line, without the marks of its quotes."""
    text = (DOCS / name).read_text().replace("\n> ", " ")
    return re.sub(r"\s+", " ", text)


def test_availability(page: str) -> None:
    found = availability(8760, 120, 60, 6, 10)
    assert (
        f"SA {found.sa:.5f}, OA {found.oa:.5f}, MTTI {found.mtti_hours:.2f} h, "
        f"MTTF {found.mttf_hours:.2f} h." in page
    )


def test_outages_of_parts(page: str) -> None:
    nodes = [f"n{i}" for i in range(10)]
    log = pl.DataFrame(
        [
            {"scope": "rack", "name": "r", "start_ms": 0, "end_ms": 10 * HOUR, "scheduled": False},
            {"scope": "node", "name": "n0", "start_ms": 5 * HOUR, "end_ms": 15 * HOUR,
             "scheduled": False},
        ],
        schema=OUTAGES.schema,
    )  # fmt: skip
    found = tally(log, nodes, start_ms=0, end_ms=100 * HOUR, members={("rack", "r"): nodes[:5]})
    assert f"U = {found.unscheduled_hours:g} h, n_u = {found.unscheduled}." in page


def test_interruptions(page: str) -> None:
    rows = [
        {"system": "s", "job": str(i), "gpus": 1000, "start_ms": 0, "end_ms": 8 * HOUR,
         "state": "node_fail"}
        for i in range(3)
    ]  # fmt: skip
    found = job_mtti(pl.DataFrame(rows, schema=ACCOUNTED), start_ms=0, end_ms=9 * HOUR)
    assert (
        f"{found.device_hours:,.0f} GPU-hours and {found.interrupts} interruptions: "
        f"{found.per_thousand_hours:g} h for a job" in page
    )


def test_expansion(page: str) -> None:
    rows = [
        {"system": "s", "job": str(run), "gpus": 8, "submit_ms": 0, "start_ms": 2 * HOUR,
         "end_ms": (2 + run) * HOUR}
        for run in (1, 10)
    ]  # fmt: skip
    found = waits(pl.DataFrame(rows, schema=ACCOUNTED), start_ms=0, end_ms=20 * HOUR)
    assert f"= {found['expansion'][0]:.4f}." in page
    assert f"buckets that grow by {GROWTH - 1:.2%} each".replace("%", " %") in page


def test_evenness(page: str) -> None:
    assert f"1, 2, 3 and 4 GPU-hours: {gini([1, 2, 3, 4]):.2f}." in page


def test_data_centre(page: str) -> None:
    e_dc, e_it = 26.28e6 * KWH, 21.9e6 * KWH
    renewable = ref(20e6 * KWH, 3e6 * KWH, 0.5e6 * KWH, e_dc)
    assert (
        f"PUE {pue(e_dc, e_it):.4g}, WUE {wue(8760.0, e_it):.4g}, "
        f"ERF {erf(5.256e6 * KWH, e_dc):.4g}, REF {renewable:.5f}." in page
    )
    centres = [(1.2, 1200.0), (1.5, 150.0), (1.1, 220.0)]
    both = merged([(weight, weight / value) for value, weight in centres])
    assert f"merged {both:.4f}, published {published_average(centres):.4f}." in page


def test_carbon(page: str) -> None:
    rows = [(0.070, 2026, None, "consumption"), (0.400, 2026, None, "residual"),
            (0.050, None, 1_780_272_000_000, "consumption"),
            (0.100, None, 1_780_272_000_000 + HOUR, "consumption")]  # fmt: skip
    factors = pl.DataFrame(
        [{"value": v, "zone": "Z", "year": y, "hour_ms": h, "method": m} for v, y, h, m in rows],
        schema=FACTORS,
    )
    energy = pl.DataFrame(
        {
            "hour_ms": [1_780_272_000_000, 1_780_272_000_000 + HOUR],
            "joules": [100 * KWH, 50 * KWH],
        }
    )
    origin = [Instrument("GOO", 120 * KWH, 0.0, 2026)]
    annual, hourly, market = (one.kg for one in side_by_side(energy, factors, "Z", origin))
    assert f"{annual:g} kg, {hourly:g} kg and {market:g} kg." in page


def test_burn_down(page: str) -> None:
    start = 1_767_225_600_000  # 2026-01-01
    found = burn_down(
        1000.0, [(start + 90 * MS_PER_DAY, 150.0)], start_ms=start,
        end_ms=start + 365 * MS_PER_DAY, now_ms=start + 90 * MS_PER_DAY,
        milestones=[Milestone(6, 0.4)],
    )  # fmt: skip
    assert found.pace is not None
    assert found.forecast_share is not None
    due = found.milestones[0].share
    assert due is not None
    assert (
        f"pace {found.pace:.4f}, {100 * found.forecast_share:.1f} % at the end, "
        f"and {100 * due:.1f} % when" in page
    )


def test_commercial_guard(page: str) -> None:
    total = union_hours(1000 * 8760.0, 0.5)
    found = guard(919_800.0, total)
    assert found.alarm is Alarm.OVER
    assert found.share is not None
    assert found.hours_left is not None
    assert f"{total:,.0f} GPU-hours. 919,800 commercial ones are {100 * found.share:.0f} %" in page
    assert f"over the limit, by {-found.hours_left:,.0f}." in page


def test_checkpoints(page: str) -> None:
    found = checkpoints(1800.0, 60.0, 8 * 3600.0)
    assert found is not None
    assert (
        f"overhead {100 * found.overhead:.2f} %, best interval {found.best_seconds:,.0f} s, "
        f"{found.interval_over_best:.3f} of it." in page
    )


def test_the_table_of_devices() -> None:
    page = words("capability.md")
    tokens = {"0.2 T": 0.2e12, "1 T": 1e12, "2 T": 2e12, "15 T": 15e12}
    rows = requirement_table(list(tokens.values()), [989e12, 312e12])
    for name, row in zip(tokens, rows, strict=True):
        first, second = row["devices"]
        flops = f"{row['flops']:.2g}".replace("e+", "e")
        sustained = f"{row['sustained_flops'] / 1e15:.3g}"
        line = f"| {name} | {flops} | {sustained} PFLOP/s | {first:,.1f} | {second:,.1f} |"
        assert line in page
    late = project(Plan(10e9, 1e12, 43, 989e12, 0.40, 0.90)).days - 45
    assert 8 < late * 24 < 9
    assert "43 would miss the 45 days by over eight hours" in page
