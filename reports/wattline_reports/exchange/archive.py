"""The zip around a bundle: the same contents always make the same bytes.

Nothing is compressed, so that the bytes do not depend on a compressor's version and a small file
cannot unfold into a large one. Every entry has the same date, the same flags and no extra fields.
A reader builds the archive again from what it found and holds it against the file: bytes that
belong to nothing, anywhere in it, are therefore seen.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from wattline_reports.exchange.refused import Reason, Refused

MOST_BYTES = 8 * 1024 * 1024
"""Of a bundle. A year of one factory is under one MiB."""
MOST_ENTRIES = 200

MANIFEST = "manifest.json"
SIGNATURES = "signatures.json"
CREDENTIAL = "vc.jwt"
BESIDE = (MANIFEST, SIGNATURES, CREDENTIAL)
"""Entries that the manifest does not name: itself, and what is made over it."""

_NAME = re.compile(
    r"(manifest|signatures|kpis|eed|profile|dcat)\.json(ld)?|factors\.csv|vc\.jwt|report\.html"
    r"|(cubes|methods|challenge)/[a-z0-9][a-z0-9_-]{0,63}\.(csv|json|md)"
)
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_FILE_MODE = 0o100644 << 16


def pack(files: Mapping[str, bytes]) -> bytes:
    """Make the archive.

    Args:
        files: Contents by name; the manifest comes first, the signatures second, the rest by name.

    Raises:
        Refused: A name that no bundle holds.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=lambda name: (name != MANIFEST, name != SIGNATURES, name)):
            _check_name(name, "bundle")
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = _UNIX
            entry.external_attr = _FILE_MODE
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def read(path: Path) -> dict[str, bytes]:
    """The contents of a bundle's file; see `unpack`.

    Raises:
        Refused: It cannot be read, or is too large, or is not as `pack` makes them.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refused(Reason.UNREADABLE, error.strerror or "cannot be read", path=path) from error
    return unpack(data, path)


def unpack(data: bytes, path: object) -> dict[str, bytes]:
    """The contents by name.

    Raises:
        Refused: It is not exactly as `pack` makes them.
    """
    if len(data) > MOST_BYTES:
        raise Refused(Reason.UNREADABLE, f"larger than {MOST_BYTES:,} bytes", path=path)
    try:
        found = _entries(data, path)
    # What the standard library does with a hostile zip is not all in its documentation.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise Refused(Reason.UNREADABLE, f"not a zip file: {error}"[:160], path=path) from error
    except (EOFError, OverflowError, IndexError, LookupError) as error:
        raise Refused(Reason.UNREADABLE, "not a whole zip file", path=path) from error
    if pack(found) != data:
        raise Refused(
            Reason.ALTERED_ARCHIVE, "the archive holds bytes that belong to no entry", path=path
        )
    return found


def _entries(data: bytes, path: object) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_ENTRIES:
            raise Refused(Reason.UNREADABLE, f"more than {MOST_ENTRIES} entries", path=path)
        if sum(entry.file_size for entry in entries) > len(data):
            # Before any is read: entries that lie in one another unfold as well.
            raise Refused(
                Reason.COMPRESSED, "the entries say that they are larger than the file", path=path
            )
        for entry in entries:
            _check_name(entry.orig_filename, path)
            if entry.orig_filename in found:
                raise Refused(
                    Reason.DUPLICATE, "the entry stands twice", path=path, field=entry.filename
                )
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise Refused(
                    Reason.COMPRESSED,
                    "the entry is compressed, which no entry of a bundle is",
                    path=path,
                    field=entry.filename,
                )
            if entry.file_size > len(data):
                raise Refused(
                    Reason.COMPRESSED,
                    "the entry says that it is larger than the file",
                    path=path,
                    field=entry.filename,
                )
            found[entry.orig_filename] = archive.read(entry)
    return found


def _check_name(name: str, path: object) -> None:
    if _NAME.fullmatch(name) is None:
        shown = "".join(letter if letter.isprintable() else "?" for letter in name[:80])
        raise Refused(Reason.NAME, f"no bundle holds an entry {shown!r}", path=path)
