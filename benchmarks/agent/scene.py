"""What the samplers meet: GPUs of the stand-in, processes on them, a scraper and a receiver."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests/nvml_stand_in"
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def counted_calls(raw: bytes) -> dict[str, int]:
    """Calls by function, from a counter file of the stand-in."""
    records = (raw[at : at + 64] for at in range(0, len(raw), 64))
    return {
        name.decode(): int.from_bytes(record[56:], "little")
        for record in records
        if (name := record[:56].rstrip(b"\0"))
    }


@dataclass(frozen=True)
class Scene:
    """Eight GPUs, each with a process on it.

    Attributes:
        folder: Where everything is; removed by who made it.
        devices: How many GPUs.
        pids: The process on each.
    """

    folder: Path
    devices: int
    pids: tuple[int, ...]

    @property
    def control(self) -> Path:
        return self.folder / "control"

    def environment(self, sampler: str) -> dict[str, str]:
        """What makes a sampler see these GPUs; its calls are counted apart."""
        told = {
            "LD_LIBRARY_PATH": str(self.folder),
            "NVML_STAND_IN_DEVICES": str(self.devices),
            "NVML_STAND_IN_MODEL": "h100",
            "NVML_STAND_IN_CONTROL": str(self.control),
            "NVML_STAND_IN_STILL": "1",  # what it says holds as long as a sampler runs
            "NVML_STAND_IN_COUNTERS": str(self.folder / f"calls-{sampler}-%p"),
        }
        return os.environ | told

    def calls(self, sampler: str) -> int:
        """Driver calls so far, of all its processes."""
        total = 0
        for path in self.folder.glob(f"calls-{sampler}-*"):
            counted = counted_calls(path.read_bytes())
            total += sum(counted.values()) - counted.get("fields", 0)
        return total

    def set_cost(self, us: int) -> None:
        """Let each driver call burn so many microseconds of processor."""
        lines = [f"processes {index} {pid}:2048" for index, pid in enumerate(self.pids)]
        if us:
            lines.append(f"cost {us}")
        replacement = self.folder / "control.new"
        replacement.write_text("".join(f"{line}\n" for line in lines))
        replacement.replace(self.control)


@contextlib.contextmanager
def built(folder: Path, devices: int) -> Iterator[Scene]:
    """Build the stand-in and the floor, and start the processes that use the GPUs."""
    library = folder / "libnvidia-ml.so.1"
    sources = [str(path) for path in sorted(STAND_IN.glob("*.c"))]
    shared = ["-shared", "-fPIC", "-fvisibility=hidden", "-std=gnu11"]
    subprocess.run(["cc", "-O2", *shared, "-o", str(library), *sources, "-lm"], check=True)
    floor = Path(__file__).with_name("floor.c")
    subprocess.run(["cc", "-O2", "-o", str(folder / "floor"), str(floor), str(library)], check=True)
    workers = [subprocess.Popen(["sleep", "infinity"]) for _ in range(devices)]
    try:
        scene = Scene(folder, devices, tuple(worker.pid for worker in workers))
        scene.set_cost(0)
        yield scene
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


class Scraper:
    """Asks each second as Prometheus does, on one connection kept, until the end of the block."""

    def __init__(self, port: int, path: str = "/metrics") -> None:
        self.page = ""
        self.scrapes = self.failures = 0
        self._port, self._path = port, path
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Scraper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(10)

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        # In the middle between two ticks, which stand on full seconds.
        while not self._end.wait((0.5 - time.time()) % 1 or 1):
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("GET", self._path, headers={"Accept": ACCEPT})
                answer = connection.getresponse()
                self.page = answer.read().decode()
                self.scrapes += 1
            except (OSError, http.client.HTTPException):
                self.failures += 1
                if connection is not None:
                    connection.close()
                connection = None


@contextlib.contextmanager
def receiver() -> Iterator[tuple[int, list[int]]]:
    """Takes whatever is posted, as an OTLP receiver would; its port, and the sizes that came."""
    sizes: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sizes.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, sizes
        finally:
            server.shutdown()
            thread.join()


def metrics_per_gpu(page: str, uuid: str) -> int:
    """How many series a page has of one GPU, who it is not counted."""
    return sum(uuid in line and "_info{" not in line for line in page.splitlines())
