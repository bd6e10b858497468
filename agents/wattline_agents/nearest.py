"""The name that was probably meant, for messages about one that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def instead(word: str, known: Iterable[str]) -> str:
    """How a message about an unknown `word` goes on: the nearest known one, or all there are.

    Returns:
        `did you mean 'host'?` or `there are host, nvml`.
    """
    # Only a mistake pays for the search.
    from difflib import get_close_matches

    names = list(known)
    # What people mistype, beside letters, is the case and which of - and _ it was.
    plain = {name.lower().replace("_", "-"): name for name in names}
    close = get_close_matches(word[:80].lower().replace("_", "-"), plain, n=1, cutoff=0.6)
    if close:
        return f"did you mean {plain[close[0]]!r}?"
    return f"there are {', '.join(names)}" if names else "there are none"
