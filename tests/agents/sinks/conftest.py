from collections.abc import Callable

import pytest

from wattline_agents.catalogue import DEVICE
from wattline_agents.sinks.batch import Batch
from wattline_agents.wire import Header, encode


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    def make(sequence: int, rows: int = 1, boot: str = "boot1") -> Batch:
        header = Header("test", "n01", boot, sequence, 1000)
        body = encode(
            DEVICE,
            [
                {"time_unix_ms": 1000 * sequence + row, "device": "GPU-1", "power_watts": 1.5}
                for row in range(rows)
            ],
        )
        return Batch("device", header, body)

    return make
