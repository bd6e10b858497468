from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, NODE
from wattline_agents.wire import Row
from wattline_collector.receive.intake import Intake
from wattline_collector.store.latest import Latest
from wattline_collector.store.store import Store

NOW_MS = 1_793_534_400_000
START_MS = NOW_MS - 600_000

Feed = Callable[..., None]


@pytest.fixture
def latest(clock: Any) -> Latest:
    return Latest(clock)


@pytest.fixture
def store(open_store: Any) -> Store:
    opened: Store = open_store()
    return opened


@pytest.fixture
def feed(latest: Latest, store: Store, new_sender: Any) -> Feed:
    """Takes rows of a table in, as from one agent."""
    intake = Intake(store, latest)
    senders: dict[str, Any] = {}

    def feed(table: str, rows: Sequence[Row], node: str = "n01", **more: Any) -> None:
        agent = senders.setdefault(node, new_sender(node=node, **more))
        batch = agent.batch(table, rows)
        assert intake.accept(batch.table, batch.header, batch.body) is True

    return feed


def device(time_ms: int = NOW_MS, name: str = "GPU-0", **values: Any) -> Row:
    return dict({"time_unix_ms": time_ms, "device": name, "up": 1}, **values)


def held(name: str = "GPU-0", job: str = "42", **values: Any) -> Row:
    return {
        "time_unix_ms": NOW_MS, "device": name, "job": job, "start_unix_ms": START_MS, **values,
    }  # fmt: skip


def only(latest: Latest, part: str) -> dict[str, Any]:
    """The one row of a part."""
    columns = latest.snapshot()[part]
    assert {len(values) for values in columns.values()} == {1}
    return {name: values[0] for name, values in columns.items()}


def test_nothing_is_known_at_first(latest: Latest) -> None:
    snapshot = latest.snapshot()
    assert snapshot["time_unix_ms"] == NOW_MS
    assert {len(values) for values in snapshot["devices"].values()} == {0}
    assert set(snapshot["devices"]) >= {metric.column for metric in DEVICE.metrics}
    assert set(snapshot["nodes"]) >= {metric.column for metric in NODE.metrics}
    assert snapshot["totals"] == {
        "devices": 0, "fresh": 0, "power_watts": None, "power_boundary": "gpu",
        "tokens_per_second": None, "tokens_per_joule": None, "working": 0, "held": 0,
        "free": 0, "unmeasured": 0, "down": 0, "silent": 0,
    }  # fmt: skip


def test_rows_of_a_table_are_told_as_they_came_without_what_was_known_before(
    feed: Feed, latest: Latest
) -> None:
    assert latest.rows("device").is_empty()
    feed("device", [device(NOW_MS - 5000, power_watts=7.0)])
    feed("device", [device(NOW_MS, temperature_celsius=50.0)])
    row = latest.rows("device").to_dicts()
    assert [(one["power_watts"], one["temperature_celsius"]) for one in row] == [(None, 50.0)]
    assert only(latest, "devices")["power_watts"] == 7.0


def test_the_newest_row_counts_whatever_order_rows_come_in(feed: Feed, latest: Latest) -> None:
    for back in (2000, 0, 5000):
        feed("device", [device(NOW_MS - back, power_watts=float(back))])
        latest.digest()
    row = only(latest, "devices")
    assert (row["power_watts"], row["age_ms"], row["period_ms"]) == (0.0, 0, 1000)


def test_of_several_ticks_in_a_batch_the_last_counts(feed: Feed, latest: Latest) -> None:
    feed("device", [device(NOW_MS - 1000, power_watts=1.0), device(NOW_MS, power_watts=2.0)])
    assert only(latest, "devices")["power_watts"] == 2.0


def test_a_metric_that_is_read_less_often_is_filled_in(
    feed: Feed, latest: Latest, clock: Any
) -> None:
    feed("device", [device(power_watts=1.0, power_limit_watts=700.0)])
    clock.sleep(60)
    feed("device", [device(clock.now_ms, power_watts=2.0)])
    row = only(latest, "devices")
    assert (row["power_watts"], row["power_limit_watts"]) == (2.0, 700.0)


