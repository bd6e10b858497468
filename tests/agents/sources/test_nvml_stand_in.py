"""The real binding against a library that behaves like the vendor's, in processes of their own."""

from __future__ import annotations

import json
import math
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE
from wattline_agents.sources.nvml import Off

T0 = 1_790_000_000.0
PATIENCE_SECONDS = 60.0
FIRST, SECOND = (f"GPU-57a4d14e-0000-4000-8000-{index:012d}" for index in range(2))
NO_PERMISSION, NOT_SUPPORTED, FUNCTION_NOT_FOUND, VERSION_MISMATCH = 4, 3, 13, 25

Step = tuple[float, Sequence[str]]
"""A time, and the faults that are there at it."""

FOLLOW = """
import json, sys
from pathlib import Path
from wattline_agents.errors import WattlineError
from wattline_agents.sources.nvml import NvmlSource

control = Path(sys.argv[1])
replacement = control.with_suffix(".new")
source, told = None, []
for seconds, faults in json.load(sys.stdin):
    replacement.write_text("\\n".join([f"now {seconds!r}", *faults, ""]))
    replacement.replace(control)
    now_ms = round(seconds * 1000)
    try:
        source = source or NvmlSource()
        rows = source.read(now_ms)["device"]
    except WattlineError as error:
        told.append({"error": str(error)})
        continue
    told.append({
        "rows": {row["device"]: row for row in rows},
        "info": {row["device"]: row for row in source.describe(now_ms)["device_info"]},
        "off": {f"{one.device} {one.name}": one.off for one in source.capabilities()},
    })
print(json.dumps(told))
"""

Follow = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def follow(nvml_stand_in: Any) -> Follow:
    """What the source says at each step; the stand-in's time is the step's."""

    def run(*steps: Step, **gpus: Any) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-c", FOLLOW, str(nvml_stand_in.control)],
            input=json.dumps(steps),
            stdout=subprocess.PIPE,
            text=True,
            env=nvml_stand_in.environment(**gpus),
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    return run


def load(seconds: float, index: int = 0) -> float:
    """The share of time at work, as the stand-in defines it."""
    return 0.55 + 0.35 * math.sin(2 * math.pi * seconds / 60 + index)


def test_values_and_units_are_right(follow: Follow) -> None:
    row = follow((T0, []), (T0 + 1, []))[1]["rows"][SECOND]
    now, between = load(T0 + 1, 1), load(T0 + 0.5, 1)
    assert row.pop("energy_joules_total") == pytest.approx(3601 * 405.5, rel=0.01)
    assert row == {
        "time_unix_ms": round(T0 * 1000) + 1000,
        "device": SECOND,
        "up": 1,
        "power_watts": pytest.approx(70 + 610 * now, abs=0.01),
        "power_limit_watts": 700.0,
        "busy_ratio": pytest.approx(now, abs=0.006),
        "memory_busy_ratio": pytest.approx(0.4 * now, abs=0.006),
        "sm_active_ratio": pytest.approx(between, abs=0.001),
        "tensor_active_ratio": pytest.approx(0.6 * between, abs=0.001),
        "dram_active_ratio": pytest.approx(0.4 * between, abs=0.001),
        "memory_used_bytes": 11 * 1024**3,
        "memory_size_bytes": 80 * 1024**3,
        "temperature_celsius": 30 + int(40 * load(T0, 1)),
        "memory_temperature_celsius": 38 + int(40 * load(T0, 1)),
        "sm_clock_hertz": 1.98e9,
        "memory_clock_hertz": 2.619e9,
        # A second of every twenty, for an hour.
        "throttle_power_cap_seconds_total": pytest.approx(180, abs=1),
        "throttle_thermal_seconds_total": 0.0,
        "throttle_power_brake_seconds_total": 0.0,
        "read_errors_total": 0,
    }
    assert {*row, "energy_joules_total"} == set(DEVICE.columns)


def test_devices_are_described(follow: Follow) -> None:
    info = follow((T0, []))[0]["info"]
    assert info[SECOND] == {
        "time_unix_ms": round(T0 * 1000),
        "device": SECOND,
        "index": 1,
        "vendor": "nvidia",
        "model": "NVIDIA H100 80GB HBM3",
        "pci": "00000000:2B:00.0",
        "driver": "580.65.06",
        "source": "nvml",
        "power_mode": "instant",
        "power_scope": "gpu",
    }
    assert list(info) == [FIRST, SECOND]


