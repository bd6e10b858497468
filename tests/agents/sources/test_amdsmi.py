import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import CAPABILITY, DEVICE, DEVICE_INFO, PROCESS
from wattline_agents.errors import ReadFailed, SourceUnavailable, UsageError
from wattline_agents.rows import checked_row
from wattline_agents.sources.amdsmi import AmdSource, library
from wattline_agents.sources.amdsmi.counters import Energy, Throttling
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import ReadsInParts

NA = "N/A"
JOULES_PER_COUNT = 1 / 65_536


class AmdSmiException(Exception):
    pass


class AmdSmiLibraryException(AmdSmiException):
    """As the library raises it: a code, and what it means."""

    def __init__(self, err_code: int) -> None:
        super().__init__(err_code)
        self.err_code = err_code
        self.err_info = f"AMDSMI_STATUS_{err_code} - so it is"

    def __str__(self) -> str:
        return f"Error code:\n\t{self.err_code} | {self.err_info}"


def mi300() -> dict[str, Any]:
    """What the table of metrics of an MI300X holds, as far as it is read."""
    return {
        "temperature_edge": NA,
        "temperature_hotspot": 64,
        "temperature_mem": 51,
        "average_gfx_activity": 87,
        "average_umc_activity": 33,
        "average_socket_power": NA,
        "current_socket_power": 742,
        "energy_accumulator": 65_536_000,
        "current_gfxclk": NA,
        "current_gfxclks": [2000, 2100, NA, NA],
        "current_uclk": 1300,
        "pcie_link_width": 16,
        "pcie_link_speed": 320,
        "pcie_replay_count_acc": 4,
        "xgmi_read_data_acc": [10, 20, NA],
        "xgmi_write_data_acc": [1, 2, NA],
        "accumulation_counter": 1_000,
        "prochot_residency_acc": 0,
        "ppt_residency_acc": 100,
        "socket_thm_residency_acc": 5,
        "vr_thm_residency_acc": 0,
        "hbm_thm_residency_acc": 7,
    }


def mi250(watts: Any, energy: Any) -> dict[str, Any]:
    """What an MI250X shows: no residencies, no links, and power on one die of two."""
    return {
        "temperature_edge": 40,
        "temperature_hotspot": 48,
        "temperature_mem": 45,
        "average_gfx_activity": 12,
        "average_umc_activity": 3,
        "average_socket_power": watts,
        "current_socket_power": NA,
        "energy_accumulator": energy,
        "current_gfxclk": 1700,
        "current_uclk": 1600,
        "pcie_link_width": 16,
        "pcie_link_speed": 160,
        "accumulation_counter": NA,
        "ppt_residency_acc": NA,
    }


@dataclass
class Gpu:
    bdf: str
    uuid: str
    model: str = "AMD Instinct MI300X"
    partition: int = 0
    metrics: dict[str, Any] | None = field(default_factory=mi300)
    # What a function answers, where it is not the usual; an exception is raised.
    answers: dict[str, Any] = field(default_factory=dict)


