from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_collector.kpi.registry import REGISTRY
from wattline_collector.simulated.shape import DAY_MS
from wattline_collector.simulated.year import factory, meters
from wattline_collector.simulated.year.check import UNPLANTED, Compared, expectations
from wattline_collector.simulated.year.expected import Expected
from wattline_collector.simulated.year.grants import COMMERCIAL
from wattline_collector.simulated.year.plan import Plan
from wattline_collector.simulated.year.planted import Hole, What
from wattline_collector.simulated.year.truth import Happened, happened


@pytest.fixture(scope="module")
def found(planned: Plan) -> Happened:
    return happened(planned)


@pytest.fixture(scope="module")
def whole(planned_whole: Plan) -> Happened:
    return happened(planned_whole)


def test_accounts_add_up_to_all_device_time(found: Happened) -> None:
    extent = found.plan.extent
    assert found.total("ms") == pytest.approx(24 * extent.days * DAY_MS, rel=1e-12)
    assert set(found.sums["account"]) == {
        "busy", "slowed", "held", "lost", "unmeasured", "free", "maintenance", "down", "unobserved",
    }  # fmt: skip


def test_maintenance_is_what_the_scheduled_outages_took(found: Happened) -> None:
    hours = sum(
        len(event.nodes) * 4 * (event.end_ms - event.start_ms) / 3_600_000
        for event in found.plan.planted.events
        if event.what is What.SCHEDULED
    )
    assert found.hours("maintenance") == pytest.approx(hours)


def test_holes_take_time_from_its_accounts_and_no_energy(found: Happened, whole: Happened) -> None:
    assert whole.hours("unmeasured", "unobserved") == 0
    gone = found.hours("unmeasured", "unobserved")
    assert gone > 0
    for account in ("maintenance", "down"):
        assert found.hours(account) == pytest.approx(whole.hours(account))
    others = ("busy", "slowed", "held", "lost", "free")
    assert found.hours(*others) + gone == pytest.approx(whole.hours(*others))
    assert found.total("node_joules") == pytest.approx(whole.total("node_joules"), rel=1e-12)
    assert found.samples < whole.samples < found.samples_expected == whole.samples_expected


def test_jobs_hold_their_devices_for_as_long_as_they_run(whole: Happened) -> None:
    held = dict(whole.by_job.select("job", "ms").iter_rows())
    for job in whole.plan.jobs:
        assert held[job.number] / 3_600_000 == pytest.approx(job.gpu_hours)


def test_the_weeks_of_the_meters_are_the_energy_of_the_nodes(found: Happened) -> None:
    it = meters.total(found, "ups-a")
    assert it == pytest.approx(found.total("node_joules") * meters.OTHER_IT, rel=1e-9)
    assert meters.total(found, "feed-a") / it == pytest.approx(meters.PUE, abs=meters.PUE_SWING)
    gap = next(m for m in found.plan.planted.missing if m.hole is Hole.NO_METER)
    unread = [week for week in meters.weeks(found) if not week.is_read]
    assert (unread[0].start_ms, unread[-1].end_ms) == (gap.start_ms, gap.end_ms)


def test_the_entitlement_makes_the_commercial_part_what_is_planted(found: Happened) -> None:
    sold = sum(one.job.gpu_hours for one in found.plan.charged if one.grant is COMMERCIAL)
    entitled = factory.gpu_hours_per_year(found) * found.plan.extent.days / 365
    assert sold / (entitled * factory.union_share(found)) == pytest.approx(0.21, rel=1e-12)
    assert factory.union_share(found) < 0.5


def test_every_figure_is_a_number_and_none_is_expected_twice(found: Happened) -> None:
    figures = expectations(found)
    known = [one.value for one in figures if one.value is not None]
    assert all(math.isfinite(value) for value in known)
    assert all(one.tolerance >= 0 for one in figures)
    keys = [(one.id, one.side, tuple(sorted(one.dims.items()))) for one in figures]
    assert len(set(keys)) == len(keys) > 60
    assert all(one.why for one in figures)


def test_every_kpi_has_a_truth(found: Happened, whole: Happened) -> None:
    assert not UNPLANTED.keys() - REGISTRY.keys()
    assert all(UNPLANTED.values())
    for year in (found, whole):
        assert {one.id for one in expectations(year)} == REGISTRY.keys() - UNPLANTED.keys()


def test_few_figures_cannot_be_known(found: Happened) -> None:
    unknown = {one.id for one in expectations(found) if one.value is None}
    known = {one.id for one in expectations(found) if one.value is not None}
    assert unknown == {"E05", "Q05"}
    assert known == REGISTRY.keys()


def test_energy_of_jobs_by_the_hour_is_all_of_it(found: Happened) -> None:
    assert len(found.job_joules) == 24 * found.plan.extent.days
    whole = float(found.by_job["node_joules"].sum())
    assert math.fsum(found.job_joules) == pytest.approx(whole, rel=1e-12)
    busy = sum(joules > 0 for joules in found.job_joules)
    assert 0.9 < busy / len(found.job_joules) < 1


def test_a_figure_that_cannot_be_known_must_be_told_to_be_unknown() -> None:
    wanted = Expected("X", None)
    assert wanted.holds(None)
    assert not wanted.holds(0.0)
    assert Compared(wanted, _figure(None, Status.UNKNOWN)).holds
    # Neither a figure that was withheld nor one that is not there says so.
    assert not Compared(wanted, _figure(None, Status.WITHHELD)).holds
    assert not Compared(wanted, _figure(0.0, Status.OK)).holds
    assert not Compared(wanted, None).holds


def _figure(value: float | None, status: Status) -> Figure:
    period = Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC))
    return Figure("X", "x", "1", value, None, None, 0, None, "", status, period)


def test_a_figure_holds_within_its_tolerance_and_not_beyond() -> None:
    wanted = Expected("X", 200.0, relative=0.01)
    assert wanted.holds(198.0)
    assert wanted.holds(202.0)
    assert not wanted.holds(197.9)
    assert not wanted.holds(None)
    assert Expected("X", 200.0, relative=0.01, absolute=5.0).holds(195.0)
