"""One row per job and one per state of a node, condensed from all that schedulers ever said.

A scheduler is asked again and again, and an archive repeats what was followed live. Of each job and
each state the newest statement of every value counts; what a statement leaves open takes nothing
away. Pure functions: what was known and what came in, to what is known now.
"""

from __future__ import annotations

import polars as pl

from wattline_agents.catalogue import ACCOUNTING, NODE_STATE, Table, Type

_TYPES: dict[Type, pl.DataType] = {
    Type.INT: pl.Int64(),
    Type.FLOAT: pl.Float64(),
    Type.TEXT: pl.String(),
}
_TIME = "time_unix_ms"


def _short(column: str) -> str:
    return column.removesuffix("_unix_ms") + "_ms" if column.endswith("_unix_ms") else column


def _condensed(table: Table) -> pl.Schema:
    columns = {_short(name): _TYPES[type] for name, type in table.columns.items() if name != _TIME}
    return pl.Schema({"system": pl.String(), **columns, "stated_ms": pl.Int64()})


ACCOUNTED = _condensed(ACCOUNTING)
"""One job: `system` and the columns of table `accounting`, their `_unix_ms` shortened to `_ms`;
`stated_ms` is when the newest statement of it was made. One row per `system` and `job`."""

NODE_STATES = _condensed(NODE_STATE)
"""One state of a node over one interval: as `ACCOUNTED`, of table `node_state`. One row per
`system`, `host`, `state` and `start_ms`; `end_ms` null: it lasted still when last stated."""


def merge_accounting(known: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add what schedulers said of jobs.

    Args:
        known: `ACCOUNTED`.
        rows: Rows of table `accounting` as the store gives them, in any order; columns that a
            sender left out may be missing.

    Returns:
        `ACCOUNTED`; what was said again stands at the end.
    """
    return _merge(known, rows, ACCOUNTED, ("system", "job"))


def merge_node_states(known: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add what schedulers said of nodes.

    Args:
        known: `NODE_STATES`.
        rows: Rows of table `node_state` as the store gives them.

    Returns:
        `NODE_STATES`; what was said again stands at the end.
    """
    return _merge(known, rows, NODE_STATES, ("system", "host", "start_ms", "state"))


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """The newest statement of every value of every job, of some columns only.

    Args:
        rows: `system`, `job`, `time_unix_ms` and any other columns of table `accounting`.

    Returns:
        The same columns as in `ACCOUNTED`, one row per system and job.
    """
    renamed = rows.rename({name: _short(name) for name in rows.columns if name != _TIME})
    columns = [name for name in renamed.columns if name != _TIME]
    schema = pl.Schema({name: type for name, type in ACCOUNTED.items() if name in columns}
                       | {"stated_ms": pl.Int64()})  # fmt: skip
    return _merge(schema.to_frame(), rows, schema, ("system", "job"))


def _merge(
    known: pl.DataFrame, rows: pl.DataFrame, schema: pl.Schema, key: tuple[str, ...]
) -> pl.DataFrame:
    if rows.is_empty():
        return known
    renamed = rows.rename({name: _short(name) for name in rows.columns if name != _TIME})
    said = pl.concat([schema.to_frame(), renamed.rename({_TIME: "stated_ms"}).select(
        pl.selectors.by_name(*schema.names(), require_all=False)
    )], how="diagonal").select(schema.names())  # fmt: skip
    # A year holds millions of jobs and an answer some hundreds: only those are gone through again,
    # and where none of them was known, what was known is not even copied.
    named = said.select(key).unique()
    again = known.join(named, on=key, how="semi")
    rest = [name for name in schema.names() if name not in (*key, "stated_ms")]
    newest = (
        pl.concat([again, said])
        .sort("stated_ms", nulls_last=False, maintain_order=True)
        .group_by(key, maintain_order=True)
        .agg(*(pl.col(name).drop_nulls().last() for name in rest), pl.col("stated_ms").max())
        .select(schema.names())
        .sort(key)
    )
    kept = known if again.is_empty() else known.join(named, on=key, how="anti")
    return pl.concat([kept, newest])
