"""`wattline up`: agent, collector and pages for this one machine, real sensors only."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

from wattline_agents.command import Command
from wattline_collector.default_store import default_store

DESCRIPTION = """\
Measures this machine: starts an agent with its real sensors, a collector and the dashboards, and
says where to click. Ctrl-C ends all three; what was measured stays in the store.

examples:
  wattline up
  wattline up --store /var/lib/wattline --no-browser
"""

COLLECTOR_PORT = 8600
DASHBOARDS_PORT = 8050


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help=f"where data is kept ({default_store()})"
    )
    parser.add_argument(
        "--period", type=float, default=1.0, metavar="SECONDS", help="time between readings (1)"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")


def run(arguments: Namespace) -> int:
    """Start the three, say where to click, and wait."""
    from wattline_dashboards.launch import Family, interruptible, listen_at, open_browser

    store: Path = arguments.store or default_store()
    with interruptible():
        try:
            with Family() as family:
                collector = family.start(
                    "collector", ["--store", str(store), "--listen", listen_at(COLLECTOR_PORT)]
                )
                url = family.address(collector)
                tokens = store / "tokens"
                dashboards = family.start(
                    "dashboards",
                    ["--collector", url, "--token-file", str(tokens / "read"),
                     "--listen", listen_at(DASHBOARDS_PORT)],
                )  # fmt: skip
                agent = family.start(
                    "agent",
                    ["--push", url, "--token-file", str(tokens / "write"), "--push-every", "1",
                     "--period", f"{arguments.period:g}", "--spool", str(store / "spool")],
                    ready=r"\breading\b",
                    relay=True,
                )  # fmt: skip
                family.wait_ready(agent)
                page = family.address(dashboards)
                print(said(page, store, url, agent.lines), flush=True)
                if not arguments.no_browser:
                    open_browser(page)
                family.watch()
        except KeyboardInterrupt:
            print(f"Ended. What was measured is in {store}", file=sys.stderr)
    return 0


def said(page: str, store: Path, collector: str, agent_lines: Iterable[str]) -> str:
    """Where to click, what is read, and where it goes."""
    told = [line.removeprefix("agent: ") for line in agent_lines if line.startswith("agent: ")]
    return "\n".join(
        [
            "",
            "This machine",
            "",
            f"  Fleet       {page}/",
            f"  Production  {page}/production",
            "",
            *(f"  Agent       {line}" for line in told),
            f"  Collector   {collector}",
            f"  Store       {store}",
            f"  Figures     wattline kpi --store {store}",
            "",
            "Ctrl-C ends it; what was measured stays in the store.",
        ]
    )


COMMAND = Command("up", "measure this machine and show it", DESCRIPTION, configure, run)
