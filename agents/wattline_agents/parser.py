"""A parser of arguments whose complaints are one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from typing import Any, NoReturn

_PLAIN = {"invalid float value": "not a number", "invalid int value": "not a whole number"}


@contextmanager
def in_english() -> Iterator[None]:
    """Let what is imported meanwhile speak English, without what would look for other languages.

    `argparse` asks `gettext` for every word it says, which loads `locale` and looks in four
    directories each time; there is no translation of an agent's arguments.
    """
    if "gettext" in sys.modules:
        yield
        return
    words = sys.modules["gettext"] = ModuleType("gettext")
    words.__dict__["gettext"] = lambda text: text
    words.__dict__["ngettext"] = lambda one, many, count: one if count == 1 else many
    try:
        yield
    finally:
        del sys.modules["gettext"]


def one_line_parser(**arguments: Any) -> ArgumentParser:
    """An `ArgumentParser` that answers a mistake with one line and exit code 2.

    Its parsers of subcommands do so, too. `argparse` is loaded here and not before, and nothing of
    this module holds it: an agent that has read its arguments forgets it.

    Args:
        arguments: As those of `ArgumentParser`.
    """
    import argparse

    class OneLineParser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            text = " ".join(message.removeprefix("argument ").split())
            for theirs, plain in _PLAIN.items():
                text = text.replace(theirs, plain)
            self.exit(2, f"{self.prog}: {text}; `{self.prog} --help` explains\n")

    return OneLineParser(**arguments)
