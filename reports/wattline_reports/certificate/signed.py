"""The signature of a certificate: over everything in its JSON but the signature itself."""

from __future__ import annotations

import base64
import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wattline_reports.exchange import canonical
from wattline_reports.exchange.checked import check
from wattline_reports.exchange.keys import FACTORY, Key, Ring, holds, id_of
from wattline_reports.exchange.refused import Reason, Refused
from wattline_reports.exchange.sign import check_day, known

SCHEMA = "wattline-certificate-1"
PACKAGE = "wattline_reports.certificate"
MOST_BYTES = 4 * 1024 * 1024
"""A certificate of a project has some 10 KiB."""
_SIGN = b"wattline-certificate-signature-v1\n"


@dataclass(frozen=True, slots=True)
class Verified:
    """A certificate that holds.

    Attributes:
        value: All of it.
        key: The key that signed it.
        signed_on: On which day.
        digest: SHA-256 of the file, whose start its pages show as verification code.
    """

    value: Mapping[str, Any]
    key: Key
    signed_on: date
    digest: str


def signature(value: Mapping[str, Any], private: Ed25519PrivateKey, on: date) -> dict[str, object]:
    """Sign a certificate.

    Args:
        value: Its JSON, with whatever signature or none.
        private: The site's key.
        on: The day, UTC.
    """
    key = id_of(private.public_key())
    text = _text(value, key, on.isoformat())
    return {
        "key": key,
        "role": FACTORY,
        "signed_on": on.isoformat(),
        "signature": base64.b64encode(private.sign(text)).decode(),
    }


def verify(data: bytes, ring: Ring, path: object = None) -> Verified:
    """Check a certificate, with public keys alone.

    Args:
        data: The file, as `wattline report certificate --format json` wrote it.
        ring: Keys to check with.
        path: The file, for errors.

    Raises:
        Refused: It is not a certificate, is not signed, or its signature does not hold.
    """
    if len(data) > MOST_BYTES:
        raise Refused(Reason.UNREADABLE, f"larger than {MOST_BYTES:,} bytes", path=path)
    if not data.endswith(b"\n"):
        raise Refused(Reason.NOT_CANONICAL, "does not end with a line break", path=path)
    value = canonical.loads(data[:-1], path)
    if not isinstance(value, dict) or value.get("kind") != "certificate":
        raise Refused(
            Reason.SCHEMA, "not the JSON of a certificate: `--format json` writes it", path=path
        )
    check("certificate", value, path, PACKAGE)
    told = value["data"]["signature"]
    if told is None:
        raise Refused(
            Reason.UNSIGNED, "nobody signed it: the site does, with --key", path=path,
            field="data.signature",
        )  # fmt: skip
    key = known(ring, told["key"], path)
    factory = value["data"]["certificate"]["factory"]
    if key.role != FACTORY or key.owner != factory:
        raise Refused(
            Reason.WRONG_KEY,
            f"the key is {key.owner}\u2019s, as {key.role}; the certificate is {factory}\u2019s",
            path=path,
            field=f"signature of {key.id}",
        )
    try:
        day = date.fromisoformat(told["signed_on"])
    except ValueError as error:
        raise Refused(Reason.SCHEMA, str(error), path=path, field="data.signature") from error
    check_day(key, day, path)
    if not holds(key, told["signature"], _text(value, key.id, told["signed_on"])):
        raise Refused(
            Reason.BAD_SIGNATURE, "the signature is not of this certificate: something in it was "
            "changed", path=path, field=f"signature of {key.id}",
        )  # fmt: skip
    return Verified(value, key, day, hashlib.sha256(data).hexdigest())


def _text(value: Mapping[str, Any], key: str, day: str) -> bytes:
    bare = copy.deepcopy(dict(value))
    bare["data"]["signature"] = None
    return _SIGN + canonical.dumps(
        {"certificate": canonical.digest(bare), "key": key, "role": FACTORY, "signed_on": day}
    )