class FakeAmdSmi:
    """Shaped like the module amdsmi, as far as the source uses it."""

    AmdSmiException = AmdSmiException

    def __init__(self, *gpus: Gpu) -> None:
        self.gpus = list(gpus)
        self.calls: list[str] = []
        self.failing: dict[str, int] = {}
        self.is_open = False

    def _answer(self, name: str, gpu: Gpu | None, usual: Any) -> Any:
        self.calls.append(name)
        if name in self.failing:
            raise AmdSmiLibraryException(self.failing[name])
        if name != "amdsmi_init" and not self.is_open:
            raise AmdSmiLibraryException(32)
        if gpu is not None and name in gpu.answers:
            usual = gpu.answers[name]
        if isinstance(usual, Exception):
            raise usual
        return usual

    def amdsmi_init(self, flag: int = 2) -> None:
        self._answer("amdsmi_init", None, None)
        self.is_open = True

    def amdsmi_shut_down(self) -> None:
        self._answer("amdsmi_shut_down", None, None)
        self.is_open = False

    def amdsmi_get_processor_handles(self) -> list[Gpu]:
        return list(self._answer("amdsmi_get_processor_handles", None, self.gpus))

    def amdsmi_get_gpu_device_bdf(self, gpu: Gpu) -> str:
        return str(self._answer("amdsmi_get_gpu_device_bdf", gpu, gpu.bdf))

    def amdsmi_get_gpu_device_uuid(self, gpu: Gpu) -> str:
        return str(self._answer("amdsmi_get_gpu_device_uuid", gpu, gpu.uuid))

    def amdsmi_get_gpu_kfd_info(self, gpu: Gpu) -> Any:
        usual = {"kfd_id": 1, "node_id": 2, "current_partition_id": gpu.partition}
        return self._answer("amdsmi_get_gpu_kfd_info", gpu, usual)

    def amdsmi_get_gpu_asic_info(self, gpu: Gpu) -> Any:
        return self._answer("amdsmi_get_gpu_asic_info", gpu, {"market_name": gpu.model})

    def amdsmi_get_gpu_enumeration_info(self, gpu: Gpu) -> Any:
        usual = {"drm_render": 129, "drm_card": 1, "hsa_id": 1, "hip_id": 0, "hip_uuid": "GPU-1"}
        return self._answer("amdsmi_get_gpu_enumeration_info", gpu, usual)

    def amdsmi_get_gpu_driver_info(self, gpu: Gpu) -> Any:
        usual = {"driver_name": "amdgpu", "driver_version": "6.12.12", "driver_date": NA}
        return self._answer("amdsmi_get_gpu_driver_info", gpu, usual)

    def amdsmi_get_gpu_board_info(self, gpu: Gpu) -> Any:
        return self._answer("amdsmi_get_gpu_board_info", gpu, {"product_serial": "692409005408"})

    def amdsmi_get_gpu_vbios_info(self, gpu: Gpu) -> Any:
        return self._answer("amdsmi_get_gpu_vbios_info", gpu, {"version": "022.040"})

    def amdsmi_get_gpu_metrics_info(self, gpu: Gpu) -> Any:
        usual = AmdSmiLibraryException(2) if gpu.metrics is None else dict(gpu.metrics)
        return self._answer("amdsmi_get_gpu_metrics_info", gpu, usual)

    def amdsmi_get_gpu_activity(self, gpu: Gpu) -> Any:
        usual = {"gfx_activity": 55, "umc_activity": NA, "mm_activity": NA}
        return self._answer("amdsmi_get_gpu_activity", gpu, usual)

    def amdsmi_get_power_info(self, gpu: Gpu) -> Any:
        usual = {"socket_power": 0, "current_socket_power": NA, "average_socket_power": NA}
        return self._answer("amdsmi_get_power_info", gpu, usual)

    def amdsmi_get_energy_count(self, gpu: Gpu) -> Any:
        counted = (gpu.metrics or {}).get("energy_accumulator", 0)
        usual = {
            "energy_accumulator": counted,
            "counter_resolution": 15.300000190734863,
            "timestamp": 1,
        }
        return self._answer("amdsmi_get_energy_count", gpu, usual)

    def amdsmi_get_violation_status(self, gpu: Gpu) -> Any:
        return self._answer("amdsmi_get_violation_status", gpu, AmdSmiLibraryException(2))

    def amdsmi_get_gpu_vram_usage(self, gpu: Gpu) -> Any:
        usual = {"vram_total": 196_592, "vram_used": 1_024}
        return self._answer("amdsmi_get_gpu_vram_usage", gpu, usual)

    def amdsmi_get_gpu_total_ecc_count(self, gpu: Gpu) -> Any:
        usual = {"correctable_count": 3, "uncorrectable_count": 1, "deferred_count": 0}
        return self._answer("amdsmi_get_gpu_total_ecc_count", gpu, usual)

    def amdsmi_get_gpu_bad_page_info(self, gpu: Gpu) -> Any:
        return self._answer("amdsmi_get_gpu_bad_page_info", gpu, [])

    def amdsmi_get_power_cap_info(self, gpu: Gpu) -> Any:
        usual = {"power_cap": 750_000_000, "default_power_cap": 750_000_000, "dpm_cap": 0}
        return self._answer("amdsmi_get_power_cap_info", gpu, usual)

    def amdsmi_get_gpu_pci_replay_counter(self, gpu: Gpu) -> Any:
        return self._answer("amdsmi_get_gpu_pci_replay_counter", gpu, 9)

    def amdsmi_get_gpu_process_list(self, gpu: Gpu) -> Any:
        return self._answer("amdsmi_get_gpu_process_list", gpu, [])


