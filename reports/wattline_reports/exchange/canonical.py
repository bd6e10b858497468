"""JSON with one way to write each value, so that a signature is of what is meant.

Written by the rules of RFC 8785: keys sorted, no spaces, numbers as ECMAScript prints them. Read
back strictly: text that says the same in other bytes is refused, and so is a key that stands twice,
which two readers would read as two different things.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import rfc8785

from wattline_agents.errors import InputError
from wattline_reports.exchange.refused import Reason, Refused

MOST_DEPTH = 16
"""Objects in objects: what we write has five; a deeper one is somebody's attempt."""

_EXACT = 2**53


def dumps(value: Any) -> bytes:
    """The one way to write a value.

    Args:
        value: Of dicts with text keys, lists, text, numbers, booleans and None. A whole number
            beyond 2^53 becomes the nearest double, as every reader of JSON would take it.

    Raises:
        InputError: A value that JSON cannot hold, such as infinity.
    """
    try:
        return rfc8785.dumps(_exact(value))
    # A whole number may be larger than any double.
    except (rfc8785.CanonicalizationError, OverflowError) as error:
        raise InputError(f"cannot be written as JSON: {error}") from error


def digest(value: Any) -> str:
    """The SHA-256 of a value, in lower-case hexadecimal."""
    return hashlib.sha256(dumps(value)).hexdigest()


def loads(data: bytes, path: object) -> Any:
    """Read what `dumps` wrote.

    Raises:
        Refused: It is not JSON, names a key twice, is nested too deep, or is written otherwise.
    """
    if _depth(data) > MOST_DEPTH:
        raise Refused(Reason.SCHEMA, f"nested more than {MOST_DEPTH} deep", path=path)
    try:
        value = json.loads(
            data.decode("utf-8", "strict"),
            object_pairs_hook=lambda pairs: _object(pairs, path),
            parse_constant=_no_constant,
        )
    except Refused:
        raise
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.SCHEMA, f"not JSON: {_first_line(error)}", path=path) from error
    try:
        again = dumps(value)
    except InputError as error:
        raise Refused(Reason.SCHEMA, error.reason, path=path) from error
    if again != data:
        raise Refused(
            Reason.NOT_CANONICAL, "not written in the one canonical way (RFC 8785)", path=path
        )
    return value


def _object(pairs: Sequence[tuple[str, Any]], path: object) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
        raise Refused(Reason.DUPLICATE, "the key stands twice", path=path, field=_shown(twice))
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT:
        return float(value)
    return value


def _depth(data: bytes) -> int:
    """How deep brackets nest; those inside text count too, which only makes it refuse earlier.

    Counted before anything is parsed: a parser of deep nesting may run out of stack.
    """
    deepest = depth = 0
    for byte in data:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MOST_DEPTH:
                break
        elif byte in b"]}":
            depth -= 1
    return deepest


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:60])
