from __future__ import annotations

from pathlib import Path

import pytest

from wattline_collector import registers
from wattline_collector.simulated.year import logs
from wattline_collector.simulated.year.plan import Plan
from wattline_collector.store.store import Store

NOW_MS = 1_767_571_200_000


def test_what_stands_of_the_logs_is_kept_and_a_wrong_solution_is_not(
    tmp_path: Path, planned: Plan
) -> None:
    with Store.open(tmp_path, write=True):
        logs.keep(tmp_path, planned.extent, NOW_MS)
    rows = registers.results(tmp_path)
    rates = rows.filter(kind="hpl_mxp")["value"].to_list()
    right = [one.flops for one in logs.MIXED if one.error <= 16]
    assert sorted(rates) == [pytest.approx(flops, rel=1e-4) for flops in sorted(right)]
    assert max(rates) < max(one.flops for one in logs.MIXED)
    (trained,) = rows.filter(kind="training_time").to_dicts()
    assert trained["value"] == pytest.approx(60 * (61.5 + 58.25 + 59.0) / 3)
    assert trained["power_level"] == "L2"
    assert rows.filter(kind="projection").height == 1
    moments = rows["when_ms"].to_list()
    assert all(planned.extent.start_ms < ms <= planned.extent.end_ms for ms in moments)
