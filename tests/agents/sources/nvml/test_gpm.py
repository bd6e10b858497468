"""Activity, from drivers that answer strangely."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from wattline_agents.sources.nvml import gpm, ids
from wattline_agents.sources.nvml.gpm import RATES, RATIOS, Gpm, Requests
from wattline_agents.sources.nvml.off import Ledger, Off

NOW = 1_790_000_000_000


class Driver:
    """Gives each metric a code and a value."""

    def __init__(self) -> None:
        self.answers = {metric: (0, 50.0) for metric in RATIOS} | {m: (0, 10.0) for m in RATES}
        self.asked: list[list[int]] = []
        self.samples: list[int | None] = []
        self.allocated = 0

    def call(self, name: str, *_arguments: Any) -> Any:
        if name == "nvmlGpmSampleFree":
            return None
        assert name == "nvmlGpmSampleAlloc"
        self.allocated += 1
        return ctypes.c_void_p(self.allocated)

    def kind(self, _name: str) -> Any:
        return ctypes.c_char * 19104

    def function(self, name: str) -> Any:
        return getattr(self, name)

    def nvmlGpmSampleGet(self, _handle: Any, sample: Any) -> int:
        self.samples.append(sample.value)
        return 0

    def nvmlGpmMetricsGet(self, buffer: Any) -> int:
        version, count = gpm.HEAD.unpack_from(buffer)
        older, newer = gpm.SAMPLES.unpack_from(buffer, gpm.HEAD.size)
        assert version == ids.GPM_VERSION
        assert [older, newer] == self.samples[-2:], "the older comes first"
        places = [gpm.METRICS_OFFSET + place * gpm.METRIC.size for place in range(count)]
        asked = [gpm.METRIC.unpack_from(buffer, place)[0] for place in places]
        self.asked.append(asked)
        for place, metric in zip(places, asked, strict=True):
            gpm.METRIC.pack_into(buffer, place, metric, *self.answers[metric])
        return 0


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def activity(driver: Driver) -> Gpm:
    asked = Ledger().ask_for("gpm")
    library: Any = driver
    return Gpm(library, Requests(library), SimpleNamespace(), asked, (*RATIOS, *RATES))


def test_the_first_reading_is_nothing_because_it_takes_two(driver: Driver, activity: Gpm) -> None:
    assert activity.read(NOW) is None
    assert activity.read(NOW + 1000) == dict.fromkeys(RATIOS.values(), 0.5)
    assert driver.samples == [1, 2]
    activity.read(NOW + 2000)
    assert driver.samples == [1, 2, 1], "two samples are enough for ever"


def test_samples_are_more_than_a_tenth_of_a_second_apart(driver: Driver, activity: Gpm) -> None:
    activity.read(NOW)
    assert activity.read(NOW + 100) is None
    assert len(driver.samples) == 1
    assert activity.read(NOW + 101) is not None


def test_a_ratio_is_told_to_a_thousandth_of_a_percent(driver: Driver, activity: Gpm) -> None:
    activity.read(NOW)
    driver.answers |= {ids.GPM_SM_UTIL: (0, 82.1876789), ids.GPM_SM_OCCUPANCY: (0, 0.0004)}
    ratios = activity.read(NOW + 1000)
    assert ratios is not None
    assert (ratios["sm_active_ratio"], ratios["sm_occupancy_ratio"]) == (0.82188, 0.0)


def test_one_share_that_is_no_number_takes_none_of_the_others(
    driver: Driver, activity: Gpm
) -> None:
    activity.read(NOW)
    driver.answers |= {ids.GPM_DRAM_BANDWIDTH_UTIL: (0, float("nan"))}
    assert activity.read(NOW + 1000) == dict.fromkeys(RATIOS.values(), 0.5) | {
        "dram_active_ratio": None
    }


def test_what_is_no_share_is_null(driver: Driver, activity: Gpm) -> None:
    activity.read(NOW)
    driver.answers |= {
        ids.GPM_SM_UTIL: (0, 100.4),
        ids.GPM_SM_OCCUPANCY: (0, -1.0),
        ids.GPM_ANY_TENSOR_UTIL: (0, 4e9),
        ids.GPM_DRAM_BANDWIDTH_UTIL: (0, float("nan")),
    }
    ratios = activity.read(NOW + 1000)
    assert ratios is not None
    assert ratios["sm_active_ratio"] == 1.0
    for column in ("sm_occupancy_ratio", "tensor_active_ratio", "dram_active_ratio"):
        assert ratios[column] is None
    assert ratios["fp64_active_ratio"] == 0.5
    assert activity.unsupported == []


def test_rates_add_up_to_bytes_over_the_time_between(driver: Driver, activity: Gpm) -> None:
    activity.read(NOW)
    activity.read(NOW + 1000)
    driver.answers[ids.GPM_PCIE_TRANSMIT] = (0, 30.0)
    activity.read(NOW + 3000)
    assert activity.bytes["pcie_transmit_bytes_total"] == (10 * 1 + 30 * 2) * 1024**2
    assert activity.bytes["c2c_receive_bytes_total"] == 30 * 1024**2


@pytest.mark.parametrize("rate", [-1.0, 1e12, float("nan"), float("inf")])
def test_what_is_no_rate_is_not_added(driver: Driver, activity: Gpm, rate: float) -> None:
    driver.answers[ids.GPM_NVLINK_RECEIVE] = (0, rate)
    activity.read(NOW)
    activity.read(NOW + 1000)
    assert "nvlink_receive_bytes_total" not in activity.bytes
    assert activity.bytes["nvlink_transmit_bytes_total"] == 10 * 1024**2


def test_metrics_that_are_not_there_are_asked_for_once(driver: Driver, activity: Gpm) -> None:
    driver.answers |= {
        ids.GPM_FP64_UTIL: (ids.NOT_SUPPORTED, 0.0),
        ids.GPM_C2C_DATA_RECEIVE: (ids.INVALID_ARGUMENT, 0.0),
        ids.GPM_FP32_UTIL: (ids.UNKNOWN, 0.0),
    }
    for second in range(4):
        ratios = activity.read(NOW + second * 1000)
    assert ratios is not None
    assert (ratios.get("fp64_active_ratio"), ratios["fp32_active_ratio"]) == (None, None)
    assert ratios["fp16_active_ratio"] == 0.5
    assert sorted(activity.unsupported) == ["c2c_receive_bytes_total", "fp64_active_ratio"]
    assert ids.GPM_FP64_UTIL not in driver.asked[-1]
    assert ids.GPM_FP32_UTIL in driver.asked[-1], "what only failed is asked for again"


def test_what_is_counted_elsewhere_is_not_asked_for(driver: Driver, activity: Gpm) -> None:
    activity.read(NOW)
    activity.ask_for(tuple(RATIOS))
    assert activity.read(NOW + 1000) is not None
    assert driver.asked == [list(RATIOS)]
    assert activity.bytes == {}


def test_devices_that_ask_for_the_same_share_one_buffer(driver: Driver) -> None:
    library: Any = driver
    requests = Requests(library)
    assert requests.of((1, 2)) is requests.of((1, 2))
    assert requests.of((1, 2)) is not requests.of((1,))


def test_a_reason_is_kept_while_it_is_refused(driver: Driver, activity: Gpm) -> None:
    activity.asked.refuse(ids.NO_PERMISSION, NOW)
    assert activity.read(NOW + 1000) is None
    assert activity.asked.off == Off.NO_PERMISSION
    assert driver.samples == []
