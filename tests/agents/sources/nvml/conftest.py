"""The source over the stand-in NVML, loaded into this process: a fresh copy for each test."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynvml
import pytest

from wattline_agents.sources.nvml import NvmlSource

T0 = 1_790_000_000
T0_MS = T0 * 1000
TURN = 2 * math.pi / 60


@dataclass
class Told:
    """What the source gave at one time, and what was known of each device by then."""

    tables: dict[str, list[dict[str, Any]]]
    known: dict[str, dict[str, Any]]

    def row(self, index: int = 0) -> dict[str, Any]:
        """What is known of the GPU that the stand-in numbers so; of a lost one its row alone."""
        (row,) = (one for one in self.tables["device"] if one["device"] == Bench.uuid(index))
        return {**self.known[row["device"]], **row} if row["up"] else row

    @property
    def up(self) -> list[int]:
        """Which devices are up, in the order of their rows."""
        return [row["up"] for row in self.tables["device"]]

    def __getitem__(self, table: str) -> list[dict[str, Any]]:
        return self.tables.get(table, [])


@dataclass
class Bench:
    """A source, and the node it is on."""

    library: Path
    folder: Path
    patch: pytest.MonkeyPatch
    sources: list[NvmlSource] = field(default_factory=list)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    planted: int = 0

    @property
    def source(self) -> NvmlSource:
        """The source that was begun last."""
        return self.sources[-1]

    @property
    def proc(self) -> Path:
        """What stands for /proc."""
        return self.folder / "proc"

    @property
    def kmsg(self) -> Path:
        """What stands for the kernel's log."""
        return self.folder / "kmsg"

    def begin(self, model: str = "h100", devices: int = 2, **options: Any) -> NvmlSource:
        """Load the stand-in anew, as another process would, and make a source for it."""
        if not self.control.exists():
            self.plant(0)
        told = {
            "MODEL": model,
            "DEVICES": str(devices),
            "CONTROL": str(self.control),
            "COUNTERS": str(self.folder / "counters"),
        }
        for name, value in told.items():
            self.patch.setenv(f"NVML_STAND_IN_{name}", value)
        # The loader takes another file for another library, with variables of its own.
        copy = self.folder / f"{len(list(self.folder.iterdir()))}.so"
        shutil.copy(self.library / "libnvidia-ml.so.1", copy)
        self.patch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(copy)))
        self.patch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        self.proc.mkdir(exist_ok=True)
        self.kmsg.touch()
        told_of: dict[str, Any] = {"proc": str(self.proc), "kmsg": str(self.kmsg)}
        self.known = {}
        self.sources.append(NvmlSource(**{**told_of, "event_wait_ms": 0, **options}))
        return self.source

    @property
    def control(self) -> Path:
        """The file by which faults are planted."""
        return self.folder / "control"

    def plant(self, second: float, *faults: str) -> None:
        """Let it be this long after T0, and let these faults, and no others, be there."""
        replacement = self.folder / "control.new"
        replacement.write_text("".join(f"{line}\n" for line in (f"now {T0 + second!r}", *faults)))
        # By its time the stand-in knows what is newer, and file systems count in milliseconds.
        self.planted += 1
        os.utime(replacement, ns=(self.planted, self.planted))
        replacement.replace(self.control)

    def read(self, second: float, *faults: str) -> Told:
        """One reading, so long after T0, with these faults."""
        self.plant(second, *faults)
        readings = self.source.read(T0_MS + round(second * 1000))
        for row in readings["device"]:
            if row["up"]:
                self.known[str(row["device"])] = {**self.known.get(str(row["device"]), {}), **row}
        tables = {table: [dict(row) for row in rows] for table, rows in readings.items()}
        return Told(tables, dict(self.known))

    def read_all(self, first: int, last: int, *faults: str) -> list[Told]:
        """A reading each second, both included."""
        return [self.read(second, *faults) for second in range(first, last + 1)]

    def off(self, index: int = 0) -> dict[str, str]:
        """Why columns of this device are empty."""
        return dict(self.source.why_not().get(self.uuid(index), {}))

    def capability(self, name: str, index: int = 0) -> str | None:
        """Why this is off, or None if it can be read."""
        (found,) = (
            one.off
            for one in self.source.capabilities()
            if (one.device, one.name) == (self.uuid(index), name)
        )
        return found

    def info(self, index: int = 0) -> dict[str, Any]:
        """The device's identity."""
        rows = self.source.describe(T0_MS)["device_info"]
        (row,) = (row for row in rows if row["device"] == self.uuid(index))
        return dict(row)

    def calls(self) -> Counter[str]:
        """How often each function of the library was called so far."""
        counted: Counter[str] = Counter()
        content = (self.folder / "counters").read_bytes()
        for start in range(0, len(content), 64):
            name = content[start : start + 56].rstrip(b"\0").decode()
            if name:
                counted[name] = int.from_bytes(content[start + 56 : start + 64], "little")
        return counted

    @staticmethod
    def uuid(index: int) -> str:
        """The UUID of a GPU."""
        return f"GPU-57a4d14e-0000-4000-8000-{index:012d}"

    @staticmethod
    def busy(second: float, phase: float = 0) -> float:
        """The share of time at work, as the stand-in defines it."""
        return 0.55 + 0.35 * math.sin(TURN * (T0 + second) + phase)

    @staticmethod
    def worked(a: float, b: float, phase: float = 0) -> float:
        """The integral of `busy`, in seconds."""
        swing = math.cos(TURN * (T0 + a) + phase) - math.cos(TURN * (T0 + b) + phase)
        return 0.55 * (b - a) + 0.35 / TURN * swing


@pytest.fixture
def bench(
    nvml_stand_in_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """A node with GPUs; `begin` makes the source."""
    bench = Bench(nvml_stand_in_library, tmp_path, monkeypatch)
    yield bench
    for source in bench.sources:
        source.close()
