"""The agent as it is started on a node, with GPUs that are the stand-in's: what its page shows."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 60.0
FIRST, SECOND = (f"GPU-57a4d14e-0000-4000-8000-{index:012d}" for index in range(2))


@dataclass
class Page:
    """What a scrape showed: the value of each series by its family and labels."""

    series: dict[str, float]

    def value(self, family: str, device: str | None = None, *labels: str) -> float | None:
        """The one series of a family with these labels, such as `xid="79"`."""
        wanted = [*labels, *([] if device is None else [f'="{device}"'])]
        found = [
            value
            for name, value in self.series.items()
            if name.partition("{")[0] == family and all(label in name for label in wanted)
        ]
        assert len(found) <= 1, f"{family}: {len(found)} series"
        return found[0] if found else None


@dataclass
class Running:
    """An agent that can be scraped."""

    process: subprocess.Popen[str]
    url: str

    def page(self) -> Page:
        with urllib.request.urlopen(self.url, timeout=PATIENCE_SECONDS) as answer:
            text = answer.read().decode()
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return Page({name: float(value) for name, value in (_split(line) for line in lines)})

    def shows(self, what: Callable[[Page], bool]) -> Page:
        """The first page that shows it."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, "the agent ended"
            page = self.page()
            if what(page):
                return page
            time.sleep(0.1)
        raise AssertionError(f"not shown within {PATIENCE_SECONDS:g} s")


def _split(line: str) -> tuple[str, str]:
    match = re.fullmatch(r"(\w+(?:\{.*\})?) (\S+)(?: \S+)?", line)
    assert match, line
    return match[1], match[2]


Start = Callable[..., Running]


@pytest.fixture
def start(nvml_stand_in: Any, tmp_path: Path) -> Iterator[Start]:
    """Starts an agent with these lines planted, and waits until it shows the first GPU."""
    started: list[subprocess.Popen[str]] = []

    def run(*lines: str, **gpus: Any) -> Running:
        nvml_stand_in.plant(*lines)
        process = subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.agent_main", "--source", "nvml",
             "--source", "host:every=0.25", "--period", "0.25", "--no-jobs",
             "--prometheus", "127.0.0.1:0"],
            stderr=subprocess.PIPE,
            text=True,
            env=nvml_stand_in.environment(**gpus),
        )  # fmt: skip
        started.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if url := re.search(r"http://\S+/metrics", line):
                running = Running(process, url[0])
                running.shows(lambda page: page.value("aif_gpu_power_watts", FIRST) is not None)
                return running
        raise AssertionError("the agent ended before it listened")

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def test_a_gpu_that_hangs_stops_neither_the_others_nor_the_host(
    start: Start, nvml_stand_in: Any
) -> None:
    agent = start()
    nvml_stand_in.plant("hang 1")
    page = agent.shows(lambda page: page.value("aif_gpu_up", SECOND) == 0)
    age = page.value("aif_gpu_sample_age_seconds", SECOND)
    assert age is not None
    agent.shows(lambda page: (page.value("aif_gpu_sample_age_seconds", SECOND) or 0) > age)
    later = agent.shows(lambda page: page.value("aif_gpu_read_timeouts_total", SECOND) == 1)
    energy = later.value("aif_gpu_energy_joules_total", FIRST) or 0
    busy = later.value("aif_host_cpu_seconds_total", None, 'mode="idle"') or 0
    agent.shows(lambda page: (page.value("aif_gpu_energy_joules_total", FIRST) or 0) > energy)
    agent.shows(
        lambda page: (page.value("aif_host_cpu_seconds_total", None, 'mode="idle"') or 0) > busy
    )
    assert agent.page().value("aif_gpu_up", FIRST) == 1


def test_an_agent_ends_while_a_call_hangs(start: Start, nvml_stand_in: Any) -> None:
    agent = start()
    nvml_stand_in.plant("hang 0")
    agent.shows(lambda page: page.value("aif_gpu_up", FIRST) == 0)
    agent.process.send_signal(signal.SIGTERM)
    assert agent.process.wait(PATIENCE_SECONDS) == 0


