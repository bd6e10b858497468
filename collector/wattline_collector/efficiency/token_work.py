"""How many operations one token of a job's model takes, for one job and for many."""

from __future__ import annotations

from typing import Any

import polars as pl

from wattline_agents.job.model import ModelFacts
from wattline_collector.efficiency.evidence import Facts

_STATED = ("parameters", "parameters_active", "layers", "heads", "head_dimension",
           "sequence_length")  # fmt: skip
_KEY = ["system", "job"]
TOLD_NO_FORMULA = "formula not told"


def per_token(model: Facts, kind: str | None) -> tuple[float | None, str]:
    """Operations of one token and how they were counted; by the facts if nobody counted them.

    Args:
        model: A row of `records.MODELS`.
        kind: What the job makes: training, inference or other.

    Returns:
        FLOP and the formula's name; None where the model's size is not known.
    """
    if model.get("flops_per_token"):
        return float(model["flops_per_token"]), model.get("formula") or TOLD_NO_FORMULA
    stated: dict[str, Any] = {name: model.get(name) for name in _STATED}
    try:
        facts = ModelFacts(**stated)
    except ValueError:
        return None, ""  # what a job says of its model need not make sense
    kind = kind or "other"
    return facts.flops_per_token(kind), facts.formula_of(kind) or ""


def per_token_of(models: pl.DataFrame, kinds: pl.DataFrame) -> pl.DataFrame:
    """The same of many jobs; each different model is looked at once.

    Args:
        models: `records.MODELS`.
        kinds: `system`, `job`, `kind`.

    Returns:
        `system`, `job`, `model`, `dtype`, `each` (FLOP of a token, null: not known), `formula`.
    """
    asked = [*_STATED, "flops_per_token", "formula", "kind"]
    known = models.join(kinds.select(*_KEY, "kind"), on=_KEY, how="left")
    different = known.select(asked).unique()
    found = [per_token(row, row["kind"]) for row in different.iter_rows(named=True)]
    worked = different.with_columns(
        pl.Series("each", [each for each, _ in found], dtype=pl.Float64),
        pl.Series("told", [formula for _, formula in found], dtype=pl.String),
    )
    return known.join(worked, on=asked, nulls_equal=True).select(
        *_KEY, "model", "dtype", "each", pl.col("told").alias("formula")
    )
