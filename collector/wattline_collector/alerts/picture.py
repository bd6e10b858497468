"""What is live, as rows a window of samples can take in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from wattline_agents.catalogue import TABLES
from wattline_collector.store import live
from wattline_collector.store.live import Known

_STANDING_MS = 1_500_000
"""What is sent on change and every ten minutes is believed for as long as two of these."""


def picture(
    known: Known,
    now_ms: int,
    collector: Mapping[str, float],
    booked: Mapping[str, pl.DataFrame] = MappingProxyType({}),
) -> dict[str, pl.DataFrame]:
    """The newest rows by table: `system`, keys, `at_ms` and metrics.

    What stands until it is told otherwise (which job holds a device, a device's model, an XID that
    occurred) is true now, as a scrape of the agent would find it.

    Args:
        known: The newest rows, holes filled.
        now_ms: The time.
        collector: The collector's own figures.
        booked: Figures of the books by table, as `guards` makes them; they stand until they are
            made anew.
    """
    devices = live.device_rows(known, now_ms)
    now = pl.lit(now_ms, pl.Int64).alias("at_ms")
    one = pl.lit(1.0)
    xids = known.rows("xid").filter(pl.col("at_ms") > now_ms - _STANDING_MS)
    where = devices.select("system", "node", "device", "job", "model")
    metrics = [metric.column for metric in TABLES["device"].metrics]
    return {
        **{table: rows.with_columns(now) for table, rows in booked.items()},
        "device": devices.select(
            "system", "node", "device", (now_ms - pl.col("age_ms")).alias("at_ms"), *metrics
        ),
        "node": known.rows("node"),
        "job": known.rows("job"),
        "agent": known.rows("agent"),
        "xid": xids.with_columns(now),
        "assignment": where.filter(pl.col("job").is_not_null()).select(
            "system", "node", "device", "job", now, one.alias("held")
        ),
        "device_info": where.filter(pl.col("model").is_not_null()).select(
            "system", "node", "device", "model", now, one.alias("present")
        ),
        "collector": pl.DataFrame(
            {"system": [""], **{k: [v] for k, v in collector.items()}}
        ).with_columns(now),
    }
