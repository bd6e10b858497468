"""The tree over secret items: one root says all of them, a proof shows one and hides the rest.

The tree of RFC 9162 (section 2.1): leaves and nodes are hashed under different first bytes, and an
odd leaf is carried up instead of doubled, so that no two lists of items have one root. Each leaf
holds a nonce of its own: without it, an item that can be guessed could be recognised by its leaf.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wattline_reports.challenge.commitment import NONCE_BYTES
from wattline_reports.exchange import canonical
from wattline_reports.exchange.refused import Reason, Refused

MOST_ITEMS = 10_000
_LEAF, _NODE = b"\x00aifc-v1|item|", b"\x01aifc-v1|node|"
_ITEM_NONCE = b"aifc-v1|item-nonce|"


@dataclass(frozen=True, slots=True)
class Opening:
    """An item shown.

    Attributes:
        index: Its place among the items.
        item: What it is.
        nonce: Its nonce.
        leaf: Digest of nonce and item, hexadecimal.
        proof: Digests beside the way from the leaf to the root, lowest first, hexadecimal.
    """

    index: int
    item: dict[str, Any]
    nonce: str
    leaf: str
    proof: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As it stands in a document."""
        return {
            "index": self.index, "item": self.item, "nonce": self.nonce, "leaf": self.leaf,
            "proof": list(self.proof),
        }  # fmt: skip


def opening_of(told: dict[str, Any]) -> Opening:
    """An opening as it stands in a document that fits its schema."""
    return Opening(told["index"], told["item"], told["nonce"], told["leaf"], tuple(told["proof"]))


def item_nonce(secret: bytes, index: int) -> bytes:
    """The nonce of an item: of one secret, so that an organiser keeps one, and shows each alone.

    Args:
        secret: 32 random bytes that are never shown.
        index: The item's place.
    """
    return hmac.digest(secret, _ITEM_NONCE + index.to_bytes(8, "big"), "sha256")


def leaf(item: dict[str, Any], nonce: bytes) -> bytes:
    """The digest of an item."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return hashlib.sha256(_LEAF + nonce + canonical.dumps(item)).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The digest over all leaves; n - 1 hashes.

    Raises:
        ValueError: There is no leaf.
    """
    return _levels(leaves)[-1][0]


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What a reader needs beside a leaf to come to the root, lowest first."""
    return proofs(leaves, [index])[0]


def proofs(leaves: Sequence[bytes], indices: Sequence[int]) -> list[list[bytes]]:
    """The proofs of several leaves, from one pass over the tree."""
    levels = _levels(leaves)
    found = []
    for index in indices:
        beside, place = [], index
        for level in levels[:-1]:
            if place ^ 1 < len(level):
                beside.append(level[place ^ 1])
            place //= 2
        found.append(beside)
    return found


def check(opening: Opening, root: str, count: int, path: object) -> None:
    """Check that an item is one of those committed to, at its place.

    Args:
        opening: What is shown.
        root: What was committed to, hexadecimal.
        count: How many items there are; committed to as well.
        path: Whence it comes, for errors.

    Raises:
        Refused: The item or its nonce is not what its leaf is of, or the leaf is not in the tree.
    """
    field = f"item {opening.index}"
    own = leaf(opening.item, bytes.fromhex(opening.nonce))
    if own.hex() != opening.leaf:
        raise Refused(
            Reason.ALTERED_ITEM, "the item is not what its leaf is of", path=path, field=field
        )
    if _climbed(own, opening, count) != root:
        raise Refused(
            Reason.WRONG_PROOF,
            "the proof does not lead to the root that was committed to",
            path=path,
            field=field,
        )


def _climbed(here: bytes, opening: Opening, count: int) -> str | None:
    """The root that a proof leads to; None where it has not the length that its place asks for."""
    place, size, beside = opening.index, count, list(opening.proof)
    if not 0 <= place < size:
        return None
    while size > 1:
        if place ^ 1 < size:
            if not beside:
                return None
            other = bytes.fromhex(beside.pop(0))
            here = _node(other, here) if place % 2 else _node(here, other)
        place, size = place // 2, (size + 1) // 2
    return None if beside else here.hex()


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    if not leaves:
        raise ValueError("a tree has a leaf")
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [_node(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append(pairs + below[len(pairs) * 2 :])
    return levels


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
