import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from wattline_agents.job.message import Message

T0 = 1_790_000_000_000


@dataclass
class FakeProcess:
    pid: int = 100
    uid: int | None = 1000
    started_ms: int | None = T0 - 10_000
    alive: bool | None = True

    def is_alive(self) -> bool | None:
        return self.alive


@pytest.fixture
def make_process() -> Callable[..., FakeProcess]:
    return FakeProcess


@pytest.fixture
def say_message() -> Callable[..., Message]:
    def make(member: int = 1, job: str = "42", **more: object) -> Message:
        fields: dict[str, object] = {
            "job": job,
            "member": f"{member:016x}",
            "pid": 100,
            "start_unix_ms": T0,
            "name": "demo",
        }
        return Message(**(fields | more))  # type: ignore[arg-type]

    return make


class FakeProc:
    """A /proc of processes that are not there."""

    BOOT_SECONDS = 1_789_000_000

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "stat").write_text(f"cpu  1 2 3\nintr 5\nbtime {self.BOOT_SECONDS}\nprocesses 9\n")

    def add(
        self,
        pid: int,
        cgroup: str = "/",
        uid: int = 1000,
        command: str = "python",
        started: int = 1000,
        state: str = "S",
        **environment: str,
    ) -> int:
        """A process; returns its number."""
        place = self.root / str(pid)
        place.mkdir(exist_ok=True)
        rest = " ".join([state, *["0"] * 18, str(started), *["0"] * 10])
        (place / "stat").write_text(f"{pid} ({command}) {rest}\n")
        lines = cgroup if cgroup[:1].isdigit() else f"0::{cgroup}"
        (place / "cgroup").write_text(lines + "\n")
        (place / "status").write_text(f"Name:\t{command}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        (place / "environ").write_text("".join(f"{k}={v}\0" for k, v in environment.items()))
        return pid

    def end(self, pid: int) -> None:
        """The process is gone."""
        shutil.rmtree(self.root / str(pid))


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    root = tmp_path / "proc"
    root.mkdir()
    return FakeProc(root)
