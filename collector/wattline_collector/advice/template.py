"""Text with figures in it: `{name}` and nothing else, so that a rule can say but not do."""

from __future__ import annotations

import string
from collections.abc import Iterator


class NotATemplate(ValueError):
    """The text holds braces that are no name of a figure."""


def names(text: str) -> tuple[str, ...]:
    """The figures a text speaks of.

    Raises:
        NotATemplate: There is more in its braces than a name, or a brace is alone.
    """
    return tuple(name for _, name in _parts(text) if name is not None)


def filled(text: str, values: dict[str, str]) -> str:
    """The text with words in place of its names.

    Args:
        text: Checked by `names` before.
        values: Words by name.
    """
    return "".join(
        literal + ("" if name is None else values[name]) for literal, name in _parts(text)
    )


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise NotATemplate(f"{error}; a brace itself is written twice") from error
    for literal, name, format, conversion in parts:
        if name is not None and (format or conversion or not name.isidentifier()):
            raise NotATemplate(f"{{{name[:40]}}} is not the plain name of a figure")
        yield literal, name
