"""A source that is not there yet: a driver may be loaded after the agent started."""

from __future__ import annotations

from collections.abc import Callable

from wattline_agents.errors import SourceUnavailable
from wattline_agents.sources.source import Readings, Source

RETRY_MS = 300_000


class LateSource:
    """Tries every few minutes to open a source, and is that source from then on."""

    def __init__(self, name: str, open: Callable[[], Source], say: Callable[[str], None]) -> None:
        """Try for the first time after `RETRY_MS`: it has just been tried."""
        self.name = name
        self._open, self._say = open, say
        self._source: Source | None = None
        self._next_ms: int | None = None

    def read(self, now_ms: int) -> Readings:
        """What the source reads; nothing while there is none."""
        if self._source is None:
            self._try(now_ms)
        return {} if self._source is None else self._source.read(now_ms)

    def describe(self, now_ms: int) -> Readings:
        """What the source says of itself; nothing while there is none."""
        return {} if self._source is None else self._source.describe(now_ms)

    def close(self) -> None:
        """Close the source, if it came."""
        if self._source is not None:
            self._source.close()

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
        self._say(f"{self.name}: there now")
