"""`made.json`: what is known of a made report, written and read with distrust."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from wattline_agents.errors import InputError
from wattline_reports.kinds import FORMATS

HAND, SCHEDULE, PAGE = "hand", "schedule", "page"
WHYS = (HAND, SCHEDULE, PAGE)
"""What has a report made: a person at a terminal, the schedule, a person on the page."""
BYS = ("", "staff", "operator", "support", "manager")
"""In which role; whoever uses a terminal has none. Never a name."""

_SCHEMA = "wattline-made-1"
_MOST_BYTES = 64 * 1024
_MOST_CHARACTERS = 400
_MOST_OF = 64
_NAME = re.compile(r"[\w.-]{1,200}")
_KIND = re.compile(r"[a-z0-9-]{1,40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(r"[0-9a-f ]{4,80}")


@dataclass(frozen=True, slots=True)
class Key:
    """What was asked for; two reports of one key can be held against each other.

    Attributes:
        kind: The kind.
        period: Its period as file names say it: `2026-11`; `all` where the kind knows its own.
        of: What it is of.
        options: The kind's options that were chosen.
        as_of: As the books stood then, ISO 8601; empty: as they stand.
    """

    kind: str
    period: str
    of: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    as_of: str = ""

    def digest(self) -> str:
        """SHA-256 of all of it."""
        parts = [self.kind, self.period, list(self.of), sorted(self.options.items()), self.as_of]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class File:
    """A form of a report: `html`, its file's name, its size and its digest."""

    form: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Made:
    """A made report.

    Attributes:
        id: The name of its folder.
        key: What was asked for.
        title: What kind of report it is, in words.
        name: Stem of its files' names.
        code: Its verification code, the start of the SHA-256 of its figures.
        made_at: When it was made, ISO 8601.
        why: What had it made, of `WHYS`.
        by: In which role, of `BYS`.
        good: Whether the books under it held.
        seconds: How long making it took, at the latest time.
        files: Its forms.
        checked: How often it was made again since, with the same figures.
        checked_at: When at last; empty: never.
        delivered: To which folders and mail boxes it was handed over (`mail` and a digest).
    """

    id: str
    key: Key
    title: str
    name: str
    code: str
    made_at: str
    why: str
    by: str
    good: bool
    seconds: float
    files: tuple[File, ...]
    checked: int = 0
    checked_at: str = ""
    delivered: tuple[str, ...] = ()

    def file(self, form: str) -> File | None:
        """A form of it; None where it was not made as that."""
        return next((file for file in self.files if file.form == form), None)


def dumps(made: Made) -> bytes:
    """The file's content."""
    key = made.key
    said = {
        "schema": _SCHEMA,
        "kind": key.kind, "period": key.period, "of": list(key.of),
        "options": dict(sorted(key.options.items())), "as_of": key.as_of,
        "title": made.title, "name": made.name, "code": made.code, "made_at": made.made_at,
        "why": made.why, "by": made.by, "good": made.good, "seconds": made.seconds,
        "files": [{"form": file.form, "name": file.name, "bytes": file.bytes,
                   "sha256": file.sha256} for file in made.files],
        "checked": made.checked, "checked_at": made.checked_at,
        "delivered": list(made.delivered),
    }  # fmt: skip
    return json.dumps(said, indent=1, ensure_ascii=True).encode() + b"\n"


def read(path: Path, id: str) -> Made:
    """What is known of a report.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It cannot be read, or is not what this program writes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    try:
        said = json.loads(data) if len(data) <= _MOST_BYTES else None
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON", path=path) from error
    if not isinstance(said, dict) or said.get("schema") != _SCHEMA:
        raise InputError(f"not a file of {_SCHEMA}", path=path)
    return _Reader(path, said).made(id)


@dataclass(frozen=True)
class _Reader:
    path: Path
    said: Mapping[str, Any]

    def made(self, id: str) -> Made:
        options = self.said.get("options")
        if not isinstance(options, dict) or not all(map(_is_text, [*options, *options.values()])):
            self._fail("options")
        seconds = self.said.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
            self._fail("seconds")
        if not isinstance(self.said.get("good"), bool):
            self._fail("good")
        return Made(
            id=id,
            key=Key(self._like("kind", _KIND), self._text("period"), self._texts("of"), options,
                    self._text("as_of")),
            title=self._text("title"),
            name=self._like("name", _NAME),
            code=self._like("code", _CODE),
            made_at=self._time("made_at"),
            why=self._one_of("why", WHYS),
            by=self._one_of("by", BYS),
            good=self.said["good"],
            seconds=min(float(seconds), 1e9),
            files=self._files(),
            checked=self._count(self.said.get("checked"), "checked"),
            checked_at=self._time("checked_at") if self.said.get("checked_at") else "",
            delivered=self._texts("delivered"),
        )  # fmt: skip

    def _files(self) -> tuple[File, ...]:
        listed = self.said.get("files")
        if not isinstance(listed, list) or not 0 < len(listed) <= len(FORMATS):
            self._fail("files")
        found = []
        for one in listed:
            reader = _Reader(self.path, one if isinstance(one, dict) else {})
            name = reader._like("name", _NAME)
            form = reader._one_of("form", FORMATS)
            if name.startswith(".") or not name.endswith(f".{form}"):
                self._fail("files")
            size = self._count(reader.said.get("bytes"), "bytes")
            found.append(File(form, name, size, reader._like("sha256", _SHA256)))
        return tuple(found)

    def _text(self, key: str) -> str:
        value = self.said.get(key)
        if not _is_text(value):
            self._fail(key)
        return str(value)

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self.said.get(key)
        if not isinstance(value, list) or len(value) > _MOST_OF or not all(map(_is_text, value)):
            self._fail(key)
        return tuple(value)

    def _like(self, key: str, pattern: re.Pattern[str]) -> str:
        value = self._text(key)
        if pattern.fullmatch(value) is None:
            self._fail(key)
        return value

    def _one_of(self, key: str, words: tuple[str, ...]) -> str:
        value = self._text(key)
        if value not in words:
            self._fail(key)
        return value

    def _time(self, key: str) -> str:
        value = self._text(key)
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            self._fail(key)
        if when.tzinfo is None:
            self._fail(key)
        return value

    def _count(self, value: Any, key: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
            self._fail(key)
        return int(value)

    def _fail(self, key: str) -> NoReturn:
        raise InputError("not what it should be", path=self.path, field=key)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_CHARACTERS
