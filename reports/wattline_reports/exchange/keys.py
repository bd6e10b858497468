"""Keys that bundles are signed with, and the ring of public ones that they are verified with.

A private key is an Ed25519 key in a PEM file that only its owner can read. The ring is a JSON file:
who holds which public key, in which role, from when until when. A factory's first key is taken as
the ring says, so the ring must come from somebody trusted. Every later key of the same owner must
be endorsed by an earlier one, or by an organiser's: whoever can only add to the ring cannot slip a
key in. A revocation is signed as well: by the key itself, another of its owner, or an organiser's.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wattline_agents.errors import InputError
from wattline_reports.exchange import canonical
from wattline_reports.exchange.checked import check
from wattline_reports.exchange.refused import Reason, Refused

FACTORY, AUDITOR, ORGANISER = "factory", "auditor", "organiser"
ROLES = (FACTORY, AUDITOR, ORGANISER)
SCHEMA = "wattline-keys-v1"
COMPROMISED = "compromised"
REVOCATIONS = (COMPROMISED, "lost", "superseded", "retired")
LIFETIME = timedelta(days=3 * 365)
"""How long a key holds where nobody says otherwise."""

_MOST_BYTES = 1024 * 1024
_ENDORSE = b"wattline-key-endorsement-v1\n"
_REVOKE = b"wattline-key-revocation-v1\n"


@dataclass(frozen=True, slots=True)
class Endorsement:
    """Who vouches for a key.

    Attributes:
        key: Id of the key that signed.
        signature: Over the key, its owner, role and validity; base64.
    """

    key: str
    signature: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """That a key holds no longer.

    Attributes:
        key: Id of the key that signed this.
        on: From which day on.
        reason: One of `REVOCATIONS`. What a `compromised` key signed is refused whenever it was
            signed, as whoever took it can write any date.
        signature: Over key, day and reason; base64.
    """

    key: str
    on: date
    reason: str
    signature: str


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and whose it is.

    Attributes:
        id: First 16 hexadecimal digits of the SHA-256 of its 32 bytes.
        owner: Id of the factory, auditor or organiser.
        role: One of `ROLES`.
        public_key: The 32 bytes, base64.
        valid_from: First day on which it may sign.
        valid_until: Last day on which it may sign.
        endorsement: Who vouches for it; None for its owner's first key.
        revocation: That it holds no longer; None where it does.
    """

    id: str
    owner: str
    role: str
    public_key: str
    valid_from: date
    valid_until: date
    endorsement: Endorsement | None = None
    revocation: Revocation | None = None

    @property
    def verifier(self) -> Ed25519PublicKey:
        """What checks signatures of it."""
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public_key))

    def to_json(self) -> dict[str, Any]:
        """As it stands in the ring."""
        endorsed, revoked = self.endorsement, self.revocation
        return {
            "id": self.id,
            "owner": self.owner,
            "role": self.role,
            "public_key": self.public_key,
            "valid_from": self.valid_from.isoformat(),
            "valid_until": self.valid_until.isoformat(),
            "endorsement": endorsed and {"key": endorsed.key, "signature": endorsed.signature},
            "revocation": revoked
            and {
                "key": revoked.key,
                "on": revoked.on.isoformat(),
                "reason": revoked.reason,
                "signature": revoked.signature,
            },
        }


Ring = Mapping[str, Key]
"""Public keys by id."""


# Private keys


def new_private() -> Ed25519PrivateKey:
    """A new private key, from the system's randomness."""
    return Ed25519PrivateKey.generate()


