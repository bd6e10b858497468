from typing import Any

import pytest

from wattline_agents.catalogue import DEVICE
from wattline_agents.errors import WireError
from wattline_agents.rows import checked_row


def test_a_row_comes_back_with_numbers_as_its_columns_hold_them() -> None:
    row = checked_row(DEVICE, {"time_unix_ms": 1.0, "device": "GPU-1", "power_watts": 5, "up": 1})
    assert row == {"time_unix_ms": 1, "device": "GPU-1", "power_watts": 5.0, "up": 1}
    assert isinstance(row["time_unix_ms"], int)
    assert isinstance(row["power_watts"], float)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"power": 1}, "no column 'power'"),
        ({"power_watts": "5"}, "device.power_watts: not a number"),
        ({"power_watts": True}, "device.power_watts: not a number"),
        ({"power_watts": float("nan")}, "device.power_watts: not a finite number"),
        ({"power_watts": 10**400}, "device.power_watts: not a finite number"),
        ({"up": 0.5}, "device.up: not a whole number"),
        ({"up": 2**63}, "device.up: not a whole number"),
        ({"up": float("inf")}, "device.up: not a finite number"),
        ({"device": None}, "device.device: missing"),
        ({"device": 7}, "device.device: not a text"),
        ({"device": "x" * 300}, "device.device: not a text of at most 256"),
    ],
)
def test_what_a_column_cannot_hold_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        checked_row(DEVICE, {"time_unix_ms": 1, "device": "GPU-1"} | change)


def test_what_is_no_row_is_refused() -> None:
    with pytest.raises(WireError, match="not an object"):
        checked_row(DEVICE, [1, 2])
