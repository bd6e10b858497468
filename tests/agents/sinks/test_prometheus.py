import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.errors import UsageError
from wattline_agents.sinks.prometheus import Latest, PrometheusSink, listen_address

GOLDEN = Path(__file__).parent / "exposition.txt"

SAMPLE: dict[str, list[dict[str, Any]]] = {
    "device": [
        {
            "time_unix_ms": 1, "device": "GPU-1", "up": 1, "energy_joules_total": 1234.5,
            "power_watts": 412.5, "busy_ratio": 0.97, "sm_active_ratio": None,
            "memory_used_bytes": 68_719_476_736, "temperature_celsius": 61.0,
            "memory_temperature_celsius": 71.0, "throttle_power_cap_seconds_total": 2.0,
            "throttle_thermal_seconds_total": 3.0,
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
}  # fmt: skip


@pytest.fixture
def latest(clock: Any) -> Latest:
    found = Latest("n01", clock)
    for table, rows in SAMPLE.items():
        found.put(TABLES[table], rows, 1000 if TABLES[table].metrics else 0)
    return found


def exposition(latest: Latest) -> str:
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(latest)
    return generate_latest(registry).decode()


def test_the_whole_exposition_is_as_it_was_agreed(latest: Latest) -> None:
    assert exposition(latest) == GOLDEN.read_text()


def test_an_owner_is_named_nowhere(latest: Latest) -> None:
    assert "ada" not in exposition(latest)


def test_what_is_not_known_is_absent(latest: Latest) -> None:
    text = exposition(latest)
    assert "aif_gpu_sm_active_ratio" not in text
    assert 'aif_gpu_power_watts{device="GPU-2"' not in text
    assert 'aif_gpu_up{device="GPU-2",node="n01"} 0.0' in text


def test_a_reading_older_than_three_periods_is_gone(latest: Latest, clock: Any) -> None:
    clock.sleep(11)
    text = exposition(latest)
    assert "aif_gpu_power_watts" not in text
    assert "aif_gpu_info" in text
    clock.sleep(1_500)
    assert exposition(latest) == ""


def test_an_assignment_that_ended_is_gone(latest: Latest) -> None:
    (row,) = SAMPLE["assignment"]
    latest.put(TABLES["assignment"], [{**row, "end_unix_ms": 5}], 0)
    assert "aif_gpu_assignment" not in exposition(latest)


def test_it_is_scraped_over_http() -> None:
    sink = PrometheusSink("n01", "127.0.0.1", 0)
    sink.accept("device", SAMPLE["device"], 1000)
    with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics") as answer:
        text = answer.read().decode()
    sink.close()
    assert 'aif_gpu_power_watts{device="GPU-1",node="n01"} 412.5' in text
    assert sink.health().spool_bytes is None


def test_an_address_in_use_is_named() -> None:
    first = PrometheusSink("n01", "127.0.0.1", 0)
    with pytest.raises(UsageError, match=f"--prometheus 127.0.0.1:{first.port}: Address already"):
        PrometheusSink("n01", "127.0.0.1", first.port)
    first.close()


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


def test_without_the_library_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["prometheus_client"] = None
from wattline_agents.agent_main import main
sys.exit(main(["--prometheus", "0", "--source", "host", "--no-jobs"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "wattline-agent: --prometheus needs a library that is not installed: "
        "pip install wattline-agents[prometheus]"
    )
