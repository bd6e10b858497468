"""Which subjects a rule holds for: from values to what the machine is told."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from wattline_collector.alerts.evaluate import Evaluation, compared
from wattline_collector.alerts.expression import Condition, keys
from wattline_collector.alerts.machine import Judged, Labels
from wattline_collector.alerts.rule import Rule

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def stays(rule: Rule) -> Condition:
    """What a firing alert goes on by: not being cleared."""
    if rule.clears is None:
        return rule.fires
    clears = rule.clears
    return Condition(clears.of, _OPPOSITE[clears.comparison], clears.number)


def judge(rule: Rule, evaluation: Evaluation, active: Collection[Labels]) -> dict[Labels, Judged]:
    """Every subject for which the rule holds, and those of `active` of which its figure is known.

    A figure that is covered too little is not known.
    """
    found = evaluation.values(rule.value).with_columns(
        compared(rule.fires).alias("fires"), compared(stays(rule)).alias("stays")
    )
    if not active and not found["fires"].any():
        return {}  # as it mostly is: what else a rule asks for need not be looked at
    for group in rule.covered:
        on = ["system", *group[0].of.series.keys]
        covered = pl.concat([evaluation.covered(part).select(*on, "value") for part in group])
        enough = covered.filter(pl.col("value") >= rule.minimum_coverage)
        found = found.join(enough, on=on, how="semi")
    for place, condition in enumerate(rule.when):
        holds = evaluation.holding(condition).with_columns(pl.lit(True).alias(f"when_{place}"))
        on = ["system", *(keys(condition.of) or ())]
        found = found.join(holds, on=on, how="left")
    # A condition that does not hold, and one that is not known, both say no: nobody is accused.
    also = [pl.col(f"when_{place}").fill_null(False) for place in range(len(rule.when))]
    names = ["system", *rule.keys]
    found = found.select(
        *names,
        "value",
        pl.all_horizontal("fires", *also).alias("fires"),
        pl.all_horizontal("stays", *also).alias("stays"),
    )
    told = found.filter(pl.col("fires"))
    if active:
        asked = pl.DataFrame(
            [dict(labels) for labels in active], schema=dict.fromkeys(names, pl.String())
        )
        known = found.filter(~pl.col("fires")).join(asked, on=names, how="semi")
        told = pl.concat([told, known])
    return {
        labels: Judged(labels, value, fires, stay)
        for *words, value, fires, stay in told.sort(names).iter_rows()
        for labels in (tuple(zip(names, words, strict=True)),)
    }
