from __future__ import annotations

import pytest

from wattline_collector.simulated.year.extent import Extent
from wattline_collector.simulated.year.plan import plan
from wattline_collector.simulated.year.telemetry import tells_latency

YEAR_2025_MS = 1_735_689_600_000


@pytest.mark.parametrize(("nodes", "telling"), [(6, 1), (15, 3), (16, 1), (32, 1), (60, 2)])
def test_whatever_its_size_some_services_of_a_year_tell_latencies(nodes: int, telling: int) -> None:
    year = plan(Extent(nodes, 2, 7, YEAR_2025_MS, 28))
    services = [job for job in year.jobs if job.kind == "inference"]
    found = {job.devices[0] // 2 for job in services if tells_latency(year, job)}
    assert len(found) == telling
