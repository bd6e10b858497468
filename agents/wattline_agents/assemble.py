"""Builds an agent's sources and sinks from its settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from wattline_agents.config import Settings, SourceChoice, cpu_set
from wattline_agents.errors import InputError, SourceUnavailable, UsageError, WattlineError
from wattline_agents.sources.late import LateSource
from wattline_agents.sources.registry import open_source
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import ReadsInParts, Source
from wattline_agents.telling import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattline_agents.assignment.process import JobSource
    from wattline_agents.assignment.source import AssignmentSource
    from wattline_agents.sinks.otel_encode import Description, Encoded
    from wattline_agents.sinks.sink import Sink

    Encode = Callable[[Description], Encoded]

Say = Callable[[str], None]

_SIGNS: Mapping[str, tuple[str, ...]] = {
    "amdsmi": ("/sys/module/amdgpu", "/dev/kfd"),
    "intel": ("/sys/module/i915", "/sys/module/xe"),
    "cray": ("/sys/cray/pm_counters",),
    "rapl": ("/sys/class/powercap",),
    "grace": ("/sys/module/acpi_power_meter", "/sys/bus/acpi/drivers/power_meter"),
}
"""Without one of these an automatic source has nothing to read, so its code need not be loaded."""

_DEADLINE_SECONDS = 5.0
"""A healthy driver answers in milliseconds; after a reset the first answer may take seconds."""
_MEMORY_SPOOL_BYTES = 16 * 1024 * 1024


def open_sources(settings: Settings, say: Say) -> list[Source]:
    """Open what was chosen; what may come later is tried again later.

    Raises:
        UsageError: A source does not exist, or was asked for by a path where there is nothing.
    """
    return [_open(choice, settings, say) for choice in settings.sources]


def names_of(sources: Iterable[Source]) -> str:
    """The names of the sources that had something to read when they were opened, for people."""
    here = [one.name for one in sources if not isinstance(one, LateSource)]
    return ", ".join(here) if here else "nothing yet"


def stand_back(settings: Settings, say: Say) -> None:
    """Leave the node to its jobs, as far as told: before any thread or process is started.

    Raises:
        UsageError: None of the processors told may be used here.
    """
    _interrupt_nobody()
    if settings.nice is not None:
        now = os.getpriority(os.PRIO_PROCESS, 0)
        # To come forward needs a right; whoever started us further back had a reason.
        if settings.nice > now:
            try:
                os.setpriority(os.PRIO_PROCESS, 0, settings.nice)
            except PermissionError:
                say("nice: may not be set from here (in a systemd unit it is Nice=)")
        elif settings.nice < now:
            say(f"nice stays {now}: it was started so")
    if settings.cpus is not None:
        try:
            os.sched_setaffinity(0, cpu_set(settings.cpus))
        except PermissionError:
            say("cpus: may not be set from here (in a systemd unit it is CPUAffinity=)")
        except (OSError, ValueError, OverflowError) as error:
            usable = len(os.sched_getaffinity(0))
            raise UsageError(
                f"cpus: none of {settings.cpus} may be used here, where there are {usable}"
            ) from error


def _interrupt_nobody() -> None:
    """Wait for one's turn on waking up, rather than take a processor from who runs there.

    The kernel lets who wakes up do that: a job for the agent, and the process that reads for the
    agent itself, which it wakes. Whoever chose another policy for the agent had a reason.
    """
    if hasattr(os, "SCHED_BATCH"):  # Linux
        with suppress(OSError):  # under systemd, which sets it itself
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def open_jobs(settings: Settings, say: Say) -> JobSource | None:
    """Listen to jobs, if wanted.

    Raises:
        UsageError: The socket was told and cannot be used.
    """
    if not settings.jobs:
        return None
    from wattline_agents.assignment.process import JobSource
    from wattline_agents.job.place import DIRECTORY_VARIABLE, agent_place

    told, directory = settings.job_socket, settings.job_directory
    if directory is None and (named := os.environ.get(DIRECTORY_VARIABLE)):
        directory = Path(named)
    try:
        source = JobSource(
            agent_place(os.environ) if told is None else told,
            say,
            directory=directory,
            state=job_state(settings),
        )
    except (SourceUnavailable, UsageError) as error:
        if told is not None or directory is not None:
            raise UsageError(str(error)) from error
        say(f"{error}; jobs are not counted")
        return None
    say(f"jobs count their tokens at {source.path}")
    if directory is not None:
        say(f"and leave files in {directory}")
    return source


def open_assignment(settings: Settings, say: Say) -> AssignmentSource | None:
    """Find out which job holds which device, if wanted; simulated jobs say so themselves."""
    names = {choice.name for choice in settings.sources}
    if not settings.assignment.enabled or names <= {"simulated", "replay"}:
        return None
    from wattline_agents.assignment.opening import open_assignment

    return open_assignment(settings.assignment, settings.agent.period_seconds, os.environ, say)


def introduce(
    sources: Iterable[Source], jobs: JobSource | None, assignment: AssignmentSource | None
) -> None:
    """Let those know of each other who speak of the same jobs."""
    if jobs is None:
        return
    if assignment is not None:
        jobs.believe(assignment.owners.key_of)
    for source in sources:
        heed = getattr(getattr(source, "inner", source), "heed", None)
        if heed is not None:
            heed(jobs.spoken)


def job_state(settings: Settings) -> Path:
    """Where totals of jobs are kept over a restart: beside the batches that wait."""
    spool = settings.spool or default_spool(os.environ, settings.agent.node)
    return spool.with_name(f"{spool.name}.jobs.json")


def open_encoder(settings: Settings) -> Encode | None:
    """What encodes for OpenTelemetry, if that is wanted; cheapest before any thread is started."""
    if settings.otlp is None:
        return None
    from wattline_agents.sinks.otel_helper import Standby

    return Standby().encoded


def open_sinks(settings: Settings, say: Say, encode: Encode | None = None) -> list[Sink]:
    """Open where readings go.

    Args:
        settings: What was told.
        say: Takes the few lines meant for a person.
        encode: What encodes for OpenTelemetry, if it is open already.

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
    if settings.otlp is not None:
        from wattline_agents.sinks.otlp import OtlpSink

        try:
            sinks.append(OtlpSink(settings.agent, settings.otlp, say, encode=encode))
        except InputError as error:  # the only file it reads
            raise UsageError(f"otlp.headers_file: {error}") from error
        say(f"exporting to {settings.otlp.endpoint}")
    if settings.influx is not None:
        from wattline_agents.sinks.influx import InfluxSink

        sinks.append(InfluxSink(settings.agent, settings.influx, say))
        say(f"writing to {settings.influx.url}, bucket {settings.influx.bucket}")
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


