"""Commitments: a digest now, what it is of later.

    SHA-256("aifc-v1|" + what + "|" + canonical JSON + nonce)

The nonce has 256 bits and is used once, so that nobody finds the content by trying. Its own digest
is published too, which gives nothing away and tells a changed nonce from a changed content.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wattline_reports.exchange import canonical
from wattline_reports.exchange.refused import Reason, Refused

NONCE_BYTES = 32
_DOMAIN = b"aifc-v1|"


class What(StrEnum):
    """What is committed to; a commitment to one thing is none to another."""

    SPEC = "spec"
    RESULT = "result"


_ALTERED = {What.SPEC: Reason.ALTERED_SPEC, What.RESULT: Reason.ALTERED_RESULT}


@dataclass(frozen=True, slots=True)
class Commitment:
    """What is published.

    Attributes:
        digest: Over content and nonce, hexadecimal.
        nonce_digest: Of the nonce alone, hexadecimal.
    """

    digest: str
    nonce_digest: str

    def to_json(self) -> dict[str, str]:
        """As it stands in a document."""
        return {"digest": self.digest, "nonce_digest": self.nonce_digest}


def hashed(what: str, *parts: bytes) -> str:
    """SHA-256 of parts under a name of this protocol; only one part may vary in length."""
    return hashlib.sha256(_DOMAIN + what.encode() + b"|" + b"".join(parts)).hexdigest()


def commit(what: What, content: Any, nonce: bytes) -> Commitment:
    """Commit to a content.

    Raises:
        ValueError: The nonce has not 256 bits.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    # Canonical JSON of an object ends with its bracket and the nonce has one length: where the one
    # ends and the other begins is never in doubt.
    digest = hashed(what, canonical.dumps(content), nonce)
    return Commitment(digest, hashed(f"{what}-nonce", nonce))


def check(what: What, told: Commitment, content: Any, nonce: bytes, path: object) -> None:
    """Check that what is shown is what was committed to.

    Raises:
        Refused: The nonce or the content is another.
    """
    found = commit(what, content, nonce)
    if not hmac.compare_digest(found.nonce_digest, told.nonce_digest):
        raise Refused(
            Reason.SWAPPED_NONCE,
            "the nonce is not the one that was committed to",
            path=path,
            field="nonce",
        )
    if not hmac.compare_digest(found.digest, told.digest):
        raise Refused(
            _ALTERED[what],
            f"the {what} is not the one that was committed to",
            path=path,
            field=str(what),
        )
