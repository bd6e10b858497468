"""A challenge, checked from its directory and the ring of public keys alone.

What the organiser did wrong refuses the challenge. What an entrant did wrong refuses that entrant:
the others cannot be made to pay for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from wattline_reports.challenge import draw, entrants, files, flags, opening, ranks, receipts
from wattline_reports.challenge.documents import Document, Kind, parse
from wattline_reports.challenge.documents import verify as verify_document
from wattline_reports.challenge.entrants import Contest, Judged, Submitted
from wattline_reports.challenge.files import Files
from wattline_reports.challenge.flags import Flag
from wattline_reports.challenge.opening import Opened
from wattline_reports.challenge.rules import Rules, rules_of
from wattline_reports.exchange.keys import Ring
from wattline_reports.exchange.refused import Reason, Refused

_SAME = 1e-9
"""Figures that two machines compute may differ in their last digits."""
_SHARES = ("gap", "delta", "spread")
"""Differences, near 0 where all is well: there the last digits are all there is."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """An entrant and what became of it.

    Attributes:
        id: Which factory.
        entry: What it registered; None where that is what it was refused for.
        given: The items drawn for it.
        submitted: What it committed to; None: nothing yet.
        judged: What it came to; None: not revealed yet, or refused.
        refused: Why it is out; None: it stands.
        points: In the ranking; None: not known.
        rank: The same.
    """

    id: str
    entry: Document | None = None
    given: tuple[int, ...] = ()
    submitted: Submitted | None = None
    judged: Judged | None = None
    refused: Refused | None = None
    points: float | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a challenge's directory proves.

    Attributes:
        commit: The organiser's commitment.
        rules: Its rules.
        seed: Of the draw; None: entries are still open.
        entrants: By id, in order.
        opened: What the specification and the items tell; None: not shown yet.
        scores: The published scores, which follow from the rest; None: none are published.
        ignored: Files of second sites that count for nothing, and why.
    """

    commit: Document
    rules: Rules
    seed: str | None
    entrants: Mapping[str, Entrant]
    opened: Opened | None
    scores: Document | None
    ignored: tuple[Refused, ...]

    @property
    def is_opened(self) -> bool:
        """Whether specification and items are shown, and hold."""
        return self.opened is not None


def verify(told: Files, ring: Ring, now: datetime, path: object = "challenge") -> Verdict:
    """Check a challenge as far as it has come.

    Args:
        told: Its files, as `files.read` gives them.
        ring: Public keys.
        now: The reader's time: what is due and not there is refused after it was due.
        path: Where it lies, for errors.

    Raises:
        Refused: The organiser's part does not hold.
    """
    contest = contest_of(told, ring, now, path)
    scores, shown = (
        contest.document(kind, name, contest.commit.author) if name in told else None
        for kind, name in ((Kind.SCORES, files.SCORES), (Kind.OPENING, files.OPENING))
    )
    # A reader's clock that is behind the documents does not make them early.
    newest = (scores, shown, contest.receipts.last)
    contest = replace(contest, now=max(now, *(one.at for one in newest if one is not None), now))
    found, seed = _entered(contest)
    found = _submitted(contest, found)
    opened = _opened(contest, shown, found)
    ignored: list[Refused] = []
    if opened is not None:
        found = _unique(contest, _judged(contest, found, opened, ignored))
        found = _ranked(contest.rules, found)
    verdict = Verdict(contest.commit, contest.rules, seed, found, opened, scores, tuple(ignored))
    if scores is not None:
        _check_scores(verdict, scores, path)
    return verdict


def scores_of(verdict: Verdict) -> dict[str, Any]:
    """What a verdict comes to, as it is published."""
    return {
        "commit": verdict.commit.digest,
        "entrants": [_score_of(one) for one in verdict.entrants.values()],
    }


def _score_of(one: Entrant) -> dict[str, Any]:
    judged = one.judged
    empty = dict.fromkeys(("score", "per_kwh", "per_euro", "per_peak_flop", "baseline"))
    return {
        "entrant": one.id,
        "rank": one.rank,
        "points": one.points,
        "measures": empty if judged is None else judged.measures.to_json(),
        "spread": None if judged is None else judged.spread,
        "gap": None if judged is None else judged.gap,
        "delta": None if judged is None else _widest(judged.deltas),
        "flags": [] if judged is None else [str(one.flag) for one in judged.flags],
        "refused": None if one.refused is None else one.refused.code.value,
    }


