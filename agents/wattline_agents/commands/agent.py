"""`wattline agent`: reads this node and sends what it read."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wattline_agents.command import Arguments, Command
from wattline_agents.errors import UsageError
from wattline_agents.lean import settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from wattline_agents.agent import Agent
    from wattline_agents.config import InfluxSettings, OtlpSettings, Settings, SourceChoice

DESCRIPTION = """\
Reads this node's accelerators, host, meters and jobs once a second, and sends what it read to one
or more of: a collector (--push), whoever scrapes (--prometheus), an OpenTelemetry collector
(--otlp), InfluxDB or VictoriaMetrics (--influx), a file (--record).

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
in a file (--config); what is given here wins over the file. `wattline doctor` with the same
arguments says what of it works on this node, and what would change the rest.
"""

_EPILOG = "`wattline agent --example-config` prints a configuration file with all keys, explained."


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = _EPILOG
    add_settings(parser)
    add = parser.add_argument
    add("--once", action="store_true", help="read once, print it as text, and end")
    add("--metrics", action="store_true", help="print every metric there is, as Markdown")
    add("--example-config", action="store_true", help="print a configuration file, explained")


def add_settings(parser: ArgumentParser) -> None:
    """Add the arguments that `settings_of` understands."""
    who = parser.add_argument_group("who this is").add_argument
    who("--node", metavar="NAME", help="the node's name (the host's)")
    who("--system", metavar="NAME", help="the system it belongs to (local)")
    who("--rack", metavar="NAME", help="where it stands")
    what = parser.add_argument_group("what it reads").add_argument
    what(
        "--source",
        metavar="NAME[:KEY=VALUE,...]",
        action="append",
        help="may be repeated; auto (the default) reads the GPUs, host and meters that are there; "
        "others are redfish, ipmi, dcgm, amd-exporter, nvidia-gpu-exporter, node-exporter, xpumd, "
        "serving, replay, and simulated alone",
    )
    what("--devices", metavar="N", type=int, help="how many devices the simulated node has (2)")
    what("--period", metavar="SECONDS", type=float, help="time between readings (1)")
    what("--job-socket", metavar="PATH", help="where jobs count (WATTLINE_JOB_SOCKET)")
    what("--no-jobs", action="store_true", help="do not listen to jobs")
    where = parser.add_argument_group("where it goes").add_argument
    where("--push", metavar="URL", help="the collector's address")
    where(
        "--token-file",
        metavar="FILE",
        help="holds the token that lets it write there (WATTLINE_TOKEN_FILE)",
    )
    where("--push-every", metavar="SECONDS", type=float, help="how much time one batch holds (5)")
    where("--spool", metavar="DIR", help="where unsent batches wait")
    where("--spool-bytes", metavar="N", type=int, help="how much may wait (64 MiB), oldest dropped")
    where("--prometheus", metavar="HOST:PORT", help="answer scrapes here; port 0 takes a free one")
    where("--otlp", metavar="URL", help="where OpenTelemetry takes metrics: http://HOST:4318")
    where("--influx", metavar="URL", help="where InfluxDB v2 or VictoriaMetrics takes writes")
    where("--influx-bucket", metavar="NAME", help="where readings are kept there (wattline)")
    where("--influx-org", metavar="NAME", help="whose bucket it is (wattline)")
    where("--influx-token-file", metavar="FILE", help="lets it write there")
    where("--record", metavar="FILE", help="write everything, for --source replay")
    how = parser.add_argument_group("how it runs").add_argument
    how("--nice", metavar="N", type=int, help="stand back behind other processes, 0 to 19")
    how("--cpus", metavar="LIST", help="stay on these processors: 0,64-67")
    how("--config", metavar="FILE", type=Path, help="a TOML file of all of this")


def run(arguments: Arguments) -> int:
    """Run the agent until it is told to stop."""
    if arguments.metrics:
        from wattline_agents.catalogue_page import markdown

        print(markdown(), end="")
        return 0
    if arguments.example_config:
        from wattline_agents.config.example import EXAMPLE

        print(EXAMPLE, end="")
        return 0
    settings = settings_of(arguments)
    return _once(settings) if arguments.once else _run(settings)


def settings_of(arguments: Arguments) -> Settings:
    """What file and arguments say together.

    Raises:
        UsageError: An argument is not what it should be.
        InputError: The file is not.
    """
    from wattline_agents.config import (
        AgentConfig,
        Settings,
        automatic_sources,
        cpu_set,
        default_node,
        from_toml,
    )
    from wattline_agents.config.settings import (
        LEAST_PUSH_SECONDS,
        LEAST_SPOOL_BYTES,
        MOST_PUSH_SECONDS,
        MOST_SPOOL_BYTES,
    )

    if arguments.config is not None:
        settings = from_toml(arguments.config)
    else:
        settings = Settings(AgentConfig(node=default_node()), automatic_sources())
    told = {
        "system": arguments.system,
        "node": arguments.node,
        "rack": arguments.rack,
        "period_seconds": arguments.period,
    }
    try:
        agent = replace(settings.agent, **{k: v for k, v in told.items() if v is not None})
    except UsageError as error:
        raise UsageError(f"--{error}") from error
    sources = settings.sources
    if arguments.source is not None:
        sources = _chosen(arguments.source)
    if arguments.devices is not None:
        sources = _with_devices(sources, arguments.devices)
    _check_number("--nice", arguments.nice, 0, 19)
    _check_number("--push-every", arguments.push_every, LEAST_PUSH_SECONDS, MOST_PUSH_SECONDS)
    _check_number("--spool-bytes", arguments.spool_bytes, LEAST_SPOOL_BYTES, MOST_SPOOL_BYTES)
    if arguments.push is not None:
        _check_address("--push", arguments.push, "--token-file")
    if arguments.cpus is not None:
        try:
            cpu_set(arguments.cpus)
        except UsageError as error:
            raise UsageError(f"--cpus: {error}") from error
    variable = os.environ.get("WATTLINE_TOKEN_FILE")
    told = {
        "agent": agent,
        "sources": sources,
        "push": arguments.push,
        "token_file": _file("--token-file", arguments.token_file)
        or settings.token_file
        or (Path(variable) if variable else None),
        "push_every_seconds": arguments.push_every,
        "spool": _file("--spool", arguments.spool),
        "spool_bytes": arguments.spool_bytes,
        "prometheus": arguments.prometheus,
        "otlp": _otlp(settings, arguments.otlp),
        "influx": _influx(settings, arguments),
        "nice": arguments.nice,
        "cpus": arguments.cpus,
        "job_socket": _file("--job-socket", arguments.job_socket),
        "jobs": False if arguments.no_jobs else None,
        "record": _file("--record", arguments.record),
    }
    return replace(settings, **{k: v for k, v in told.items() if v is not None})


def _otlp(settings: Settings, endpoint: str | None) -> OtlpSettings | None:
    from wattline_agents.config import OtlpSettings

    if endpoint is None:
        return settings.otlp
    _check_address("--otlp", endpoint, "otlp.headers_file")
    if settings.otlp is None:
        return OtlpSettings(endpoint)
    return replace(settings.otlp, endpoint=endpoint)


def _influx(settings: Settings, arguments: Arguments) -> InfluxSettings | None:
    from wattline_agents.config import InfluxSettings

    told = {
        "url": arguments.influx,
        "bucket": arguments.influx_bucket,
        "org": arguments.influx_org,
        "token_file": _file("--influx-token-file", arguments.influx_token_file),
    }
    given = {key: value for key, value in told.items() if value is not None}
    if "url" in given:
        _check_address("--influx", str(given["url"]), "--influx-token-file")
    if not given or settings.influx is not None:
        return settings.influx and replace(settings.influx, **given)
    if "url" not in given:
        raise UsageError(f"--influx-{next(iter(given)).replace('_', '-')}: add --influx URL")
    return InfluxSettings(**given)


def _check_address(flag: str, text: str, secret_in: str) -> None:
    from wattline_agents.config.address import complaint

    if (wrong := complaint(text, secret_in)) is not None:
        raise UsageError(f"{flag}: {wrong}")


def _check_number(flag: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:
        raise UsageError(f"{flag}: not from {least:g} to {most:g}: {value}")


def _file(flag: str, text: str | None) -> Path | None:
    if text is not None and (not text or not text.isprintable()):
        # An empty one is a variable that was not set, and would mean the working directory.
        raise UsageError(f"{flag}: not a file name: {text[:40]!r}")
    return None if text is None else Path(os.path.expanduser(text))


def _chosen(texts: Sequence[str]) -> tuple[SourceChoice, ...]:
    from wattline_agents.config import SourceChoice, automatic_sources
    from wattline_agents.config.address import secret_complaint
    from wattline_agents.nearest import instead
    from wattline_agents.sources.registry import SOURCES

    chosen: list[SourceChoice] = []
    for text in texts:
        if text == "auto":
            chosen += automatic_sources()
            continue
        choice = SourceChoice.parse(text)
        if choice.name not in SOURCES:
            there = instead(choice.name, ["auto", *SOURCES])
            raise UsageError(f"--source: no source {choice.name[:40]!r}; {there}")
        if (wrong := secret_complaint(choice.name, choice.options.get("url", ""))) is not None:
            raise UsageError(f"--source {choice.name}: option url: {wrong}")
        chosen.append(choice)
    # What is named is no longer merely tried.
    named = {choice.name for choice in chosen if not choice.automatic}
    return tuple(one for one in chosen if not (one.automatic and one.name in named))


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
    from wattline_agents.assemble import open_sources
    from wattline_agents.clock import SystemClock
    from wattline_agents.once import read_once, text, unread, why_not
    from wattline_agents.telling import say

    sources = open_sources(settings, say)
    readings, failed, empty = read_once(sources, SystemClock())
    reasons = why_not(sources)
    failed += unread(sources)
    for source in sources:
        try:
            source.close()
        except Exception as error:  # it has been read, which is what was asked for
            failed.append(f"{source.name}: closing: {type(error).__name__}: {error}")
    for message in failed:
        say(message)
    print(text(readings, reasons))
    # What was asked for by name was expected to be there.
    asked = [
        one for one, choice in zip(sources, settings.sources, strict=True) if not choice.automatic
    ]
    return 1 if any(one in empty for one in asked) else 0


def _run(settings: Settings) -> int:
    from wattline_agents.assemble import (
        introduce,
        names_of,
        open_assignment,
        open_encoder,
        open_jobs,
        open_sinks,
        open_sources,
        stand_back,
    )
    from wattline_agents.telling import say

    if not settings.goes_somewhere:
        raise UsageError(
            "nowhere to send readings: give --push URL, --prometheus HOST:PORT, --otlp URL, "
            "--influx URL or --record FILE (or --once to look)"
        )
    stand_back(settings, say)

    def build() -> Agent:
        # First of all, for what is loaded by then a process forked to read has with it for good.
        sources = open_sources(settings, say)
        encode = open_encoder(settings)
        jobs = open_jobs(settings, say)
        if jobs is not None:
            sources.append(jobs)
        assignment = open_assignment(settings, say)
        if assignment is not None:
            sources.append(assignment)  # after those whose processes and jobs it looks at
        introduce(sources, jobs, assignment)
        sinks = open_sinks(settings, say, encode)
        from wattline_agents.agent import Agent

        agent = Agent(settings.agent, sources, sinks, say=say)
        node, system = settings.agent.node, settings.agent.system
        say(f"node {node} of system {system}: reading {names_of(sources)}")
        return agent

    run_until_signalled(build)
    return 0


def run_until_signalled(build: Callable[[], Agent]) -> None:
    """Run an agent in this thread, which must be the main one, until SIGINT or SIGTERM.

    A handler may run in the middle of anything, so it does nothing: the interpreter itself writes
    the signal's number into a pipe, which is one of the things the agent's loop wakes for.
    """
    told, teller = os.pipe()
    os.set_blocking(teller, False)
    ends = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, frame: None) for number in ends}
    awake = signal.set_wakeup_fd(teller, warn_on_full_buffer=False)
    try:
        agent = build()
        settled()
        agent.run(told)
    except BaseException:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise
    finally:
        # Once told to end, it ends: the handlers stay, so that being told again cuts nothing short.
        signal.set_wakeup_fd(awake)
        os.close(told)
        os.close(teller)


COMMAND = Command("agent", "read this node and send what it read", DESCRIPTION, configure, run)
