"""Detached signatures over a bundle's manifest.

What is signed names the manifest by its digest, the key, the role and the day, so that a signature
cannot be moved to another bundle, passed off as another role's, or dated anew. Several may sign:
the factory, then an auditor. Signing again with the same key on one day gives the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wattline_reports.exchange import canonical
from wattline_reports.exchange.checked import check
from wattline_reports.exchange.keys import COMPROMISED, FACTORY, Key, Ring, holds, id_of
from wattline_reports.exchange.refused import Reason, Refused

SCHEMA = "wattline-signatures-v1"
_SIGN = b"wattline-bundle-signature-v1\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """One of them.

    Attributes:
        key: Id of the key.
        role: In which role.
        signed_on: On which day.
        signature: Base64.
    """

    key: str
    role: str
    signed_on: date
    signature: str


def sign(digest: str, private: Ed25519PrivateKey, role: str, signed_on: date) -> Signature:
    """Sign a manifest.

    Args:
        digest: Of the manifest.
        private: The key.
        role: One of `keys.ROLES`.
        signed_on: The day, UTC.
    """
    key = id_of(private.public_key())
    text = _text(digest, key, role, signed_on)
    return Signature(key, role, signed_on, base64.b64encode(private.sign(text)).decode())


def to_bytes(signatures: Iterable[Signature]) -> bytes:
    """As they stand in a bundle: one for each key, by role and key."""
    each = {one.key: one for one in signatures}
    ordered = sorted(each.values(), key=lambda one: (one.role != FACTORY, one.role, one.key))
    return canonical.dumps(
        {
            "schema": SCHEMA,
            "signatures": [
                {
                    "key": one.key,
                    "role": one.role,
                    "signed_on": one.signed_on.isoformat(),
                    "signature": one.signature,
                }
                for one in ordered
            ],
        }
    )


def parse(data: bytes, path: object) -> list[Signature]:
    """Read them.

    Raises:
        Refused: They are not what they must be, or a key signed twice.
    """
    value = canonical.loads(data, path)
    check("signatures", value, path)
    try:
        found = [
            Signature(
                item["key"],
                item["role"],
                date.fromisoformat(item["signed_on"]),
                item["signature"],
            )
            for item in value["signatures"]
        ]
    except ValueError as error:
        raise Refused(Reason.SCHEMA, str(error), path=path, field="signed_on") from error
    if to_bytes(found) != data:
        raise Refused(Reason.DUPLICATE, "not one signature for each key, in order", path=path)
    return found


def verify(
    digest: str,
    factory: str,
    signatures: Sequence[Signature],
    ring: Ring,
    *,
    needed: int = 1,
    roles: Sequence[str] = (FACTORY,),
    path: object = None,
) -> list[Key]:
    """Check every signature, and that those that must be there are.

    A signature that does not hold refuses the bundle even where enough others do: somebody put it
    there.

    Args:
        digest: Of the manifest.
        factory: Id of the factory that the bundle is of.
        signatures: Those there are.
        ring: Keys to verify with.
        needed: Of how many owners there must be signatures; two keys of one owner are one.
        roles: Roles that must be among them.
        path: The bundle, for errors.

    Returns:
        The keys that signed.

    Raises:
        Refused: One does not hold, or too few are there.
    """
    keys = [_verify(digest, factory, one, ring, path) for one in signatures]
    for role in roles:
        if role not in (key.role for key in keys):
            raise Refused(Reason.UNSIGNED, f"not signed by the {role}", path=path)
    owners = len({key.owner for key in keys})
    if owners < needed:
        raise Refused(Reason.UNSIGNED, f"{owners} signed it, {needed} were asked for", path=path)
    return keys


def known(ring: Ring, id: str, path: object) -> Key:
    """The key of that id.

    Raises:
        Refused: The ring does not hold it.
    """
    key = ring.get(id)
    if key is None:
        raise Refused(
            Reason.UNKNOWN_KEY,
            "the key ring does not hold this key",
            path=path,
            field=f"signature of {id}",
        )
    return key


def check_day(key: Key, day: date, path: object) -> None:
    """Check that a key may sign on a day.

    Raises:
        Refused: It does not hold on that day, or was revoked.
    """
    field = f"signature of {key.id}"
    if not key.valid_from <= day <= key.valid_until:
        words = f"signed on {day}; the key holds from {key.valid_from} to {key.valid_until}"
        raise Refused(Reason.OLD_KEY, words, path=path, field=field)
    gone = key.revocation
    if gone is not None and (gone.reason == COMPROMISED or gone.on <= day):
        words = f"the key was revoked on {gone.on}: {gone.reason}"
        raise Refused(Reason.REVOKED_KEY, words, path=path, field=field)


def _verify(digest: str, factory: str, one: Signature, ring: Ring, path: object) -> Key:
    def refused(code: Reason, words: str) -> Refused:
        return Refused(code, words, path=path, field=f"signature of {one.key}")

    key = known(ring, one.key, path)
    if key.role != one.role or (key.role == FACTORY and key.owner != factory):
        raise refused(
            Reason.WRONG_KEY,
            f"the key is {key.owner}'s, as {key.role}; the bundle is {factory}'s, "
            f"signed as {one.role}",
        )
    check_day(key, one.signed_on, path)
    if not holds(key, one.signature, _text(digest, one.key, one.role, one.signed_on)):
        raise refused(Reason.BAD_SIGNATURE, "the signature is not of this bundle")
    return key


def _text(digest: str, key: str, role: str, signed_on: date) -> bytes:
    return _SIGN + canonical.dumps(
        {"manifest": digest, "key": key, "role": role, "signed_on": signed_on.isoformat()}
    )
