"""What a report lacks, for its first page: figures without a value, thin ones, what to do."""

from __future__ import annotations

from collections.abc import Iterable

from wattline_collector.kpi.figure import Status
from wattline_reports.document import Missing
from wattline_reports.quoted import COMFORT, Quoted, clean, percent, why
from wattline_reports.words import count_of, sentence

MOST = 12
"""Lines of the first page; more would push the report's own answer off it."""


def missing(figures: Iterable[Quoted], notes: Iterable[str] = ()) -> tuple[Missing, ...]:
    """Everything a reader could take for granted and that is not there.

    Figures with the same reason stand together.

    Args:
        figures: All figures that the report should have.
        notes: What else its reader must know, and gaps, each with the next step.
    """
    unknown: dict[tuple[str, str], dict[str, None]] = {}
    thin: dict[str, dict[str, None]] = {}
    for one in figures:
        name = one.kpi or clean(one.figure.name)
        if one.value is None:
            word = "withheld" if one.figure.status is Status.WITHHELD else "not known"
            unknown.setdefault((word, why(one)), {})[name] = None
        elif one.figure.coverage is not None and one.figure.coverage < COMFORT:
            thin.setdefault(percent(one.figure.coverage), {})[name] = None
    found = [
        Missing(", ".join(names), _once(word, sentence(reason)))
        for (word, reason), names in unknown.items()
    ]
    found += [
        Missing(
            ", ".join(names),
            f"observed for {share} of the time {'it' if len(names) == 1 else 'they'} should rest "
            "on; the rest is not known, and not counted as zero.",
        )
        for share, names in thin.items()
    ]
    found += [Missing("", sentence(clean(note))) for note in notes]
    return tuple(found)


def _once(word: str, reason: str) -> str:
    return reason if reason.lower().startswith(word) else f"{word}. {reason}"


def first(items: tuple[Missing, ...], section: str, most: int = MOST) -> tuple[Missing, ...]:
    """As many as the first page holds, and where the others stand.

    Args:
        items: All of them.
        section: The title of the section that lists all.
        most: How many lines there may be.
    """
    if len(items) <= most:
        return items
    more = count_of(len(items) - most + 1, "more thing")
    return (*items[: most - 1], Missing("", f"{more}: see “{section}”."))
