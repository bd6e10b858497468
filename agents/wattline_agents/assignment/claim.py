"""What somebody says of a job and a device: the shape in which all that is found out is joined."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_agents.light import Protocol
from wattline_agents.record import record
from wattline_agents.wire import Row


@record(frozen=True, slots=True)
class Claim:
    """One device, held by one job.

    Attributes:
        device: The device as whoever says so names it: a UUID, a PCI address, a number, a MIG UUID,
            `UUID::N`; `Devices.resolve` finds the device it means.
        job: The job's key, one that `wire.checked_name` lets pass.
        start_ms: Since when it holds the device, milliseconds since 1970 UTC.
        end_ms: Until when; None while it does.
        share: Part of the device, 0-1; None where nobody says, which is all that the name means.
        method: How it was found; one of `catalogue.METHODS`.
    """

    device: str
    job: str
    start_ms: int
    end_ms: int | None
    share: float | None
    method: str


class Claims(Protocol):
    """Somebody who knows which jobs hold which devices: records, a kubelet."""

    def claims(self, now_ms: int) -> Sequence[Claim]:
        """All that hold now, and those whose end is known and was not long ago.

        Asked at every tick, and not to wait: what takes time is kept between ticks. Where nothing
        is new the very same object as before comes back, which spares everybody a comparison. A
        claim that is no longer named and had no end has ended when it was named last.

        Raises:
            ReadFailed: It cannot be known now; what was said before goes on, for a while.
        """
        ...

    def names(self) -> Sequence[Row]:
        """Rows of `job_info` without their time, of the jobs the claims speak of.

        Asked after `claims`, whenever that gave another object than before.
        """
        ...
