"""Digests of all files that the books have of a day.

When the hours of a day have all settled, the day is proved and the digests enter the audit trail.
Whoever proves the books later need not take apart what still has them: not a byte of it differs
from what was proved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wattline_collector.ledger.books import Books, hours_of, sha256
from wattline_collector.ledger.schema import CUTS, ENTRIES


@dataclass(frozen=True, slots=True)
class DayFiles:
    """What the books have of a day.

    Attributes:
        files: SHA-256, in hex, of the names and digests of its files, but for those of cuts.
        cuts: The same of those: an hour's cuts may become known long after it was booked.
        hours: Digests of control and latencies (None where it has none) of each of its hours, by
            the hour's start in ms.
    """

    files: str
    cuts: str
    hours: Mapping[int, tuple[str, str | None]]


def day_files(books: Books, system: str, day: str) -> DayFiles:
    """Look at a day's files.

    Args:
        books: Whose.
        system: Of which system.
        day: Of which UTC day, `2026-11-01`.

    Raises:
        OSError: One cannot be read.
    """
    files, cuts = hashlib.sha256(), hashlib.sha256()
    hours: dict[int, tuple[str, str | None]] = {}
    for number, hour in enumerate(hours_of(system, day)):
        for table in ENTRIES:
            _add(files, f"{table} {number}", books.place(table, hour))
        latency = _add(files, f"latency {number}", books.place("latency", hour))
        control = _add(files, f"control {number}", books.place("control", hour))
        if control is not None:
            hours[hour.start_ms] = control, latency
    for table in ENTRIES:
        _add(files, table, books.day_path(table, system, day))
    for table in CUTS:
        _add(cuts, table, books.cuts_path(table, system, day))
    return DayFiles(files.hexdigest(), cuts.hexdigest(), hours)


def _add(made: hashlib._Hash, name: str, place: str | Path) -> str | None:
    """Add a file; returns its digest, or None where it is not there."""
    try:
        digest = sha256(place)
    except FileNotFoundError:
        return None
    made.update(f"{name} {digest}\n".encode())
    return digest
