from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi import registry
from wattline_collector.kpi.declare import DIMENSIONS, OF_ENERGY, OF_HELD, OF_JOBS
from wattline_collector.kpi.dimensions import labelled, with_dimensions
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.query import ask, figures
from wattline_collector.kpi.times import with_times
from wattline_collector.kpi.view import View, load, made_once
from wattline_collector.ledger.accounts import ASSIGNED, Account
from wattline_collector.ledger.records import INVENTORY, JOBS
from wattline_collector.ledger.scanned import Scanned
from wattline_collector.ledger.schema import DEVICE, JOB, MINUTE_MS, NODE, TIME
from wattline_collector.registers import csv_file, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import PROJECTS

HOUR = 3600
START_MS = 1_793_491_200_000  # 2026-11-01T00:00Z

PROFILE = """\
id = "example"
name = "Example"
country = "FI"
time_zone = "Europe/Helsinki"
[system.test]
name = "Test"
[system.test.partition.small]
nodes = 1
[system.test.partition.large]
nodes = 1
[system.test.rack.r1]
partition = "small"
"""


def _register(store: Path, *rows: str) -> None:
    path = store / "projects.csv"
    head = "project,account,state,user_category,access_mode,sector"
    path.write_text("\n".join([head, *rows]) + "\n")
    taken = csv_file.read(path, PROJECTS, Setting(UTC, None))
    kept.update(store, PROJECTS, taken.frame, origin="csv", source="test", now_ms=0, is_whole=True)


@pytest.fixture
def store(telemetry: Any) -> Path:
    """Two nodes of a device each for six hours, from 22:00 to 04:00 of the second day.

    n1 stands in rack r1 and serves `chat` of a project all the time; n2, of which no rack is known,
    runs an unregistered job for its first three hours, queued in `large`, and is free then.
    """
    first, last = 22 * HOUR, 28 * HOUR
    telemetry.device("a", model="NVIDIA H200")
    telemetry.sent["device_info"].append(
        telemetry.sent["device_info"][0] | {"device": "b", "node": "n2", "model": None}
    )
    telemetry.add("node_info", [{"time_unix_ms": START_MS, "rack": "r1"}], period_ms=0)
    for device, watts in (("a", 400.0), ("b", 200.0)):
        telemetry.samples(
            device, first_s=first, last_s=last, every_s=60, watts=watts, sm_active_ratio=0.5
        )
    for row in telemetry.sent["device"]:
        if row["device"] == "b":
            row["node"] = "n2"
    telemetry.assign("1", first, last, "a")
    telemetry.assign("2", first, first + 3 * HOUR, "b")
    telemetry.info("1", first, last, kind="inference", name="chat", state="completed")
    telemetry.info("2", first, first + 3 * HOUR, kind="training", state="completed")
    telemetry.account("1", first, last, said_s=last, account="known", partition="small", gpus=1)
    telemetry.account(
        "2", first, first + 3 * HOUR, said_s=last, account="strange", partition="large", gpus=1
    )
    telemetry.counts("2", {first + s: {"tokens_trained_total": s} for s in range(0, 10801, 60)})
    telemetry.book(last)
    (telemetry.path / "profile.toml").write_text(PROFILE)
    _register(telemetry.path, "p1,known,SI,start_up,fast_lane,")
    path = telemetry.path
    assert isinstance(path, Path)
    return path


PERIOD = Period(datetime(2026, 11, 1, 22, tzinfo=UTC), datetime(2026, 11, 2, 4, tzinfo=UTC))


def _values(store: Path, id: str, *by: str) -> dict[str, float | None]:
    found = figures(store, [id], PERIOD, by)
    return {" ".join(figure.dims.values()): figure.numerator for figure in found}


@pytest.mark.parametrize(
    ("by", "hours"),
    [
        ("rack", {"r1": 6.0, "unknown": 6.0}),
        ("partition", {"small": 6.0, "large": 6.0}),
        ("device_model", {"NVIDIA H200": 6.0, "unknown": 6.0}),
        ("device", {"a": 6.0, "b": 6.0}),
        # Midnight in Helsinki is at 22:00 UTC.
        ("day", {"2026-11-02": 12.0}),
        ("week", {"2026-W45": 12.0}),
        ("quarter", {"2026-Q4": 12.0}),
    ],
)
def test_time_is_split_by_where_and_when(store: Path, by: str, hours: dict[str, float]) -> None:
    found = figures(store, ["LOADING"], PERIOD, by)
    assert {figure.dims[by]: figure.denominator for figure in found} == pytest.approx(hours)


@pytest.mark.parametrize(
    ("by", "hours"),
    [
        ("job", {"1": 3.0, "2": 1.5}),
        ("service", {"chat": 3.0, "none": 1.5}),
        ("project", {"p1": 3.0, "unknown": 1.5}),
        ("access_mode", {"fast_lane": 3.0, "unknown": 1.5}),
        ("user_category", {"start_up": 3.0, "unknown": 1.5}),
        ("participating_state", {"SI": 3.0, "unknown": 1.5}),
        ("sector", {"unknown": 4.5}),
    ],
)
def test_work_is_split_by_whose_it_was(store: Path, by: str, hours: dict[str, float]) -> None:
    assert _values(store, "OEE_P", by) == pytest.approx(hours)


