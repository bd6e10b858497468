"""What figures can be split by, put beside the entries only when somebody asks for it.

    hour day week month quarter year    in the factory's time zone, where its profile names one
    system node device                  as they stand in the entries
    rack device_model                   as agents tell of them
    partition                           see `labels.of_nodes`; of a job, where it was queued
    job service                         a service is a job of kind inference, by its name
    project user_category access_mode participating_state sector
                                        by the register of projects; see `labels.of_jobs`

Nothing is dropped: what has no answer is in the row `unknown`, what belongs to no job in the row
`none`, so that the parts of a sum add up to the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from wattline_collector.kpi import labels, times
from wattline_collector.kpi.declare import DIMENSIONS, WORK
from wattline_collector.kpi.labels import NONE, UNKNOWN
from wattline_collector.kpi.times import Frame
from wattline_collector.kpi.view import View

_OF_NODES = ("partition", "rack", "device_model")
_OF_JOBS = tuple(name for name in WORK if name != "job")


def with_dimensions(view: View, by: Sequence[str]) -> View:
    """The same view, its frames with a column for each dimension that they can be split by.

    A frame gets a column where its rows have one answer: entries of devices have all of `PLACE`,
    those of nodes all but the device, what has a job has all of `WORK`, what has a minute or an
    hour has all of `TIME`. `running` is cut where a new day begins, and so on. Jobs have several
    times, so `jobs` and `accounted` have none of `TIME`: a KPI says which counts, by `labelled`.

    Asked for the same again, it gives the same view again: seventy KPIs are split once.

    Args:
        view: The view.
        by: Any of `declare.DIMENSIONS`.
    """
    wanted = tuple(name for name in DIMENSIONS if name in by)
    if not wanted:
        return view
    if wanted not in view.splits:
        view.splits.clear()  # whoever asks goes through the KPIs, not back and forth
        view.splits[wanted] = _split(view, wanted)
    return view.splits[wanted]


def labelled(view: View, frame: Frame, by: Sequence[str], at: str | None = None) -> Frame:
    """Any frame with the dimensions that it has an answer to.

    Args:
        view: Where the answers are.
        frame: Has `system`, and as far as it has one, `node`, `device` and `job`.
        by: Any of `declare.DIMENSIONS`.
        at: The column whose time counts: moments in UTC, or milliseconds since 1970.
    """
    if at is not None:
        frame = times.with_times(frame, at, by, view.zone)
    there = frame.collect_schema().names()
    has_node, has_job = "node" in there, "job" in there
    of_node: list[str] = [name for name in _OF_NODES if name in by] if has_node else []
    if "device_model" in of_node and "device" in there:
        of_node.remove("device_model")
        frame = _joined(frame, labels_of_devices(view), ["system", "device"], ["device_model"])
        frame = frame.with_columns(pl.col("device_model").fill_null(UNKNOWN))
    if of_node:
        frame = _joined(frame, labels_of_nodes(view), ["system", "node"], of_node)
    of_job: list[str] = [name for name in _OF_JOBS if name in by] if has_job else []
    partitioned: bool = "partition" in by and has_job
    if of_job or partitioned:
        found = labels_of_jobs(view).rename({"partition": "_queued"})
        frame = _joined(frame, found, ["system", "job"], [*of_job, "_queued"])
        missing = pl.when(pl.col("job").is_null()).then(pl.lit(NONE)).otherwise(pl.lit(UNKNOWN))
        frame = frame.with_columns(pl.coalesce(name, missing).alias(name) for name in of_job)
        if partitioned:
            told = ["partition", "_queued"] if has_node else ["_queued"]
            frame = frame.with_columns(pl.coalesce(told).alias("partition"))
        frame = frame.drop("_queued")
    answered = dict.fromkeys([*of_node, *(["partition"] if partitioned else [])])
    return frame.with_columns(pl.col(name).fill_null(UNKNOWN) for name in answered)


def labels_of_devices(view: View) -> pl.DataFrame:
    """`labels.of_devices`, made once for a view."""
    return view.labels("devices", lambda: labels.of_devices(view.inventory))


def labels_of_nodes(view: View) -> pl.DataFrame:
    """`labels.of_nodes`, made once for a view."""

    def make() -> pl.DataFrame:
        held = view.totals.lazy().select("system", "node", "job").drop_nulls().unique()
        queued = view.accounted.lazy().select("system", "job", "partition").drop_nulls()
        seen = held.join(queued, on=["system", "job"]).select("system", "node", "partition")
        return labels.of_nodes(view.inventory, seen.unique().collect(), view.profile)

    return view.labels("nodes", make)


def labels_of_jobs(view: View) -> pl.DataFrame:
    """`labels.of_jobs` of the jobs that a period has to do with, made once for a view."""

    def make() -> pl.DataFrame:
        start_ms, end_ms = view.bounds_ms
        begun = pl.coalesce("start_ms", pl.lit(start_ms))
        jobs = view.jobs.filter(
            (begun < end_ms) & (pl.coalesce("end_ms", pl.lit(end_ms)) >= start_ms)
        )
        asked = pl.coalesce("submit_ms", "start_ms", pl.lit(start_ms))
        accounted = view.accounted.filter(
            (asked < end_ms) & (pl.coalesce("end_ms", pl.lit(end_ms)) >= start_ms)
        )
        return labels.of_jobs(jobs, accounted, view.projects)

    return view.labels("jobs", make)


def _split(view: View, by: tuple[str, ...]) -> View:
    return replace(
        view,
        device_scan=view.device_scan.each(lambda part: labelled(view, part, by, "minute")),
        node=labelled(view, view.node, by, "minute"),
        job=labelled(view, view.job, by, "minute"),
        running=times.cut(labelled(view, view.running, by), by, view.zone),
        jobs=labelled(view, view.jobs, by),
        accounted=labelled(view, view.accounted, by),
        inventory=labelled(view, view.inventory, by),
        split=by,
        unsplit=view.whole,
    )


def _joined(frame: Frame, found: pl.DataFrame, on: list[str], names: list[str]) -> Frame:
    if isinstance(frame, pl.LazyFrame):
        answers = found.lazy().select(*on, *names)
        return frame.join(answers, on=on, how="left", maintain_order="left")
    # Only the keys go through the join: entries have thirty columns, and a month has millions.
    told = frame.select(on).join(
        found.select(*on, *names), on=on, how="left", maintain_order="left"
    )
    return frame.with_columns(told.select(names))