def reading(source: AmdSource, now_ms: int) -> dict[str, dict[str, Any]]:
    """Rows of `device` by UUID, as the catalogue takes them."""
    rows = source.read(now_ms).get("device", [])
    return {str(row["device"]): checked_row(DEVICE, row) for row in rows}


def infos(source: AmdSource) -> dict[str, dict[str, Any]]:
    rows = source.describe(1)["device_info"]
    return {str(row["device"]): checked_row(DEVICE_INFO, row) for row in rows}


@pytest.fixture
def fake() -> FakeAmdSmi:
    return FakeAmdSmi(Gpu("0000:05:00.0", "aa"), Gpu("0000:26:00.0", "bb"))


@pytest.fixture
def source(fake: FakeAmdSmi, clock: Any, tmp_path: Path) -> AmdSource:
    return AmdSource(lambda: fake, clock, tmp_path)


def test_every_figure_of_an_mi300_is_read(source: AmdSource) -> None:
    row = reading(source, 1_000)["aa"]
    assert row == {
        "time_unix_ms": 1_000,
        "device": "aa",
        "up": 1,
        "power_watts": 742.0,
        "energy_joules_total": 1_000.0,
        "energy_resets_total": 0,
        "busy_ratio": 0.87,
        "memory_busy_ratio": 0.33,
        "temperature_celsius": 64.0,
        "memory_temperature_celsius": 51.0,
        "sm_clock_hertz": 2.05e9,
        "memory_clock_hertz": 1.3e9,
        "nvlink_receive_bytes_total": 30 * 1024,
        "nvlink_transmit_bytes_total": 3 * 1024,
        "pcie_replays_total": 4,
        "pcie_link_width": 16,
        "pcie_link_generation": 5,
        "memory_used_bytes": 2**30,
        "memory_size_bytes": 196_592 * 2**20,
        "ecc_corrected_volatile_total": 3,
        "ecc_uncorrected_volatile_total": 1,
        "row_remaps_uncorrected": 0,
        "row_remap_pending": 0,
        "row_remap_failed": 0,
        "power_limit_watts": 750.0,
        "power_limit_default_watts": 750.0,
        "throttle_power_cap_seconds_total": 0.0,
        "throttle_thermal_seconds_total": 0.0,
        "throttle_power_brake_seconds_total": 0.0,
        "read_errors_total": 0,
    }


def test_who_a_device_is_is_told_without_asking_again(source: AmdSource, fake: FakeAmdSmi) -> None:
    reading(source, 1_000)
    fake.calls.clear()
    assert infos(source)["bb"] == {
        "time_unix_ms": 1,
        "device": "bb",
        "index": 1,
        "vendor": "amd",
        "model": "AMD Instinct MI300X",
        "pci": "0000:26:00.0",
        "driver": "6.12.12",
        "source": "amdsmi",
        "power_mode": "instant",
        "power_scope": "gpu",
        "energy_scope": "gpu",
        "minor": 1,
        "serial": "692409005408",
        "vbios": "022.040",
        "module": None,
    }
    assert fake.calls == []


def test_a_tick_makes_one_call_for_all_that_moves(source: AmdSource, fake: FakeAmdSmi) -> None:
    reading(source, 1_000)
    fake.calls.clear()
    reading(source, 2_000)
    assert fake.calls == ["amdsmi_get_gpu_metrics_info"] * 2


def test_parts_are_named_so_that_one_that_hangs_can_be_left_out(source: AmdSource) -> None:
    assert isinstance(source, ReadsInParts)
    names = []
    for name, part in source.parts(1_000):
        names.append(name)
        part()
    assert names == [
        "open", "find", "find 0000:05:00.0", "find 0000:26:00.0", "aa", "bb", "processes",
    ]  # fmt: skip
    assert [name for name, _ in source.parts(2_000)] == ["aa", "bb"]


def test_a_device_left_out_while_it_is_found_does_not_hide_the_others(source: AmdSource) -> None:
    for name, part in source.parts(1_000):
        if name != "find 0000:05:00.0":
            part()
    assert [name for name, _ in source.parts(2_000)] == ["bb"]


