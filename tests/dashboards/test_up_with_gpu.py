"""`wattline up` on a machine with GPUs, and on one without: how soon it shows what is there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wattline_agents.config import default_node
from wattline_collector.access import read_token
from wattline_collector.client import Collector

PATIENCE_SECONDS = 90.0
Json = dict[str, Any]


@contextmanager
def up(home: Path, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """`wattline up` with a store of its own, and the file of what it says."""
    apart = {
        "TMPDIR": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "WATTLINE_JOB_SOCKET": str(home / "job.sock"),
        "PYTHONUNBUFFERED": "1",
    }
    said = home / "said"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.cli", "up", "--no-browser"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment | apart,
        )
        try:
            yield process, said
        finally:
            process.kill()
            process.wait()


def first_latest(
    process: subprocess.Popen[str], said: Path, shows: Callable[[Json], bool]
) -> tuple[Json, float]:
    """The first `/v1/latest` that shows it, and the seconds since the process was started."""
    start = time.monotonic()
    while time.monotonic() < start + PATIENCE_SECONDS:
        assert process.poll() is None, said.read_text()
        if found := re.search(r"Collector +(http://\S+)", said.read_text()):
            token = read_token(said.parent / "data" / "wattline" / "tokens" / "read")
            latest = dict(Collector(found.group(1), token).latest())
            if shows(latest):
                return latest, time.monotonic() - start
        time.sleep(0.1)
    raise AssertionError(said.read_text())


def fresh(table: Json) -> bool:
    """Whether it has rows, and all of them are younger than three periods."""
    ages, periods = table["age_ms"], table["period_ms"]
    return bool(ages) and all(age < 3 * p for age, p in zip(ages, periods, strict=True))


def test_up_shows_the_host_and_its_gpus(nvml_stand_in: Any, tmp_path: Path) -> None:
    with up(tmp_path, nvml_stand_in.environment(devices=2)) as (process, said):
        latest, seconds = first_latest(
            process,
            said,
            # What a device is called comes with another message than what it reads.
            lambda latest: (
                fresh(latest["nodes"])
                and fresh(latest["devices"])
                and all(latest["devices"]["model"])
            ),
        )
        print(f"host and GPUs in /v1/latest after {seconds:.1f} s")
        devices = latest["devices"]
        assert devices["model"] == ["NVIDIA H100 80GB HBM3"] * 2
        assert devices["node"] == [default_node()] * 2
        assert devices["index"] == [0, 1]
        assert devices["up"] == [1, 1]
        assert all(70 < watts < 700 for watts in devices["power_watts"])
        # Nobody told of a job, so nobody holds them, however busy they are.
        assert latest["totals"]["free"] == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0


def test_up_shows_the_host_where_there_is_no_gpu(tmp_path: Path) -> None:
    # What cannot be loaded hides the driver of a machine that has one.
    (tmp_path / "libnvidia-ml.so.1").touch()
    without = os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}
    with up(tmp_path, without) as (process, said):
        latest, seconds = first_latest(process, said, lambda latest: fresh(latest["nodes"]))
        print(f"host in /v1/latest after {seconds:.1f} s")
        assert latest["nodes"]["node"] == [default_node()]
        assert latest["devices"]["device"] == []
        assert latest["totals"]["devices"] == 0
        # A library that cannot be loaded is news; where there is none, nothing is said.
        assert "nvml: no NVIDIA driver on this node" in said.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
