"""Documents of a challenge: who says what, when, and signed.

A document is one canonical JSON file. Its signature is over everything else in it: season,
challenge, kind, author, role, the time its author declares, and the body. Moved to another place,
signed again by another or dated anew, it does not hold.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wattline_reports.exchange import canonical, checked, sign
from wattline_reports.exchange.keys import FACTORY, ORGANISER, Key, Ring, holds, id_of
from wattline_reports.exchange.refused import Reason, Refused

SCHEMA = "wattline-challenge-v1"
PACKAGE = "wattline_reports.challenge"
MOST_BYTES = 32 * 1024 * 1024
"""Of one document: an opening of ten thousand items has about ten MiB."""
_SIGN = b"wattline-challenge-document-v1\n"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Kind(StrEnum):
    """The documents there are."""

    COMMIT = "commit"
    ENTRY = "entry"
    RECEIPT = "receipt"
    GIVEN = "given"
    SUBMISSION = "submission"
    OPENING = "opening"
    REVEAL = "reveal"
    RERUN = "rerun"
    SCORES = "scores"

    @property
    def role(self) -> str:
        """Who writes them."""
        entrants = (Kind.ENTRY, Kind.SUBMISSION, Kind.REVEAL, Kind.RERUN)
        return FACTORY if self in entrants else ORGANISER


@dataclass(frozen=True, slots=True)
class Place:
    """Which challenge of which season a document belongs to."""

    season: str
    challenge: str


@dataclass(frozen=True)
class Document:
    """One of them, signed.

    Attributes:
        kind: What it is.
        place: Where it belongs.
        author: Who wrote it: id of a factory, or of the organiser.
        at: When, as the author declares; UTC, whole seconds.
        body: What it says, by the schema of its kind.
        key: Id of the key it is signed with.
        signature: Base64.
    """

    kind: Kind
    place: Place
    author: str
    at: datetime
    body: dict[str, Any]
    key: str
    signature: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all but the signature: what other documents call it by."""
        return canonical.digest(self._unsigned())

    def to_bytes(self) -> bytes:
        """As it stands in its file."""
        return canonical.dumps(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {**self._unsigned(), "signature": self.signature}

    def _unsigned(self) -> dict[str, Any]:
        return _unsigned(self.kind, self.place, self.author, self.at, self.body, self.key)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs documents.

    Attributes:
        owner: Id of the factory or of the organiser.
        private: The key.
    """

    owner: str
    private: Ed25519PrivateKey


def write(kind: Kind, place: Place, by: Signer, at: datetime, body: dict[str, Any]) -> Document:
    """Sign a document.

    Raises:
        Refused: The body does not fit the schema of its kind, or the season's id is none.
    """
    checked.check(kind, body, f"the {kind}", PACKAGE)
    at = at.astimezone(UTC).replace(microsecond=0)
    key = id_of(by.private.public_key())
    text = _SIGN + canonical.dumps(_unsigned(kind, place, by.owner, at, body, key))
    signature = base64.b64encode(by.private.sign(text)).decode()
    made = Document(kind, place, by.owner, at, body, key, signature)
    checked.check("document", made.to_json(), f"the {kind}", PACKAGE)
    return made


def parse(data: bytes, kind: Kind, path: object) -> Document:
    """Read a document; `verify` says whether its author wrote it.

    Raises:
        Refused: It is no document of that kind.
    """
    if len(data) > MOST_BYTES:
        raise Refused(Reason.UNREADABLE, f"larger than {MOST_BYTES:,} bytes", path=path)
    value = canonical.loads(data, path)
    checked.check("document", value, path, PACKAGE)
    if value["kind"] != kind or value["role"] != kind.role:
        words = f"a {value['kind']} of a {value['role']} where a {kind} must be"
        raise Refused(Reason.NAME, words, path=path, field="kind")
    checked.check(kind, value["body"], path, PACKAGE)
    return Document(
        kind,
        Place(value["season"], value["challenge"]),
        value["author"],
        moment(value["at"], path, "at"),
        value["body"],
        value["key"],
        value["signature"],
    )


def verify(
    document: Document, ring: Ring, path: object, *, place: Place | None = None,
    author: str | None = None,
) -> Key:  # fmt: skip
    """Check who wrote a document, and that it belongs where it lies.

    Args:
        document: The document.
        ring: Keys to verify with.
        path: Whence it comes, for errors.
        place: The challenge it must be of; None: any.
        author: Whose it must be; None: anybody's of its role.

    Returns:
        The key that signed.

    Raises:
        Refused: The signature does not hold, or it is another's or another challenge's.
    """
    if place is not None and document.place != place:
        told = document.place
        words = f"it is of {told.challenge} of {told.season}, not of this challenge"
        raise Refused(Reason.NAME, words, path=path, field="challenge")
    if author is not None and document.author != author:
        words = f"it is {document.author}'s where {author}'s must be"
        raise Refused(Reason.WRONG_KEY, words, path=path, field="author")
    key = sign.known(ring, document.key, path)
    if key.role != document.kind.role or key.owner != document.author:
        words = f"the key is {key.owner}'s, as {key.role}, and the author {document.author}"
        raise Refused(Reason.WRONG_KEY, words, path=path, field="key")
    sign.check_day(key, document.at.date(), path)
    if not holds(key, document.signature, _SIGN + canonical.dumps(document._unsigned())):
        raise Refused(Reason.BAD_SIGNATURE, "the signature is not of this document", path=path)
    return key


def moment(text: str, path: object, field: str) -> datetime:
    """A time as documents have it: UTC, whole seconds.

    Raises:
        Refused: There is no such time.
    """
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        words = f"{text!r} is no time; 2027-03-01T12:00:00Z is one"
        raise Refused(Reason.SCHEMA, words, path=path, field=field) from error


def written(at: datetime) -> str:
    """A time as documents have it."""
    # Not strftime: it leaves out leading zeros of early years.
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _unsigned(
    kind: Kind, place: Place, author: str, at: datetime, body: dict[str, Any], key: str
) -> dict[str, Any]:
    return {
        "schema": SCHEMA, "kind": str(kind), "season": place.season, "challenge": place.challenge,
        "author": author, "role": kind.role, "at": written(at), "body": body, "key": key,
    }  # fmt: skip
