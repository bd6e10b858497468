"""Files that were recorded one after the other, and when: by name, or by when they were written."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from wattline_agents.errors import InputError, WireError
from wattline_agents.wire import checked_name
from wattline_collector.imports import files
from wattline_collector.imports.format import plain_name
from wattline_collector.imports.recording import LEAST_MS, MOST_MS, name_of
from wattline_collector.imports.summary import counted

_MOST_FILES = 200_000
"""A page a second for two days."""

_DATE_TIME = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)[T_ -]?(\d\d)[:.-]?(\d\d)[:.-]?(\d\d)"
    r"(?:[.,](\d{3}))?(Z?)(?!\d)"
)
_MILLISECONDS = re.compile(r"(?<!\d)(\d{13})(?!\d)")
_SECONDS = re.compile(r"(?<!\d)(\d{10})(?!\d)")


@dataclass(frozen=True, slots=True)
class TimedFile:
    """One file.

    Attributes:
        path: Where it is.
        node: The node it is of.
        time_ms: When it was recorded.
        by_name: Whether its name says so, rather than when it was written.
    """

    path: Path
    node: str
    time_ms: int
    by_name: bool


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that recordings of devices and nodes have."""
    parser.add_argument(
        "--node", type=plain_name, metavar="NAME", default="node_0",
        help="the node they are of, if not node_0; directories in PATH are nodes of their names",
    )  # fmt: skip
    parser.add_argument(
        "--zone", type=zone_named, metavar="ZONE", default=UTC,
        help="time zone of times that name none, such as Europe/Berlin; UTC if not told",
    )  # fmt: skip
    parser.add_argument(
        "--time", metavar="TIME",
        help="when a single file was recorded, such as 2026-11-21T05:30:00",
    )  # fmt: skip
    parser.add_argument(
        "--system",
        type=plain_name,
        metavar="NAME",
        help="store it as this system (recording-<file>)",
    )


def zone_named(text: str) -> tzinfo:
    """A time zone, as `argparse` wants it read."""
    if text.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, KeyError):
        raise ArgumentTypeError(f"{text[:40]!r} is no time zone such as Europe/Berlin") from None


def run_name(path: Path) -> str:
    """A name for what was recorded, made of the name of its file or directory."""
    return (
        re.sub(r"\.(?:csv|xml|json|prom|metrics|log)\Z", "", name_of(path.resolve().name)) or "run"
    )


def unix_ms(local: datetime) -> int:
    """Milliseconds since 1970 of a time that knows its zone.

    Added up as whole numbers: a float of seconds is off by a millisecond now and then.
    """
    whole = local.replace(microsecond=0)
    return int(whole.timestamp()) * 1000 + local.microsecond // 1000


def found(arguments: Namespace, path: Path) -> list[TimedFile]:
    """The files at a path: itself, or those in it; a directory in it is a node of that name.

    Raises:
        InputError: There is nothing, or `--time` cannot be what it says.
    """
    if path.is_dir():
        if arguments.time is not None:
            raise InputError("--time is for a single file; files of a directory are timed by name")
        every = list(_in(path, arguments.node, arguments.zone))
        if not every:
            raise InputError("holds no file", path=path)
        every.sort(key=lambda one: (one.node, one.time_ms, one.path.name))
        return every
    if not path.exists():
        raise InputError("no such file or directory", path=path)
    if arguments.time is None:
        return [_timed(path, arguments.node, arguments.zone)]
    return [TimedFile(path, arguments.node, _told(arguments.time, arguments.zone), True)]


def time_in_name(name: str, zone: tzinfo) -> int | None:
    """The time a file's name tells: a date with a time of day, or seconds or milliseconds of Unix.

    Args:
        name: The name, such as `page-2026-11-21T05:30:00Z.prom` or `1790000000.txt`.
        zone: Of a date that does not end in `Z`.
    """
    if match := _DATE_TIME.search(name):
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        try:
            when = datetime(
                year, month, day, hour, minute, second, tzinfo=UTC if match[8] else zone
            )
        except ValueError:
            return None
        return _sane(unix_ms(when) + int(match[7] or 0))
    if match := _MILLISECONDS.search(name):
        return _sane(int(match[1]))
    if match := _SECONDS.search(name):
        return _sane(int(match[1]) * 1000)
    return None


class NotOurs(InputError):
    """A file that is of another kind altogether."""


@dataclass(slots=True)
class PassedOver:
    """Files of a directory that are of another kind.

    Attributes:
        in_directory: Whether files may be passed over: a single one is what was meant.
        names: Of those that were.
    """

    in_directory: bool
    names: list[str] = field(default_factory=list)

    def add(self, one: TimedFile, error: NotOurs) -> None:
        """Pass a file over.

        Raises:
            NotOurs: It was the only one meant.
        """
        if not self.in_directory:
            raise error
        self.names.append(files.shown(one.path.name))

    def notes(self) -> list[str]:
        """A line for people if there are any."""
        if not self.names:
            return []
        more = len(self.names) - 3
        named = ", ".join(self.names[:3]) + (f" and {more} more" if more > 0 else "")
        return [f"{counted(len(self.names), 'file')} of other kinds passed over: {named}"]


def note(every: list[TimedFile]) -> list[str]:
    """A line for people if files are timed by when they were written."""
    unnamed = sum(not one.by_name for one in every)
    if not unnamed:
        return []
    return [f"{unnamed:,} of {counted(len(every), 'file')} timed by when written, not by name"]


def _in(path: Path, node: str, zone: tzinfo) -> Iterator[TimedFile]:
    count = 0
    for entry in sorted(path.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            inside = _node(entry)
            children = [child for child in sorted(entry.iterdir()) if child.is_file()]
        else:
            inside, children = node, [entry] if entry.is_file() else []
        for child in children:
            if child.name.startswith("."):
                continue
            count += 1
            if count > _MOST_FILES:
                raise InputError(f"holds more than {_MOST_FILES} files", path=path)
            yield _timed(child, inside, zone)


def _node(directory: Path) -> str:
    try:
        return checked_name(directory.name, "its name, which is a node's")
    except WireError as error:
        raise InputError(str(error), path=files.shown(str(directory))) from error


def _timed(path: Path, node: str, zone: tzinfo) -> TimedFile:
    named = time_in_name(path.name, zone)
    if named is not None:
        return TimedFile(path, node, named, True)
    return TimedFile(path, node, path.stat().st_mtime_ns // 1_000_000, False)


def _told(text: str, zone: tzinfo) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text[:40]!r} is no time such as 2026-11-21T05:30:00", field="--time"
        ) from None
    time_ms = _sane(unix_ms(when if when.tzinfo else when.replace(tzinfo=zone)))
    if time_ms is None:
        raise InputError(f"{text[:40]!r} is not from 1990 to 2100", field="--time")
    return time_ms


def _sane(time_ms: int) -> int | None:
    return time_ms if LEAST_MS <= time_ms <= MOST_MS else None