def test_a_value_is_filled_in_for_five_to_ten_minutes_at_most(
    feed: Feed, latest: Latest, clock: Any
) -> None:
    feed("device", [device(power_limit_watts=700.0)])
    known = []
    for _ in range(24):
        clock.sleep(30)
        feed("device", [device(clock.now_ms)])
        known.append(only(latest, "devices")["power_limit_watts"] is not None)
    assert known == sorted(known, reverse=True)
    assert 10 <= sum(known) <= 20


def test_a_lost_device_shows_nothing_from_before(feed: Feed, latest: Latest, clock: Any) -> None:
    feed("device", [device(power_watts=1.0, power_limit_watts=700.0)])
    clock.sleep(1)
    feed("device", [device(clock.now_ms, up=0)])
    row = only(latest, "devices")
    assert (row["account"], row["power_watts"], row["power_limit_watts"]) == ("down", None, None)
    clock.sleep(1)
    feed("device", [device(clock.now_ms, power_watts=3.0)])
    row = only(latest, "devices")
    assert (row["account"], row["power_watts"], row["power_limit_watts"]) == ("free", 3.0, None)


@pytest.mark.parametrize(
    ("values", "account"),
    [
        ({"sm_active_ratio": 0.5}, "busy"),
        ({"sm_active_ratio": 0.01, "busy_ratio": 0.9}, "held"),
        ({"busy_ratio": 0.9}, "busy"),
        ({"busy_ratio": 0.0}, "held"),
        ({}, "unmeasured"),
        ({"up": 0}, "down"),
    ],
)
def test_the_account_of_an_assigned_device_follows_its_newest_row(
    feed: Feed, latest: Latest, values: dict[str, Any], account: str
) -> None:
    feed("assignment", [held()])
    feed("device", [device(**values)])
    row = only(latest, "devices")
    assert (row["job"], row["account"]) == ("42", account)


def test_a_device_without_a_job_is_free(feed: Feed, latest: Latest) -> None:
    feed("device", [device(sm_active_ratio=0.5)])
    assert only(latest, "devices")["account"] == "free"


def test_a_device_held_back_for_a_tenth_of_the_time_is_slowed(feed: Feed, latest: Latest) -> None:
    feed("assignment", [held(), held("GPU-1")])
    for back, seconds in ((5000, 10.0), (0, 14.0)):
        feed(
            "device",
            [
                device(NOW_MS - back, throttle_thermal_seconds_total=seconds, busy_ratio=1.0),
                device(NOW_MS - back, "GPU-1", throttle_thermal_seconds_total=10.0, busy_ratio=1.0),
            ],
        )
    devices = latest.snapshot()["devices"]
    assert devices["account"] == ["slowed", "busy"]
    assert devices["throttled_ratio"] == [0.8, 0.0]


def test_an_assignment_is_believed_ninety_seconds_past_its_row(
    feed: Feed, latest: Latest, clock: Any
) -> None:
    feed("assignment", [held()])
    for seconds, job in ((60, "42"), (31, None)):
        clock.sleep(seconds)
        feed("device", [device(clock.now_ms)])
        assert only(latest, "devices")["job"] == job


def test_a_closed_assignment_is_over(feed: Feed, latest: Latest, clock: Any) -> None:
    feed("assignment", [held()])
    feed("device", [device()])
    clock.sleep(1)
    feed("assignment", [held(time_unix_ms=clock.now_ms, end_unix_ms=clock.now_ms)])
    assert only(latest, "devices")["job"] is None


def test_of_two_jobs_that_claim_a_device_the_later_one_has_it(feed: Feed, latest: Latest) -> None:
    feed("assignment", [held(job="new", start_unix_ms=NOW_MS - 1), held(job="old")])
    feed("device", [device()])
    assert only(latest, "devices")["job"] == "new"


def test_of_two_methods_that_claim_a_device_the_more_trusted_is_shown(
    feed: Feed, latest: Latest
) -> None:
    feed("assignment", [held(job="given", method="prolog")])
    feed("assignment", [held(job="seen", method="process", start_unix_ms=NOW_MS - 1)])
    feed("device", [device()])
    assert only(latest, "devices")["job"] == "given"


