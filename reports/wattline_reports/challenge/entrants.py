"""One entrant's way: entry, submission, reveal, runs; each held against the rules."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from wattline_reports.challenge import commitment, flags, measures, runs
from wattline_reports.challenge.commitment import Commitment, What
from wattline_reports.challenge.documents import Document, Kind, Place, parse, verify
from wattline_reports.challenge.files import Files
from wattline_reports.challenge.measures import Measures
from wattline_reports.challenge.opening import Opened
from wattline_reports.challenge.receipts import Receipts
from wattline_reports.challenge.rules import ATTEMPTS, LEVELS, Rules
from wattline_reports.challenge.runs import Series
from wattline_reports.exchange.keys import Ring
from wattline_reports.exchange.refused import Reason, Refused


@dataclass(frozen=True, slots=True)
class Contest:
    """What all entrants of a challenge share.

    Attributes:
        files: All documents.
        commit: The organiser's commitment.
        rules: Its rules.
        receipts: What came when.
        ring: Keys to verify with.
        now: Until when things may be missing.
        path: The challenge, for errors.
    """

    files: Files
    commit: Document
    rules: Rules
    receipts: Receipts
    ring: Ring
    now: datetime
    path: object

    @property
    def place(self) -> Place:
        """Which challenge."""
        return self.commit.place

    def document(self, kind: Kind, name: str, author: str | None = None) -> Document:
        """A document, read and verified.

        Raises:
            Refused: It is missing, or not what it must be.
        """
        where = f"{self.path}/{name}"
        if name not in self.files:
            raise Refused(Reason.MISSING_FILE, "is not there", path=where)
        found = parse(self.files[name], kind, where)
        verify(found, self.ring, where, place=self.place, author=author)
        if found.at < self.commit.at:
            # Nobody knew of the challenge: an old key could otherwise write into a new one.
            words = f"written at {found.at}, before the challenge was, at {self.commit.at}"
            raise Refused(Reason.TIMES, words, path=where, field="at")
        return found

    def refused(self, code: Reason, words: str, field: str) -> Refused:
        """A refusal of something in this challenge."""
        return Refused(code, words, path=self.path, field=field)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A commitment to a result that came in time.

    Attributes:
        document: It.
        received: When it came.
        attempt: 1, or 2 for the retry.
    """

    document: Document
    received: datetime
    attempt: int

    @property
    def commitment(self) -> Commitment:
        """What was committed to."""
        told = self.document.body["result"]
        return Commitment(told["digest"], told["nonce_digest"])


@dataclass(frozen=True, slots=True)
class Judged:
    """What an entrant's runs came to.

    Attributes:
        measures: Its figures.
        secret: Runs of each secret item.
        public: Runs of what is public; None: none were asked for.
        gap: By which share the public score is better; None: no public runs.
        deltas: By which share each second site is better, by site.
        flags: What to look at.
    """

    measures: Measures
    secret: tuple[Series, ...]
    public: Series | None
    gap: float | None
    deltas: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[flags.Raised, ...] = ()

    @property
    def spread(self) -> float | None:
        """The widest scatter over the runs of one item."""
        return max((one.spread for one in self.secret if one.spread is not None), default=None)


def entry_of(contest: Contest, entrant: str) -> Document:
    """An entrant's entry.

    Raises:
        Refused: It is missing, late, told twice, or not as the rules have it.
    """
    name = f"entries/{entrant}.json"
    entry = contest.document(Kind.ENTRY, name, entrant)
    contest.receipts.only(name, contest.path)
    received = contest.receipts.of(name, entry, contest.path)
    if entry.body["commit"] != contest.commit.digest:
        raise contest.refused(Reason.CHAIN, "enters another challenge", name)
    if received > contest.rules.times.enter_by:
        words = f"came at {received}; entries closed at {contest.rules.times.enter_by}"
        raise contest.refused(Reason.LATE, words, name)
    check_level(contest, entry.body["power_level"], name)
    return entry


