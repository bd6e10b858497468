"""The file of a schedule, checked: a mistake is named by file, line and key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from wattline_agents.config.document import read as read_document
from wattline_agents.config.lines import line_of
from wattline_agents.errors import InputError, UsageError
from wattline_agents.nearest import instead
from wattline_collector.alerts.notify.mail import ADDRESS, Server
from wattline_reports.kinds import FORMATS, MONTH, QUARTER, YEAR, Kind, kinds

MOST_ENTRIES = 200
WAIT_DAYS = {MONTH: 5, QUARTER: 10, YEAR: 20}
"""Days after a period's end: agents send what they kept, registers and invoices come in."""
CATCH_UP = 3
DEFAULT_FORMATS = ("html", "pdf")

_TOP = ("mail", "report")
_MAIL = {"host": str, "port": int, "starttls": bool, "from": str, "user": str,
         "password_file": str, "password_env": str}  # fmt: skip
_ENTRY = {"kind": str, "every": str, "wait": int, "catch_up": int, "formats": list,
          "options": dict, "of": list, "folder": str, "mail": list}  # fmt: skip
_WORDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list",
          dict: "a table"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mail:
    """How letters are sent: by which server, and from whom."""

    server: Server
    sender: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One report at its times.

    Attributes:
        name: What the file calls it.
        kind: The kind.
        every: `month`, `quarter` or `year`.
        wait_days: Days after the period's end.
        catch_up: Periods that are made at most, the newest that are due.
        formats: The forms.
        options: The kind's options, each with its default.
        of: What it is of.
        folder: Where its files are copied to; None: nowhere.
        mail: Who gets a letter.
    """

    name: str
    kind: Kind
    every: str
    wait_days: int
    catch_up: int
    formats: tuple[str, ...]
    options: Mapping[str, str]
    of: tuple[str, ...]
    folder: Path | None
    mail: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that a file says."""

    entries: tuple[Entry, ...]
    mail: Mail | None


def read(path: Path, environment: Mapping[str, str] = os.environ) -> Schedule:
    """The schedule in a file.

    Raises:
        InputError: It cannot be read or is not right; names file, line and key.
    """
    document = read_document(path, "a schedule")
    return _Reader(path, document.lines, environment).read(document.content)


