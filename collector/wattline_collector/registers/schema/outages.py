"""Outages: when a system, or a part of it, was not there for its users."""

from __future__ import annotations

from wattline_collector.registers.declare import (
    Column,
    Kind,
    Malformed,
    Register,
    Values,
    in_order,
)

SCOPES = ("system", "partition", "rack", "node")
CAUSES = (
    "power",
    "cooling",
    "network",
    "storage",
    "compute_hardware",
    "system_software",
    "user_software",
    "security",
    "site",
    "human_error",
    "upgrade",
    "preventive",
    "other",
    "unknown",
)
"""What was at fault, or what the work was for."""


def _finish(values: Values) -> Values:
    in_order(values, "start", "end")
    if values["scope"] != "system" and values["name"] is None:
        raise Malformed("name", f"missing: which {values['scope']} was it?")
    if values["scope"] == "system" and values["name"] is not None:
        raise Malformed("name", "an outage of the whole system has none; leave it empty")
    return values


OUTAGES = Register(
    "outages",
    "A time in which a system, partition, rack or node could not be used.",
    (
        Column("system", Kind.NAME, "The system it was of; empty: all."),
        Column("scope", Kind.WORD, "What was out.", "partition", required=True, words=SCOPES),
        Column(
            "name", Kind.NAME, "Which partition, rack or node; empty for the whole system.",
            "booster",
        ),
        Column("start", Kind.TIME, "When it began.", "2026-03-03T08:00+01:00", required=True),
        Column(
            "end", Kind.TIME, "When it was over; empty: it still is.", "2026-03-03T17:30+01:00",
            closes=True,
        ),
        Column(
            "scheduled", Kind.FLAG, "Whether users were told in time, as agreed with them.",
            "yes", required=True,
        ),
        Column("cause", Kind.WORD, "What was at fault.", "preventive", words=CAUSES),
        Column("text", Kind.TEXT, "What happened, in a line.", "Firmware of the cooling units"),
    ),
    key=("system", "scope", "name", "start_ms"),
    finish=_finish,
)  # fmt: skip
