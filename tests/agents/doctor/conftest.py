from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wattline_agents.doctor.machine import Answer, Machine, Ran, User


@dataclass
class Node:
    """A node that is not there: files under a directory, and what programs and servers say."""

    root: Path
    user: User = field(default_factory=lambda: User("agent", 990, ("agent",)))
    shut: set[str] = field(default_factory=set)
    programs: dict[str, Ran] = field(default_factory=dict)
    answers: dict[str, Answer | OSError] = field(default_factory=dict)
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)
    environment: dict[str, str] = field(default_factory=dict)
    architecture: str = "x86_64"
    synchronised: bool | None = True
    unix_seconds: float = 1_790_000_000.0
    directory: str = "/srv/agent"
    cpus: frozenset[int] = frozenset(range(64))

    def write(self, name: str, text: str = "") -> None:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def link(self, name: str, target: str) -> None:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def card(
        self, address: str, vendor: str, kind: str = "0x030200", driver: str | None = None
    ) -> None:
        place = f"/sys/bus/pci/devices/{address}"
        self.write(f"{place}/vendor", f"{vendor}\n")
        self.write(f"{place}/class", f"{kind}\n")
        if driver is not None:
            self.link(f"{place}/driver", f"/sys/bus/pci/drivers/{driver}")

    def machine(self) -> Machine:
        return Machine(
            self.root,
            self.environment,
            self.user,
            self._run,
            self._fetch,
            access=self._access,
            has_module=lambda name: name in self.modules,
            architecture=self.architecture,
            kernel="6.1.0",
            is_synchronised=lambda: self.synchronised,
            unix_seconds=lambda: self.unix_seconds,
            directory=self.directory,
            may_use=lambda cpus: bool(cpus & self.cpus),
        )

    def _run(self, words: Sequence[str], seconds: float) -> Ran | None:
        return self.programs.get(words[0])

    def _fetch(self, method: str, url: str, headers: Mapping[str, str], seconds: float) -> Answer:
        self.asked.append((method, url, headers))
        answer = self.answers.get(url, ConnectionRefusedError(111, "Connection refused"))
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _access(self, path: Path, mode: int) -> bool:
        name = "/" + str(path.relative_to(self.root))
        return path.exists() and name not in self.shut


@pytest.fixture
def node(tmp_path: Path) -> Node:
    root = tmp_path / "node"
    root.mkdir()
    return Node(root)


@pytest.fixture
def answer() -> Callable[..., Answer]:
    """What a server says."""

    def make(status: int, body: str = "", **headers: str) -> Answer:
        return Answer(status, headers, body.encode())

    return make