def source_config(choice: SourceChoice, settings: Settings) -> SourceConfig:
    """What that source is told."""
    agent, options = settings.agent, choice.options
    records = settings.assignment.records or os.environ.get("WATTLINE_RECORDS")
    if choice.name == "serving" and records:
        options = {"records": str(records), **options}  # where it, too, learns whose a process is
    return SourceConfig(agent.system, agent.node, agent.rack, agent.period_seconds, options)


def _open(choice: SourceChoice, settings: Settings, say: Say) -> Source:
    config = source_config(choice, settings)

    def open_now(*, is_start: bool = False) -> Source:
        if choice.automatic and not choice.options:
            _look_for_signs(choice.name)
        return _guarded(open_source(choice.name, config), config, say, is_start=is_start)

    try:
        return open_now(is_start=True)
    except SourceUnavailable as error:
        if "path" in choice.options:
            raise _located(choice, error) from error
        if not choice.automatic:
            say(named(choice.name, str(error)))
        return LateSource(choice.name, open_now, say)
    except UsageError as error:
        raise _located(choice, error) from error


def _look_for_signs(name: str) -> None:
    signs = _SIGNS.get(name, ())
    if signs and not any(os.path.exists(sign) for sign in signs):
        raise SourceUnavailable(f"no {' and no '.join(signs)}")


def _guarded(source: Source, config: SourceConfig, say: Say, *, is_start: bool) -> Source:
    """Read in a process of its own, or in a thread, where its driver may not answer."""
    if isinstance(source, ReadsInParts):
        source.close()
        from wattline_agents.sources.isolated.process import forked_early

        first = forked_early(source.name) if is_start else None
        from wattline_agents.sources.isolated import Isolated  # which it has no use for

        return Isolated(source.name, config, say, asks_ahead=True, first=first)
    if getattr(source, "may_block", False):
        from wattline_agents.sources.deadline import WithDeadline

        return WithDeadline(source, _DEADLINE_SECONDS)
    return source


def mistake(choice: SourceChoice, error: str) -> str:
    """What is wrong with a source's options, with its name and, where it is known, the option's."""
    if error.startswith(f"source {choice.name}"):
        return error
    option = next((key for key, value in choice.options.items() if repr(value[:40]) in error), "")
    return f"source {choice.name}: {option and f'option {option}: '}{error}"


def _located(choice: SourceChoice, error: WattlineError) -> UsageError:
    """The error with the file and line of the option it speaks of, if it stands in a file."""
    text = mistake(choice, str(error))
    for option, place in choice.places.items():
        if option and (f"option {option}:" in text or f"option {option!r}" in text):
            return UsageError(f"{place}: {text}")
    section = choice.places.get("")
    return UsageError(text if section is None else f"{section}: {text}")


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
        spool = DirectorySpool(settings.spool, settings.spool_bytes, say)
    else:
        try:
            place = default_spool(os.environ, settings.agent.node)
            spool = DirectorySpool(place, settings.spool_bytes, say)
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
