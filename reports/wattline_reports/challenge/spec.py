"""A specification as an organiser writes it: a TOML file, made of a ready definition.

Its rules are published with the commitment. Its part `[secret]` (canaries, notes) is sealed and
shown with the items.
"""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from wattline_agents.errors import InputError, UsageError
from wattline_reports.challenge.documents import PACKAGE, written
from wattline_reports.exchange import checked
from wattline_reports.exchange.refused import Reason, Refused

_MOST_BYTES = 32 * 1024 * 1024


def names() -> list[str]:
    """The ready definitions."""
    there = resources.files(PACKAGE).joinpath("definitions").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in there if file.name.endswith(".toml"))


def text(name: str) -> str:
    """A ready definition, to be copied and filled in.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in names():
        raise UsageError(f"no definition {name[:40]!r}: there are {', '.join(names())}")
    return resources.files(PACKAGE).joinpath(f"definitions/{name}.toml").read_text("utf-8")


def read(path: Path) -> dict[str, Any]:
    """Read a specification.

    Returns:
        `rules` and `secret`, as they are committed to.

    Raises:
        InputError: It cannot be read, or is no TOML.
        Refused: A field is missing, unknown, or not what it must be.
    """
    return parse(_read(path).decode("utf-8", "replace"), path)


def parse(text: str, path: object) -> dict[str, Any]:
    """Make a specification of its text; see `read`."""
    try:
        told = tomllib.loads(text)
    # Deeply nested arrays end the parser's stack; Python refuses numbers of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise InputError(f"not TOML: {error}"[:200], path=path) from error
    secret = told.pop("secret", {})
    if not isinstance(secret, dict):
        raise Refused(Reason.SCHEMA, "is no table", path=path, field="secret")
    secret = {"canaries": [], "notes": "", **secret}
    told.setdefault("public_reference", None)
    times = told.get("times")
    if not isinstance(times, dict):
        raise Refused(Reason.SCHEMA, "missing: until when what must come", path=path, field="times")
    told["times"] = {name: _time(value, path, f"times.{name}") for name, value in times.items()}
    spec = {"rules": told, "secret": secret}
    checked.check("spec", spec, path, PACKAGE)
    return spec


def read_json(path: Path, schema: str) -> Any:
    """Read a JSON file that somebody wrote: items, an entry, a result, runs.

    Raises:
        InputError: It cannot be read, or is no JSON.
        Refused: It does not fit its schema.
    """
    try:
        value = json.loads(_read(path), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}"[:200], path=path) from error
    checked.check(schema, value, path, PACKAGE)
    return value


def _time(value: Any, path: object, field: str) -> Any:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        words = "without a time zone; write 2027-03-01T12:00:00Z"
        raise Refused(Reason.SCHEMA, words, path=path, field=field)
    return written(value)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", path=path) from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"larger than {_MOST_BYTES:,} bytes", path=path)
    return data
