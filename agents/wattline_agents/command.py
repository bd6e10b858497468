"""What a subcommand of `wattline` is.

A distribution offers one by an entry point in the group `wattline.commands` that names a module
attribute of this type. Its module imports at its top only the standard library and
`wattline_agents`; what is heavy is imported by `run`.
"""

from __future__ import annotations

from collections.abc import Callable

from wattline_agents.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    # An agent that has read its arguments has no more use for what read them.
    from argparse import ArgumentParser
    from typing import Any

    Arguments = Any
else:
    Arguments = object
"""What was parsed, as attributes: an `argparse.Namespace`, or any other object that has them."""


@record(frozen=True, slots=True)
class Command:
    """A subcommand.

    Attributes:
        name: The word after `wattline`.
        help: One line for the list of commands.
        description: What `wattline NAME --help` opens with; ends with examples.
        configure: Adds its arguments.
        run: Does it and returns the exit code; a `WattlineError` it raises becomes one line on
            standard error and exit code 2.
    """

    name: str
    help: str
    description: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Arguments], int]
