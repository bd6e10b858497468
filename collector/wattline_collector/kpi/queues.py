"""Queues, by what schedulers account for: U07 waits and expansion, and Q05 parity."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.access_time import tags
from wattline_collector.kpi.buckets import buckets
from wattline_collector.kpi.declare import TIME
from wattline_collector.kpi.sums import shaped
from wattline_collector.kpi.view import View
from wattline_collector.kpi.waiting import parity, size_class, waits

ALL_SIZES = "all"
_FIGURES = ("median", "p95", "expansion")


def queue_waits(view: View, by: list[str]) -> pl.DataFrame:
    """U07: median and p95 of waits, and expansion weighted by GPU-hours, by class of size.

    A wait counts where the job started, its expansion where it ended. Jobs that asked for no device
    are left out.
    """
    keys = [*by, "size", "figure"]
    if view.accounted.is_empty():
        return lacking.unknown(keys, lacking.ACCOUNTING)
    has_devices = (pl.col("gpus") > 0) | pl.col("gpus").is_null()
    jobs = view.accounted.filter(has_devices).with_columns(size_class().alias("size"))
    of_all = jobs.with_columns(pl.lit(ALL_SIZES).alias("size"))
    groups = [name for name in by if name not in TIME]
    found = []
    for bucket in buckets(by, *view.bounds_ms, view.zone):
        for some in (of_all, jobs):
            waited = waits(
                some, start_ms=bucket.start_ms, end_ms=bucket.end_ms, by=[*groups, "size"]
            )
            found.append(waited.with_columns(pl.lit(v).alias(n) for n, v in bucket.names.items()))
    table = pl.concat(found) if found else pl.DataFrame()
    if table.is_empty():
        return lacking.unknown(keys, "no job with devices started or ended in this period")
    return shaped(_long(table), keys)


def _long(table: pl.DataFrame) -> pl.DataFrame:
    """One row for each figure: of waits in hours, of the expansion a plain factor."""
    waited, expanded = pl.col("jobs"), pl.col("expansion_jobs")
    columns = {"median": "median_hours", "p95": "p95_hours", "expansion": "expansion"}
    rows = [
        table.with_columns(
            pl.lit(name).alias("figure"),
            pl.col(columns[name]).alias("value"),
            (expanded if name == "expansion" else waited).alias("n"),
            pl.lit("1" if name == "expansion" else "h").alias("unit"),
            pl.lit("accounting, since submission").alias("method"),
        )
        for name in _FIGURES
    ]
    order = pl.col("figure").replace_strict({n: i for i, n in enumerate(_FIGURES)})
    # Classes are named by where they begin, the largest by where it does not end.
    begins = pl.col("size").str.extract(r"(\d+)").cast(pl.Int64).fill_null(-1)
    beyond = pl.col("size").str.starts_with(">")
    return pl.concat(rows).sort(beyond, begins, order, maintain_order=True)


def wait_parity(view: View, by: list[str]) -> pl.DataFrame:
    """Q05: the longest median wait of an organisation over the shortest, per user category."""
    keys = [*by, "user_category"]
    if view.accounted.is_empty():
        return lacking.unknown(keys, lacking.ACCOUNTING)
    lack = lacking.register(view.projects, "projects")
    if lack is not None:
        return lacking.unknown(keys, lack)
    organisations = tags(view).select(
        "system", "job", pl.col("user_category").alias("category"),
        pl.col("organisation").str.to_lowercase().str.strip_chars().alias("group"),
    )  # fmt: skip
    jobs = view.accounted.filter(pl.col("gpus") > 0).join(
        organisations, on=["system", "job"], how="left"
    )
    rows = []
    for bucket in buckets(by, *view.bounds_ms, view.zone):
        systems = jobs.partition_by("system", as_dict=True) if "system" in by else {(None,): jobs}
        for (system,), some in systems.items():
            for one in parity(some, start_ms=bucket.start_ms, end_ms=bucket.end_ms):
                row = {**bucket.names, "system": system, "user_category": one.category}
                rows.append(
                    row | {"numerator": one.longest_hours, "denominator": one.shortest_hours,
                           "n": one.groups, "method": "accounting, medians since submission",
                           "note": _note(one.groups, one.left_out, one.shortest_hours)}
                )  # fmt: skip
    if not rows:
        return lacking.unknown(
            keys, "no job of an organisation in the register of projects started in this period"
        )
    return shaped(pl.DataFrame(rows, infer_schema_length=None), keys)


def _note(groups: int, left_out: int, shortest: float | None) -> str:
    notes = []
    if groups < 2:
        notes.append("parity needs two organisations with at least five jobs each")
    elif not shortest:
        notes.append("the shortest median is no wait at all, so there is no ratio")
    if left_out:
        notes.append(f"{left_out} with fewer than five jobs left out")
    return "; ".join(notes)
