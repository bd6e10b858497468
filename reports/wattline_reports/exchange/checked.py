"""What a JSON file must look like: a JSON Schema for each, shipped and published.

Every schema refuses fields it does not name.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import jsonschema

from wattline_reports.exchange.refused import Reason, Refused

NAMES = ("manifest", "signatures", "kpis", "keys")
"""The schemas of a bundle's files."""
_BUNDLE = "wattline_reports.exchange"


def schema(name: str, package: str = _BUNDLE) -> dict[str, Any]:
    """A schema as it is published.

    Args:
        name: Of a bundle, one of `NAMES`.
        package: Whose: the directory `schemas` is in it.
    """
    text = resources.files(package).joinpath(f"schemas/{name}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def _validator(name: str, package: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(name, package))


def check(name: str, value: Any, path: object, package: str = _BUNDLE) -> None:
    """Hold a value against its schema.

    Raises:
        Refused: It does not fit; the first field that does not, in order, is named.
    """
    error = min(_validator(name, package).iter_errors(value), key=_order, default=None)
    if error is not None:
        field = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
        ).lstrip(".")
        message = "".join(c if c.isprintable() else "?" for c in error.message)
        if len(message) > 200:
            message = f"{message[:200]}…"
        raise Refused(Reason.SCHEMA, message, path=path, field=field[:120] or None)


def _order(error: jsonschema.ValidationError) -> tuple[str, ...]:
    return tuple(str(part) for part in error.absolute_path)