def test_the_energy_counter_grows_by_the_integral_of_power(follow: Follow) -> None:
    told = follow(*((T0 + step / 2, []) for step in range(91)))
    rows = [one["rows"][FIRST] for one in told]
    areas = [(a["power_watts"] + b["power_watts"]) / 2 * 0.5 for a, b in pairwise(rows)]
    grown = rows[-1]["energy_joules_total"] - rows[0]["energy_joules_total"]
    assert grown == pytest.approx(math.fsum(areas), rel=1e-4)
    assert grown == pytest.approx(45 * 405, rel=0.5), "in joules and watts, and no thousandth"


def test_an_a100_has_no_activity_and_says_why(follow: Follow) -> None:
    told = follow((T0, []), (T0 + 1, []), model="a100")[1]
    row = told["rows"][FIRST]
    missing = {"sm_active_ratio", "tensor_active_ratio", "dram_active_ratio"}
    assert set(DEVICE.columns) - {c for c, v in row.items() if v is not None} == missing
    assert told["off"][f"{FIRST} gpm"] == Off.NOT_SUPPORTED
    assert {name for name, off in told["off"].items() if off} == {f"{FIRST} gpm", f"{SECOND} gpm"}
    assert row["power_watts"] == pytest.approx(60 + 330 * load(T0 + 1), abs=0.01)
    assert row["read_errors_total"] == 0


def test_power_of_a_whole_module_is_called_so(follow: Follow) -> None:
    told = follow((T0, []), model="gh200")[0]
    assert told["info"][FIRST]["power_scope"] == "module"
    assert told["info"][FIRST]["power_mode"] == "instant"
    assert told["rows"][FIRST]["power_watts"] == pytest.approx(160 + 710 * load(T0), abs=0.01)


@pytest.mark.parametrize(("model", "mode"), [("a100", "instant"), ("h100", "average_1s")])
def test_where_the_power_fields_are_refused_plain_power_is_named_by_the_chip(
    follow: Follow, model: str, mode: str
) -> None:
    told = follow((T0, ["fail 185 3", "fail 186 3"]), model=model)[0]
    assert told["info"][FIRST]["power_mode"] == mode
    assert told["rows"][FIRST]["power_watts"] > 60


def test_energy_refused_as_a_field_is_read_by_its_own_call(follow: Follow) -> None:
    (told,) = follow((T0, ["fail 83 3"]))
    assert told["rows"][FIRST]["energy_joules_total"] == pytest.approx(3600 * 405.5, rel=0.01)
    assert told["off"][f"{FIRST} energy"] is None
    (told,) = follow((T0, ["fail 83 3", "fail nvmlDeviceGetTotalEnergyConsumption 3"]))
    assert told["rows"][FIRST].get("energy_joules_total") is None
    assert told["off"][f"{FIRST} energy"] == Off.NOT_SUPPORTED


def test_a_lost_gpu_is_down_the_others_go_on_and_it_comes_back(follow: Follow) -> None:
    lost = ["lost 1"]
    told = follow((T0, []), (T0 + 1, lost), (T0 + 2, lost), (T0 + 13, []), (T0 + 14, []))
    assert [one["rows"][SECOND]["up"] for one in told] == [1, 0, 0, 1, 1]
    assert set(told[1]["rows"][SECOND]) == {"time_unix_ms", "device", "up"}
    assert [one["rows"][FIRST]["up"] for one in told] == [1] * 5
    assert all(one["rows"][FIRST]["power_watts"] > 70 for one in told)
    assert told[4]["rows"][SECOND]["sm_active_ratio"] is not None
    assert told[4]["rows"][SECOND]["read_errors_total"] == 1


def test_a_gpu_lost_at_the_start_appears_when_it_answers(follow: Follow) -> None:
    told = follow((T0, ["lost 0"]), (T0 + 1, []), (T0 + 2, []))
    assert list(told[0]["rows"]) == [SECOND]
    # It was found while the second step was described.
    assert set(told[2]["rows"]) == {FIRST, SECOND}


def test_a_counter_that_begins_again_is_passed_on_as_it_is(follow: Follow) -> None:
    told = follow((T0, []), (T0 + 1, ["reset 0"]), (T0 + 2, []))
    energy = [one["rows"][FIRST]["energy_joules_total"] for one in told]
    assert energy[1] == 0
    assert energy[2] == pytest.approx(70 + 610 * load(T0 + 1.5), abs=1)
    assert told[2]["rows"][SECOND]["energy_joules_total"] > energy[0] / 2


