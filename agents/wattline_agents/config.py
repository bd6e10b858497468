"""What an agent can be told: by arguments, by a TOML file, or both (arguments win)."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wattline_agents.errors import InputError, UsageError, WireError
from wattline_agents.wire import checked_name

DEFAULT_SOURCES = ("nvml", "host")
LEAST_PERIOD_SECONDS = 0.1
MOST_PERIOD_SECONDS = 3600.0
DEFAULT_SPOOL_BYTES = 64 * 1024 * 1024
"""About six hours of one eight-GPU node at one reading a second; many nodes have no own disk."""


@dataclass(frozen=True, slots=True)
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
        if not LEAST_PERIOD_SECONDS <= self.period_seconds <= MOST_PERIOD_SECONDS:
            raise UsageError(
                f"period: not from {LEAST_PERIOD_SECONDS:g} to {MOST_PERIOD_SECONDS:g} seconds: "
                f"{self.period_seconds:g}"
            )


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """One source to open: `NAME` or `NAME:KEY=VALUE,...`."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True)
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
        job_socket: Where jobs count their tokens; None: a place by convention.
        jobs: Whether to listen to jobs at all.
        record: A file to write everything to, for `--source replay`.
    """

    agent: AgentConfig
    sources: tuple[SourceChoice, ...]
    push: str | None = None
    token_file: Path | None = None
    push_every_seconds: float = 5.0
    spool: Path | None = None
    spool_bytes: int = DEFAULT_SPOOL_BYTES
    prometheus: str | None = None
    job_socket: Path | None = None
    jobs: bool = True
    record: Path | None = None


def default_node() -> str:
    """The host's name, with characters no name may have replaced."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:128].lstrip("._-")
    return name or "localhost"


_TOP = ("system", "node", "rack", "period_seconds", "sources", "record")
_SECTIONS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "push": {
        "url": str,
        "token_file": str,
        "every_seconds": (int, float),
        "spool": str,
        "spool_bytes": int,
    },
    "prometheus": {"listen": str},
    "job": {"socket": str, "enabled": bool},
}
_TOP_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "system": str,
    "node": str,
    "rack": str,
    "period_seconds": (int, float),
    "sources": list,
    "record": str,
}
_TYPE_NAMES = {str: "text", int: "a whole number", bool: "true or false", list: "a list"}


def from_toml(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        InputError: It is not there, not TOML, or a key is unknown or not of its type.
    """
    # Only a start with a file pays for the parser.
    import tomllib

    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not TOML: {error}", path=path) from error
    try:
        return _settings(document, path)
    except InputError:
        raise
    except UsageError as error:
        raise InputError(str(error), path=path) from error


def _settings(document: Mapping[str, Any], path: Path) -> Settings:
    known = (*_TOP, *_SECTIONS, "source")
    for key in document:
        if key not in known:
            raise InputError(f"no such key; there are {', '.join(known)}", path=path, field=key)
    top = {key: value for key, value in document.items() if key in _TOP}
    for key, value in top.items():
        _check_type(value, _TOP_TYPES[key], path, key)
    sections = {name: _section(document, name, path) for name in _SECTIONS}
    push, job = sections["push"], sections["job"]
    agent = AgentConfig(
        system=top.get("system", "local"),
        node=top.get("node", default_node()),
        rack=top.get("rack"),
        period_seconds=float(top.get("period_seconds", 1.0)),
    )
    settings = Settings(
        agent=agent,
        sources=_sources(top.get("sources"), document.get("source", {}), path),
        push=push.get("url"),
        token_file=_path(push.get("token_file")),
        spool=_path(push.get("spool")),
        prometheus=sections["prometheus"].get("listen"),
        job_socket=_path(job.get("socket")),
        jobs=job.get("enabled", True),
        record=_path(top.get("record")),
    )
    if "every_seconds" in push:
        settings = replace(settings, push_every_seconds=float(push["every_seconds"]))
    if "spool_bytes" in push:
        settings = replace(settings, spool_bytes=push["spool_bytes"])
    return settings


def _section(document: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    section = document.get(name, {})
    if not isinstance(section, dict):
        raise InputError(f"not a section [{name}]", path=path, field=name)
    known = _SECTIONS[name]
    for key, value in section.items():
        where = f"{name}.{key}"
        if key not in known:
            there = ", ".join(known)
            raise InputError(f"no such key; [{name}] has {there}", path=path, field=where)
        _check_type(value, known[key], path, where)
    return section


def _sources(chosen: list[Any] | None, options: Any, path: Path) -> tuple[SourceChoice, ...]:
    if not isinstance(options, dict):
        raise InputError("not a section [source.NAME]", path=path, field="source")
    names = list(DEFAULT_SOURCES) if chosen is None else chosen
    for name in names:
        _check_type(name, str, path, "sources")
    for name, section in options.items():
        where = f"source.{name}"
        if not isinstance(section, dict):
            raise InputError(f"not a section [{where}]", path=path, field=where)
        if name not in names:
            raise InputError("has options and is not in `sources`", path=path, field=where)
    return tuple(
        SourceChoice(name, {key: str(value) for key, value in options.get(name, {}).items()})
        for name in names
    )


def _check_type(value: object, type_: type | tuple[type, ...], path: Path, field_name: str) -> None:
    # In Python true is a number; in a configuration it is a slip.
    wrong_bool = isinstance(value, bool) and type_ is not bool
    if wrong_bool or not isinstance(value, type_):
        name = "a number" if isinstance(type_, tuple) else _TYPE_NAMES[type_]
        raise InputError(f"not {name}: {str(value)[:40]!r}", path=path, field=field_name)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()
