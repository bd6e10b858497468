from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from wattline_agents.errors import InputError
from wattline_reports.exchange import canonical, keys
from wattline_reports.exchange.refused import Reason

OLD, NEW, LATER = keys.new_private(), keys.new_private(), keys.new_private()
ORGANISER = keys.new_private()


def _key(private: Any, owner: str = "it4lia", role: str = keys.FACTORY, year: int = 2026) -> Any:
    return keys.public_key(private, owner, role, date(year, 1, 1), date(year + 2, 12, 31))


def test_a_private_key_is_only_its_owners_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "factory.pem"
    keys.write_private(OLD, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.id_of(keys.read_private(path).public_key()) == keys.id_of(OLD.public_key())
    with pytest.raises(InputError, match="no key is overwritten"):
        keys.write_private(NEW, path)


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "factory.pem"
    keys.write_private(OLD, path)
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        keys.read_private(path)


def test_a_key_of_another_kind_and_no_key_are_refused(tmp_path: Path) -> None:
    rsa, text = tmp_path / "rsa.pem", tmp_path / "text.pem"
    rsa.write_bytes(
        generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    text.write_text("no key")
    for path in (rsa, text):
        path.chmod(0o600)
    with pytest.raises(InputError, match="not an Ed25519 key"):
        keys.read_private(rsa)
    with pytest.raises(InputError, match="not a private key"):
        keys.read_private(text)
    with pytest.raises(InputError):
        keys.read_private(tmp_path / "none.pem")


def test_a_ring_is_written_and_read_back(tmp_path: Path) -> None:
    old = _key(OLD)
    new = keys.endorsed(_key(NEW, year=2027), OLD)
    ring = keys.ring_of(None, keys.revoked(old, NEW, date(2027, 6, 1), "superseded"), new)
    keys.write_ring(ring, tmp_path / "keys.json")
    assert keys.read_ring(tmp_path / "keys.json") == ring


def test_a_second_key_needs_an_earlier_one_to_vouch_for_it(refused: Callable[..., Any]) -> None:
    words = refused(Reason.BAD_RING, lambda: keys.ring_of(None, _key(OLD), _key(NEW, year=2027)))
    assert "endorsed" in words
    keys.ring_of(None, _key(OLD), keys.endorsed(_key(NEW, year=2027), OLD))


def test_an_organiser_may_vouch_for_and_revoke_any_key() -> None:
    organiser = _key(ORGANISER, "eurohpc", keys.ORGANISER)
    first = keys.endorsed(_key(OLD), ORGANISER)
    second = keys.endorsed(_key(NEW), ORGANISER)
    third = keys.revoked(second, ORGANISER, date(2026, 5, 1), "lost")
    assert set(keys.ring_of(None, organiser, first, third)) == {
        key.id for key in (organiser, first, third)
    }


@pytest.mark.parametrize(
    "spoil",
    [
        lambda new: replace(new, owner="jaiaf"),
        lambda new: replace(new, valid_until=date(2040, 1, 1)),
        lambda new: replace(new, role=keys.AUDITOR),
        lambda new: replace(new, id="0" * 16),
        lambda new: replace(new, valid_from=date(2035, 1, 1)),
        lambda new: replace(new, endorsement=keys.Endorsement(new.id, "A" * 86 + "==")),
        lambda new: keys.endorsed(replace(new, endorsement=None), NEW),
        lambda new: keys.endorsed(replace(new, endorsement=None), LATER),
        lambda new: keys.endorsed(
            replace(new, valid_from=date(2031, 1, 1), valid_until=date(2032, 1, 1)), OLD
        ),
        lambda new: keys.revoked(new, LATER, date(2027, 5, 1), "lost"),
        lambda new: replace(
            keys.revoked(new, NEW, date(2027, 5, 1), "lost"),
            revocation=keys.Revocation(
                keys.id_of(NEW.public_key()), date(2029, 1, 1), "lost", "A" * 86 + "=="
            ),
        ),
    ],
)
def test_a_key_that_has_no_right_to_be_there_is_refused(
    spoil: Callable[[Any], Any], refused: Callable[..., Any]
) -> None:
    new = keys.endorsed(_key(NEW, year=2027), OLD)
    keys.ring_of(None, _key(OLD), new)
    refused(Reason.BAD_RING, lambda: keys.ring_of(None, _key(OLD), spoil(new)))


def test_a_stolen_key_cannot_vouch_for_another(refused: Callable[..., Any]) -> None:
    stolen = keys.revoked(_key(OLD), OLD, date(2027, 3, 1), keys.COMPROMISED)
    thief = keys.endorsed(_key(NEW), OLD)
    assert "revoked" in refused(Reason.BAD_RING, lambda: keys.ring_of(None, stolen, thief))


def test_keys_that_endorse_each_other_are_refused(refused: Callable[..., Any]) -> None:
    one, two = keys.endorsed(_key(OLD), NEW), keys.endorsed(_key(NEW), OLD)
    assert "each other" in refused(Reason.BAD_RING, lambda: keys.ring_of(None, one, two))


def test_an_altered_file_of_a_ring_is_refused(tmp_path: Path, refused: Callable[..., Any]) -> None:
    path = tmp_path / "keys.json"
    keys.write_ring(keys.ring_of(None, _key(OLD)), path)
    told = json.loads(path.read_bytes())
    for change, code in (
        ({"keys": told["keys"] * 2}, Reason.BAD_RING),
        ({"schema": "other"}, Reason.SCHEMA),
        ({"more": 1}, Reason.SCHEMA),
        ({"keys": [{**told["keys"][0], "valid_from": "2026-02-30"}]}, Reason.BAD_RING),
        ({"keys": [{**told["keys"][0], "private": "x"}]}, Reason.SCHEMA),
    ):
        path.write_bytes(canonical.dumps({**told, **change}))
        refused(code, lambda: keys.read_ring(path))
    refused(Reason.BAD_RING, lambda: keys.read_ring(tmp_path / "none.json"))


def test_nobody_slips_in_an_organiser_to_vouch_for_what_he_likes(
    refused: Callable[..., Any],
) -> None:
    first = _key(ORGANISER, "eurohpc", keys.ORGANISER)
    second = _key(LATER, "zz", keys.ORGANISER)
    keys.ring_of(None, first, _key(OLD), keys.endorsed(second, ORGANISER))
    thief = keys.endorsed(_key(NEW), LATER)
    words = refused(Reason.BAD_RING, lambda: keys.ring_of(None, first, second, _key(OLD), thief))
    assert "organisers" in words


def test_a_ring_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        keys.write_ring(keys.ring_of(None, _key(OLD)), tmp_path / "none" / "keys.json")
