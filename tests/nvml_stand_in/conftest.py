"""The stand-in loaded into this process, a fresh copy for each test, behind the real binding."""

from __future__ import annotations

import ctypes
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynvml
import pytest

T0 = 1_790_000_000.0
TURN = 2 * math.pi / 60


@dataclass
class StandIn:
    """The loaded library: plant lines at a time, then ask through `pynvml`."""

    library: Path
    folder: Path
    patch: pytest.MonkeyPatch

    @property
    def control(self) -> Path:
        return self.folder / "control"

    def plant(self, *lines: str, at: float | None = T0) -> None:
        now = [] if at is None else [f"now {at!r}"]
        replacement = self.folder / "control.new"
        replacement.write_text("".join(f"{line}\n" for line in (*now, *lines)))
        replacement.replace(self.control)
        if pynvml.nvmlLib is not None:
            # What begins with a line begins when somebody looks.
            self.code(pynvml.nvmlSystemGetDriverVersion)

    def load(self, model: str = "h100", devices: int = 2, **environment: str) -> None:
        """Load it anew, as another process would."""
        told = {"MODEL": model, "DEVICES": str(devices), "CONTROL": str(self.control)}
        for name, value in {**told, **environment}.items():
            self.patch.setenv(f"NVML_STAND_IN_{name}", value)
        # The loader takes another file for another library, with variables of its own.
        copy = self.folder / f"{len(list(self.folder.iterdir()))}.so"
        shutil.copy(self.library / "libnvidia-ml.so.1", copy)
        self.patch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(copy)))
        self.patch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})

    def open(self, model: str = "h100", devices: int = 2, **environment: str) -> list[Any]:
        """Load it, open it, and return the handles."""
        if not self.control.exists():
            self.plant()
        self.load(model, devices, **environment)
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]

    @staticmethod
    def busy(t: float, phase: float = 0) -> float:
        """The share of time at work, as the stand-in defines it."""
        return 0.55 + 0.35 * math.sin(TURN * t + phase)

    @staticmethod
    def worked(a: float, b: float, phase: float = 0) -> float:
        """The integral of `busy`, in seconds."""
        swing = math.cos(TURN * a + phase) - math.cos(TURN * b + phase)
        return 0.55 * (b - a) + 0.35 / TURN * swing

    @staticmethod
    def code(call: Callable[..., object], *arguments: object) -> int:
        """What a call of the binding returned; 0 if it went well."""
        try:
            call(*arguments)
        except pynvml.NVMLError as error:
            return int(error.value)
        return 0

    @staticmethod
    def fields(handle: Any, *wanted: int | tuple[int, int]) -> list[float | None]:
        """Values of fields, None where the field itself failed."""
        members = {1: "uiVal", 3: "ullVal", 5: "siVal"}
        return [
            getattr(one.value, members[one.valueType]) if one.nvmlReturn == 0 else None
            for one in pynvml.nvmlDeviceGetFieldValues(handle, list(wanted))
        ]

    @staticmethod
    def gpm(first: Any, second: Any, *ids: int) -> dict[int, float]:
        """Metrics between two samples; a negative number is the code it failed with."""
        request = pynvml.c_nvmlGpmMetricsGet_t()
        request.version, request.numMetrics = 1, len(ids)
        request.sample1, request.sample2 = first, second
        for slot, metric in enumerate(ids):
            request.metrics[slot].metricId = metric
        pynvml.nvmlGpmMetricsGet(request)
        told = request.metrics[: len(ids)]
        return {one.metricId: -one.nvmlReturn if one.nvmlReturn else one.value for one in told}

    def two_samples(self, take: Callable[[Any], object]) -> tuple[Any, Any]:
        """GPM samples a second apart, the newer at T0."""
        samples = pynvml.nvmlGpmSampleAlloc(), pynvml.nvmlGpmSampleAlloc()
        for sample, at in zip(samples, (T0 - 1, T0), strict=True):
            self.plant(at=at)
            take(sample)
        return samples


@pytest.fixture
def stand_in(
    nvml_stand_in_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StandIn:
    return StandIn(nvml_stand_in_library, tmp_path, monkeypatch)
