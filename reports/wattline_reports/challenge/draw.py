"""Which items each entrant gets: drawn by the digest of all commitments, as nobody chose them.

The organiser commits to the items before it knows who enters; entrants enter before they know what
stands behind an index. So neither can steer the draw to items that suit.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from wattline_reports.challenge.commitment import hashed
from wattline_reports.exchange import canonical


def seed(commit: str, entries: Mapping[str, str]) -> str:
    """What the draw is made of.

    Args:
        commit: Digest of the organiser's commitment.
        entries: Digest of each entry that came in time, by entrant.
    """
    return hashed("seed", canonical.dumps({"commit": commit, "entries": dict(entries)}))


def drawn(seed: str, entrant: str, count: int, take: int) -> tuple[int, ...]:
    """The items of one entrant, in order: those whose digests come first.

    Args:
        seed: As above.
        entrant: Whose.
        count: How many items there are.
        take: How many it gets.
    """
    order = (
        (hashed("draw", bytes.fromhex(seed), index.to_bytes(8, "big"), entrant.encode()), index)
        for index in range(count)
    )
    return tuple(sorted(index for _, index in heapq.nsmallest(take, order)))
