"""What the figures ask a board to decide: rules over targets, limits and what is not known.

The rules are fixed and few, so that two factories' reviews ask alike; none of them guesses at a
cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from wattline_collector.palette import format_value
from wattline_reports.quoted import COMFORT, Quoted, percent, said, why, written
from wattline_reports.review.access import limit_of
from wattline_reports.review.figures import Book
from wattline_reports.review.finance import over
from wattline_reports.words import listed, sentence, tied

DECISIONS = 3
_LAW, _PROMISE, _AIM, _TRUST, _UNKNOWN = range(5)
_NOTICE = 0.75
"""Part of the commercial limit from which on it is a risk: 15 of 20 per cent."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that the figures show and that somebody has to decide on.

    Attributes:
        rank: Limits of the law first, then what was promised, aimed at, how far the figures can be
            trusted, and what is not known.
        what: A few words.
        text: What it is, as a sentence.
        decide: What to decide, as a sentence.
    """

    rank: int
    what: str
    text: str
    decide: str


def concerns(book: Book) -> tuple[Concern, ...]:
    """Everything that a rule finds, the gravest first."""
    found = [*_limits(book), *_aims(book), *_trust(book), *_unknown(book)]
    return tuple(sorted(found, key=lambda one: one.rank))


def _limits(book: Book) -> list[Concern]:
    found = []
    for one in book.quote("I04"):
        limit = limit_of(book, one) * 100
        if one.value is None or one.value < limit * _NOTICE:
            continue
        is_over = one.value > limit * (1 + 1e-9)
        found.append(
            Concern(
                _LAW if is_over else _AIM,
                "Commercial use.",
                sentence(
                    f"it took {said(one)} of the Union\u2019s total time, "
                    f"{'over' if is_over else 'near'} the {percent(limit / 100)} of Article 18(3)"
                ),
                "Decide how commercial access is brought back under its limit, and by when."
                if is_over
                else "Decide whether further commercial access is granted before the period ends.",
            )
        )
    for one in book.quote("U04"):
        if one.value is not None and one.value > 100 * (1 + 1e-9):
            found.append(
                Concern(
                    _PROMISE,
                    "Union share.",
                    sentence(f"the Union used {said(one)} of the share it is entitled to"),
                    "Decide how the time beyond the share is settled between the owners.",
                )
            )
    found += [
        Concern(
            _LAW,
            "The Union\u2019s part.",
            sentence(f"{one.figure.dims.get('figure', '').replace('_', ' ')} is {written(one)}, "
                     "over its ceiling"),
            "Decide how the Union\u2019s part is brought back under its ceiling.",
        )
        for one in book.quote("I12")
        if over(book, one)
    ]  # fmt: skip
    return found


def _aims(book: Book) -> list[Concern]:
    found = []
    for id, aim in book.beside.aims.items():
        one = next(iter(book.quote(id)), None)
        if one is None or one.value is None:
            continue
        broken, missed = aim.kept(one.value) is False, aim.met(one.value) is False
        if not broken and not missed:
            continue
        level = aim.threshold if broken else aim.value
        found.append(
            Concern(
                _PROMISE if broken else _AIM,
                f"{book.name(id)} ({id}).",
                sentence(
                    f"it is {said(one)}, and "
                    f"{tied(format_value(level, one.figure.unit))} "
                    f"{'was promised' if broken else 'is aimed at'}"
                ),
                f"Decide what is done so that {id} reaches its "
                f"{'threshold' if broken else 'target'}, or set another.",
            )
        )
    return found


def _trust(book: Book) -> list[Concern]:
    found = []
    if not book.source.balanced:
        found.append(
            Concern(_LAW, "The books.", "They do not balance, so no figure can be relied on.",
                    "Decide who explains the differences that “wattline audit” names.")
        )  # fmt: skip
    for one in book.quote("Q03"):
        if one.value is not None and one.value < COMFORT * 100:
            found.append(
                Concern(
                    _TRUST,
                    "Data quality.",
                    sentence(f"only {said(one)} of the expected samples arrived (Q03)"),
                    "Decide who brings the nodes that report too little back to reporting.",
                )
            )
    return found


def _unknown(book: Book) -> list[Concern]:
    blank: list[tuple[str, Quoted]] = [
        (why(one), one)
        for id in book.board
        if (one := book.headline(id)) is not None and one.value is None and one.kpi
    ]
    blank.sort(key=lambda pair: pair[0])
    found = []
    for reason, group in groupby(blank, key=lambda pair: pair[0]):
        ids = listed([one.kpi for _, one in group])
        found.append(
            Concern(
                _UNKNOWN,
                f"{ids}.",
                sentence(f"not known: {reason}"),
                f"Decide who provides what {ids} lacks.",
            )
        )
    return found
