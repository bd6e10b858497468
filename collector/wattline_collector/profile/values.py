"""One value of a profile: what TOML made of it, to what the program holds."""

from __future__ import annotations

import math
import unicodedata
from datetime import date, datetime, time
from typing import Any

from wattline_agents.errors import WireError
from wattline_agents.nearest import instead
from wattline_agents.wire import checked_name
from wattline_collector.efficiency.words import printable
from wattline_collector.profile.declare import Key, Kind

MOST_CHARACTERS = 500
"""Of one text: a line that a person reads."""

MOST_ITEMS = 2000
"""Of one list: the holidays of a century."""

_FIRST, _LAST = date(1950, 1, 1), date(2199, 12, 31)


class Wrong(Exception):
    """What is wrong with a value, in words; never leaves this package."""


def value(key: Key, given: Any) -> Any:
    """What a key says.

    Args:
        key: Its declaration.
        given: What stands behind it.

    Raises:
        Wrong: It is not what the key wants; says what would be.
    """
    if not key.many:
        return _one(key, given)
    if not isinstance(given, list):
        raise Wrong(f"not a list: write {key.example}")
    if len(given) > MOST_ITEMS:
        raise Wrong(f"more than {MOST_ITEMS} entries")
    read = tuple(_one(key, item) for item in given)
    seen: set[Any] = set()
    for item in read:
        if item in seen:
            raise Wrong(f"{shown(item)} stands there twice")
        seen.add(item)
    return read


def _one(key: Key, given: Any) -> Any:
    match key.kind:
        case Kind.NAME:
            read: Any = name(given)
        case Kind.TEXT:
            read = _text(given)
        case Kind.WORD:
            read = _word(key, given)
        case Kind.NUMBER | Kind.WHOLE:
            read = _number(key, given)
        case Kind.SHARE:
            read = _share(given)
        case Kind.QUANTITY:
            read = _quantity(key, given)
        case Kind.FLAG:
            if not isinstance(given, bool):
                raise Wrong(f"neither true nor false: {shown(given)}")
            read = given
        case Kind.DATE:
            read = _date(given)
        case Kind.CLOCK:
            read = _clock(given)
    if key.kind in (Kind.NUMBER, Kind.WHOLE, Kind.SHARE, Kind.QUANTITY):
        _check_range(key, read, given)
    wrong = None if key.check is None else key.check(read)
    if wrong is not None:
        raise Wrong(wrong)
    return read


def name(given: Any) -> str:
    """A name as the rest of the program lets it pass.

    Raises:
        Wrong: It is none.
    """
    if not isinstance(given, str):
        raise Wrong(f"not a name: {shown(given)}")
    try:
        return checked_name(given, "name")
    except WireError as error:
        raise Wrong(printable(str(error).removeprefix("name: "), 200)) from None


def shown(given: Any) -> str:
    """Something from a file, fit to stand in a message."""
    if isinstance(given, date | time):
        return given.isoformat()
    if isinstance(given, dict):
        return "a table"
    if isinstance(given, list):
        return "a list"
    # repr would make a large number of a short text: 1e400 is inf, and an int has its digits.
    return repr(printable(given, 60)) if isinstance(given, str) else printable(given, 60)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise Wrong(f"not text: {shown(given)}; write it in quotes")
    text = unicodedata.normalize("NFC", given[: MOST_CHARACTERS + 1]).strip()
    if len(given) > MOST_CHARACTERS:
        raise Wrong(f"over {MOST_CHARACTERS} characters")
    if not text:
        raise Wrong("empty")
    # Also what turns the direction of writing: a name so made reads as another one.
    if not text.isprintable():
        raise Wrong(f"holds characters that cannot be printed: {shown(text)}")
    return text


def _word(key: Key, given: Any) -> str:
    if isinstance(given, str) and given in key.words:
        return given
    if not isinstance(given, str):
        raise Wrong(f"not a word in quotes: {shown(given)}")
    raise Wrong(f"{shown(given)} is not among its words; {nearest(given, key.words, key.example)}")


def nearest(word: str, known: tuple[str, ...], example: str) -> str:
    """How a message about a word goes on that is not in a list; a long list is not told."""
    hint = instead(printable(word), known)
    return f"such as {example}" if hint.startswith("there are") and len(known) > 40 else hint


def _number(key: Key, given: Any) -> float | int:
    # In Python true is a number; in a profile it is a slip.
    if isinstance(given, bool) or not isinstance(given, int | float):
        hint = "; take the quotes away" if isinstance(given, str) else ""
        raise Wrong(f"not a number: {shown(given)}{hint}")
    if key.kind is Kind.NUMBER:
        # A whole number of hundreds of digits is no float.
        return float(given) if abs(given) < 1e300 else math.inf
    if not isinstance(given, int):
        raise Wrong(f"not a whole number: {shown(given)}")
    return given


def _share(given: Any) -> float:
    if isinstance(given, str) and given.rstrip().endswith("%"):
        try:
            return float(given.rstrip()[:-1].rstrip()) / 100
        except ValueError:
            pass
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Wrong(f'not a share: {shown(given)}; write 0.35 or "35 %"')
    return float(given) if abs(given) < 1e300 else math.inf


def _quantity(key: Key, given: Any) -> float:
    assert key.unit is not None
    if not isinstance(given, str):
        raise Wrong(f'{shown(given)} has no unit: write such as "{key.unit.example}"')
    try:
        return key.unit.read(given)
    except ValueError as error:
        raise Wrong(f"{shown(given)}: {error}") from None


def _check_range(key: Key, read: float, given: Any) -> None:
    least, most = (0.0, 1.0) if key.kind is Kind.SHARE else (key.least, key.most)
    if key.kind is Kind.SHARE:
        least, most = max(least, key.least), min(most, key.most)
    if math.isfinite(read) and least <= read <= most:
        return
    if key.kind is Kind.SHARE and 1 < read <= 100:
        raise Wrong(f'{shown(given)} is no share: write {read / 100:g} or "{read:g} %"')
    unit = f" {key.unit.base}" if key.unit is not None else ""
    raise Wrong(f"{shown(given)} is not from {least:g} to {most:g}{unit}")


def _date(given: Any) -> date:
    if isinstance(given, str):
        try:
            given = date.fromisoformat(given) if len(given) == 10 else given
        except ValueError:
            raise Wrong(f"{shown(given)} is no date such as 2026-03-31") from None
    if not isinstance(given, date) or isinstance(given, datetime):
        raise Wrong(f"{shown(given)} is no date such as 2026-03-31")
    if not _FIRST <= given <= _LAST:
        raise Wrong(f"{shown(given)} is not from {_FIRST} to {_LAST}")
    return given


def _clock(given: Any) -> time:
    if isinstance(given, str):
        try:
            given = time.fromisoformat(given)
        except ValueError:
            raise Wrong(f"{shown(given)} is no time of day such as 22:00") from None
    if not isinstance(given, time) or given.tzinfo is not None:
        raise Wrong(f"{shown(given)} is no time of day such as 22:00, without a zone")
    if given.second or given.microsecond:
        raise Wrong(f"{shown(given)}: whole minutes only")
    return given