def test_a_silent_device_keeps_its_row_and_shows_its_age(
    feed: Feed, latest: Latest, clock: Any
) -> None:
    feed("device", [device(power_watts=5.0)])
    clock.sleep(13)
    row = only(latest, "devices")
    assert (row["account"], row["age_ms"], row["power_watts"]) == ("free", 13_000, 5.0)
    clock.sleep(1)
    assert only(latest, "devices")["account"] == "unobserved"
    totals = latest.snapshot()["totals"]
    assert (totals["silent"], totals["fresh"], totals["power_watts"]) == (1, 0, None)
    clock.sleep(90_000)
    feed("device", [device(clock.now_ms, "GPU-1")])
    assert only(latest, "devices")["device"] == "GPU-1"


MINUTE_MS = 60_000
SILENT = {"account": "unobserved", "power_watts": None, "up": None}


@pytest.fixture
def restarted(store: Store, clock: Any) -> Callable[[], dict[str, Any]]:
    """Devices, by name, of a collector that is started anew on the store of `feed`."""

    def restarted() -> dict[str, Any]:
        again = Latest(clock)
        again.fill(store)
        columns = again.snapshot()["devices"]
        rows = [dict(zip(columns, one, strict=True)) for one in zip(*columns.values(), strict=True)]
        return {row["device"]: row for row in rows}

    return restarted


@pytest.mark.parametrize("silent_minutes", [7, 40, 90, 23 * 60])
def test_what_is_silent_is_still_there_after_a_restart(
    feed: Feed, restarted: Any, clock: Any, silent_minutes: int
) -> None:
    for name in ("GPU-0", "GPU-1"):
        feed("device_info", [{"time_unix_ms": NOW_MS, "device": name, "index": 3, "model": "H"}])
        feed("device", [device(name=name, power_watts=5.0)])
    feed("node_info", [{"time_unix_ms": NOW_MS, "rack": "r7"}])
    clock.sleep(silent_minutes * 60)
    told = {"time_unix_ms": clock.now_ms, "device": "GPU-2", "index": 4, "model": "H"}
    feed("device_info", [told], node="n02")
    feed("device", [device(clock.now_ms, "GPU-2", power_watts=7.0)], node="n02")
    found = restarted()
    assert found.keys() == {"GPU-0", "GPU-1", "GPU-2"}
    assert (found["GPU-2"]["power_watts"], found["GPU-2"]["account"]) == (7.0, "free")
    for name in ("GPU-0", "GPU-1"):
        row = found[name]
        assert {key: row[key] for key in SILENT} == SILENT
        assert (row["rack"], row["index"], row["model"]) == ("r7", 3, "H")
        assert row["age_ms"] == silent_minutes * MINUTE_MS


def test_a_device_whose_node_goes_on_telling_of_it_is_silent_after_a_restart_too(
    feed: Feed, restarted: Any, clock: Any
) -> None:
    """Its driver hangs: nothing is read of it, and the agent knows it still."""
    feed("device", [device(power_watts=5.0)])
    clock.sleep(20 * 60)
    feed("device_info", [{"time_unix_ms": clock.now_ms, "device": "GPU-0", "index": 3}])
    row = restarted()["GPU-0"]
    assert {key: row[key] for key in SILENT} == SILENT
    assert row["age_ms"] >= 5 * MINUTE_MS


def test_what_was_silent_for_a_day_or_taken_out_is_not_there_after_a_restart(
    feed: Feed, restarted: Any, clock: Any
) -> None:
    feed("device_info", [{"time_unix_ms": NOW_MS, "device": "GPU-0"}])
    feed("device", [device()])
    clock.sleep(2 * 3600)
    out = clock.now_ms - 1
    feed("device_info", [
        {"time_unix_ms": clock.now_ms, "device": "GPU-1", "installed_until_unix_ms": out},
    ])  # fmt: skip
    clock.sleep(22 * 3600 + 1)
    assert restarted() == {}


def test_a_sender_whose_clock_runs_ahead_is_not_stuck_in_the_future(
    feed: Feed, latest: Latest, clock: Any
) -> None:
    feed("device", [device(NOW_MS + 3_600_000, power_watts=1.0)])
    assert only(latest, "devices")["age_ms"] == 0
    clock.sleep(1)
    feed("device", [device(clock.now_ms, power_watts=2.0)])
    assert only(latest, "devices")["power_watts"] == 2.0


