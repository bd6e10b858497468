"""What can be wrong with a value that is of the right kind: said in words, None if nothing is."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])\Z", re.ASCII)


def zone(name: str) -> str | None:
    """Of a time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, a directory, not a name at all
        return f"{name[:40]!r} is no time zone such as Europe/Helsinki"
    return None


def year(name: str) -> str | None:
    """Of a year that names a table."""
    is_year = len(name) == 4 and name.isascii() and name.isdecimal() and "1990" <= name <= "2100"
    return None if is_year else f"{name[:20]!r} is no year from 1990 to 2100"


def month(text: str) -> str | None:
    """Of a year and month."""
    return None if _MONTH.match(text) else f"{text[:20]!r} is no year and month such as 2021-09"
