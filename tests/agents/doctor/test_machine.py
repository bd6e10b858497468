import os
import signal
import socket
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from wattline_agents.doctor.machine import (
    Ran,
    clock_is_synchronised,
    fetch,
    may_use,
    run_program,
    this_machine,
    this_user,
    why_not_reached,
)


def test_files_are_read_below_the_root_and_within_bounds(node: Any) -> None:
    machine = node.machine()
    assert machine.text("/none") is None
    assert machine.names("/none") == []
    node.write("/a/long", "x" * 1_000_000)
    assert len(machine.text("/a/long") or "") == 256 * 1024
    assert machine.names("/a") == ["long"]
    assert machine.exists("/a/long")


def test_a_program_tells_its_output_and_its_status() -> None:
    assert run_program(("sh", "-c", "echo a; echo b >&2; exit 3"), 10) == Ran(3, "a\nb\n")
    assert run_program(("no-such-program-here",), 10) is None


def test_a_program_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    before = time.monotonic()
    assert run_program(("sh", "-c", f"sleep 60 & echo $! > {file}; wait"), 0.5) is None
    assert time.monotonic() - before < 30
    pid = int(file.read_text())
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.01)
    else:
        os.kill(pid, signal.SIGKILL)
        raise AssertionError("what the program had started still runs")


def test_a_server_answers(collector: Any) -> None:
    collector.answers.append((418, {"X-Word": "teapot"}))
    answer = fetch("POST", f"{collector.url}/v1/batches/node", {"A": "b"}, 5)
    assert (answer.status, answer.headers["X-Word"]) == (418, "teapot")
    assert answer.body == b'{"error": "told so"}'


def test_a_server_that_is_not_there_or_says_nothing_is_told_apart() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(OSError) as refused:
            fetch("GET", url, {}, 5)
        assert why_not_reached(refused.value) == "Connection refused"
        silent.listen()
        with pytest.raises(OSError) as late:
            fetch("GET", url, {}, 0.1)
        assert why_not_reached(late.value) == "no answer in time"


def test_a_server_that_speaks_no_http_is_no_server() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match="not an answer of HTTP"):
            fetch("GET", f"http://127.0.0.1:{server.getsockname()[1]}/", {}, 5)
        thread.join()


def test_this_machine_is_the_one_we_run_on() -> None:
    machine = this_machine()
    assert machine.user == this_user()
    assert machine.user.uid == os.geteuid()
    assert machine.text("/proc/self/stat") is not None
    assert machine.has_module("json") and not machine.has_module("no.such.module")
    assert clock_is_synchronised() in (True, False, None)
    assert abs(machine.unix_seconds() - time.time()) < 60


def test_trying_processors_leaves_this_process_where_it_was() -> None:
    before = os.sched_getaffinity(0)
    assert may_use(frozenset({min(before)}))
    assert not may_use(frozenset({99_999}))
    assert os.sched_getaffinity(0) == before
