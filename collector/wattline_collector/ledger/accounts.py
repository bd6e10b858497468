"""The accounts of the ledger: where a device's second, and its joules, went.

Every device-second is in exactly one. The order is the order of the waterfall, from work to
nothing known, and every page, report and table keeps it.
"""

from __future__ import annotations

from enum import StrEnum


class Account(StrEnum):
    """Where a second went."""

    BUSY = "busy"
    SLOWED = "slowed"
    HELD = "held"
    LOST = "lost"
    UNMEASURED = "unmeasured"
    FREE = "free"
    MAINTENANCE = "maintenance"
    DOWN = "down"
    UNOBSERVED = "unobserved"


MEANING = {
    Account.BUSY: "assigned and working",
    Account.SLOWED: "assigned, working, and held back by heat, the power cap or the power brake",
    Account.HELD: "assigned, and no work for longer than the grace time",
    Account.LOST: "worked, and the work was thrown away",
    Account.UNMEASURED: "assigned, and its activity was not measured",
    Account.FREE: "healthy and not assigned",
    Account.MAINTENANCE: "inside a scheduled outage",
    Account.DOWN: "lost or failed, or its node is",
    Account.UNOBSERVED: "no evidence of any kind",
}

WORKING = (Account.BUSY, Account.SLOWED)
ASSIGNED = (*WORKING, Account.HELD, Account.LOST, Account.UNMEASURED)
OFFERED = (*ASSIGNED, Account.FREE)
"""Usable time: what a job held or could have held."""
