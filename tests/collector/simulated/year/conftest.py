from __future__ import annotations

import pytest

from wattline_collector.simulated.year.extent import Extent
from wattline_collector.simulated.year.plan import Plan, plan

YEAR_2025_MS = 1_735_689_600_000
DAYS = 42


def extent(*, holes: bool = True, seed: int = 7, nodes: int = 6, days: int = DAYS) -> Extent:
    return Extent(nodes, 4, seed, YEAR_2025_MS, days, holes=holes)


@pytest.fixture(scope="session")
def planned() -> Plan:
    return plan(extent())


@pytest.fixture(scope="session")
def planned_whole() -> Plan:
    """The same without holes in what is seen of it."""
    return plan(extent(holes=False))
