"""A certificate that somebody changed, or that the wrong key signed, is refused with its reason."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wattline_agents.cli import main
from wattline_reports.certificate import signed
from wattline_reports.exchange import canonical, keys
from wattline_reports.exchange.refused import Reason, Refused

FACTORY = "example-aif"
SIGNED_ON = date(2026, 1, 15)


@pytest.fixture(scope="module")
def private() -> Ed25519PrivateKey:
    return keys.new_private()


@pytest.fixture(scope="module")
def plain(factory_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A certificate that nobody signed."""
    out = tmp_path_factory.mktemp("certificate")
    words = ["report", "certificate", "P1", "--period", "2025-11-01", "--format", "json"]
    assert main([*words, "--store", str(factory_store), "--out", str(out)]) == 0
    value: dict[str, Any] = json.loads(next(out.glob("*.json")).read_bytes())
    return value


def key_of(private: Ed25519PrivateKey, owner: str = FACTORY, role: str = keys.FACTORY) -> keys.Key:
    return keys.public_key(private, owner, role, date(2026, 1, 1), date(2026, 12, 31))


def by(value: dict[str, Any], private: Ed25519PrivateKey, on: date = SIGNED_ON) -> bytes:
    made = copy.deepcopy(value)
    made["data"]["signature"] = signed.signature(made, private, on)
    return canonical.dumps(made) + b"\n"


def refused(data: bytes, ring: keys.Ring) -> Reason:
    with pytest.raises(Refused) as error:
        signed.verify(data, ring, "c.json")
    return error.value.code


def test_what_the_site_signed_holds(plain: dict[str, Any], private: Ed25519PrivateKey) -> None:
    found = signed.verify(by(plain, private), keys.ring_of(None, key_of(private)))
    assert found.key.owner == FACTORY
    assert found.signed_on == SIGNED_ON
    assert found.value["data"]["certificate"]["project"] == "P1"


