from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from wattline_reports.exchange import keys, sign
from wattline_reports.exchange.refused import Reason

DIGEST, DAY = "b" * 64, date(2026, 6, 1)
FACTORY, AUDITOR, OTHER = keys.new_private(), keys.new_private(), keys.new_private()


def _ring(*more: keys.Key, **change: Any) -> keys.Ring:
    mine = keys.public_key(FACTORY, "it4lia", keys.FACTORY, date(2026, 1, 1), date(2026, 12, 31))
    auditor = keys.public_key(AUDITOR, "audit", keys.AUDITOR, date(2026, 1, 1), date(2026, 12, 31))
    other = keys.public_key(OTHER, "jaiaf", keys.FACTORY, date(2026, 1, 1), date(2026, 12, 31))
    return {key.id: key for key in (replace(mine, **change), auditor, other, *more)}


def _verify(*signatures: sign.Signature, ring: keys.Ring | None = None, **asked: Any) -> Any:
    return sign.verify(DIGEST, "it4lia", signatures, ring or _ring(), path="b.zip", **asked)


def test_a_signature_holds_and_the_same_one_is_made_again() -> None:
    one = sign.sign(DIGEST, FACTORY, keys.FACTORY, DAY)
    assert one == sign.sign(DIGEST, FACTORY, keys.FACTORY, DAY)
    assert [key.owner for key in _verify(one)] == ["it4lia"]


def test_several_sign_and_as_many_as_are_asked_for_must(refused: Callable[..., Any]) -> None:
    one = sign.sign(DIGEST, FACTORY, keys.FACTORY, DAY)
    two = sign.sign(DIGEST, AUDITOR, keys.AUDITOR, DAY)
    assert len(_verify(one, two, needed=2, roles=("factory", "auditor"))) == 2
    refused(Reason.UNSIGNED, lambda: _verify(one, needed=2))
    refused(Reason.UNSIGNED, lambda: _verify(one, roles=("factory", "auditor")))
    refused(Reason.UNSIGNED, lambda: _verify(two))
    refused(Reason.UNSIGNED, lambda: _verify())


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (sign.sign("c" * 64, FACTORY, keys.FACTORY, DAY), Reason.BAD_SIGNATURE),
        (
            replace(sign.sign(DIGEST, FACTORY, keys.FACTORY, DAY), signed_on=date(2026, 6, 2)),
            Reason.BAD_SIGNATURE,
        ),
        (sign.sign(DIGEST, keys.new_private(), keys.FACTORY, DAY), Reason.UNKNOWN_KEY),
        (sign.sign(DIGEST, OTHER, keys.FACTORY, DAY), Reason.WRONG_KEY),
        (sign.sign(DIGEST, FACTORY, keys.AUDITOR, DAY), Reason.WRONG_KEY),
        (sign.sign(DIGEST, FACTORY, keys.FACTORY, date(2025, 12, 31)), Reason.OLD_KEY),
        (sign.sign(DIGEST, FACTORY, keys.FACTORY, date(2027, 1, 1)), Reason.OLD_KEY),
    ],
)
def test_each_wrong_signature_is_refused_with_its_own_reason(
    signature: sign.Signature, code: Reason, refused: Callable[..., Any]
) -> None:
    refused(code, lambda: _verify(signature))


@pytest.mark.parametrize(
    ("reason", "on", "holds"),
    [
        ("superseded", date(2026, 7, 1), True),
        ("superseded", date(2026, 6, 1), False),
        (keys.COMPROMISED, date(2026, 12, 1), False),
    ],
)
def test_a_revoked_key_holds_only_for_what_it_signed_before_unless_it_was_stolen(
    reason: str, on: date, holds: bool, refused: Callable[..., Any]
) -> None:
    plain = next(iter(_ring().values()))
    ring = _ring(revocation=keys.revoked(plain, FACTORY, on, reason).revocation)
    one = sign.sign(DIGEST, FACTORY, keys.FACTORY, DAY)
    if holds:
        assert _verify(one, ring=ring)
    else:
        refused(Reason.REVOKED_KEY, lambda: _verify(one, ring=ring))


def test_one_that_does_not_hold_spoils_those_that_do(refused: Callable[..., Any]) -> None:
    good = sign.sign(DIGEST, FACTORY, keys.FACTORY, DAY)
    bad = sign.sign("c" * 64, AUDITOR, keys.AUDITOR, DAY)
    refused(Reason.BAD_SIGNATURE, lambda: _verify(good, bad))


def test_they_are_written_and_read_in_one_order(refused: Callable[..., Any]) -> None:
    one = sign.sign(DIGEST, FACTORY, keys.FACTORY, DAY)
    two = sign.sign(DIGEST, AUDITOR, keys.AUDITOR, DAY)
    data = sign.to_bytes([two, one])
    assert data == sign.to_bytes([one, two])
    assert sign.parse(data, "x") == [one, two]
    swapped = data.replace(one.key.encode(), b"K").replace(two.key.encode(), one.key.encode())
    swapped = swapped.replace(b"K", two.key.encode())
    assert sign.to_bytes([one, one]) == sign.to_bytes([one])
    refused(Reason.DUPLICATE, lambda: sign.parse(_twice(data), "x"))


def _twice(data: bytes) -> bytes:
    from wattline_reports.exchange import canonical

    value = canonical.loads(data, "x")
    return canonical.dumps({**value, "signatures": value["signatures"][:1] * 2})


def test_two_keys_of_one_owner_are_one_signature(refused: Callable[..., Any]) -> None:
    second = keys.new_private()
    mine = keys.public_key(second, "it4lia", keys.FACTORY, date(2026, 1, 1), date(2026, 12, 31))
    both = [sign.sign(DIGEST, private, keys.FACTORY, DAY) for private in (FACTORY, second)]
    assert len(_verify(*both, ring=_ring(mine))) == 2
    refused(Reason.UNSIGNED, lambda: _verify(*both, ring=_ring(mine), needed=2))


def test_a_signature_is_written_in_one_way(refused: Callable[..., Any]) -> None:
    # The last letter of 64 bytes in base64 has four bits that say nothing.
    one = sign.sign(DIGEST, FACTORY, keys.FACTORY, DAY)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letters[letters.index(one.signature[85]) + 1]
    same = replace(one, signature=f"{one.signature[:85]}{other}==")
    assert base64.b64decode(same.signature) == base64.b64decode(one.signature)
    refused(Reason.BAD_SIGNATURE, lambda: _verify(same))
