"""Formulas held against what others published of their own clusters."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from wattline_collector.kpi.latency import quantile
from wattline_collector.kpi.quantiles import GROWTH, histogram, median, of_histogram

pytestmark = pytest.mark.recordings


@pytest.fixture(scope="module")
def virtual_cluster(shared: Path) -> pl.DataFrame:
    path = shared / "data/18-helios-earth-vc/vc3sl_cluster_sequence_vc.csv.gz"
    return pl.read_csv(gzip.decompress(path.read_bytes()), try_parse_dates=True)


def test_allocated_utilisation_of_the_helios_virtual_cluster(virtual_cluster: pl.DataFrame) -> None:
    running, total = (
        int(virtual_cluster[f"{name}_gpu_num"].sum()) for name in ("running", "total")
    )
    assert virtual_cluster.height == 31 * 24 * 60
    assert running / total == pytest.approx(0.6272915966621864, rel=1e-12)
    assert running / 60 == pytest.approx(29869.1167, abs=1e-4)  # GPU-hours
    # A mean of the published per-minute ratios, of three digits, is another figure.
    assert virtual_cluster["gpu_utilization"].mean() == pytest.approx(0.6272400985662298)


def cdf(shared: Path, name: str) -> pl.DataFrame:
    frame = pl.read_csv(shared / f"data/19-acme/{name}_cdf.csv")
    return frame.rename({frame.columns[0]: "value", frame.columns[1]: "percent"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpu_util_seren", 99.0),
        ("gpu_util_kalos", 98.0),
        ("gpu_util_philly", 48.4),
        ("gpu_power_seren", 96.5),
        ("gpu_power_kalos", 101.4),
        ("gpu_core_temp_seren", 39.0),
        ("gpu_core_temp_kalos", 40.0),
        ("gpu_mem_temp_seren", 51.0),
        ("gpu_mem_temp_kalos", 51.0),
        ("sm_active_seren", 50.0),
        ("sm_active_kalos", 33.0),
    ],
)
def test_medians_of_the_acme_clusters(shared: Path, name: str, expected: float) -> None:
    published = cdf(shared, name)
    # What was read off has one digit behind the point, of SM activity none.
    rounding = 0.5 if name.startswith("sm_") else 0.05 + 1e-9
    assert median(published["value"].to_list()) == pytest.approx(expected, abs=rounding)
    found = quantile(published.select("value", "percent").iter_rows(), 0.5)
    assert found is not None
    assert found.high is not None
    assert found.low - rounding <= expected <= found.high + rounding
    # Points at equal steps of the share are as good as samples, and so are their buckets.
    bucket = of_histogram(histogram(published["value"]), 0.5)
    assert bucket is not None
    assert bucket.high is not None
    assert bucket.low < expected <= bucket.high * GROWTH


@pytest.mark.parametrize(("name", "percent"), [("seren", 8.0), ("kalos", 12.6)])
def test_share_of_samples_above_the_power_limit_at_acme(
    shared: Path, name: str, percent: float
) -> None:
    within = cdf(shared, f"gpu_power_{name}").filter(pl.col("value") <= 400)["percent"].max()
    assert isinstance(within, float)
    assert 100 - within == pytest.approx(percent, abs=0.1)


@pytest.mark.parametrize(
    ("gpu", "rows", "configurations", "most", "middle"),
    [("a40", 453, 53, 0.2905, 0.1897), ("v100", 476, 68, 0.3989, 0.2264)],
)
def test_energy_saved_by_the_best_power_limit(
    shared: Path, gpu: str, rows: int, configurations: int, most: float, middle: float
) -> None:
    runs = pl.read_csv(shared / f"data/15-zeus-power-limit/summary_power_{gpu}.csv")
    key = ["dataset", "network", "batch_size", "optimizer"]
    energy = pl.col("time_per_epoch") * pl.col("average_power")
    saved = (
        runs.with_columns(energy.alias("joules"))
        .group_by(key)
        .agg(
            pl.col("joules").min().alias("best"),
            pl.col("joules").sort_by("power_limit").last().alias("at_highest"),
        )
        .select((1 - pl.col("best") / pl.col("at_highest")).alias("saving"))["saving"]
    )
    assert (runs.height, saved.len()) == (rows, configurations)
    assert saved.max() == pytest.approx(most, abs=5e-5)
    assert median(saved.to_list()) == pytest.approx(middle, abs=5e-5)


def test_node_means_skip_gaps_in_the_clustercockpit_archive(shared: Path) -> None:
    job = shared / "data/12-clustercockpit-job-archive/emmy/1403/244/1608923076"
    metrics = json.loads(gzip.decompress((job / "data.json.gz").read_bytes()))
    compared = told_apart = 0
    for name, metric in metrics.items():
        series = [pl.Series(one["data"], dtype=pl.Float64) for one in metric["node"]["series"]]
        assert (len(series), sum(map(len, series))) == (32, 46112)
        assert sum(values.null_count() for values in series) == 4221
        for values, one in zip(series, metric["node"]["series"], strict=True):
            if "statistics" not in one:
                assert name == "ipc"
                continue
            mean, with_zeros = mean_of(values), mean_of(values.fill_null(0))
            compared += 1
            assert mean == pytest.approx(one["statistics"]["avg"], abs=0.0051)
            told_apart += abs(with_zeros - mean) > 0.01
    assert compared == 8 * 32
    # Gaps taken for zeros would show, wherever there is one and the mean is not nothing.
    assert told_apart > 100
    watts = metrics["rapl_power"]["node"]["series"]
    power = [pl.Series(one["data"], dtype=pl.Float64) for one in watts]
    assert sum(map(mean_of, power)) / 32 == pytest.approx(227.992, abs=5e-4)


def mean_of(values: pl.Series) -> float:
    found = values.mean()
    assert isinstance(found, float)
    return found
