"""The verifier against whatever comes: a verdict or a refusal in words, and nothing else."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from wattline_reports.challenge import documents, files
from wattline_reports.challenge.verify import scores_of, verify
from wattline_reports.exchange import canonical
from wattline_reports.exchange.refused import Refused

_BOUNDED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_GAMES: dict[str, Any] = {}


def _game(played: Any) -> Any:
    """One challenge for all examples: nothing here changes it."""
    if "it" not in _GAMES:
        game = played().whole()
        game.publish()
        _GAMES["it"] = game
    return _GAMES["it"]


@cache
def _wanted(game: Any) -> bytes:
    return canonical.dumps(scores_of(game.verdict()))


def _holds(game: Any, told: dict[str, bytes]) -> None:
    """Refused; or somebody is out, or something counts for nothing; or it all still says so."""
    try:
        verdict = verify(told, game.ring, game.over, "challenge")
    except Refused as refused:
        assert refused.code.value in str(refused)
        return
    out = any(one.refused for one in verdict.entrants.values()) or verdict.ignored
    assert out or verdict.scores is None or canonical.dumps(scores_of(verdict)) == _wanted(game)


@_BOUNDED
@given(some.data())
def test_bytes_changed_anywhere_never_pass_as_they_are(played: Any, data: some.DataObject) -> None:
    game = _game(played)
    name = data.draw(some.sampled_from(sorted(game.told)))
    whole = bytearray(game.told[name])
    place = data.draw(some.integers(0, len(whole) - 1))
    cut = data.draw(some.integers(0, 3))
    whole[place : place + cut] = data.draw(some.binary(max_size=3))
    if bytes(whole) == game.told[name]:
        return
    told = {**game.told, name: bytes(whole)}
    try:
        verdict = verify(told, game.ring, game.over, "challenge")
    except Refused:
        return
    assert any(one.refused for one in verdict.entrants.values()) or verdict.ignored


@_BOUNDED
@given(some.data())
def test_files_taken_away_or_put_elsewhere_never_end_in_a_crash(
    played: Any, data: some.DataObject
) -> None:
    game = _game(played)
    told = dict(game.told)
    for name in data.draw(some.lists(some.sampled_from(sorted(told)), max_size=3, unique=True)):
        held = told.pop(name)
        if data.draw(some.booleans()):
            told[data.draw(some.sampled_from(sorted(game.told)))] = held
    _holds(game, told)


_PLAIN = (
    some.none()
    | some.booleans()
    | some.integers(-(10**20), 10**20)
    | some.floats(allow_nan=False)
    | some.text(max_size=5)
    | some.sampled_from(["0" * 64, "2027-03-01T12:00:00Z", "9999-12-31T23:59:59Z"])
)
_NUMBER = some.integers(0, 100) | some.floats(1e-12, 1e30)
_JSON = some.recursive(
    _PLAIN,
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        if isinstance(one, dict | list):
            found += _places(one, (*at, key))
        else:
            found.append((*at, key))
    return found


@_BOUNDED
@given(some.data())
def test_bodies_with_anything_in_them_signed_as_they_should_be_never_end_in_a_crash(
    played: Any, data: some.DataObject
) -> None:
    game = _game(played)
    name = data.draw(some.sampled_from(sorted(game.told)))
    old = game.document(name)
    body = copy.deepcopy(old.body)
    place = data.draw(some.sampled_from(_places(body)))
    inner: Any = body
    for key in place[:-1]:
        inner = inner[key]
    number = isinstance(inner[place[-1]], int | float)
    # Numbers of a sensible kind come further than any other thing.
    inner[place[-1]] = data.draw(_NUMBER if number else _JSON)
    by = game.signer(old.author)
    try:
        made = documents.write(old.kind, old.place, by, old.at, body)
        told = {**game.told, name: made.to_bytes(), files.name_of(made): made.to_bytes()}
    except Refused:
        return
    _holds(game, told)


@_BOUNDED
@given(some.dictionaries(some.text(max_size=30) | some.sampled_from(
    ["commit.json", "entries/jaif.json", "opening.json", "receipts/001.json"]),
    some.binary(max_size=200), max_size=4))  # fmt: skip
def test_files_of_any_kind_are_refused_in_words(played: Any, told: dict[str, bytes]) -> None:
    game = _game(played)
    try:
        verify(told, game.ring, game.over, "challenge")
    except Refused as refused:
        assert str(refused)
    else:
        raise AssertionError("random bytes were taken for a challenge")
