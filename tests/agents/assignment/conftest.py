from collections.abc import Callable
from dataclasses import dataclass

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
