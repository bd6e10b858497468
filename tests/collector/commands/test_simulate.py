"""`wattline simulate`, against a collector that only listens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wattline_agents.wire import PATH, Header
from wattline_collector.simulated.faults import Fault
from wattline_collector.simulated.schedule import plan
from wattline_collector.simulated.shape import DAY_MS, Shape

PATIENCE_SECONDS = 60.0


@dataclass
class Listener:
    """What was sent, batch by batch."""

    server: ThreadingHTTPServer
    batches: list[tuple[str, Header, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def wait_for(self, nodes: int, batches: int) -> list[tuple[str, Header, str]]:
        """Wait until that many nodes sent that many batches of readings each."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            heard: dict[str, int] = {}
            for table, header, _ in list(self.batches):
                if table == "device":
                    heard[header.node] = heard.get(header.node, 0) + 1
            if sum(count >= batches for count in heard.values()) >= nodes:
                return list(self.batches)
            time.sleep(0.05)
        raise AssertionError(f"only these were heard: {heard}")


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            header = Header.from_http(dict(self.headers))
            token = self.headers.get("Authorization", "")
            heard.batches.append((self.path.removeprefix(PATH), header, token))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard = Listener(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield heard
    server.shutdown()
    thread.join()
    server.server_close()


def simulate(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "wattline_agents.cli", "simulate", *words],
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "WATTLINE_TOKEN_FILE"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_node_has_an_agent_and_all_end_when_told(
    listener: Listener, tmp_path: Path, number: signal.Signals
) -> None:
    token = tmp_path / "token"
    token.write_text("for-tests\n")
    playing = simulate(
        "--push", listener.url, "--token-file", str(token), "--nodes", "3", "--devices", "2",
        "--period", "0.2", "--push-every", "0.3",
    )  # fmt: skip
    try:
        batches = listener.wait_for(nodes=2, batches=3)
        playing.send_signal(number)
        _, said = playing.communicate(timeout=PATIENCE_SECONDS)
    finally:
        playing.kill()
        playing.wait()
    assert playing.returncode == 0
    assert said.startswith(
        "simulate: 3 nodes with 2 devices each, system sim, profile h200, seed 7, to http"
    )
    assert {token for _, _, token in batches} == {"Bearer for-tests"}
    assert {header.system for _, header, _ in batches} == {"sim"}
    boots = {header.node: header.boot for _, header, _ in batches}
    assert len(set(boots.values())) == len(boots)
    assert {"device", "node", "device_info", "node_info"} <= {table for table, _, _ in batches}


def test_a_silent_node_says_what_it_said_last_and_no_more(listener: Listener) -> None:
    present_ms = int(time.time() * 1000)
    shape = Shape.living(nodes=4, devices=1, seed=7, present_ms=present_ms, history_ms=DAY_MS)
    silent = next(
        shape.node_name(outage.node)
        for outage in plan(shape).faults.outages
        if outage.fault is Fault.SILENT and outage.end_ms > present_ms
    )
    playing = simulate(
        "--push", listener.url, "--nodes", "4", "--devices", "1", "--period", "0.2",
        "--push-every", "0.3", "--history-days", "1",
    )  # fmt: skip
    try:
        batches = listener.wait_for(nodes=3, batches=4)
    finally:
        playing.terminate()
        playing.communicate(timeout=PATIENCE_SECONDS)
    tables = [table for table, header, _ in batches if header.node == silent]
    assert tables.count("device") == 1
    assert tables.count("agent") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--push", "http://127.0.0.1:1", "--nodes", "0"), "nodes: not from 1 to 1024: 0"),
        (("--push", "http://127.0.0.1:1", "--period", "0"), "--period: not from 0.1 to 60"),
        (("--push", "http://127.0.0.1:1", "--present", "soon"), "--present: not a time such as"),
        (("--push", "nowhere"), "--push: not an address"),
        ((), "nowhere to send readings: give --push URL"),
        (("--push", "http://127.0.0.1:1", "--profile", "lumi"), "did you mean 'lumi-g'?"),
        (("--push", "http://127.0.0.1:1", "--fault", "lots"), "no kind 'lots'"),
        (("--push", "http://127.0.0.1:1", "--faults-a-day", "-1"), "--faults-a-day: not from 0"),
        (("--push", "http://127.0.0.1:1", "--system", "a b"), "system: 'a b' is not a name"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    playing = simulate(*words)
    _, errors = playing.communicate(timeout=PATIENCE_SECONDS)
    assert playing.returncode == 2
    assert said in errors
    assert len(errors.splitlines()) == 1


def test_two_thousand_devices_are_played_by_one_process(listener: Listener) -> None:
    playing = simulate(
        "--push", listener.url, "--profile", "lumi-g", "--nodes", "250", "--push-every", "1",
    )  # fmt: skip
    try:
        # One node in 250 is silent.
        batches = listener.wait_for(nodes=249, batches=2)
        threads = len(os.listdir(f"/proc/{playing.pid}/task"))
    finally:
        playing.terminate()
        _, said = playing.communicate(timeout=PATIENCE_SECONDS)
    assert playing.returncode == 0
    assert "250 nodes with 8 devices each, system sim, profile lumi-g" in said
    assert len({header.node for table, header, _ in batches if table == "device"}) >= 249
    assert threads <= 12


def test_the_profiles_are_listed() -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "wattline_agents.cli", "simulate", "--profiles"],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True,
    ).stdout  # fmt: skip
    assert "\nlumi-g " in listing
    assert "only the even die of a module has a meter" in listing
