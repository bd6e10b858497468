"""When things came: the organiser's signed list, each part of which follows the one before.

An author's own time is what it says. A receipt is what the organiser says, and as each names the
digest of the last, an organiser that tells it otherwise later has signed two of one number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from wattline_reports.challenge.documents import Document
from wattline_reports.exchange.refused import Reason, Refused


@dataclass(frozen=True, slots=True)
class Receipts:
    """What came, and when.

    Attributes:
        came: By file: each digest that came under that name, and when first.
        last: The newest receipt; None: there is none.
    """

    came: Mapping[str, Mapping[str, datetime]]
    last: Document | None

    @property
    def number(self) -> int:
        """How many receipts there are."""
        return 0 if self.last is None else int(self.last.body["number"])

    def of(self, name: str, document: Document, path: object) -> datetime:
        """When a document came.

        Raises:
            Refused: No receipt says, or it says that another came, or that it came before it was
                written.
        """
        told = self.came.get(name)
        if told is None:
            words = "no receipt of the organiser's says when it came"
            raise Refused(Reason.NO_RECEIPT, words, path=path, field=name)
        if document.digest not in told:
            words = "it is not what the organiser received under this name"
            raise Refused(Reason.ALTERED_FILE, words, path=path, field=name)
        at = told[document.digest]
        if document.at > at:
            words = f"written at {document.at}, received before, at {at}"
            raise Refused(Reason.TIMES, words, path=path, field=name)
        return at

    def only(self, name: str, path: object) -> None:
        """Check that nothing else came under a name.

        Raises:
            Refused: Two different documents did.
        """
        if len(self.came.get(name, ())) > 1:
            words = "two different ones came under this name; the first is not taken back"
            raise Refused(Reason.DUPLICATE_COMMIT, words, path=path, field=name)


def chained(documents: Mapping[int, Document], commit: Document, path: object) -> Receipts:
    """The receipts of a challenge, by number, each already verified.

    Raises:
        Refused: One is missing, or does not follow from the one before.
    """
    came: dict[str, dict[str, datetime]] = {}
    last: Document | None = None
    for place, number in enumerate(sorted(documents), 1):
        one = documents[number]
        field = f"receipts/{number:03}.json"
        if number != place or one.body["number"] != number:
            raise Refused(Reason.CHAIN, f"receipt {place} is missing", path=path, field=field)
        if one.body["commit"] != commit.digest:
            raise Refused(Reason.CHAIN, "is of another commitment", path=path, field=field)
        if one.body["previous"] != (None if last is None else last.digest):
            words = "does not follow from the receipt before it"
            raise Refused(Reason.CHAIN, words, path=path, field=field)
        if one.at < (commit if last is None else last).at:
            raise Refused(Reason.TIMES, "is older than what it follows", path=path, field=field)
        for item in one.body["received"]:
            came.setdefault(item["file"], {}).setdefault(item["digest"], one.at)
        last = one
    return Receipts(came, last)