def write_private(private: Ed25519PrivateKey, path: Path) -> None:
    """Write a private key where only its owner can read it.

    Raises:
        InputError: There is a file of that name, which may be the only copy of another key; or it
            cannot be written.
    """
    text = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError("there is a file already; no key is overwritten", path=path) from error
    except OSError as error:
        raise InputError(error.strerror or "cannot be written", path=path) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        InputError: It cannot be read, is no Ed25519 key, or others can read it.
    """
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()[:_MOST_BYTES]
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", path=path) from error
    if os.name == "posix" and mode & 0o077:
        raise InputError(f"others can read this key: `chmod 600 {path}`", path=path)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise InputError("not a private key in PEM without a passphrase", path=path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("not an Ed25519 key: `wattline bundle key new` makes one", path=path)
    return key


def id_of(public: Ed25519PublicKey) -> str:
    """The id of a public key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def public_key(
    private: Ed25519PrivateKey, owner: str, role: str, valid_from: date, valid_until: date
) -> Key:
    """The public half of a key, as it goes into the ring."""
    public = private.public_key()
    return Key(
        id_of(public),
        owner,
        role,
        base64.b64encode(public.public_bytes_raw()).decode(),
        valid_from,
        valid_until,
    )


# The ring


def ring_of(keys: Mapping[str, Key] | None = None, *more: Key) -> Ring:
    """A ring of those keys, proved.

    Raises:
        Refused: As `prove` does.
    """
    ring = {**(keys or {}), **{key.id: key for key in more}}
    prove(ring, "key ring")
    return MappingProxyType(ring)


def endorsed(key: Key, by: Ed25519PrivateKey) -> Key:
    """The key, vouched for by another."""
    signature = base64.b64encode(by.sign(_endorsed_text(key))).decode()
    return replace(key, endorsement=Endorsement(id_of(by.public_key()), signature))


def revoked(key: Key, by: Ed25519PrivateKey, on: date, reason: str) -> Key:
    """The key, revoked.

    Args:
        key: Which.
        by: The key itself, another of its owner, or an organiser's.
        on: From which day on it does not hold.
        reason: One of `REVOCATIONS`.
    """
    signature = base64.b64encode(by.sign(_revoked_text(key, on, reason))).decode()
    return replace(key, revocation=Revocation(id_of(by.public_key()), on, reason, signature))


