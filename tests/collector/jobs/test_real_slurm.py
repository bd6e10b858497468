"""A real Slurm, followed: what its jobs did, as its commands and its REST interface tell it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.clock import SystemClock
from wattline_collector.jobs.accounts import accounts
from wattline_collector.jobs.asking import Scheduler
from wattline_collector.jobs.commands import Commands
from wattline_collector.jobs.follow import SlurmFollower
from wattline_collector.jobs.rest import Place, Rest

pytestmark = pytest.mark.slurm

HOSTILE = "x|y\n\nJobId=1 JobName=z\n     Nodes=gpu00 CPU_IDs=0 Mem=1 GRES=gpu:h200:1(IDX:3)\n"

# Slurm hands its accounts on in its own time: on a busy machine that is now and then many seconds.
PATIENCE_SECONDS = 120


class Following:
    """A follower and the store its rows go to."""

    def __init__(self, scheduler: Scheduler, kept: Any) -> None:
        self.kept = kept
        self.follower = SlurmFollower(scheduler, "sys", SystemClock())
        self.follower.reads(kept.store)

    def ask(self) -> int:
        taken: int = self.kept.take(self.follower.ask())
        return taken

    def until(self, is_so: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
        self.wait(lambda: is_so(self.kept.jobs))

    def wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.ask() < 0 or not is_so():
            if time.monotonic() > deadline:
                pytest.fail(f"not so after {PATIENCE_SECONDS} s: {self.kept.jobs}")
            time.sleep(0.25)

    def states(self, node: str) -> pl.DataFrame:
        """What was told of a node, the oldest first."""
        rows: pl.DataFrame = self.kept.read("node_state")
        return rows.filter(pl.col("host") == node).sort("time_unix_ms")


@pytest.fixture
def commands(slurm: Any) -> Commands:
    return Commands(slurm.environment)


@pytest.fixture
def kept_now(keep: Callable[..., Any], slurm: Any) -> Any:
    kept = keep(SystemClock())
    kept.devices(*slurm.nodes)
    return kept


@pytest.fixture
def drained(slurm: Any) -> Iterator[str]:
    """A node that is taken out of use with a reason, and put back."""
    node: str = slurm.nodes[-1]
    slurm.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=xid 79 | board 2")
    yield node
    slurm.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)


def test_all_jobs_of_a_few_seconds_are_followed_and_again_without_doubles(
    slurm: Any, commands: Commands, keep: Callable[..., Any], kept_now: Any, drained: str
) -> None:
    following = Following(commands, kept_now)
    two = slurm.submit("sleep 6", "--gpus=2", "-N1", f"--job-name={HOSTILE}")
    array = slurm.submit("sleep 1; exit 3", "--array=3-4", "--gpus=1")
    requeued = slurm.submit("sleep 60", "--requeue", "--gpus=1")
    never = slurm.submit("sleep 1", "--begin=now+1hour", "--gpus=1")
    slurm.run("scancel", never)
    slurm.wait(two, until=("RUNNING",))
    slurm.wait(requeued, until=("RUNNING",))
    following.until(lambda jobs: jobs.get(two, {}).get("state") == "running")
    slurm.run("scontrol", "requeue", requeued)
    slurm.wait(two)
    # Cancelled while its first run is still being cleared away, it would have no second one.
    slurm.wait(requeued, until=("PENDING",))
    slurm.run("scancel", requeued)
    following.until(
        lambda jobs: (
            jobs[two]["state"] == "completed"
            and jobs.get(f"{requeued}.1", {}).get("state") == "cancelled"
            and jobs.get(requeued, {}).get("state") == "requeued"
            and jobs.get(never, {}).get("state") == "cancelled"
            and len([1 for job in jobs.values() if job["array_job"] == array and job["end_ms"]])
            == 2
        )
    )
    jobs = kept_now.jobs
    assert jobs[two]["gpus"] == 2
    assert jobs[two]["gpu_type"] == "h200"
    assert jobs[two]["account"] == "proj-a"
    assert jobs[two]["name"].startswith("x|y?")
    assert jobs[two]["end_ms"] - jobs[two]["start_ms"] >= 5000
    tasks = [job for job in jobs.values() if job["array_job"] == array]
    assert {(task["job_id"], task["state"], task["exit_code"]) for task in tasks} == {
        (f"{array}_3", "failed", 3),
        (f"{array}_4", "failed", 3),
    }
    assert (jobs[requeued]["state"], jobs[requeued]["restarts"]) == ("requeued", 0)
    assert (jobs[f"{requeued}.1"]["job_id"], jobs[f"{requeued}.1"]["restarts"]) == (requeued, 1)
    assert jobs[never]["state"] == "cancelled"
    assert (jobs[never]["start_ms"], jobs[never]["gpus"]) == (None, None)
    assert following.follower.figures.set_aside == 0

    # The requeued job's device was told while it ran; the hostile name's job claims another's
    # devices in it, so for that job nothing is believed.
    held = kept_now.read("assignment")
    of_requeued = held.filter(pl.col("job") == requeued)
    assert set(of_requeued["method"]) == {"slurm"}
    assert of_requeued["device"].n_unique() == 1
    assert of_requeued["end_unix_ms"].max() == jobs[requeued]["end_ms"]
    assert held.filter(pl.col("job") == two).is_empty()

    following.wait(lambda: following.states(drained).height > 0)
    state = following.states(drained).row(0, named=True)
    assert (state["state"], state["reason"]) == ("drain", "xid 79 | board 2")
    assert state["end_unix_ms"] is None
    slurm.run("scontrol", "update", f"nodename={drained}", "state=resume")

    # While the collector is down a job comes and goes; started again, it is picked up, and nothing
    # that was told before is told twice.
    missed = slurm.submit("true", "--gpus=1")
    slurm.wait(missed)
    before = set(kept_now.jobs)
    again = Following(commands, keep(SystemClock()))
    again.until(lambda jobs: jobs.get(missed, {}).get("state") == "completed")
    assert set(again.kept.jobs) == before | {missed}
    of_two = again.kept.read("accounting").filter(pl.col("job") == two)
    assert of_two.height == of_two.drop("time_unix_ms", "reason").n_unique()
    again.wait(lambda: again.states(drained)["end_unix_ms"].drop_nulls().len() >= 1)
    assert again.ask() == 0


def test_rest_tells_the_same_of_jobs_as_the_commands(
    slurm: Any, commands: Commands, kept_now: Any
) -> None:
    job = slurm.submit("sleep 1; exit 5", "--gpus=3", "-N1")
    slurm.wait(job)
    by_commands = Following(commands, kept_now)
    by_commands.until(lambda jobs: jobs.get(job, {}).get("end_ms") is not None)
    wanted = kept_now.jobs[job]
    rest = Rest(Place(f"unix:{slurm.start_rest()}").get)
    since_ms = wanted["submit_ms"] - 60_000
    now_ms = SystemClock().unix_ms()
    rows = accounts(rest.jobs(since_ms, None, ()), "UTC", now_ms).rows
    [told] = rows.filter(pl.col("job") == job).to_dicts()
    for name in ("state", "user", "account", "partition", "nodes", "node_list", "cpus",
                 "gpus", "gpu_type", "memory_bytes", "time_limit_seconds"):  # fmt: skip
        assert told[name] == wanted[name], name
    for name in ("submit", "start", "end"):
        assert told[f"{name}_unix_ms"] == wanted[f"{name}_ms"]
    # 22.05 says there that a job that failed returned 0; that is not believed.
    assert told["exit_code"] in (None, 5)
    assert rest.events(since_ms, now_ms).now.is_empty()


def test_the_collector_follows_slurm_and_says_so(slurm: Any, tmp_path: Path) -> None:
    job = slurm.submit("true")
    slurm.wait(job)
    store = tmp_path / "followed"
    process = subprocess.Popen(
        [sys.executable, "-m", "wattline_agents.cli", "collector", "--store", str(store),
         "--listen", "127.0.0.1:0", "--slurm", "--slurm-system", "sys", "--slurm-every", "5"],
        env={**slurm.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = next(match[0].rstrip(".") for line in process.stdout
                   if (match := re.search(r"http://[0-9.:]+", line)))  # fmt: skip
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (
            page := _page(f"{url}/metrics", store)
        ) is None or 'answers_total{of="slurm"} 0' in page:
            assert time.monotonic() < deadline, page
            time.sleep(0.2)
        assert 'wattline_collector_follow_errors_total{of="slurm"} 0' in page
        assert "wattline_collector_slurm_jobs_running 0" in page
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0


def _page(url: str, store: Path) -> str | None:
    token = (store / "tokens/read").read_text().strip()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return None