def test_a_lost_gpu_is_down_and_the_others_go_on(start: Start, nvml_stand_in: Any) -> None:
    agent = start()
    nvml_stand_in.plant("lost 1")
    page = agent.shows(lambda page: page.value("aif_gpu_up", SECOND) == 0)
    last = page.value("aif_gpu_power_watts", SECOND)
    age = page.value("aif_gpu_sample_age_seconds", SECOND)
    assert age is not None
    page = agent.shows(lambda page: (page.value("aif_gpu_sample_age_seconds", SECOND) or 0) > age)
    assert page.value("aif_gpu_power_watts", SECOND) == last, "the last there was, and its age"
    assert page.value("aif_gpu_up", FIRST) == 1


def test_an_xid_is_counted_by_its_number(start: Start, nvml_stand_in: Any) -> None:
    agent = start()
    nvml_stand_in.plant("xid 1 79")
    page = agent.shows(lambda page: page.value("aif_gpu_xid_total", SECOND, 'xid="79"') == 1)
    seen = page.value("aif_gpu_xid_last_timestamp_seconds", SECOND, 'xid="79"')
    assert seen == pytest.approx(time.time(), abs=PATIENCE_SECONDS)
    agent.shows(lambda page: page.value("aif_gpu_xid_events_total", SECOND) == 1)


def test_a_driver_changed_while_the_agent_runs_is_read_again(
    start: Start, nvml_stand_in: Any
) -> None:
    agent = start()
    nvml_stand_in.plant("mismatch", "recovery 0 2")
    # Only a process that loaded the library anew is told of the recovery action.
    agent.shows(lambda page: page.value("aif_gpu_recovery_action", FIRST) == 2)


def test_errors_and_throttling_stand_in_base_units(start: Start) -> None:
    agent = start("ecc 0 corrected volatile 7", "throttle 0 hw_thermal", "load 0 0.5")
    page = agent.shows(
        lambda page: page.value("aif_gpu_throttle_active", FIRST, 'reason="thermal"') == 1
    )
    assert page.value("aif_gpu_power_watts", FIRST) == pytest.approx(375, abs=0.01)
    assert page.value("aif_gpu_busy_ratio", FIRST) == 0.5
    labels = 'type="corrected"', 'lifetime="volatile"'
    agent.shows(lambda page: page.value("aif_gpu_ecc_errors_total", FIRST, *labels) == 7)


def test_instances_have_series_of_their_own(start: Start) -> None:
    agent = start("mig 1 3g.40gb,2g.20gb")
    page = agent.shows(lambda page: any("aif_mig_memory_used" in name for name in page.series))
    sizes = [
        value for name, value in page.series.items() if name.startswith("aif_mig_memory_size_bytes")
    ]
    assert sorted(sizes) == [20 * 1024**3, 40 * 1024**3]
    assert page.value("aif_gpu_busy_ratio", SECOND) is None


@pytest.mark.parametrize("model", ["h100", "a100"])
def test_once_prints_the_gpus_for_people(nvml_stand_in: Any, model: str) -> None:
    nvml_stand_in.plant("lost 1")
    done = subprocess.run(
        [sys.executable, "-m", "wattline_agents.agent_main", "--source", "nvml", "--once"],
        capture_output=True,
        text=True,
        env=nvml_stand_in.environment(devices=3, model=model),
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rf"device  0  NVIDIA {model.upper()}.*  {FIRST}\n  up +1\n", done.stdout)
    assert re.search(r"power_watts +\d+\.\d W\n", done.stdout)
    assert re.search(r"sm_clock_hertz +\d\.\d GHz\n", done.stdout)
    assert ("sm_active_ratio" in _never_there(done.stdout)) == (model == "a100")


def _never_there(text: str) -> set[str]:
    """The columns that it says the device has no sensor for."""
    lines = [line for line in text.splitlines() if "this device has no such sensor" in line]
    return {word for line in lines for word in re.findall(r"\w+", line)}
