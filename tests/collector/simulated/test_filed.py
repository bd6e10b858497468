from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattline_collector.history import write_and_book
from wattline_collector.kpi.query import figures
from wattline_collector.profile.kept import profile_of
from wattline_collector.registers import projects
from wattline_collector.simulated import filed
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import DAY_MS, Shape
from wattline_collector.store.store import Store

PRESENT = datetime(2026, 11, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Schedule]:
    """Two days of a small factory, booked and filed."""
    path = tmp_path_factory.mktemp("filed") / "store"
    present_ms = round(PRESENT.timestamp() * 1000)
    shape = Shape.living(nodes=4, devices=4, seed=7, present_ms=present_ms, history_ms=2 * DAY_MS)
    schedule = plan(shape)
    with Store.open(path, write=True) as store:
        write_and_book(store, schedule)
        filed.file(path, schedule, PRESENT)
    return path, schedule


def test_every_project_that_ran_is_in_the_register(made: tuple[Path, Schedule]) -> None:
    path, schedule = made
    known = projects(path)
    assert set(known["project"]) == {job.project for job in schedule.jobs}
    assert known["commercial"].any() and not known["commercial"].all()


def test_the_profile_holds_and_says_what_the_shape_is(made: tuple[Path, Schedule]) -> None:
    found = profile_of(made[0])
    assert found is not None
    (device,) = found.systems["sim"].devices.values()
    assert device.count == 16
    assert not (made[0] / "simulated-profile.toml").exists()


def test_figures_for_management_are_known(made: tuple[Path, Schedule]) -> None:
    found = {
        one.id: one
        for one in figures(made[0], ["S03", "S04", "S05", "U04", "I05"])
        if set(one.dims.values()) <= {"all", "projects", "sim"}
    }
    assert found["S03"].value == pytest.approx(1 + filed.COOLING)
    assert found["S05"].value == pytest.approx(filed.REUSED / (1 + filed.COOLING))
    for id in ("S04", "I05"):
        assert found[id].value, found[id].note
    assert found["U04"].value, found["U04"].note


def test_carbon_is_known_by_the_hour_too(made: tuple[Path, Schedule]) -> None:
    ways = {one.dims["way"]: one.value for one in figures(made[0], ["S13"])}
    assert ways["location_annual"] and ways["location_hourly"]


def test_a_factory_without_a_past_has_no_meter_readings(tmp_path: Path) -> None:
    present_ms = round(PRESENT.timestamp() * 1000)
    shape = Shape(nodes=1, devices=1, seed=1, start_ms=present_ms, present_ms=present_ms,
                  end_ms=present_ms + DAY_MS)  # fmt: skip
    assert filed.readings(tmp_path, shape) == []
