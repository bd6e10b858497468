"""The registry held against what others published of their own clusters."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi import registry
from wattline_collector.ledger.scanned import Scanned
from wattline_collector.ledger.schema import DEVICE

pytestmark = pytest.mark.recordings


def test_utilisation_of_the_helios_virtual_cluster(site: Any, shared: Path) -> None:
    """What ran and what there was of each minute, as the ledger would hold it."""
    path = shared / "data/18-helios-earth-vc/vc3sl_cluster_sequence_vc.csv.gz"
    month = pl.read_csv(gzip.decompress(path.read_bytes()), try_parse_dates=True)
    minute = month["time"].dt.replace_time_zone("UTC").dt.cast_time_unit("ms")
    view = site.view(minute[0], datetime(minute[-1].year, minute[-1].month + 1, 1, tzinfo=UTC))
    held, left = month["running_gpu_num"], month["total_gpu_num"] - month["running_gpu_num"]
    entries = [
        pl.DataFrame(
            {"system": "s", "minute": minute, "node": "n0", "device": "all", "job": job,
             "account": account, "duration_ms": gpus.cast(pl.Int64) * 60_000}
        ).cast({name: DEVICE[name] for name in ("minute", "job", "account")})
        for account, job, gpus in (("busy", "j", held), ("free", None, left))
    ]  # fmt: skip
    day = pl.col("minute").dt.strftime("%Y-%m-%d").alias("day")
    whole = pl.concat([view.device.drop("day"), *entries], how="diagonal").with_columns(day)
    view = replace(view, device_scan=Scanned.of(whole))
    (figure,) = registry.evaluate(registry.find("U01"), view)
    assert figure.value == pytest.approx(62.72915966, abs=1e-6)
    assert figure.numerator == pytest.approx(29_869.1167, abs=1e-4)
    days = registry.evaluate(registry.find("U01"), view, ["day"])
    assert len(days) == 31
    assert sum(one.numerator or 0 for one in days) == pytest.approx(figure.numerator)
