"""`wattline doctor`: what this node has, what is readable, and what would change the rest."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

from wattline_agents.command import Command
from wattline_agents.commands.agent import add_settings, settings_of

DESCRIPTION = """\
Looks at this node as `wattline agent` with the same arguments would: what accelerators, meters and
exporters it has, what of them this user can read, whether readings get where they are to go, and
the command that would change what does not work. It changes nothing itself.

  wattline doctor
      what this node has, and what can be read of it
  wattline doctor --config /etc/wattline/agent.toml
      whether what that file asks for works here
  wattline doctor --json
      the same for programs

Each line is marked: `ok`; `off`, which is not there or not readable and nothing asks for it; or
`problem`, which the configuration asks for and does not get. Exits with 0 if there is no problem,
with 1 if there is one.
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments: the agent's own, and how the answer is printed."""
    add_settings(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(arguments: Namespace) -> int:
    """Look, print, and say whether all is well."""
    settings = settings_of(arguments)
    from wattline_agents.doctor import page
    from wattline_agents.doctor.examine import examine
    from wattline_agents.doctor.finding import problems
    from wattline_agents.doctor.machine import this_machine

    sections = examine(this_machine(), settings)
    if arguments.json:
        print(page.as_json(sections))
    else:
        print(page.text(sections, colour=page.wants_colour(sys.stdout, os.environ)))
    return 1 if problems(sections) else 0


COMMAND = Command(
    "doctor", "what this node has, and what can be read of it", DESCRIPTION, configure, run
)