def test_identity_and_place_come_from_the_info_tables(feed: Feed, latest: Latest) -> None:
    feed("device_info", [{"time_unix_ms": NOW_MS, "device": "GPU-0", "index": 3, "model": "H"}])
    feed("node_info", [{"time_unix_ms": NOW_MS, "rack": "r7"}])
    feed("device", [device()])
    row = only(latest, "devices")
    assert (row["index"], row["model"], row["rack"]) == (3, "H", "r7")
    assert only(latest, "nodes")["rack"] == "r7"


def test_a_device_taken_out_is_no_longer_shown(feed: Feed, latest: Latest) -> None:
    feed("device", [device()])
    feed(
        "device_info",
        [{"time_unix_ms": NOW_MS, "device": "GPU-0", "installed_until_unix_ms": NOW_MS - 1}],
    )
    assert latest.snapshot()["devices"]["device"] == []


def test_a_node_counts_its_devices_and_its_network_rates(feed: Feed, latest: Latest) -> None:
    feed("device", [device(), device(name="GPU-1")])
    for back, count in ((10_000, 1000), (0, 51_000)):
        feed(
            "node",
            [{"time_unix_ms": NOW_MS - back, "network_receive_bytes_total": count}],
        )
    row = only(latest, "nodes")
    assert (row["node"], row["devices"]) == ("n01", 2)
    assert row["network_receive_bytes_per_second"] == 5000.0
    assert row["network_transmit_bytes_per_second"] is None


def test_power_is_the_nodes_own_where_it_is_metered(feed: Feed, latest: Latest) -> None:
    feed("device", [device(power_watts=100.0)], "n01")
    assert latest.snapshot()["totals"]["power_boundary"] == "gpu"
    feed("node", [{"time_unix_ms": NOW_MS, "power_watts": 500.0}], "n01")
    totals = latest.snapshot()["totals"]
    assert (totals["power_watts"], totals["power_boundary"]) == (500.0, "node")
    feed("device", [device(name="GPU-1", power_watts=70.0)], "n02")
    totals = latest.snapshot()["totals"]
    assert (totals["power_watts"], totals["power_boundary"]) == (570.0, "mixed")


def test_a_jobs_rate_is_what_its_counters_grew_by(feed: Feed, latest: Latest) -> None:
    feed("assignment", [held(), held("GPU-1")])
    feed("device", [device(power_watts=100.0), device(name="GPU-1", power_watts=150.0)])
    feed("job_info", [{"time_unix_ms": NOW_MS, "job": "42", "name": "llm", "kind": "training"}])
    for back, tokens in ((90_000, 0), (40_000, 10_000), (20_000, 20_000), (0, 50_000)):
        feed("job", [{"time_unix_ms": NOW_MS - back, "job": "42", "tokens_trained_total": tokens}])
    row = only(latest, "jobs")
    assert (row["name"], row["kind"], row["devices"], row["power_watts"]) == (
        "llm", "training", 2, 250.0,
    )  # fmt: skip
    assert row["tokens_per_second"] == 1000.0
    assert row["tokens_per_joule"] == 4.0
    totals = latest.snapshot()["totals"]
    assert (totals["tokens_per_second"], totals["tokens_per_joule"]) == (1000.0, 4.0)


def test_a_counter_that_began_anew_is_not_a_loss(feed: Feed, latest: Latest) -> None:
    for back, tokens in ((20_000, 1_000_000), (10_000, 1_001_000), (0, 500)):
        feed("job", [{"time_unix_ms": NOW_MS - back, "job": "1", "tokens_generated_total": tokens}])
    assert only(latest, "jobs")["tokens_per_second"] == 75.0


def test_ranks_of_a_job_on_several_nodes_add_up(feed: Feed, latest: Latest) -> None:
    for node in ("n01", "n02"):
        for back, tokens in ((10_000, 0), (0, 1000)):
            row = {"time_unix_ms": NOW_MS - back, "job": "1", "tokens_prompt_total": tokens}
            feed("job", [row], node)
    assert only(latest, "jobs")["tokens_per_second"] == 200.0


