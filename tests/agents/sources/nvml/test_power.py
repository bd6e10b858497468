"""Which power is read, how the counter is watched, and when the sensor is not believed."""

from __future__ import annotations

from typing import Any

import pytest

from wattline_agents.sources.nvml import Off


@pytest.mark.parametrize(
    ("model", "refused", "watts", "mode", "scope"),
    [
        ("h100", [], (70, 610), "instant", "gpu"),
        ("h100", ["fail 186/0 3"], None, "average_1s", "gpu"),
        ("gh200", [], (160, 710), "instant", "module"),
        ("gh200", ["fail 186/1 3"], None, "average_1s", "module"),
        ("h100", ["fail 185 3", "fail 186 3"], None, "average_1s", "gpu"),
        ("a100", ["fail 185 3", "fail 186 3"], (60, 330), "instant", "gpu"),
    ],
)
def test_the_best_power_there_is_is_read_and_named(
    bench: Any, model: str, refused: list[str], watts: Any, mode: str, scope: str
) -> None:
    bench.begin(model, 1)
    for second in range(3):
        row = bench.read(second, *refused).row()
    idle, dynamic = watts or ((160, 710) if model == "gh200" else (70, 610))
    load = bench.busy(2) if watts else bench.worked(1, 2)
    assert row["power_watts"] == pytest.approx(idle + dynamic * load, abs=0.001)
    assert (bench.info()["power_mode"], bench.info()["power_scope"]) == (mode, scope)


def test_a_failed_first_reading_of_power_does_not_settle_for_another_kind(bench: Any) -> None:
    bench.begin(devices=1)
    assert bench.read(0, "fail 186/0 999").row()["power_watts"] > 70
    assert bench.info()["power_mode"] is None
    row = bench.read_all(1, 2)[1].row()
    assert row["power_watts"] == pytest.approx(70 + 610 * bench.busy(2), abs=0.001)
    assert bench.info()["power_mode"] == "instant"


def test_a_failed_later_reading_is_not_filled_with_another_kind(bench: Any) -> None:
    bench.begin(devices=1)
    bench.read(0)
    row = bench.read(1, "fail 186/0 999").row()
    assert row["power_watts"] is None
    assert row["power_average_watts"] > 70
    assert bench.info()["power_mode"] == "instant"


def test_energy_refused_as_a_field_is_read_by_its_own_call(bench: Any) -> None:
    bench.begin(devices=1)
    row = bench.read(0, "fail 83 3").row()
    energy = 70 * 3600 + 610 * bench.worked(-3600, 0)
    assert row["energy_joules_total"] == pytest.approx(energy, abs=0.001)
    assert bench.capability("energy") is None
    assert "energy_joules_total" not in bench.off()


def test_energy_that_nothing_counts_is_null_and_the_integral_goes_on(bench: Any) -> None:
    bench.begin(devices=1)
    refused = ["fail 83 3", "fail nvmlDeviceGetTotalEnergyConsumption 3"]
    rows = [bench.read(second, *refused).row() for second in range(40)]
    assert rows[-1]["energy_joules_total"] is None
    assert rows[-1]["energy_counter_over_integral"] is None
    assert rows[-1]["energy_integral_joules_total"] == pytest.approx(
        70 * 39 + 610 * bench.worked(0, 39), rel=1e-3
    )
    assert bench.off()["energy_joules_total"] == Off.NOT_SUPPORTED


def test_readings_far_apart_are_integrated_if_they_are_meant_to_be(bench: Any) -> None:
    refused = "fail nvmlDeviceGetSamples 3"
    for period, covered in ((20.0, True), (1.0, False)):
        bench.begin(devices=1, period_seconds=period)
        rows = [bench.read(second, refused).row() for second in range(0, 121, 20)]
        energy = rows[-1]["energy_integral_joules_total"]
        # Six trapezoids on two turns of the wave: its mean, nearly.
        assert energy == (pytest.approx(120 * 405.5, rel=0.02) if covered else None)


def test_a_counter_that_begins_again_is_counted_and_passed_on_as_it_is(bench: Any) -> None:
    bench.begin()
    told = bench.read_all(0, 39)
    told += [bench.read(40, "reset 0"), *bench.read_all(41, 90)]
    rows = [one.row(0) for one in told]
    assert [row["energy_resets_total"] for row in (rows[39], rows[40], rows[90])] == [0, 1, 1]
    assert rows[40]["energy_joules_total"] == 0
    assert rows[41]["energy_joules_total"] == pytest.approx(70 + 610 * bench.worked(40, 41))
    assert told[90].row(1)["energy_resets_total"] == 0
    # The second in which it began again is in neither of the two.
    assert rows[90]["energy_counter_over_integral"] == pytest.approx(1, abs=1e-3)


def test_a_frozen_sensor_is_flagged_and_not_reported(bench: Any) -> None:
    bench.begin()
    bench.read_all(0, 9)
    rows = [one.row(0) for one in bench.read_all(10, 90, "frozen 0")]
    flags = [row["power_stale"] for row in rows]
    since = flags.index(1)
    assert 20 <= since <= 61
    assert flags == [0] * since + [1] * (len(flags) - since)
    last = rows[-1]
    for column in ("power_watts", "power_average_watts", "power_min_watts", "power_max_watts"):
        assert last[column] is None, column
        assert bench.off()[column] == Off.STALE
    # Energy is counted by something else, and the counter moves.
    assert last["energy_joules_total"] > rows[-2]["energy_joules_total"] + 70
    assert last["energy_integral_joules_total"] == rows[since]["energy_integral_joules_total"]
    assert (last["up"], last["busy_ratio"]) == (1, pytest.approx(bench.busy(90), abs=0.005))
    assert bench.capability("power instant", 1) is None


def test_a_frozen_sensor_of_one_device_says_nothing_of_another(bench: Any) -> None:
    bench.begin()
    told = bench.read_all(0, 80, "frozen 0")[-1]
    assert told.row(0)["power_stale"] == 1
    assert told.row(1)["power_stale"] == 0
    assert told.row(1)["power_watts"] == pytest.approx(70 + 610 * bench.busy(80, 1), abs=0.001)


def test_a_sensor_that_lives_again_is_believed_at_once(bench: Any) -> None:
    bench.begin(devices=1)
    frozen = bench.read_all(0, 80, "frozen 0")[-1].row()
    assert frozen["power_watts"] is None
    rows = [one.row() for one in bench.read_all(81, 130)]
    assert rows[0]["power_stale"] == 0
    assert rows[0]["power_watts"] == pytest.approx(70 + 610 * bench.busy(81), abs=0.001)
    between = rows[-1]["energy_integral_joules_total"] - frozen["energy_integral_joules_total"]
    counted = rows[-1]["energy_joules_total"] - frozen["energy_joules_total"]
    assert between == pytest.approx(counted, rel=0.01), "what was not seen is not made up"


def test_a_counter_that_stands_still_with_its_sensor_is_not_reported_either(bench: Any) -> None:
    bench.begin(devices=1)
    # Nothing moves because time does not: only the agent's clock does.
    bench.plant(0)
    for second in range(80):
        rows = bench.source.read((1_790_000_000 + second) * 1000)["device"]
    assert (rows[0]["power_stale"], rows[0]["power_watts"]) == (1, None)
    assert rows[0]["energy_joules_total"] is None
    assert bench.off()["energy_joules_total"] == Off.STALE