def submission_of(contest: Contest, entrant: str, entry: Document) -> Submitted | None:
    """The newest submission that came in time; None: there may still come one.

    Raises:
        Refused: There is none and time is over, or there is one too many, or one is not right.
    """
    due = contest.rules.times.submit_by
    in_time: Submitted | None = None
    late: Refused | None = None
    for attempt, name in sorted(_attempts(contest, entrant)):
        if attempt > ATTEMPTS:
            words = f"submission {attempt}; there is one retry"
            raise contest.refused(Reason.RETRY, words, name)
        found = contest.document(Kind.SUBMISSION, name, entrant)
        contest.receipts.only(name, contest.path)
        received = contest.receipts.of(name, found, contest.path)
        if found.body["attempt"] != attempt or found.body["entry"] != entry.digest:
            raise contest.refused(Reason.CHAIN, "is of another entry, or attempt", name)
        if attempt > 1 and found.body["why"] is None:
            raise contest.refused(Reason.RETRY, "a retry without its reason", name)
        if received > due:
            words = f"came at {received}; submissions closed at {due}"
            late = contest.refused(Reason.LATE, words, name)
        else:
            in_time = Submitted(found, received, attempt)
    if in_time is not None:
        return in_time
    if late is not None:
        raise late
    if contest.now > due:
        raise contest.refused(Reason.NOT_REVEALED, "entered, and handed in nothing", entrant)
    return None


def duplicates(
    submitted: Mapping[str, Submitted], openers: AbstractSet[str]
) -> dict[str, tuple[str, ...]]:
    """Entrants whose commitment, or nonce, another handed in too; and those others.

    Whose it is, is not a matter of who was first: who sees a commitment on its way could hand in a
    copy before it. It is whose own name is in the result that opens it, and a copier has none such.
    Two who both open theirs knew each other's nonce.

    Args:
        submitted: What counts of each.
        openers: Who revealed a result that holds.
    """
    same: dict[str, list[str]] = {}
    for entrant, one in sorted(submitted.items()):
        for digest in {one.commitment.digest, one.commitment.nonce_digest}:
            same.setdefault(digest, []).append(entrant)
    found: dict[str, set[str]] = {}
    for group in same.values():
        owners = [entrant for entrant in group if entrant in openers]
        out = group if len(owners) > 1 else [one for one in group if owners and one not in owners]
        for entrant in out:
            if len(group) > 1:
                found.setdefault(entrant, set()).update(set(group) - {entrant})
    return {entrant: tuple(sorted(others)) for entrant, others in sorted(found.items())}


def judge(
    contest: Contest, entrant: str, entry: Document, one: Submitted, given: tuple[int, ...],
    opened: Opened,
) -> Judged | None:  # fmt: skip
    """What an entrant revealed, held against what it committed to and against the rules.

    Returns:
        What it came to; None: it may still be revealed.

    Raises:
        Refused: It is not revealed, late, another than committed to, or not by the rules.
    """
    name = f"reveals/{entrant}.json"
    rules, path = contest.rules, f"{contest.path}/{name}"
    if name not in contest.files and name not in contest.receipts.came:
        if contest.now <= rules.times.reveal_by:
            return None
        raise contest.refused(Reason.NOT_REVEALED, "handed in, and never revealed", entrant)
    reveal = contest.document(Kind.REVEAL, name, entrant)
    received = contest.receipts.of(name, reveal, contest.path)
    if received > rules.times.reveal_by:
        words = f"came at {received}; it was due at {rules.times.reveal_by}"
        raise contest.refused(Reason.LATE, words, name)
    if reveal.body["submission"] != one.document.digest:
        words = f"reveals another submission than the one that counts, {one.attempt}"
        raise contest.refused(Reason.CHAIN, words, name)
    result = reveal.body["result"]
    commitment.check(What.RESULT, one.commitment, result, bytes.fromhex(reveal.body["nonce"]), path)
    if result["entrant"] != entrant or result["commit"] != contest.commit.digest:
        raise contest.refused(Reason.CHAIN, "a result of another entrant, or challenge", name)
    told = runs.read(rules, result["runs"], rules.times.submit_by, path)
    check_given(told, given, path)
    secret = tuple(runs.series(rules, told, item, path) for item in given)
    public = runs.series(rules, told, None, path) if rules.public_runs else None
    if public is None and any(run.item is None for run in told):
        raise Refused(Reason.RULES, "public runs, which nobody asked for", path=path)
    body = entry.body
    found = measures.measured(
        rules, secret, opened.references, body["system"]["peak_flops"], body["baseline"]
    )
    gap = flags.gap_of(rules, found.score, public, opened.references)
    return Judged(found, secret, public, gap)


