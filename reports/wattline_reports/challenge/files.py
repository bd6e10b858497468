"""A challenge on disk: a directory of documents, one file each, moved by any means.

commit.json                 the organiser's commitment, with the rules
entries/FACTORY.json        who enters, with what
receipts/001.json …         what the organiser received, and when; each follows the one before
submissions/FACTORY.1.json  a commitment to a result; 2 is the one retry
opening.json                specification, nonce and drawn items
reveals/FACTORY.json        result and nonce
reruns/FACTORY.SITE.json    runs of FACTORY's items at another site
scores.json                 what it came to
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from wattline_agents.errors import InputError, UsageError
from wattline_reports.challenge.documents import MOST_BYTES, Document, Kind
from wattline_reports.exchange.refused import Reason, Refused

Files = Mapping[str, bytes]
"""Contents by name, as `entries/it4lia.json`."""

COMMIT, OPENING, SCORES = "commit.json", "opening.json", "scores.json"
MOST_FILES = 10_000
MOST_TOTAL_BYTES = 256 * 1024 * 1024
_ID = r"[a-z0-9][a-z0-9-]{0,63}"
_NAMES: Mapping[Kind, re.Pattern[str]] = {
    Kind.ENTRY: re.compile(rf"entries/({_ID})\.json"),
    Kind.RECEIPT: re.compile(r"receipts/([0-9]{3})\.json"),
    Kind.SUBMISSION: re.compile(rf"submissions/({_ID})\.([1-9][0-9]?)\.json"),
    Kind.REVEAL: re.compile(rf"reveals/({_ID})\.json"),
    Kind.RERUN: re.compile(rf"reruns/({_ID})\.({_ID})\.json"),
}
_DIRECTORIES = frozenset(pattern.pattern.partition("/")[0] for pattern in _NAMES.values())
_SINGLE = {COMMIT: Kind.COMMIT, OPENING: Kind.OPENING, SCORES: Kind.SCORES}


def kind_of(name: str, path: object) -> tuple[Kind, tuple[str, ...]]:
    """What a file is by its name, and whose.

    Raises:
        Refused: No challenge has a file of that name.
    """
    if name in _SINGLE:
        return _SINGLE[name], ()
    for kind, pattern in _NAMES.items():
        found = pattern.fullmatch(name)
        if found is not None:
            return kind, found.groups()
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:80])
    raise Refused(Reason.NAME, f"no challenge has a file {shown!r}", path=path)


def of_kind(files: Files, kind: Kind, path: object) -> dict[tuple[str, ...], str]:
    """Names of the files of a kind, by whose they are, in order."""
    found = {}
    for name in sorted(files):
        told, parts = kind_of(name, path)
        if told is kind:
            found[parts] = name
    return found


def name_of(document: Document) -> str:
    """Where a document lies.

    Raises:
        ValueError: It lies in no challenge's directory.
    """
    body, author = document.body, document.author
    match document.kind:
        case Kind.COMMIT:
            return COMMIT
        case Kind.OPENING:
            return OPENING
        case Kind.SCORES:
            return SCORES
        case Kind.ENTRY:
            return f"entries/{author}.json"
        case Kind.RECEIPT:
            return f"receipts/{body['number']:03}.json"
        case Kind.SUBMISSION:
            return f"submissions/{author}.{body['attempt']}.json"
        case Kind.REVEAL:
            return f"reveals/{author}.json"
        case Kind.RERUN:
            return f"reruns/{body['entrant']}.{author}.json"
    raise ValueError(f"a {document.kind} lies in no challenge's directory")


def read(directory: Path) -> dict[str, bytes]:
    """All files of a challenge; links and devices are not followed.

    Raises:
        Refused: It cannot be read, is too large, or holds what no challenge holds.
    """
    found: dict[str, bytes] = {}
    total = 0
    for name, path in _walk(directory):
        kind_of(name, directory)
        found[name] = read_bounded(path)
        total += len(found[name])
        if len(found) > MOST_FILES or total > MOST_TOTAL_BYTES:
            words = f"more than {MOST_FILES:,} files or {MOST_TOTAL_BYTES:,} bytes"
            raise Refused(Reason.UNREADABLE, words, path=directory)
    if COMMIT not in found:
        raise Refused(Reason.MISSING_FILE, f"holds no {COMMIT}", path=directory)
    return found


def read_bounded(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        Refused: It is no plain file, too large, or cannot be read.
    """
    try:
        # Not blocking: opening a pipe would wait for ever for somebody to write.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused(Reason.UNREADABLE, "is no plain file", path=path)
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refused(Reason.UNREADABLE, error.strerror or "cannot be read", path=path) from error
    if len(data) > MOST_BYTES:
        raise Refused(Reason.UNREADABLE, f"larger than {MOST_BYTES:,} bytes", path=path)
    return data


def challenges(directory: Path) -> list[Path]:
    """The challenges of a season's directory, or the directory itself where it is one.

    Raises:
        UsageError: There is none.
    """
    if (directory / COMMIT).is_file():
        return [directory]
    found = sorted(file.parent for file in directory.glob(f"*/{COMMIT}"))
    if not found:
        raise UsageError(f"{directory}: no challenge, and no directory of challenges")
    return found


def add(directory: Path, document: Document) -> Path:
    """Put a document where it belongs, whole or not at all.

    Raises:
        InputError: There is one already, or it cannot be written.
    """
    path = directory / name_of(document)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(document.to_bytes())
        try:
            # A link, as a rename would replace what is there.
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError as error:
        raise InputError("there already; a document is not written twice", path=path) from error
    except OSError as error:
        raise InputError(error.strerror or "cannot be written", path=path) from error
    return path


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, never over another.

    Raises:
        InputError: There is one already, or it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError("there already; no secret is overwritten", path=path) from error
    except OSError as error:
        raise InputError(error.strerror or "cannot be written", path=path) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _walk(directory: Path) -> Iterator[tuple[str, Path]]:
    try:
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            if entry.name in _DIRECTORIES and entry.is_dir(follow_symlinks=False):
                for inner in sorted(os.scandir(entry.path), key=lambda one: one.name):
                    yield f"{entry.name}/{inner.name}", Path(inner.path)
            else:
                yield entry.name, Path(entry.path)
    except OSError as error:
        words = error.strerror or "cannot be read"
        raise Refused(Reason.UNREADABLE, words, path=directory) from error
