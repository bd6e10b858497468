from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.errors import UsageError
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.simulated import SimulatedSource
from wattline_agents.sources.simulated.profile import H200
from wattline_agents.sources.source import FollowsAssignments
from wattline_agents.wire import encode

START_MS = 1_795_000_000_000


def source(devices: int = 2) -> SimulatedSource:
    return SimulatedSource("here", devices)


def read(of: SimulatedSource, seconds: float) -> list[dict[str, Any]]:
    return [dict(row) for row in of.read(START_MS + round(seconds * 1000))["device"]]


def held(of: SimulatedSource, *indices: int) -> Mapping[str, str]:
    return {of.device_names[index]: "local-train" for index in indices}


def test_without_a_job_every_device_idles() -> None:
    idle = source()
    read(idle, 0)
    for row in read(idle, 60):
        assert row["power_watts"] == H200.idle_watts
        assert row["sm_active_ratio"] == 0
        assert row["energy_joules_total"] == pytest.approx(60 * H200.idle_watts)


def test_a_device_works_while_a_job_holds_it_and_rests_after() -> None:
    of = source()
    read(of, 0)
    of.on_assignments(held(of, 0))
    working, idle = read(of, 10)
    assert working["power_watts"] == pytest.approx(640)
    assert idle["power_watts"] == H200.idle_watts
    assert working["sm_active_ratio"] == pytest.approx(0.85 * (10 - 1.5) / 10)
    assert read(of, 20)[0]["sm_active_ratio"] == pytest.approx(0.85)
    of.on_assignments({})
    read(of, 30)
    assert read(of, 40)[0]["sm_active_ratio"] == 0
    assert read(of, 50)[0]["power_watts"] == H200.idle_watts


def test_it_takes_up_work_smoothly() -> None:
    of = source(1)
    read(of, 0)
    of.on_assignments(held(of, 0))
    powers = [read(of, tenth / 10)[0]["power_watts"] for tenth in range(41)]
    steps = [after - before for before, after in pairwise(powers)]
    assert max(steps) == pytest.approx((640 - H200.idle_watts) / 30)
    assert min(steps) >= 0
    assert powers[-1] == pytest.approx(640)


@pytest.mark.parametrize("step", [0.05, 0.7, 1.0, 13.0])
def test_energy_is_exact_however_seldom_it_is_read(step: float) -> None:
    of = source(1)
    read(of, 0)
    of.on_assignments(held(of, 0))
    seconds = 0.0
    while seconds < 26 - 1e-9:
        seconds = min(26.0, seconds + step)
        energy = read(of, seconds)[0]["energy_joules_total"]
    # Three seconds of a straight rise are half a rise: 1.5 s at full work.
    span = 640 - H200.idle_watts
    assert energy == pytest.approx(26 * H200.idle_watts + (26 - 1.5) * span, rel=1e-4)


def test_the_nodes_energy_is_that_of_its_devices_and_some() -> None:
    of = source(2)
    of.read(START_MS)
    of.on_assignments(held(of, 0, 1))
    readings = of.read(START_MS + 100_000)
    devices = sum(float(row["energy_joules_total"] or 0) for row in readings["device"])
    node = float(readings["node"][0]["energy_joules_total"] or 0)
    assert devices < node < devices * 3


def test_a_clock_set_back_gives_no_energy_twice() -> None:
    of = source(1)
    read(of, 0)
    once = read(of, 10)[0]["energy_joules_total"]
    assert read(of, 5)[0]["energy_joules_total"] == once
    assert read(of, 10)[0]["energy_joules_total"] == once


def test_all_it_says_fits_the_catalogue() -> None:
    of = SimulatedSource.from_config(
        SourceConfig("local", "here", rack="r9", options={"devices": "3"})
    )
    described = of.describe(START_MS)
    for table, found in (of.read(START_MS) | described).items():
        assert encode(TABLES[table], found)
    assert len(described["device_info"]) == 3
    assert described["node_info"][0]["rack"] == "r9"
    assert isinstance(of, FollowsAssignments)
    of.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"devices": "0"}, "from 1 to 16"), ({"gpus": "2"}, "no option 'gpus'")],
)
def test_a_wrong_option_is_named(options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SimulatedSource.from_config(SourceConfig("local", "here", options=options))


def test_devices_have_the_same_ids_at_every_start() -> None:
    assert source().device_names == source().device_names
    assert SimulatedSource("there", 2).device_names != source().device_names
