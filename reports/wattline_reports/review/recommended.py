"""What the last review asked for, and what was done: a file that somebody keeps beside the books.

`recommendations.csv` in the store's directory, with the columns of `COLUMNS`. It comes from
outside: it is bounded, and every mistake names its line and its field.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from wattline_agents.errors import InputError

FILE = "recommendations.csv"
COLUMNS = ("recommendation", "status", "response", "due")
STATES = ("done", "under way", "planned", "declined", "open")
"""What became of a recommendation, in the order a review lists them."""
_MOST_BYTES = 262_144
_MOST = 60
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One of them.

    Attributes:
        text: What was recommended.
        status: One of `STATES`.
        response: What was done, or why not.
        due: By when it is to be done; None where nobody said.
    """

    text: str
    status: str
    response: str
    due: date | None = None


def recommendations(store: Path) -> tuple[Recommendation, ...] | None:
    """Read the file of a store; None where there is none.

    Raises:
        InputError: It is too large, or no CSV of the columns; a field is missing or malformed.
    """
    path = store / FILE
    try:
        with path.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=str(path)) from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"over {_MOST_BYTES:,} bytes", path=str(path))
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is no CSV in UTF-8: {error}"[:160], path=str(path)) from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InputError(f"its first line is not {','.join(COLUMNS)}", path=str(path), line=1)
    rows = [(number, line) for number, line in enumerate(lines[1:], 2) if any(line)]
    if len(rows) > _MOST:
        raise InputError(f"has over {_MOST} recommendations", path=str(path))
    return tuple(_one(path, number, line) for number, line in rows)


def _one(path: Path, number: int, line: list[str]) -> Recommendation:
    def wrong(why: str, field: str) -> InputError:
        return InputError(why, path=str(path), line=number, field=field)

    if len(line) != len(COLUMNS):
        raise wrong(f"has {len(line)} fields, not {len(COLUMNS)}", "row")
    text, status, response, due = (field.strip() for field in line)
    for field, content in (("recommendation", text), ("response", response)):
        if len(content) > _LONGEST:
            raise wrong(f"over {_LONGEST} characters", field)
    if not text:
        raise wrong("missing", "recommendation")
    if status not in STATES:
        raise wrong(f"is none of {', '.join(STATES)}", "status")
    if not response and status in ("done", "declined"):
        raise wrong(f"missing: {status} needs to say what was done, or why not", "response")
    try:
        by = date.fromisoformat(due) if due else None
    except ValueError as error:
        raise wrong("is no day such as 2027-03-31", "due") from error
    return Recommendation(text, status, response, by)
