"""Slurm's words for what a job is doing, as the catalogue's."""

from __future__ import annotations

import polars as pl

_WORDS = {
    "pending": ("PD", "PENDING", "RQ_HOLD", "RH", "REQUEUE_HOLD", "RF", "REQUEUE_FED",
                "SE", "SPECIAL_EXIT", "RD", "RESV_DEL_HOLD"),
    # Nodes that boot, epilogs that run and files that are staged out: it holds its resources.
    "running": ("R", "RUNNING", "CF", "CONFIGURING", "CG", "COMPLETING", "RS", "RESIZING",
                "SI", "SIGNALING", "SO", "STAGE_OUT", "EXPEDITING", "POWER_UP_NODE"),
    "suspended": ("S", "SUSPENDED", "ST", "STOPPED"),
    "completed": ("CD", "COMPLETED"),
    "failed": ("F", "FAILED", "LAUNCH_FAILED", "RECONFIG_FAIL"),
    "cancelled": ("CA", "CANCELLED", "RV", "REVOKED"),
    "timeout": ("TO", "TIMEOUT"),
    "out_of_memory": ("OOM", "OUT_OF_MEMORY"),
    "node_fail": ("NF", "NODE_FAIL"),
    "preempted": ("PR", "PREEMPTED"),
    "deadline": ("DL", "DEADLINE"),
    "boot_fail": ("BF", "BOOT_FAIL"),
    "requeued": ("RQ", "REQUEUED"),
}  # fmt: skip
STATES = {word: state for state, words in _WORDS.items() for word in words}

ENDED = frozenset(_WORDS) - {"pending", "running", "suspended"}
"""States after which a job under the same key does nothing more."""


def state(column: str) -> pl.Expr:
    """A column of states; null for a word that is not known.

    Args:
        column: A word or its short form; what follows it (`CANCELLED by 1001`, further words of a
            list after a comma) is left out.
    """
    first = pl.col(column).str.extract(r"\A\s*([A-Za-z_]+)").str.to_uppercase()
    return first.replace_strict(STATES, default=None, return_dtype=pl.String)