def rerun_of(
    contest: Contest, entrant: str, site: str, entry: Document, judged: Judged, opened: Opened
) -> float:
    """By which share a second site's figure is better than the entrant's, on the items it ran.

    Raises:
        Refused: It is not a second site's, not of these items, or not by the rules.
    """
    name = f"reruns/{entrant}.{site}.json"
    rules, path = contest.rules, f"{contest.path}/{name}"
    found = contest.document(Kind.RERUN, name, site)
    received = contest.receipts.of(name, found, contest.path)
    body = found.body
    if received > rules.times.rerun_by:
        words = f"came at {received}; it was due at {rules.times.rerun_by}"
        raise contest.refused(Reason.LATE, words, name)
    if body["commit"] != contest.commit.digest or body["entrant"] != entrant:
        raise contest.refused(Reason.CHAIN, "is of another entrant, or challenge", name)
    if site == entrant:
        raise contest.refused(Reason.RULES, "no second site: the entrant itself", name)
    if body["container"] != entry.body["container"]:
        raise contest.refused(Reason.RULES, "ran another container than was registered", name)
    check_level(contest, body["power_level"], name)
    told = runs.read(rules, body["runs"], rules.times.rerun_by, path)
    own = {one.item: one for one in judged.secret}
    if any(run.item is None for run in told):
        raise Refused(Reason.RULES, "runs of what is public: there is nothing to check", path=path)
    check_given(told, tuple(item for item in own if item is not None), path)
    again = [
        runs.series(rules, told, item, path) for item in own if item in {run.item for run in told}
    ]
    here = measures.measured(
        rules, [own[one.item] for one in again], opened.references,
        entry.body["system"]["peak_flops"], None,
    )  # fmt: skip
    there = measures.measured(rules, again, opened.references, body["system"]["peak_flops"], None)
    compared = rules.rerun_compares
    first, second = here.to_json()[compared], there.to_json()[compared]
    if first is None or second is None or not first or not second:
        words = f"{compared}, by which sites are compared, is not known of both"
        raise contest.refused(Reason.RULES, words, name)
    return measures.better(rules, compared, second, first)


def check_given(told: list[runs.Run], given: tuple[int, ...], path: object) -> None:
    """Check that no run is of an item that was not drawn for the entrant.

    Raises:
        Refused: One is.
    """
    for run in told:
        if run.item is not None and run.item not in given:
            words = f"of item {run.item}, which the entrant was not given"
            raise Refused(Reason.NOT_GIVEN, words, path=path, field=f"run {run.id}")


def check_level(contest: Contest, level: str, name: str) -> None:
    """Check that power is measured as well as the rules ask.

    Raises:
        Refused: It is not.
    """
    least = contest.rules.least_power_level
    if LEVELS.index(level) < LEVELS.index(least):
        words = f"power is measured at {level}; the rules ask for {least}"
        raise contest.refused(Reason.RULES, words, name)


def _attempts(contest: Contest, entrant: str) -> set[tuple[int, str]]:
    """Those there are and those that came: one that was taken away is missed."""
    start, found = f"submissions/{entrant}.", set()
    for name in {*contest.files, *contest.receipts.came}:
        if name.startswith(start):
            found.add((int(name.removeprefix(start).removesuffix(".json")), name))
    return found