def test_a_reloaded_driver_is_found_again(follow: Follow) -> None:
    gone = ["unloaded"]
    told = follow((T0, []), (T0 + 1, gone), (T0 + 5, gone), (T0 + 12, []), (T0 + 13, []))
    assert [[row["up"] for row in one["rows"].values()] for one in told] == [
        [1, 1], [0, 0], [0, 0], [1, 1], [1, 1],
    ]  # fmt: skip
    energy = [one["rows"][FIRST].get("energy_joules_total") for one in told]
    assert energy[4] < energy[0], "the counters began again with the driver"
    assert told[4]["rows"][FIRST]["sm_active_ratio"] is not None


def test_a_library_that_forgot_that_it_was_open_is_opened_again(follow: Follow) -> None:
    told = follow((T0, []), (T0 + 1, ["uninitialized"]), (T0 + 12, []))
    assert [one["rows"][FIRST]["up"] for one in told] == [1, 0, 1]


def test_a_driver_that_is_not_loaded_is_said(follow: Follow) -> None:
    (told,) = follow((T0, ["unloaded"]))
    assert told["error"] == "the NVIDIA driver is installed and not loaded"


def test_without_permission_for_activity_everything_else_is_read(follow: Follow) -> None:
    refused = [f"fail nvmlGpmSampleGet {NO_PERMISSION}"]
    told = follow((T0, refused), (T0 + 1, refused), (T0 + 301, []), (T0 + 302, []))
    assert told[1]["off"][f"{FIRST} gpm"] == Off.NO_PERMISSION
    assert "sm_active_ratio" not in told[1]["rows"][FIRST]
    assert told[1]["rows"][FIRST]["power_watts"] > 70
    assert told[3]["rows"][FIRST]["sm_active_ratio"] is not None
    assert told[3]["off"][f"{FIRST} gpm"] is None


def test_an_activity_refused_after_it_was_read_is_asked_for_again(follow: Follow) -> None:
    refused = ["fail nvmlGpmMetricsGet 2"]
    told = follow((T0, []), (T0 + 1, refused), (T0 + 2, []), (T0 + 302, []), (T0 + 303, []))
    active = [one["rows"][FIRST].get("sm_active_ratio") for one in told]
    assert active[:4] == [None] * 4
    # Of the second just gone, and not of the five minutes in which nobody asked.
    assert active[4] == pytest.approx(load(T0 + 302.5), abs=0.001)


def test_a_slow_driver_is_waited_for(follow: Follow) -> None:
    told = follow((T0, ["slow 2"]), (T0 + 1, ["slow 2"]))
    assert told[1]["rows"][SECOND]["sm_active_ratio"] is not None


def test_an_old_driver_is_read_by_what_it_has(follow: Follow) -> None:
    old = [
        f"fail nvmlDeviceGetTemperatureV {FUNCTION_NOT_FOUND}",
        f"fail nvmlDeviceGetMemoryInfo_v2 {VERSION_MISMATCH}",
        f"fail nvmlGpmQueryDeviceSupport {FUNCTION_NOT_FOUND}",
    ]
    told = follow((T0, old), (T0 + 1, old))[1]
    row = told["rows"][FIRST]
    assert row["temperature_celsius"] == 30 + int(40 * load(T0))
    assert row["memory_used_bytes"] == 10.5 * 1024**3
    assert told["off"][f"{FIRST} gpm"] == Off.OLD_DRIVER
    assert row["read_errors_total"] == 0


def test_without_throttling_counters_the_reasons_are_integrated(follow: Follow) -> None:
    refused = ["fail 74 3", "fail 269 3", "fail 270 3", "fail 271 3"]
    start = T0 - T0 % 20
    told = follow(*((start + step / 10, refused) for step in range(200)))
    row = told[-1]["rows"][FIRST]
    assert row["throttle_power_cap_seconds_total"] == pytest.approx(1, abs=0.1)
    assert row["throttle_thermal_seconds_total"] == 0


def test_a_failed_first_reading_of_power_does_not_settle_for_another_kind(follow: Follow) -> None:
    told = follow((T0, ["fail 186 999"]), (T0 + 1, []), (T0 + 2, []))
    assert told[0]["rows"][FIRST]["power_watts"] > 70
    assert told[2]["info"][FIRST]["power_mode"] == "instant"
    assert told[2]["rows"][FIRST]["power_watts"] == pytest.approx(70 + 610 * load(T0 + 2), abs=0.01)


OPEN_WHILE_IT_HANGS = """
import sys, time
from pathlib import Path
from wattline_agents.errors import ReadFailed
from wattline_agents.sources.nvml import NvmlSource

control = Path(sys.argv[1])
control.write_text("hang 1\\n")
source = NvmlSource(open_seconds=0.05)
for second in range(2):
    try:
        source.read(second * 1000)
    except ReadFailed as error:
        print(error)
print(source.describe(0), source.capabilities())
if sys.argv[2] == "end":
    source.close()
    sys.exit()
control.write_text("")
while True:
    try:
        rows = source.read(2000)["device"]
        break
    except ReadFailed:
        time.sleep(0.01)
print([row["up"] for row in rows])
source.close()
"""


