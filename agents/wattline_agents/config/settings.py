"""Everything an agent can be told, as values."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from wattline_agents.errors import UsageError, WireError
from wattline_agents.record import record
from wattline_agents.wire import MAX_TEXT_BYTES, checked_name

AUTOMATIC = ("nvml", "amdsmi", "intel", "host", "cray", "rapl", "grace")
"""What is tried where nothing is chosen: all that is local, free of configuration, and silent where
its hardware is not. In the order of choice for what two of them could read."""
LEAST_PERIOD_SECONDS = 0.1
MOST_PERIOD_SECONDS = 3600.0
LEAST_PUSH_SECONDS = 0.1
MOST_PUSH_SECONDS = 3600.0
LEAST_SPOOL_BYTES = 64 * 1024
"""Less holds no batch of a node with eight GPUs, so that everything would be dropped."""
MOST_SPOOL_BYTES = 2**62
DEFAULT_SPOOL_BYTES = 64 * 1024 * 1024
"""About six hours of one eight-GPU node at one reading a second; many nodes have no own disk."""


@record(frozen=True, slots=True)
class AgentConfig:
    """Who the node is, and how often it is read.

    Attributes:
        system: The supercomputer or partition group it belongs to.
        node: Its name.
        rack: Where it stands, if known.
        period_seconds: How far apart ticks are.
    """

    system: str = "local"
    node: str = "localhost"
    rack: str | None = None
    period_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            UsageError: One is no name, or the period makes no sense.
        """
        for what, value in (("system", self.system), ("node", self.node)):
            try:
                checked_name(value, what)
            except WireError as error:
                raise UsageError(str(error)) from error
        if (wrong := rack_complaint(self.rack)) is not None:
            raise UsageError(f"rack: {wrong}")
        if not LEAST_PERIOD_SECONDS <= self.period_seconds <= MOST_PERIOD_SECONDS:
            raise UsageError(
                f"period: not from {LEAST_PERIOD_SECONDS:g} to {MOST_PERIOD_SECONDS:g} seconds: "
                f"{self.period_seconds:g}"
            )