def test_a_device_that_cannot_be_read_is_named_until_it_can(
    source: AmdSource, fake: FakeAmdSmi
) -> None:
    assert source.unread() == []
    for name, part in source.parts(1_000):
        if name != "find 0000:26:00.0":
            part()
    assert source.unread() == ["1 at 0000:26:00.0"]
    fake.gpus[0].answers["amdsmi_get_gpu_device_bdf"] = AmdSmiLibraryException(40)
    source.read(62_000)
    assert source.unread() == ["0"], "the other was found; of this one nothing is told"
    fake.gpus[0].answers.clear()
    source.read(123_000)
    assert source.unread() == []


@pytest.mark.parametrize("nothing", [0, NA])
def test_the_second_die_of_an_mi250x_has_no_power_rather_than_none_drawn(
    nothing: Any, clock: Any
) -> None:
    dies = [
        Gpu(f"0000:{bus}:00.0", bus, "AMD Instinct MI250X / MI250", metrics=mi250(*values))
        for bus, values in zip(
            ("c1", "c6", "c9", "ce"), [(410, 65_536), (nothing, nothing)] * 2, strict=True
        )
    ]
    source = AmdSource(lambda: FakeAmdSmi(*reversed(dies)), clock)
    rows, told = reading(source, 1_000), None
    assert rows["c1"]["power_watts"] == 410.0
    assert rows["c1"]["energy_joules_total"] == 1.0
    assert "power_watts" not in rows["c6"]
    assert "energy_joules_total" not in rows["c6"]
    assert rows["c6"]["busy_ratio"] == 0.12, "the die itself is read"
    told = infos(source)
    assert [told[uuid]["module"] for uuid in ("c1", "c6", "c9", "ce")] == [
        "0000:c1:00.0", "0000:c1:00.0", "0000:c9:00.0", "0000:c9:00.0",
    ]  # fmt: skip
    assert told["c1"]["power_scope"] == told["c1"]["energy_scope"] == "module"
    assert told["c1"]["power_mode"] == "average"
    assert told["c6"]["power_scope"] is None
    why = source.why_not()["c6"]
    assert why["power_watts"] == "the other die of this module meters for both"
    assert why["energy_joules_total"] == why["power_watts"]


def test_where_a_die_is_missing_nobody_guesses_which_belong_together(clock: Any) -> None:
    dies = [
        Gpu(f"0000:{bus}:00.0", bus, "AMD Instinct MI250X", metrics=mi250(400, 1))
        for bus in ("c1", "c6", "c9")
    ]
    source = AmdSource(lambda: FakeAmdSmi(*dies), clock)
    reading(source, 1_000)
    assert [row["module"] for row in infos(source).values()] == [None, None, None]
    assert infos(source)["c9"]["power_scope"] == "module"


def test_only_the_first_partition_meters_and_it_meters_the_socket(clock: Any) -> None:
    whole, part = Gpu("0000:05:00.0", "aa"), Gpu("0000:05:00.1", "aa", partition=1)
    source = AmdSource(lambda: FakeAmdSmi(whole, part), clock)
    rows, told = reading(source, 1_000), infos(source)
    assert rows["aa"]["power_watts"] == 742.0
    later = rows["aa-1"]
    assert later.keys() & {"power_watts", "energy_joules_total", "temperature_celsius"} == set()
    assert later["memory_size_bytes"] == 196_592 * 2**20
    assert told["aa"]["power_scope"] == told["aa"]["energy_scope"] == "module"
    assert told["aa"]["module"] == told["aa-1"]["module"] == "0000:05:00.0"
    assert source.why_not()["aa-1"]["power_watts"].startswith("the first partition")


def test_two_devices_of_one_uuid_are_two_devices(clock: Any) -> None:
    fake = FakeAmdSmi(Gpu("0000:05:00.0", "aa"), Gpu("0000:26:00.0", "aa"))
    assert set(reading(AmdSource(lambda: fake, clock), 1)) == {"aa", "aa@0000:26:00.0"}


def test_energy_of_old_libraries_is_under_another_key(clock: Any) -> None:
    gpu = Gpu("0000:05:00.0", "aa", metrics={"current_socket_power": 100})
    gpu.answers["amdsmi_get_energy_count"] = {"power": 131_072, "counter_resolution": 15.3}
    row = reading(AmdSource(lambda: FakeAmdSmi(gpu), clock), 1)["aa"]
    assert row["energy_joules_total"] == 131_072 * JOULES_PER_COUNT


