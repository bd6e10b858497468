"""A profile from TOML, checked: every mistake is named by file, line and key.

All mistakes are found in one go; who fills in a long file does not want them one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from wattline_agents.config.document import parsed, read_bytes
from wattline_agents.config.lines import line_of
from wattline_agents.errors import InputError
from wattline_agents.nearest import instead
from wattline_collector.efficiency.words import printable
from wattline_collector.profile import checks
from wattline_collector.profile.declare import Key, Named, Numbers, Part, declared
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.values import Wrong, name, nearest, value

MOST_TABLES = 5000
"""Tables of one kind: racks, meters."""

MOST_COMPLAINTS = 200
"""Nobody reads more of them; a file with more is another file, and not worth the search."""


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"  # the profile does not hold
    WARNING = "warning"  # it holds, and somebody should look


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong with a profile.

    Attributes:
        reason: What, and what to do.
        path: The file.
        line: Where in it; None if it is about the whole.
        key: The key, with the tables around it.
        severity: How bad it is.
    """

    reason: str
    path: object
    line: int | None
    key: str
    severity: Severity

    def __str__(self) -> str:
        """One line: `FILE:LINE: KEY: REASON`."""
        return str(self.error())

    def error(self, more: str = "") -> InputError:
        """The same as what is raised."""
        return InputError(
            self.reason + more, path=self.path, line=self.line, field=self.key or None
        )


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a file.

    Attributes:
        profile: The profile; None if there are errors.
        complaints: Everything found, in the order of the file.
    """

    profile: FactoryProfile | None
    complaints: tuple[Complaint, ...]

    def of(self, severity: Severity) -> list[Complaint]:
        """The complaints of one severity."""
        return [one for one in self.complaints if one.severity is severity]


def load_profile(path: Path) -> FactoryProfile:
    """Read a profile that must be right.

    Raises:
        InputError: It cannot be read or is not right; names file, line and key of the first
            mistake, and says how many more there are.
    """
    return must(read_profile(path))


def must(read: Read) -> FactoryProfile:
    """The profile of a file that must be right.

    Raises:
        InputError: It is not.
    """
    if read.profile is not None:
        return read.profile
    first, *others = read.of(Severity.ERROR)
    more = f" (and {len(others)} more; wattline profile check lists them)" if others else ""
    raise first.error(more)


def read_profile(path: Path) -> Read:
    """Read a profile, and say what is wrong with it.

    Raises:
        InputError: It cannot be read at all, or is not TOML.
    """
    return parse_profile(read_bytes(path), path)


def parse_profile(data: bytes, path: object = "profile.toml") -> Read:
    """The same from its bytes.

    Raises:
        InputError: It is not TOML.
    """
    document = parsed(data, path, "a profile")
    return _Reader(path, document.lines).read(document.content)


_Place = tuple[str, ...]


class _Enough(Exception):
    """There are as many complaints as anybody reads."""


@dataclass(slots=True)
class _Reader:
    """Turns one document into a profile; knows where each key stands."""

    path: object
    lines: Mapping[_Place, int]
    complaints: list[Complaint] = field(default_factory=list)

    def read(self, document: Mapping[str, Any]) -> Read:
        try:
            profile = self._table(FactoryProfile, document, ())
            if profile is not None:
                for found in checks.check(profile):
                    severity = Severity.ERROR if found.is_error else Severity.WARNING
                    self._complain(found.place, found.reason, severity)
        except _Enough:
            profile = None
            reason = f"more than {MOST_COMPLAINTS} mistakes; the others are not listed"
            self.complaints.append(Complaint(reason, self.path, None, "", Severity.ERROR))
        self.complaints.sort(key=lambda one: one.line or 0)
        if any(one.severity is Severity.ERROR for one in self.complaints):
            profile = None
        return Read(profile, tuple(self.complaints))

    def _table(self, cls: type, given: Any, place: _Place, id: str | None = None) -> Any:
        """A table, or None where something in it is wrong."""
        if not isinstance(given, dict):
            self._complain(place, f"not a table: write [{'.'.join(place)}]")
            return None
        known = {one.key: one for one in declared(cls) if not _is_id(one.member)}
        found: dict[str, Any] = {}
        is_good = True
        for key, behind in given.items():
            one = known.get(key)
            if one is None:
                where = f" in [{'.'.join(place)}]" if place else ""
                self._complain((*place, key), f"no such key{where}; {instead(key, known)}")
                is_good = False
                continue
            read = self._member(one.member, behind, (*place, key))
            is_good = is_good and read is not None
            found[one.attribute] = read
        for one in known.values():
            if one.required and one.key not in given:
                self._complain((*place, one.key), "missing")
                is_good = False
        if not is_good:
            return None
        return cls(**found) if id is None else cls(id=id, **found)

    def _member(self, member: object, given: Any, place: _Place) -> Any:
        match member:
            case Key():
                return self._value(member, given, place)
            case Part():
                return self._table(member.table, given, place)
            case Named():
                return self._each(
                    given,
                    place,
                    member.words,
                    lambda name, one: self._named(member, name, one, place),
                )
            case Numbers():
                return self._each(
                    given, place, member.words,
                    lambda name, one: self._value(member.value, one, (*place, name)),
                )  # fmt: skip
        raise AssertionError(member)

    def _named(self, member: Named, id: str, given: Any, place: _Place) -> Any:
        try:
            name(id)
            wrong = None if member.check is None else member.check(id)
        except Wrong as error:
            wrong = str(error)
        if wrong is not None:
            self._complain((*place, id), wrong)
            return None
        return self._table(member.table, given, (*place, id), id)

    def _each(self, given: Any, place: _Place, words: tuple[str, ...], read: Any) -> Any:
        path = ".".join(place)
        if not isinstance(given, dict):
            self._complain(place, f"not a table: write [{path}] or [{path}.NAME]")
            return None
        if len(given) > MOST_TABLES:
            self._complain(place, f"more than {MOST_TABLES} entries")
            return None
        found: dict[str, Any] = {}
        for key, behind in given.items():
            if words and key not in words:
                hint = nearest(key, words, words[0])
                self._complain((*place, key), f"not among the names of [{path}]; {hint}")
                found[key] = None
            else:
                found[key] = read(key, behind)
        return None if any(one is None for one in found.values()) else found

    def _value(self, key: Key, given: Any, place: _Place) -> Any:
        try:
            return value(key, given)
        except Wrong as error:
            self._complain(place, str(error))
            return None

    def _complain(self, place: _Place, reason: str, severity: Severity = Severity.ERROR) -> None:
        if len(self.complaints) >= MOST_COMPLAINTS:
            raise _Enough
        key = ".".join(printable(part, 60) for part in place)
        line = line_of(self.lines, place)
        self.complaints.append(Complaint(reason, self.path, line, key, severity))


def _is_id(member: object) -> bool:
    return isinstance(member, Key) and member.id