def test_a_job_that_counts_nothing_has_no_rate(feed: Feed, latest: Latest) -> None:
    for back in (10_000, 0):
        feed("job", [{"time_unix_ms": NOW_MS - back, "job": "1", "steps_total": 5}])
    assert only(latest, "jobs")["tokens_per_second"] is None


def test_an_old_rate_says_nothing_of_now(feed: Feed, latest: Latest, clock: Any) -> None:
    for back, tokens in ((10_000, 0), (0, 1000)):
        feed("job", [{"time_unix_ms": NOW_MS - back, "job": "1", "tokens_prompt_total": tokens}])
    clock.sleep(121)
    assert only(latest, "jobs")["tokens_per_second"] is None
    clock.sleep(500)
    assert latest.snapshot()["jobs"]["job"] == []


def test_a_jobs_efficiency_is_not_told_when_a_device_is_silent(feed: Feed, latest: Latest) -> None:
    feed("assignment", [held(), held("GPU-1")])
    feed("device", [device(power_watts=100.0), device(NOW_MS - 60_000, "GPU-1", power_watts=9.0)])
    for back, tokens in ((10_000, 0), (0, 1000)):
        feed("job", [{"time_unix_ms": NOW_MS - back, "job": "42", "tokens_prompt_total": tokens}])
    row = only(latest, "jobs")
    assert (row["power_watts"], row["tokens_per_joule"]) == (100.0, None)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((600.0, None), (300.0, 1.0)),  # one meter, which the even die reports for both
        ((350.0, 250.0), (350.0, pytest.approx(6 / 7))),
        ((None, None), (None, None)),
    ],
    ids=["shared", "each its own", "none"],
)
def test_a_job_on_one_die_has_its_part_of_the_meter_both_share(
    feed: Feed, latest: Latest, values: Sequence[float | None], told: Sequence[Any]
) -> None:
    dies = ("GPU-0", "GPU-1")
    feed("device_info", [{"time_unix_ms": NOW_MS, "device": d, "module": "m"} for d in dies])
    feed("assignment", [held("GPU-0")])
    feed("device", [device(name=d, power_watts=v) for d, v in zip(dies, values, strict=True)])
    for back, tokens in ((10_000, 0), (0, 3000)):
        feed("job", [{"time_unix_ms": NOW_MS - back, "job": "42", "tokens_prompt_total": tokens}])
    row = only(latest, "jobs")
    assert (row["power_watts"], row["tokens_per_joule"]) == told
    shown = latest.snapshot()
    assert shown["devices"]["power_watts"] == list(values)
    assert "part_watts" not in shown["devices"]


def test_rows_of_tables_that_no_page_shows_are_not_kept(feed: Feed, latest: Latest) -> None:
    for pid in range(1, 4):
        feed("process", [{"time_unix_ms": NOW_MS, "device": "GPU-0", "pid": pid, "cgroup": "/a"}])
    feed("meter", [{"time_unix_ms": NOW_MS, "source": "rapl", "domain": "node"}])
    feed("node", [{"time_unix_ms": NOW_MS}])
    assert latest._waiting == 1
    latest.digest()
    assert set(latest._state.newest) == {"node"}


def test_a_long_queue_is_digested_without_a_reader(
    feed: Feed, latest: Latest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_collector.store.latest._QUEUE", 5)
    for tick in range(12):
        feed("device", [device(NOW_MS + tick, power_watts=float(tick))])
        assert latest._waiting < 5
    assert only(latest, "devices")["power_watts"] == 11.0


@pytest.mark.parametrize(("state", "rate"), [("running", 100.0), ("completed", None)])
def test_a_job_that_has_ended_makes_no_tokens_now(
    feed: Feed, latest: Latest, state: str, rate: float | None
) -> None:
    counted = [
        {"time_unix_ms": NOW_MS - back, "job": "42", "tokens_trained_total": 6000 - back // 10}
        for back in (20_000, 10_000, 0)
    ]
    feed("job", counted)
    feed("job_info", [{"time_unix_ms": NOW_MS, "job": "42", "state": state}])
    assert only(latest, "jobs")["tokens_per_second"] == rate
