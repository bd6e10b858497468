"""Builds an agent's sources and sinks from its settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from wattline_agents.config import Settings, SourceChoice
from wattline_agents.errors import SourceUnavailable, UsageError
from wattline_agents.sinks.sink import Sink
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.source import Source, SourceConfig

Say = Callable[[str], None]

_DEADLINE_SECONDS = 5.0
"""A healthy driver answers in milliseconds; after a reset the first answer may take seconds."""
_MEMORY_SPOOL_BYTES = 16 * 1024 * 1024


def open_sources(settings: Settings, say: Say) -> list[Source]:
    """Open what was chosen; what may come later is tried again later.

    Raises:
        UsageError: A source does not exist, or was asked for by a path where there is nothing.
    """
    return [_open(choice, settings, say) for choice in settings.sources]


def open_jobs(settings: Settings, say: Say) -> Source | None:
    """Listen to jobs, if wanted.

    Raises:
        UsageError: The socket was told and cannot be used.
    """
    if not settings.jobs:
        return None
    from wattline_agents.assignment.process import JobSource
    from wattline_agents.job.place import agent_place

    told = settings.job_socket
    try:
        source = JobSource(agent_place(os.environ) if told is None else told, say)
    except (SourceUnavailable, UsageError) as error:
        if told is not None:
            raise UsageError(str(error)) from error
        say(f"{error}; jobs are not counted")
        return None
    say(f"jobs count their tokens at {source.path}")
    return source


def open_sinks(settings: Settings, say: Say) -> list[Sink]:
    """Open where readings go.

    Raises:
        UsageError: An address, file or directory cannot be used.
    """
    sinks: list[Sink] = []
    if settings.record is not None:
        from wattline_agents.sinks.record import RecordSink

        sinks.append(RecordSink(settings.record, say))
        say(f"recording to {settings.record}")
    if settings.prometheus is not None:
        sinks.append(_prometheus(settings, settings.prometheus, say))
    if settings.push is not None:
        sinks.append(_push(settings, settings.push, say))
    return sinks


def default_spool(environment: Mapping[str, str], node: str) -> Path:
    """Where batches wait if not told: a place of the service, of the system, or of the user."""
    if state := environment.get("STATE_DIRECTORY"):
        base = Path(state.split(":")[0])
    elif os.getuid() == 0:
        base = Path("/var/lib/wattline")
    else:
        home = environment.get("XDG_STATE_HOME")
        base = (Path(home) if home else Path.home() / ".local" / "state") / "wattline"
    return base / "spool" / node


def _open(choice: SourceChoice, settings: Settings, say: Say) -> Source:
    agent = settings.agent
    config = SourceConfig(
        agent.system, agent.node, agent.rack, agent.period_seconds, choice.options
    )

    def open_now() -> Source:
        return _with_deadline(open_source(choice.name, config))

    try:
        return open_now()
    except SourceUnavailable as error:
        if "path" in choice.options:
            raise UsageError(f"source {choice.name}: {error}") from error
        say(f"{choice.name}: {error}")
        from wattline_agents.sources.late import LateSource

        return LateSource(choice.name, open_now, say)


def _with_deadline(source: Source) -> Source:
    if not getattr(source, "may_block", False):
        return source
    from wattline_agents.sources.deadline import WithDeadline

    return WithDeadline(source, _DEADLINE_SECONDS)


def _prometheus(settings: Settings, address: str, say: Say) -> Sink:
    from wattline_agents.sinks.prometheus import PrometheusSink, listen_address

    try:
        host, port = listen_address(address)
    except UsageError as error:
        raise UsageError(f"--prometheus: {error}") from error
    sink = PrometheusSink(settings.agent.node, host, port)
    shown = f"[{sink.host}]" if ":" in sink.host else sink.host
    say(f"http://{shown}:{sink.port}/metrics")
    return sink


def _push(settings: Settings, url: str, say: Say) -> Sink:
    from wattline_agents.sinks.push import Pusher, PushSink
    from wattline_agents.sinks.spool import DirectorySpool, MemorySpool, Spool
    from wattline_agents.sinks.transport import HttpTransport

    transport = HttpTransport(url, settings.token_file)
    spool: Spool
    if settings.spool is not None:
        spool = DirectorySpool(settings.spool, settings.spool_bytes)
    else:
        try:
            spool = DirectorySpool(
                default_spool(os.environ, settings.agent.node), settings.spool_bytes
            )
        except UsageError as error:
            # Nobody asked for this directory, so being without it is no reason not to start.
            say(f"{error}; what waits is kept in memory")
            spool = MemorySpool(min(settings.spool_bytes, _MEMORY_SPOOL_BYTES))
    if len(spool):
        say(f"{len(spool)} batches wait from before")
    pusher = Pusher(
        settings.agent, transport, spool, every_seconds=settings.push_every_seconds, say=say
    )
    say(f"sending to {transport.url}")
    return PushSink(pusher, say)
