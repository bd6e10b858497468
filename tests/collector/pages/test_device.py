from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import STAFF, Role, Viewer
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.query import ask
from wattline_collector.ledger.accounts import ASSIGNED, OFFERED
from wattline_collector.ledger.books import Books
from wattline_collector.pages import occupied
from wattline_collector.pages.buckets import Grid
from wattline_collector.pages.read import Missing

Json = dict[str, Any]
Ask = Callable[..., Any]

MANAGER = Viewer("mara", roles=frozenset({Role.MANAGER}))
WEEK = (("from", "2025-01-13"), ("to", "2025-01-20"))
WHOLE_WEEK = Period(datetime(2025, 1, 13, tzinfo=UTC), datetime(2025, 1, 20, tzinfo=UTC))


@pytest.fixture(scope="module")
def one(planted: Path) -> Json:
    """A device, and where it stands."""
    installed = Books(planted).inventory.filter(pl.col("kind") == "device").sort("node", "key")
    return installed.row(1, named=True)


def device(ask_planted: Ask, one: Json, *more: tuple[str, str], viewer: Viewer = STAFF) -> Json:
    found: Json = ask_planted("/v1/device", [("device", one["key"]), *more], viewer)
    return found


@pytest.mark.parametrize("period", [(), WEEK])
def test_its_time_is_what_the_kpi_of_utilisation_counts(
    ask_planted: Ask, planted: Path, one: Json, period: Any
) -> None:
    hours = device(ask_planted, one, *period)["sums"]["device_hours"]
    figures: Any = ask(planted, ["U01"], WHOLE_WEEK if period else None, ["device"]).to_json()
    mine = next(row for row in figures if row["dims"]["device"] == one["key"])
    assigned = sum(hours.get(account.value, 0) for account in ASSIGNED)
    offered = sum(hours.get(account.value, 0) for account in OFFERED)
    assert assigned == pytest.approx(mine["numerator"])
    assert offered == pytest.approx(mine["denominator"])


def test_the_strip_of_accounts_covers_the_period_without_overlap(
    ask_planted: Ask, one: Json
) -> None:
    found = device(ask_planted, one, *WEEK)
    runs = found["accounts"]
    assert runs[0]["start_ms"] == found["period"]["start_ms"]
    assert runs[-1]["end_ms"] == found["period"]["end_ms"]
    for run, later in pairwise(runs):
        assert run["end_ms"] == later["start_ms"]
        assert run["account"] != later["account"]


def test_its_power_is_what_was_read(ask_planted: Ask, planted_house: Any, one: Json) -> None:
    found = device(ask_planted, one, *WEEK)
    grid, power = found["grid"], found["series"]["power_watts"]
    rows = planted_house.store.rows(
        "device", grid["start_ms"], grid["start_ms"] + grid["step_ms"] * grid["count"] + 1,
        ["time_unix_ms", "device", "power_watts"], pl.col("device") == one["key"],
    ).filter(pl.col("time_unix_ms") > grid["start_ms"])  # fmt: skip
    known = [value for value in power["mean"] if value is not None]
    assert len(power["mean"]) == grid["count"]
    assert max(known) == pytest.approx(rows["power_watts"].max(), rel=1e-3)
    assert sum(known) / len(known) == pytest.approx(rows["power_watts"].mean(), rel=0.02)


def test_a_month_has_few_points_and_every_series_has_all_of_them(
    ask_planted: Ask, one: Json
) -> None:
    found = device(ask_planted, one)
    assert found["grid"]["count"] <= 1500
    assert {"power_watts", "sm_active_ratio", "temperature_celsius"} <= set(found["series"])
    for series in [*found["series"].values(), *found["throttle"].values()]:
        assert {len(values) for values in series.values()} == {found["grid"]["count"]}


