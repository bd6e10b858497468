"""What must hold of the agent's memory on every node, measured on the agent itself."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

MOST_MEBIBYTES = 24
PATIENCE_SECONDS = 60.0


def test_the_agent_and_its_reader_hold_less_than_24_mebibytes_with_eight_gpus(
    nvml_stand_in: Any, bench: Any, tmp_path: Path
) -> None:
    measure = bench.processes
    said = tmp_path / "said"
    with said.open("w") as log:
        agent = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("wattline-agent")), "--node", "box",
                "--source", "nvml", "--source", "host", "--prometheus", "127.0.0.1:0",
                "--job-socket", str(tmp_path / "job.sock"),
            ],
            env=nvml_stand_in.environment(devices=8), stderr=log,
        )  # fmt: skip
    try:
        pages = 0
        until = time.monotonic() + PATIENCE_SECONDS
        while pages < 10:
            assert time.monotonic() < until and agent.poll() is None, said.read_text()
            time.sleep(0.5)
            found = re.search(r"http://[\d.]+:\d+/metrics", said.read_text())
            if found is not None:
                with urllib.request.urlopen(found[0], timeout=PATIENCE_SECONDS) as answer:
                    pages += answer.read().count(b"\naif_gpu_power_watts{") == 8
        processes = measure.children(agent.pid)
        assert len(processes) == 2, "the agent, and what reads the driver"
        held = measure.memory_alone(
            measure.mappings(Path(f"/proc/{pid}/smaps").read_text()) for pid in processes
        )
        print(f"{held:.1f} MiB")
        assert held <= MOST_MEBIBYTES
    finally:
        agent.terminate()
        agent.wait(PATIENCE_SECONDS)
