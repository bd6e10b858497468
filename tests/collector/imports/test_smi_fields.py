import pytest

from wattline_collector.imports import smi_fields
from wattline_collector.imports.smi_fields import (
    Malformed,
    Parsed,
    Values,
    absent,
    canonical,
    device_name,
    device_row,
    identity,
    parser,
)

UUID = "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize(
    ("field", "unit", "text", "value"),
    [
        ("power.draw", "W", "46.19 W", 46.19),
        ("power.draw", "W", "46.19", 46.19),
        ("power.draw", "", "46190 mW", 46.19),
        ("utilization.gpu", "%", "7 %", 0.07),
        ("memory.used", "MiB", "2 MiB", 2 * 2.0**20),
        ("memory.used", "", "2 GiB", 2 * 2.0**30),
        ("clocks.current.sm", "MHz", "1410 MHz", 1.41e9),
        ("temperature.gpu", "", "27 C", 27.0),
        ("temperature.gpu", "", "-3", -3.0),
        ("clocks_event_reasons_counters.sw_power_cap", "us", "2500000 us", 2.5),
        ("pcie.link.width.current", "", "16x", 16.0),
        ("pstate", "", "P8", 8),
        ("remapped_rows.pending", "", "Yes", 1),
        ("clocks_event_reasons.sync_boost", "", "Not Active", 0),
        ("clocks_event_reasons.active", "", "0x0000000000000004", 4),
        ("gpu_recovery_action", "", "None", 0),
        ("gpu_recovery_action", "", "Reset", 1),
        ("name", "", "NVIDIA H200", "NVIDIA H200"),
    ],
)
def test_a_value_is_put_into_base_units(field: str, unit: str, text: str, value: Parsed) -> None:
    assert parser(field, unit)(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("power.draw", "46,19 W"), ("power.draw", "46 J"), ("power.draw", "nan"),
        ("power.draw", "1e999"), ("power.draw", "9" * 40), ("utilization.gpu", "7 W"),
        ("pstate", "8"), ("remapped_rows.pending", "Maybe"), ("gpu_recovery_action", "Pray"),
        ("clocks_event_reasons.active", "4"), ("name", "x" * 300),
    ],
)  # fmt: skip
def test_what_is_no_value_of_its_field_is_malformed(field: str, text: str) -> None:
    with pytest.raises(Malformed):
        parser(field)(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [("[N/A]", "N/A"), ("[GPU is lost]", "GPU is lost"), ("N/A", "N/A"), ("", ""), ("0 W", None),
     ("None", None)],
)  # fmt: skip
def test_words_for_no_value_are_told_from_values(text: str, why: str | None) -> None:
    assert absent(text) == why


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("clocks.sm", "clocks.current.sm"),
        (" gpu_uuid ", "uuid"),
        ("clocks_throttle_reasons.sw_power_cap", "clocks_event_reasons.sw_power_cap"),
        ("fan.speed", "fan.speed"),
    ],
)
def test_older_names_mean_the_same_field(name: str, now: str) -> None:
    assert canonical(name) == now


def test_every_field_that_fills_a_column_is_kept() -> None:
    used = {field for fields in smi_fields._SAME.values() for field in fields}
    used |= {field for fields in smi_fields._MOST_OF.values() for field in fields}
    assert used <= smi_fields.QUANTITIES.keys()


def test_the_instant_power_comes_before_the_average() -> None:
    values: Values = {"power.draw": 630.0, "power.draw.average": 630.0, "power.draw.instant": 625.5}
    row = device_row(values, "GPU-1", 5)
    assert (row["power_watts"], row["power_average_watts"]) == (625.5, 630.0)
    assert identity(values, "GPU-1", 5, "x")["power_mode"] == "instant"
    del values["power.draw.instant"]
    assert device_row(values, "GPU-1", 5)["power_watts"] == 630.0
    assert identity(values, "GPU-1", 5, "x")["power_mode"] == "average_1s"
    del values["power.draw.average"]
    assert "power_mode" not in identity(values, "GPU-1", 5, "x"), "it depends on the chip"


def test_a_number_that_cannot_be_is_left_out() -> None:
    row = device_row({"utilization.gpu": 7.0, "temperature.gpu": 4000.0}, "GPU-1", 5)
    assert row == {"time_unix_ms": 5, "device": "GPU-1", "up": 1}


def test_a_device_is_named_by_what_is_known_best() -> None:
    values: Values = {"index": 3.0, "pci.bus_id": "0000:07:00.0", "uuid": UUID}
    assert device_name(values, "run") == f"GPU-{UUID}"
    del values["uuid"]
    assert device_name(values, "run") == "run-0000:07:00.0"
    del values["pci.bus_id"]
    assert device_name(values, "run") == "run-gpu3"
    assert device_name({}, "run") == "run-gpu0"
    with pytest.raises(Malformed, match="not a UUID"):
        device_name({"uuid": "N/A"}, "run")


def test_a_serial_of_nothing_but_zeros_is_none() -> None:
    assert "serial" not in identity({"serial": "0000000000000"}, "GPU-1", 5, "x")
    assert identity({"serial": "1650522003820"}, "GPU-1", 5, "x")["serial"] == "1650522003820"
