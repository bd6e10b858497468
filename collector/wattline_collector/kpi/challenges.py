"""Challenges: scores on secret benchmarks, and whether they can be believed (C04, C05).

Read from the register of results, kinds `score` and `commit`. An entrant commits to a configuration
by its digest, runs the secret items, and reveals; a second site may run them again.
"""

from __future__ import annotations

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.results import MOST, in_period, labelled_results, no_result
from wattline_collector.kpi.sums import shaped
from wattline_collector.kpi.view import View

LEAST_SCORES = 3
"""Runs of one entrant from which their scatter is told."""
_TOO_FEW = (
    f"no commit, no entrant with {LEAST_SCORES} scores that stand, and none that a second site ran "
    "again"
)


def scores(view: View, by: list[str]) -> pl.DataFrame:
    """C04: mean score of each entrant on the secret items, and how far the public one is above."""
    parts = [*by, "event", "entrant", "benchmark", "of"]
    found = in_period(view, "score")
    if found is None or found.is_empty():
        return no_result(view, parts, "score", "a score of a challenge")
    stands = pl.col("valid").fill_null(True)
    own = pl.col("site").fill_null("own") == "own"
    told = labelled_results(view, found.filter(stands & own), by)
    each = [*by, "event", "entrant", "benchmark"]
    gap = (pl.col("public") - pl.col("value")).drop_nulls()
    summed = told.group_by(each).agg(
        pl.col("value").mean().alias("score"),
        pl.when(gap.len() > 0).then(gap.mean()).alias("gap"),
        pl.len().alias("n"),
        pl.col("unit").first(),
        pl.col("evidence").drop_nulls().sort().str.join(", ").alias("digests"),
    )
    method = pl.format("declared: mean over runs; evidence {}", pl.col("digests"))
    rows = summed.with_columns(
        pl.lit("score").alias("of"), pl.col("score").alias("value"), method.alias("method")
    )
    gaps = summed.drop_nulls("gap").with_columns(
        pl.lit("public_over_hidden").alias("of"), pl.col("gap").alias("value"),
        method.alias("method"),
    )  # fmt: skip
    whole = pl.concat([_with_unit(rows, parts), _with_unit(gaps, parts)])
    if whole.is_empty() and not by:
        return lacking.unknown(parts, "no score of an entrant's own stands")
    return whole.sort(parts).head(2 * MOST)


def validity(view: View, by: list[str]) -> pl.DataFrame:
    """C05: commits whose reveal agrees, scatter over runs, and the second site's difference."""
    parts = [*by, "event", "of"]
    commits, scored = in_period(view, "commit"), in_period(view, "score")
    if commits is None or scored is None or (commits.is_empty() and scored.is_empty()):
        return no_result(view, parts, "commit", "a challenge's commits")
    frames = [_agreeing(labelled_results(view, commits, by), by)]
    frames += _repeated(
        labelled_results(view, scored.filter(pl.col("valid").fill_null(True)), by), by
    )
    whole = pl.concat(frames).sort(parts)
    if whole.is_empty() and not by:
        return lacking.unknown(parts, _TOO_FEW)
    return whole


def _agreeing(commits: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    each = [*by, "event"]
    count = pl.len().cast(pl.Float64)
    found = commits.group_by(each).agg(
        pl.col("valid").fill_null(False).sum().cast(pl.Float64).alias("numerator"),
        count.alias("denominator"),
        pl.len().alias("n"),
        pl.col("valid").null_count().alias("sealed"),
    )
    note = pl.when(pl.col("sealed") > 0).then(
        pl.format("{} of them are not revealed, and count as not valid", pl.col("sealed"))
    )
    return shaped(
        found.with_columns(
            pl.lit("valid_commits").alias("of"), pl.lit("declared").alias("method"),
            note.alias("note"), *_NO_VALUE,
        ),
        [*each, "of"],
    )  # fmt: skip


_NO_VALUE = [pl.lit(None, pl.Float64).alias("value")]


def _repeated(scored: pl.DataFrame, by: list[str]) -> list[pl.DataFrame]:
    """Scatter of an entrant's runs, and the second site against the entrant; means over entrants.

    Both are means of each entrant's own figure: entrants of one event are scored alike.
    """
    each = [*by, "event"]
    entrant = [*each, "entrant", "benchmark"]
    own = pl.col("site").fill_null("own") == "own"
    value = pl.col("value")
    of_entrants = scored.group_by(entrant).agg(
        value.filter(own).mean().alias("mean"),
        value.filter(own).std().alias("deviation"),
        value.filter(own).len().alias("runs"),
        value.filter(~own).mean().alias("second"),
    )
    spread = pl.col("deviation") / pl.col("mean").abs()
    away = (pl.col("second") / pl.col("mean") - 1).abs()
    usable = pl.col("mean").is_not_null() & (pl.col("mean") != 0)
    frames = []
    for of, what, counts, method in (
        ("spread_of_runs", spread, usable & (pl.col("runs") >= LEAST_SCORES),
         f"standard deviation over mean, of entrants with {LEAST_SCORES} runs or more"),
        ("second_site", away, usable & pl.col("second").is_not_null(),
         "distance of the second site's mean from the entrant's"),
    ):  # fmt: skip
        found = (
            of_entrants.filter(counts)
            .group_by(each)
            .agg((100 * what).mean().alias("value"), pl.len().alias("n"))
        )
        frames.append(
            shaped(
                found.with_columns(pl.lit(of).alias("of"), pl.lit(method).alias("method")),
                [*each, "of"],
            )
        )
    return frames


def _with_unit(frame: pl.DataFrame, parts: list[str]) -> pl.DataFrame:
    return shaped(frame.with_columns(pl.col("unit").fill_null("1")), parts)
