"""A TOML file from outside: bounded, and where it is none, with the line that shows it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattline_agents.config.lines import key_lines
from wattline_agents.errors import InputError

MOST_BYTES = 1024 * 1024
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|[^()]*)\)$")
_MOST_SAID = 200


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds.

    Attributes:
        content: Its tables and keys.
        lines: On which line each of them first stands, from 1.
    """

    content: dict[str, Any]
    lines: Mapping[tuple[str, ...], int]


def read(path: Path, what: str) -> Document:
    """Read a file.

    Args:
        path: Where.
        what: What it should be, such as `a schedule`.

    Raises:
        InputError: It cannot be read, is too long, or is not TOML.
    """
    return parsed(read_bytes(path), path, what)


def read_bytes(path: Path) -> bytes:
    """A file's bytes, no more of them than show that it is too long.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error


def parsed(data: bytes, path: object, what: str) -> Document:
    """The same of bytes.

    Raises:
        InputError: They are too many, or not TOML.
    """
    if len(data) > MOST_BYTES:
        raise InputError(f"over {MOST_BYTES // 1024**2} MiB: not {what}", path=path)
    try:
        # As Python reads files: TOML's lines may end in CRLF.
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("not TOML: not UTF-8", path=path, line=line) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        reason = _PLACE.sub("", str(error))[:_MOST_SAID]
        raise InputError(f"not TOML: {reason}", path=path, line=line) from error
    except RecursionError as error:
        raise InputError(f"not {what}: nested too deep", path=path) from error
    except ValueError as error:  # Python's own: a number of thousands of digits
        raise InputError(f"not {what}: a number of too many digits", path=path) from error
    return Document(content, key_lines(text))
