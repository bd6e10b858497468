"""What a sink is: anything that takes rows without holding up the one who brings them."""

from __future__ import annotations

from collections.abc import Sequence

from wattline_agents.light import Protocol, runtime_checkable
from wattline_agents.record import record
from wattline_agents.wire import Row


@record(frozen=True, slots=True)
class Health:
    """What a sink has to say of itself; None where it does not apply to it.

    Attributes:
        batches_dropped: Batches that left a full spool unsent.
        batches_refused: Batches the collector refused and that were set aside.
        spool_bytes: Bytes waiting to be sent.
        exports_failed: Exports to others than the collector that were given up, in whole or part.
    """

    batches_dropped: int | None = None
    batches_refused: int | None = None
    spool_bytes: int | None = None
    exports_failed: int | None = None


class Sink(Protocol):
    """Takes what was read, and keeps or sends it in its own time."""

    def accept(self, table: str, rows: Sequence[Row], period_ms: int) -> None:
        """Take rows; returns at once and never raises.

        Args:
            table: Whose columns the rows have.
            rows: At least one; the sink may keep them and must not change them.
            period_ms: How far apart rows of one subject should be; 0 where there is no schedule.
        """
        ...

    def health(self) -> Health:
        """How it is doing, since it was made."""
        ...

    def close(self) -> None:
        """Send or keep what it still holds, and end; takes a few seconds at most."""
        ...


@runtime_checkable
class KeepsSets(Protocol):
    """A sink that shows what was told last, and has to hear when that is nothing any more."""

    def told_none(self, table: str) -> None:
        """The rows of a table that is always told as a whole, as `capability` is, are none now."""
        ...
