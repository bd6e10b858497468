"""What a source is: anything that can read something of one node.

A source lives in one file (or package) of this directory and is found by its name in the registry.
Its constructor, or `from_config`, raises `SourceUnavailable` where nothing of its kind is on this
node. It needs no base class: having these methods is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

from wattline_agents.errors import UsageError
from wattline_agents.wire import Row

Readings = dict[str, list[Row]]
"""Rows by the name of their table; every row carries its own `time_unix_ms`."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """What a source may know of the agent that reads it.

    Attributes:
        system: The system the node belongs to.
        node: The node's name.
        rack: Where it stands, if told.
        period_seconds: How often the agent ticks.
        options: Settings of this source alone, as text (`--source NAME:KEY=VALUE,...`).
    """

    system: str
    node: str
    rack: str | None = None
    period_seconds: float = 1.0
    options: Mapping[str, str] = field(default_factory=dict)

    def check_options(self, source: str, known: tuple[str, ...]) -> None:
        """Refuse options the source does not have.

        Raises:
            UsageError: Names the first unknown option and those there are.
        """
        for option in self.options:
            if option not in known:
                there = ", ".join(known) if known else "none"
                raise UsageError(f"source {source}: no option {option!r}; there are {there}")

    def number(self, source: str, option: str, default: float, least: float, most: float) -> float:
        """The option as a number, or the default where it is not given.

        Raises:
            UsageError: It is not a number from `least` to `most`.
        """
        text = self.options.get(option)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise UsageError(
                f"source {source}: option {option}: not a number from {least:g} to {most:g}: "
                f"{text[:40]!r}"
            )
        return value


class Source(Protocol):
    """Reads something of one node."""

    @property
    def name(self) -> str:
        """The word people choose it by."""
        ...

    def read(self, now_ms: int) -> Readings:
        """Everything there is to know at this tick.

        Args:
            now_ms: The tick's time, for the rows' `time_unix_ms`.

        Raises:
            ReadFailed: All of it could not be read; what failed in part is null in its row.
        """
        ...

    def describe(self, now_ms: int) -> Readings:
        """The rows of `device_info` and `node_info`: who is being read.

        The agent asks at start and about once a minute, and sends the rows when they changed or
        ten minutes have passed.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds; called once."""
        ...


class Configurable(Source, Protocol):
    """What the registry names: a class that makes a source from its configuration."""

    @classmethod
    def from_config(cls, config: SourceConfig) -> Self:
        """Open it.

        Raises:
            SourceUnavailable: Nothing of this kind is on this node.
            UsageError: An option is not what it should be.
        """
        ...


@runtime_checkable
class ReadsAtOwnPace(Protocol):
    """A source that need not be read at every tick."""

    @property
    def every_seconds(self) -> float:
        """How far apart its readings should be; the agent rounds it up to whole ticks."""
        ...


@runtime_checkable
class SaysWhyNot(Protocol):
    """A source that knows why a device's column is null."""

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Device -> column -> the reason, for people, as of the last reading."""
        ...


@runtime_checkable
class FollowsAssignments(Protocol):
    """A source that wants to know which devices are held, and by which job."""

    def on_assignments(self, devices_held: Mapping[str, str]) -> None:
        """Called when the set changed: device -> job, as other sources of this agent found it."""
        ...


@runtime_checkable
class FollowsDevices(Protocol):
    """A source that wants to know the node's devices by their index."""

    def on_devices(self, devices: Mapping[int, str]) -> None:
        """Called when the set changed: index -> device, from `device_info` of all sources."""
        ...