@dataclass(frozen=True)
class _Reader:
    path: Path
    lines: Mapping[tuple[str, ...], int]
    environment: Mapping[str, str]

    def read(self, content: Mapping[str, Any]) -> Schedule:
        for name in content:
            if name not in _TOP:
                self._fail((name,), f"not known; {instead(name, _TOP)}")
        reports = content.get("report", {})
        if not isinstance(reports, dict) or not reports:
            raise InputError(
                "no report in it: give [report.NAME]; `wattline report schedule --template` "
                "prints a file to begin with", path=self.path,
            )  # fmt: skip
        if len(reports) > MOST_ENTRIES:
            self._fail(("report",), f"over {MOST_ENTRIES} entries")
        mail = self._mail(content["mail"]) if "mail" in content else None
        entries = tuple(self._entry(name, part) for name, part in reports.items())
        for entry in entries:
            if entry.mail and mail is None:
                self._fail(("report", entry.name, "mail"), "there is no [mail]: say by which "
                           "server letters are sent")  # fmt: skip
        return Schedule(entries, mail)

    def _mail(self, part: object) -> Mail:
        place = ("mail",)
        said = self._table(place, part, _MAIL)
        host, sender = (self._needed(place, said, key) for key in ("host", "from"))
        if not host.isprintable() or any(letter in host for letter in " /:@"):
            self._fail((*place, "host"), "the server's name alone, such as mail.example.eu")
        if ADDRESS.fullmatch(sender) is None:
            self._fail((*place, "from"), "not an address such as wattline@example.eu")
        port = self._number(place, said, "port", 587, 1, 65535)
        file, variable = said.get("password_file"), said.get("password_env")
        if file is not None and variable is not None:
            self._fail((*place, "password_env"), "password_file is given as well; take one out")
        if ("user" in said) != (file is not None or variable is not None):
            self._fail((*place, "user"), "user, and password_file or password_env, belong together")
        password = None
        if variable is not None:
            password = self.environment.get(variable)
            if not password:
                self._fail((*place, "password_env"), f"{variable} is not set")
        server = Server(
            host, port, said.get("user"), None if file is None else self.path.parent / file,
            password, encrypted=said.get("starttls", True),
        )  # fmt: skip
        return Mail(server, sender)

    def _entry(self, name: str, part: object) -> Entry:
        place = ("report", name)
        said = self._table(place, part, _ENTRY)
        kind = self._kind(place, said)
        every = self._needed(place, said, "every")
        if every not in WAIT_DAYS:
            self._fail((*place, "every"), f"{every!r}: {instead(every, WAIT_DAYS)}")
        if every not in kind.periods:
            calendar = [one for one in WAIT_DAYS if one in kind.periods]
            self._fail((*place, "every"), f"{kind.name} is of a {' or '.join(calendar)}")
        formats = self._texts(place, said, "formats") or DEFAULT_FORMATS
        for one in formats:
            if one not in FORMATS:
                self._fail((*place, "formats"), f"{one!r}: {instead(one, FORMATS)}")
        mail = self._texts(place, said, "mail")
        for one in mail:
            if ADDRESS.fullmatch(one) is None:
                self._fail((*place, "mail"), f"{one[:80]!r} is not an address such as ops@site.eu")
        folder = said.get("folder")
        return Entry(
            name=name,
            kind=kind,
            every=every,
            wait_days=self._number(place, said, "wait", WAIT_DAYS[every], 0, 366),
            catch_up=self._number(place, said, "catch_up", CATCH_UP, 1, 60),
            formats=tuple(one for one in FORMATS if one in formats),
            options=self._options(place, kind, said.get("options", {})),
            of=self._of(place, kind, self._texts(place, said, "of")),
            folder=None if folder is None else self.path.parent / folder,
            mail=tuple(dict.fromkeys(mail)),
        )

    def _kind(self, place: tuple[str, ...], said: Mapping[str, Any]) -> Kind:
        name = self._needed(place, said, "kind")
        known = [kind.name for kind in kinds().values() if kind.needs_store]
        if name not in known:
            self._fail((*place, "kind"), f"{name[:40]!r}: {instead(name, known)}")
        return kinds()[name]

    def _options(
        self, place: tuple[str, ...], kind: Kind, given: Mapping[str, Any]
    ) -> Mapping[str, str]:
        known = {option.key.replace("_", "-"): option for option in kind.options}
        found = {option.key: option.default for option in kind.options}
        for name, value in given.items():
            option = known.get(name.replace("_", "-"))
            key = (*place, "options", name)
            if option is None:
                self._fail(key, f"not an option of {kind.name}; {instead(name, known)}")
            if not isinstance(value, str):
                self._fail(key, "not a text")
            if option.choices and value not in option.choices:
                self._fail(key, f"{value[:40]!r}: {instead(value, option.choices)}")
            found[option.key] = value
        return found

    def _of(self, place: tuple[str, ...], kind: Kind, given: Sequence[str]) -> tuple[str, ...]:
        if kind.of is None and given:
            self._fail((*place, "of"), f"{kind.name} is of the whole factory; leave it out")
        if kind.of is not None and not kind.of.least <= len(given) <= kind.of.most:
            self._fail((*place, "of"), f"missing, or not as many as meant: {kind.of.help}")
        return tuple(given)

    def _table(
        self, place: tuple[str, ...], part: object, known: Mapping[str, type]
    ) -> Mapping[str, Any]:
        if not isinstance(part, dict):
            self._fail(place, "not a table")
        for key, value in part.items():
            if key not in known:
                self._fail((*place, key), f"not known; {instead(key, known)}")
            if type(value) is not known[key]:
                self._fail((*place, key), f"not {_WORDS[known[key]]}")
        return part

    def _texts(self, place: tuple[str, ...], said: Mapping[str, Any], key: str) -> list[str]:
        values: list[Any] = said.get(key, [])
        if len(values) > 100 or not all(isinstance(one, str) and 0 < len(one) <= 200
                                        for one in values):  # fmt: skip
            self._fail((*place, key), "not a list of at most 100 texts")
        return values

    def _needed(self, place: tuple[str, ...], said: Mapping[str, Any], key: str) -> str:
        if not said.get(key):
            self._fail((*place, key), "missing")
        return str(said[key])

    def _number(
        self,
        place: tuple[str, ...],
        said: Mapping[str, Any],
        key: str,
        default: int,
        least: int,
        most: int,
    ) -> int:
        value = said.get(key, default)
        if not least <= value <= most:
            self._fail((*place, key), f"{value} is not from {least} to {most}")
        return int(value)

    def _fail(self, key: tuple[str, ...], reason: str) -> NoReturn:
        line = line_of(self.lines, key)
        raise InputError(reason, path=self.path, line=line, field=".".join(key))


def checked_store(store: Path) -> Path:
    """The same, if it is a directory.

    Raises:
        UsageError: It is not.
    """
    if not store.is_dir():
        raise UsageError(f"{store} is not a directory, so it holds no store")
    return store