def _widest(deltas: Mapping[str, float]) -> float | None:
    return max((deltas[site] for site in sorted(deltas)), key=abs, default=None)


def contest_of(told: Files, ring: Ring, now: datetime, path: object) -> Contest:
    """A challenge's commitment, rules and receipts, verified; see `verify`.

    Raises:
        Refused: One of them does not hold.
    """
    for name in told:
        files.kind_of(name, path)
    if files.COMMIT not in told:
        raise Refused(Reason.MISSING_FILE, f"holds no {files.COMMIT}", path=path)
    where = f"{path}/{files.COMMIT}"
    commit = parse(told[files.COMMIT], Kind.COMMIT, where)
    verify_document(commit, ring, where)
    rules = rules_of(commit.body["rules"], commit.body["items"]["count"], where)
    if rules.id != commit.place.challenge:
        words = f"the rules are of {rules.id}, the commitment of {commit.place.challenge}"
        raise Refused(Reason.NAME, words, path=where, field="rules.id")
    if commit.at > rules.times.enter_by:
        raise Refused(Reason.TIMES, "committed to after entries closed", path=where, field="at")
    contest = Contest(told, commit, rules, receipts.Receipts({}, None), ring, now, path)
    chain = {
        int(parts[0]): contest.document(Kind.RECEIPT, name, commit.author)
        for parts, name in files.of_kind(told, Kind.RECEIPT, path).items()
    }
    came = receipts.chained(chain, commit, path)
    for name in came.came:
        files.kind_of(name, path)
    return replace(contest, receipts=came)


def _entered(contest: Contest) -> tuple[dict[str, Entrant], str | None]:
    due = contest.rules.times.enter_by
    digests: dict[str, str] = {}
    for name, came in contest.receipts.came.items():
        kind, parts = files.kind_of(name, contest.path)
        # The first that came: another under the same name cannot change the draw.
        digest, at = next(iter(came.items()))
        if kind is Kind.ENTRY and at <= due:
            digests[parts[0]] = digest
    closed = contest.now > due
    seed = draw.seed(contest.commit.digest, digests) if closed else None
    count, take = contest.commit.body["items"]["count"], contest.rules.draw
    found = {}
    for id in _everybody(contest):
        one = Entrant(id)
        if seed is not None and id in digests:
            one = replace(one, given=draw.drawn(seed, id, count, take))
        try:
            one = replace(one, entry=entrants.entry_of(contest, id))
        except Refused as refused:
            one = replace(one, refused=refused)
        found[id] = one
    return found, seed


def _everybody(contest: Contest) -> list[str]:
    kinds = (Kind.ENTRY, Kind.SUBMISSION, Kind.REVEAL)
    found = set()
    for name in {*contest.files, *contest.receipts.came}:
        kind, parts = files.kind_of(name, contest.path)
        if kind in kinds:
            found.add(parts[0])
    return sorted(found)


def _submitted(contest: Contest, found: dict[str, Entrant]) -> dict[str, Entrant]:
    told: dict[str, Entrant] = {}
    for id, one in found.items():
        if one.entry is not None:
            try:
                one = replace(one, submitted=entrants.submission_of(contest, id, one.entry))
            except Refused as refused:
                one = replace(one, refused=refused)
        told[id] = one
    return told


def _unique(contest: Contest, found: dict[str, Entrant]) -> dict[str, Entrant]:
    handed = {id: one.submitted for id, one in found.items() if one.submitted is not None}
    openers = {id for id, one in found.items() if one.judged is not None}
    told = dict(found)
    for id, others in entrants.duplicates(handed, openers).items():
        words = f"handed in the same commitment, or nonce, as {', '.join(others)}"
        twice = contest.refused(Reason.DUPLICATE_COMMIT, words, id)
        told[id] = replace(told[id], refused=twice, judged=None)
    return told


