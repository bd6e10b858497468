"""What receiving telemetry costs, in CPU seconds per million samples.

A sample is one value of one metric at one time. 64 nodes of 8 GPUs send 19 metrics each; batches
hold 8 rows (one tick of one node), 64 or 512. Payloads are made before the clock starts.

    wattline           batches through Intake, commit and seal, in this process
    wattline, HTTP     the same batches sent to a real `wattline collector`, its whole process
    VictoriaMetrics    the same values as Influx line protocol, its whole process

The three take turns in every round, and a ratio is made of one round's figures, so that what else
runs on the machine meets all of them. VictoriaMetrics is left out where it is not installed.
Everything listens on the loopback address and is removed at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from wattline_agents import catalogue
from wattline_agents.wire import PATH, Header, Row, encode
from wattline_collector.receive.intake import Batch, Intake
from wattline_collector.store.store import Store

NODES, DEVICES = 64, 8
BATCH_ROWS = (8, 64, 512)
PERIOD_MS = 2_000
START_MS = 1_760_000_000_000 // PERIOD_MS * PERIOD_MS
VICTORIA = "victoria-metrics"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Message:
    """One batch, as each side wants it."""

    header: Header
    body: bytes
    lines: bytes


def payload(rows: int, ticks: int, first: int, seed: int) -> tuple[list[Message], int]:
    """Messages of `rows` rows from all nodes, and how many samples they hold."""
    chance = random.Random(seed)
    each = rows // DEVICES
    messages: list[Message] = []
    samples = 0
    for tick in range(first, first + ticks, each):
        for node in range(NODES):
            made = [
                reading(chance, node, device, tick + part)
                for part in range(each)
                for device in range(DEVICES)
            ]
            samples += sum(len(row) - 2 for row in made)
            header = Header("bench", f"n{node:03}", "bench", tick // each + 1, PERIOD_MS)
            lines = "\n".join(line(node, row) for row in made)
            messages.append(Message(header, encode(catalogue.DEVICE, made), lines.encode()))
    return messages, samples


def reading(chance: random.Random, node: int, device: int, tick: int) -> Row:
    """One row as an agent reads it from an H200 at work: noisy gauges, growing counters."""
    busy = chance.betavariate(8, 2)
    watts = round(120 + 560 * busy)
    return {
        "time_unix_ms": START_MS + tick * PERIOD_MS,
        "device": f"GPU-{node:08x}-0000-0000-0000-{device:012x}",
        "up": 1,
        "energy_joules_total": round(1e6 + tick * 1_200 + chance.random() * 100, 3),
        "power_watts": watts,
        "power_limit_watts": 700,
        "busy_ratio": round(busy, 2),
        "memory_busy_ratio": round(busy * chance.random(), 2),
        "sm_active_ratio": round(busy * 0.9, 6),
        "tensor_active_ratio": round(busy * chance.random(), 6),
        "dram_active_ratio": round(busy * chance.random(), 6),
        "memory_used_bytes": 1_000_000 * round(120_000 + 5_000 * busy),
        "memory_size_bytes": 150_754_820_096,
        "temperature_celsius": round(40 + watts / 25),
        "memory_temperature_celsius": round(45 + watts / 25),
        "sm_clock_hertz": 15_000_000 * round(100 + 30 * busy),
        "memory_clock_hertz": 3_201_000_000,
        "throttle_power_cap_seconds_total": round(tick * 0.01, 2),
        "throttle_thermal_seconds_total": 0,
        "throttle_power_brake_seconds_total": 0,
        "read_errors_total": 0,
    }


def line(node: int, row: Row) -> str:
    """The same row in Influx line protocol, time in milliseconds."""
    values = ",".join(f"{name}={value}" for name, value in list(row.items())[2:])
    return f"gpu,system=bench,node=n{node:03},device={row['device']} {values} {row['time_unix_ms']}"


# -- the three who take messages in: a function that does, and returns the CPU seconds it took

Taker = Callable[[list[Message]], float]


@contextlib.contextmanager
def in_process(folder: Path) -> Iterator[Taker]:
    """Intake, commit and seal in this process; every 64 batches are committed together."""

    def take(messages: list[Message]) -> float:
        batches = [Batch("device", message.header, message.body) for message in messages]
        began = time.process_time()
        for first in range(0, len(batches), NODES):
            if not all(intake.accept_many(batches[first : first + NODES])):
                raise SystemExit("a batch was not new: the benchmark is at fault")
            store.commit()
        store.seal()
        return time.process_time() - began

    with Store.open(folder, write=True) as store:
        intake = Intake(store)
        yield take


@contextlib.contextmanager
def collector(folder: Path) -> Iterator[Taker]:
    """A real collector; sealing every two seconds, booking left to `book_month.py`."""
    port = free_port()
    words = ["--store", str(folder), "--listen", f"127.0.0.1:{port}", "--seal-every", "2"]
    command = [sys.executable, "-m", "wattline_agents.cli", "collector", *words]
    with server([*command, "--book-every", "86400"], port, folder) as process:
        token = (folder / "tokens/write").read_text().strip()

        def post(connection: http.client.HTTPConnection, message: Message) -> None:
            fields = message.header.to_http() | {"Authorization": f"Bearer {token}"}
            connection.request("POST", f"{PATH}device", message.body, fields)

        def take(messages: list[Message]) -> float:
            return cost(process.pid, port, messages, post)

        yield take


@contextlib.contextmanager
def victoria(folder: Path) -> Iterator[Taker]:
    """VictoriaMetrics with its own defaults, and a retention that keeps these times."""
    port = free_port()
    command = [
        VICTORIA, f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y", "-loggerLevel=ERROR",
    ]  # fmt: skip
    with server(command, port, folder) as process:

        def post(connection: http.client.HTTPConnection, message: Message) -> None:
            connection.request("POST", "/write?precision=ms", message.lines)

        def take(messages: list[Message]) -> float:
            return cost(process.pid, port, messages, post)

        yield take


def cost(
    pid: int,
    port: int,
    messages: list[Message],
    post: Callable[[http.client.HTTPConnection, Message], None],
) -> float:
    """CPU seconds of a process for what it is sent, until it has been quiet for a while.

    Every node has its connection, and sends a message when the one before was answered.
    """

    def send(node: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for message in messages:
            if message.header.node == node:
                post(connection, message)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 204:
                    raise SystemExit(f"port {port}: {answer.status} {text[:200]!r}")
        connection.close()

    before = cpu_seconds(pid)
    with ThreadPoolExecutor(NODES) as pool:
        list(pool.map(send, sorted({message.header.node for message in messages})))
    latest, quiet = cpu_seconds(pid), 0
    for _ in range(40):  # merging and sealing go on for a moment; 20 s is more than they take
        time.sleep(0.5)
        now = cpu_seconds(pid)
        quiet = quiet + 1 if now - latest < 0.02 else 0
        latest = now
        if quiet == 6:
            break
    return latest - before


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def server(command: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens, until the end of the block."""
    log = folder.with_name(f"{folder.name}.log")
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                yield process
                return
            time.sleep(0.1)
        raise SystemExit(f"{command[0]} does not listen: {log.read_text()[-400:]}")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# -- rounds and what is printed


