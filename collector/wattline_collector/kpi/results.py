"""What the register of results says: runs, quality and benchmarks.

P05 and P07 of training runs, P08 of models, C01 and C02 of benchmarks; those of challenges are in
`challenges`.
A result counts in the period in which it was measured or handed in; what a system is able to do
(C01, C02) holds until it is measured again, so an earlier result stands where the period has none.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.dimensions import labelled
from wattline_collector.kpi.figure import iso
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.kpi.model_work import TRAINING
from wattline_collector.kpi.sums import grouped, shaped
from wattline_collector.kpi.view import View, utc
from wattline_collector.ledger import replay

MOST = 100
"""Figures of one KPI that tells each result apart: the newest are shown."""
_HOUR_MS = 3_600_000
_JOULES_PER_KWH = 3_600_000


def training_time(view: View, by: list[str]) -> pl.DataFrame:
    """P05: hours from a run's first start to its end, restarts and all, of runs that ended.

    By the ledger a run is over when its last job completed; by the register, when it reached the
    target that was declared for it.
    """
    parts = [*by, "way"]
    frames = [_timed(found, by, way) for way, found in _ended_runs(view, by)]
    known = [frame for frame in frames if frame.height and frame["numerator"].null_count() == 0]
    if not known:
        note = "no training run ended in this period, and the register of results knows none"
        return lacking.unknown(parts, note) if not by else lacking.unknown(parts, "").clear()
    return pl.concat(known)


def _ended_runs(view: View, by: list[str]) -> list[tuple[str, pl.DataFrame]]:
    start_ms, end_ms = view.bounds_ms
    # As all that ends: what does at a period's last moment is of that period.
    ended = pl.col("end_ms").is_between(start_ms, end_ms, closed="right")
    runs = (
        view.jobs.filter((pl.col("kind") == TRAINING) & pl.col("start_ms").is_not_null())
        .select("system", "job", "state", "start_ms", "end_ms", replay.run_of())
        .sort("start_ms", "job")
        .group_by("run_of", maintain_order=True)
        .agg(
            pl.col("system", "job", "state").last(),
            pl.col("start_ms").min().alias("began_ms"),
            pl.when(pl.col("end_ms").is_not_null().all()).then(pl.col("end_ms").max()),
        )
        .filter(ended & (pl.col("state") == "completed"))
    )
    columns = ("system", "job", "began_ms", "end_ms", (pl.col("end_ms") - 1).alias("at"))
    found = [("ledger", labelled(view, runs.select(columns), by, "at"))]
    registered = of_kind(view, "run")
    if registered is not None and not {"job", "partition", "service"} & {*by}:
        inside = of_period(view, registered).filter(pl.col("valid").fill_null(False))
        told = labelled_results(view, inside, by)
        if set(by) <= set(told.columns):
            # What a result's own time is labelled by is a millisecond before it.
            ends = (pl.col("when_ms") + 1).alias("end_ms")
            found.append(
                ("register", told.with_columns(pl.col("start_ms").alias("began_ms"), ends))
            )
    return found


def _timed(runs: pl.DataFrame, by: list[str], way: str) -> pl.DataFrame:
    hours = (pl.col("end_ms") - pl.col("began_ms")).sum() / _HOUR_MS
    found = grouped(
        runs,
        by,
        numerator=pl.when(pl.len() > 0).then(hours),
        denominator=pl.len().cast(pl.Float64),
        n=pl.len(),
    )
    method = {
        "ledger": "from the first job's start to the end of the last, which completed",
        "register": "declared: from its start to its target",
    }
    return shaped(
        found.with_columns(pl.lit(way).alias("way"), pl.lit(method[way]).alias("method")),
        [*by, "way"],
    )


def run_completion(view: View, by: list[str]) -> pl.DataFrame:
    """P07: runs that reached their declared target over those that began in the period."""
    runs = of_kind(view, "run")
    if runs is None or runs.is_empty():
        return no_result(view, by, "run", "a training run with the target declared for it")
    start_ms, end_ms = view.bounds_ms
    began = runs.filter(pl.col("start_ms").is_between(start_ms, end_ms, closed="left"))
    times = [name for name in by if name not in ("system", "project")]
    told = labelled(view, began, times, "start_ms")
    count = pl.len().cast(pl.Float64)
    found = grouped(
        told,
        by,
        numerator=pl.when(count > 0).then(pl.col("valid").fill_null(False).sum().cast(pl.Float64)),
        denominator=count,
        n=pl.len(),
        open=pl.col("valid").null_count(),
    )
    note = pl.when(pl.col("open") > 0).then(
        pl.format("{} of them are not over yet, and count as not reached", pl.col("open"))
    )
    return shaped(found.with_columns(pl.lit("declared").alias("method"), note.alias("note")), by)


def quality(view: View, by: list[str]) -> pl.DataFrame:
    """P08: each declared metric of a model, and how far it is from what it is compared with."""
    parts = [*by, "model", "metric", "of"]
    found = in_period(view, "quality")
    if found is None or found.is_empty():
        return no_result(view, parts, "quality", "a model's metric with the evaluation's digest")
    newest = (
        found.sort("when_ms", "id")
        .unique(["system", "model", "metric", "benchmark"], keep="last")
        .sort("when_ms", "id", descending=True)
    )
    left = newest.height - MOST
    labelled_rows = labelled_results(view, newest.head(MOST), by)
    told = labelled_rows.with_columns(
        pl.concat_str("metric", "benchmark", separator=" on ", ignore_nulls=True).alias("metric"),
        pl.col("unit").fill_null("1"),
        pl.lit(1).alias("n"),
        declared(),
    )
    told = told.unique([*by, "model", "metric"], keep="first", maintain_order=True)
    note = f"the newest {MOST} of {newest.height:,} are shown" if left > 0 else None
    rows = told.with_columns(pl.lit("value").alias("of"), pl.lit(note, pl.String).alias("note"))
    delta = told.drop_nulls("baseline").with_columns(
        pl.lit("delta_to_baseline").alias("of"),
        *((pl.col(name) - pl.col("baseline")).alias(name) for name in ("value", "low", "high")),
    )
    return pl.concat([shaped(rows, parts), shaped(delta, parts)]).sort(parts)


def hpl(view: View, by: list[str]) -> pl.DataFrame:
    """C01: the best HPL-MxP and HPL that stand, of the period, else the newest before it."""
    parts = [*by, "benchmark"]
    frames = []
    for kind, name in (("hpl_mxp", "HPL-MxP"), ("hpl", "HPL")):
        held = holding(view, kind, ["system"])
        if held is None or held.is_empty():
            continue
        # Several systems: the best of all; they were not run as one machine.
        best = (
            labelled_results(view, held, by)
            .sort("value", descending=True, nulls_last=True)
            .unique(by or ["kind"], keep="first", maintain_order=True)
        )
        frames.append(
            best.with_columns(
                pl.lit(name).alias("benchmark"), pl.lit(1).alias("n"), declared(with_system=True)
            )
        )
    if not frames:
        return no_result(view, parts, "hpl_mxp", "`wattline capability hpl LOG --keep`, or a row")
    return pl.concat([shaped(frame, parts) for frame in frames])


def time_to_train(view: View, by: list[str]) -> pl.DataFrame:
    """C02: minutes and kWh to train a benchmark's model to its target."""
    parts = [*by, "benchmark", "of"]
    held = holding(view, "training_time", ["system", "benchmark"])
    if held is None or held.is_empty():
        return no_result(
            view, parts, "training_time", "`wattline capability training LOGS --keep`, or a row"
        )
    told = (
        labelled_results(view, held, by)
        .sort("value")
        .unique([*by, "benchmark"], keep="first", maintain_order=True)
        .with_columns(pl.col("runs").fill_null(1).alias("n"), declared(with_system=True))
        .head(MOST)
    )
    minutes = told.with_columns(
        pl.lit("time").alias("of"),
        pl.lit("min").alias("unit"),
        *((pl.col(name) / 60).alias(name) for name in ("value", "low", "high")),
    )
    energy = told.drop_nulls("energy").with_columns(
        pl.lit("energy").alias("of"),
        pl.lit("kWh").alias("unit"),
        (pl.col("energy") / _JOULES_PER_KWH).alias("value"),
        pl.lit(None, pl.Float64).alias("low"),
        pl.lit(None, pl.Float64).alias("high"),
        pl.format("{}, level {}", "method", "power_level").alias("method"),
    )
    return pl.concat([shaped(minutes, parts), shaped(energy, parts)]).sort(parts)


