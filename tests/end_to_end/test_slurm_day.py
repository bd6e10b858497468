"""A mixed day on a real Slurm, in two minutes: every device-second to the job that held it.

Four nodes of four stand-in GPUs, an agent on each, one collector that follows the scheduler. What
the books say is held against what Slurm called its prologs and epilogs for.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.books import Books

pytestmark = pytest.mark.slurm

SYSTEM = "day"
PYTHON = "/usr/bin/python3"
"""Jobs run as other users, who may not be let to where these tests' Python is installed."""
AGENTS = Path(__file__).parents[2] / "agents" / "wattline_agents"
SECONDS = 1000

USE = """\
'''use.py LEVEL SECONDS: works on the GPUs Slurm gave, as the stand-in driver is to see it.'''
import fcntl, os, signal, sys, time

level, seconds = sys.argv[1], float(sys.argv[2])
place = os.path.join(PLACE, os.environ["WATTLINE_TEST_NODE"])
mine = os.environ.get("SLURM_STEP_GPUS") or os.environ["SLURM_JOB_GPUS"]
if os.path.exists(os.path.join(place, "reversed")):  # Slurm knows minor numbers, the driver indices
    mine = ",".join(str(GPUS - 1 - int(number)) for number in mine.split(","))

def tell(*lines):
    with open(os.path.join(place, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(os.path.join(place, "control")) as file:
            kept = [one for one in file.read().splitlines()
                    if one.split()[1] not in mine.split(",")]
        with open(os.path.join(place, "draft"), "w") as file:
            file.write("".join(one + "\\n" for one in [*kept, *lines]))
        os.chmod(os.path.join(place, "draft"), 0o666)
        os.replace(os.path.join(place, "draft"), os.path.join(place, "control"))

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    tell(*(line for gpu in mine.split(",")
           for line in (f"load {gpu} {level}", f"processes {gpu} {os.getpid()}:512")))
    time.sleep(seconds)
finally:
    tell(*(f"load {gpu} 0" for gpu in mine.split(",")))
"""

TRAIN = """\
'''train.py STEPS: a training run that goes on from its checkpoint.'''
import os, subprocess, sys, time
from wattline_agents.job import Job

use = subprocess.Popen([sys.executable, "use.py", "0.9", "600"])
saved = f"checkpoint-{os.environ['SLURM_JOB_ID']}"
start = int(open(saved).read()) if os.path.exists(saved) else 0
try:
    with Job("llm-tiny", kind="training") as job:
        job.resumed(start)
        for number in range(start + 1, int(sys.argv[1]) + 1):
            with job.phase("step"):
                time.sleep(0.1)
            job.step(tokens=1000, number=number)
            if number % 20 == 0:
                with job.phase("checkpoint_save"):
                    with open(saved, "w") as file:
                        file.write(str(number))
                job.saved(number)
finally:
    use.terminate()
    use.wait()
"""


@dataclass(frozen=True)
class Day:
    """What is left of the day.

    Attributes:
        store: The collector's store, closed.
        jobs: What was submitted, by the name of its part.
        held: (node, device index, job) -> seconds, as Slurm told prolog and epilog.
        began_ms: When the last agent was at work.
        ended_ms: When the first agent was stopped.
    """

    store: Path
    jobs: dict[str, str]
    held: dict[tuple[str, int, str], float]
    began_ms: int
    ended_ms: int


def _python(script: str, *arguments: str) -> str:
    return f"exec {PYTHON} {script} {' '.join(arguments)}"


