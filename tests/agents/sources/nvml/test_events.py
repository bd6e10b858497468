"""XIDs that the driver reports of its own accord, to a thread that waits for them."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from wattline_agents.sources.nvml import Off

PATIENCE_SECONDS = 30.0
WAIT_MS = 20


def read_until_told(bench: Any, second: float, *lines: str, count: int = 1) -> Any:
    """Readings at one time until so many XIDs were told; they come when the thread is woken."""
    until = time.monotonic() + PATIENCE_SECONDS
    told = bench.read(second, *lines)
    counted = sum(row["count_total"] for row in told["xid"])
    while counted < count:
        assert time.monotonic() < until, "no event came"
        time.sleep(0.005)
        told = bench.read(second, *lines)
        counted = max(counted, sum(row["count_total"] for row in told["xid"]))
    return told


def test_an_event_is_told_once_and_counted_on_its_device(bench: Any) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    assert bench.read(0)["xid"] == []
    lines = ["xid 1 79 1790000001"]
    before = time.time()
    told = read_until_told(bench, 1, *lines)
    (row,) = told["xid"]
    assert (row["device"], row["xid"], row["count_total"]) == (bench.uuid(1), 79, 1)
    assert before - 1 <= row["last_unix_seconds"] <= time.time() + 1
    assert told.row(1)["xid_events_total"] == 1
    assert told.row(0)["xid_events_total"] == 0
    assert bench.read(2, *lines)["xid"] == []
    assert bench.capability("events") is None


def test_a_storm_is_counted_by_number(bench: Any) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    bench.read(0)
    lines = [f"xid 0 {code} {1_790_000_000 + at}" for at, code in ((1, 13), (2, 13), (3, 31))]
    told = read_until_told(bench, 4, *lines, count=3)
    counts = {row["xid"]: row["count_total"] for row in told["xid"]}
    assert counts == {13: 2, 31: 1}
    assert told.row(0)["xid_events_total"] == 3


def test_counts_are_repeated_every_ten_minutes(bench: Any) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    bench.read(0)
    lines = ["xid 0 13 1790000001"]
    read_until_told(bench, 1, *lines)
    assert bench.read(599, *lines)["xid"] == []
    (row,) = bench.read(600, *lines)["xid"]
    assert (row["xid"], row["count_total"]) == (13, 1)


def test_an_event_of_an_instance_counts_on_its_device(bench: Any) -> None:
    bench.begin(devices=1, event_wait_ms=WAIT_MS)
    mig = "mig 0 3g.40gb,3g.40gb"
    bench.read(0, mig)
    told = read_until_told(bench, 1, mig, "xid 0 43 1790000001 1")
    assert told.row()["xid_events_total"] == 1


def test_the_xid_of_a_gpu_that_is_lost_is_told_all_the_same(bench: Any) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    bench.read(0)
    told = read_until_told(bench, 1, "xid 1 79 1790000001")
    told = bench.read(2, "xid 1 79 1790000001", "lost 1")
    assert (told.row(1)["up"], told.row(1)["xid_events_total"]) == (0, 1)


def test_an_error_both_reported_and_logged_is_one(bench: Any) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    bench.read(0)
    lines = ["xid 1 79 1790000001"]
    read_until_told(bench, 1, *lines)
    with bench.kmsg.open("a") as log:
        log.write("2,7,1,-;NVRM: Xid (PCI:0000:2b:00): 79, GPU has fallen off the bus.\n")
    assert bench.read(2, *lines).row(1)["xid_events_total"] == 1


def test_events_are_waited_for_again_after_the_driver_was_reloaded(bench: Any) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    bench.read(0)
    bench.read(1, "unloaded")
    assert bench.read(12).up == [1, 1]
    told = read_until_told(bench, 13, "xid 0 62 1790000013")
    assert told.row(0)["xid_events_total"] == 1


def test_a_wait_that_fails_is_begun_again(bench: Any) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    bench.read(0, "fail nvmlEventSetWait_v2 999")
    until = time.monotonic() + PATIENCE_SECONDS
    while "nvml events" in {thread.name for thread in threading.enumerate()}:
        assert time.monotonic() < until
        time.sleep(0.001)
    for second in range(1, 30):
        bench.read(second, "fail nvmlEventSetWait_v2 999")
    assert bench.calls()["nvmlEventSetCreate"] <= 4, "not at each tick"
    bench.read(40)
    told = read_until_told(bench, 41, "xid 0 62 1790000041")
    assert told.up == [1, 1]


@pytest.mark.parametrize(
    ("code", "off"), [(3, Off.NOT_SUPPORTED), (4, Off.NO_PERMISSION), (13, Off.OLD_DRIVER)]
)
def test_where_there_are_no_events_the_rest_is_read_and_it_is_said(
    bench: Any, code: int, off: str
) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    told = bench.read(0, f"fail nvmlDeviceRegisterEvents {code} 1")
    assert told.up == [1, 1]
    assert bench.capability("events", 1) == off
    assert bench.capability("events", 0) is None


def test_nobody_waits_where_nothing_can_come(bench: Any) -> None:
    bench.begin(event_wait_ms=WAIT_MS)
    bench.read(0, "fail nvmlEventSetCreate 3")
    assert "nvml events" not in {thread.name for thread in threading.enumerate()}


def test_closing_ends_the_wait(bench: Any) -> None:
    source = bench.begin(event_wait_ms=WAIT_MS)
    bench.read(0)
    assert "nvml events" in {thread.name for thread in threading.enumerate()}
    source.close()
    assert "nvml events" not in {thread.name for thread in threading.enumerate()}
    assert bench.calls()["nvmlEventSetFree"] == bench.calls()["nvmlShutdown"] == 1


def test_a_long_wait_does_not_hold_up_the_end(bench: Any) -> None:
    source = bench.begin(event_wait_ms=5_000)
    bench.read(0)
    source.close()
    # Closing the library under the wait could hang, and the process is about to end.
    assert bench.calls()["nvmlShutdown"] == 0
