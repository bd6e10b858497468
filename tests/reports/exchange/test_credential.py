from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from wattline_agents.errors import UsageError
from wattline_reports.exchange import archive, bundle, credential, keys
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.refused import Reason
from wattline_reports.exchange.verify import verify

DAY = date(2027, 1, 15)
WEB = "did:web:factory.example.org"


def parts(data: bytes) -> list[dict[str, Any]]:
    found = []
    for text in data.split(b".")[:2]:
        found.append(json.loads(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))))
    return found


def jwt(header: object, told: object, private: Any) -> bytes:
    """Any header and credential, signed as it should be."""
    from wattline_reports.exchange import canonical

    text = b".".join(
        base64.urlsafe_b64encode(canonical.dumps(one)).rstrip(b"=") for one in (header, told)
    )
    return text + b"." + base64.urlsafe_b64encode(private.sign(text)).rstrip(b"=")


@pytest.mark.parametrize("issuer", ["", WEB, "did:web:localhost%3A8443:factories:one"])
def test_a_credential_travels_in_the_bundle_and_is_verified(
    issuer: str, made: Bundle, factory: Any, kit: Any, tmp_path: Path
) -> None:
    path = tmp_path / "b.aifb.zip"
    path.write_bytes(made.credited(factory.private, DAY, issuer).to_bytes())
    read = bundle.read(path)
    verify(read, factory.ring, [kit.DICTIONARY])
    assert read.credential is not None
    assert read.manifest == made.manifest and read.files == made.files
    assert read.to_bytes() == path.read_bytes()
    # An auditor's signature leaves it as it is.
    assert read.signed(keys.new_private(), "auditor", DAY).credential == read.credential


def test_another_program_reads_and_verifies_it(made: Bundle, factory: Any) -> None:
    told = made.credited(factory.private, DAY).credential
    assert told is not None
    raw = factory.private.public_key().public_bytes_raw()
    key = OKPKey.import_key(
        {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}
    )
    found = jws.deserialize_compact(told, key, algorithms=["Ed25519"])
    value = json.loads(found.payload)
    assert found.headers()["typ"] == "vc+jwt"
    assert value["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    digest = base64.b64decode(value["relatedResource"][0]["digestSRI"].removeprefix("sha256-"))
    assert digest.hex() == made.manifest.digest


def test_a_did_key_is_the_key_itself() -> None:
    # The first example of the did:key method's test vectors for Ed25519.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = bytes.fromhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")
    assert credential.did_key(Ed25519PublicKey.from_public_bytes(raw)) == (
        "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
    )


def test_the_same_bundle_and_day_make_the_same_credential(made: Bundle, factory: Any) -> None:
    twice = [made.credited(factory.private, DAY, WEB).credential for _ in range(2)]
    assert twice[0] == twice[1]


@pytest.mark.parametrize("issuer", ["https://x.eu", "did:web:", "did:web:X_Y", "did:key:z6Mk"])
def test_an_issuer_that_is_no_did_web_is_said(issuer: str, made: Bundle, factory: Any) -> None:
    with pytest.raises(UsageError, match="did:web"):
        made.credited(factory.private, DAY, issuer)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda h, v: h.update(alg="none"), Reason.SCHEMA),
        (lambda h, v: h.update(jku="https://evil.example"), Reason.SCHEMA),
        (lambda h, v: h.update(kid=f"{WEB}#0123456789abcdef"), Reason.CREDENTIAL),
        (lambda h, v: v.update(name="alice"), Reason.SCHEMA),
        (lambda h, v: v["credentialSubject"].update(tokens=4), Reason.SCHEMA),
        (lambda h, v: v["credentialSubject"].update(id="urn:sha256:" + "0" * 64),
         Reason.CREDENTIAL),
        (lambda h, v: v.update(issuer="did:web:other.example.org"), Reason.CREDENTIAL),
        (lambda h, v: v.update(validFrom="2026-02-01T00:00:00Z"), Reason.CREDENTIAL),
        (lambda h, v: v.update(validFrom="2027-02-30T00:00:00Z"), Reason.CREDENTIAL),
        (lambda h, v: v.update(validFrom="2031-01-01T00:00:00Z"), Reason.OLD_KEY),
    ],
)  # fmt: skip
def test_a_credential_that_says_something_else_is_refused_though_it_is_signed(
    change: Any, code: Reason, made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    told = made.credited(factory.private, DAY, WEB).credential
    assert told is not None
    header, value = parts(told)
    change(header, value)
    data = jwt(header, value, factory.private)
    files = {**archive.unpack(made.to_bytes(), "x"), "vc.jwt": data}
    refused(code, lambda: verify(bundle.of_files(files, "x"), factory.ring, [kit.DICTIONARY]))


def test_another_bundles_credential_and_another_keys_are_refused(
    made: Bundle, factory: Any, kit: Any, refused: Any
) -> None:
    def asked(data: bytes | None) -> Any:
        one = replace(made, credential=data)
        return lambda: verify(one, factory.ring, [kit.DICTIONARY])

    other = factory.bundle(seed=2).credited(factory.private, DAY).credential
    assert "another bundle" in refused(Reason.CREDENTIAL, asked(other))
    thief = keys.new_private()
    refused(Reason.CREDENTIAL, asked(made.credited(thief, DAY).credential))
    # With the factory's name for its key, but signed by somebody else.
    mine = made.credited(factory.private, DAY, WEB).credential
    assert mine is not None
    words = refused(Reason.CREDENTIAL, asked(jwt(parts(mine)[0], parts(mine)[1], thief)))
    assert "signature" in words


def test_no_altered_letter_is_taken(made: Bundle, factory: Any, kit: Any) -> None:
    from wattline_reports.exchange.refused import Refused

    told = made.credited(factory.private, DAY).credential
    assert told is not None
    files = archive.unpack(made.to_bytes(), "x")
    for place in range(0, len(told), 11):
        altered = bytearray(told)
        altered[place] ^= 1
        with pytest.raises(Refused):
            one = bundle.of_files({**files, "vc.jwt": bytes(altered)}, "x")
            verify(one, factory.ring, [kit.DICTIONARY])


@pytest.mark.parametrize("data", [b"", b"a.b", b"a.b.c.d", b"..", b"a" * 20_000, b"\xff.a.b"])
def test_what_is_no_jwt_is_refused_when_it_is_read(data: bytes, made: Bundle, refused: Any) -> None:
    files = {**archive.unpack(made.to_bytes(), "x"), "vc.jwt": data}
    refused(Reason.SCHEMA, lambda: bundle.of_files(files, "x"))
