import resource
from collections.abc import Callable, Iterator

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


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Sets how large a file may become: beyond it writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores SIGXFSZ, so that writing raises.
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
