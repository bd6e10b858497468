import gzip
import http.client
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_1

from wattline_agents.errors import UsageError
from wattline_agents.sinks.exposition import Page
from wattline_agents.sinks.prometheus import PrometheusSink, listen_address
from wattline_agents.sinks.prometheus.http import Request
from wattline_agents.sinks.sink import KeepsSets
from wattline_agents.sources.source import Waits

GOLDEN = Path(__file__).parent / "exposition.txt"

SAMPLE: dict[str, list[dict[str, Any]]] = {
    "device": [
        {
            "time_unix_ms": 1, "device": "GPU-1", "up": 1, "energy_joules_total": 1234.5,
            "power_watts": 412.5, "busy_ratio": 0.97, "sm_active_ratio": None,
            "memory_used_bytes": 68_719_476_736, "temperature_celsius": 61.0,
            "memory_temperature_celsius": 71.0, "throttle_power_cap_seconds_total": 2.0,
            "throttle_thermal_seconds_total": 3.0, "ecc_corrected_volatile_total": 4,
        },
        {"time_unix_ms": 1, "device": "GPU-2", "up": 0},
    ],
    "node": [
        {
            "time_unix_ms": 1, "cpu_user_seconds_total": 10.5, "cpu_idle_seconds_total": 90.0,
            "network_receive_bytes_total": 1000, "memory_size_bytes": 2**40,
        }
    ],
    "job": [{"time_unix_ms": 1, "job": "42", "tokens_trained_total": 4096, "steps_total": 2}],
    "agent": [{"time_unix_ms": 1, "readings_total": 7, "read_errors_total": 0}],
    "mig": [
        {
            "time_unix_ms": 1, "device": "GPU-1", "instance": "MIG-1", "gpu_instance": 1,
            "profile": "3g.40gb", "sm_active_ratio": 0.5,
        }
    ],
    "process": [
        {
            "time_unix_ms": 1, "device": "GPU-1", "pid": 4711, "cgroup": "/job_42",
            "memory_used_bytes": 1024,
        }
    ],
    "xid": [{"time_unix_ms": 1, "device": "GPU-1", "xid": 79, "count_total": 1}],
    "meter": [
        {"time_unix_ms": 1, "source": "rapl", "domain": "package-0", "energy_joules_total": 5.5}
    ],
    "device_info": [
        {
            "time_unix_ms": 1, "device": "GPU-1", "index": 0, "vendor": "nvidia",
            "model": 'H200 "big"\\1', "driver": "580.65.06", "power_mode": "instant",
        }
    ],
    "node_info": [{"time_unix_ms": 1, "rack": "r1", "os": "Debian", "agent_version": "0.1.0"}],
    "job_info": [
        {
            "time_unix_ms": 1, "job": "42", "name": "demo", "kind": "training",
            "user": "ada", "state": "running",
        }
    ],
    "assignment": [{"time_unix_ms": 1, "device": "GPU-1", "job": "42", "start_unix_ms": 1}],
    "capability": [
        {
            "time_unix_ms": 1, "source": "nvml", "device": "GPU-1", "column": "sm_active_ratio",
            "reason": "not supported by this device",
        }
    ],
}  # fmt: skip
INFOS = {"device_info", "node_info", "job_info", "assignment", "capability", "xid"}

METRICS = Request("GET", "/metrics")
HEALTH = Request("GET", "/healthz")


@pytest.fixture
def sink(clock: Any) -> Iterator[PrometheusSink]:
    opened = PrometheusSink("n01", "127.0.0.1", 0, clock)
    yield opened
    opened.close()


def fill(sink: PrometheusSink) -> None:
    for table, rows in SAMPLE.items():
        sink.accept(table, rows, 0 if table in INFOS else 1000)


def test_the_whole_page_is_as_it_was_agreed(sink: PrometheusSink) -> None:
    fill(sink)
    assert sink.respond(METRICS, True).body.decode() == GOLDEN.read_text()


def test_the_loop_may_wait_for_it(sink: PrometheusSink) -> None:
    assert isinstance(sink, Waits)


def test_a_page_is_made_once_for_all_who_ask_until_something_is_read(
    sink: PrometheusSink, clock: Any
) -> None:
    fill(sink)
    first = sink.respond(METRICS, True).body
    assert sink.respond(METRICS, True).body is first
    sink.accept("device", SAMPLE["device"], 1000)
    second = sink.respond(METRICS, True).body
    assert second == first
    assert second is not first
    clock.sleep(100)
    assert sink.respond(METRICS, True).body != first