def _agent(
    cluster: Any, number: int, library: Path, start: Callable[..., Any], url: str, token: Path
) -> Any:
    node = cluster.nodes[number]
    place = cluster.directory / "nvml" / node
    place.mkdir(parents=True)
    place.chmod(0o777)
    (place / "control").write_text("".join(f"load {gpu} 0\n" for gpu in range(cluster.gpus)))
    (place / "control").chmod(0o666)
    (place / "lock").touch(0o666)
    (place / "lock").chmod(0o666)
    # On one node the devices' minor numbers, by which this Slurm knows them, run the other way.
    reversed_minors = number == 1
    if reversed_minors:
        (place / "reversed").touch()
    cluster.job_socket(node).parent.chmod(0o755)
    config = cluster.directory / "agents" / f"{node}.toml"
    config.write_text(
        f'system = "{SYSTEM}"\nnode = "{node}"\nsources = ["nvml", "host"]\n'
        f'[push]\nurl = "{url}"\ntoken_file = "{token}"\nevery_seconds = 1\n'
        f'spool = "{place}/spool"\n'
        f'[assignment]\nrecords = "{cluster.records(node)}"\nnumbers = "minor"\n'
        f'[job]\nsocket = "{cluster.job_socket(node)}"\n'
    )
    env = {
        "LD_LIBRARY_PATH": str(library),
        "NVML_STAND_IN_CONTROL": str(place / "control"),
        "NVML_STAND_IN_DEVICES": str(cluster.gpus),
        "NVML_STAND_IN_NODE": str(number + 1),
        **({"NVML_STAND_IN_MINORS": "reversed"} if reversed_minors else {}),
    }
    return start("agent", "--config", str(config), env=env)


def _uuid(cluster_gpus: int, node: str, number: int) -> str:
    of_node = int(node.removeprefix("day")) + 1
    index = cluster_gpus - 1 - number if of_node == 2 else number
    return f"GPU-57a4d14e-{of_node:04x}-4000-8000-{index:012}"


@pytest.fixture(scope="module")
def day(
    start_slurm: Callable[..., AbstractContextManager[Any]],
    nvml_stand_in_library: Path,
    tmp_path_factory: pytest.TempPathFactory,
    start_process: Callable[..., Any],
) -> Iterator[Day]:
    """Play the day, and stop everything that took part."""
    store = tmp_path_factory.mktemp("day") / "store"
    with start_slurm(4, 4, prefix="day") as cluster:
        collector = start_process(
            "collector", "--store", str(store), "--listen", "127.0.0.1:0", "--book-every", "5",
            "--settle", "2", "--slurm", "--slurm-every", "5", "--slurm-system", SYSTEM,
            env=cluster.environment,
        )  # fmt: skip
        url = collector.wait_for(r"http://[\d.:]+")
        token = store / "tokens" / "write"
        agents = [
            _agent(cluster, n, nvml_stand_in_library, start_process, url, token) for n in range(4)
        ]
        for agent in agents:
            agent.wait_for("reading")
        began_ms = round(time.time() * SECONDS)
        jobs = _play(cluster)
        # The agents tell of the last ends, the collector asks Slurm once more, and books.
        time.sleep(15)
        ended_ms = round(time.time() * SECONDS)
        for process in [*agents, collector]:
            assert process.end() == 0
        yield Day(store, jobs, _held(cluster), began_ms, ended_ms)


