"""The profile that holds for a store, and those that held before.

    profile.toml                     the one that holds; people may edit it in place
    profiles/20261121T101500Z.toml   each one that was put to use, by when

A figure of last year is made again with the profile of last year. So every profile is kept, and one
that was edited in place is kept too before another takes its place. Files are replaced whole and
atomically, and readable by their owner alone: a profile may name people.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wattline_agents.config.document import read_bytes
from wattline_agents.errors import UsageError
from wattline_collector.profile.parse import load_profile, must, parse_profile
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.registers.kept import made, write_private
from wattline_collector.store.filenames import PROFILE, PROFILES_DIR

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(\d{8}T\d{6}Z)\.toml\Z", re.ASCII)

MOST_KEPT = 10_000
"""Profiles of one store; one a day for decades."""


@dataclass(frozen=True, slots=True)
class Used:
    """What putting a profile to use did.

    Attributes:
        profile: The profile.
        path: Where it now stands.
        digest: SHA-256 of the file.
        is_new: Whether anything changed; not if the very same was there already.
        holds: Whether it is the one that holds now; not if it is of a time before that one's.
        replaced: Where the one before it is kept; None if there was none.
    """

    profile: FactoryProfile
    path: Path
    digest: str
    is_new: bool
    holds: bool
    replaced: Path | None


def use(source: Path, store: Path, now: datetime) -> Used:
    """Let a profile hold for a store.

    A profile of an earlier time than the one that holds is kept for figures of that time, and
    takes nobody's place.

    Args:
        source: The file.
        store: The store; made if it is not there.
        now: When.

    Raises:
        InputError: The file is not right; names line and key. The profile that held still does.
        UsageError: It cannot be written, or is of a time to come.
    """
    data = read_bytes(source)
    profile = must(parse_profile(data, source))
    since = profile.holds_since
    if since is not None and since > now.date() + timedelta(days=1):
        raise UsageError(f"{source}: holds from {since} on; put it to use then")
    made(store)
    path = store / PROFILE
    digest = hashlib.sha256(data).hexdigest()
    try:
        before = path.read_bytes() if path.exists() else None
        if before == data:
            return Used(profile, path, digest, False, True, None)
        held = None if before is None else parse_profile(before, path).profile
        holding_since = None if held is None else held.holds_since
        if since is not None and holding_since is not None and since < holding_since:
            return Used(profile, _keep(store, data, now), digest, True, False, None)
        replaced = None if before is None else _keep_edited(store, before)
        _keep(store, data, now)
        write_private(path, data, like=store)
    except OSError as error:
        where = error.filename or path
        raise UsageError(f"{where}: cannot be written: {error.strerror}") from error
    return Used(profile, path, digest, True, True, replaced)


def profile_of(store: Path) -> FactoryProfile | None:
    """The profile that holds for a store; None if it has none.

    Raises:
        InputError: There is one and it is not right; names line and key.
    """
    path = store / PROFILE
    return load_profile(path) if path.exists() else None


def readable_profile(store: Path) -> FactoryProfile | None:
    """The same; None too where it is there and whoever asks may not read it.

    A profile may name people and is its owner's to read. Who looks at a job of theirs on a shared
    machine sees it without what the profile would add.

    Raises:
        InputError: It is not right; names line and key.
    """
    path = store / PROFILE
    return profile_of(store) if os.access(path, os.R_OK) else None


def profile_at(store: Path, when: datetime, known: datetime | None = None) -> FactoryProfile | None:
    """The profile that holds for figures of a moment; None if the store has none.

    That is the one with the latest `holds_since` that is not after the moment's day, and of several
    the one put to use last: a correction. Where none is told, the day it was put to use counts.
    Times before all of them have the earliest.

    Args:
        store: The store's directory.
        when: The moment.
        known: Only profiles that were put to use by then count: what was told then is told again.

    Raises:
        InputError: One of them is not right.
    """
    day = when.astimezone(UTC).date()
    dated = []
    for used, path in (*history(store), *_edited(store)):
        if known is not None and used > known:
            continue
        profile = load_profile(path)
        dated.append((profile.holds_since or used.date(), used, path, profile))
    if not dated:
        return None
    dated.sort(key=lambda one: one[:3])
    return next((one[3] for one in reversed(dated) if one[0] <= day), dated[0][3])


def history(store: Path) -> list[tuple[datetime, Path]]:
    """Every profile that was put to use, oldest first."""
    directory = store / PROFILES_DIR
    if not directory.is_dir():
        return []
    found = []
    for path in directory.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is not None:
            found.append((datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC), path))
    return sorted(found)[-MOST_KEPT:]


def _edited(store: Path) -> list[tuple[datetime, Path]]:
    """The profile that holds, if it is none of those kept: people edited it in place."""
    path = store / PROFILE
    if not path.exists():
        return []
    data = path.read_bytes()
    if any(kept.read_bytes() == data for _, kept in history(store)):
        return []
    return [(datetime.fromtimestamp(path.stat().st_mtime, UTC), path)]


def _keep_edited(store: Path, before: bytes) -> Path:
    """Where the profile that held is kept; one that was edited in place is kept now."""
    for _, path in reversed(history(store)):
        if path.read_bytes() == before:
            return path
    edited = datetime.fromtimestamp((store / PROFILE).stat().st_mtime, UTC)
    return _keep(store, before, edited)


def _keep(store: Path, data: bytes, when: datetime) -> Path:
    directory = store / PROFILES_DIR
    if not directory.is_dir():
        directory.mkdir(mode=0o700)
        if os.geteuid() == 0:
            owner = store.stat()
            os.chown(directory, owner.st_uid, owner.st_gid)
    path = directory / f"{when.astimezone(UTC).strftime(_STAMP)}.toml"
    while path.exists() and path.read_bytes() != data:
        # Two in one second: the second one counts as of the next.
        when += timedelta(seconds=1)
        path = directory / f"{when.astimezone(UTC).strftime(_STAMP)}.toml"
    write_private(path, data, like=store)
    return path
