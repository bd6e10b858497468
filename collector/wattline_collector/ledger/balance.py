"""The invariants of the books, from control alone: seconds, joules and tokens (design 9)."""

from __future__ import annotations

import polars as pl

from wattline_collector.ledger.books import Hour
from wattline_collector.ledger.finding import Finding

JOULES = 1.0
"""Joules that may be missing per device and hour: more than rounding, less than any sample."""

SHARE = 1e-9
"""Part of large sums that floating point may lose."""

_MS = pl.col("duration_ms") - pl.col("expected_ms")
_J = pl.col("energy_joules").fill_null(0) - pl.col("metered_joules").fill_null(0)
_T = pl.col("tokens").fill_null(0) - pl.col("metered_tokens").fill_null(0)

COLUMNS = (
    "duration_ms", "expected_ms", "energy_joules", "metered_joules", "tokens", "metered_tokens",
)  # fmt: skip
"""What `off_balance` looks at."""


def off_balance() -> pl.Expr:
    """Whether a row of `schema.CONTROL` says that something does not balance."""
    # A node's time is shared over its devices in fractions; a device's is whole.
    seconds = _MS.abs() >= 0.5
    joules = _J.abs() > pl.max_horizontal(
        pl.lit(JOULES), SHARE * pl.col("metered_joules").fill_null(0).abs()
    )
    return seconds | joules | (_T != 0)


def unbalanced(control: pl.DataFrame) -> list[Finding]:
    """What does not balance, by hour and by device, node or job.

    Args:
        control: `schema.CONTROL`.
    """
    lacking = control.filter(off_balance()).with_columns(
        _MS.alias("ms"), _J.alias("j"), _T.alias("t")
    )
    findings = []
    for row in lacking.sort("hour", "key").iter_rows(named=True):
        problems = []
        if abs(row["ms"]) >= 0.5:
            problems.append(
                f"{row['duration_ms'] / 1000:,.3f} s booked, {row['expected_ms'] / 1000:,.3f} s "
                "installed"
            )
        if abs(row["j"]) > JOULES:
            problems.append(
                f"{row['energy_joules'] or 0:,.1f} J booked, {row['metered_joules'] or 0:,.1f} J "
                "metered"
            )
        if row["t"]:
            problems.append(f"{row['t']:+,d} tokens against the counters")
        hour = Hour(row["system"], round(row["hour"].timestamp() * 1000))
        findings.append(Finding(str(hour), f"{row['kind']} {row['key']}", "; ".join(problems)))
    return findings
