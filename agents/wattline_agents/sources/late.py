"""A source that is not there yet: a driver may be loaded after the agent started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from wattline_agents.errors import SourceUnavailable
from wattline_agents.sources.source import Given, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RETRY_MS = 300_000


class LateSource:
    """Tries every few minutes to open a source, and is that source from then on.

    What only some sources do (keep a pace of their own, be waited for, say why not) it does once
    its source is there, if that one does.
    """

    def __init__(self, name: str, open: Callable[[], Source], say: Callable[[str], None]) -> None:
        """Try for the first time after `RETRY_MS`: it has just been tried."""
        self.name = name
        self._open, self._say = open, say
        self._source: Source | None = None
        self._next_ms: int | None = None
        self._told: dict[str, Any] = {}

    @property
    def every_seconds(self) -> float:
        """The source's own pace; every tick while there is none, to look for it in time."""
        return 0.0 if self._source is None else getattr(self._source, "every_seconds", 0.0)

    @property
    def read_errors(self) -> int:
        """Readings that failed where the source reads, if that is elsewhere."""
        return int(getattr(self._source, "read_errors", 0))

    @property
    def read_timeouts(self) -> int:
        """Readings that were given up there."""
        return int(getattr(self._source, "read_timeouts", 0))

    @property
    def is_expected(self) -> bool:
        """Whether a reading of the source will come by itself."""
        return bool(getattr(self._source, "is_expected", False))

    def processes(self) -> Sequence[int]:
        """The processes that read for it."""
        found: Sequence[int] = self._of_it("processes", ())
        return found

    def read(self, now_ms: int) -> Given:
        """What the source reads; nothing while there is none."""
        if self._source is None:
            self._try(now_ms)
        return {} if self._source is None else self._source.read(now_ms)

    def describe(self, now_ms: int) -> Given:
        """What the source says of itself; nothing while there is none."""
        return {} if self._source is None else self._source.describe(now_ms)

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Why columns are null, if the source says so."""
        found: Mapping[str, Mapping[str, str]] = self._of_it("why_not", {})
        return found

    def unread(self) -> Sequence[str]:
        """Devices that the source cannot read, if it knows of any."""
        found: Sequence[str] = self._of_it("unread", ())
        return found

    def descriptors(self) -> Mapping[int, int]:
        """What to wake for, if the source waits for something."""
        if self._source is None:  # asked before every wait, so the usual answer is quick
            return {}
        found: Mapping[int, int] = self._of_it("descriptors", {})
        return found

    def handle(self, descriptor: int, events: int) -> Given:
        """What the source does then."""
        found: Given = self._of_it("handle", {}, descriptor, events)
        return found

    def on_assignments(self, devices_held: Mapping[str, str]) -> None:
        """Tell the source, now or when it is there."""
        self._tell("on_assignments", devices_held)

    def on_devices(self, devices: Mapping[int, str]) -> None:
        """Tell the source, now or when it is there."""
        self._tell("on_devices", devices)

    def close(self) -> None:
        """Close the source, if it came."""
        if self._source is not None:
            self._source.close()

    def _of_it(self, name: str, otherwise: Any, *arguments: Any) -> Any:
        method = getattr(self._source, name, None)
        return otherwise if method is None else method(*arguments)

    def _tell(self, name: str, news: Any) -> None:
        if self._source is None:
            self._told[name] = news
        else:
            self._of_it(name, None, news)

    def _try(self, now_ms: int) -> None:
        if self._next_ms is None or now_ms < self._next_ms - RETRY_MS:  # first, or a clock set back
            self._next_ms = now_ms + RETRY_MS
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + RETRY_MS
        try:
            self._source = self._open()
        except SourceUnavailable:
            return
        for name, news in self._told.items():
            self._of_it(name, None, news)
        self._say(f"{self.name}: there now")
