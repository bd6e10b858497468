"""What was told on 31 January is told again, whatever was learned since."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import load
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.chain import chain_path
from wattline_collector.registers.kept import update
from wattline_collector.registers.schema import OUTAGES, PROJECTS
from wattline_collector.store.filenames import REGISTERS_DIR

HOUR = 3600
NONE: set[tuple[str, int]] = set()
KPIS = ("U01", "U02", "OEE", "S10", "S12", "E04", "P01", "P02")


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _project(name: str, category: str) -> pl.DataFrame:
    row = {"project": name, "user_category": category, "access_mode": "ai_factory"}
    frame = pl.DataFrame([row])
    return pl.concat([PROJECTS.schema.to_frame(), frame], how="diagonal").select(
        list(PROJECTS.schema)
    )


def access_time(view: Any) -> list[tuple[str | None, int]]:
    """Device-time that jobs held, by the category of their project: the 31 January report."""
    jobs = view.jobs.select("system", "job", "project")
    categories = view.projects.select("project", "user_category")
    return sorted(
        view.assigned.join(jobs, on=["system", "job"])
        .join(categories, on="project", how="left")
        .group_by("user_category")
        .agg(pl.col("duration_ms").sum())
        .iter_rows(),
        key=str,
    )


@pytest.fixture
def period(start_ms: int) -> Period:
    """The year that is reported on: here, eight hours."""
    return Period(_utc(start_ms), _utc(start_ms + 8 * HOUR * 1000))


def _told(telemetry: Any, period: Period, as_of: datetime | None) -> dict[str, Any]:
    view = load(telemetry.path, period, as_of)
    found: dict[str, Any] = {
        id: [figure.to_json() for figure in registry.evaluate(registry.find(id), view)]
        for id in KPIS
    }
    found["access time"] = access_time(view)
    for table in ("device", "node", "job"):
        frame = getattr(view, table)
        found[table] = frame.sort(
            [c for c in ("minute", "node", "device", "job", "account") if c in frame.columns],
            nulls_last=True,
        ).to_dicts()
    return found


@pytest.fixture
def year(telemetry: Any, clock: Any) -> None:
    """Two devices, two jobs of two projects, one of which fails."""
    (telemetry.path / REGISTERS_DIR).mkdir()
    for gpu in ("gpu0", "gpu1"):
        telemetry.device(gpu)
        for first, last in ((0, 3.5), (4.5, 12)):
            telemetry.samples(
                gpu, first_s=first * HOUR, last_s=last * HOUR, every_s=60, sm_active_ratio=0.7,
                counter=lambda s: 400 * s,
            )  # fmt: skip
    telemetry.assign("a", HOUR, 6 * HOUR, "gpu0")
    telemetry.assign("b", 2 * HOUR, 7.3 * HOUR, "gpu1")
    telemetry.info("a", HOUR, 6 * HOUR, project="alpha", state="completed")
    telemetry.info("b", 2 * HOUR, 7.3 * HOUR, project="beta", state="completed")
    telemetry.counts(
        "a", {float(s): {"tokens_trained_total": s} for s in range(HOUR, 6 * HOUR, 60)}
    )
    for name, category in (("alpha", "sme"), ("beta", "academia")):
        _register(telemetry, PROJECTS, _project(name, category), clock)
    telemetry.book(12 * HOUR, clock)


def _register(telemetry: Any, register: Any, rows: pl.DataFrame, clock: Any) -> None:
    update(telemetry.path, register, rows, origin="csv", source="x", now_ms=clock.now_ms)


def _learn_otherwise(telemetry: Any, clock: Any, start_ms: int) -> None:
    """A month later: late rows, an outage, another end, another project, another category."""
    clock.sleep(30 * 24 * HOUR)
    for gpu in ("gpu0", "gpu1"):
        telemetry.samples(
            gpu, first_s=3.5 * HOUR + 60, last_s=4.5 * HOUR - 60, every_s=60, sm_active_ratio=0.7,
            counter=lambda s: 400 * s,
        )  # fmt: skip
    outage = {"system": "test", "scope": "system", "start_ms": start_ms + 5 * HOUR * 1000,
              "end_ms": start_ms + 6 * HOUR * 1000, "scheduled": True}  # fmt: skip
    _register(telemetry, OUTAGES, pl.DataFrame([outage], schema=OUTAGES.schema), clock)
    _register(telemetry, PROJECTS, _project("alpha", "commercial"), clock)
    clock.sleep(60)
    telemetry.account("b", 2 * HOUR, 7 * HOUR, said_s=12 * HOUR - 5, state="failed")
    telemetry.info("a", HOUR, 6 * HOUR, project="gamma", state="failed")
    telemetry.sent["job_info"][-1] = {**telemetry.sent["job_info"][-1], "time_unix_ms": start_ms
                                      + 12 * HOUR * 1000 - 1}  # fmt: skip
    telemetry.book(12 * HOUR, clock)


@pytest.mark.usefixtures("year")
def test_what_was_told_is_told_again_after_hours_jobs_and_registers_changed(
    telemetry: Any, clock: Any, period: Period, start_ms: int
) -> None:
    then = _utc(clock.now_ms + 1000)
    told = _told(telemetry, period, None)
    assert told["access time"] == [("academia", 19_080_000), ("sme", 18_000_000)]
    _learn_otherwise(telemetry, clock, start_ms)
    now = _told(telemetry, period, None)
    assert now["access time"] != told["access time"]
    assert now["S12"] != told["S12"]
    assert _told(telemetry, period, then) == told
    # And again, after the next correction; and what was told between the two as well.
    between, between_told = _utc(clock.now_ms + 1000), now
    clock.sleep(7 * 24 * HOUR)
    telemetry.node_state("down", 6 * HOUR, 8 * HOUR, said_s=12 * HOUR - 3)
    _register(telemetry, PROJECTS, _project("gamma", "sme"), clock)
    telemetry.book(12 * HOUR, clock)
    assert _told(telemetry, period, None) != between_told
    assert _told(telemetry, period, between) == between_told
    assert _told(telemetry, period, then) == told


@pytest.mark.usefixtures("year")
def test_the_books_of_now_are_those_as_of_now(telemetry: Any, clock: Any, period: Period) -> None:
    assert _told(telemetry, period, _utc(clock.now_ms)) == _told(telemetry, period, None)


@pytest.mark.usefixtures("year")
def test_parts_of_an_hour_are_read_as_they_were(telemetry: Any, clock: Any, start_ms: int) -> None:
    some = Period(
        _utc(start_ms + 3 * HOUR * 1000 + 600_000), _utc(start_ms + 5 * HOUR * 1000 - 60_000)
    )
    then, told = _utc(clock.now_ms), _told(telemetry, some, None)
    _learn_otherwise(telemetry, clock, start_ms)
    assert _told(telemetry, some, None) != told
    assert _told(telemetry, some, then) == told


@pytest.mark.usefixtures("year")
def test_hours_that_were_not_in_the_books_then_are_left_out(
    telemetry: Any, clock: Any, start_ms: int
) -> None:
    then = _utc(clock.now_ms)
    clock.sleep(60)
    telemetry.samples(first_s=12 * HOUR, last_s=20 * HOUR, every_s=60, counter=lambda s: 400 * s)
    telemetry.book(20 * HOUR, clock)
    assert len(Books(telemetry.path).as_of(then).hours()) == 11
    assert len(Books(telemetry.path).as_of(_utc(clock.now_ms)).hours()) == 19
    assert Books(telemetry.path).as_of(then).span() == (start_ms, start_ms + 11 * HOUR * 1000)


@pytest.mark.usefixtures("year")
def test_of_a_system_that_did_not_exist_then_nothing_is_told(
    telemetry: Any, clock: Any, period: Period
) -> None:
    before = _utc(clock.now_ms) - timedelta(days=1)
    assert Books(telemetry.path).as_of(before).hours() == []
    with pytest.raises(UsageError, match="holds no booked hours"):
        load(telemetry.path, period, before)


@pytest.mark.usefixtures("year")
def test_before_the_trail_of_adopted_books_nothing_is_known(telemetry: Any, clock: Any) -> None:
    shutil.rmtree(chain_path(Books(telemetry.path).root, "test").parent)
    with pytest.raises(UsageError, match="has no audit trail"):
        Books(telemetry.path).as_of(_utc(clock.now_ms))
    telemetry.take_dirty = lambda: NONE
    telemetry.book(12 * HOUR, clock)
    assert len(Books(telemetry.path).as_of(_utc(clock.now_ms)).hours()) == 11
    with pytest.raises(UsageError, match="how the books of test stood is known from 2026-11-02T00"):
        Books(telemetry.path).as_of(_utc(clock.now_ms - 1))


@pytest.mark.usefixtures("year")
def test_an_old_version_that_was_altered_or_removed_is_refused(
    telemetry: Any, clock: Any, start_ms: int, period: Period
) -> None:
    then = _utc(clock.now_ms)
    _learn_otherwise(telemetry, clock, start_ms)
    folder = next((Books(telemetry.path).root / "superseded" / "hours").glob("*/*/05.*"))
    entries = pl.read_parquet(folder / "device.parquet")
    entries.with_columns(pl.col("duration_ms") + 1).write_parquet(folder / "device.parquet")
    with pytest.raises(InputError, match="not what record 6 of the chain of test says"):
        load(telemetry.path, period, then)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="as record 6 of its chain has it is not kept"):
        load(telemetry.path, period, then)
