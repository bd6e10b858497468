from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from wattline_reports.challenge import merkle
from wattline_reports.challenge.merkle import Opening
from wattline_reports.exchange.refused import Reason, Refused

SECRET = bytes(range(32))


def _items(count: int) -> list[dict[str, Any]]:
    return [{"title": f"t{i}", "reference": None, "content": {}} for i in range(count)]


def _leaves(count: int) -> list[bytes]:
    return [merkle.leaf(item, merkle.item_nonce(SECRET, i)) for i, item in enumerate(_items(count))]


def _opening(count: int, index: int) -> Opening:
    leaves = _leaves(count)
    return Opening(
        index,
        _items(count)[index],
        merkle.item_nonce(SECRET, index).hex(),
        leaves[index].hex(),
        tuple(one.hex() for one in merkle.proof(leaves, index)),
    )


def _root_as_rfc_9162_writes_it(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = (_root_as_rfc_9162_writes_it(part) for part in (leaves[:split], leaves[split:]))
    return hashlib.sha256(b"\x01aifc-v1|node|" + left + right).digest()


@pytest.mark.parametrize("count", [*range(1, 35), 100])
def test_the_tree_is_that_of_rfc_9162_and_every_item_has_a_proof(count: int) -> None:
    leaves = _leaves(count)
    root = merkle.root(leaves)
    assert root == _root_as_rfc_9162_writes_it(leaves)
    for index in range(count):
        merkle.check(_opening(count, index), root.hex(), count, "x")


def test_two_lists_of_items_never_have_one_root() -> None:
    leaves = _leaves(12)
    roots = {merkle.root(leaves[:n]) for n in range(1, 13)}
    roots |= {merkle.root([*leaves[:n], leaves[n - 1]]) for n in range(1, 12)}
    assert len(roots) == 12 + 11


@settings(max_examples=200)
@given(some.integers(1, 40), some.data())
def test_an_item_at_another_place_or_under_another_count_is_refused(
    count: int, data: some.DataObject
) -> None:
    index = data.draw(some.integers(0, count - 1))
    root, right = merkle.root(_leaves(count)).hex(), _opening(count, index)
    place = data.draw(some.integers(0, 60).filter(lambda one: one != index))
    with pytest.raises(Refused) as told:
        merkle.check(replace(right, index=place), root, count, "x")
    assert told.value.code == Reason.WRONG_PROOF


@settings(max_examples=200)
@given(some.integers(0, 12), some.lists(some.binary(min_size=32, max_size=32), max_size=6))
def test_proofs_of_any_kind_are_refused_or_right(index: int, proof: list[bytes]) -> None:
    root, right = merkle.root(_leaves(13)).hex(), _opening(13, index)
    told = replace(right, proof=tuple(one.hex() for one in proof))
    with pytest.raises(Refused):
        merkle.check(told, root, 13, "x")


def test_an_inner_node_cannot_be_passed_off_as_an_item(refused: Any) -> None:
    leaves = _leaves(4)
    node = hashlib.sha256(b"\x01aifc-v1|node|" + leaves[0] + leaves[1]).digest()
    root = merkle.root(leaves)
    other = hashlib.sha256(b"\x01aifc-v1|node|" + leaves[2] + leaves[3]).digest()
    # With two "items" that are nodes the tree would have the same root.
    assert merkle.root([node, other]) == root
    opening = replace(_opening(4, 0), leaf=node.hex(), proof=())
    refused(Reason.ALTERED_ITEM, lambda: merkle.check(opening, root.hex(), 2, "x"))


def test_a_guessed_item_cannot_be_recognised_by_its_leaf() -> None:
    item = _items(1)[0]
    nonces = {merkle.item_nonce(SECRET, index) for index in range(50)}
    assert len({merkle.leaf(item, nonce) for nonce in nonces}) == 50
    with pytest.raises(ValueError, match="32 bytes"):
        merkle.leaf(item, b"short")


def test_an_empty_tree_has_no_root() -> None:
    with pytest.raises(ValueError, match="leaf"):
        merkle.root([])
