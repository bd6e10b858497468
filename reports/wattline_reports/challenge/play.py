"""The moves of a challenge: each makes the next document of what is there.

Clock and randomness are passed in: the same of both gives the same bytes. A move that the verifier
would refuse is refused here, while it can still be put right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from wattline_reports.challenge import commitment, files, merkle, runs
from wattline_reports.challenge.commitment import NONCE_BYTES, What
from wattline_reports.challenge.documents import Document, Kind, Place, Signer, parse, write
from wattline_reports.challenge.documents import verify as verify_document
from wattline_reports.challenge.entrants import Contest, check_given
from wattline_reports.challenge.files import Files
from wattline_reports.challenge.opening import checked_items
from wattline_reports.challenge.rules import ATTEMPTS, Rules, rules_of
from wattline_reports.challenge.verify import Verdict, scores_of
from wattline_reports.exchange.keys import Ring
from wattline_reports.exchange.refused import Reason, Refused

Randomness = Callable[[int], bytes]
"""Gives that many random bytes, as `secrets.token_bytes` does."""


def commit(
    season: str, spec: dict[str, Any], items: Sequence[dict[str, Any]], by: Signer, now: datetime,
    randomness: Randomness,
) -> tuple[Document, dict[str, Any]]:  # fmt: skip
    """Commit to a specification and to secret items.

    Returns:
        The commitment, and what the organiser keeps to itself until the opening.

    Raises:
        Refused: The rules contradict themselves, or an item lacks the reference they ask for.
    """
    rules = rules_of(spec["rules"], len(items), "specification")
    if now > rules.times.enter_by:
        words = "entries close before it is committed to"
        raise Refused(Reason.TIMES, words, path="specification", field="times.enter_by")
    for index, item in enumerate(items):
        if rules.relative and item["reference"] is None:
            words = "has no reference, and scores are relative"
            raise Refused(Reason.RULES, words, path="items", field=f"item {index}")
    for canary in spec["secret"]["canaries"]:
        if canary["item"] >= len(items):
            words = f"is of item {canary['item']}; there are {len(items)}"
            raise Refused(Reason.RULES, words, path="specification", field="secret.canaries")
    nonce, secret = randomness(NONCE_BYTES), randomness(NONCE_BYTES)
    body = {
        "rules": spec["rules"],
        "spec": commitment.commit(What.SPEC, spec, nonce).to_json(),
        "items": {"root": merkle.root(_leaves(items, secret)).hex(), "count": len(items)},
    }
    kept = {
        "spec": spec, "nonce": nonce.hex(), "item_secret": secret.hex(), "items": list(items),
    }  # fmt: skip
    return write(Kind.COMMIT, Place(season, rules.id), by, now, body), kept


def enter(commit: Document, told: dict[str, Any], by: Signer, now: datetime) -> Document:
    """Enter a challenge, with what will run it.

    Raises:
        Refused: Entries are closed.
    """
    rules = _rules(commit)
    if now > rules.times.enter_by:
        raise Refused(Reason.LATE, f"entries closed at {rules.times.enter_by}", path="entry")
    return write(Kind.ENTRY, commit.place, by, now, {"commit": commit.digest, **told})


def receive(contest: Contest, by: Signer, now: datetime) -> tuple[Document | None, list[Refused]]:
    """Say what came since the last receipt.

    Returns:
        The receipt, None where nothing came; and what it leaves out, such as a document that its
        author did not write.

    Raises:
        Refused: Somebody else's challenge, or a clock that went back.
    """
    if by.owner != contest.commit.author:
        words = f"the challenge is {contest.commit.author}'s"
        raise Refused(Reason.WRONG_KEY, words, path=contest.path)
    received: list[dict[str, str]] = []
    refusals: list[Refused] = []
    for kind in (Kind.ENTRY, Kind.SUBMISSION, Kind.REVEAL, Kind.RERUN):
        for parts, name in files.of_kind(contest.files, kind, contest.path).items():
            author = parts[1] if kind is Kind.RERUN else parts[0]
            try:
                document = contest.document(kind, name, author)
                if document.at > now:
                    words = f"is dated {document.at}, which is yet to come"
                    raise contest.refused(Reason.TIMES, words, name)
            except Refused as refused:
                refusals.append(refused)
                continue
            if document.digest not in contest.receipts.came.get(name, {}):
                received.append({"file": name, "digest": document.digest})
    last = contest.receipts.last
    if not received:
        return None, refusals
    if now < (last or contest.commit).at:
        raise contest.refused(Reason.TIMES, "older than the receipt before it", "receipt")
    body = {
        "commit": contest.commit.digest,
        "number": contest.receipts.number + 1,
        "previous": None if last is None else last.digest,
        "received": received,
    }
    return write(Kind.RECEIPT, contest.commit.place, by, now, body), refusals


def give(
    verdict: Verdict, entrant: str, kept: dict[str, Any], by: Signer, now: datetime
) -> Document:
    """The items drawn for an entrant, with their proofs; for nobody else's eyes yet.

    Raises:
        Refused: Entries are not closed, or there is no such entrant.
    """
    if verdict.seed is None:
        words = f"the draw is made of all entries, at {verdict.rules.times.enter_by}"
        raise Refused(Reason.TIMES, words, path="given")
    one = verdict.entrants.get(entrant)
    if one is None or one.refused is not None:
        raise (one and one.refused) or Refused(
            Reason.MISSING_FILE, f"{entrant} did not enter", path="given"
        )
    body = {
        "commit": verdict.commit.digest, "entrant": entrant,
        "items": _openings(kept, one.given),
    }  # fmt: skip
    return write(Kind.GIVEN, verdict.commit.place, by, now, body)


def submit(
    verdict: Verdict, given: Document, told: list[dict[str, Any]], by: Signer, now: datetime,
    randomness: Randomness, why: str | None = None,
) -> tuple[Document, dict[str, Any]]:  # fmt: skip
    """Commit to a result.

    Args:
        verdict: Of the challenge as it is.
        given: The items the organiser gave, verified as its document.
        told: All runs, of the items and of what is public.
        by: The entrant.
        now: The time.
        randomness: For the nonce.
        why: Of a retry.

    Returns:
        The submission, and what the entrant keeps to itself until the reveal.

    Raises:
        Refused: Too late, once too often, given items that are not those drawn and committed to, or
            runs that the rules would not take.
    """
    rules, sealed = verdict.rules, verdict.commit.body["items"]
    one = verdict.entrants.get(by.owner)
    if one is None or one.entry is None:
        raise (one and one.refused) or Refused(
            Reason.MISSING_FILE, f"{by.owner} did not enter", path="submission"
        )
    if now > rules.times.submit_by:
        words = f"submissions closed at {rules.times.submit_by}"
        raise Refused(Reason.LATE, words, path="submission")
    if given.body["commit"] != verdict.commit.digest or given.body["entrant"] != by.owner:
        words = "items of another challenge, or for another entrant"
        raise Refused(Reason.NOT_GIVEN, words, path="given")
    items = checked_items(given.body["items"], sealed["root"], sealed["count"], "given")
    if tuple(sorted(items)) != one.given:
        words = f"the draw gives items {list(one.given)}, the organiser gave {sorted(items)}"
        raise Refused(Reason.NOT_GIVEN, words, path="given")
    found = runs.read(rules, told, rules.times.submit_by, "result")
    check_given(found, one.given, "result")
    for item in (*one.given, *((None,) if rules.public_runs else ())):
        runs.series(rules, found, item, "result")
    attempt = 1 if one.submitted is None else one.submitted.attempt + 1
    if attempt > ATTEMPTS or (attempt > 1 and why is None):
        words = "there is one retry, with its reason" if why is None else "there is one retry"
        raise Refused(Reason.RETRY, words, path="submission")
    nonce = randomness(NONCE_BYTES)
    result = {"commit": verdict.commit.digest, "entrant": by.owner, "runs": told}
    body = {
        "commit": verdict.commit.digest, "entry": one.entry.digest, "attempt": attempt,
        "why": why if attempt > 1 else None,
        "result": commitment.commit(What.RESULT, result, nonce).to_json(),
    }  # fmt: skip
    made = write(Kind.SUBMISSION, verdict.commit.place, by, now, body)
    return made, {"submission": made.digest, "result": result, "nonce": nonce.hex()}


def reveal(commit: Document, kept: dict[str, Any], by: Signer, now: datetime) -> Document:
    """Show a result.

    Raises:
        Refused: Too late, or before submissions closed, when others could still copy it.
    """
    _due(commit, now, "reveal")
    return write(Kind.REVEAL, commit.place, by, now, kept)


def open(verdict: Verdict, kept: dict[str, Any], by: Signer, now: datetime) -> Document:
    """Show the specification and the items that were drawn; the others stay secret.

    Raises:
        Refused: Too late, or before submissions closed.
    """
    _due(verdict.commit, now, "opening")
    drawn = sorted({item for one in verdict.entrants.values() for item in one.given})
    body = {
        "commit": verdict.commit.digest, "spec": kept["spec"], "nonce": kept["nonce"],
        "items": _openings(kept, drawn),
    }  # fmt: skip
    return write(Kind.OPENING, verdict.commit.place, by, now, body)


def rerun(
    verdict: Verdict, entrant: str, told: dict[str, Any], by: Signer, now: datetime
) -> Document:
    """Say what another's items came to here.

    Args:
        verdict: Of the challenge as it is.
        entrant: Whose items.
        told: Container, system and power level of this site, and its runs.
        by: The second site.
        now: The time.
    """
    body = {"commit": verdict.commit.digest, "entrant": entrant, **told}
    return write(Kind.RERUN, verdict.commit.place, by, now, body)


def publish(verdict: Verdict, by: Signer, now: datetime) -> Document:
    """Publish what it came to.

    Raises:
        Refused: Nothing was opened, or second sites have still time.
    """
    if not verdict.is_opened:
        raise Refused(Reason.NOT_REVEALED, "nothing was opened yet", path="scores")
    if now < verdict.rules.times.rerun_by:
        words = f"second sites have time until {verdict.rules.times.rerun_by}"
        raise Refused(Reason.TIMES, words, path="scores")
    return write(Kind.SCORES, verdict.commit.place, by, now, scores_of(verdict))


def commitment_of(told: Files, ring: Ring, path: object) -> Document:
    """The organiser's commitment, verified: all that is needed to enter."""
    found = parse(told[files.COMMIT], Kind.COMMIT, path)
    verify_document(found, ring, path)
    return found


def _due(commit: Document, now: datetime, what: str) -> None:
    times = _rules(commit).times
    if now < times.submit_by:
        words = f"submissions close at {times.submit_by}; until then it must stay sealed"
        raise Refused(Reason.TIMES, words, path=what)
    if now > times.reveal_by:
        raise Refused(Reason.LATE, f"it was due at {times.reveal_by}", path=what)


def _rules(commit: Document) -> Rules:
    return rules_of(commit.body["rules"], commit.body["items"]["count"], "commitment")


def _leaves(items: Sequence[dict[str, Any]], secret: bytes) -> list[bytes]:
    return [merkle.leaf(item, merkle.item_nonce(secret, i)) for i, item in enumerate(items)]


def _openings(kept: dict[str, Any], indices: Iterable[int]) -> list[dict[str, Any]]:
    items, secret = kept["items"], bytes.fromhex(kept["item_secret"])
    leaves, wanted = _leaves(items, secret), list(indices)
    return [
        merkle.Opening(
            index,
            items[index],
            merkle.item_nonce(secret, index).hex(),
            leaves[index].hex(),
            tuple(one.hex() for one in proof),
        ).to_json()
        for index, proof in zip(wanted, merkle.proofs(leaves, wanted), strict=True)
    ]
