from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from wattline_collector.access import Role, Viewer
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.query import ask
from wattline_collector.kpi.view import View, load
from wattline_collector.ledger.accounts import Account
from wattline_collector.pages import gaps, intake, quality
from wattline_collector.pages.read import House, Question
from wattline_collector.receive.intake import Intake
from wattline_collector.store.latest import Latest

HOUR = 3_600_000


@pytest.fixture
def whole(planted: Path) -> View:
    return load(planted, None)


def test_the_figures_are_those_of_the_registry(
    ask_planted: Callable[..., Any], planted: Path
) -> None:
    told = ask_planted("/v1/quality/books")["books"]["figures"]
    expected = ask(planted, ["Q03", "S14"]).figures
    assert [one["id"] for one in told] == [figure.id for figure in expected]
    assert [one["value"] for one in told] == [figure.value for figure in expected]


def test_every_row_of_the_map_is_that_nodes_completeness(
    ask_planted: Callable[..., Any], planted: Path
) -> None:
    rows = ask_planted("/v1/quality/books")["books"]["cells"]["rows"]
    figures = ask(planted, ["Q03"], by="node").figures
    known = {figure.dims["node"]: figure.value for figure in figures}
    assert {row["node"] for row in rows} == set(known)
    for row in rows:
        value = known[row["node"]]
        assert value is not None and row["ratio"] * 100 == pytest.approx(value)
    assert [row["ratio"] for row in rows] == sorted(row["ratio"] for row in rows)


@pytest.mark.parametrize(("days", "step_hours"), [(1, 1), (14, 1), (20, 6)])
def test_columns_are_as_long_as_the_period_asks_for(
    ask_planted: Callable[..., Any], planted_house: Any, days: int, step_hours: int
) -> None:
    end = datetime.fromtimestamp(planted_house.store.clock.unix_ms() / 1000, UTC)
    start = (end - timedelta(days=days)).isoformat().replace("+00:00", "Z")
    cells = ask_planted("/v1/quality/books", [("from", start)])["books"]["cells"]
    assert cells["step_ms"] == step_hours * HOUR
    assert cells["columns"] == days * 24 // step_hours
    assert {len(row["cells"]) for row in cells["rows"]} == {cells["columns"]}


def test_an_hour_of_silence_is_nought_and_before_the_installation_nothing_is_known(
    whole: View,
) -> None:
    before = Period(whole.period.start - timedelta(days=2), whole.period.end)
    earlier = gaps.cells(View(before, *_tables(whole)))
    for row in earlier.rows["cells"].to_list():
        assert row[:8] == [None] * 8
    worst = earlier.rows.row(0, named=True)
    assert 0 in worst["cells"] and 100 in worst["cells"]


def _tables(view: View) -> tuple[Any, ...]:
    return view.device_scan, view.node, view.job, view.jobs, view.inventory, view.running


def test_the_gaps_add_up_to_what_nobody_observed(
    ask_planted: Callable[..., Any], whole: View
) -> None:
    told = ask_planted("/v1/quality/books")["books"]
    unseen = whole.device.filter(whole.device["account"] == Account.UNOBSERVED)["duration_ms"].sum()
    assert unseen > 0
    assert told["gap_device_hours"] == pytest.approx(unseen / HOUR)
    assert sum(one["device_hours"] for one in told["gaps"]) == pytest.approx(unseen / HOUR)
    for one in told["gaps"]:
        assert (one["to_ms"] - one["from_ms"]) * one["devices"] / HOUR >= one["device_hours"] - 1e-6
    hours = [one["device_hours"] for one in told["gaps"]]
    assert hours == sorted(hours, reverse=True)


def test_books_that_balance_say_in_how_many_hours(ask_planted: Callable[..., Any]) -> None:
    residuals = ask_planted("/v1/quality/books")["books"]["residuals"]
    assert (residuals["findings"], residuals["first"]) == (0, [])
    assert residuals["checked_hours"] == 28 * 24


def test_one_system_alone_and_one_that_there_is_not(ask_planted: Callable[..., Any]) -> None:
    told = ask_planted("/v1/quality/books", [("system", "sim")])["books"]
    assert told["cells"]["nodes"] == 6
    told = ask_planted("/v1/quality/books", [("system", "elsewhere")])["books"]
    assert (told["cells"]["rows"], told["gaps"]) == ([], [])
    assert ask_planted("/v1/quality", [("system", "elsewhere")])["agents"]["nodes"] == 0


