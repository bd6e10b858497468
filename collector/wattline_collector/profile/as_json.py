"""A profile as JSON: all keys, in base units, unknown ones null."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from wattline_collector.profile.declare import Key, declared


def to_json(table: Any, *, with_persons: bool = False) -> dict[str, Any]:
    """A table and all below it.

    Args:
        table: A profile, or one of its tables.
        with_persons: Whether keys that may name a person are in it; a profile that leaves the
            site must do without.
    """
    found: dict[str, Any] = {}
    for one in declared(type(table)):
        if isinstance(one.member, Key) and one.member.personal and not with_persons:
            continue
        found[one.attribute] = _plain(getattr(table, one.attribute), with_persons)
    return found


def _plain(value: Any, with_persons: bool) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value, with_persons=with_persons)
    if isinstance(value, Mapping):
        return {name: _plain(entry, with_persons) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry, with_persons) for entry in value]
    if isinstance(value, time):
        return value.strftime("%H:%M")
    return value.isoformat() if isinstance(value, date) else value