def test_several_dimensions_are_split_at_once_in_the_order_asked_for(store: Path) -> None:
    found = _values(store, "OEE_P", "project", "hour")
    assert list(found)[:2] == ["p1 2026-11-02T00:00+02:00", "p1 2026-11-02T01:00+02:00"]
    assert len(found) == 6 + 3
    assert _values(store, "OEE_P", "project,hour") == found


def test_hours_come_with_a_word_on_whose_they_are(store: Path) -> None:
    assert any("Europe/Helsinki" in note for note in ask(store, ["LOADING"], PERIOD, "day").notes)
    assert not any("Helsinki" in note for note in ask(store, ["LOADING"], PERIOD, "node").notes)


def test_without_a_profile_days_are_those_of_utc(store: Path) -> None:
    (store / "profile.toml").unlink()
    assert list(_values(store, "OEE_P", "day")) == ["2026-11-01", "2026-11-02"]


def test_without_a_register_accounts_stand_for_projects(store: Path) -> None:
    (store / "registers" / "projects.parquet").unlink()
    assert list(_values(store, "OEE_P", "project")) == ["known", "strange"]


def _closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may read the register of projects; file modes would not stop root."""
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "projects.parquet":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)


def test_a_register_that_may_not_be_read_leaves_every_project_unknown(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _closed(monkeypatch)
    assert list(_values(store, "OEE_P", "project")) == ["unknown"]


def test_a_node_without_a_rack_is_in_the_only_partition_whose_jobs_ran_on_it(store: Path) -> None:
    seen = with_dimensions(load(store, PERIOD), ["partition"])
    free = seen.device.filter(pl.col("account") == Account.FREE)
    assert free["partition"].unique().to_list() == ["large"]


def test_asked_for_the_same_the_split_is_made_once(store: Path) -> None:
    view = load(store, PERIOD)
    assert with_dimensions(view, ["rack", "day"]) is with_dimensions(view, ["day", "rack"])
    assert with_dimensions(view, []) is view


def test_a_kpi_says_which_time_of_a_job_counts(store: Path) -> None:
    view = load(store, PERIOD)
    ended = labelled(view, view.accounted, ["day", "service"], at="end_ms").sort("job")
    assert ended["day"].to_list() == ["2026-11-02", "2026-11-02"]
    assert ended["service"].to_list() == ["chat", "none"]


def test_throughput_is_over_the_time_in_which_any_job_ran_in_each_day(store: Path) -> None:
    (store / "profile.toml").unlink()
    found = figures(store, ["P02"], PERIOD, "day")
    assert [figure.denominator for figure in found] == pytest.approx([2 * HOUR, HOUR])


# Whatever was booked

_JOBS = ("1", "2", "3")


@st.composite
def _views(draw: st.DrawFn) -> View:
    """A view of any few entries: jobs, kinds, projects and places told or not."""
    places = st.tuples(st.sampled_from(["s1", "s2"]), st.sampled_from(["n1", "n2", "n3"]))
    accounts = st.sampled_from([account.value for account in Account])
    held = {account.value for account in (*ASSIGNED, Account.LOST)}
    device, job = [], []
    for _ in range(draw(st.integers(1, 12))):
        system, node = draw(places)
        account = draw(accounts)
        minute = START_MS + MINUTE_MS * draw(st.integers(-50_000, 50_000))
        duration = draw(st.integers(1, 60_000))
        measured = draw(st.sampled_from([0, duration]))
        entry = {
            "system": system, "minute": minute, "node": node,
            "device": f"{node}-{draw(st.integers(0, 1))}",
            "job": draw(st.sampled_from(_JOBS)) if account in held else None,
            "account": account, "duration_ms": duration, "measured_ms": measured,
            "energy_joules": draw(st.none() | st.floats(0, 1e6)), "energy_ms": duration,
            "energy_method": "counter", "busy_measured_ms": 0,
            "sm_active_ms": measured / 2 if measured else None,
        }  # fmt: skip
        device.append(entry)
        if entry["job"] is not None:
            job.append(
                {"system": system, "minute": minute, "job": entry["job"], "running_ms": duration,
                 "tokens_trained": draw(st.none() | st.integers(0, 10**9))}
            )  # fmt: skip
    pairs = [(system, job) for system in ("s1", "s2") for job in _JOBS]
    known = [pair for pair in pairs if draw(st.booleans())]
    told = [pair for pair in pairs if draw(st.booleans())]
    kinds, states = (
        st.sampled_from([None, "inference", "training"]),
        st.sampled_from([None, "completed", "failed"]),
    )
    jobs = [
        {"system": s, "job": j, "kind": draw(kinds), "state": draw(states), "start_ms": START_MS,
         "name": draw(st.sampled_from([None, "chat"])),
         "project": draw(st.sampled_from([None, "p"]))}
        for s, j in known
    ]  # fmt: skip
    accounted = [
        {"system": s, "job": j, "partition": draw(st.sampled_from([None, "x", "y"])),
         "account": draw(st.sampled_from([None, "p", "q"])), "start_ms": START_MS}
        for s, j in told
    ]  # fmt: skip
    installed = [
        {"system": s, "kind": "device", "key": f"{n}-{i}", "node": n,
         "model": draw(st.sampled_from([None, "H200", "MI300X"]))}
        for s, n, i in draw(st.lists(st.tuples(
            st.sampled_from(["s1", "s2"]), st.sampled_from(["n1", "n2"]), st.integers(0, 1)
        ), unique=True))
    ]  # fmt: skip

    def entries(rows: Sequence[dict[str, Any]], schema: pl.Schema) -> pl.DataFrame:
        raw = pl.DataFrame(rows, schema=schema | {"minute": pl.Int64()}).cast({"minute": TIME})
        return with_times(raw, "minute", ["day"], "UTC")

    jobs_frame = pl.DataFrame(jobs, schema=JOBS)
    return View(
        period=Period(datetime(2026, 9, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        device_scan=Scanned.of(entries(device, DEVICE)),
        node=entries([], NODE),
        job=entries(job, JOB).join(
            jobs_frame.select("system", "job", "kind"), on=["system", "job"], how="left"
        ),
        jobs=jobs_frame,
        inventory=pl.DataFrame(installed, schema=INVENTORY),
        running=pl.DataFrame(
            schema={"system": pl.String, "job": pl.String, "start": pl.Int64, "end": pl.Int64}
        ),
        accounted=pl.DataFrame(accounted, schema=ACCOUNTED),
    )


def _sums(found: Sequence[Figure]) -> tuple[float, float]:
    return (
        sum(figure.numerator or 0 for figure in found),
        sum(figure.denominator or 0 for figure in found),
    )


@settings(max_examples=40, deadline=None)
@given(view=_views(), data=st.data())
def test_whatever_was_booked_the_parts_add_up_to_the_whole(view: View, data: st.DataObject) -> None:
    for id in ("U01", "LOADING", "OEE_A", "OEE_P", "OEE_Q", "E06", "P01", "S12"):
        kpi = registry.find(id)
        by = data.draw(st.lists(st.sampled_from(kpi.by), min_size=1, max_size=3, unique=True))
        parts = registry.evaluate(kpi, view, by)
        assert _sums(parts) == pytest.approx(_sums(registry.evaluate(kpi, view))), (id, by)
        assert all(figure.dims.keys() == set(by) for figure in parts)


@settings(max_examples=20, deadline=None)
@given(view=_views(), by=st.lists(st.sampled_from(DIMENSIONS), min_size=1, unique=True))
def test_dimensions_stand_beside_every_entry_and_lose_none(view: View, by: list[str]) -> None:
    split = with_dimensions(view, by)
    for name, answers in (("device", OF_HELD), ("node", OF_ENERGY), ("job", OF_JOBS)):
        before, after = getattr(view, name), getattr(split, name)
        assert after.height == before.height
        for dimension in set(by) & set(answers) - {"job"}:
            assert after[dimension].null_count() == 0
    assert split.device["duration_ms"].equals(view.device["duration_ms"])


def test_what_several_kpis_are_made_of_is_computed_once_for_a_view_and_a_split(
    store: Path,
) -> None:
    asked = []

    @made_once
    def rows(view: View, by: Sequence[str]) -> pl.DataFrame:
        asked.append(list(by))
        return view.device.select(by)

    view = load(store, PERIOD)
    assert rows(view, ["node"]) is rows(view, ["node"])
    rows(view, ["device"])
    assert asked == [["node"], ["device"]]


def test_of_the_only_system_there_is_nothing_is_made_again(store: Path) -> None:
    view = load(store, PERIOD)
    assert view.only_system("test") is view
    assert view.only_system("other").device.is_empty()


@settings(max_examples=40, deadline=None)
@given(view=_views(), by=st.lists(st.sampled_from(DIMENSIONS), unique=True))
def test_totals_are_the_entries_with_their_time_added_up(view: View, by: list[str]) -> None:
    split = with_dimensions(view, by)
    keys = list(dict.fromkeys(["system", "node", "device", "job", "account", *by]))
    values = ("duration_ms", "measured_ms", "sm_active_ms")

    def sums(frame: pl.DataFrame) -> pl.DataFrame:
        known = [pl.col(name).is_not_null().any().alias(f"has_{name}") for name in values]
        added = frame.group_by(keys).agg(pl.col(values).sum(), *known)
        return added.sort(keys, nulls_last=True)

    assert sums(split.totals).equals(sums(split.device))
    assert split.totals.height <= split.device.height
    if "hour" not in by:
        assert split.totals.height == sums(split.device).height
    assert split.whole.split == ()
    assert split.whole.device is view.device
