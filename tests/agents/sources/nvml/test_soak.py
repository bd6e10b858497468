"""Faults of all kinds, one upon the other: rows stay rows, and what is well is read."""

from __future__ import annotations

import random
from typing import Any

import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.errors import SourceUnavailable
from wattline_agents.rows import checked_row

DEVICES, SECONDS = 3, 400
WELL = 2
"""The device that no fault of its own befalls."""
RECOVERY_SECONDS = 25
CODES = (2, 3, 4, 6, 7, 10, 13, 15, 16, 25, 28, 999)
FUNCTIONS = (
    "nvmlDeviceGetFieldValues", "nvmlDeviceGetSamples", "nvmlDeviceGetUtilizationRates",
    "nvmlGpmSampleGet", "nvmlGpmMetricsGet", "nvmlGpmMigSampleGet", "nvmlGpmQueryDeviceSupport",
    "nvmlGpmSampleAlloc", "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature", "nvmlDeviceGetMarginTemperature",
    "nvmlDeviceGetClockInfo", "nvmlDeviceGetPerformanceState", "nvmlDeviceGetUUID",
    "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetProcessUtilization", "nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount",
    "nvmlDeviceGetMigDeviceHandleByIndex", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName",
    "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetCount_v2",
    "nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceRegisterEvents", "nvmlEventSetCreate", "186/0", "185/0", "83", "74", "82", "3",
    "138", "197", "230", "gpm2", "gpm5", "gpm60",
)  # fmt: skip
FOR_ALL = ("unloaded", "uninitialized", "wrap")


def befalls_all(line: str) -> bool:
    """Whether it is no fault of one device."""
    words = line.split()
    return words[0] in FOR_ALL or (words[0] == "fail" and len(words) == 3)


def faults(dice: random.Random) -> list[str]:
    """Some faults; often none."""
    of_one = (
        lambda n: f"lost {n}",
        lambda n: f"unplug {n}",
        lambda n: f"reset {n}",
        lambda n: f"frozen {n}",
        lambda n: f"gpm_deny {n}",
        lambda n: f"load {n} {dice.random():.2f}",
        lambda n: f"mig {n} " + dice.choice(["", "7g.80gb", "3g.40gb,2g.20gb", "1g.10gb,1g.10gb"]),
        lambda n: f"processes {n} 1:10,2:20,3:30",
        lambda n: f"throttle {n} hw_thermal",
        lambda n: f"ecc {n} uncorrected volatile {dice.randrange(9)}",
        lambda n: f"fail {dice.choice(FUNCTIONS)} {dice.choice(CODES)} {n}",
    )
    of_all = (
        lambda: "unloaded",
        lambda: "uninitialized",
        lambda: "wrap",
        lambda: f"fail {dice.choice(FUNCTIONS)} {dice.choice(CODES)}",
    )
    lines = [dice.choice(of_one)(dice.randrange(WELL)) for _ in range(dice.choice((0, 0, 1, 3)))]
    if dice.random() < 0.05:
        lines.append(dice.choice(of_all)())
    return lines


@pytest.mark.parametrize("model", ["h100", "a100", "gh200"])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_goes_wrong_rows_are_rows_and_all_is_well_in_the_end(
    bench: Any, model: str, seed: int
) -> None:
    dice = random.Random(seed)
    bench.begin(model, DEVICES)
    lines: list[str] = []
    all_sick, well = 0, 0
    for second in range(SECONDS):
        if dice.random() < 0.3:
            lines = faults(dice)
        if any(map(befalls_all, lines)):
            all_sick = second
        try:
            told = bench.read(second, *lines)
        except SourceUnavailable:
            continue
        for table, rows in told.tables.items():
            keys = [tuple(row.get(key) for key in TABLES[table].key) for row in rows]
            assert len(keys) == len(set(keys)), (second, lines, table)
            for row in rows:
                checked_row(TABLES[table], row)
        if second - all_sick > RECOVERY_SECONDS:
            assert told.row(WELL)["up"] == 1, (second, lines)
            assert told.row(WELL)["power_watts"] > 60
            well += 1
        bench.source.describe(0)
        bench.source.why_not()
    assert well > 20
    for second in range(SECONDS, SECONDS + 75):
        told = bench.read(second)
    rows = {row["device"]: row for row in told["device"]}
    assert set(rows) == {bench.uuid(index) for index in range(DEVICES)}
    for row in rows.values():
        assert (row["up"], row["power_stale"]) == (1, 0)
        assert row["power_watts"] > 60
        assert row["energy_joules_total"] > 0
