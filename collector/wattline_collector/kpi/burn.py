"""U05: whether grants are used at the pace they were given for, and what will be left of them."""

from __future__ import annotations

import polars as pl

from wattline_collector.capability.burn_down import burn_down
from wattline_collector.kpi import lacking
from wattline_collector.kpi.access_time import BOTH, LEDGER, of_accounting, tagged, tags
from wattline_collector.kpi.grants import grants
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.kpi.sums import grouped, ratio, shaped
from wattline_collector.kpi.view import MS_PER_HOUR, View
from wattline_collector.ledger.accounts import ASSIGNED
from wattline_collector.profile.law import burn_down_least

_NAMED = 3
"""Projects that are named in a note: enough to know whom to ask."""
_MINUTE_MS = 60_000
_WEEK_MS = 7 * 86_400_000
_JOB = ["system", "job"]


def pace_of_grants(view: View, by: list[str]) -> pl.DataFrame:
    """U05: used over granted hours, against elapsed time over the grant's.

    Of several grants the hours used over those due by now. Grants that run at the end of the period
    count, with all that was used since they began. The forecast of each goes on at its pace.
    """
    told = running_grants(view)
    if isinstance(told, str):
        return lacking.unknown(by, told)
    least = burn_down_least(view.profile)
    named = pl.col("project").filter("behind").sort()
    due = pl.col("granted") * pl.col("elapsed")
    found = grouped(
        told,
        by,
        numerator=pl.col("gpu_hours").sum(),
        denominator=due.sum(),
        coverage=ratio((due * pl.col("told")).sum(), due.sum()),
        n=pl.len(),
        granted=pl.col("granted").sum(),
        forecast=pl.when(pl.col("forecast").is_not_null().all()).then(pl.col("forecast").sum()),
        behind=named.len(),
        who=named.head(_NAMED).str.join(", "),
        is_ledger=pl.col("is_ledger").all(),
    )
    # Who sees figures does not see projects, but where they ask for these.
    who = pl.col("who") if "project" in by else pl.lit("split by project to see which")
    late = pl.format(
        "{} past half its time with under {} % used: {}", "behind", pl.lit(f"{least:.0%}"[:-1]),
        who,
    )  # fmt: skip
    ahead = pl.format(
        "at this pace {} % is used when the time is over",
        (100 * pl.col("forecast") / pl.col("granted")).round(0).cast(pl.Int64),
    )
    return shaped(
        found.with_columns(
            pl.when("is_ledger").then(pl.lit(LEDGER)).otherwise(pl.lit(BOTH)).alias("method"),
            pl.concat_str(
                pl.when(pl.col("behind") > 0).then(late), ahead, separator="; ", ignore_nulls=True
            ).alias("note"),
        ),
        by,
    )


def running_grants(view: View) -> pl.DataFrame | str:
    """The grants that run at the end of a period, each with its use and its forecast.

    Returns:
        `grants.grants`, and `gpu_hours` (used since it began), `is_ledger`, `told` (the part of its
        time so far of which anybody told, 0-1), `elapsed` (of its time, 0-1), `forecast` (GPU-hours
        at its end; null: too early to say) and `behind`; or why there are none.
    """
    lack = lacking.register(view.projects, "projects")
    if lack is not None or view.projects is None:
        return lack or ""
    _, now = view.bounds_ms
    # The moment at which the period is over belongs to it.
    running = grants(view.projects).filter(
        pl.col("granted") > 0, pl.col("start_ms") < now, pl.col("end_ms") >= now
    )
    if running.is_empty():
        return "no grant with hours, valid_from and valid_until runs at the end of the period"
    since = min(running["start_ms"])
    rows = _with_use(running, _used(view, since))
    least = burn_down_least(view.profile)
    burned = [
        burn_down(granted, [(now, hours)], start_ms=start, end_ms=end, now_ms=now)
        for granted, hours, start, end in rows.select(
            "granted", "gpu_hours", "start_ms", "end_ms"
        ).iter_rows()
    ]
    known_ms = _known_from(view)
    told = rows.with_columns(
        # What was used before anybody told of jobs is not known.
        ((now - pl.max_horizontal("start_ms", pl.lit(known_ms))).clip(lower_bound=0)
         / (now - pl.col("start_ms"))).alias("told"),
        pl.Series("elapsed", [one.elapsed_share for one in burned], dtype=pl.Float64),
        pl.Series("forecast", [one.forecast_used for one in burned], dtype=pl.Float64),
        pl.Series(
            "behind",
            [one.elapsed_share >= 0.5 and (one.used_share or 0.0) < least for one in burned],
            dtype=pl.Boolean,
        ),
        pl.col("system", "project", "user_category", "access_mode", "participating_state",
               "sector").fill_null(UNKNOWN),
    )  # fmt: skip
    # Of a grant that is older than what is known nobody says that it is behind.
    return told.with_columns(pl.col("behind") & (pl.col("told") == 1))