def read_ring(path: Path) -> Ring:
    """Read a ring and prove it.

    Raises:
        Refused: It cannot be read, or is not right.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Refused(Reason.BAD_RING, error.strerror or "cannot be read", path=path) from error
    if len(data) > _MOST_BYTES:
        raise Refused(Reason.BAD_RING, f"larger than {_MOST_BYTES:,} bytes", path=path)
    value = canonical.loads(data, path)
    check("keys", value, path)
    keys: dict[str, Key] = {}
    for place, item in enumerate(value["keys"]):
        key = _key(item, path, f"keys[{place}]")
        if key.id in keys:
            raise Refused(Reason.BAD_RING, "the key stands twice", path=path, field=key.id)
        keys[key.id] = key
    prove(keys, path)
    return MappingProxyType(keys)


def write_ring(ring: Ring, path: Path) -> None:
    """Replace a ring's file.

    Raises:
        InputError: It cannot be written.
    """
    value = {"schema": SCHEMA, "keys": [ring[id].to_json() for id in sorted(ring)]}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(canonical.dumps(value))
        draft.replace(path)
    except OSError as error:
        raise InputError(error.strerror or "cannot be written", path=path) from error


def prove(ring: Ring, path: object) -> None:
    """Check that every key of a ring has a right to be there.

    Raises:
        Refused: An id that is not its key's, an endorsement or revocation that does not hold, or
            two keys of one owner and role, or two of organisers, of which neither is endorsed.
    """
    roots: dict[tuple[str, str], str] = {}
    for key in ring.values():
        if key.id != id_of(key.verifier):
            raise Refused(Reason.BAD_RING, "the id is not this key's", path=path, field=key.id)
        if key.valid_until < key.valid_from:
            raise Refused(Reason.BAD_RING, "ends before it begins", path=path, field=key.id)
        if key.endorsement is None:
            # An organiser may vouch for anybody, so there is one that nobody vouches for.
            owner = "the organisers" if key.role == ORGANISER else key.owner
            other = roots.setdefault((owner, key.role), key.id)
            if other != key.id:
                raise Refused(
                    Reason.BAD_RING,
                    f"neither this nor {other} of {owner} is endorsed by an earlier key",
                    path=path,
                    field=key.id,
                )
        else:
            _prove_endorsement(ring, key, key.endorsement, path)
        if key.revocation is not None:
            _prove_revocation(ring, key, key.revocation, path)
    for key in ring.values():
        _root_of(ring, key, path)


def _prove_endorsement(ring: Ring, key: Key, told: Endorsement, path: object) -> None:
    by = ring.get(told.key)
    if by is None or by.id == key.id or not _may_vouch(by, key):
        raise Refused(
            Reason.BAD_RING, "endorsed by a key that has no say in it", path=path, field=key.id
        )
    if not by.valid_from <= key.valid_from <= by.valid_until:
        raise Refused(
            Reason.BAD_RING,
            f"endorsed by {by.id}, which did not hold on {key.valid_from}",
            path=path,
            field=key.id,
        )
    stolen = by.revocation
    if stolen is not None and (stolen.reason == COMPROMISED or stolen.on <= key.valid_from):
        raise Refused(
            Reason.BAD_RING, f"endorsed by {by.id}, which was revoked", path=path, field=key.id
        )
    if not holds(by, told.signature, _endorsed_text(key)):
        raise Refused(Reason.BAD_RING, "the endorsement is not right", path=path, field=key.id)


def _prove_revocation(ring: Ring, key: Key, told: Revocation, path: object) -> None:
    by = ring.get(told.key)
    if by is None or not (by.id == key.id or _may_vouch(by, key)):
        raise Refused(
            Reason.BAD_RING, "revoked by a key that has no say in it", path=path, field=key.id
        )
    if not holds(by, told.signature, _revoked_text(key, told.on, told.reason)):
        raise Refused(Reason.BAD_RING, "the revocation is not right", path=path, field=key.id)


def _root_of(ring: Ring, key: Key, path: object) -> Key:
    seen: set[str] = set()
    while key.endorsement is not None:
        if key.id in seen:
            raise Refused(Reason.BAD_RING, "keys endorse each other", path=path, field=key.id)
        seen.add(key.id)
        key = ring[key.endorsement.key]
    return key


def _may_vouch(by: Key, key: Key) -> bool:
    return by.role == ORGANISER or (by.owner == key.owner and by.role == key.role)


def holds(key: Key, signature: str, text: bytes) -> bool:
    """Whether a signature is that key's over that text."""
    try:
        told = base64.b64decode(signature, validate=True)
        key.verifier.verify(told, text)
    except (InvalidSignature, ValueError):
        return False
    # Base64 leaves bits over in its last letter: other bytes that say the same are refused.
    return base64.b64encode(told).decode() == signature


def _endorsed_text(key: Key) -> bytes:
    told = key.to_json()
    return _ENDORSE + canonical.dumps(
        {name: told[name] for name in ("owner", "role", "public_key", "valid_from", "valid_until")}
    )


def _revoked_text(key: Key, on: date, reason: str) -> bytes:
    return _REVOKE + canonical.dumps({"id": key.id, "on": on.isoformat(), "reason": reason})


def _key(item: Mapping[str, Any], path: object, field: str) -> Key:
    endorsed_by, revoked_by = item["endorsement"], item["revocation"]
    try:
        return Key(
            item["id"],
            item["owner"],
            item["role"],
            item["public_key"],
            date.fromisoformat(item["valid_from"]),
            date.fromisoformat(item["valid_until"]),
            endorsed_by and Endorsement(endorsed_by["key"], endorsed_by["signature"]),
            revoked_by
            and Revocation(
                revoked_by["key"],
                date.fromisoformat(revoked_by["on"]),
                revoked_by["reason"],
                revoked_by["signature"],
            ),
        )
    except ValueError as error:
        raise Refused(Reason.BAD_RING, str(error), path=path, field=field) from error
