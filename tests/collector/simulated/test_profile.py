from __future__ import annotations

import pytest

from wattline_agents.catalogue import DEVICE
from wattline_agents.errors import UsageError
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.simulated.profile import H200, PROFILES, Profile, profile_named
from wattline_agents.sources.simulated.single import SimulatedSource
from wattline_agents.wire import Row
from wattline_collector.simulated.node import FactoryNode
from wattline_collector.simulated.schedule import Schedule, plan
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, Shape
from wattline_collector.simulated.told import fault_told

PRESENT_MS = 1_790_000_040_000


def factory(profile: Profile) -> Schedule:
    return plan(
        Shape.living(
            nodes=3, devices=profile.devices, seed=2, present_ms=PRESENT_MS, history_ms=DAY_MS,
            profile=profile,
        )
    )  # fmt: skip


def rows(profile: Profile, node: int = 0, at_ms: int = PRESENT_MS - HOUR_MS) -> list[Row]:
    return FactoryNode(factory(profile), node, 2.0).read(at_ms)["device"]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_every_profile_plays_within_its_limits(profile: Profile) -> None:
    known = {metric.column for metric in DEVICE.metrics}
    assert profile.hidden <= known
    assert profile.idle_watts < profile.held_watts < profile.peak_watts
    for node in range(3):
        for at_ms in range(PRESENT_MS - DAY_MS + HOUR_MS, PRESENT_MS, 5 * HOUR_MS):
            for row in rows(profile, node, at_ms):
                assert not profile.hidden & row.keys()
                if row["up"] and (watts := row.get("power_watts")) is not None:
                    assert profile.idle_watts * 0.95 <= float(watts)
                    assert float(watts) <= profile.peak_watts * profile.dies
                    assert row["memory_size_bytes"] == profile.memory_bytes


def test_an_a100_has_no_activity_of_its_parts() -> None:
    for row in rows(PROFILES["leonardo"]):
        assert "busy_ratio" in row
        assert not row.keys() & {"sm_active_ratio", "tensor_active_ratio", "dram_active_ratio"}
    assert all("sm_active_ratio" in row for row in rows(H200))


def test_the_even_die_of_a_module_meters_both_and_the_odd_die_none() -> None:
    profile = PROFILES["lumi-g"]
    metered = rows(profile)
    for even, odd in zip(metered[::2], metered[1::2], strict=True):
        assert even["power_limit_watts"] == 560
        assert float(even["power_watts"] or 0) >= 2 * profile.idle_watts * 0.95
        assert float(even["energy_joules_total"] or 0) > 0
        assert not odd.keys() & {"power_watts", "energy_joules_total", "power_limit_watts"}
        assert odd["busy_ratio"] is not None
    infos = FactoryNode(factory(profile), 0, 2.0).describe(PRESENT_MS)["device_info"]
    modules = [info["module"] for info in infos]
    assert modules[::2] == modules[1::2]
    assert len(set(modules)) == 4
    assert {info["power_scope"] for info in infos} == {"module"}


def test_a_die_that_is_lost_takes_nothing_from_its_modules_counter() -> None:
    profile = PROFILES["lumi-g"]
    shape = factory(profile).shape
    fault = fault_told("lost:node=0,device=1,at=+10s,for=20s", shape)
    reader = FactoryNode(plan(shape, [fault]), 0, 1.0)
    joules = []
    for second in (5, 15, 35):
        even, odd = reader.read(shape.present_ms + second * 1000)["device"][:2]
        joules.append(float(even["energy_joules_total"] or 0))
        assert odd["up"] == (second != 15)
    assert 0 <= joules[1] - joules[0] < 10 * 560
    assert 0 <= joules[2] - joules[1] < 20 * 560


def test_gh200_says_that_its_power_is_the_modules() -> None:
    infos = FactoryNode(factory(PROFILES["jupiter"]), 0, 2.0).describe(PRESENT_MS)["device_info"]
    assert len(infos) == 4
    assert {(info["power_scope"], info["energy_scope"]) for info in infos} == {("module", "module")}
    assert {info["module"] for info in infos} == {None}


def test_slower_devices_make_fewer_tokens_in_the_same_time() -> None:
    shapes = (H200, PROFILES["a100"])
    rates = [
        sum(
            stage.rates.get("tokens_trained_total", 0.0)
            for job in factory(profile).jobs
            for stage in job.stages
        )
        for profile in shapes
    ]
    assert rates[1] / rates[0] == pytest.approx(312 / 989)


def test_a_single_simulated_node_takes_a_profile() -> None:
    config = SourceConfig("local", "n1", options={"devices": "2", "profile": "mi250x"})
    source = SimulatedSource.from_config(config)
    source.read(PRESENT_MS)
    even, odd = source.read(PRESENT_MS + 1000)["device"]
    assert even["power_watts"] == pytest.approx(90)
    assert odd.get("power_watts") is None
    infos = source.describe(PRESENT_MS)["device_info"]
    assert infos[0]["module"] == infos[1]["module"]


def test_dies_come_in_whole_modules() -> None:
    with pytest.raises(UsageError, match="profile mi250x has them in groups of 2: 3"):
        Shape.living(
            nodes=1, devices=3, seed=1, present_ms=PRESENT_MS, history_ms=0,
            profile=PROFILES["mi250x"],
        )  # fmt: skip


def test_a_profile_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no profile 'jupyter'; did you mean 'jupiter'"):
        profile_named("jupyter")
