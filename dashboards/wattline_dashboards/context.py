"""What every page is connected with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wattline_agents.clock import Clock
from wattline_dashboards import times
from wattline_dashboards.access.audit import NotWritten, Seen
from wattline_dashboards.access.looks import Looks
from wattline_dashboards.answers import Answer, Answers
from wattline_dashboards.picture import Live

_SITE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the pickers around a page say, and so what its address says.

    Attributes:
        period: The choice's id, one of `times.PRESETS`, `times.ALL` or `times.CUSTOM`.
        start: First moment; null: the store's own.
        end: First moment no longer in it; null: now.
        system: The one system to look at; null: all.
    """

    period: str
    start: datetime | None
    end: datetime | None
    system: str | None

    @property
    def query(self) -> list[tuple[str, str]]:
        """The period as parameters of a question to the collector."""
        bounds = (("from", self.start), ("to", self.end))
        return [(name, when.isoformat().replace("+00:00", "Z")) for name, when in bounds if when]


@dataclass(frozen=True, slots=True)
class Context:
    """The collector behind a memory of its answers, the newest picture, and the time.

    Attributes:
        answers: The collector's answers.
        live: The newest picture.
        clock: The time.
        looks: What must be told before somebody is shown somebody else's job; null: nobody signs
            in, and nothing is told.
    """

    answers: Answers
    live: Live
    clock: Clock
    looks: Looks | None = None

    @property
    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.fromtimestamp(self.clock.unix_ms() / 1000, UTC)

    @property
    def site(self) -> Mapping[str, Any]:
        """`/v1/site`; empty until the collector has answered once."""
        return self.answers.ask("/v1/site", keep_seconds=_SITE_SECONDS).value or {}

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone; UTC where it is not known."""
        try:
            return ZoneInfo(str(self.site.get("time_zone") or "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    def asked(self, picked: object) -> Asked | None:
        """What the pickers' store (`shell-asked`) says; None while its dates are being chosen."""
        said: Mapping[str, Any] = picked if isinstance(picked, Mapping) else {}
        period = str(said.get("period") or times.DEFAULT)
        first, last, system = (said.get(name) for name in ("first", "last", "system"))
        if period == times.CUSTOM and not (first and last):
            return None
        bounds = times.bounds(period, self.now, first, last, self.zone)
        return Asked(period, bounds.start, bounds.end, str(system) if system else None)

    def told(
        self, answer: Answer, page: str, seen: Callable[[Mapping[str, Any]], Iterable[Seen]]
    ) -> Answer:
        """An answer, once it stands in the log whose jobs it shows.

        Args:
            answer: What is about to be shown.
            page: Where.
            seen: The jobs that an answer names.

        Returns:
            The same; without a value where the line cannot be written.
        """
        if self.looks is None or answer.value is None:
            return answer
        try:
            self.looks.shown(page, seen(answer.value))
        except NotWritten as error:
            return Answer(None, None, str(error))
        return answer