@pytest.fixture
def house(open_store: Callable[..., Any], clock: Any) -> House:
    return House(open_store(), Latest(clock))


@pytest.fixture
def take(house: House) -> Iterator[Callable[..., None]]:
    accepting = Intake(house.store, house.latest)

    def take(*batches: Any) -> None:
        for batch in batches:
            assert accepting.accept(batch.table, batch.header, batch.body)

    yield take


def told(house: House) -> Any:
    now = datetime.fromtimestamp(house.store.clock.unix_ms() / 1000, UTC)
    viewer = Viewer("olga", roles=frozenset({Role.OPERATOR}))
    return quality.answer(house, Question(viewer, now))


def test_a_store_without_books_says_why_nothing_is_known(house: House, clock: Any) -> None:
    now = datetime.fromtimestamp(clock.now_ms / 1000, UTC)
    found = quality.of_period(house, Question(Viewer(), now))
    assert found["books"] is None
    assert "no booked hours" in found["problem"]
    assert told(house)["clocks"] == {"nodes": 0, "ahead": 0, "behind": 0, "worst": []}


def test_clocks_that_are_off_are_found_and_those_of_silent_nodes_are_not_judged(
    house: House, take: Callable[..., None], new_sender: Any, clock: Any
) -> None:
    at = clock.now_ms
    for node, offset in (("right", -3_000), ("ahead", 90_000), ("behind", -400_000)):
        take(new_sender(node=node).devices(at + offset))
    clocks = told(house)["clocks"]
    assert (clocks["nodes"], clocks["ahead"], clocks["behind"]) == (3, 1, 1)
    assert [(one["node"], one["offset_ms"]) for one in clocks["worst"]] == [
        ("behind", -400_000), ("ahead", 90_000),
    ]  # fmt: skip
    clock.sleep(600)
    assert told(house)["clocks"]["nodes"] == 0


def test_versions_of_agents_are_counted_the_commonest_first(
    house: House, take: Callable[..., None], new_sender: Any, clock: Any
) -> None:
    for node, version in (("n1", "1.2"), ("n2", "1.3"), ("n3", "1.3"), ("n4", None)):
        row = {"time_unix_ms": clock.now_ms, "agent_version": version}
        take(new_sender(node=node).batch("node_info", [row]))
    versions = told(house)["versions"]
    assert versions[0] == {"version": "1.3", "nodes": 2, "named": ["n2", "n3"]}
    assert {one["version"] for one in versions} == {"1.2", "1.3", None}


def test_what_agents_and_collector_refused_is_counted(
    house: House, take: Callable[..., None], sender: Any, clock: Any
) -> None:
    row = {"time_unix_ms": clock.now_ms, "batches_dropped_total": 4, "read_errors_total": 0}
    take(sender.batch("agent", [row]))
    house.store.quarantine("header", b"body", "not a batch")
    found = told(house)
    counted = {one["column"]: one for one in found["counted"]}
    assert (
        counted["batches_dropped_total"] | {"count": 4, "nodes": 1, "worst": "n01"}
        == (counted["batches_dropped_total"])
    )
    assert (counted["read_errors_total"]["count"], counted["read_errors_total"]["nodes"]) == (0, 0)
    assert counted["exports_failed_total"]["count"] is None  # nobody told
    assert found["refused"]["batches"] == 1


def test_metrics_that_nothing_gives_are_named_once_with_their_devices(
    house: House, take: Callable[..., None], new_sender: Any, clock: Any
) -> None:
    for node in ("n1", "n2"):
        rows = [
            {"time_unix_ms": clock.now_ms, "source": "nvml", "device": f"{node}-{place}",
             "column": "sm_active_ratio", "reason": "profiling is not allowed"}
            for place in range(2)
        ]  # fmt: skip
        sender = new_sender(node=node)
        take(sender.batch("capability", rows))
        take(sender.batch("capability", rows))
    (lack,) = told(house)["lacks"]
    assert (lack["column"], lack["nodes"], lack["devices"]) == ("sm_active_ratio", 2, 4)
    clock.sleep(intake.LACKS_MS / 1000 + 1)
    assert told(house)["lacks"] == []
