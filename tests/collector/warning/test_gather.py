"""What early warning reads of a store is what happened in the factory that filled it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattline_agents.errors import InputError, UsageError
from wattline_collector.commands.warning import COMMAND
from wattline_collector.history import write_and_book
from wattline_collector.ledger.books import Books
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.csv_file import read
from wattline_collector.registers.kept import update
from wattline_collector.registers.schema import OUTAGES
from wattline_collector.simulated.ailing import Ailment, evidence
from wattline_collector.simulated.faults import Fault, Outage
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import HOUR_MS, Shape
from wattline_collector.store.store import Store
from wattline_collector.warning.finding import LEMONS, Kind
from wattline_collector.warning.gather import Evidence, exposure, gather
from wattline_collector.warning.lemons import DAY_MS, EVENTS, lemons
from wattline_collector.warning.report import explained, report, table

START_MS = 1_761_955_200_000  # 2025-11-01
NODES, DEVICES, HOURS = 6, 4, 30
LOST = 3


class Quiet:
    """A random source that adds no noise."""

    def gauss(self, mean: float, sigma: float) -> float:
        return mean

    def expovariate(self, rate: float) -> float:
        return float("inf")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Schedule]:
    end_ms = START_MS + HOURS * HOUR_MS
    shape = Shape(
        nodes=NODES, devices=DEVICES, seed=11, start_ms=START_MS, present_ms=end_ms,
        end_ms=end_ms + HOUR_MS,
    )  # fmt: skip
    lost = Outage(Fault.LOST, 0, LOST, START_MS + 4 * HOUR_MS, START_MS + 6 * HOUR_MS)
    schedule = plan(shape, [lost])
    path = tmp_path_factory.mktemp("warning") / "store"
    with Store.open(path, write=True) as store:
        write_and_book(store, schedule)
    text = "system,scope,name,start,end,scheduled,cause\n" + "".join(
        f"{system},node,sim-r1-n01,2025-11-01T{hour:02}:00Z,2025-11-01T{hour:02}:30Z,{planned},power\n"
        for system, hour, planned in (("sim", 2, "no"), ("", 12, "no"), ("sim", 15, "yes"))
    )
    file = path.parent / "outages.csv"
    file.write_text(text)
    rows = read(file, OUTAGES, Setting()).frame
    update(path, OUTAGES, rows, origin="t", source="t", now_ms=1)
    return path, schedule


@pytest.fixture(scope="module")
def found(site: tuple[Path, Schedule]) -> Evidence:
    return gather(site[0], 28)


def test_hours_are_those_of_the_factory(site: tuple[Path, Schedule], found: Evidence) -> None:
    none: list[Ailment] = []
    truth = evidence(site[1], none, Quiet()).hours  # type: ignore[arg-type]
    key = ["node", "device", "job", "hour_ms"]
    both = found.hours.join(truth, on=key, suffix="_true")
    assert both.height > 0.9 * truth.height > 100
    for name, tolerance in (("activity", 0.02), ("watts", 0.02), ("hertz", 0.02)):
        off = both.select(((pl.col(name) / pl.col(f"{name}_true")) - 1).abs().quantile(0.95))
        assert off.item() < tolerance, name
    assert both.select(pl.col("model") == pl.col("model_true"))["model"].all()
    assert both.select(pl.col("rack") == pl.col("rack_true"))["rack"].all()
    warm = both.select((pl.col("celsius") - pl.col("celsius_true")).abs().quantile(0.95)).item()
    assert warm < 2.5
    slowed = both.select((pl.col("throttled") - pl.col("throttled_true")).abs().max()).item()
    assert slowed < 0.05


def test_a_lost_device_is_an_event_on_its_node(
    site: tuple[Path, Schedule], found: Evidence
) -> None:
    lost = found.events.filter(pl.col("kind") == Kind.LOST.value)
    mine = lost.filter(pl.col("device") == site[1].device_names[LOST])
    assert mine["node"].unique().to_list() == ["sim-r1-n01"]
    assert {(at - START_MS) // HOUR_MS for at in mine["at_ms"]} <= {4, 5, 6}


def test_unplanned_outages_of_a_node_are_events_and_planned_ones_are_not(found: Evidence) -> None:
    outages = found.events.filter(pl.col("kind") == Kind.OUTAGE.value)
    hours = [(at - START_MS) // HOUR_MS for at in outages["at_ms"].sort()]
    assert hours == [2, 12]
    assert outages["what"].unique().to_list() == ["power"]


def test_exposure_is_the_time_that_was_observed(found: Evidence) -> None:
    days = found.exposure.filter(pl.col("kind") == Kind.XID.value)
    assert days.height == NODES
    assert days["days"].max() == pytest.approx(HOURS / 24, rel=0.01)
    assert found.exposure.filter(pl.col("kind") == Kind.ECC.value).is_empty()  # nobody tells them
    assert set(found.exposure["kind"]) == {kind.value for kind in LEMONS} - {"ecc"}


def test_xids_of_programs_are_no_events_and_repeats_are_one(
    open_store: Callable[..., Any], new_sender: Callable[..., Any], site: tuple[Path, Schedule]
) -> None:
    from wattline_collector.warning.gather import _xids

    rows = pl.DataFrame(
        [
            {"system": "s", "node": "n", "device": "d", "xid": xid, "last_unix_seconds": at}
            for xid, at in ((79, 10.0), (79, 10.0), (79, 99.0), (13, 50.0), (79, 1.0))
        ]
    )
    found = _xids(rows, since=5000)
    assert sorted(found["at_ms"]) == [10_000, 99_000]
    assert found["what"].unique().to_list() == ["XID 79"]


def test_a_healthy_day_names_nobody_and_says_so(found: Evidence) -> None:
    told = report(found)
    assert told.findings == ()
    assert "nobody is named" in table(told)
    assert json.loads(json.dumps(told.to_json()))["findings"] == []


def _outages(found: Evidence) -> pl.DataFrame:
    return found.events.filter(pl.col("kind") == Kind.OUTAGE.value)


def test_a_register_of_outages_that_may_not_be_read_is_done_without(
    site: tuple[Path, Schedule], found: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may read the register; file modes would not stop root."""
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "outages.parquet":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    without = gather(site[0], 28)
    assert _outages(without).height < _outages(found).height
    assert_frame_equal(without.exposure, found.exposure, check_row_order=False)