def _play(cluster: Any) -> dict[str, str]:
    """Submit what a day brings, and wait until all of it has ended."""
    work = cluster.directory / "work"
    (work / "use.py").write_text(
        USE.replace("PLACE", repr(str(cluster.directory / "nvml"))).replace(
            "GPUS - 1", str(cluster.gpus - 1)
        )
    )
    (work / "train.py").write_text(TRAIN)
    shutil.copytree(AGENTS, work / "wattline_agents", ignore=shutil.ignore_patterns("__pycache__"))
    submit = cluster.submit
    here = [f"--nodelist={node}" for node in cluster.nodes]
    jobs = {
        # Slurm's limits are whole minutes; this one runs into its own.
        "timeout": submit(
            _python("use.py", "0.9", "600"), "--gres=gpu:1", "--time=1", here[2]
        ),
        "exclusive": submit(
            _python("train.py", "150"), "--gres=gpu:4", "--exclusive", here[0], "--job-name=llm"
        ),
        "shared-1": submit(_python("use.py", "0.8", "25"), "--gres=gpu:1", here[1]),
        "shared-2": submit(
            _python("use.py", "0.5", "20"), "--gres=gpu:2", here[1], user="games"
        ),
        "idle": submit("sleep 40", "--gres=gpu:2", here[3], user="games"),
        "requeue": submit(_python("train.py", "100"), "--gres=gpu:1", "--requeue", here[2]),
        "array": submit(
            _python("use.py", "0.7", "2"), "--gres=gpu:1", "--array=0-39", here[2], user="games"
        ),
        "never": submit("sleep 5", "--gres=gpu:1", "--begin=now+1hour"),
        "memory": submit(
            f"{PYTHON} -c 'x = bytearray(300 * 2**20)'", "--gres=gpu:1", "--mem=60M", here[1]
        ),
        "cancel": submit(_python("use.py", "0.6", "600"), "--gres=gpu:1", here[3]),
        # One rank ends on its own, and the other is killed with it.
        "rank": submit(
            "srun --kill-on-bad-exit=1 sh -c '[ $SLURM_PROCID = 0 ] && sleep 60 || kill -9 $$'",
            "--gres=gpu:1", "-N2", f"{here[1]},{cluster.nodes[3]}",
        ),
    }  # fmt: skip
    cluster.run("scancel", jobs["never"])
    # Two checkpoints are written by then, and a few steps since the last are lost.
    time.sleep(6)
    cluster.run("scontrol", "requeue", jobs["requeue"])
    cluster.run("scancel", jobs["cancel"])
    cluster.wait(jobs["idle"], 120)
    cluster.run(
        "scontrol",
        "update",
        f"NodeName={cluster.nodes[3]}",
        "State=DRAIN",
        "Reason=xid 79 on device 2",
    )
    for name in (
        "exclusive",
        "shared-1",
        "shared-2",
        "memory",
        "cancel",
        "rank",
        "array",
        "requeue",
    ):
        cluster.wait(jobs[name], 180)
    cluster.wait(jobs["timeout"], 180)
    cluster.run("scontrol", "update", f"NodeName={cluster.nodes[3]}", "State=RESUME")
    return jobs


def _held(cluster: Any) -> dict[tuple[str, int, str], float]:
    """Seconds by device, its number and job key, from the calls of prolog and epilog.

    A job that is requeued to the node it ran on may begin there without a call of the prolog: how
    long it held its devices is then not known, and stands as NaN.
    """
    seconds: dict[tuple[str, int, str], float] = defaultdict(float)
    open_since: dict[tuple[str, str], int] = {}
    runs: dict[tuple[str, str], int] = defaultdict(int)
    for call, time_ms, node, job, numbers in cluster.held():
        if call == "prolog":
            open_since[node, job] = time_ms
            continue
        run = runs[node, job]
        runs[node, job] += 1
        key = job if run == 0 else f"{job}.{run}"
        since_ms = open_since.pop((node, job), None)
        for number in numbers:
            device = _uuid(cluster.gpus, node, number)
            told = math.nan if since_ms is None else (time_ms - since_ms) / 1000
            seconds[device, number, key] += told
    return dict(seconds)


def _frames(day: Day) -> pl.DataFrame:
    """The day's device entries."""
    low = day.began_ms // 3_600_000 * 3_600_000
    return Books(day.store).read("device", low, low + 3 * 3_600_000)


def test_every_job_holds_its_devices_for_as_long_as_slurm_gave_them(day: Day) -> None:
    booked = {
        (device, job): ms / 1000
        for device, job, ms in _frames(day)
        .filter(pl.col("job").is_not_null())
        .group_by("device", "job")
        .agg(pl.col("duration_ms").sum())
        .iter_rows()
    }
    expected = {(device, job): seconds for (device, _, job), seconds in day.held.items()}
    assert set(booked) == set(expected)
    told = {key: seconds for key, seconds in expected.items() if not math.isnan(seconds)}
    assert len(told) >= len(expected) - 1
    off = {
        key: (booked[key], seconds)
        for key, seconds in told.items()
        if abs(booked[key] - seconds) > 0.5
    }
    assert not off, off