def of_kind(view: View, kind: str) -> pl.DataFrame | None:
    """Results of a kind, of all time; None where they cannot be read."""
    results = None if view.inputs is None else view.inputs.results
    return None if results is None else results.filter(pl.col("kind") == kind)


def in_period(view: View, kind: str) -> pl.DataFrame | None:
    """Results of a kind that are of the period; None where they cannot be read."""
    found = of_kind(view, kind)
    return None if found is None else of_period(view, found)


def of_period(view: View, found: pl.DataFrame) -> pl.DataFrame:
    """Those of some results that are of the period."""
    # A date that closes means its day's end: the last moment of a period is in it.
    start_ms, end_ms = view.bounds_ms
    return found.filter(pl.col("when_ms").is_between(start_ms, end_ms, closed="right"))


def holding(view: View, kind: str, each: Sequence[str]) -> pl.DataFrame | None:
    """Valid results of the period; of what it has none of, the newest before, with a note.

    Args:
        view: Where they are, and the period.
        kind: Which.
        each: The columns that tell apart what is measured again.
    """
    found = of_kind(view, kind)
    if found is None:
        return None
    start_ms, end_ms = view.bounds_ms
    known = found.filter((pl.col("when_ms") <= end_ms) & pl.col("valid").fill_null(True))
    inside = known.filter(pl.col("when_ms") > start_ms)
    earlier = known.join(inside, on=list(each), how="anti", nulls_equal=True)
    newest = earlier.sort("when_ms", "id").unique(list(each), keep="last")
    days = [iso(utc(ms - 1))[:10] for ms in newest["when_ms"]]
    notes = [f"measured on {day}, before this period" for day in days]
    return pl.concat(
        [
            inside.with_columns(pl.lit(None, pl.String).alias("note")),
            newest.with_columns(pl.Series("note", notes, dtype=pl.String)),
        ]
    )


