"""What a process and its children use: processor, memory, wake-ups."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CPUACCT = Path("/sys/fs/cgroup/cpuacct")
UNIFIED = Path("/sys/fs/cgroup")


def new_group(name: str) -> Path | None:
    """A control group of that name that counts processor time; None where we may not make one."""
    for root, counter in ((CPUACCT, "cpuacct.usage"), (UNIFIED, "cpu.stat")):
        group = root / name
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / counter).exists():
            return group
        group.rmdir()
    return None


def children(pid: int) -> list[int]:
    """The process and all that descend from it and still run."""
    parents: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(stat[1])].append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents[one]
    return found


@dataclass(frozen=True)
class Switches:
    """Context switches so far.

    Attributes:
        slept: A thread went to sleep of its own will, from which it woke or will wake once.
        pushed: The system took the processor from a thread that had work left, for another's sake.
            That says how busy the machine is, and nothing of how often the thread wakes.
    """

    slept: int
    pushed: int

    def __add__(self, other: Switches) -> Switches:
        return Switches(self.slept + other.slept, self.pushed + other.pushed)


def switches(status: str) -> Switches:
    """Context switches of one thread, from its `status`."""
    counted = dict(line.split(":") for line in status.splitlines() if "_ctxt_switches:" in line)
    return Switches(
        int(counted["voluntary_ctxt_switches"]), int(counted["nonvoluntary_ctxt_switches"])
    )


@dataclass(frozen=True)
class MemoryArea:
    """One area of the memory of one process, in KiB."""

    what: tuple[str, str]
    resident: int
    proportional: int
    anonymous: int


def mappings(smaps: str) -> list[MemoryArea]:
    """The mappings of a process, from its `smaps`."""
    found: list[MemoryArea] = []
    what, sizes = ("", ""), dict[str, int]()

    def end() -> None:
        if sizes:
            found.append(MemoryArea(what, sizes["Rss"], sizes["Pss"], sizes["Anonymous"]))

    for line in smaps.splitlines():
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss", "Anonymous"):
            sizes[name] = int(rest.split()[0])
        elif "-" in name.split(" ")[0]:
            end()
            columns = line.split(maxsplit=5)
            what, sizes = (columns[5] if len(columns) > 5 else "", columns[2]), {}
    end()
    return found


def is_shared_by_all(path: str) -> bool:
    """Whether a file is a library that every node has in memory anyway, such as that of C."""
    return path.startswith(("/lib/", "/usr/lib/")) and "python" not in path


def memory_alone(processes: Iterable[Sequence[MemoryArea]]) -> float:
    """MiB that these processes would hold (PSS) on a node where no other Python runs.

    PSS itself divides the interpreter by all who happen to run it here, a type checker included.
    So pages of its files count whole, once among these processes; what a process wrote counts for
    each, and the system's own libraries count as PSS has them.
    """
    files: dict[tuple[str, str], int] = defaultdict(int)
    rest = 0
    for process in processes:
        for one in process:
            path = one.what[0]
            if not path.startswith("/") or is_shared_by_all(path):
                rest += one.proportional
                continue
            rest += one.anonymous
            files[one.what] = max(files[one.what], one.resident - one.anonymous)
    return (rest + sum(files.values())) / 1024


class Sampler:
    """A program that runs until the end of the block, and what it and its children use."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._group = new_group(f"wattline-bench-{os.getpid()}-{name}")
        with self.log.open("wb") as log:
            # A shell enters the group and becomes the program, so that all it does is counted.
            enter = [] if self._group is None else [
                "sh", "-c", f'echo $$ > {self._group}/cgroup.procs; exec "$@"', "sh",
            ]  # fmt: skip
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                [*enter, *command], env=dict(environment), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it and its children."""
        pids = children(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids[1:]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self._group is not None:
            for _ in range(50):
                with contextlib.suppress(OSError):
                    self._group.rmdir()
                    return
                time.sleep(0.1)

    @property
    def runs(self) -> bool:
        """Whether it has not ended by itself."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-800:]

    def pids(self) -> list[int]:
        """It and its children."""
        return children(self.process.pid)

    def cpu_seconds(self) -> float:
        """Processor time so far, children included, ended ones only where there are groups."""
        if self._group is not None:
            usage = self._group / "cpuacct.usage"
            if usage.exists():
                return int(usage.read_text()) / 1e9
            stat = dict(
                line.split() for line in (self._group / "cpu.stat").read_text().splitlines()
            )
            return int(stat["usage_usec"]) / 1e6
        spent = 0
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    spent += int(task.read_text().split()[0])
        return spent / 1e9

    def switches(self) -> Switches:
        """Context switches of all its threads so far."""
        total = Switches(0, 0)
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").glob("*/status"):
                with contextlib.suppress(OSError):
                    total += switches(task.read_text())
        return total

    def memory(self) -> list[list[MemoryArea]]:
        """The areas of memory of it and of each child."""
        told = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                told.append(mappings(Path(f"/proc/{pid}/smaps").read_text()))
        return told
