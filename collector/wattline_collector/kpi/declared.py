"""What people declare in the register of activities: U08, I08-I11, Q01, Q02.

An activity counts whole where it began, a call at its cut-off (its last day), so that the figures
of months add up to that of their year. Of a kind that nobody declared anything of, nothing is
known: no figure is then 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi import lacking, times
from wattline_collector.kpi.labels import NONE, UNKNOWN
from wattline_collector.kpi.sums import grouped, shaped
from wattline_collector.kpi.view import View
from wattline_collector.registers.schema import ACTIVITIES

OUTCOMES = ("model", "dataset", "software", "publication", "product", "follow_on")
COORDINATION = ("asset_shared", "asset_reused", "staff_exchange", "joint_project", "referral")

_METHOD = "register of activities"
_BYTES_PER_GIGABYTE = 1e9
_SECONDS_PER_HOUR = 3600


def oversubscription(view: View, by: list[str]) -> pl.DataFrame:
    """U08: GPU-hours asked for over GPU-hours there were, of the cut-offs in the period."""
    found, lack = _of_kinds(view, by, ("call",), at="cut_off")
    both = ["gpu_hours_requested", "gpu_hours_offered"]
    told = found.filter(pl.all_horizontal(pl.col(both).is_not_null()))
    if lack is not None or told.is_empty():
        wanted = "no call with gpu_hours_requested and gpu_hours_offered has its cut-off here"
        return lacking.unknown(by, lack or wanted)
    factor = pl.col("gpu_hours_requested") / pl.col("gpu_hours_offered")
    rows = grouped(
        told.with_columns(factor.alias("factor")),
        by,
        numerator=pl.col("gpu_hours_requested").sum(),
        denominator=pl.col("gpu_hours_offered").sum(),
        n=pl.len().cast(pl.Int64),
        peak=pl.col("factor").max(),
        of=pl.col("id").sort_by("factor").last(),
    )
    peak = pl.format("most: {} at {}", pl.col("peak").round(2), "of")
    return shaped(
        rows.with_columns(_method(), pl.when(pl.col("n") > 1).then(peak).alias("note")), by
    )


def success_rate(view: View, by: list[str]) -> pl.DataFrame:
    """I08: proposals granted over proposals received, of the cut-offs in the period."""
    found, lack = _of_kinds(view, by, ("call",), at="cut_off")
    if lack is not None or found.is_empty():
        return lacking.unknown(by, lack or "no call has its cut-off in this period")
    rows = grouped(
        found, by, numerator=pl.col("awarded").sum(), denominator=pl.col("submitted").sum(),
        n=pl.len().cast(pl.Int64),
    )  # fmt: skip
    return shaped(rows.with_columns(_method()), by)


def training(view: View, by: list[str]) -> pl.DataFrame:
    """I09: participants x days; and their mean rating, each weighted by its answers."""
    keys = [*by, "figure"]
    found, lack = _of_kinds(view, by, ("training",))
    if lack is not None or found.is_empty():
        return lacking.unknown(keys, lack or "no training was declared for this period")
    taught = grouped(
        found.with_columns(pl.lit("person_days").alias("figure")), keys,
        numerator=(pl.col("participants") * pl.col("days")).sum(), n=pl.len().cast(pl.Int64),
    )  # fmt: skip
    return shaped(
        pl.concat([taught, _rating(found, keys)], how="diagonal").with_columns(_method()), keys
    )


def outcomes(view: View, by: list[str]) -> pl.DataFrame:
    """I10: what came of projects, by kind."""
    keys = [*by, "kind"]
    found, lack = _of_kinds(view, by, OUTCOMES)
    if lack is not None or found.is_empty():
        return lacking.unknown(keys, lack or "no outcome was declared for this period")
    rows = grouped(found, keys, numerator=pl.col("count").sum(), n=pl.len().cast(pl.Int64))
    return shaped(rows.with_columns(_method()), keys)


def coordination(view: View, by: list[str]) -> pl.DataFrame:
    """I11: assets shared and reused, joint projects and referrals; and days of staff exchange."""
    keys = [*by, "kind", "network"]
    found, lack = _of_kinds(view, by, COORDINATION)
    if lack is not None or found.is_empty():
        return lacking.unknown(keys, lack or "no coordination was declared for this period")
    in_days = pl.col("kind") == "staff_exchange"
    amount = pl.when(in_days).then(pl.col("participants") * pl.col("days")).otherwise("count")
    rows = grouped(
        found.with_columns(pl.col("network").fill_null(NONE), amount.alias("amount")), keys,
        numerator=pl.col("amount").sum(), n=pl.len().cast(pl.Int64),
    )  # fmt: skip
    unit = pl.when(in_days).then(pl.lit("person-days")).alias("unit")
    return shaped(rows.with_columns(_method(), unit), keys)


def support(view: View, by: list[str]) -> pl.DataFrame:
    """Q01: requests solved in time, hours to solve them, ratings of surveys, and who answered.

    Medians of several rows are no median of all: the value is that of the rows, weighted by their
    requests, and that of all lies between the least and the largest of them.
    """
    keys = [*by, "figure"]
    found, lack = _of_kinds(view, by, ("support", "survey"))
    if lack is not None or found.is_empty():
        return lacking.unknown(
            keys, lack or "no support and no survey was declared for this period"
        )
    asked = found.filter(kind="support")
    timed = asked.filter(pl.col("in_target").is_not_null(), pl.col("count") > 0)
    surveys = found.filter(kind="survey")
    invited = surveys.filter(pl.col("invited") > 0, pl.col("answers").is_not_null())
    parts = [
        _share(timed, keys, "in_time", "in_target", "count"),
        _hours(asked.filter(pl.col("hours").is_not_null(), pl.col("count") > 0), keys),
        _rating(surveys, keys),
        _share(invited, keys, "response_rate", "answers", "invited"),
    ]
    rows = pl.concat([part for part in parts if part.height], how="diagonal")
    if rows.is_empty():
        return lacking.unknown(keys, "none of the support declared tells in_target or hours")
    return shaped(rows.with_columns(_method()), keys)


def data_rate(view: View, by: list[str]) -> pl.DataFrame:
    """Q02: what transfers over the wide area moved, over what the link could have in that time."""
    found, lack = _of_kinds(view, by, ("data_transfer",))
    centre = None if view.profile is None else view.profile.data_centre
    link = None if centre is None else centre.wan_link_bytes_per_second
    if lack is not None or found.is_empty():
        return lacking.unknown(
            by, lack or "no transfer was declared for this period (kind data_transfer)"
        )
    if link is None:
        return lacking.unknown(by, lacking.profile("data_centre.wan_link"))
    seconds = pl.col("hours") * _SECONDS_PER_HOUR
    moved = pl.col("gigabytes") * _BYTES_PER_GIGABYTE
    rows = grouped(
        found, by, numerator=moved.sum(), denominator=(seconds * link).sum(),
        n=pl.len().cast(pl.Int64), rate=moved.sum() / seconds.sum() / _BYTES_PER_GIGABYTE,
    )  # fmt: skip
    note = pl.format("{} GB/s on average of a transfer's time", pl.col("rate").round(3))
    return shaped(rows.with_columns(_method(), note.alias("note")), by)


def _of_kinds(
    view: View, by: Sequence[str], kinds: Sequence[str], at: str = "start"
) -> tuple[pl.DataFrame, str | None]:
    """Activities of those kinds in the period with what they are split by; or why there are none.

    Args:
        view: The period.
        by: Dimensions to split by.
        kinds: Which activities.
        at: Where they count: at their `start`, or at their `cut_off`.
    """
    kept = None if view.inputs is None else view.inputs.activities
    lack = lacking.register(kept, "activities")
    if lack is not None or kept is None:
        return ACTIVITIES.schema.to_frame(), lack or ""
    low, high = view.bounds_ms
    ends = pl.coalesce(pl.col("end_ms") - 1, "start_ms")
    when = ends if at == "cut_off" else pl.col("start_ms")
    mine = (
        kept.with_columns(when.alias("at"))
        .filter(pl.col("kind").is_in(kinds), pl.col("at") >= low, pl.col("at") < high)
        .rename({"state": "participating_state"})
        .with_columns(
            pl.col("participating_state", "system", "project", "access_mode").fill_null(UNKNOWN)
        )
    )
    return times.with_times(mine, "at", by, view.zone), None


def _method() -> pl.Expr:
    return pl.lit(_METHOD).alias("method")


def _share(
    frame: pl.DataFrame, keys: Sequence[str], figure: str, part: str, whole: str
) -> pl.DataFrame:
    rows = grouped(
        frame.with_columns(pl.lit(figure).alias("figure")), keys,
        numerator=pl.col(part).sum().cast(pl.Float64),
        denominator=pl.col(whole).sum().cast(pl.Float64),
        n=pl.col(whole).sum(),
    )  # fmt: skip
    return rows.with_columns(
        (100 * pl.col("numerator") / pl.col("denominator")).alias("value"),
        pl.lit("%").alias("unit"),
    )


def _hours(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    ordered = frame.sort("hours").with_columns(pl.lit("hours_to_solve").alias("figure"))
    upto, all_of_them = pl.col("count").cum_sum(), pl.col("count").sum()
    rows = grouped(
        ordered, keys,
        value=pl.col("hours").filter(upto * 2 >= all_of_them).first(),
        low=pl.col("hours").min(), high=pl.col("hours").max(), n=all_of_them,
    )  # fmt: skip
    return rows.with_columns(pl.lit("h").alias("unit"))


def _rating(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    rated = frame.filter(pl.col("rating").is_not_null(), pl.col("answers") > 0)
    rows = grouped(
        rated.with_columns(pl.lit("rating").alias("figure")), keys,
        numerator=(pl.col("rating") * pl.col("answers")).sum(),
        denominator=pl.col("answers").sum().cast(pl.Float64),
        n=pl.col("answers").sum(),
    )  # fmt: skip
    return rows.with_columns(
        (pl.col("numerator") / pl.col("denominator")).alias("value"),
        pl.lit("1-10").alias("unit"),
    )
