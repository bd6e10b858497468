import json
from pathlib import Path
from typing import Any

import pytest

Import = Any

CARD = {
    "Unique ID": "0x79ccd55167a2124a",
    "Card series": "Instinct MI100",
    "PCI Bus": "0000:83:00.0",
    "Average Graphics Package Power (W)": "36.0",
    "Max Graphics Package Power (W)": "290.0",
    "GPU use (%)": "12",
    "VRAM Total Used Memory (B)": "6750208",
    "sclk clock speed:": "(300Mhz)",
    "Temperature (Sensor edge) (C)": "53.0",
    "Serial Number": "N/A",
    "Voltage (mV)": "662",
}


def write(importing: Import, name: str = "1700000000.json", **cards: object) -> Path:
    path: Path = importing.write(name, json.dumps(cards))
    return path


def test_a_card_becomes_a_row_in_base_units(importing: Import) -> None:
    code, out, err = importing(
        "rocm-smi", write(importing, card0=CARD, system={"Driver version": "6.3.6"})
    )
    assert code == 0, err
    assert "1 device of 1 node" in out
    assert "without a place here: 1 field, Voltage (mV)" in out
    (row,) = importing.rows("device")
    assert row == {
        "system": "recording-1700000000",
        "node": "node_0",
        "period_ms": 0,
        "time_unix_ms": 1_700_000_000_000,
        "device": "0x79ccd55167a2124a",
        "up": 1,
        "power_watts": 36.0,
        "power_stale": 0,
        "power_limit_watts": 290.0,
        "busy_ratio": 0.12,
        "memory_used_bytes": 6_750_208,
        "sm_clock_hertz": 3e8,
        "temperature_celsius": 53.0,
    }
    (info,) = importing.rows("device_info")
    assert (info["vendor"], info["model"], info["driver"], info["pci"], info["index"]) == (
        "amd", "Instinct MI100", "6.3.6", "0000:83:00.0", 0,
    )  # fmt: skip


def test_what_a_card_does_not_say_is_null_and_counted(importing: Import) -> None:
    card = {**CARD, "Average Graphics Package Power (W)": "N/A", "GPU use (%)": "N/A"}
    _, out, _ = importing("rocm-smi", write(importing, card0=card))
    assert "no value: Average Graphics Package Power (W): N/A (1); GPU use (%): N/A (1)" in out
    (row,) = importing.rows("device")
    assert "power_watts" not in row and "busy_ratio" not in row


def test_the_power_of_newer_cards_and_energy_are_known(importing: Import) -> None:
    card = {
        "Current Socket Graphics Package Power (W)": "750.5",
        "Average Graphics Package Power (W)": "N/A",
        "Accumulated Energy (uJ)": "12345678.5",
        "Temperature (Sensor junction) (C)": "60",
    }
    importing("rocm-smi", write(importing, card3=card))
    (row,) = importing.rows("device")
    assert (row["power_watts"], row["energy_joules_total"]) == (750.5, 12.3456785)
    assert (row["device"], row["temperature_celsius"]) == ("1700000000-gpu3", 60.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds no card0, card1, ...: is it of rocm-smi --json?"),
        ("[" * 100_000, "is not JSON: nested too deeply"),
        ('{"card0": 5}', "holds no reading of a card"),
        (json.dumps({"card0": {**CARD, "GPU use (%)": "lots"}}),
         "card0: GPU use (%): not a number: 'lots'"),
        (json.dumps({"card0": {**CARD, "GPU use (%)": [1]}}), "card0: GPU use (%): not a text"),
    ],
)  # fmt: skip
def test_what_is_no_answer_of_rocm_smi_is_refused(importing: Import, text: str, said: str) -> None:
    code, _, err = importing("rocm-smi", importing.write("1700000000.json", text))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


@pytest.mark.recordings
def test_real_cards_give_their_numbers(importing: Import, shared: Path) -> None:
    path = shared / "data/07-nvidia-smi/telegraf_rocm/mi100_rocm602.json"
    code, out, err = importing("rocm-smi", path, "--time", "2026-01-01T00:00:00")
    assert code == 0, err
    assert "4 devices of 1 node" in out
    rows = importing.rows("device")
    assert {row["device"]: (row["power_watts"], row["temperature_celsius"]) for row in rows} == {
        "0x79ccd55167a2124a": (36.0, 53.0),
        "0x4edfb117a17a07d": (44.0, 55.0),
        "0xd4a9ec48d03d261d": (43.0, 54.0),
        "0x1b9dd972253c3736": (39.0, 51.0),
    }
    assert {row["memory_size_bytes"] for row in rows} == {34_342_961_152}
    assert {row["memory_used_bytes"] for row in rows} == {6_750_208}
    assert {row["power_limit_watts"] for row in rows} == {290.0}
    assert {(row["sm_clock_hertz"], row["memory_clock_hertz"]) for row in rows} == {(3e8, 1.2e9)}
