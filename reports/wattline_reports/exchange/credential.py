"""`vc.jwt`: a bundle's digest as a W3C verifiable credential, for data spaces that ask for one.

The Verifiable Credentials Data Model 2.0, secured as a JWT with Ed25519 (RFC 9864). It says that
the issuer vouches for the manifest of that digest, and holds no figure. It stands beside the
signatures and not in the manifest, as it is made over the manifest, and is made with a key that
signed the bundle: whoever can check the one can check the other, without a network.

The issuer is a `did:key`, which is the public key itself, or a `did:web` that the factory names and
under which it publishes the key; the key's id stands behind the `#`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wattline_agents.errors import UsageError
from wattline_reports.exchange import archive, canonical
from wattline_reports.exchange.checked import check
from wattline_reports.exchange.keys import FACTORY, Key, id_of
from wattline_reports.exchange.manifest import Manifest
from wattline_reports.exchange.refused import Reason, Refused
from wattline_reports.exchange.sign import check_day

FILE = archive.CREDENTIAL
MOST_BYTES = 16 * 1024
CONTEXT = "https://www.w3.org/ns/credentials/v2"

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519 = b"\xed\x01"
"""How multicodec marks an Ed25519 public key."""
_JWT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_DID_WEB = re.compile(r"did:web:[a-z0-9.-]+(%3A[0-9]{1,5})?(:[A-Za-z0-9._-]+)*")


def did_key(public: Ed25519PublicKey) -> str:
    """The `did:key` of a public key."""
    return f"did:key:z{_base58(_ED25519 + public.public_bytes_raw())}"


def made(digest: str, private: Ed25519PrivateKey, signed_on: date, issuer: str = "") -> bytes:
    """The credential of a manifest.

    Args:
        digest: Of the manifest.
        private: The key, one that signs the bundle too.
        signed_on: On which day, UTC; it is valid from then on.
        issuer: A `did:web`; the key's own `did:key` if empty.

    Raises:
        UsageError: The issuer is no `did:web`.
    """
    public = private.public_key()
    if issuer and (_DID_WEB.fullmatch(issuer) is None or len(issuer) > 300):
        raise UsageError(f"--issuer {issuer[:40]!r}: write did:web:example.org, or leave it out")
    issuer = issuer or did_key(public)
    header = {"alg": "Ed25519", "cty": "vc", "kid": _kid(issuer, public), "typ": "vc+jwt"}
    told = _of(digest, issuer, signed_on.isoformat())
    text = b".".join(_encoded(canonical.dumps(one)) for one in (header, told))
    return text + b"." + _encoded(private.sign(text))


def verify(data: bytes, told: Manifest, keys: Sequence[Key], path: object) -> None:
    """Check a bundle's credential.

    Args:
        data: The file.
        told: The manifest.
        keys: Those that signed the bundle.
        path: The bundle, for errors.

    Raises:
        Refused: It is no credential of this manifest by its factory, or is of a day on which the
            key does not hold.
    """

    def refused(words: str) -> Refused:
        return Refused(Reason.CREDENTIAL, words, path=path, field=FILE)

    header, value, signed, signature = _parsed(data, path)
    issuer = value["issuer"]
    key = next((one for one in keys if header["kid"] == _kid(issuer, one.verifier)), None)
    if key is None or key.role != FACTORY:
        raise refused("its key is none with which the factory signed this bundle")
    if not _holds(key.verifier, signature, signed):
        raise refused("its signature is not right")
    day = value["validFrom"].partition("T")[0]
    if value != _of(told.digest, issuer, day):
        raise refused("it is of another bundle")
    try:
        signed_on = date.fromisoformat(day)
    except ValueError as error:
        raise refused(str(error)) from error
    check_day(key, signed_on, path)
    if signed_on < told.period.end.date():
        raise refused(f"it is of {signed_on}, before the bundle's period was over")


def issuer_of(data: bytes, path: object) -> str:
    """Who says it, checked or not.

    Raises:
        Refused: It is no credential.
    """
    issuer = _parsed(data, path)[1]["issuer"]
    assert isinstance(issuer, str), "the schema asks for text"
    return issuer


def _of(digest: str, issuer: str, day: str) -> dict[str, Any]:
    name = f"urn:sha256:{digest}"
    return {
        "@context": [CONTEXT],
        "type": ["VerifiableCredential"],
        "id": f"{name}#vc",
        "issuer": issuer,
        "validFrom": f"{day}T00:00:00Z",
        "credentialSubject": {"id": name},
        "relatedResource": [
            {
                "id": name,
                "digestSRI": f"sha256-{base64.b64encode(bytes.fromhex(digest)).decode()}",
                "mediaType": "application/json",
            }
        ],
    }


def _parsed(data: bytes, path: object) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, credential, what is signed, and the signature."""
    if len(data) > MOST_BYTES or _JWT.fullmatch(data) is None:
        raise Refused(Reason.SCHEMA, "no JWT in its compact form", path=path, field=FILE)
    parts = data.split(b".")
    found = [_decoded(part, path) for part in parts]
    where = f"{path}: {FILE}"
    header, told = (canonical.loads(part, where) for part in found[:2])
    check("credential", {"header": header, "credential": told}, where)
    return header, told, b".".join(parts[:2]), found[2]


def _kid(issuer: str, public: Ed25519PublicKey) -> str:
    """The key by the issuer's name for it; empty where it is not the issuer's."""
    own = did_key(public)
    if issuer.startswith("did:key:"):
        return f"{own}#{own.removeprefix('did:key:')}" if issuer == own else ""
    return f"{issuer}#{id_of(public)}"


def _holds(public: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    try:
        public.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: bytes, path: object) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError as error:
        raise Refused(Reason.SCHEMA, "no JWT", path=path, field=FILE) from error
    # Base64 leaves bits over in its last letter: other bytes that say the same are refused.
    if _encoded(data) != text:
        raise Refused(Reason.NOT_CANONICAL, "not written in the one way", path=path, field=FILE)
    return data


def _base58(data: bytes) -> str:
    number, found = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        found = _BASE58[rest] + found
    return found