def _opened(
    contest: Contest, shown: Document | None, found: Mapping[str, Entrant]
) -> Opened | None:
    if shown is None:
        if contest.now > contest.rules.times.reveal_by:
            words = "the organiser did not show what it committed to"
            raise contest.refused(Reason.NOT_REVEALED, words, "opening")
        return None
    needed = {item for one in found.values() for item in one.given}
    return opening.check(shown, contest.commit, contest.rules, needed, contest.path)


def _judged(
    contest: Contest, found: Mapping[str, Entrant], opened: Opened, ignored: list[Refused]
) -> dict[str, Entrant]:
    sites: dict[str, list[str]] = {}
    for parts in files.of_kind(contest.files, Kind.RERUN, contest.path):
        sites.setdefault(parts[0], []).append(parts[1])
    told = {}
    for id, one in found.items():
        entry, submitted = one.entry, one.submitted
        if one.refused is None and entry is not None and submitted is not None:
            try:
                judged = entrants.judge(contest, id, entry, submitted, one.given, opened)
                if judged is not None:
                    deltas = _deltas(contest, id, sites.get(id, []), entry, judged, opened, ignored)
                    judged = replace(judged, deltas=deltas)
                    judged = replace(
                        judged, flags=_flags(contest, judged, opened, submitted.attempt)
                    )
                one = replace(one, judged=judged)
            except Refused as refused:
                one = replace(one, refused=refused)
        told[id] = one
    return told


def _deltas(
    contest: Contest, id: str, sites: list[str], entry: Document, judged: Judged, opened: Opened,
    ignored: list[Refused],
) -> dict[str, float]:  # fmt: skip
    deltas = {}
    for site in sites:
        try:
            deltas[site] = entrants.rerun_of(contest, id, site, entry, judged, opened)
        except Refused as refused:
            ignored.append(refused)
    return deltas


def _flags(
    contest: Contest, judged: Judged, opened: Opened, attempt: int
) -> tuple[flags.Raised, ...]:
    seen = flags.Looked(
        judged.secret, judged.public, judged.gap, judged.deltas, opened.canaries, attempt
    )
    found = flags.raised(contest.rules, seen)
    if contest.now <= contest.rules.times.rerun_by:
        # A second site has still time.
        found = [one for one in found if one.flag is not Flag.NOT_RERUN]
    return tuple(found)


def _ranked(rules: Rules, found: Mapping[str, Entrant]) -> dict[str, Entrant]:
    points = {
        id: ranks.points(rules, one.judged.measures)
        for id, one in found.items()
        if one.judged is not None
    }
    order = ranks.ranks(points, rules.tie)
    return {
        id: replace(one, points=points.get(id), rank=order.get(id)) for id, one in found.items()
    }


def _check_scores(verdict: Verdict, scores: Document, path: object) -> None:
    if scores.at < verdict.rules.times.rerun_by:
        words = "published before second sites were due"
        raise Refused(Reason.TIMES, words, path=path, field=files.SCORES)
    if not verdict.is_opened:
        words = "published without anything having been opened"
        raise Refused(Reason.SCORES, words, path=path, field=files.SCORES)
    ours = scores_of(verdict)
    theirs = {one["entrant"]: one for one in scores.body["entrants"]}
    if scores.body["commit"] != ours["commit"] or len(theirs) != len(scores.body["entrants"]):
        words = "are of another commitment, or name an entrant twice"
        raise Refused(Reason.SCORES, words, path=path, field=files.SCORES)
    for one in ours["entrants"]:
        if not _same(one, theirs.pop(one["entrant"], None)):
            words = "do not follow from what was revealed"
            raise Refused(
                Reason.SCORES, words, path=path, field=f"{files.SCORES}: {one['entrant']}"
            )
    if theirs:
        words = "name somebody who is no entrant"
        raise Refused(Reason.SCORES, words, path=path, field=files.SCORES)


def _same(one: Any, other: Any, is_share: bool = False) -> bool:
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(_same(value, other[name], name in _SHARES) for name, value in one.items())
        )
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=_SAME, abs_tol=_SAME if is_share else 0.0)
    return bool(one == other)
