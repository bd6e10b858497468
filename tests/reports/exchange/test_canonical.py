from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from wattline_agents.errors import InputError
from wattline_reports.exchange import canonical
from wattline_reports.exchange.refused import Reason, Refused

_VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53) + 1, 2**53 - 1)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(some.characters(exclude_categories=["Cs"])),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner),
    max_leaves=12,
)


@given(_VALUES)
def test_what_is_written_is_read_back_and_written_the_same(value: object) -> None:
    data = canonical.dumps(value)
    if data.count(b"[") + data.count(b"{") <= canonical.MOST_DEPTH:
        assert canonical.dumps(canonical.loads(data, "x")) == data


def test_keys_are_sorted_and_numbers_are_ecmascripts() -> None:
    value = {"b": 1.0, "a": [1e21, 0.1, -0.0], "é": "\u20ac\n"}
    assert canonical.dumps(value) == '{"a":[1e+21,0.1,0],"b":1,"é":"€\\n"}'.encode()


def test_a_count_beyond_what_a_double_holds_is_the_nearest_double() -> None:
    assert canonical.dumps(2**60 + 1) == canonical.dumps(float(2**60))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1: 2}, object()])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        canonical.dumps(value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a":1,"a":2}', Reason.DUPLICATE),
        ('{"a":{"b":1,"b":1}}', Reason.DUPLICATE),
        ('{"b":1,"a":2}', Reason.NOT_CANONICAL),
        ('{"a": 1}', Reason.NOT_CANONICAL),
        ('{"a":1.0}', Reason.NOT_CANONICAL),
        ('{"a":1}\n', Reason.NOT_CANONICAL),
        ('"\\u0061"', Reason.NOT_CANONICAL),
        ('{"a":NaN}', Reason.SCHEMA),
        ("1e999", Reason.SCHEMA),
        ("{", Reason.SCHEMA),
        ("", Reason.SCHEMA),
        ("[" * 100_000, Reason.SCHEMA),
        ("[" * 40 + "]" * 40, Reason.SCHEMA),
        ("9" * 10_000, Reason.SCHEMA),
        ("1" + "0" * 400, Reason.SCHEMA),
    ],
)
def test_text_that_two_readers_could_take_for_two_things_is_refused(
    text: str, code: Reason
) -> None:
    with pytest.raises(Refused) as told:
        canonical.loads(text.encode(), "manifest.json")
    assert told.value.code == code
    assert "manifest.json" in str(told.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Refused):
        canonical.loads(b'"\xff"', "x")


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical.digest({"a": 1, "b": 2}) == canonical.digest(json.loads('{"b":2,"a":1}'))


def test_a_key_that_stands_twice_among_very_many_is_found_in_one_pass() -> None:
    text = "{" + "".join(f'"{number}":0,' for number in range(200_000)) + '"199999":0}'
    with pytest.raises(Refused, match="199999"):
        canonical.loads(text.encode(), "x")