def test_time_nobody_measured_has_no_value(ask_planted: Ask, one: Json) -> None:
    found = device(ask_planted, one, ("from", "2024-12-30"), ("to", "2025-01-03"))
    before = (1_735_689_600_000 - found["grid"]["start_ms"]) // found["grid"]["step_ms"]
    # The first reading of all stands on the edge, and so for the bucket before it.
    assert found["series"]["power_watts"]["mean"][: before - 1] == [None] * (before - 1)
    assert found["series"]["power_watts"]["mean"][before + 1] is not None


def test_its_jobs_are_named_for_those_who_see_jobs_and_for_nobody_else(
    ask_planted: Ask, planted: Path, one: Json
) -> None:
    whole = device(ask_planted, one, *WEEK)["jobs"]
    shown = device(ask_planted, one, *WEEK, viewer=MANAGER)["jobs"]
    assert whole and all(row["job"] for row in whole)
    assert [(row["start_ms"], row["end_ms"]) for row in shown] == [
        (row["start_ms"], row["end_ms"]) for row in whole
    ]
    told = str(shown)
    assert not any(f"'{row['job']}'" in told or str(row["name"]) in told for row in whole)
    assert all(row[name] is None for row in shown for name in ("job", "name", "kind", "state"))


def test_the_owner_of_a_job_is_told_which_is_theirs(
    ask_planted: Ask, planted: Path, one: Json
) -> None:
    whole = device(ask_planted, one, *WEEK)["jobs"]
    jobs = Books(planted).jobs.filter(pl.col("user").is_not_null())
    users = dict(jobs.select("job", "user").iter_rows())
    owner = next(users[row["job"]] for row in whole if row["job"] in users)
    viewer = Viewer(owner, roles=frozenset({Role.MANAGER}))
    seen = device(ask_planted, one, *WEEK, viewer=viewer)["jobs"]
    named = {row["job"] for row in seen} - {None}
    assert named == {row["job"] for row in whole if users.get(row["job"]) == owner}


def test_what_it_is_stands_beside_it(ask_planted: Ask, one: Json) -> None:
    identity = device(ask_planted, one)["identity"]
    assert (identity["node"], identity["model"]) == (one["node"], one["model"])
    assert identity["rack"] is not None
    assert identity["serial"] is None


def test_a_device_nobody_knows_is_not_there(ask_planted: Ask, one: Json) -> None:
    with pytest.raises(Missing, match="no device 'nowhere'"):
        ask_planted("/v1/device", [("device", "nowhere")])
    with pytest.raises(Missing, match="in 'elsewhere'"):
        device(ask_planted, one, ("system", "elsewhere"))
    with pytest.raises(UsageError, match="which one"):
        ask_planted("/v1/device")


def test_alerts_are_not_told_to_who_may_not_see_them(ask_planted: Ask, one: Json) -> None:
    assert device(ask_planted, one, viewer=MANAGER)["alerts"] is None


def test_a_job_that_has_not_ended_holds_the_device_to_the_end_of_what_is_booked() -> None:
    minutes = [datetime(2025, 1, 13, 10, minute, tzinfo=UTC) for minute in range(30)]
    entries = pl.DataFrame({"minute": minutes}).with_columns(
        pl.lit("sim").alias("system"), pl.lit("d0").alias("device"), pl.lit("7").alias("job")
    )
    began = round(minutes[0].timestamp() * 1000) + 20_000
    jobs = pl.DataFrame(
        {"system": ["sim"], "job": ["7"], "name": ["x"], "kind": ["training"],
         "state": ["running"], "user": ["anna"], "project": ["p"], "start_ms": [began],
         "end_ms": [None]},
        schema_overrides={"end_ms": pl.Int64},
    )  # fmt: skip
    start, end = began - 20_000, began - 20_000 + 30 * 60_000
    (row,), left_out = occupied.jobs(
        occupied.Occupied(entries, jobs, 60_000), Grid.over(start, end, 60_000), STAFF
    )
    assert (row["start_ms"], row["end_ms"], left_out) == (began, end, 0)
