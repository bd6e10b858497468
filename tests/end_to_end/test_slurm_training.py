"""Real training loops under `srun`, told by a real agent, booked, and shown by `wattline job`.

PyTorch by hand, Hugging Face's Trainer and Lightning, each a job with a GPU of a stand-in driver.
The agent is killed while they run and started again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.training, pytest.mark.slurm]

ROOT = Path(__file__).parents[2]
LOOPS = ROOT / "tests" / "training" / "loops"
NODE = "gpu00"
SYSTEM = "training"
PATIENCE_SECONDS = 90.0


@pytest.fixture(scope="module")
def stories(
    slurm: Any,
    nvml_stand_in_library: Path,
    tmp_path_factory: pytest.TempPathFactory,
    start_process: Callable[..., Any],
) -> dict[str, dict[str, Any]]:
    """What `wattline job --json` says of each of the three."""
    top = tmp_path_factory.mktemp("training")
    store, control = top / "store", top / "control"
    control.write_text("".join(f"load {gpu} 0.6\n" for gpu in range(4)))
    collector = start_process(
        "collector", "--store", str(store), "--listen", "127.0.0.1:0", "--book-every", "2",
        "--settle", "1", "--slurm", "--slurm-every", "5", "--slurm-system", SYSTEM,
        env=slurm.environment,
    )  # fmt: skip
    url = collector.wait_for(r"http://[\d.:]+")
    config = top / "agent.toml"
    config.write_text(
        f'system = "{SYSTEM}"\nnode = "{NODE}"\nsources = ["nvml"]\n'
        f'[push]\nurl = "{url}"\ntoken_file = "{store}/tokens/write"\nevery_seconds = 1\n'
        f'spool = "{top}/spool"\n'
        f'[assignment]\nrecords = "{slurm.records(NODE)}"\n'
        f'[job]\nsocket = "{slurm.job_socket(NODE)}"\n'
    )
    driver = {
        "LD_LIBRARY_PATH": str(nvml_stand_in_library),
        "NVML_STAND_IN_CONTROL": str(control),
        "NVML_STAND_IN_DEVICES": "4",
    }
    agent = start_process("agent", "--config", str(config), env=driver)
    agent.wait_for("reading")
    jobs = {
        name: slurm.submit(
            f"srun --mem=1200 {sys.executable} {script} {arguments}",
            "--gres=gpu:1", f"-w{NODE}", "--mem=1500", f"--job-name={name}",
            user="root",
            environment={"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        )
        for name, script, arguments in (
            ("by-hand", ROOT / "examples" / "train_torch.py", "--steps 2000"),
            ("trainer", LOOPS / "trainer.py", f"{top}/hf 60"),
            ("lightning", LOOPS / "lit.py", f"{top}/lit 60"),
        )
    }  # fmt: skip
    for job in jobs.values():
        slurm.wait(job, PATIENCE_SECONDS, until=("RUNNING", "COMPLETED"))
    # By now PyTorch is being imported, or steps are made.
    time.sleep(6)
    agent.child.kill()
    agent.child.wait()
    agent = start_process("agent", "--config", str(config), env=driver)
    ends = {name: slurm.wait(job, PATIENCE_SECONDS) for name, job in jobs.items()}
    assert set(ends.values()) == {"COMPLETED"}, ends
    until = time.monotonic() + PATIENCE_SECONDS
    told: dict[str, dict[str, Any]] = {}
    while time.monotonic() < until:
        told = {name: _told(store, job) for name, job in jobs.items()}
        if all(
            one.get("identity", {}).get("end") and "tokens_trained" in _figures(one)
            for one in told.values()
        ):
            break
        time.sleep(2)
    time.sleep(6)  # the last rows are booked
    told = {name: _told(store, job) for name, job in jobs.items()}
    assert agent.end() == 0
    assert collector.end() == 0
    return told


def _told(store: Path, job: str) -> dict[str, Any]:
    words = ["job", job, "--json", "--store", str(store), "--system", SYSTEM]
    done = subprocess.run(
        [sys.executable, "-m", "wattline_agents.cli", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 3:
        return {}
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _figures(document: dict[str, Any]) -> dict[str, Any]:
    return {figure["id"]: figure["value"] for figure in document.get("figures", [])}


@pytest.mark.parametrize(
    ("name", "tokens", "steps"),
    [
        ("by-hand", 2000 * 8 * 32, 2000),
        ("trainer", 60 * 4 * 16, 60),
        ("lightning", None, 60),
    ],
)
def test_tokens_and_steps_are_all_there_though_the_agent_was_killed(
    stories: dict[str, dict[str, Any]], name: str, tokens: int | None, steps: int
) -> None:
    figures = _figures(stories[name])
    assert figures["steps"] == steps
    if tokens is not None:
        assert figures["tokens_trained"] == tokens
    assert figures["tokens_trained"] > 0


@pytest.mark.parametrize("name", ["by-hand", "trainer", "lightning"])
def test_energy_per_token_and_goodput_are_shown(
    stories: dict[str, dict[str, Any]], name: str
) -> None:
    figures = _figures(stories[name])
    assert figures["joules_per_token"] > 0
    assert 0 < figures["goodput"] <= 1
    assert figures["gpus"] == 1
    assert stories[name]["identity"]["state"] == "completed"