@record(frozen=True, slots=True)
class SourceChoice:
    """One source to open: `NAME` or `NAME:KEY=VALUE,...`.

    Attributes:
        name: Its name in the registry.
        options: Its settings, as text.
        automatic: Nobody asked for it by name; where it has nothing to read, that is not said.
        places: Where options were given, `FILE:LINE`, by option; `""` is the whole section.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    automatic: bool = False
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def parse(cls, text: str) -> SourceChoice:
        """Read it as it stands on a command line.

        Raises:
            UsageError: An option is not KEY=VALUE.
        """
        name, _, rest = text.partition(":")
        options: dict[str, str] = {}
        for part in filter(None, rest.split(",")):
            key, equals, value = part.partition("=")
            if not (key and equals):
                raise UsageError(f"--source {name}: not KEY=VALUE: {part[:40]!r}")
            options[key.strip()] = value.strip()
        return cls(name, options)


@record(frozen=True, slots=True)
class OtlpSettings:
    """How readings go to an OpenTelemetry receiver.

    Attributes:
        endpoint: Its base address, `http://host:4318`; metrics go to `/v1/metrics` below it.
        every_seconds: How far apart exports are.
        headers_file: Holds `NAME: VALUE` lines sent with every export, a token for example.
        gzip: Whether exports are compressed.
    """

    endpoint: str
    every_seconds: float = 10.0
    headers_file: Path | None = None
    gzip: bool = False


@record(frozen=True, slots=True)
class InfluxSettings:
    """How readings go to InfluxDB, or to what takes its writes.

    Attributes:
        url: Its address.
        bucket: Where readings are kept there.
        org: Whose bucket it is; what is not InfluxDB does not ask.
        token_file: Holds the token that lets us write there.
        every_seconds: How far apart writes are.
    """

    url: str
    bucket: str = "wattline"
    org: str = "wattline"
    token_file: Path | None = None
    every_seconds: float = 10.0


@record(frozen=True, slots=True)
class AssignmentSettings:
    """How it is found out which job holds which device.

    Attributes:
        enabled: Whether to find out at all.
        records: Where our prolog and epilog leave their records; None: a place by convention.
        jobstats: Where jobstats' prolog leaves its files; None: where it does if not told.
        dcgm: dcgm-exporter's job mapping; None: what DCGM_HPC_JOB_MAPPING_DIR names, if anything.
        amd: Where AMD's exporter finds its job files; None: where it does if not told.
        numbers: What a device's number is to the scheduler: `auto`, `index` or `minor`.
        shards_per_device: Into how many shards Slurm divides a device, where it does.
        kubernetes: Whether to ask a kubelet where there is one; the path of its socket if told.
    """

    enabled: bool = True
    records: Path | None = None
    jobstats: Path | None = None
    dcgm: Path | None = None
    amd: Path | None = None
    numbers: str = "auto"
    shards_per_device: int | None = None
    kubernetes: Path | bool = True


@record(frozen=True, slots=True)
class Settings:
    """Everything `wattline agent` can be told.

    Attributes:
        agent: Who the node is.
        sources: What to read.
        push: The collector's address, if readings are to be sent.
        token_file: Holds the token that lets us write there.
        push_every_seconds: How much time one batch holds.
        spool: Where batches wait while the collector is away; None: a place by convention.
        spool_bytes: How much may wait.
        prometheus: `HOST:PORT` to answer scrapes at, if wanted.
        otlp: Where OpenTelemetry takes readings, if it is to.
        influx: Where InfluxDB takes readings, if it is to.
        nice: How far to stand back behind other processes, 0-19; None leaves it.
        cpus: The processors to stay on, such as `0,64-67`; None leaves it.
        job_socket: Where jobs count their tokens; None: a place by convention.
        job_directory: Where jobs that cannot reach the socket leave files, if anywhere.
        jobs: Whether to listen to jobs at all.
        record: A file to write everything to, for `--source replay`.
        assignment: How it is found out which job holds which device.
    """

    agent: AgentConfig
    sources: tuple[SourceChoice, ...]
    push: str | None = None
    token_file: Path | None = None
    push_every_seconds: float = 5.0
    spool: Path | None = None
    spool_bytes: int = DEFAULT_SPOOL_BYTES
    prometheus: str | None = None
    otlp: OtlpSettings | None = None
    influx: InfluxSettings | None = None
    nice: int | None = None
    cpus: str | None = None
    job_socket: Path | None = None
    job_directory: Path | None = None
    jobs: bool = True
    record: Path | None = None
    assignment: AssignmentSettings = AssignmentSettings()

    @property
    def goes_somewhere(self) -> bool:
        """Whether anything takes what is read."""
        places = (self.push, self.prometheus, self.otlp, self.influx, self.record)
        return any(place is not None for place in places)


def rack_complaint(text: str | None) -> str | None:
    """What is wrong with a place; None if nothing is. No collector takes a longer text."""
    if text is None or (text.isprintable() and len(text.encode()) <= MAX_TEXT_BYTES):
        return None
    return f"not a line of text of at most {MAX_TEXT_BYTES} bytes: {text[:40]!r}"


def default_node() -> str:
    """The host's name, with characters no name may have replaced."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:128].lstrip("._-")
    return name or "localhost"


def automatic_sources() -> tuple[SourceChoice, ...]:
    """What is tried where nothing is chosen."""
    return tuple(SourceChoice(name, automatic=True) for name in AUTOMATIC)


def cpu_set(text: str) -> frozenset[int]:
    """The processors that a text such as `0,64-67` names.

    Raises:
        UsageError: It names none.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UsageError(f"not processors such as 0,64-67: {text[:40]!r}")
        found.update(range(first, last + 1))
    return frozenset(found)
