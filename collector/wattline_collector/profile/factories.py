"""The AI Factories and Antennas there are, as data with source and date.

The list is `factories.csv` beside this file. It was put together from announcements and press; a
cell that nobody stated is empty. `track_basis` says how far the track can be relied on: `verified`
where the announcement of the Joint Undertaking itself says it, `press` where it follows from the
words of others. Sites correct the list in a copy: `wattline profile factories --file COPY`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path

from wattline_agents.errors import InputError, WireError
from wattline_agents.wire import checked_name
from wattline_collector.efficiency.words import printable
from wattline_collector.registers.words import STATES

KINDS = ("factory", "antenna")
BASES = ("verified", "press")
MOST_BYTES = 1024 * 1024
_MOST_CHARACTERS = 300

COLUMNS = (
    "id", "kind", "name", "country", "host", "place", "system", "track", "track_basis", "wave",
    "partners", "linked_to", "note", "source", "as_of",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Factory:
    """One of them.

    Attributes:
        id: What it is called in files.
        kind: `factory` or `antenna`.
        name: What people call it; None, here and below, where nobody stated it.
        country: ISO 3166-1 alpha-2.
        host: The hosting entity.
        place: Where.
        system: Its system.
        track: 1 existing, 2 upgraded, 3 new; None for antennas.
        track_basis: `verified` or `press`; None without a track.
        wave: The day it was selected.
        partners: States that take part besides, ISO 3166-1 alpha-2.
        linked_to: Ids of the factories an antenna is linked to.
        note: What else was stated.
        source: Where this is from.
        as_of: Year and month in which it was looked at.
    """

    id: str
    kind: str
    name: str | None
    country: str
    host: str | None
    place: str | None
    system: str | None
    track: int | None
    track_basis: str | None
    wave: date
    partners: tuple[str, ...]
    linked_to: tuple[str, ...]
    note: str | None
    source: str
    as_of: str


def load_factories(path: Path | None = None) -> tuple[Factory, ...]:
    """All of them, in the order of the file.

    Args:
        path: A site's own copy; the shipped list if None.

    Raises:
        InputError: The file cannot be read or a row is not right; names line and column.
    """
    shown: object
    if path is None:
        shown = "factories.csv"
        data = resources.files("wattline_collector.profile").joinpath(shown).read_bytes()
    else:
        shown = path
        try:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    if len(data) > MOST_BYTES:
        raise InputError("over 1 MiB: not a list of factories", path=shown)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8", path=shown) from error
    return _read(text, shown)


def _read(text: str, path: object) -> tuple[Factory, ...]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, Factory] = {}
    try:
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            reason = f"its first line is not {','.join(COLUMNS)}"
            raise InputError(reason, path=path, line=1)
        for cells in reader:
            line = reader.line_num
            if not cells:
                continue
            if len(cells) != len(COLUMNS):
                reason = f"{len(cells)} cells instead of {len(COLUMNS)}"
                raise InputError(reason, path=path, line=line)
            row = dict(zip(COLUMNS, (cell.strip() for cell in cells), strict=True))
            factory = _factory(row, path, line)
            if factory.id in found:
                raise InputError("stands there twice", path=path, line=line, field="id")
            found[factory.id] = factory
    except csv.Error as error:
        reason = printable(error, 200)
        raise InputError(reason, path=path, line=reader.line_num) from error
    for factory in found.values():
        for id in factory.linked_to:
            if id not in found:
                reason = f"{factory.id}: no factory {id!r}"
                raise InputError(reason, path=path, field="linked_to")
    return tuple(found.values())


def _factory(row: Mapping[str, str], path: object, line: int) -> Factory:
    def refuse(column: str, reason: str) -> InputError:
        return InputError(reason, path=path, line=line, field=column)

    for column, text in row.items():
        if len(text) > _MOST_CHARACTERS or not text.isprintable():
            raise refuse(column, f"not a line of at most {_MOST_CHARACTERS} characters")
    for column in ("id", "kind", "country", "wave", "source", "as_of"):
        if not row[column]:
            raise refuse(column, "missing")
    try:
        checked_name(row["id"], "id")
    except WireError as error:
        raise refuse("id", str(error).removeprefix("id: ")) from error
    if row["kind"] not in KINDS:
        raise refuse("kind", f"{row['kind']!r} is neither {' nor '.join(KINDS)}")
    partners = tuple(row["partners"].split())
    for state in (row["country"], *partners):
        if state not in STATES:
            column = "country" if state == row["country"] else "partners"
            raise refuse(column, f"{state!r} is no State of ISO 3166-1, such as FI")
    if row["track"] not in ("", "1", "2", "3"):
        raise refuse("track", f"{row['track']!r} is not 1, 2 or 3")
    if (row["track_basis"] in BASES) != bool(row["track"]):
        raise refuse("track_basis", f"a track is {' or '.join(BASES)}, no track is neither")
    try:
        wave = date.fromisoformat(row["wave"])
    except ValueError as error:
        raise refuse("wave", f"{row['wave']!r} is no date such as 2025-03-12") from error
    return Factory(
        id=row["id"],
        kind=row["kind"],
        country=row["country"],
        source=row["source"],
        as_of=row["as_of"],
        name=row["name"] or None,
        host=row["host"] or None,
        place=row["place"] or None,
        system=row["system"] or None,
        track_basis=row["track_basis"] or None,
        note=row["note"] or None,
        track=int(row["track"]) if row["track"] else None,
        wave=wave,
        partners=partners,
        linked_to=tuple(row["linked_to"].split()),
    )