def test_a_resolution_that_is_no_rounding_is_taken_as_it_is(clock: Any) -> None:
    gpu = Gpu("0000:05:00.0", "aa")
    gpu.answers["amdsmi_get_energy_count"] = {"energy_accumulator": 1, "counter_resolution": 10.0}
    row = reading(AmdSource(lambda: FakeAmdSmi(gpu), clock), 1)["aa"]
    assert row["energy_joules_total"] == pytest.approx(655.36)


def test_a_frozen_energy_counter_is_left_out_and_said(
    source: AmdSource, fake: FakeAmdSmi, clock: Any
) -> None:
    metrics = fake.gpus[0].metrics
    assert metrics is not None
    for second in range(12):
        assert fake.gpus[1].metrics is not None
        fake.gpus[1].metrics["energy_accumulator"] += 65_536 * 742
        rows = reading(source, 1_000 * second)
        clock.sleep(1.0)
    assert "energy_joules_total" not in rows["aa"]
    assert "energy_joules_total" in rows["bb"]
    assert source.why_not()["aa"]["energy_joules_total"] == (
        "the counter stands still while power is drawn"
    )
    metrics["energy_accumulator"] += 65_536
    assert reading(source, 20_000)["aa"]["energy_joules_total"] == 1_001.0


def test_a_counter_that_begins_again_is_counted(source: AmdSource, fake: FakeAmdSmi) -> None:
    reading(source, 1_000)
    assert fake.gpus[0].metrics is not None
    fake.gpus[0].metrics["energy_accumulator"] = 65_536
    row = reading(source, 2_000)["aa"]
    assert (row["energy_joules_total"], row["energy_resets_total"]) == (1.0, 1)


def test_a_counter_at_rest_on_an_idle_device_lives() -> None:
    energy = Energy()
    assert all(energy.note(5, at, 2.0) for at in range(100))
    assert energy.note(5, 105.0, 300.0), "it has only begun to draw power"


def test_throttling_is_the_share_of_ticks_in_the_time_between(
    source: AmdSource, fake: FakeAmdSmi, clock: Any
) -> None:
    reading(source, 1_000)
    clock.sleep(2.0)
    assert fake.gpus[0].metrics is not None
    fake.gpus[0].metrics |= {
        "accumulation_counter": 3_000,
        "ppt_residency_acc": 600,
        "hbm_thm_residency_acc": 1_007,
    }
    row = reading(source, 3_000)["aa"]
    assert row["throttle_power_cap_seconds_total"] == pytest.approx(0.5)
    assert row["throttle_thermal_seconds_total"] == pytest.approx(1.0)
    assert (row["throttle_power_cap_active"], row["throttle_thermal_active"]) == (1, 1)
    assert row["throttle_power_brake_active"] == 0


def test_ticks_that_begin_again_add_nothing() -> None:
    throttling = Throttling()
    throttling.note(1_000, {"thermal": 900}, 10.0)
    throttling.note(10, {"thermal": 10}, 11.0)
    assert throttling.seconds == {"thermal": 0.0}
    assert throttling.active == {}


def test_violations_are_asked_for_where_the_metrics_have_none(clock: Any) -> None:
    metrics = {"current_socket_power": 500}
    gpu = Gpu("0000:05:00.0", "aa", metrics=metrics)
    gpu.answers["amdsmi_get_violation_status"] = {"acc_counter": 0, "acc_ppt_pwr": 0}
    source = AmdSource(lambda: FakeAmdSmi(gpu), clock)
    reading(source, 0)
    clock.sleep(5.0)
    gpu.answers["amdsmi_get_violation_status"] = {"acc_counter": 5_000, "acc_ppt_pwr": 1_000}
    assert reading(source, 5_000)["aa"]["throttle_power_cap_seconds_total"] == pytest.approx(1.0)


