"""Names that others chose, made fit to be shown."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: object, most: int = 80) -> str:
    """Text without anything that moves a cursor, colours, breaks a line or turns its direction.

    Args:
        text: What somebody called something.
        most: Characters of it that are kept; what is cut off is told by an ellipsis.
    """
    # Twice what is kept is looked at: a megabyte of name costs no more than a long one.
    head = str(text)[: 2 * most]
    kept = "".join(
        _REPLACEMENT if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" else char
        for char in head
    )
    kept = " ".join(kept.split())
    if len(kept) > most or len(str(text)) > len(head):
        return kept[: max(0, most - 1)] + ELLIPSIS
    return kept


def columns(text: str) -> int:
    """How many columns of a terminal the text takes: marks take none, wide letters two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def fitted(text: str, width: int) -> str:
    """Text cut to a number of columns; what is cut off is told by an ellipsis."""
    if columns(text) <= width:
        return text
    taken = 0
    for place, char in enumerate(text):
        taken += columns(char)
        if taken > width - 1:
            return text[:place] + ELLIPSIS
    return text
