from __future__ import annotations

import hashlib
from typing import Any

import pytest

from wattline_reports.challenge import commitment
from wattline_reports.challenge.commitment import Commitment, What
from wattline_reports.exchange.refused import Reason

NONCE = bytes(range(32))
CONTENT = {"b": 1, "a": [2.5]}


def test_a_commitment_is_what_its_documentation_says() -> None:
    made = commitment.commit(What.SPEC, CONTENT, NONCE)
    written = b'{"a":[2.5],"b":1}'
    assert made.digest == hashlib.sha256(b"aifc-v1|spec|" + written + NONCE).hexdigest()
    assert made.nonce_digest == hashlib.sha256(b"aifc-v1|spec-nonce|" + NONCE).hexdigest()


def test_what_was_committed_to_is_taken_in_any_order_of_its_keys() -> None:
    made = commitment.commit(What.RESULT, CONTENT, NONCE)
    commitment.check(What.RESULT, made, {"a": [2.5], "b": 1}, NONCE, "x")


def test_a_changed_content_and_a_changed_nonce_are_told_apart(refused: Any) -> None:
    made = commitment.commit(What.SPEC, CONTENT, NONCE)
    other = {**CONTENT, "b": 2}
    refused(Reason.ALTERED_SPEC, lambda: commitment.check(What.SPEC, made, other, NONCE, "x"))
    refused(
        Reason.SWAPPED_NONCE,
        lambda: commitment.check(What.SPEC, made, CONTENT, NONCE[::-1], "x"),
    )
    told = commitment.commit(What.RESULT, CONTENT, NONCE)
    refused(Reason.ALTERED_RESULT, lambda: commitment.check(What.RESULT, told, other, NONCE, "x"))


def test_a_commitment_to_one_thing_is_none_to_another(refused: Any) -> None:
    made = commitment.commit(What.SPEC, CONTENT, NONCE)
    moved = Commitment(made.digest, commitment.commit(What.RESULT, CONTENT, NONCE).nonce_digest)
    refused(
        Reason.ALTERED_RESULT, lambda: commitment.check(What.RESULT, moved, CONTENT, NONCE, "x")
    )


def test_a_short_nonce_is_none() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        commitment.commit(What.SPEC, CONTENT, NONCE[:16])
