"""What the node agent costs, beside others that do less, in one run on the same GPUs.

The GPUs are those of the stand-in for NVIDIA's library in tests/nvml_stand_in: eight, each with a
process on it. All samplers read once a second and are scraped once a second; the agent also sends
OTLP each ten. Everything listens on the loopback address and is removed at the end.

    instructions   user instructions of one tick, counted by callgrind: repeatable, the gate
    processor      share of one core over a minute, children included; of nvitop-exporter and
                   node_exporter in the same minute
    dear calls     the same while each driver call burns 20 us, beside a C program (floor.c) that
                   makes one call for each reading
    driver calls   counted by the stand-in itself
    memory         PSS of all its processes as on a node where no other Python runs
    wake-ups       how often its threads went to sleep and woke again; how often they were pushed
                   aside while they had work left is the neighbours' doing, and told apart
    start          processor time before the first steady second, OpenTelemetry's first export
                   included, with all modules compiled: the least of five starts, as what a
                   neighbour adds is not the agent's
    installed      what the package adds to an empty environment

nvitop-exporter is installed by pip into an environment of its own, node_exporter from
the system (apt install prometheus-node-exporter) or --node-exporter; who is missing is said and
left out. valgrind is needed for the instructions: apt install valgrind.

    python benchmarks/agent/cost.py            six minutes, all figures
    python benchmarks/agent/cost.py --quick    three minutes: shorter windows, so less exact
    python benchmarks/agent/cost.py --only instructions
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # so that it also runs as a file

from benchmarks.agent import instructions, peers  # noqa: E402
from benchmarks.agent.processes import Sampler, memory_alone  # noqa: E402
from benchmarks.agent.scene import (  # noqa: E402
    Scene,
    Scraper,
    built,
    free_port,
    metrics_per_gpu,
    receiver,
)

DEVICES = 8
STARTS = 5
DEAR_US = 20
FIRST_UUID = "GPU-57a4d14e-0000-4000-8000-000000000000"
PARTS = ("instructions", "processor", "dear", "installed")


@dataclass(frozen=True)
class Lengths:
    """Seconds of the parts of a run."""

    warm: int
    window: int
    ticks: int


FULL, QUICK = Lengths(warm=15, window=60, ticks=60), Lengths(warm=12, window=20, ticks=20)


@dataclass(frozen=True)
class Limits:
    """What a figure may be at most, and what it should be."""

    must: float
    aim: float

    def verdict(self, value: float) -> str:
        return "FAIL" if value > self.must else "ok" if value > self.aim else "ok, aim met"


@dataclass(frozen=True)
class Figure:
    """One row of the table: the agent, perhaps a peer, and what is judged."""

    name: str
    ours: float
    unit: str
    limits: Limits
    peer: str = ""
    theirs: float | None = None
    is_ratio: bool = False

    @property
    def judged(self) -> float:
        if self.is_ratio and self.theirs:
            return self.ours / self.theirs
        return self.ours

    def row(self) -> tuple[str, ...]:
        theirs = "" if self.theirs is None else f"{self.theirs:.3g} ({self.peer})"
        ratio = "" if not self.theirs else f"{self.ours / self.theirs:.3f}"
        return (
            self.name, f"{self.ours:.3g} {self.unit}", theirs, ratio,
            f"{self.limits.must:.3g}", f"{self.limits.aim:.3g}", self.limits.verdict(self.judged),
        )  # fmt: skip


@dataclass(frozen=True)
class Used:
    """What a sampler used in one window, per second."""

    cpu_percent: float
    wake_ups: float
    pushed: float
    calls: float
    pss_mib: float
    own_mib: tuple[float, ...]


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as text, columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


class Bench:
    """One run: starts samplers in a scene and measures them."""

    def __init__(self, told: argparse.Namespace, scene: Scene, folder: Path) -> None:
        self.scene, self.folder = scene, folder
        self.lengths = QUICK if told.quick else FULL
        self.agent_program = [sys.executable, told.agent]
        self.node_exporter, self.has_peers = told.node_exporter, not told.no_peers
        self.figures: list[Figure] = []
        self.notes: list[str] = []
        self._sends_otlp = "--otlp" in subprocess.run(
            [*self.agent_program, "--help"], capture_output=True, text=True
        ).stdout  # fmt: skip
        if not self._sends_otlp:
            self.notes.append("the agent has no --otlp: measured without")
        elif told.no_otlp:
            self._sends_otlp = False
            self.notes.append("measured without OTLP (--no-otlp)")

    def agent(self, port: int, otlp: int) -> list[str]:
        """The agent's command line."""
        command = [
            *self.agent_program, "--source", "nvml", "--source", "host",
            "--prometheus", f"127.0.0.1:{port}", "--job-socket", str(self.folder / "job.sock"),
        ]  # fmt: skip
        return [*command, "--otlp", f"http://127.0.0.1:{otlp}"] if self._sends_otlp else command

    def await_page(self, sampler: Sampler, scraper: Scraper, what: str, seconds: float) -> None:
        """Until the page has it.

        Raises:
            SystemExit: It ended, or took too long.
        """
        until = time.monotonic() + seconds
        while what not in scraper.page:
            if not sampler.runs or time.monotonic() > until:
                raise SystemExit(f"{sampler.name} gives no {what}: {sampler.last_words()}")
            time.sleep(0.1)

    def window(self, samplers: Sequence[Sampler], seconds: int) -> dict[str, Used]:
        """What each of them uses in the same window."""

        def snapshot() -> dict[str, tuple[float, int, int, int]]:
            found = {}
            for one in samplers:
                spent, switched = one.cpu_seconds(), one.switches()
                calls = self.scene.calls(one.name)
                found[one.name] = spent, switched.slept, switched.pushed, calls
            return found

        began, before = time.monotonic(), snapshot()
        time.sleep(seconds)
        took, after = time.monotonic() - began, snapshot()
        used = {}
        for one in samplers:
            if not one.runs:
                raise SystemExit(f"{one.name} ended: {one.last_words()}")
            cpu, wakes, pushed, calls = (
                b - a for a, b in zip(before[one.name], after[one.name], strict=True)
            )
            memory = one.memory()
            own = (sum(area.anonymous for area in each) / 1024 for each in memory)
            used[one.name] = Used(
                100 * cpu / took, wakes / took, pushed / took, calls / took,
                memory_alone(memory), tuple(own),
            )  # fmt: skip
        return used

    # The parts.

    def instructions(self) -> None:
        if shutil.which("valgrind") is None:
            self.notes.append("no valgrind (apt install valgrind): instructions not counted")
            return
        say(f"instructions: the agent under callgrind, {self.lengths.ticks} ticks")
        port = free_port()
        folder = self.folder / "callgrind"
        folder.mkdir()
        with receiver() as (otlp, _), Scraper(port) as scraper, Sampler(
            "callgrind",
            instructions.command(self.agent(port, otlp), folder),
            self.scene.environment("callgrind"),
            self.folder,
        ) as sampler:  # fmt: skip
            each = instructions.per_tick(
                sampler, folder, self.lengths.ticks, self.lengths.warm,
                lambda: self.await_page(sampler, scraper, "aif_gpu_power_watts", 300),
            )  # fmt: skip
        whole = sum(each.values()) / 1e6
        self.figures.append(Figure("instructions per tick", whole, "M", Limits(8, 3.5)))
        parts = ", ".join(f"{name} {counted / 1e6:.2f} M" for name, counted in each.items())
        self.notes.append(f"instructions per tick: {parts}")

    def starts(self) -> list[tuple[float, float]]:
        """Seconds that agents lived until their first export was sent, and that they worked.

        Raises:
            SystemExit: One exported nothing: its start would look cheaper than it is.
        """
        found = []
        for number in range(STARTS):
            say(f"start: {number + 1} of {STARTS}")
            port = free_port()
            with receiver() as (otlp, posts), Sampler(
                "start", self.agent(port, otlp), self.scene.environment("start"), self.folder
            ) as sampler, Scraper(port) as page:  # fmt: skip
                self.await_page(sampler, page, "aif_gpu_power_watts", 30)
                until = time.monotonic() + 30
                while self._sends_otlp and not posts:
                    if time.monotonic() > until:
                        raise SystemExit(f"the agent exports nothing: {sampler.last_words()}")
                    time.sleep(0.1)
                time.sleep(1)  # the process that encoded has ended, too
                found.append((time.monotonic() - sampler.started, sampler.cpu_seconds()))
        return found

    def processor(self) -> None:
        """The agent and its peers in the same minute."""
        starts = self.starts()
        with contextlib.ExitStack() as stack:
            otlp, posts = stack.enter_context(receiver())
            running: list[Sampler] = []
            nvitop = self._nvitop() if self.has_peers else None

            def start(name: str, command: Sequence[str], port: int, what: str) -> Scraper:
                sampler = Sampler(name, command, self.scene.environment(name), self.folder)
                stack.enter_context(sampler)
                scraper = stack.enter_context(Scraper(port))
                self.await_page(sampler, scraper, what, 30)
                running.append(sampler)
                return scraper

            port = free_port()
            say("processor: the agent")
            page = start("agent", self.agent(port, otlp), port, "aif_gpu_power_watts")
            if self.has_peers:
                self._start_peers(start, nvitop)
            say(f"processor: {', '.join(one.name for one in running)}: "
                f"{self.lengths.warm} s to warm up, {self.lengths.window} s measured")  # fmt: skip
            time.sleep(self.lengths.warm)
            used = self.window(running, self.lengths.window)
            self.notes.append(f"{metrics_per_gpu(page.page, FIRST_UUID)} series of each GPU, "
                              f"{len(page.page) / 1024:.0f} KiB a page, {page.failures} scrapes "
                              f"failed, {len(posts)} OTLP posts")  # fmt: skip
            steady = used["agent"].cpu_percent / 100
            self._tell_processor(used, [spent - lived * steady for lived, spent in starts])

    def _nvitop(self) -> Path | None:
        say("processor: setting up nvitop-exporter")
        program = peers.nvitop_exporter(self.folder / "nvitop")
        if program is None:
            self.notes.append("nvitop-exporter could not be installed: left out")
        return program

    def _start_peers(
        self, start: Callable[[str, Sequence[str], int, str], Scraper], nvitop: Path | None
    ) -> None:
        if nvitop is not None:
            port = free_port()
            told = ["--port", str(port), "--interval", "1", "--hostname", "localhost"]
            start("nvitop-exporter", [str(nvitop), *told], port, "gpu_utilization")
        if self.node_exporter is None:
            self.notes.append("no prometheus-node-exporter (apt install it): left out")
        else:
            port = free_port()
            told = [f"--web.listen-address=127.0.0.1:{port}"]
            start("node_exporter", [self.node_exporter, *told], port, "node_cpu_seconds_total")

    def _tell_processor(self, used: dict[str, Used], starts: Sequence[float]) -> None:
        ours, nvitop = used["agent"], used.get("nvitop-exporter")
        cpu = "processor, of a core"
        for name, limits in (
            ("nvitop-exporter", Limits(1 / 10, 1 / 14)),
            ("node_exporter", Limits(1 / 4, 1 / 6)),
        ):
            if name in used:
                theirs = used[name].cpu_percent
                self.figures.append(
                    Figure(cpu, ours.cpu_percent, "%", limits, name, theirs, is_ratio=True)
                )

        def add(name: str, unit: str, limits: Limits, value: Callable[[Used], float]) -> None:
            theirs = None if nvitop is None else value(nvitop)
            peer = "nvitop-exporter"
            self.figures.append(Figure(name, value(ours), unit, limits, peer, theirs))

        add("driver calls per GPU", "/s", Limits(10, 8), lambda one: one.calls / DEVICES)
        add("memory, PSS", "MiB", Limits(24, 20), lambda one: one.pss_mib)
        add("wake-ups", "/s", Limits(6, 3), lambda one: one.wake_ups)
        self.figures.append(Figure("start, processor", min(starts), "s", Limits(0.15, 0.1)))
        self.notes.append("starts: " + ", ".join(f"{one:.3f} s" for one in starts))
        self.notes.append(
            "wake-ups a second, and times pushed aside by others: "
            + ", ".join(f"{name} {one.wake_ups:.1f} + {one.pushed:.1f}"
                        for name, one in used.items())
        )  # fmt: skip
        self.notes.append(
            f"the agent: {ours.cpu_percent:.3f} % of a core; memory of its own, by process: "
            f"{' + '.join(f'{mib:.1f}' for mib in ours.own_mib)} MiB"
        )

    def dear(self) -> None:
        """The agent and the floor while each call costs."""
        say(f"dear calls: {DEAR_US} us each, the agent beside floor.c")
        self.scene.set_cost(DEAR_US)
        port = free_port()
        try:
            with receiver() as (otlp, _), Scraper(port) as scraper, Sampler(
                "agent-dear", self.agent(port, otlp), self.scene.environment("agent-dear"),
                self.folder,
            ) as agent, Sampler(
                "floor", [str(self.folder / "floor")], self.scene.environment("floor"), self.folder
            ) as floor:  # fmt: skip
                self.await_page(agent, scraper, "aif_gpu_power_watts", 30)
                time.sleep(self.lengths.warm)
                used = self.window([agent, floor], self.lengths.window)
        finally:
            self.scene.set_cost(0)
        self.figures.append(
            Figure("processor, calls of 20 us", used["agent-dear"].cpu_percent, "%",
                   Limits(1, 0.75), "floor.c", used["floor"].cpu_percent, is_ratio=True)
        )  # fmt: skip

    def installed(self) -> None:
        say("installed: the agent in an environment of its own")
        try:
            size = peers.installed_mib(self.folder / "installed", ROOT / "agents")
        except (OSError, subprocess.CalledProcessError) as error:
            self.notes.append(f"the agent could not be installed apart: {error}")
            return
        self.figures.append(Figure("installed beyond Python", size, "MiB", Limits(8, 3)))


