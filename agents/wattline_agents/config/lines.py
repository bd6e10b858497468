"""On which line of a TOML file a key stands: the parser of the standard library does not say.

It looks at text that the parser has accepted, so it need not judge, only keep count: of tables, of
keys, and of values that go on over several lines. Keys of a table written on one line (`{ ... }`)
stand where that table stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Path = tuple[str, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:\\.|[^"\\\n])*)"|'([^'\n]*)')[ \t]*(\.?)""")
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[{\]}\n]"
    r"|[^\"'#\[{\]}\n]+",
    re.DOTALL,
)


def key_lines(text: str) -> Mapping[Path, int]:
    """The line, from 1, at which each table and key of a well-formed file first stands."""
    found: dict[Path, int] = {}
    table: Path = ()
    counted, line = 0, 1
    position = _after_space(text, 0)
    while position < len(text):
        line += text.count("\n", counted, position)
        counted = position
        if text[position] == "[":
            opening = 2 if text.startswith("[[", position) else 1
            table, position = _key(text, position + opening)
            _note(found, table, line)
            position += opening
        else:
            key, position = _key(text, position)
            _note(found, (*table, *key), line)
            position = _after_value(text, position + 1)
        position = _after_space(text, position)
    return found


def line_of(lines: Mapping[Path, int], key: Sequence[str]) -> int | None:
    """The line of a key, or of the nearest thing around it; None for the file as a whole."""
    for length in range(len(key), 0, -1):
        line = lines.get(tuple(key[:length]))
        if line is not None:
            return line
    return None


def _note(found: dict[Path, int], key: Path, line: int) -> None:
    for length in range(1, len(key) + 1):
        found.setdefault(key[:length], line)


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return position if match is None else match.end()


def _key(text: str, position: int) -> tuple[Path, int]:
    """A key with dots, and where it ends."""
    parts: list[str] = []
    while match := _KEY.match(text, position):
        parts.append(next(part for part in match.group(1, 2, 3) if part is not None))
        position = match.end()
        if not match.group(4):
            break
    return tuple(parts), position


def _after_value(text: str, position: int) -> int:
    """Where the value ends: at the first line's end outside brackets."""
    depth = 0
    while match := _TOKEN.match(text, position):
        token = match.group()
        if token == "\n" and depth == 0:
            break
        position = match.end()
        if token in ("[", "{"):
            depth += 1
        elif token in ("]", "}"):
            depth -= 1
    return position
