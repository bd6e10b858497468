from types import SimpleNamespace
from typing import Any

import pytest


class FakeNvmlError(Exception):
    def __init__(self, value: int) -> None:
        self.value = value

    def __str__(self) -> str:
        return f"error {self.value}"


class FakeGpu:
    """What one GPU answers; change it between readings."""

    def __init__(self, uuid: str, name: str = "NVIDIA H200") -> None:
        self.uuid, self.name = uuid, name
        self.lost: int | None = None
        # Field and scope -> value, or the code it is refused with.
        self.fields: dict[tuple[int, int], float] = {
            (186, 0): 412_500,
            (83, 0): 1_234_500,
            (74, 0): 2_000_000_000,
            (269, 0): 500_000_000,
            (270, 0): 3_000_000_000,
            (271, 0): 0,
            (82, 0): 71,
        }
        self.refused: dict[tuple[int, int], int] = {}
        # Function -> the code it fails with.
        self.failing: dict[str, int] = {}
        self.reasons = 0
        self.has_gpm = True
        self.gpm = {2: 80.0, 5: 40.0, 10: 25.0}
        self.architecture = 9
        self.calls: list[str] = []


class FakeNvml:
    """Shaped like the module pynvml, as far as the source uses it."""

    NVMLError = FakeNvmlError

    def __init__(self, *gpus: FakeGpu) -> None:
        self.gpus = list(gpus)
        self.failing: dict[str, int] = {}
        self.inits = 0
        self.is_open = False

    class c_nvmlGpmMetricsGet_t:
        def __init__(self) -> None:
            self.metrics = [SimpleNamespace(metricId=0, nvmlReturn=0, value=0.0) for _ in range(10)]

    def _check(self, name: str, gpu: FakeGpu | None = None) -> None:
        if not self.is_open:
            raise FakeNvmlError(1)
        if name in self.failing:
            raise FakeNvmlError(self.failing[name])
        if gpu is not None:
            gpu.calls.append(name)
            if gpu.lost is not None:
                raise FakeNvmlError(gpu.lost)
            if name in gpu.failing:
                raise FakeNvmlError(gpu.failing[name])

    def nvmlInit(self) -> None:
        if "nvmlInit" in self.failing:
            raise FakeNvmlError(self.failing["nvmlInit"])
        self.inits += 1
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self._check("nvmlShutdown")
        self.is_open = False

    def nvmlSystemGetDriverVersion(self) -> bytes:
        self._check("nvmlSystemGetDriverVersion")
        return b"580.65.06"

    def nvmlDeviceGetCount(self) -> int:
        self._check("nvmlDeviceGetCount")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        self._check("nvmlDeviceGetHandleByIndex", self.gpus[index])
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes) -> FakeGpu:
        gpu = next(gpu for gpu in self.gpus if gpu.uuid == uuid.decode())
        self._check("nvmlDeviceGetHandleByUUID", gpu)
        return gpu

    def nvmlDeviceGetIndex(self, gpu: FakeGpu) -> int:
        return self.gpus.index(gpu)

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        return gpu.uuid

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:
        return gpu.name

    def nvmlDeviceGetPciInfo(self, gpu: FakeGpu) -> Any:
        return SimpleNamespace(busId=b"00000000:1B:00.0")

    def nvmlDeviceGetArchitecture(self, gpu: FakeGpu) -> int:
        return gpu.architecture

    def nvmlDeviceGetFieldValues(self, gpu: FakeGpu, wanted: list[Any]) -> list[Any]:
        self._check("nvmlDeviceGetFieldValues", gpu)
        answers = []
        for one in wanted:
            key = one if isinstance(one, tuple) else (one, 0)
            value = gpu.fields.get(key)
            code = gpu.refused.get(key, 3 if value is None else 0)
            answers.append(
                SimpleNamespace(
                    nvmlReturn=code, valueType=3, value=SimpleNamespace(ullVal=value or 0)
                )
            )
        return answers

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:
        self._check("nvmlDeviceGetPowerUsage", gpu)
        return 300_000

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> int:
        self._check("nvmlDeviceGetTotalEnergyConsumption", gpu)
        return 5_000

    def nvmlDeviceGetCurrentClocksEventReasons(self, gpu: FakeGpu) -> int:
        self._check("nvmlDeviceGetCurrentClocksEventReasons", gpu)
        return gpu.reasons

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> Any:
        self._check("nvmlDeviceGetUtilizationRates", gpu)
        return SimpleNamespace(gpu=97, memory=33)

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu, version: int | None = None) -> Any:
        name = "nvmlDeviceGetMemoryInfo" + ("_v2" if version else "")
        self._check(name, gpu)
        return SimpleNamespace(used=10_000 if version else 11_000, total=100_000)

    def nvmlDeviceGetTemperatureV(self, gpu: FakeGpu, sensor: int) -> int:
        self._check("nvmlDeviceGetTemperatureV", gpu)
        return 61

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, sensor: int) -> int:
        self._check("nvmlDeviceGetTemperature", gpu)
        return 60

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, clock: int) -> int:
        self._check("nvmlDeviceGetClockInfo", gpu)
        return {1: 1980, 2: 3201}[clock]

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: FakeGpu) -> int:
        self._check("nvmlDeviceGetEnforcedPowerLimit", gpu)
        return 700_000

    def nvmlGpmQueryDeviceSupport(self, gpu: FakeGpu) -> Any:
        self._check("nvmlGpmQueryDeviceSupport", gpu)
        return SimpleNamespace(isSupportedDevice=int(gpu.has_gpm))

    def nvmlGpmSampleAlloc(self) -> Any:
        return SimpleNamespace(gpu=None)

    def nvmlGpmSampleFree(self, sample: Any) -> None:
        self._check("nvmlGpmSampleFree")

    def nvmlGpmSampleGet(self, gpu: FakeGpu, sample: Any) -> Any:
        self._check("nvmlGpmSampleGet", gpu)
        sample.gpu = gpu
        return sample

    def nvmlGpmMetricsGet(self, request: Any) -> Any:
        assert request.version == 1
        assert request.sample1 is not request.sample2
        gpu = request.sample2.gpu
        for metric in request.metrics[: request.numMetrics]:
            metric.value = gpu.gpm[metric.metricId]
        return request


@pytest.fixture
def gpus() -> list[Any]:
    return [FakeGpu("GPU-aaaa"), FakeGpu("GPU-bbbb")]


@pytest.fixture
def nvml(gpus: list[Any]) -> Any:
    return FakeNvml(*gpus)
