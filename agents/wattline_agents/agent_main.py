"""The `wattline-agent` script: `wattline agent` without the search for other commands.

The search costs 6 MiB of memory, which a process that runs for months on every node need not have.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from wattline_agents import __version__
from wattline_agents.commands.agent import COMMAND
from wattline_agents.errors import WattlineError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent; returns the exit code, as `wattline` does."""
    parser = argparse.ArgumentParser(
        prog="wattline-agent",
        description=COMMAND.description.replace("wattline agent", "wattline-agent"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"wattline-agent {__version__}")
    COMMAND.configure(parser)
    try:
        return COMMAND.run(parser.parse_args(arguments))
    except WattlineError as error:
        print(f"wattline-agent: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
