"""The `wattline-agent` script: `wattline agent` without the search for other commands.

The search costs 6 MiB of memory, which a process that runs for months on every node need not have;
nor need it have what reading its arguments took.
"""

from __future__ import annotations

import gc

_collects = gc.isenabled()
gc.disable()  # until all is loaded; see `lean`

import os  # noqa: E402
import sys  # noqa: E402
from types import SimpleNamespace  # noqa: E402

from wattline_agents.lean import forget, load_when_used  # noqa: E402

load_when_used("inspect")  # before anything makes a dataclass
load_when_used("copy")  # a dataclass would be copied with it if one were made a dictionary
load_when_used("ntpath")  # `pathlib` knows the paths of Windows, too
load_when_used("selectors")  # a socket sends a file with it
load_when_used("array")  # and an open file, or takes one
load_when_used("ipaddress")  # what reads addresses of the web has it, and `pathlib` has that
load_when_used("subprocess")  # psutil has a class for programs that it starts, which nobody uses
load_when_used("datetime")  # psutil writes times in it when it prints a process
load_when_used("json")  # for messages of jobs and files of others: a node may have none

from wattline_agents import __version__  # noqa: E402
from wattline_agents.commands.agent import COMMAND  # noqa: E402
from wattline_agents.errors import WattlineError  # noqa: E402
from wattline_agents.output import guarded  # noqa: E402
from wattline_agents.parser import in_english, one_line_parser  # noqa: E402

if _collects:  # who imports this is perhaps no agent
    gc.enable()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent; returns the exit code, as `wattline` does."""
    return guarded("wattline-agent", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    is_script = arguments is None  # who calls this from a program goes on after it
    if is_script:
        gc.freeze()
        gc.disable()  # until it reads
    try:
        told = _told(arguments)
        if is_script:
            forget("argparse")
        return COMMAND.run(told)
    except WattlineError as error:
        print(f"wattline-agent: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _told(arguments: Sequence[str] | None) -> SimpleNamespace:
    """The arguments, held by nothing of the parser's."""
    with in_english():
        import argparse

    def formatter(prog: str) -> argparse.HelpFormatter:
        # Told the width, it does not load `shutil`, and with it three compressors, to find it out.
        return argparse.RawDescriptionHelpFormatter(prog, width=_width())

    parser = one_line_parser(
        prog="wattline-agent",
        description=COMMAND.description.replace("wattline agent", "wattline-agent"),
        formatter_class=formatter,
    )
    parser.add_argument("--version", action="version", version=f"wattline-agent {__version__}")
    COMMAND.configure(parser)
    return SimpleNamespace(**vars(parser.parse_args(arguments)))


def _width() -> int:
    """How wide help is printed: as wide as the terminal, which COLUMNS may say."""
    try:
        return int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size().columns - 2
    except (ValueError, OSError):
        return 78


if __name__ == "__main__":
    sys.exit(main())