@pytest.mark.parametrize(("then", "last"), [("wait", "[1, 1]"), ("end", "{'device_info': []} []")])
def test_a_gpu_that_hangs_at_the_start_holds_nobody_up(
    nvml_stand_in: Any, then: str, last: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPEN_WHILE_IT_HANGS, str(nvml_stand_in.control), then],
        stdout=subprocess.PIPE,
        text=True,
        env=nvml_stand_in.environment(),
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["nvml: the driver has not answered since the agent started"] * 2
    assert lines[-1] == last


def test_once_prints_the_gpus_for_people(nvml_stand_in: Any) -> None:
    nvml_stand_in.plant(f"now {T0}", "lost 1")
    done = subprocess.run(
        [sys.executable, "-m", "wattline_agents.cli", "agent", "--source", "nvml", "--once"],
        capture_output=True,
        text=True,
        env=nvml_stand_in.environment(devices=3),
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rf"device  0  NVIDIA H100 80GB HBM3  {FIRST}\n  up +1\n", done.stdout)
    assert re.search(r"power_watts +\d+\.\d W\n", done.stdout)
    assert re.search(r"energy_joules_total +\d\.\d MJ\n", done.stdout)
    assert re.search(r"sm_clock_hertz +2\.0 GHz\n", done.stdout)
    assert done.stdout.count("up  ") == 2


def test_once_says_why_an_a100_has_no_activity(nvml_stand_in: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wattline_agents.cli", "agent", "--source", "nvml", "--once"],
        capture_output=True,
        text=True,
        env=nvml_stand_in.environment(devices=1, model="a100"),
        timeout=PATIENCE_SECONDS,
    )
    assert done.stdout.splitlines()[-1] == (
        "  not known: sm_active_ratio, tensor_active_ratio, dram_active_ratio "
        "(this device has no such sensor)"
    )


@dataclass
class Running:
    """An agent, what it says, and the tables it sends."""

    process: subprocess.Popen[str]
    said: queue.SimpleQueue[str]
    sent: queue.SimpleQueue[str]

    def wait_for(self, what: queue.SimpleQueue[str], pattern: str) -> str:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                if re.search(pattern, line := what.get(timeout=0.2)):
                    return line
            except queue.Empty:
                assert self.process.poll() is None, "the agent ended"
        raise AssertionError(f"nothing like {pattern!r}")

    def forget_sent(self) -> None:
        while not self.sent.empty():
            self.sent.get()


@pytest.fixture
def running(nvml_stand_in: Any, tmp_path: Path) -> Iterator[Running]:
    sent: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            sent.put(self.path.rsplit("/", 1)[1])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    (tmp_path / "token").write_text("token\n")
    (tmp_path / "token").chmod(0o600)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process = subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.cli", "agent", "--no-jobs",
             "--source", "nvml", "--source", "host:every=0.25",
             "--period", "0.25", "--push-every", "0.5", "--spool", str(tmp_path / "spool"),
             "--push", f"http://127.0.0.1:{server.server_port}",
             "--token-file", str(tmp_path / "token")],
            stderr=subprocess.PIPE,
            text=True,
            env=nvml_stand_in.environment(),
        )  # fmt: skip
        said: queue.SimpleQueue[str] = queue.SimpleQueue()

        def listen() -> None:
            assert process.stderr is not None
            with process.stderr as lines:
                for line in lines:
                    said.put(line)

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            yield Running(process, said, sent)
        finally:
            process.kill()
            process.wait()
            listener.join()
            server.shutdown()


def test_a_call_that_hangs_stops_neither_the_host_nor_the_sending(
    running: Running, nvml_stand_in: Any
) -> None:
    running.wait_for(running.sent, "^device$")
    nvml_stand_in.plant("hang 1")
    running.wait_for(running.said, "nvml: no answer from the driver within")
    running.forget_sent()
    for _ in range(3):
        running.wait_for(running.sent, "^node$")
    assert running.sent.empty() or running.sent.get() != "device"
    nvml_stand_in.plant()
    running.wait_for(running.said, "nvml: reading again")
    running.wait_for(running.sent, "^device$")


def test_an_agent_ends_while_a_call_hangs(running: Running, nvml_stand_in: Any) -> None:
    running.wait_for(running.sent, "^device$")
    nvml_stand_in.plant("hang 0")
    running.wait_for(running.said, "no answer from the driver within")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(PATIENCE_SECONDS) == 0
