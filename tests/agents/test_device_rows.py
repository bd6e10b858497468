from __future__ import annotations

from wattline_agents.device_rows import DeviceRows, merged_infos
from wattline_agents.wire import Row, Value

NVML, DCGM = 0, 1


def nvml_row(now: float, **more: float | None) -> Row:
    return {"time_unix_ms": round(now * 1000), "device": "GPU-1", "up": 1, "power_watts": 300.0,
            "sm_active_ratio": None, **more}  # fmt: skip


def dcgm_row(now: float, **more: float | None) -> Row:
    return {"time_unix_ms": round(now * 1000), "device": "GPU-1", "up": 1, "power_watts": 250.0,
            "sm_active_ratio": 0.5, "read_errors_total": 7, **more}  # fmt: skip


def test_rows_of_the_only_source_go_through_untouched() -> None:
    rows = [nvml_row(1)]
    assert DeviceRows().merged(NVML, rows, 1000, 1.0) is rows


def test_what_only_another_source_knows_fills_the_holes_of_the_owner() -> None:
    devices = DeviceRows()
    devices.merged(NVML, [nvml_row(1)], 1000, 1.0)
    assert devices.merged(DCGM, [dcgm_row(1)], 15_000, 1.0) == []
    (row,) = devices.merged(NVML, [nvml_row(2)], 1000, 2.0)
    assert row == {"time_unix_ms": 2_000, "device": "GPU-1", "up": 1, "power_watts": 300.0,
                   "sm_active_ratio": 0.5}  # fmt: skip
    assert devices.fills("GPU-1", 2.0) == {"sm_active_ratio"}


def test_what_the_owner_once_gave_and_does_not_any_more_is_not_taken_from_another() -> None:
    devices = DeviceRows()
    for now in (1.0, 2.0):
        devices.merged(NVML, [nvml_row(now)], 1000, now)
        devices.merged(DCGM, [dcgm_row(now)], 15_000, now)
    (row,) = devices.merged(NVML, [nvml_row(3, power_watts=None)], 1000, 3.0)
    assert row["power_watts"] is None, "its sensor stands still; the other reads the same one"
    assert row["sm_active_ratio"] == 0.5


def test_what_was_told_too_long_ago_fills_nothing() -> None:
    devices = DeviceRows()
    for now in (1.0, 2.0):
        devices.merged(NVML, [nvml_row(now)], 1000, now)
        devices.merged(DCGM, [dcgm_row(now)], 15_000, now)
    (row,) = devices.merged(NVML, [nvml_row(46)], 1000, 46.0)
    assert row["sm_active_ratio"] == 0.5
    (row,) = devices.merged(NVML, [nvml_row(48)], 1000, 48.0)
    assert row["sm_active_ratio"] is None
    assert devices.fills("GPU-1", 48.0) == frozenset()


def test_a_lost_device_is_not_filled() -> None:
    devices = DeviceRows()
    for now in (1.0, 2.0):
        devices.merged(NVML, [nvml_row(now)], 1000, now)
        devices.merged(DCGM, [dcgm_row(now)], 15_000, now)
    lost: Row = {"time_unix_ms": 3000, "device": "GPU-1", "up": 0}
    assert devices.merged(NVML, [lost], 1000, 3.0) == [lost]


def test_the_other_source_takes_over_when_the_owner_falls_silent() -> None:
    devices = DeviceRows()
    for now in (1.0, 2.0):
        devices.merged(NVML, [nvml_row(now)], 1000, now)
        devices.merged(DCGM, [dcgm_row(now)], 15_000, now)
    assert devices.merged(DCGM, [dcgm_row(11)], 15_000, 11.0) == []
    (row,) = devices.merged(DCGM, [dcgm_row(26)], 15_000, 26.0)
    assert row["power_watts"] == 250.0
    (row,) = devices.merged(NVML, [nvml_row(30)], 1000, 30.0)
    assert row["power_watts"] == 300.0
    assert devices.merged(DCGM, [dcgm_row(31)], 15_000, 31.0) == []


def test_each_device_has_an_owner_of_its_own() -> None:
    devices = DeviceRows()
    other = {**dcgm_row(1), "device": "GPU-2"}
    devices.merged(NVML, [nvml_row(1)], 1000, 1.0)
    devices.merged(DCGM, [dcgm_row(1), other], 15_000, 1.0)
    assert devices.merged(DCGM, [dcgm_row(16), other], 15_000, 16.0) == [dcgm_row(16), other]
    devices.merged(NVML, [nvml_row(30)], 1000, 30.0)
    assert devices.merged(DCGM, [dcgm_row(31), other], 15_000, 31.0) == [other]


def test_a_device_is_described_once_by_all_that_know_it() -> None:
    rows: list[dict[str, Value]] = [
        {"device": "GPU-1", "source": "nvml", "model": "A100", "serial": None},
        {"device": "GPU-2", "source": "nvml", "model": None},
        {"device": "GPU-1", "source": "dcgm", "model": "A100-SXM", "serial": "17"},
    ]
    assert merged_infos(rows) == [
        {"device": "GPU-1", "source": "nvml", "model": "A100", "serial": "17"},
        {"device": "GPU-2", "source": "nvml", "model": None},
    ]


def test_devices_that_nobody_tells_of_any_more_are_not_remembered_for_ever() -> None:
    devices = DeviceRows()
    devices.merged(NVML, [nvml_row(1)], 1000, 1.0)
    for page in range(10):
        now = 20.0 + 60.0 * page
        devices.merged(NVML, [nvml_row(now)], 1000, now)
        rows = [{**dcgm_row(now), "device": f"GPU-{page}-{n}"} for n in range(1_000)]
        devices.merged(DCGM, rows, 15_000, now)
    assert len(devices._owner) <= 3_000
    assert len(devices._given) <= len(devices._owner)
    assert "GPU-1" in devices._owner