def compile_installed() -> None:
    """Compile what the agent loads, as pip does when it installs; other installers may not."""
    for name in ("wattline_agents", "pynvml", "google.protobuf", "opentelemetry.proto"):
        with contextlib.suppress(ModuleNotFoundError):
            spec = importlib.util.find_spec(name)
            for place in (spec and spec.submodule_search_locations) or ():
                compileall.compile_dir(place, quiet=2)
            if spec and spec.origin and not spec.submodule_search_locations:
                compileall.compile_file(spec.origin, quiet=2)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="shorter windows")
    made.add_argument(
        "--only", choices=PARTS, action="append", help="this part; may be repeated (all)"
    )
    made.add_argument("--no-otlp", action="store_true", help="let the agent send no OTLP")
    made.add_argument("--no-peers", action="store_true", help="measure the agent alone")
    made.add_argument(
        "--agent", metavar="PROGRAM", default=str(Path(sys.executable).with_name("wattline-agent")),
        help="the agent's script (the one beside this Python)",
    )  # fmt: skip
    made.add_argument(
        "--node-exporter", metavar="PROGRAM", default=shutil.which("prometheus-node-exporter"),
        help="node_exporter (prometheus-node-exporter on the path)",
    )  # fmt: skip
    return made


def main() -> int:
    told = parser().parse_args()
    if shutil.which("cc") is None:
        raise SystemExit("no C compiler for the stand-in: apt install gcc libc6-dev")
    compile_installed()
    with tempfile.TemporaryDirectory(prefix="wattline-bench-") as name:
        folder = Path(name)
        with built(folder, DEVICES) as scene:
            bench = Bench(told, scene, folder)
            for part in told.only or PARTS:
                getattr(bench, part)()
    head = ("figure", "agent", "peer", "ratio", "must", "aim", "")
    print(f"the node agent, {DEVICES} GPUs each second{', quick' if told.quick else ''}\n")
    print(table([head, *(figure.row() for figure in bench.figures)]))
    print()
    for note in bench.notes:
        print(f"  {note}")
    return int(any(figure.judged > figure.limits.must for figure in bench.figures))


if __name__ == "__main__":
    sys.exit(main())
