"""A verdict in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from wattline_reports.challenge.documents import written
from wattline_reports.challenge.verify import Entrant, Verdict

_UNKNOWN = "–"  # noqa: RUF001


def page(verdict: Verdict) -> str:
    """What a challenge's directory proves, and what it came to."""
    rules, times = verdict.rules, verdict.rules.times
    lines = [
        f"{_plain(rules.title)} ({rules.id}, season {verdict.commit.place.season})",
        f"  organiser   {verdict.commit.author}, committed at {written(verdict.commit.at)}",
        f"  times       entries {written(times.enter_by)}, submissions {written(times.submit_by)},",
        f"              reveals {written(times.reveal_by)}, reruns {written(times.rerun_by)}",
        f"  items       {verdict.commit.body['items']['count']}, {rules.draw} for each entrant",
        f"  state       {_state(verdict)}",
    ]
    lines += _table(verdict)
    lines += [f"  left out    {refused}" for refused in verdict.ignored]
    return "\n".join(lines)


def _state(verdict: Verdict) -> str:
    if verdict.scores is not None:
        return "scores published, and they follow from what was revealed"
    if verdict.is_opened:
        return "opened; all that is shown is what was committed to"
    if verdict.seed is not None:
        return "items drawn; nothing is opened yet"
    return "entries are open"


def _table(verdict: Verdict) -> Iterator[str]:
    rules = verdict.rules
    if not verdict.entrants:
        yield "  nobody entered yet"
        return
    yield (
        f"  {'rank':>4} {'entrant':<20}{f'score, {rules.unit}':>16}{'per kWh':>12}{'per EUR':>12}"
        f"{'per peak FLOP':>15}{'/ baseline':>12}"
    )
    ordered = sorted(
        verdict.entrants.values(), key=lambda one: (one.rank is None, one.rank or 0, one.id)
    )
    for one in ordered:
        yield from _row(one)


def _row(one: Entrant) -> Iterator[str]:
    rank = _UNKNOWN if one.rank is None else str(one.rank)
    if one.refused is not None:
        yield f"  {_UNKNOWN:>4} {one.id:<20}refused: {one.refused}"
        return
    if one.judged is None:
        said = "entered" if one.submitted is None else "submitted, not revealed yet"
        yield f"  {_UNKNOWN:>4} {one.id:<20}{said}"
        return
    told = one.judged.measures
    yield (
        f"  {rank:>4} {one.id:<20}{_number(told.score):>16}{_number(told.per_kwh):>12}"
        f"{_number(told.per_euro):>12}{_number(told.per_peak_flop):>15}{_number(told.baseline):>12}"
    )
    if one.points is None:
        yield "       not ranked: a measure that the rules weigh is not known"
    for flag in one.judged.flags:
        yield f"       look at {flag.flag}: {flag.words}"


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.4g}"


def _plain(text: str) -> str:
    """Text of others without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