def test_what_a_card_does_not_support_is_asked_once_and_explained(clock: Any) -> None:
    gpu = Gpu("0000:05:00.0", "aa", metrics=mi250(300, 5))
    fake = FakeAmdSmi(gpu)
    source = AmdSource(lambda: fake, clock)
    for second in range(0, 60, 5):
        row = reading(source, second * 1_000)["aa"]
    assert fake.calls.count("amdsmi_get_violation_status") == 1
    assert "throttle_power_cap_seconds_total" not in row
    assert source.why_not()["aa"]["throttle_power_cap_seconds_total"] == "not supported"
    for column, reason in source.why_not()["aa"].items():
        checked_row(
            CAPABILITY,
            {"time_unix_ms": 1, "source": "amdsmi", "device": "aa", "column": column,
             "reason": reason},
        )  # fmt: skip


def test_a_card_without_a_table_of_metrics_tells_the_little_it_can(clock: Any) -> None:
    gpu = Gpu("0000:05:00.0", "aa", metrics=None)
    gpu.answers["amdsmi_get_power_info"] = {
        "current_socket_power": NA, "average_socket_power": 35,
    }  # fmt: skip
    gpu.answers["amdsmi_get_energy_count"] = AmdSmiLibraryException(10)
    source = AmdSource(lambda: FakeAmdSmi(gpu), clock)
    row = reading(source, 1)["aa"]
    assert row["busy_ratio"] == 0.55
    assert row["power_watts"] == 35.0
    assert row["pcie_replays_total"] == 9
    assert "memory_busy_ratio" not in row, "N/A is no zero"
    assert source.why_not()["aa"]["energy_joules_total"].startswith("no permission")


def test_pages_out_of_use_show_like_replaced_rows(clock: Any) -> None:
    gpu = Gpu("0000:05:00.0", "aa")
    gpu.answers["amdsmi_get_gpu_bad_page_info"] = [
        {"value": number, "page_address": 1, "page_size": 4096, "status": status}
        for number, status in enumerate((0, 0, 1))
    ]
    row = reading(AmdSource(lambda: FakeAmdSmi(gpu), clock), 1)["aa"]
    assert row["row_remaps_uncorrected"] == 2
    assert (row["row_remap_pending"], row["row_remap_failed"]) == (1, 0)


def test_processes_carry_their_control_group(
    source: AmdSource, fake: FakeAmdSmi, tmp_path: Path
) -> None:
    (tmp_path / "4711").mkdir()
    (tmp_path / "4711/cgroup").write_text("0::/system.slice/slurmstepd.scope/job_7/step_0\n")
    fake.gpus[0].answers["amdsmi_get_gpu_process_list"] = [
        {"name": "python", "pid": 4711, "mem": 5, "memory_usage": {"vram_mem": 2**31}},
        {"name": "gone", "pid": 4712, "mem": 7, "memory_usage": {"vram_mem": NA}},
        {"name": "none", "pid": NA},
    ]
    rows = [checked_row(PROCESS, row) for row in source.read(1_000)["process"]]
    assert [(row["pid"], row["cgroup"], row["memory_used_bytes"]) for row in rows] == [
        (4711, "/system.slice/slurmstepd.scope/job_7/step_0", 2**31),
        (4712, None, 7),
    ]
    assert reading(source, 2_000)["aa"]["processes"] == 3
    assert "process" not in source.read(3_000), "a list of processes every tick costs too much"
    assert "process" in source.read(11_000)


def test_a_lost_device_does_not_hide_the_others_and_is_found_again(
    source: AmdSource, fake: FakeAmdSmi
) -> None:
    reading(source, 1_000)
    fake.gpus[0].answers["amdsmi_get_gpu_metrics_info"] = AmdSmiLibraryException(31)
    rows = reading(source, 2_000)
    assert (rows["aa"]["up"], rows["bb"]["up"]) == (0, 1)
    assert "power_watts" not in rows["aa"]
    fake.gpus[0].answers.clear()
    assert reading(source, 3_000)["aa"]["up"] == 0, "a sick device is left alone for a while"
    assert reading(source, 70_000)["aa"]["up"] == 1


def test_a_device_that_answers_nothing_is_not_up(source: AmdSource, fake: FakeAmdSmi) -> None:
    reading(source, 1_000)
    gpu = fake.gpus[0]
    gpu.answers = {
        name: AmdSmiLibraryException(7) for name in dir(fake) if name.startswith("amdsmi_get")
    }
    row = reading(source, 2_000)["aa"]
    assert row == {
        "time_unix_ms": 2_000, "device": "aa", "up": 0,
        "read_errors_total": row["read_errors_total"],
    }  # fmt: skip
    assert row["read_errors_total"] > 0