def _known_from(view: View) -> int:
    """From when on anybody told of jobs: their scheduler, or the books, also before the period."""
    low, high = view.bounds_ms
    started = view.accounted["start_ms"].min()
    span = None if view.inputs is None else view.inputs.books.span()
    begun = [low if span is None else span[0]]
    if isinstance(started, int):
        begun.append(started)
    return min(*begun, high)


def _with_use(running: pl.DataFrame, used: pl.DataFrame) -> pl.DataFrame:
    """Grants with what was used of them; one that names no system holds for all."""
    key = ["project", "start_ms"]
    sums = [pl.col("gpu_hours").sum(), (pl.col("book") == LEDGER).all().alias("is_ledger")]
    of_one, of_all = running.filter(pl.col("system").is_not_null()), pl.col("system").is_null()
    joined = pl.concat(
        [
            of_one.join(used.group_by("system", *key).agg(sums), on=["system", *key], how="left"),
            running.filter(of_all).join(used.group_by(key).agg(sums), on=key, how="left"),
        ]
    )
    return joined.with_columns(
        pl.col("gpu_hours").fill_null(0.0), pl.col("is_ledger").fill_null(True)
    )


def _used(view: View, since_ms: int) -> pl.DataFrame:
    """`system`, `project`, `start_ms` (of its grant), `gpu_hours` and `book` of jobs since then."""
    low, _ = view.bounds_ms
    frames = [_held(view.totals)]
    if since_ms < low and view.inputs is not None:
        books = view.inputs.books
        start = since_ms // _MINUTE_MS * _MINUTE_MS
        # A grant may be years old: of each week only sums of jobs stay.
        frames += [
            _held(books.read("device", at, min(at + _WEEK_MS, low)))
            for at in range(start, low, _WEEK_MS)
        ]
    held = pl.concat(frames).group_by(_JOB).agg(pl.col("gpu_hours").sum(), pl.col("book").first())
    told = of_accounting(view, held, [], since_ms=since_ms).select(held.columns)
    hours = pl.concat([held, told])
    if since_ms >= low:
        jobs = tags(view)
    else:
        jobs = tagged(
            view.jobs.join(hours, on=_JOB, how="semi"),
            view.accounted.join(hours, on=_JOB, how="semi"),
            view.projects,
        )
    return hours.join(jobs, on=_JOB).select(
        "system", pl.col("project_id").alias("project"), "gpu_hours", "book",
        pl.col("granted_from_ms").alias("start_ms"),
    )  # fmt: skip


def _held(device: pl.DataFrame) -> pl.DataFrame:
    return (
        device.lazy()
        .filter(
            pl.col("account").is_in([one.value for one in ASSIGNED]), pl.col("job").is_not_null()
        )
        .group_by(_JOB)
        .agg((pl.col("duration_ms").sum() / MS_PER_HOUR).alias("gpu_hours"))
        .with_columns(pl.lit(LEDGER).alias("book"))
        .collect()
    )
