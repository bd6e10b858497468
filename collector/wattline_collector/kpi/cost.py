"""What energy costs, by the tariffs of the profile: euro, hour by hour.

An hour costs the mean of its quarters, as electricity is sold by quarters of an hour and the books
keep hours. Energy of a time that no tariff covers is in no figure and lowers the coverage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import polars as pl

from wattline_collector.kpi import facility
from wattline_collector.kpi.emissions import hour_of
from wattline_collector.kpi.sums import grouped, ratio, shaped, total
from wattline_collector.kpi.view import JOULES_PER_KWH, View, utc
from wattline_collector.ledger.accounts import ASSIGNED
from wattline_collector.ledger.schema import HOUR_MS
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.tariffs import euro_per_kwh

HOW = "no tariff: state [tariff.NAME] euro_per_kwh in the profile"
_QUARTERS = tuple(timedelta(minutes=15 * i) for i in range(4))


def prices(profile: FactoryProfile | None, hours: Iterable[int]) -> pl.DataFrame:
    """The price of energy in each hour.

    Args:
        profile: Whose tariffs.
        hours: When they begin, in ms since 1970.

    Returns:
        `hour_ms`, `euro_per_kwh`; null where a quarter of it has no price.
    """
    known = sorted(set(hours))
    return pl.DataFrame(
        {"hour_ms": known, "euro_per_kwh": [of_hour(profile, hour) for hour in known]},
        schema={"hour_ms": pl.Int64, "euro_per_kwh": pl.Float64},
    )


def of_hour(profile: FactoryProfile | None, hour_ms: int) -> float | None:
    """The price of energy in the hour that begins then; null where a quarter has none."""
    if profile is None or not profile.tariffs:
        return None
    quarters = [euro_per_kwh(profile, utc(hour_ms) + after) for after in _QUARTERS]
    known = [price for price in quarters if price is not None]
    return sum(known) / len(_QUARTERS) if len(known) == len(_QUARTERS) else None


def energy_cost(view: View, by: list[str]) -> pl.DataFrame:
    """The cost of the energy in the books, at the widest boundary that is metered.

    With a dimension of work it is that of jobs and of the time that was nobody's, each in its row;
    cooling and other overhead of the facility are not in it. See `facility_cost`.

    Args:
        view: The period.
        by: What to split by; whatever `View.energy` can be.

    Returns:
        The shape of a KPI: `numerator` in euro, no denominator, `n` nodes.
    """
    energy = (
        view.energy.with_columns(hour_of("minute").alias("hour_ms"))
        .group_by(*dict.fromkeys([*by, "system", "node"]), "hour_ms")
        .agg(total("joules").alias("joules"), pl.col("known_ms").sum(), pl.col("device_ms").sum())
    )
    boundaries = "+".join(energy_boundaries(view))
    found = grouped(
        _priced(view, energy), by,
        numerator=total("euro"),
        n=pl.struct("system", "node").n_unique(),
        coverage=ratio(
            pl.col("known_ms").filter(pl.col("euro_per_kwh").is_not_null()).sum(),
            pl.col("device_ms").sum(),
        ),
    )  # fmt: skip
    return _told(view, found, by, f"booked energy ({boundaries} boundary) by tariffs", "")


def facility_cost(view: View, by: list[str]) -> pl.DataFrame:
    """The cost of E_DC: all that the site is charged for electricity.

    Args:
        view: The period.
        by: `system` and dimensions of time.

    Returns:
        As `energy_cost`; `n` is the hours.
    """
    hours = facility.hours(view, ["E_DC"], by).rename({"E_DC": "joules"})
    found = grouped(
        _priced(view, hours), by,
        numerator=total("euro"),
        n=pl.col("euro").is_not_null().sum(),
        coverage=ratio(
            pl.col("covered_ms").filter(pl.col("euro_per_kwh").is_not_null()).sum(),
            pl.col("expected_ms").sum(),
        ),
    )  # fmt: skip
    return _told(view, found, by, "E_DC by tariffs", facility.absent(view, ["E_DC"]))


def priced_part(view: View, by: list[str]) -> pl.DataFrame:
    """How much of the time that devices were held lies where the cost of E_DC is known.

    Hours of jobs over the cost of only some of the time would make it look cheap; times this, both
    are of the same time.

    Args:
        view: The period.
        by: `system` and dimensions of time.

    Returns:
        The columns of `by`, and `part`, 0-1.
    """
    covered = pl.col("covered_ms").fill_null(0) / pl.col("expected_ms")
    known = (
        _priced(view, facility.hours(view, ["E_DC"], by).rename({"E_DC": "joules"}))
        .select(*by, "hour_ms", pl.when(pl.col("euro").is_not_null()).then(covered).alias("known"))
    )  # fmt: skip
    assigned = pl.col("account").is_in([one.value for one in ASSIGNED])
    held = (
        view.job_hours.filter(assigned)
        .group_by(*by, hour_of("minute").alias("hour_ms"))
        .agg(pl.col("duration_ms").sum())
        .join(known, on=[*by, "hour_ms"], how="left")
    )
    duration = pl.col("duration_ms")
    return grouped(held, by, part=ratio((duration * pl.col("known")).sum(), duration.sum()))


def energy_boundaries(view: View) -> list[str]:
    """The boundaries that joules of the books were metered at."""
    known = view.energy.filter(pl.col("joules").is_not_null())
    return [str(name) for name in known["boundary"].unique().sort()]


def _priced(view: View, energy: pl.DataFrame) -> pl.DataFrame:
    start_ms, end_ms = view.bounds_ms
    hours = range(start_ms // HOUR_MS * HOUR_MS, end_ms, HOUR_MS)
    known = view.whole.labels("prices of hours", lambda: prices(view.profile, hours))
    return energy.join(known, on="hour_ms", how="left", maintain_order="left").with_columns(
        (pl.col("joules") / JOULES_PER_KWH * pl.col("euro_per_kwh")).alias("euro")
    )


def _told(
    view: View, found: pl.DataFrame, by: Sequence[str], method: str, missing: str
) -> pl.DataFrame:
    has_tariff = view.profile is not None and bool(view.profile.tariffs)
    note = missing or ("" if has_tariff else HOW)
    return shaped(
        found.with_columns(
            pl.lit(method).alias("method"), pl.lit(note or None, pl.String).alias("note")
        ),
        by,
    )