def labelled_results(view: View, frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Results with the dimensions asked for; the time is when they were measured.

    A result of which nobody says the system, or the project, is in the row `unknown`.
    """
    named = [name for name in by if name in ("system", "project")]
    times = [name for name in by if name not in named]
    # A result of a day's end is of that day.
    told = labelled(view, frame.with_columns(pl.col("when_ms") - 1), times, "when_ms")
    return told.with_columns(pl.col(named).fill_null(UNKNOWN))


def declared(*, with_system: bool = False) -> pl.Expr:
    """How a result is known: who says so, and by what evidence."""
    said = [
        pl.format("declared by {}", pl.col("declared_by").fill_null("nobody named")),
        pl.format("evidence {}", pl.col("evidence").fill_null("none")),
    ]
    if with_system:  # what a system is able to do is judged by the rules of its benchmark
        said.append(pl.when(pl.col("valid").is_null()).then(pl.lit("not said to be valid")))
        said.append(pl.format("system {}", pl.col("system")))
    return pl.concat_str(said, separator=", ", ignore_nulls=True).alias("method")


def no_result(view: View, columns: list[str], kind: str, what: str) -> pl.DataFrame:
    """One row that says what to provide."""
    results = None if view.inputs is None else view.inputs.results
    note = lacking.register(results, "results") or (
        f"the register of results has none of kind `{kind}` for this period"
    )
    return lacking.unknown(columns, f"{note} ({what})")
