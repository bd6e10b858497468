from pathlib import Path
from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE, DEVICE_INFO
from wattline_agents.errors import SourceUnavailable, UsageError
from wattline_agents.rows import checked_row
from wattline_agents.sources.intel import Counter, IntelSource
from wattline_agents.sources.settings import SourceConfig


def plant(place: Path, **files: str) -> Path:
    """A directory of small files, `__` standing for a step down."""
    for name, text in files.items():
        path = place.joinpath(*name.split("__"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return place


class Sys:
    """A tree like `/sys`, with the cards a test puts in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "class/drm").mkdir(parents=True)

    def card(self, index: int, pci: str, driver: str = "xe", **files: str) -> Path:
        device = self.root / "devices" / pci
        usual = {"vendor": "0x8086", "device": "0x0bd5"}
        plant(device, **usual | files)
        drivers = self.root / "bus/pci/drivers" / driver
        drivers.mkdir(parents=True, exist_ok=True)
        (device / "driver").symlink_to(drivers)
        card = self.root / "class/drm" / f"card{index}"
        card.mkdir()
        (card / "device").symlink_to(device)
        return device


@pytest.fixture
def tree(tmp_path: Path) -> Sys:
    return Sys(tmp_path)


@pytest.fixture
def xe(tree: Sys) -> Path:
    return tree.card(
        1,
        "0000:29:00.0",
        unique_id="0x1A2B3C4D",
        hwmon__hwmon4__name="xe",
        hwmon__hwmon4__energy1_input="5000000",
        hwmon__hwmon4__energy2_input="4000000",
        hwmon__hwmon4__power1_max="600000000",
        hwmon__hwmon4__power1_rated_max="450000000",
        hwmon__hwmon4__temp2_input="61000",
        hwmon__hwmon4__temp3_input="47500",
        tile0__gt0__freq0__act_freq="1600",
        tile0__gt1__freq0__act_freq="300",
        tile1__gt2__freq0__act_freq="1400",
        tile0__gt0__freq0__throttle__reason_pl1="1",
        tile0__gt0__freq0__throttle__reason_thermal="0",
    )


def row_of(source: IntelSource, now_ms: int = 1_000) -> dict[str, Any]:
    (row,) = source.read(now_ms)["device"]
    return checked_row(DEVICE, row)


def test_every_figure_of_an_xe_card_is_read(tree: Sys, xe: Path, clock: Any) -> None:
    source = IntelSource(tree.root, clock)
    assert row_of(source) == {
        "time_unix_ms": 1_000,
        "device": "intel-0000:29:00.0-0x1a2b3c4d",
        "up": 1,
        "energy_joules_total": 5.0,
        "power_watts": None,
        "power_limit_watts": 600.0,
        "power_limit_default_watts": 450.0,
        "temperature_celsius": 61.0,
        "memory_temperature_celsius": 47.5,
        "sm_clock_hertz": 1.5e9,
        "throttle_power_cap_active": 1,
        "throttle_thermal_active": 0,
        "read_errors_total": 0,
    }
    clock.sleep(2.0)
    plant(xe, hwmon__hwmon4__energy1_input="1005000000")
    row = row_of(source)
    assert (row["energy_joules_total"], row["power_watts"]) == (1005.0, 500.0)


def test_who_a_card_is(tree: Sys, xe: Path, clock: Any) -> None:
    plant(xe, drm__card1__dev="226:1", drm__renderD132__dev="226:132")
    (info,) = IntelSource(tree.root, clock).describe(7)["device_info"]
    assert checked_row(DEVICE_INFO, info) == {
        "time_unix_ms": 7,
        "device": "intel-0000:29:00.0-0x1a2b3c4d",
        "index": 1,
        "vendor": "intel",
        "model": "Intel Data Center GPU Max 1550",
        "pci": "0000:29:00.0",
        "driver": "xe",
        "source": "intel",
        "power_mode": "average",
        "power_scope": "gpu",
        "energy_scope": "gpu",
        "minor": 4,
    }


def test_i915_counts_a_card_and_its_tiles_and_only_the_card_counts(tree: Sys, clock: Any) -> None:
    tree.card(
        0,
        "0000:3a:00.0",
        "i915",
        hwmon__hwmon2__name="i915_gt0",
        hwmon__hwmon2__energy1_input="1",
        hwmon__hwmon3__name="i915",
        hwmon__hwmon3__energy1_input="7000000",
        hwmon__hwmon3__power1_max="0",
    )
    plant(tree.root / "class/drm/card0", gt__gt0__rps_act_freq_mhz="900",
          gt__gt0__throttle_reason_thermal="1")  # fmt: skip
    row = row_of(IntelSource(tree.root, clock))
    assert row["energy_joules_total"] == 7.0
    assert row["sm_clock_hertz"] == 9e8
    assert row["throttle_thermal_active"] == 1
    assert "power_limit_watts" not in row, "0 says there is no limit"


def test_of_a_package_that_counts_alone_its_counter_is_taken(tree: Sys, clock: Any) -> None:
    tree.card(
        0, "0000:3a:00.0", hwmon__hwmon1__name="xe", hwmon__hwmon1__energy2_input="3000000",
        hwmon__hwmon1__power2_max="250000000",
    )  # fmt: skip
    row = row_of(IntelSource(tree.root, clock))
    assert (row["energy_joules_total"], row["power_limit_watts"]) == (3.0, 250.0)


def test_what_is_not_there_is_absent_and_explained(tree: Sys, clock: Any) -> None:
    tree.card(0, "0000:3a:00.0")
    source = IntelSource(tree.root, clock)
    assert row_of(source) == {
        "time_unix_ms": 1_000, "device": "intel-0000:3a:00.0", "up": 1, "read_errors_total": 0,
    }  # fmt: skip
    (why,) = source.why_not().values()
    assert why["power_watts"] == "the driver has no energy counter for this card"
    assert why["busy_ratio"].endswith("see xpumd")


def test_a_counter_that_cannot_be_read_is_counted_and_its_card_stays(
    tree: Sys, xe: Path, clock: Any
) -> None:
    source = IntelSource(tree.root, clock)
    row_of(source)
    counter = xe / "hwmon/hwmon4/energy1_input"
    counter.write_text("garbage\n")
    assert row_of(source)["read_errors_total"] == 1
    counter.unlink()
    row = row_of(source)
    assert (row["up"], row["read_errors_total"]) == (1, 2)
    assert "energy_joules_total" not in row
    assert "No such file" in source.why_not()[row["device"]]["energy_joules_total"]


def test_a_card_that_is_unplugged_does_not_hide_the_others(tree: Sys, xe: Path, clock: Any) -> None:
    other = tree.card(2, "0000:9a:00.0")
    source = IntelSource(tree.root, clock)
    other.rename(tree.root / "gone")
    rows = source.read(1)["device"]
    assert [(row["device"], row["up"]) for row in rows] == [
        ("intel-0000:29:00.0-0x1a2b3c4d", 1),
        ("intel-0000:9a:00.0", 0),
    ]


def test_a_driver_that_was_loaded_anew_is_read_on(tree: Sys, xe: Path, clock: Any) -> None:
    source = IntelSource(tree.root, clock)
    source.describe(0)
    assert row_of(source)["energy_joules_total"] == 5.0
    (xe / "hwmon/hwmon4").rename(xe / "hwmon/hwmon7")
    clock.sleep(60)
    (xe / "hwmon/hwmon7/energy1_input").write_text("9000000")
    source.describe(60_000)
    assert row_of(source, 61_000)["energy_joules_total"] == 9.0


def test_a_card_that_comes_later_is_found(tree: Sys, xe: Path, clock: Any) -> None:
    source = IntelSource(tree.root, clock)
    source.describe(0)
    tree.card(2, "0000:9a:00.0")
    assert len(source.describe(30_000)["device_info"]) == 1
    assert len(source.describe(60_000)["device_info"]) == 2


@pytest.mark.parametrize(
    ("pci", "files"),
    [
        ("0000:00:02.0", {"hwmon__hwmon1__name": "i915"}),
        ("0000:29:00.0", {"vendor": "0x10de"}),
        ("0000:29:00.0", {"device": "0x9a49"}),
        ("0000:29:00.1", {"physfn__vendor": "0x8086"}),
    ],
)
def test_what_is_no_card_of_intels_is_passed_over(
    tree: Sys, pci: str, files: dict[str, str]
) -> None:
    tree.card(0, pci, "i915", **files)
    (tree.root / "class/drm/card0-HDMI-A-1").mkdir()
    with pytest.raises(SourceUnavailable, match="no Intel GPU on this node"):
        IntelSource(tree.root)


def test_a_node_without_graphics_at_all_is_quiet(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no Intel GPU on this node"):
        IntelSource.from_config(SourceConfig("s", "n", options={"path": str(tmp_path)}))


def test_an_option_it_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="no option 'url'"):
        IntelSource.from_config(SourceConfig("s", "n", options={"url": "x"}))


@pytest.mark.parametrize(
    ("before", "after", "added"),
    [
        # 32 bits in units of 2^-14 J wrap at 262144 J.
        (262_143_000_000, 99_000_000, 100_000_000),
        # 32 bits of microjoules.
        (4_294_000_000, 32_704, 1_000_000),
    ],
)
def test_a_register_that_wraps_goes_on(before: int, after: int, added: int) -> None:
    counter = Counter()
    counter.advance(before, 10.0)
    counter.advance(after, 11.0)
    assert counter.total_uj == before + added
    assert counter.watts == pytest.approx(added / 1e6)


def test_a_counter_that_is_set_back_adds_nothing_and_claims_no_power() -> None:
    counter = Counter()
    counter.advance(100_000_000_000, 10.0)
    counter.advance(0, 11.0)
    assert (counter.total_uj, counter.watts) == (100_000_000_000, None)
    counter.advance(50_000_000, 12.0)
    assert (counter.total_uj, counter.watts) == (100_050_000_000, 50.0)


def test_a_counter_that_jumps_adds_no_energy_that_no_card_can_draw() -> None:
    counter = Counter()
    counter.advance(0, 10.0)
    counter.advance(10**15, 11.0)
    assert (counter.total_uj, counter.watts) == (0, None)


def test_readings_too_close_together_keep_the_power_that_is_known() -> None:
    counter = Counter()
    counter.advance(0, 10.0)
    counter.advance(100_000_000, 11.0)
    counter.advance(100_000_000, 11.05)
    assert counter.watts == 100.0
