"""States of nodes that take them out of production, with the reason someone gave.

From `sacctmgr show event`, whose intervals slurmdbd keeps, or from a list of nodes (`sinfo`,
slurmrestd), which tells only what is so now.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from wattline_agents.catalogue import NODE_STATE
from wattline_collector.jobs.accounts import Damage
from wattline_collector.jobs.slurm_json import NodeSaid
from wattline_collector.jobs.text import said, shown
from wattline_collector.jobs.times import moment, told
from wattline_collector.receive.check import AHEAD_MS, EARLIEST_MS

FIELDS = ("NodeName", "Start", "End", "State", "Reason")
"""What is asked of `sacctmgr show event`, the reason last: it is free text."""

STATES = ("down", "fail", "drain", "maint")
"""The worst first: a node that is down and drained is down."""
_WORDS = {
    "down": ("DOWN", "ERROR", "POWERED_DOWN_FAILED"),
    "fail": ("FAIL", "FAILING", "FAILG"),
    "drain": ("DRAIN", "DRAINED", "DRAINING", "DRNG"),
    "maint": ("MAINT", "MAINTENANCE"),
}
_OF = {word: state for state, words in _WORDS.items() for word in words}
_ROWS = [name for name in NODE_STATE.columns]


def state_of(text: str) -> str | None:
    """The state a composite word such as `DOWN*+DRAIN` or `IDLE$` comes to; None: in production.

    What stands behind a word is a flag: `*` does not answer, `$` in a maintenance reservation, the
    others are about power and booting.
    """
    found = set()
    for part in text.upper().split("+"):
        word = part.strip()
        found.add(_OF.get(word.rstrip("*~#!%$@^-")))
        if word.endswith("$"):
            found.add("maint")
    return next((state for state in STATES if state in found), None)


def events(records: pl.DataFrame, zone: str, now_ms: int) -> tuple[pl.DataFrame, list[Damage]]:
    """Rows of table `node_state` from the answer of `sacctmgr show event`.

    Args:
        records: `NodeName`, `Start`, `End`, `State`, `Reason` as text, and `line`.
        zone: Of its times.
        now_ms: When it was asked.

    Returns:
        The rows, stated at `now_ms` where the state goes on and else at its end; and records set
        aside. Events of the cluster as a whole, which name no node, are left out.
    """
    words = records["State"].unique().drop_nulls().to_list()
    known = {word: state_of(word) for word in words}
    typed = records.filter(said("NodeName").is_not_null()).select(
        "line",
        said("NodeName").alias("host"),
        pl.col("State").replace_strict(known, default=None, return_dtype=pl.String).alias("state"),
        shown(said("Reason")).alias("reason"),
        moment("Start", zone).alias("start_unix_ms"),
        moment("End", zone).alias("end_unix_ms"),
        (told("End") & moment("End", zone).is_null()).alias("no_end"),
    )
    start, end = pl.col("start_unix_ms"), pl.col("end_unix_ms")
    field = (
        pl.when(~pl.col("host").str.contains(r"\A[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}\z"))
        .then(pl.lit("NodeName"))
        .when(start.is_null() | ~start.is_between(EARLIEST_MS, now_ms + AHEAD_MS))
        .then(pl.lit("Start"))
        .when(pl.col("no_end") | (end < start) | (end > now_ms + AHEAD_MS))
        .then(pl.lit("End"))
    )
    checked = typed.filter(pl.col("state").is_not_null()).with_columns(field.alias("field"))
    bad = checked.filter(pl.col("field").is_not_null()).select("line", "field")
    good = checked.filter(pl.col("field").is_null()).with_columns(
        pl.coalesce("end_unix_ms", pl.lit(now_ms)).alias("time_unix_ms")
    )
    return good.select(_ROWS), [
        Damage(line, name, "is not what it should be") for line, name in bad.iter_rows()
    ]


def nodes_now(nodes: Iterable[NodeSaid], now_ms: int) -> pl.DataFrame:
    """Rows of table `node_state` from a list of nodes as they are now.

    Only states whose beginning is told are taken: an interval needs one.
    """
    rows = [
        (now_ms, node.host, state, node.reason, node.since_ms)
        for node in nodes
        if (state := state_of(node.state)) is not None
        and node.since_ms is not None
        and EARLIEST_MS <= node.since_ms <= now_ms + AHEAD_MS
    ]
    schema = {
        "time_unix_ms": pl.Int64, "host": pl.String, "state": pl.String, "reason": pl.String,
        "start_unix_ms": pl.Int64,
    }  # fmt: skip
    return (
        pl.DataFrame(rows, schema, orient="row")
        .with_columns(
            shown(pl.col("host")), shown(pl.col("reason")), end_unix_ms=pl.lit(None, pl.Int64)
        )
        .select(_ROWS)
    )
