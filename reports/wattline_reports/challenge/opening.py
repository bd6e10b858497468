"""What the organiser shows at the end, held against what it committed to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wattline_reports.challenge import commitment, merkle
from wattline_reports.challenge.commitment import Commitment, What
from wattline_reports.challenge.documents import Document
from wattline_reports.challenge.rules import Rules
from wattline_reports.exchange.refused import Reason, Refused


@dataclass(frozen=True, slots=True)
class Opened:
    """What was secret.

    Attributes:
        references: Of items (None: of what is public), where scores are relative.
        canaries: Digests of answers that nobody should have, by item.
    """

    references: Mapping[int | None, float]
    canaries: Mapping[int, frozenset[str]]


def check(
    opening: Document, commit: Document, rules: Rules, needed: Iterable[int], path: object
) -> Opened:
    """Check an opening.

    Args:
        opening: The document, already verified.
        commit: What it opens.
        rules: Of that.
        needed: Items that entrants were given.
        path: The challenge, for errors.

    Raises:
        Refused: It comes too early or too late, or shows something else than was committed to, or
            not all that was drawn.
    """
    body, told = opening.body, commit.body
    if body["commit"] != commit.digest:
        raise Refused(Reason.CHAIN, "opens another commitment", path=path, field="opening")
    if opening.at < rules.times.submit_by:
        words = "opened before results were due: entrants could have read the items"
        raise Refused(Reason.TIMES, words, path=path, field="opening")
    if opening.at > rules.times.reveal_by:
        words = f"opened at {opening.at}; it was due at {rules.times.reveal_by}"
        raise Refused(Reason.LATE, words, path=path, field="opening")
    sealed = Commitment(told["spec"]["digest"], told["spec"]["nonce_digest"])
    commitment.check(What.SPEC, sealed, body["spec"], bytes.fromhex(body["nonce"]), path)
    if body["spec"]["rules"] != told["rules"]:
        words = "the sealed rules are not the published ones"
        raise Refused(Reason.ALTERED_SPEC, words, path=path, field="spec")
    items = checked_items(body["items"], told["items"]["root"], told["items"]["count"], path)
    missing = sorted(set(needed) - items.keys())
    if missing:
        words = f"{len(missing)} items that entrants were given are not shown"
        raise Refused(Reason.NOT_REVEALED, words, path=path, field=f"item {missing[0]}")
    references: dict[int | None, float] = {}
    if rules.relative:
        references = {index: _reference(one, path) for index, one in items.items()}
        if rules.public_reference is not None:
            references[None] = rules.public_reference
    canaries: dict[int, set[str]] = {}
    for one in body["spec"]["secret"]["canaries"]:
        canaries.setdefault(one["item"], set()).add(one["answer"])
    return Opened(references, {item: frozenset(answers) for item, answers in canaries.items()})


def checked_items(
    told: Iterable[dict[str, Any]], root: str, count: int, path: object
) -> dict[int, merkle.Opening]:
    """Items with their proofs, each checked, by index.

    Raises:
        Refused: One is altered, not of those committed to, or told twice.
    """
    found: dict[int, merkle.Opening] = {}
    for one in told:
        item = merkle.opening_of(one)
        merkle.check(item, root, count, path)
        if item.index in found:
            raise Refused(Reason.DUPLICATE, "told twice", path=path, field=f"item {item.index}")
        found[item.index] = item
    return found


def _reference(one: merkle.Opening, path: object) -> float:
    value = one.item["reference"]
    if value is None:
        words = "has no reference, and scores are relative"
        raise Refused(Reason.RULES, words, path=path, field=f"item {one.index}")
    return float(value)
