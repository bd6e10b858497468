from __future__ import annotations

from typing import Any

import polars as pl
import pytest

HOUR = 3600


def _meter(telemetry: Any, start_ms: int, last_s: int, watts: Any, every_s: int = 10) -> None:
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "power_watts": watts(s)}
            for s in range(0, last_s + 1, every_s)
        ],
        period_ms=every_s * 1000,
    )


def test_node_energy_goes_to_the_job_that_holds_the_node_cut_at_its_ends(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    telemetry.device("gpu0")
    telemetry.device("gpu1")
    _meter(telemetry, start_ms, HOUR, lambda s: 1000.0 if s <= 900 else 3000.0)
    for gpu in ("gpu0", "gpu1"):
        telemetry.assign("j", 905, 2000, gpu)
    books = telemetry.book(HOUR)
    # Whose the joules between the readings at 900 s and 910 s are is not known: not the job's.
    assert joules(books, "node", job="j") == {"unmeasured": pytest.approx(3000 * (2000 - 910))}
    everything = 1000 * 900 + 2000 * 10 + 3000 * (HOUR - 910)
    assert sum(joules(books, "node").values()) == pytest.approx(everything)


def test_joules_between_two_jobs_without_a_pause_are_shared_by_time(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    telemetry.device()
    _meter(telemetry, start_ms, HOUR, lambda s: 1000.0)
    telemetry.assign("first", 0, 905)
    telemetry.assign("second", 905, HOUR)
    books = telemetry.book(HOUR)
    assert joules(books, "node", job="first") == {"unmeasured": pytest.approx(905_000)}
    assert joules(books, "node", job="second") == {"unmeasured": pytest.approx(2_695_000)}


def test_node_energy_is_shared_by_device_time(telemetry: Any, joules: Any, start_ms: int) -> None:
    for gpu in ("a", "b", "c", "d"):
        telemetry.device(gpu)
    _meter(telemetry, start_ms, HOUR, lambda s: 1000.0)
    telemetry.assign("one", 0, HOUR, "a")
    telemetry.assign("two", 0, HOUR, "b")
    telemetry.assign("two", 0, HOUR, "c")
    books = telemetry.book(HOUR)
    assert joules(books, "node", job="one")["unmeasured"] == pytest.approx(1000 * HOUR / 4)
    assert joules(books, "node", job="two")["unmeasured"] == pytest.approx(1000 * HOUR / 2)
    assert joules(books, "node", job=None)["unobserved"] == pytest.approx(1000 * HOUR / 4)


def test_a_hole_of_twenty_seconds_in_a_power_series_is_integrated(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    times = [s for s in range(0, HOUR + 1, 2) if not 1000 < s < 1020]
    telemetry.add(
        "node",
        [{"time_unix_ms": start_ms + s * 1000, "power_watts": 500.0} for s in times],
        period_ms=2000,
    )
    assert sum(joules(telemetry.book(HOUR), "node").values()) == pytest.approx(500 * HOUR)


def test_a_node_without_devices_is_booked(telemetry: Any, joules: Any, start_ms: int) -> None:
    _meter(telemetry, start_ms, HOUR, lambda s: 200.0)
    assert joules(telemetry.book(HOUR), "node") == {"free": pytest.approx(200 * HOUR)}


def test_a_node_without_a_meter_has_unknown_energy(telemetry: Any, start_ms: int) -> None:
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add("node", [{"time_unix_ms": start_ms + s * 1000} for s in range(0, 600, 10)])
    books = telemetry.book(600)
    entries = books.minutes("node", books.hours()[0])
    assert entries is not None and entries["energy_joules"].null_count() == entries.height


def test_the_devices_part_of_a_nodes_energy_stands_beside_it(telemetry: Any, start_ms: int) -> None:
    telemetry.device("gpu0")
    telemetry.samples("gpu0", last_s=HOUR, counter=lambda s: 400 * s)
    _meter(telemetry, start_ms, HOUR, lambda s: 1000.0)
    books = telemetry.book(HOUR)
    entries = books.minutes("node", books.hours()[0])
    assert entries is not None
    assert entries["energy_joules"].sum() == pytest.approx(1000 * HOUR)
    assert entries["device_energy_joules"].sum() == pytest.approx(400 * HOUR)
    assert entries.filter(pl.col("account") != "free").is_empty()


def test_what_a_device_metered_stays_with_its_job_and_the_overhead_is_shared_by_time(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    for gpu, watts in (("busy", 700), ("idle", 100)):
        telemetry.device(gpu)
        telemetry.samples(
            gpu, last_s=HOUR, sm_active_ratio=0.8, counter=lambda s, w=watts: float(w * s)
        )
    _meter(telemetry, start_ms, HOUR, lambda s: 1000.0)
    telemetry.assign("j", 0, HOUR, "busy")
    books = telemetry.book(HOUR)
    assert joules(books, "node", job="j") == {"busy": pytest.approx((700 + 100) * HOUR)}
    assert joules(books, "node", job=None) == {"free": pytest.approx((100 + 100) * HOUR)}


def test_where_the_devices_meter_more_than_the_node_the_nodes_sum_counts(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, counter=lambda s: 600.0 * s)
    _meter(telemetry, start_ms, HOUR, lambda s: 500.0)
    assert joules(telemetry.book(HOUR), "node") == {"free": pytest.approx(500 * HOUR)}


def _host_and_meter(telemetry: Any, start_ms: int, first_s: int, last_s: int) -> None:
    """A host that is read every 5 s and a meter beside it every second, each in rows of its own."""
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000 + 3, "cpu_busy_ratio": 0.5}
            for s in range(first_s, last_s + 1, 5)
        ],
        period_ms=5000,
    )
    telemetry.add(
        "node",
        [
            {
                "time_unix_ms": start_ms + s * 1000 + 40,
                "energy_joules_total": 1500.0 * s,
                "power_watts": 1500.0,
            }
            for s in range(first_s, last_s)
        ],
        period_ms=1000,
    )


def test_rows_of_a_host_between_those_of_its_meter_change_neither_joules_nor_completeness(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    _host_and_meter(telemetry, start_ms, 0, HOUR)
    books = telemetry.book(HOUR)
    entries = books.minutes("node", books.hours()[0])
    assert entries is not None
    assert sum(joules(books, "node").values()) == pytest.approx(1500 * (HOUR - 1))
    assert entries["energy_method"].unique().to_list() == ["counter"]
    assert entries["samples"].sum() == HOUR
    assert entries["samples_expected"].sum() == pytest.approx(HOUR)


def test_a_host_that_speaks_first_and_last_hides_no_joules_of_a_silence(
    telemetry: Any, joules: Any, start_ms: int
) -> None:
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    _host_and_meter(telemetry, start_ms, 0, HOUR)
    telemetry.book(4 * HOUR)
    _host_and_meter(telemetry, start_ms, 5 * HOUR, 6 * HOUR)
    books = telemetry.book(6 * HOUR)
    assert sum(joules(books, "node").values()) == pytest.approx(1500 * (6 * HOUR - 1))


def test_a_node_that_only_its_host_tells_of_expects_the_hosts_samples(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "cpu_busy_ratio": 0.5}
            for s in range(0, HOUR + 1, 5)
        ],
        period_ms=5000,
    )
    books = telemetry.book(HOUR)
    entries = books.minutes("node", books.hours()[0])
    assert entries is not None
    assert entries["samples"].sum() == pytest.approx(720)
    assert entries["samples_expected"].sum() == pytest.approx(720)
    assert entries["energy_joules"].null_count() == entries.height
