"""Checking rows that come from outside the process against the catalogue."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wattline_agents.catalogue import Table, Type
from wattline_agents.errors import WireError
from wattline_agents.wire import MAX_TEXT_BYTES, Value

_INT64_MOST = 2**63 - 1


def checked_row(table: Table, row: object) -> dict[str, Value]:
    """Return the row if it is one of that table, with numbers as its columns hold them.

    Raises:
        WireError: Says which column is unknown, missing, or not of its type.
    """
    if not isinstance(row, Mapping):
        raise WireError(f"{table.name}: a row is not an object of columns")
    known = table.columns
    checked: dict[str, Value] = {}
    for column, value in row.items():
        if column not in known:
            raise WireError(f"{table.name}: no column {str(column)[:40]!r}")
        checked[column] = checked_value(value, known[column], f"{table.name}.{column}")
    for column in table.required:
        if checked.get(column) is None:
            raise WireError(f"{table.name}.{column}: missing in a row")
    return checked


def checked_value(value: object, type: Type, what: str) -> Value:
    """Return the value if a column of that type can hold it.

    Raises:
        WireError: It cannot.
    """
    if value is None:
        return None
    if type is Type.TEXT:
        if not isinstance(value, str) or len(value.encode(errors="replace")) > MAX_TEXT_BYTES:
            raise WireError(f"{what}: not a text of at most {MAX_TEXT_BYTES} bytes")
        return value
    # To Python a truth value is a number; in a recording it is a mistake.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError(f"{what}: not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise WireError(f"{what}: not a finite number")
    if type is Type.FLOAT:
        return number
    if int(value) != value or abs(value) > _INT64_MOST:
        raise WireError(f"{what}: not a whole number of 64 bits")
    return int(value)
