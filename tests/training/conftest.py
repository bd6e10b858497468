"""Real training loops in processes of their own, and a real agent that listens to them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOOPS = Path(__file__).parent / "loops"
PATIENCE_SECONDS = 60.0

AT_IMPORT = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "PYTHONWARNINGS": "ignore",  # of other people's code
}
MODULES = {
    "trainer.py": ("torch", "transformers.trainer", "transformers.models.gpt2.modeling_gpt2"),
    "lit.py": ("torch", "lightning.pytorch"),
}
"""What a loop imports, by its name."""

Row = dict[str, Any]


@dataclass
class RealAgent:
    """The agent's own process, which writes what it reads to a file."""

    directory: Path
    socket: Path
    starts: int = 0
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        words = [
            "agent", "--node", "n1", "--source", "host", "--period", "0.2",
            "--record", str(self._record(self.starts)), "--job-socket", str(self.socket),
            "--spool", str(self.directory / "spool"),
        ]  # fmt: skip
        self.child = subprocess.Popen(
            [sys.executable, "-m", "wattline_agents.cli", *words],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait(lambda: bool(self.rows("node", self.starts)), "the agent reads")

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.child.wait()
        self.child = None

    def stop(self) -> None:
        if self.child is not None:
            self.child.terminate()
            self.child.wait(timeout=PATIENCE_SECONDS)
            self.child = None

    def rows(self, table: str, start: int | None = None) -> list[Row]:
        """All rows of a table, those of one life of the agent or of all."""
        found: list[Row] = []
        for number in range(1, self.starts + 1) if start is None else [start]:
            if not self._record(number).exists():
                continue
            for line in self._record(number).read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n") and (document := json.loads(line))["table"] == table:
                    found += document["rows"]
        return found

    def ended(self) -> Row:
        """The last totals of the job, once it is over."""
        self.wait(
            lambda: any(row["end_unix_ms"] for row in self.rows("job_info")), "the job is over"
        )
        return self.rows("job")[-1]

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < until, f"waited in vain: {what}"
            time.sleep(0.05)

    def _record(self, number: int) -> Path:
        return self.directory / f"rows-{number}.jsonl"


@pytest.fixture
def start_agent() -> Iterator[Callable[..., RealAgent]]:
    """Starts an agent, at a socket that may be told; all are stopped at the end."""
    with ExitStack() as stack:

        def started(socket: Path | None = None) -> RealAgent:
            # Names of Unix sockets must be short, which pytest's own directories are not.
            short = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wl")))
            found = RealAgent(short, short / "job.sock" if socket is None else socket)
            stack.callback(found.stop)
            found.start()
            return found

        yield started


@pytest.fixture
def agent(start_agent: Callable[..., RealAgent]) -> RealAgent:
    return start_agent()


class Forks:
    """A process that has imported what takes seconds, and forks for every loop."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, str(LOOPS / "fork.py"), *modules],
            env=os.environ | AT_IMPORT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, argv: list[str], environment: dict[str, str], said: Path) -> Loop:
        assert self._child.stdin is not None
        told = {"argv": argv, "environment": environment, "said": str(said)}
        self._child.stdin.write(json.dumps(told) + "\n")
        self._child.stdin.flush()
        return Loop(self._child, said)

    def stop(self) -> None:
        self._child.kill()
        self._child.communicate()


class Loop:
    """A loop that trains; asked as `subprocess.Popen` is."""

    def __init__(self, parent: subprocess.Popen[str], said: Path) -> None:
        self._parent, self._said = parent, said
        self.returncode: int | None = None

    def communicate(self) -> tuple[str, None]:
        """Wait for its end; returns what it said."""
        assert self._parent.stdout is not None
        if self.returncode is None:
            ready, _, _ = select.select([self._parent.stdout], [], [], 4 * PATIENCE_SECONDS)
            assert ready, f"it trains for ever: {self._said.read_text()}"
            self.returncode = int(self._parent.stdout.readline())
        return self._said.read_text(), None


@pytest.fixture(scope="session")
def forks() -> Iterator[Callable[[str], Forks]]:
    """By the script, what forks for it; begun when it is needed first."""
    found: dict[str, Forks] = {}

    def of(script: str) -> Forks:
        if script not in found:
            found[script] = Forks(MODULES.get(script, ("torch",)))
        return found[script]

    yield of
    for one in found.values():
        one.stop()


@dataclass
class Training:
    """Starts loops with the environment of a job of one process."""

    agent: RealAgent
    forks: Callable[[str], Forks]
    directory: Path

    def start(self, script: Path, *words: str) -> Loop:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "WATTLINE_", "TORCHELASTIC_")) and name != "RANK"
        }
        environment |= AT_IMPORT | {"WATTLINE_JOB_SOCKET": str(self.agent.socket)}
        said = self.directory / f"said-{len(os.listdir(self.directory))}"
        return self.forks(script.name).start([str(script), *words], environment, said)

    def run(self, script: Path, *words: str, fails: bool = False) -> Row:
        """Train, and return the job's last totals."""
        child = self.start(script, *words)
        said, _ = child.communicate()
        assert (child.returncode != 0) is fails, said
        return self.agent.ended()


@pytest.fixture
def training(
    agent: RealAgent, forks: Callable[[str], Forks], tmp_path_factory: pytest.TempPathFactory
) -> Training:
    return Training(agent, forks, tmp_path_factory.mktemp("said"))
