"""What a step of a benchmark takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """What was done, and what it took.

    Attributes:
        result: What came of it.
        seconds: How long it took.
        cpu_seconds: Processor time of the whole process.
        bytes_at_most: Most memory of the whole process meanwhile, with what it held before.
    """

    result: T
    seconds: float
    cpu_seconds: float
    bytes_at_most: int


def step(what: str, work: Callable[[], T]) -> Step[T]:
    """Do it, and print what it took."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # from here on, not from the beginning
    began, used = time.perf_counter(), time.process_time()
    result = work()
    made = Step(result, time.perf_counter() - began, time.process_time() - used, _most())
    print(
        f"  {what:<34} {made.seconds:8.1f} s {made.cpu_seconds:8.1f} CPU s"
        f" {made.bytes_at_most / 2**30:6.2f} GiB at most",
        flush=True,
    )
    return made


def timed(what: str, work: Callable[[], T]) -> T:
    """The same, for what came of it alone."""
    return step(what, work).result


def _most() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM")