def test_a_driver_that_was_reloaded_is_opened_again(source: AmdSource, fake: FakeAmdSmi) -> None:
    reading(source, 1_000)
    fake.is_open = False
    assert [row["up"] for row in reading(source, 2_000).values()] == [0, 0]
    assert [row["up"] for row in reading(source, 3_000).values()] == [0, 0]
    assert [row["up"] for row in reading(source, 13_000).values()] == [1, 1]


def test_a_driver_that_takes_its_devices_along_one_by_one_is_opened_again(
    source: AmdSource, fake: FakeAmdSmi
) -> None:
    reading(source, 1_000)
    for gpu in fake.gpus:
        gpu.answers["amdsmi_get_gpu_metrics_info"] = AmdSmiLibraryException(31)
    assert [row["up"] for row in reading(source, 2_000).values()] == [0, 0]
    fake.is_open = False
    assert [row["up"] for row in reading(source, 62_000).values()] == [0, 0]
    for gpu in fake.gpus:
        gpu.answers.clear()
    assert [row["up"] for row in reading(source, 73_000).values()] == [1, 1]


def test_a_device_that_is_listed_no_more_is_forgotten_after_an_hour(
    source: AmdSource, fake: FakeAmdSmi
) -> None:
    reading(source, 1_000)
    gone = fake.gpus.pop()
    gone.answers["amdsmi_get_gpu_metrics_info"] = AmdSmiLibraryException(31)
    reading(source, 2_000)
    assert reading(source, 62_000)["bb"]["up"] == 0
    assert "bb" in reading(source, 3_600_000)
    assert set(reading(source, 3_800_000)) == {"aa"}
    gone.answers.clear()
    fake.gpus.append(gone)
    assert reading(source, 3_900_000)["bb"]["up"] == 1


@pytest.mark.parametrize(
    "error",
    [OSError("no libamd_smi.so"), AttributeError("no symbol"), KeyError("libamd_smi.so")],
)
def test_an_import_that_fails_in_any_way_is_one_sentence(error: Exception, clock: Any) -> None:
    def load() -> Any:
        raise error

    source = AmdSource(load, clock)
    with pytest.raises(ReadFailed, match=f"amdsmi: {type(error).__name__}: "):
        source.read(1_000)
    assert source.read(2_000) == {}, "it is not tried every tick"


def test_a_driver_that_does_not_open_is_tried_again_later(fake: FakeAmdSmi, clock: Any) -> None:
    fake.failing["amdsmi_init"] = 34
    source = AmdSource(lambda: fake, clock)
    with pytest.raises(ReadFailed, match="amdsmi_init: AMDSMI_STATUS_34"):
        source.read(1_000)
    fake.failing.clear()
    assert source.read(2_000) == {}
    assert set(reading(source, 11_000)) == {"aa", "bb"}


def test_what_the_import_prints_is_kept_from_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "amdsmi.py").write_text("print('Unable to find libamd_smi.so')\nKIND = 'real'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "amdsmi", raising=False)
    try:
        assert library.load().KIND == "real"
    finally:
        sys.modules.pop("amdsmi", None)
    assert capsys.readouterr().out == ""


def test_without_amd_hardware_nothing_is_imported(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no AMD compute driver on this node"):
        AmdSource.from_config(SourceConfig("s", "n"), kfd=tmp_path / "kfd")


def test_hardware_without_the_library_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(SourceUnavailable, match="pip install /opt/rocm/share/amd_smi"):
        AmdSource.from_config(SourceConfig("s", "n"), kfd=tmp_path)


def test_an_option_it_does_not_have_is_refused() -> None:
    options: Mapping[str, str] = {"url": "x"}
    with pytest.raises(UsageError, match="no option 'url'"):
        AmdSource.from_config(SourceConfig("s", "n", options=options))


def test_closing_shuts_the_library_down_once(source: AmdSource, fake: FakeAmdSmi) -> None:
    reading(source, 1)
    source.close()
    source.close()
    assert fake.calls.count("amdsmi_shut_down") == 1
