"""User instructions of each tick, counted by callgrind: the figure that noise does not touch."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.agent.processes import Sampler, children

VALGRIND = ("valgrind", "-q", "--tool=callgrind", "--trace-children=yes", "--separate-threads=yes")


def command(program: Sequence[str], folder: Path) -> list[str]:
    """The program under callgrind, with its children."""
    return [*VALGRIND, f"--callgrind-out-file={folder}/callgrind.%p", *program]


def total(dump: str) -> int:
    """Instructions of one dump of callgrind."""
    found = re.search(r"^(?:totals|summary): (\d+)", dump, re.MULTILINE)
    return int(found[1]) if found else 0


def dump(sampler: Sampler, folder: Path, label: str) -> dict[str, int]:
    """Instructions since the dump before, by thread; each keeps its file.

    Raises:
        SystemExit: Callgrind did not answer.
    """
    counted: dict[str, int] = {}
    for place, pid in enumerate(children(sampler.process.pid)):
        known = set(folder.glob(f"callgrind.{pid}*"))
        done = subprocess.run(
            ["callgrind_control", f"--dump={label}", str(pid)], capture_output=True, text=True
        )
        for _ in range(100):
            fresh = {one for one in folder.glob(f"callgrind.{pid}*") if one not in known}
            if fresh:
                break
            if not Path(f"/proc/{pid}").exists():
                break  # a helper that has just ended; it is counted by those who wait for it
            time.sleep(0.1)
        else:
            raise SystemExit(f"callgrind does not answer for {pid}: {done.stderr or done.stdout}")
        if not fresh:
            continue
        time.sleep(0.2)  # for the last file to be whole
        for path in sorted(folder.glob(f"callgrind.{pid}*")):
            if path not in known:
                thread = path.name.rpartition("-")[2].lstrip("0") if "-" in path.name else "1"
                name = "the agent" if place == 0 else f"child {place}"
                counted[f"{name}, thread {thread}"] = total(path.read_text())
    return counted


def per_tick(
    sampler: Sampler, folder: Path, ticks: int, warm: int, wait_ready: Callable[[], None]
) -> dict[str, float]:
    """Instructions of one tick by thread, the mean of so many after some to warm up.

    What is counted lies between two dumps in the middle between ticks.
    """
    wait_ready()
    time.sleep(warm)
    _until_between_ticks()
    dump(sampler, folder, "warm")
    began = time.time()
    time.sleep(ticks - 0.5)
    _until_between_ticks()
    counted = dump(sampler, folder, "counted")
    lasted = round(time.time() - began)
    return {thread: instructions / lasted for thread, instructions in counted.items()}


def _until_between_ticks() -> None:
    time.sleep((0.8 - time.time()) % 1)
