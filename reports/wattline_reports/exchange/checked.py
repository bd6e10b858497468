"""What a JSON file must look like: a JSON Schema for each, shipped and published.

Every schema refuses fields it does not name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any

import jsonschema
from jsonschema import validators

from wattline_reports.exchange.refused import Reason, Refused

NAMES = ("manifest", "signatures", "kpis", "keys", "profile", "eed", "credential")
"""The schemas of a bundle's files."""
_BUNDLE = "wattline_reports.exchange"
_MOST_ERRORS = 1000
"""Of which the first, in order, is named: a hostile file may have millions."""

Errors = Iterator[jsonschema.ValidationError]
Keyword = Callable[[Any, Any, Any, Mapping[str, Any]], Errors | None]


def schema(name: str, package: str = _BUNDLE) -> dict[str, Any]:
    """A schema as it is published.

    Args:
        name: Of a bundle, one of `NAMES`.
        package: Whose: the directory `schemas` is in it.
    """
    text = resources.files(package).joinpath(f"schemas/{name}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def _pattern(validator: Any, pattern: str, instance: Any, schema: Mapping[str, Any]) -> Errors:
    """As ECMA-262 has it, which is what a schema means: `$` is the end, not before a last break."""
    ends = pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and re.search(ends, instance) is None:
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _unless_too_many(keyword: str) -> Keyword:
    """A keyword that leaves alone what holds too many: that is refused, and costs no more."""
    plain: Keyword = jsonschema.Draft202012Validator.VALIDATORS[keyword]

    def bounded(validator: Any, told: Any, instance: Any, schema: Mapping[str, Any]) -> Errors:
        is_list = isinstance(instance, list)
        most = schema.get("maxItems" if is_list else "maxProperties")
        if most is None or not isinstance(instance, list | dict) or len(instance) <= most:
            yield from plain(validator, told, instance, schema) or ()

    return bounded


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    {
        "pattern": _pattern,
        **{
            keyword: _unless_too_many(keyword)
            for keyword in ("items", "uniqueItems", "additionalProperties", "propertyNames")
        },
    },
)


@cache
def _validator(name: str, package: str) -> Any:
    return _Validator(schema(name, package))


def check(name: str, value: Any, path: object, package: str = _BUNDLE) -> None:
    """Hold a value against its schema.

    Raises:
        Refused: It does not fit; the first field that does not, in order, is named.
    """
    errors = islice(_validator(name, package).iter_errors(value), _MOST_ERRORS)
    error = min(errors, key=_order, default=None)
    if error is not None:
        field = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
        ).lstrip(".")
        message = "".join(c if c.isprintable() else "?" for c in error.message)
        if len(message) > 200:
            message = f"{message[:200]}…"
        raise Refused(Reason.SCHEMA, message, path=path, field=field[:120] or None)


def _order(error: Any) -> tuple[str, ...]:
    return tuple(str(part) for part in error.absolute_path)