def test_jobs_and_free_and_down_are_all_that_was_installed(day: Day) -> None:
    frame = _frames(day)
    devices = frame.group_by("device").agg(pl.col("duration_ms").sum())
    assert devices.height == 16
    inventory = Books(day.store).inventory.filter(pl.col("kind") == "device")
    control = Books(day.store).controls(0, 2**62).filter(pl.col("kind") == "device")
    assert frame["duration_ms"].sum() == control["expected_ms"].sum()
    assert inventory.height == 16
    seen = set(frame["account"].cast(pl.String))
    # The time a GPU is given away and does nothing is `held` only after ten minutes of it.
    assert seen <= {"busy", "slowed", "unmeasured", "free", "down", "unobserved"}, seen


def test_a_drained_node_is_down_where_no_job_holds_it(day: Day) -> None:
    frame = _frames(day)
    down = frame.filter(pl.col("account") == "down")
    assert set(down["node"]) == {"day03"}
    # From the end of the job that idled until the last of the others had ended.
    assert int(down["duration_ms"].sum()) / 1000 > 4 * 5
    assert down["job"].is_null().all()


def test_accounting_knows_how_each_job_ended(day: Day) -> None:
    accounting = Books(day.store).frame("accounting", ACCOUNTED)
    states = dict(accounting.select("job", "state").iter_rows())
    jobs = day.jobs
    assert states[jobs["exclusive"]] == "completed"
    assert states[jobs["timeout"]] == "timeout"
    assert states[jobs["memory"]] == "out_of_memory"
    assert states[jobs["cancel"]] == "cancelled"
    assert states[jobs["never"]] == "cancelled"
    assert states[jobs["rank"]] in ("failed", "cancelled")
    assert states[f"{jobs['requeue']}.1"] == "completed"
    tasks = accounting.filter(pl.col("array_job") == jobs["array"])
    assert sorted(tasks["array_task"]) == list(range(40))
    assert set(tasks["state"]) == {"completed"}
    never = accounting.filter(pl.col("job") == jobs["never"])
    assert never["start_ms"].to_list() == [None]


def test_tokens_of_a_requeued_run_count_once_and_the_repeated_apart(day: Day) -> None:
    low = day.began_ms // 3_600_000 * 3_600_000
    made = Books(day.store).read("job", low, low + 3 * 3_600_000)
    run = made.filter(pl.col("job").str.split(".").list.first() == day.jobs["requeue"])
    trained, replayed = int(run["tokens_trained"].sum()), int(run["tokens_replayed"].sum())
    # What it counted in the second in which it was killed, ten steps at most, nobody heard.
    assert 90 * 1000 <= trained <= 100 * 1000
    assert 0 <= replayed < 40 * 1000
    again = made.filter(pl.col("job") == f"{day.jobs['requeue']}.1")
    counted = int(again.select(pl.sum("tokens_trained") + pl.sum("tokens_replayed")).item())
    assert counted in [(100 - saved) * 1000 for saved in range(0, 100, 20)]
    exclusive = made.filter(pl.col("job") == day.jobs["exclusive"])
    assert exclusive["tokens_trained"].sum() == 150 * 1000
    assert exclusive["steps"].sum() == 150


def test_the_books_of_the_day_balance(day: Day) -> None:
    assert audit(day.store) == []


def _activity(frame: pl.DataFrame) -> float:
    sums = frame.select(pl.col("sm_active_ms").sum() / pl.col("measured_ms").sum())
    return float(sums.item())


def test_a_job_that_held_devices_and_idled_is_seen_idle(day: Day) -> None:
    frame = _frames(day).filter(pl.col("job") == day.jobs["idle"])
    assert _activity(frame) < 0.05
    assert _activity(_frames(day).filter(pl.col("job") == day.jobs["shared-1"])) > 0.6


def test_a_job_is_shown_on_the_terminal(day: Day) -> None:
    words = [sys.executable, "-m", "wattline_agents.cli", "job", day.jobs["exclusive"], "--json"]
    done = subprocess.run(
        [*words, "--store", str(day.store)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["identity"]["job"] == day.jobs["exclusive"]
    figures = {figure["id"]: figure for figure in document["figures"]}
    tokens = figures["tokens_trained"]["value"]
    assert tokens == 150 * 1000, figures.keys()
    words[4] = "999999"
    absent = subprocess.run([*words, "--store", str(day.store)], capture_output=True, check=False)
    assert absent.returncode == 3
