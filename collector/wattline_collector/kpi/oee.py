"""OEE and TEEP: the factory in one number, of planned and of all time, and their factors."""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi.efficiency import activity
from wattline_collector.kpi.sums import grouped, ratio, shaped
from wattline_collector.kpi.utilisation import observed_share
from wattline_collector.kpi.view import MS_PER_HOUR, View, account_ms
from wattline_collector.ledger.accounts import ASSIGNED, OFFERED, WORKING, Account


def availability(view: View, by: list[str]) -> pl.DataFrame:
    """Offered over planned device time; unobserved time is in neither."""
    offered = account_ms(*OFFERED) / MS_PER_HOUR
    found = grouped(
        view.totals,
        by,
        numerator=offered,
        denominator=offered + account_ms(Account.DOWN) / MS_PER_HOUR,
        n=pl.col("device").n_unique(),
        coverage=observed_share(),
    )
    return shaped(found.with_columns(pl.lit("ledger").alias("method")), by)


def performance(view: View, by: list[str]) -> pl.DataFrame:
    """Activity of assigned time against the best the hardware does, which is all of it."""
    return activity(view, by)


def quality(view: View, by: list[str]) -> pl.DataFrame:
    """Kept over made working time, of jobs whose state is known."""
    made_in = [account.value for account in (*WORKING, Account.LOST)]
    working = view.totals.filter(pl.col("account").is_in(made_in)).join(
        view.jobs.select("system", "job", "state"), on=["system", "job"], how="left"
    )
    known = pl.col("state").is_not_null()
    duration = pl.col("duration_ms")
    made = duration.filter(known).sum()
    found = grouped(
        working,
        by,
        numerator=pl.when(made > 0).then(
            duration.filter(known & (pl.col("account") != Account.LOST)).sum() / MS_PER_HOUR
        ),
        denominator=pl.when(made > 0).then(made / MS_PER_HOUR),
        n=pl.struct("system", "job").filter(known).n_unique(),
        coverage=ratio(made, duration.sum()),
    )
    note = pl.when(pl.col("numerator").is_null()).then(
        pl.lit("no working time of a job whose state is known")
    )
    return shaped(
        found.with_columns(pl.lit("ledger, job states").alias("method"), note.alias("note")), by
    )


def in_use(view: View, by: list[str]) -> pl.DataFrame:
    """Assigned over installed device time; unobserved time is in neither."""
    every = [account for account in Account if account != Account.UNOBSERVED]
    found = grouped(
        view.totals,
        by,
        numerator=account_ms(*ASSIGNED) / MS_PER_HOUR,
        denominator=account_ms(*every) / MS_PER_HOUR,
        n=pl.col("device").n_unique(),
        coverage=observed_share(),
    )
    return shaped(found.with_columns(pl.lit("ledger").alias("method")), by)


def overall(view: View, by: list[str]) -> pl.DataFrame:
    """OEE: availability x performance x quality."""
    first = ("availability", availability(view, by))
    return _product(view, by, first)


def total_effective(view: View, by: list[str]) -> pl.DataFrame:
    """TEEP: OEE x loading x planned over installed time, which leaves use x performance x quality.

    Offered and planned time cancel: (offered / planned) x (assigned / offered) x (planned /
    installed) is assigned over installed.
    """
    return _product(view, by, ("use", in_use(view, by)))


def _product(view: View, by: list[str], first: tuple[str, pl.DataFrame]) -> pl.DataFrame:
    """A factor x performance x quality; unknown if one of them is, covered as the least."""
    named = (first, ("performance", performance(view, by)), ("quality", quality(view, by)))
    factors = [
        frame.select(
            *by,
            ratio(pl.col("numerator"), pl.col("denominator")).alias(f"{name}_value"),
            pl.col("coverage").alias(f"{name}_coverage"),
            pl.col("n").alias(f"{name}_n"),
        )
        for name, frame in named
    ]
    joined = factors[0]
    for factor in factors[1:]:
        joined = (
            joined.join(factor, on=by, how="left")
            if by
            else pl.concat([joined, factor], how="horizontal")
        )
    names = [name for name, _ in named]
    product = pl.lit(1.0)
    for name in names:
        product = product * pl.col(f"{name}_value")
    unknown = pl.concat_list(
        pl.when(pl.col(f"{name}_value").is_null()).then(pl.lit(name)) for name in names
    ).list.drop_nulls()
    note = pl.when(unknown.list.len() > 0).then(pl.format("not known: {}", unknown.list.join(", ")))
    return shaped(
        joined.select(
            *by,
            product.alias("numerator"),
            pl.col(f"{names[0]}_n").alias("n"),
            pl.min_horizontal(*(f"{name}_coverage" for name in names)).alias("coverage"),
            pl.lit("ledger, SM activity counters, job states").alias("method"),
            note.alias("note"),
        ),
        by,
    )