def test_for_who_asks_at_every_reading_pages_are_made_when_something_is_read(
    sink: PrometheusSink, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []
    render = Page.render

    def rendered(page: Page, turn: int = 0) -> bytes:
        made.append(clock.monotonic())
        return render(page, turn)

    monkeypatch.setattr(Page, "render", rendered)

    def second(*, asks: bool) -> int:
        """How many pages are made in a second with a reading, before it is asked for, if it is."""
        fill(sink)
        made.clear()
        sink.descriptors()
        sink.descriptors()
        ahead = len(made)
        clock.sleep(0.5)
        if asks:
            sink.respond(METRICS, True)
            assert len(made) == 1
        clock.sleep(0.5)
        return ahead

    assert second(asks=False) == 0, "nobody asks"
    assert second(asks=True) == 0
    assert [second(asks=True) for _ in range(3)] == [1, 1, 1]
    assert [second(asks=False) for _ in range(3)] == [1, 1, 0], "nobody asks any more"


def test_a_page_is_compressed_for_other_machines_only(sink: PrometheusSink) -> None:
    fill(sink)
    asks = Request("GET", "/metrics", openmetrics=True, gzip=True)
    plain = sink.respond(asks, True)
    packed = sink.respond(asks, False)
    assert packed.fields == {"Vary": "Accept, Accept-Encoding", "Content-Encoding": "gzip"}
    assert plain.fields == {"Vary": "Accept, Accept-Encoding"}
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3
    assert sink.respond(METRICS, False).fields == plain.fields


def test_it_is_healthy_while_readings_come_within_three_periods(
    sink: PrometheusSink, clock: Any
) -> None:
    answer = sink.respond(HEALTH, True)
    assert (answer.status, answer.body) == (503, b"nothing has been read yet\n")
    sink.accept("agent", SAMPLE["agent"], 10_000)
    sink.accept("device_info", SAMPLE["device_info"], 0)
    assert sink.respond(HEALTH, True).status == 503, "neither says that anything is read"
    sink.accept("device", SAMPLE["device"], 2_000)
    clock.sleep(6)
    assert sink.respond(HEALTH, True).status == 200
    clock.sleep(1)
    answer = sink.respond(HEALTH, True)
    assert answer.status == 503
    assert answer.body == b"nothing was read for 7 s; readings should be 2 s apart\n"
    sink.accept("node", SAMPLE["node"], 5_000)
    assert sink.respond(HEALTH, True).status == 200, "something is read"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/metrics/", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "*", 404),
        ("POST", "/metrics", 405),
        ("OPTIONS", "*", 405),
        ("get", "/metrics", 405),
    ],
)
def test_nothing_else_is_served(sink: PrometheusSink, method: str, path: str, status: int) -> None:
    answer = sink.respond(Request(method, path), True)
    assert answer.status == status
    assert (answer.fields == {"Allow": "GET, HEAD"}) is (status == 405)


def test_it_is_scraped_over_http(sink: PrometheusSink, serve: Callable[[Waits], None]) -> None:
    fill(sink)
    serve(sink)
    connection = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=10)
    for _ in range(3):  # on one connection
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert text == GOLDEN.read_text()
        assert list(parser.text_string_to_metric_families(text))

        connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.headers["Content-Type"] == (
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        )
        assert list(openmetrics_1.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]

        connection.request("HEAD", "/metrics")
        answer = connection.getresponse()
        assert int(answer.headers["Content-Length"]) == len(GOLDEN.read_text())
        assert answer.read() == b""
    connection.close()
    assert sink.health().spool_bytes is None


def test_an_address_in_use_is_named(sink: PrometheusSink) -> None:
    with pytest.raises(UsageError, match=f"--prometheus 127.0.0.1:{sink.port}: Address already"):
        PrometheusSink("n01", "127.0.0.1", sink.port)


def test_a_host_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match=r"--prometheus 999\.1\.1\.1:0: "):
        PrometheusSink("n01", "999.1.1.1", 0)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9400", ("127.0.0.1", 9400)),
        (":9400", ("127.0.0.1", 9400)),
        ("9400", ("127.0.0.1", 9400)),
        ("[::1]:0", ("::1", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
    ],
)
def test_without_a_host_it_is_loopback(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:99999"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not HOST:PORT"):
        listen_address(text)


def test_it_needs_nothing_that_is_heavy() -> None:
    code = """
import sys
from wattline_agents.sinks.prometheus import PrometheusSink
from wattline_agents.sinks.prometheus.http import Request
PrometheusSink("n01", "127.0.0.1", 0).respond(Request("GET", "/metrics"), True)
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    heavy = {
        "asyncio", "email", "http.server", "json", "logging", "prometheus_client", "psutil", "ssl",
        "threading", "urllib.request", "zlib",
    }  # fmt: skip
    assert heavy & set(done.stdout.split()) == set()


def test_reasons_of_which_none_is_left_are_gone_from_the_page(sink: PrometheusSink) -> None:
    fill(sink)
    assert isinstance(sink, KeepsSets)
    assert b"gpu_capability_off" in sink.respond(METRICS, True).body
    sink.told_none("capability")
    assert b"gpu_capability_off" not in sink.respond(METRICS, True).body