def changes(value: dict[str, Any]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Each a lie that somebody could want to tell."""

    def energy(one: dict[str, Any]) -> None:
        figure = next(f for f in one["figures"] if f["quote"] == "S12/project=P1")
        figure["value"] = 0.9

    def period(one: dict[str, Any]) -> None:
        one["period"]["to"] = "2026-11-02T00:00:00Z"

    def missing(one: dict[str, Any]) -> None:
        one["missing"] = []

    def project(one: dict[str, Any]) -> None:
        one["data"]["certificate"]["project"] = "P2"

    def caveats(one: dict[str, Any]) -> None:
        one["data"]["certificate"]["does_not_prove"] = []

    def compute(one: dict[str, Any]) -> None:
        one["data"]["certificate"]["annex_xi"]["compute_flop"] = 1.0

    def day(one: dict[str, Any]) -> None:
        one["data"]["signature"]["signed_on"] = "2026-01-16"

    def audit(one: dict[str, Any]) -> None:
        one["data"]["audit"]["balanced"] = False

    yield from (energy, period, missing, project, caveats, compute, day, audit)


def test_every_figure_and_every_word_is_signed(
    plain: dict[str, Any], private: Ed25519PrivateKey
) -> None:
    ring = keys.ring_of(None, key_of(private))
    for change in changes(plain):
        told = json.loads(by(plain, private))
        change(told)
        assert refused(canonical.dumps(told) + b"\n", ring) is Reason.BAD_SIGNATURE, change


def test_one_byte_anywhere_is_refused(plain: dict[str, Any], private: Ed25519PrivateKey) -> None:
    ring = keys.ring_of(None, key_of(private))
    data = by(plain, private)
    draw = random.Random(20260115)
    places = {0, len(data) - 1, *(draw.randrange(len(data)) for _ in range(300))}
    for place in sorted(places):
        changed = bytearray(data)
        changed[place] ^= 1 << draw.randrange(8)
        with pytest.raises(Refused):
            signed.verify(bytes(changed), ring)
    for cut in (data[:-1], data + b"\n", data[: len(data) // 2], b"", b"\n"):
        with pytest.raises(Refused):
            signed.verify(cut, ring)


def test_each_wrong_key_has_its_own_reason(
    plain: dict[str, Any], private: Ed25519PrivateKey
) -> None:
    other = keys.new_private()
    data = by(plain, private)
    assert refused(data, keys.ring_of(None, key_of(other))) is Reason.UNKNOWN_KEY
    assert refused(data, keys.ring_of(None, key_of(private, "other-aif"))) is Reason.WRONG_KEY
    auditor = key_of(private, FACTORY, keys.AUDITOR)
    assert refused(data, keys.ring_of(None, auditor)) is Reason.WRONG_KEY
    late = by(plain, private, date(2027, 2, 1))
    assert refused(late, keys.ring_of(None, key_of(private))) is Reason.OLD_KEY


def test_another_key_cannot_sign_in_the_sites_name(
    plain: dict[str, Any], private: Ed25519PrivateKey
) -> None:
    forged = json.loads(by(plain, keys.new_private()))
    forged["data"]["signature"]["key"] = keys.id_of(private.public_key())
    ring = keys.ring_of(None, key_of(private))
    assert refused(canonical.dumps(forged) + b"\n", ring) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("reason", "on", "holds"),
    [
        ("compromised", date(2026, 6, 1), False),
        ("retired", date(2026, 1, 15), False),
        ("retired", date(2026, 6, 1), True),
    ],
)
def test_a_revoked_key_holds_for_nothing_it_could_have_forged(
    reason: str, on: date, holds: bool, plain: dict[str, Any], private: Ed25519PrivateKey
) -> None:
    key = keys.revoked(key_of(private), private, on, reason)
    ring = keys.ring_of(None, key)
    if holds:
        assert signed.verify(by(plain, private), ring).key.id == key.id
    else:
        assert refused(by(plain, private), ring) is Reason.REVOKED_KEY


def test_what_is_no_signed_certificate_is_told_apart(
    plain: dict[str, Any], private: Ed25519PrivateKey
) -> None:
    ring = keys.ring_of(None, key_of(private))
    assert refused(canonical.dumps(plain) + b"\n", ring) is Reason.UNSIGNED
    assert refused(canonical.dumps(plain | {"kind": "review"}) + b"\n", ring) is Reason.SCHEMA
    assert refused(canonical.dumps(plain | {"more": 1}) + b"\n", ring) is Reason.SCHEMA
    assert refused(json.dumps(plain).encode() + b"\n", ring) is Reason.NOT_CANONICAL
    assert refused(b"[" * 100_000 + b"\n", ring) is Reason.SCHEMA
    assert refused(b"[1]\n", ring) is Reason.SCHEMA
    assert refused(b"x" * (signed.MOST_BYTES + 1), ring) is Reason.UNREADABLE
    twice = canonical.dumps(plain).replace(b'{"as_of":null', b'{"as_of":null,"as_of":null', 1)
    assert refused(twice + b"\n", ring) is Reason.DUPLICATE


def test_a_signature_of_a_bundle_is_none_of_a_certificate(
    plain: dict[str, Any], private: Ed25519PrivateKey
) -> None:
    from wattline_reports.exchange import sign

    made = copy.deepcopy(plain)
    told = sign.sign(canonical.digest(made), private, keys.FACTORY, SIGNED_ON)
    made["data"]["signature"] = {
        "key": told.key, "role": told.role, "signed_on": told.signed_on.isoformat(),
        "signature": told.signature,
    }  # fmt: skip
    ring = keys.ring_of(None, key_of(private))
    assert refused(canonical.dumps(made) + b"\n", ring) is Reason.BAD_SIGNATURE


def test_the_command_checks_without_a_store(
    plain: dict[str, Any],
    private: Ed25519PrivateKey,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATTLINE_STORE", str(tmp_path / "none"))
    path, ring = tmp_path / "c.json", tmp_path / "keys.json"
    path.write_bytes(by(plain, private))
    keys.write_ring(keys.ring_of(None, key_of(private)), ring)
    words = ["report", "certificate", "--verify", str(path), "--ring", str(ring)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "the signature holds" in said
    assert "It does not prove:" in said
    assert f"signed by     {FACTORY}" in said
    path.write_bytes(by(plain, private).replace(b'"P1"', b'"P7"'))
    assert main(words) == 2
    assert "something in it was changed (bad-signature)" in capsys.readouterr().err
    assert main([*words[:-1], str(tmp_path / "no.json")]) == 2
    assert "there is no ring of public keys" in capsys.readouterr().err
