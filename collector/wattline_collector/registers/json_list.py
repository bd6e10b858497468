"""A list of JSON objects with the fields of a register, as a site's own program answers it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wattline_agents.errors import InputError
from wattline_agents.nearest import instead
from wattline_collector.imports import files
from wattline_collector.registers import cells
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Malformed, Register
from wattline_collector.registers.taken import MOST_ROWS, Taken


def read(body: bytes, origin: str, register: Register, setting: Setting) -> Taken:
    """Read an answer: a list of objects, or an object whose entry of the register's name is one.

    Raises:
        InputError: It is neither, or has too many rows.
    """
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"is not JSON: {reason}", path=origin) from None
    if isinstance(document, dict):
        document = document.get(register.name)
    if not isinstance(document, list):
        raise InputError(f"is not a list of {register.name}", path=origin)
    if len(document) > MOST_ROWS:
        raise InputError(f"has more than {MOST_ROWS} rows", path=origin)
    result = Taken(register, origin, header=tuple(column.name for column in register.columns))
    unkept: dict[str, None] = {}
    for place, one in enumerate(document, start=1):
        texts: dict[str, str] = {}
        try:
            texts = _texts(one, register, unkept)
            result.add(cells.row(register, texts, setting), place)
        except Malformed as error:
            result.refuse(place, error, [texts.get(name, "") for name in result.header])
    result.unkept = tuple(files.shown(name) for name in list(unkept)[:20])
    return result


def _texts(one: object, register: Register, unkept: dict[str, None]) -> dict[str, str]:
    if not isinstance(one, Mapping):
        raise Malformed(None, "is not an object")
    known = register.by_name
    texts = {}
    for name, value in one.items():
        if name not in known:
            hint = instead(name, known)
            if hint.startswith("did you mean"):
                raise Malformed(files.shown(name), f"no such field; {hint}")
            unkept.setdefault(name)
            continue
        texts[name] = _text(name, value)
    return texts


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    raise Malformed(name, "is neither text nor a number")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")
