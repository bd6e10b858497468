from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wattline_agents.sources.serving.listeners import Listeners

HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
)


class Node:
    """A directory that looks like /proc."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "net").mkdir()
        (root / "stat").write_text("cpu 1\nbtime 1700000000\n")
        self.sockets: dict[str, list[str]] = {"tcp": [], "tcp6": []}
        self.looked_up = 0

    def listen(self, address: str, inode: int, state: str = "0A") -> None:
        table = "tcp" if len(address) == 13 else "tcp6"
        rest = "00000000:00000000 00:00000000 00000000  1000        0"
        self.sockets[table].append(f"   0: {address} 00000000:0000 {state} {rest} {inode} 1\n")
        for name, lines in self.sockets.items():
            (self.root / "net" / name).write_text(HEAD + "".join(lines))

    def process(self, pid: int, command: list[str], *inodes: int) -> None:
        place = self.root / str(pid)
        (place / "fd").mkdir(parents=True)
        (place / "cmdline").write_text("\0".join(command) + "\0")
        fields = " ".join(["S", *["0"] * 18, "500", "0"])
        (place / "stat").write_text(f"{pid} (a) b) {fields}\n")
        for number, inode in enumerate(inodes, start=3):
            (place / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    def job_of(self, pid: int) -> str | None:
        self.looked_up += 1
        return None if pid == 1 else f"job-{pid}"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def find(node: Node) -> list[tuple[str, str | None]]:
    places = Listeners(node.job_of, proc=node.root).find()
    return sorted((place.urls[0], place.job) for place in places)


VLLM = ["/usr/bin/python3", "/usr/bin/vllm", "serve", "org/m", "--api-key", "secret"]


def test_an_engine_is_found_at_the_port_its_process_listens_at(node: Node) -> None:
    node.listen("0100007F:1F40", 11)
    node.process(70, VLLM, 11)
    (place,) = Listeners(node.job_of, proc=node.root).find()
    assert place.urls == (
        "http://127.0.0.1:8000/metrics",
        "http://127.0.0.1:8000/prometheus/metrics",
    )
    assert (place.job, place.pid, place.is_told) == ("job-70", 70, False)
    ticks = os.sysconf("SC_CLK_TCK")
    assert place.began_ms == 1_700_000_000_000 + 500 * 1000 // ticks
    assert "secret" not in repr(place)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("00000000:1F40", "http://127.0.0.1:8000/metrics"),
        ("0A00000A:1F40", "http://10.0.0.10:8000/metrics"),
        (f"{'0' * 32}:1F40", "http://127.0.0.1:8000/metrics"),
        (f"{'0' * 24}01000000:1F40", "http://[::1]:8000/metrics"),
        ("0000000000000000FFFF00000100007F:1F40", "http://127.0.0.1:8000/metrics"),
    ],
)
def test_it_is_called_at_the_address_it_listens_at(node: Node, address: str, url: str) -> None:
    node.listen(address, 11)
    node.process(70, VLLM, 11)
    assert find(node) == [(url, "job-70")]


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-m", "vllm.entrypoints.openai.api_server"],
        ["VLLM::APIServer_0"],
        ["python3", "-m", "sglang.launch_server", "--enable-metrics"],
        ["/usr/bin/python3", "/usr/local/bin/trtllm-serve", "org/m"],
        ["text-generation-router", "--port", "80"],
        ["./llama-server", "--metrics"],
        ["/opt/tritonserver/bin/tritonserver"],
        ["python3", "-u", "-m", "dynamo.vllm"],
    ],
)
def test_engines_are_known_by_their_command(node: Node, command: list[str]) -> None:
    node.listen("0100007F:1F40", 11)
    node.process(70, command, 11)
    assert len(find(node)) == 1


@pytest.mark.parametrize(
    "command",
    [
        ["python", "train.py"],
        ["python", "-u", "train.py", "--rollout", "vllm"],
        ["python", "/x/vllm/train.py", "-m", "vllm"],
        ["python", "-m", "torch._dynamo.repro", "vllm"],
        ["python", "-m"],
        ["python", "-m", "torch.distributed.run", "train.py"],
        ["VLLM::EngineCore"],
        ["VLLM::Worker_TP0"],
        ["sglang::scheduler_TP0"],
        ["ray::RayTrainWorker"],
        ["sshd", "-D"],
        [""],
    ],
)
def test_nobody_else_is_ever_called(node: Node, command: list[str]) -> None:
    node.listen("0100007F:1F40", 11)
    node.process(70, command, 11)
    assert find(node) == []
    assert node.looked_up == 0


def test_an_engine_of_no_job_is_not_called(node: Node) -> None:
    node.listen("0100007F:1F40", 11)
    node.process(1, VLLM, 11)
    assert find(node) == []


def test_who_talks_and_does_not_listen_is_not_called(node: Node) -> None:
    node.listen("0100007F:1F40", 11, state="01")
    node.process(70, VLLM, 11)
    assert find(node) == []


def test_processes_are_looked_through_only_when_somebody_new_listens(node: Node) -> None:
    node.listen("0100007F:1F40", 11)
    node.process(70, VLLM, 11)
    listeners = Listeners(node.job_of, proc=node.root)
    first = listeners.find()
    (node.root / "70" / "cmdline").write_text("gone")
    assert listeners.find() == first
    node.sockets["tcp"].clear()
    node.listen("0100007F:1F41", 12)
    assert listeners.find() == []


def test_where_processes_cannot_be_seen_nothing_is_found(tmp_path: Path) -> None:
    assert Listeners(lambda pid: "j", proc=tmp_path / "none").find() == []


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A real process of ours that listens and is called like an engine: its number and port."""
    script = tmp_path / "llama-server"
    script.write_text(
        "import socket, sys\n"
        "with socket.create_server(('127.0.0.1', 0)) as s:\n"
        "    print(s.getsockname()[1], flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        yield child.pid, int(child.stdout.readline())
        child.kill()


def test_a_real_process_is_found_at_its_real_port(listening: tuple[int, int]) -> None:
    pid, port = listening
    job_of: Callable[[int], str | None] = lambda asked: "mine" if asked == pid else None  # noqa: E731
    listeners = Listeners(job_of)
    (place,) = listeners.find()
    assert (place.job, place.urls[0]) == ("mine", f"http://127.0.0.1:{port}/metrics")
    assert listeners.owner_of(port) == (pid, place.began_ms)
    assert place.began_ms is not None
    with socket.create_server(("127.0.0.1", 0)) as ours:
        owner = listeners.owner_of(ours.getsockname()[1])
        assert owner is not None and owner[0] == os.getpid()


def test_only_what_engines_hold_open_is_looked_through(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattline_agents.sources.serving.listeners._MOST_LOOKED_AT", 4)
    node.listen("00000000:1F40", 900)
    node.process(10, ["python", "flood.py"], *range(1000, 1100))
    node.process(11, VLLM, 900)
    assert find(node) == [("http://127.0.0.1:8000/metrics", "job-11")]
    node.listen("00000000:1F41", 901)
    node.process(5, VLLM, *range(2000, 2100))
    node.process(12, VLLM, 901)
    assert find(node) == [], "one that holds too much open is the last that is looked at"
