"""Memory as the driver tells it, and what it says where it does not know."""

from __future__ import annotations

from typing import Any

import pytest

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.memory import MEMORY, MEMORY_V2, Memory
from wattline_agents.sources.nvml.off import Ledger

UNKNOWN = 2**64 - 1


class Driver:
    """Answers like the library; an older one lacks the newer function."""

    def __init__(self, newest: tuple[int, ...] | None, older: tuple[int, ...] = ()) -> None:
        self._newest, self._older = newest, older

    def function(self, name: str) -> Any:
        def get(handle: object, buffer: Any) -> int:
            if name.endswith("_v2"):
                if self._newest is None:
                    return ids.FUNCTION_NOT_FOUND
                MEMORY_V2.pack_into(buffer, 0, ids.MEMORY_INFO_V2, *self._newest)
            else:
                MEMORY.pack_into(buffer, 0, *self._older)
            return ids.SUCCESS

        return get


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        (Driver((80, 5, 70, 10)), (10, 80, 5)),
        (Driver(None, (80, 70, 10)), (10, 80, None)),
        (Driver((80, 5, 70, UNKNOWN)), None),
        (Driver((80, UNKNOWN, 70, 10)), None),
        (Driver(None, (UNKNOWN, 70, 10)), None),
    ],
)
def test_memory_is_what_is_used_there_and_kept_or_not_known(driver: Any, told: object) -> None:
    assert Memory(driver, object(), Ledger().ask_for("memory")).read(1) == told