def measure(rows: int, rounds: int, ticks: int, folder: Path) -> dict[str, list[float]]:
    """CPU seconds per million samples of everyone, one figure per round."""
    takers = {"wattline": in_process, "wattline, HTTP": collector}
    if shutil.which(VICTORIA):
        takers["VictoriaMetrics"] = victoria
    figures: dict[str, list[float]] = {name: [] for name in takers}
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(taker(folder / f"{name}-{rows}"))
            for name, taker in takers.items()
        }
        # The first round warms caches, code and indexes of everyone and is not counted.
        for turn in range(rounds + 1):
            messages, samples = payload(rows, ticks, turn * ticks, seed=turn)
            order = list(running.items())
            for name, take in order if turn % 2 else order[::-1]:
                spent = take(messages)
                if turn:
                    figures[name].append(spent / samples * 1e6)
    return figures


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} [{min(values):.3f}..{max(values):.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count (3)")
    parser.add_argument("--ticks", type=int, default=64, help="ticks a round, in steps of 64 (64)")
    told = parser.parse_args()
    ticks = max(told.ticks // 64, 1) * 64

    print(f"ingest: CPU seconds per million samples, median of {told.rounds} [lowest..highest]")
    with tempfile.TemporaryDirectory(prefix="wattline-bench-") as folder:
        for rows in BATCH_ROWS:
            # CPU time is told in hundredths of a second, so cheaper batches are measured longer.
            length = ticks if rows == DEVICES else 2 * ticks
            figures = measure(rows, told.rounds, length, Path(folder))
            print(f"\n{rows} rows a batch")
            for name, values in figures.items():
                print(f"  {name:<16} {shown(values)}", flush=True)
            peer = figures.get("VictoriaMetrics")
            for name, ours in figures.items() if peer else ():
                if ours is peer:
                    continue
                ratios = [theirs / own for own, theirs in zip(ours, peer or [], strict=True)]
                print(f"  VictoriaMetrics / {name}: {shown(ratios)}")
    if not shutil.which(VICTORIA):
        print("\nVictoriaMetrics is not installed (apt install victoria-metrics): no comparison")


if __name__ == "__main__":
    main()
