from __future__ import annotations

import polars as pl

from wattline_collector.kpi.sums import grouped


def test_parts_come_in_one_order_whatever_threads_do() -> None:
    frame = pl.DataFrame({"what": [f"{place % 97:02d}" for place in range(50_000)]})
    for _ in range(3):
        found = grouped(frame, ["what"], n=pl.len())
        assert found["what"].is_sorted()
        assert found["n"].sum() == 50_000
