"""Proving days, so that whoever looks at them later need not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wattline_collector.ledger.audit_days import EVER, Days
from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.chain import Chain, DaySeal
from wattline_collector.ledger.chain_audit import Followed, follow
from wattline_collector.ledger.day_seal import day_files


def sealed(books: Books, chain: Chain, days: Mapping[str, Sequence[Hour]]) -> list[DaySeal]:
    """Prove days of a system.

    Args:
        books: Whose.
        chain: The system's.
        days: Booked hours of days, by the day.

    Returns:
        What was found of those of which the chain tells nothing yet, or something that was before
        one of their hours was booked again.
    """
    every = [hour for hours in days.values() for hour in hours]
    trail = follow(chain, every)
    return [
        _sealed(books, trail, day, hours)
        for day, hours in sorted(days.items())
        if day not in trail.seals
    ]


def _sealed(books: Books, trail: Followed, day: str, hours: Sequence[Hour]) -> DaySeal:
    try:
        # Before it is proved: what somebody changes meanwhile is not what the line names.
        there = day_files(books, trail.system, day)
    except OSError:
        return DaySeal(day, None, None)
    proof = Days(books, {trail.system: trail}, EVER, trusts_trail=True)
    proof.examine([hours])
    holds = not proof.findings and there.hours == trail.digests_of(day)
    return DaySeal(day, there.files, there.cuts) if holds else DaySeal(day, None, None)