def test_a_damaged_register_of_outages_is_said(site: tuple[Path, Schedule], tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(site[0], store)
    (store / "registers" / "outages.parquet").write_bytes(b"not a register")
    with pytest.raises(InputError, match="import the register again"):
        gather(store, 28)


def test_everything_that_is_looked_at_is_explained() -> None:
    text = explained()
    assert all(kind.value in text for kind in Kind)


def test_the_command_prints_a_table_and_json(site: tuple[Path, Schedule]) -> None:
    from argparse import ArgumentParser

    parser = ArgumentParser()
    COMMAND.configure(parser)
    for options in ([], ["--json"], ["--explain"]):
        out = io.StringIO()
        with redirect_stdout(out):
            assert COMMAND.run(parser.parse_args(["--store", str(site[0]), *options])) == 0
        assert out.getvalue()
    with pytest.raises(UsageError, match="not from 1 to"):
        COMMAND.run(parser.parse_args(["--store", str(site[0]), "--days", "0"]))


def test_a_store_without_books_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no booked hours"):
        gather(tmp_path, 28)
    assert not Books(tmp_path).root.exists()


def _held(groups: list[tuple[str, list[int]]], days: int) -> pl.DataFrame:
    """Each of these jobs holds its nodes, of one device each, all of that time."""
    rows = [
        {"system": "s", "node": f"n{node:03}", "device": f"d{node:03}", "job": job,
         "seen_ms": days * DAY_MS}
        for job, nodes in groups
        for node in nodes
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_nodes_of_large_jobs_are_no_lemons_for_failing_together() -> None:
    # Every node fails once in 100 days. A job of 64 nodes fails with any of them, on all of them.
    large, days = list(range(64)), 28
    groups = [("large", large), *((f"j{node}", [node]) for node in range(64, 512))]
    hours = _held(groups, days)
    told = pl.DataFrame({"system": ["s"], "node": ["n000"], "errors": [None]})
    days_of = exposure(hours, told)
    random = Random(7)
    rows: list[tuple[object, ...]] = []
    for node in range(512):
        at = random.expovariate(1 / 100)
        while at < days:
            for other in large if node in large else [node]:
                rows.append((Kind.JOB_FAILURE.value, "s", f"n{other:03}", None,
                             round(at * DAY_MS), "job", f"p{len(rows) % 5}"))  # fmt: skip
            at += random.expovariate(1 / 100)
    events = pl.DataFrame(rows, schema=EVENTS, orient="row")
    assert lemons(events, days_of) == []
    # By time alone all of them would be named.
    alike = days_of.with_columns(pl.lit(float(days)).alias("days"))
    assert len(lemons(events, alike)) == 64


def test_jobs_of_one_node_are_exposed_for_as_long_as_they_held_it() -> None:
    hours = _held([("a", [0]), ("b", [1, 2])], 3)
    found = exposure(hours, pl.DataFrame({"system": ["s"], "node": ["n000"], "errors": [None]}))
    of = dict(found.filter(kind="job-failure").select("node", "days").iter_rows())
    assert of == pytest.approx({"n000": 9 / 5, "n001": 18 / 5, "n002": 18 / 5})
    assert sum(of.values()) == pytest.approx(9)
    assert dict(found.filter(kind="outage").select("node", "days").iter_rows())["n001"] == 3
