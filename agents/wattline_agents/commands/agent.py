"""`wattline agent`: reads this node and sends what it read."""

from __future__ import annotations

import os
import signal
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.command import Command
from wattline_agents.errors import UsageError

if TYPE_CHECKING:
    from wattline_agents.agent import Agent
    from wattline_agents.config import Settings, SourceChoice

DESCRIPTION = """\
Reads this node's accelerators, host and jobs once a second, and sends what it read to a collector.
It does one or more of: push (--push), answer scrapes (--prometheus), write a file (--record).

  wattline agent --once
      what can be read here, once, as text
  wattline agent --push http://collector:8600 --token-file /etc/wattline/token
      send readings; while the collector is away they wait in a spool on disk
  wattline agent --prometheus 127.0.0.1:9400
      answer scrapes at http://127.0.0.1:9400/metrics
  wattline agent --source simulated:devices=4 --once
      the same without a GPU

Jobs count their tokens with `from wattline_agents.job import Job`; the agent listens to them at a
Unix socket. What is not known is not sent: an absent sensor is no zero. Everything can also stand
in a file (--config); what is given here wins over the file.
"""

_FILE_HELP = """\
A configuration file has these keys, all optional:

  system = "leonardo"          [push]
  node = "n01"                 url = "https://collector:8600"
  rack = "r07"                 token_file = "/etc/wattline/token"
  period_seconds = 1           every_seconds = 5
  sources = ["nvml", "host"]   spool = "/var/lib/wattline/spool"
                               spool_bytes = 67108864
  [prometheus]
  listen = "127.0.0.1:9400"    [job]
                               socket = "/run/wattline/job.sock"
  [source.host]                enabled = true
  every = 5
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = _FILE_HELP
    add = parser.add_argument
    who = parser.add_argument_group("who this is")
    who.add_argument("--node", metavar="NAME", help="the node's name (the host's)")
    who.add_argument("--system", metavar="NAME", help="the system it belongs to (local)")
    who.add_argument("--rack", metavar="NAME", help="where it stands")
    what = parser.add_argument_group("what it reads")
    what.add_argument(
        "--source",
        metavar="NAME[:KEY=VALUE,...]",
        action="append",
        help="may be repeated: nvml, host, replay, or simulated alone (nvml and host)",
    )
    what.add_argument(
        "--devices", metavar="N", type=int, help="how many devices the simulated node has (2)"
    )
    what.add_argument("--period", metavar="SECONDS", type=float, help="time between readings (1)")
    what.add_argument(
        "--job-socket", metavar="PATH", type=Path, help="where jobs count (WATTLINE_JOB_SOCKET)"
    )
    what.add_argument("--no-jobs", action="store_true", help="do not listen to jobs")
    where = parser.add_argument_group("where it goes")
    where.add_argument("--push", metavar="URL", help="the collector's address")
    where.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="holds the token that lets it write there (WATTLINE_TOKEN_FILE)",
    )
    where.add_argument(
        "--push-every", metavar="SECONDS", type=float, help="how much time one batch holds (5)"
    )
    where.add_argument("--spool", metavar="DIR", type=Path, help="where unsent batches wait")
    where.add_argument(
        "--spool-bytes", metavar="N", type=int, help="how much may wait (64 MiB), oldest dropped"
    )
    where.add_argument(
        "--prometheus", metavar="HOST:PORT", help="answer scrapes here; port 0 takes a free one"
    )
    where.add_argument(
        "--record", metavar="FILE", type=Path, help="write everything, for --source replay"
    )
    add("--config", metavar="FILE", type=Path, help="a TOML file of all of this, see below")
    add("--once", action="store_true", help="read once, print it as text, and end")
    add("--metrics", action="store_true", help="print every metric there is, as Markdown")


def run(arguments: Namespace) -> int:
    """Run the agent until it is told to stop."""
    if arguments.metrics:
        from wattline_agents.catalogue_page import markdown

        print(markdown())
        return 0
    settings = settings_of(arguments)
    return _once(settings) if arguments.once else _run(settings)


def settings_of(arguments: Namespace) -> Settings:
    """What file and arguments say together.

    Raises:
        UsageError: An argument is not what it should be.
        InputError: The file is not.
    """
    from wattline_agents.config import (
        DEFAULT_SOURCES,
        AgentConfig,
        Settings,
        SourceChoice,
        default_node,
        from_toml,
    )

    if arguments.config is not None:
        settings = from_toml(arguments.config)
    else:
        settings = Settings(
            AgentConfig(node=default_node()), tuple(SourceChoice(name) for name in DEFAULT_SOURCES)
        )
    told = {
        "system": arguments.system,
        "node": arguments.node,
        "rack": arguments.rack,
        "period_seconds": arguments.period,
    }
    agent = replace(settings.agent, **{k: v for k, v in told.items() if v is not None})
    sources = settings.sources
    if arguments.source is not None:
        sources = tuple(SourceChoice.parse(text) for text in arguments.source)
    if arguments.devices is not None:
        sources = _with_devices(sources, arguments.devices)
    variable = os.environ.get("WATTLINE_TOKEN_FILE")
    told = {
        "agent": agent,
        "sources": sources,
        "push": arguments.push,
        "token_file": arguments.token_file
        or settings.token_file
        or (Path(variable) if variable else None),
        "push_every_seconds": arguments.push_every,
        "spool": arguments.spool,
        "spool_bytes": arguments.spool_bytes,
        "prometheus": arguments.prometheus,
        "job_socket": arguments.job_socket,
        "jobs": False if arguments.no_jobs else None,
        "record": arguments.record,
    }
    return replace(settings, **{k: v for k, v in told.items() if v is not None})


def _with_devices(sources: tuple[SourceChoice, ...], count: int) -> tuple[SourceChoice, ...]:
    if all(choice.name != "simulated" for choice in sources):
        raise UsageError("--devices: only a simulated node is told; add --source simulated")
    return tuple(
        replace(choice, options={**choice.options, "devices": str(count)})
        if choice.name == "simulated"
        else choice
        for choice in sources
    )


def _once(settings: Settings) -> int:
    from wattline_agents.agent import say
    from wattline_agents.assemble import open_sources
    from wattline_agents.clock import SystemClock
    from wattline_agents.once import read_once, text, why_not

    sources = open_sources(settings, say)
    readings, failed = read_once(sources, SystemClock())
    reasons = why_not(sources)
    for source in sources:
        source.close()
    for message in failed:
        say(message)
    print(text(readings, reasons))
    return 0


def _run(settings: Settings) -> int:
    from wattline_agents.agent import Agent, say
    from wattline_agents.assemble import open_jobs, open_sinks, open_sources

    if settings.push is None and settings.prometheus is None and settings.record is None:
        raise UsageError(
            "nowhere to send readings: give --push URL, --prometheus HOST:PORT or "
            "--record FILE (or --once to look)"
        )
    stop = threading.Event()

    def build() -> Agent:
        sources = open_sources(settings, say)
        jobs = open_jobs(settings, say)
        if jobs is not None:
            sources.append(jobs)
        sinks = open_sinks(settings, say)
        agent = Agent(settings.agent, sources, sinks, stop=stop, say=say)
        names = ", ".join(source.name for source in sources)
        say(f"node {settings.agent.node} of system {settings.agent.system}: reading {names}")
        return agent

    run_until_signalled(build, stop)
    return 0


def run_until_signalled(build: Callable[[], Agent], stop: threading.Event) -> None:
    """Run an agent in a thread while this one waits for SIGINT or SIGTERM.

    A handler would run inside the very lock that a waiting event holds; waiting for the signal
    itself has no such corner. The signals are blocked before any thread starts, so that no other
    thread is interrupted by them.
    """
    ends = {signal.SIGINT, signal.SIGTERM}
    main = threading.get_ident()
    failures: list[BaseException] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        agent = build()

        def work() -> None:
            try:
                agent.run()
            except BaseException as error:  # it is raised again in the thread that waits
                failures.append(error)
            finally:
                if not stop.is_set():
                    signal.pthread_kill(main, signal.SIGTERM)

        thread = threading.Thread(target=work, name="agent")
        thread.start()
        signal.sigwait(ends)
        stop.set()
        thread.join()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if failures:
        raise failures[0]


COMMAND = Command("agent", "read this node and send what it read", DESCRIPTION, configure, run)
