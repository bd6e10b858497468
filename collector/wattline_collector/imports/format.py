"""What an import format is."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wattline_agents.errors import WireError
from wattline_agents.wire import checked_name
from wattline_collector.imports.recording import Recorded


@dataclass(frozen=True, slots=True)
class Found:
    """What a format found in its files.

    Attributes:
        recording: What to store.
        summary: Makes the text to print, once it is booked; is told where the store is.
        notes: What a person must know beside it.
    """

    recording: Recorded
    summary: Callable[[Path], str]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of recording that can be imported.

    Attributes:
        name: The word after `wattline import`.
        help: One line for the list.
        description: What `wattline import NAME --help` opens with; ends with an example.
        configure: Adds its arguments.
        read: Reads the files; is given the arguments and a way to say how far it is.
        joins: Whether it may be added to a system that has other data.
    """

    name: str
    help: str
    description: str
    configure: Callable[[ArgumentParser], None]
    read: Callable[[Namespace, Callable[[str], None]], Found]
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Direct:
    """A kind of file that has a place of its own in the store, beside the telemetry.

    Attributes:
        name: The word after `wattline import`.
        help: One line for the list.
        description: What `wattline import NAME --help` opens with; ends with an example.
        configure: Adds its arguments; `--store` is added to all.
        run: Reads, keeps and says what was found; returns the exit code.
    """

    name: str
    help: str
    description: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Callable[[str], None]], int]


def add_names(parser: ArgumentParser) -> None:
    """Add the arguments every recording of a run has: what to call it, and what it ran on."""
    parser.add_argument(
        "--devices", type=positive, metavar="N", help="accelerators per node, if not 8"
    )
    parser.add_argument(
        "--system",
        type=plain_name,
        metavar="NAME",
        help="store it as this system (recording-<run>)",
    )
    parser.add_argument(
        "--name", type=plain_name, metavar="RUN", help="the run's job key (made of the file's name)"
    )


def positive(text: str) -> int:
    """A whole number from 1, as `argparse` wants it read."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def plain_name(text: str) -> str:
    """The name of a node, system or job, as `argparse` wants it read."""
    try:
        return checked_name(text, "name")
    except WireError as error:
        raise ArgumentTypeError(str(error)) from error
