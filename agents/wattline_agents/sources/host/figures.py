"""What the host source asks of a system, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable

from wattline_agents.light import Protocol
from wattline_agents.record import record

_PLAUSIBLE_CELSIUS = (-50.0, 150.0)
"""Unconnected sensors report -128 or 65535; those are no temperatures."""


@record(frozen=True, slots=True)
class CpuTimes:
    """Seconds of processor time since the system started, summed over cores.

    Attributes:
        user: In user mode, at normal priority.
        system: In the kernel.
        idle: With nothing to do.
        iowait: With nothing to do but waiting for a disk; None where the system does not tell.
        total: In all modes together.
    """

    user: float
    system: float
    idle: float
    iowait: float | None
    total: float


class Figures(Protocol):
    """Reads the figures of one system; what it does not have is None."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its readings may raise, all of which mean that they failed."""
        ...

    def cpu_times(self) -> CpuTimes:
        """Processor time."""
        ...

    def memory(self) -> tuple[int, int]:
        """Main memory in use (total less available), and all there is; bytes."""
        ...

    def network(self) -> tuple[int, int] | None:
        """Bytes received and sent by all network interfaces that count."""
        ...

    def disks(self) -> tuple[int, int] | None:
        """Bytes read from and written to all whole disks."""
        ...

    def hottest(self) -> float | None:
        """The highest temperature any sensor shows; degrees Celsius."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


def is_whole_disk(name: str) -> bool:
    """Whether it can be hardware: loops and mapped devices would count bytes twice."""
    return not name.startswith(("loop", "ram", "zram", "dm-", "md"))


def hottest_of(temperatures: Iterable[float]) -> float | None:
    """The highest of those that can be true; None if there is none."""
    least, most = _PLAUSIBLE_CELSIUS
    return max((celsius for celsius in temperatures if least < celsius < most), default=None)
