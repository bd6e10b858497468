"""What a source is: anything that can read something of one node.

A source lives in one file (or package) of this directory and is found by its name in the registry.
Its constructor, or `from_config`, raises `SourceUnavailable` where nothing of its kind is on this
node. It needs no base class: having these methods is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from wattline_agents.light import Protocol, runtime_checkable
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.wire import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

Readings = dict[str, list[Row]]
"""Rows by the name of their table; every row carries its own `time_unix_ms`."""
Given = Mapping[str, Sequence[Row]]
"""The same for those who only look at them."""


class Source(Protocol):
    """Reads something of one node."""

    @property
    def name(self) -> str:
        """The word people choose it by."""
        ...

    def read(self, now_ms: int) -> Given:
        """Everything there is to know at this tick.

        Args:
            now_ms: The tick's time, for the rows' `time_unix_ms`.

        Raises:
            ReadFailed: All of it could not be read; what failed in part is null in its row.
        """
        ...

    def describe(self, now_ms: int) -> Given:
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


Part = tuple[str, Callable[[], Given]]
"""A name for what is about to be read (a device, or a step such as opening), and what reads it."""


@runtime_checkable
class ReadsInParts(Protocol):
    """A source whose driver may hang, and which is therefore read in a process of its own.

    That process announces the name of each part before it reads it, so that the agent knows where
    the driver hangs, ends the process, and starts another that leaves this part out.
    """

    def parts(self, now_ms: int) -> Iterator[Part]:
        """What there is to read at this tick, in order; asked for one by one.

        A part must stand alone: whether the one before it was read or left out makes no
        difference. Opening the driver and looking for devices are parts, too.
        """
        ...


@runtime_checkable
class Waits(Protocol):
    """A source or sink that the agent's loop should wake for, between ticks."""

    def descriptors(self) -> Mapping[int, int]:
        """File descriptor -> events of `select.poll`; asked before every wait."""
        ...

    def handle(self, descriptor: int, events: int) -> Given:
        """Do what the descriptor is ready for, without waiting; a sink returns nothing."""
        ...


NOT_YET = "not yet: "
"""How a reason begins that passes by itself."""


@runtime_checkable
class SaysWhyNot(Protocol):
    """A source that knows why a device's column is null."""

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Device -> column -> the reason, for people, as of the last reading."""
        ...


@runtime_checkable
class CountsUnread(Protocol):
    """A source that knows of devices that it cannot read."""

    def unread(self) -> Sequence[str]:
        """Those that are there and cannot be read now: names, such as an index, for people."""
        ...


@runtime_checkable
class FollowsAssignments(Protocol):
    """A source that wants to know which devices are held, and by which job."""

    def on_assignments(self, devices_held: Mapping[str, str]) -> None:
        """Called when the set changed: device -> job, as other sources of this agent found it."""
        ...


@runtime_checkable
class FollowsReadings(Protocol):
    """A source that wants to see rows that the other sources read."""

    @property
    def follows(self) -> frozenset[str]:
        """Of which tables."""
        ...

    def on_readings(self, table: str, rows: Sequence[Row]) -> None:
        """Called with rows as they come; those of `device_info` are of all sources together."""
        ...


@runtime_checkable
class FollowsDevices(Protocol):
    """A source that wants to know the node's devices by their index."""

    def on_devices(self, devices: Mapping[int, str]) -> None:
        """Called when the set changed: index -> device, from `device_info` of all sources."""
        ...
