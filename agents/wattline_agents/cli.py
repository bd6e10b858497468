"""The `wattline` command: finds its subcommands among the installed distributions.

A node with only the agent shows only what the agent offers; a full install shows all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from wattline_agents import __version__
from wattline_agents.command import Command
from wattline_agents.errors import WattlineError
from wattline_agents.output import guarded
from wattline_agents.parser import one_line_parser

GROUP = "wattline.commands"

_ORDER = (
    "demo",
    "up",
    "agent",
    "doctor",
    "collector",
    "dashboards",
    "import",
    "job",
    "kpi",
    "alerts",
    "report",
    "audit",
    "profile",
    "capability",
    "simulate",
)
"""The order people meet them in; what is not listed follows by name."""


def _found() -> dict[str, EntryPoint]:
    points = {point.name: point for point in entry_points(group=GROUP)}
    rank = {name: place for place, name in enumerate(_ORDER)}
    return dict(sorted(points.items(), key=lambda item: (rank.get(item[0], 99), item[0])))


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module.partition(".")[0]


def _load(point: EntryPoint) -> Command:
    try:
        command = point.load()
    except ImportError as error:
        # Half an upgrade: one distribution's metadata names what its code has not.
        raise WattlineError(
            f"{point.name} cannot be loaded ({error}); install {_distribution(point)} again"
        ) from error
    if not isinstance(command, Command):
        raise WattlineError(f"{point.value} is offered as a command and is none")
    return command


def _help(point: EntryPoint) -> str:
    try:
        return _load(point).help
    except WattlineError as error:
        return str(error)  # the others are of use all the same


def _overview(points: Mapping[str, EntryPoint]) -> str:
    width = max((len(name) for name in points), default=0)
    lines = [f"  {name:<{width}}  {_help(point)}" for name, point in points.items()]
    return "\n".join(
        [
            "usage: wattline COMMAND ...",
            "",
            "Measures what an AI factory makes and what it costs to make it.",
            "",
            *lines,
            "",
            "`wattline COMMAND --help` explains one. `wattline --version` prints the version.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `wattline`; returns the exit code.

    0 is done, 1 is done and the answer is no (books that do not balance) or could not be written,
    2 is a mistake in what was asked or in the input, 3 is a job that is not there or not the
    caller's, 130 is interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    return guarded("wattline", lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    points = _found()
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            print(_overview(points))
            return 0
        if words[0] == "--version":
            print(f"wattline {__version__}")
            return 0
        if words[0] not in points:
            raise WattlineError(f"no command {words[0]!r}; there are {', '.join(points)}")
        command = _load(points[words[0]])
        parser = one_line_parser(
            prog=f"wattline {command.name}",
            description=command.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(parser)
        return command.run(parser.parse_args(words[1:]))
    except WattlineError as error:
        print(f"wattline: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
